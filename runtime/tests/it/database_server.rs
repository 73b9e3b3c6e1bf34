//! The server with its data in PostgreSQL.

use std::time::{Duration, Instant};

use orchestratai_testing::Postgres;
use reqwest::{Method, StatusCode, header::RETRY_AFTER};
use serde_json::json;

use crate::{
    client::Rest,
    server::{Launch, orchestratai},
};

async fn sources(rest: &Rest, query: &str) -> Vec<String> {
    let question = json!({"query": query, "limit": 5});
    let answer = rest.post("/api/knowledge/search", &question).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    let chunks = answer.body["chunks"].as_array().unwrap().iter();
    chunks
        .map(|chunk| chunk["source"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn another_machine_goes_on_with_what_was_said_and_ingested() {
    let url = Postgres::shared().database();
    let launch = Launch::new().variable("DATABASE_URL", &url);
    let server = launch.clone().start().await;
    let mut socket = server.socket("").await;
    let session_id = socket.ready().await.session_id();
    let frames = socket.turn("Can I get a refund of my annual plan?").await;
    let last = frames.last().unwrap();
    assert_eq!(last.kind(), "message_completed", "{}", last.0);

    // Somebody else's machine takes documents in; the server answers from them within seconds.
    let (notes, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    std::fs::write(
        notes.path().join("zeppelin.md"),
        "# Zeppelins\n\nThe zeppelin mooring opens at nine.",
    )
    .unwrap();
    let mut ingest = orchestratai();
    ingest
        .env("DATABASE_URL", &url)
        .env("ORCHESTRATAI__RETRIEVAL__CASCADE", "false")
        .arg("ingest")
        .arg(notes.path())
        .args(["--collection", "technical", "--data-dir"])
        .arg(elsewhere.path());
    let output = tokio::task::spawn_blocking(move || ingest.output().unwrap())
        .await
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let began = Instant::now();
    while !sources(&server.rest(), "zeppelin mooring")
        .await
        .contains(&"zeppelin.md".to_owned())
    {
        assert!(began.elapsed() < Duration::from_secs(20), "the server does not follow");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }

    drop(server.kill());
    let again = launch.start().await;
    let events = again.rest().events(session_id).await;
    assert_eq!(events.last().unwrap(), &last.event());
    let found = sources(&again.rest(), "zeppelin mooring").await;
    assert!(found.contains(&"zeppelin.md".to_owned()), "{found:?}");
    let refund = sources(&again.rest(), "Can I get a refund of my annual plan?").await;
    assert!(refund.contains(&"requesting-a-refund.md".to_owned()), "{refund:?}");
    let sessions = Postgres::shared().sql(
        url.rsplit_once('/').unwrap().1,
        "SELECT id, message_count FROM sessions",
    );
    assert_eq!(sessions, format!("{session_id}|2"));
}

#[tokio::test]
async fn a_second_server_on_the_same_database_says_who_is_in_its_way() {
    let url = Postgres::shared().database();
    let launch = Launch::new().variable("DATABASE_URL", &url);
    let _first = launch.start().await;
    let elsewhere = tempfile::tempdir().unwrap();
    let mut second = orchestratai();
    second
        .env("DATABASE_URL", &url)
        .args(["serve", "--port", "0", "--data-dir"])
        .arg(elsewhere.path());
    let output = tokio::task::spawn_blocking(move || second.output().unwrap())
        .await
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("is in use by another server"), "{said}");
}

#[tokio::test]
async fn while_the_database_is_away_nothing_new_is_accepted_and_health_says_why() {
    let mut postgres = Postgres::start();
    let server = Launch::new()
        .variable("DATABASE_URL", &postgres.database())
        .start()
        .await;
    let session_id = orchestratai_shared::SessionId::new();
    let body = json!({"message": "Can I get a refund?", "session_id": session_id});
    let answered = server.rest().post("/api/chat", &body).await;
    assert_eq!(answered.status, StatusCode::OK, "{}", answered.body);

    postgres.stop();
    for _ in 0..2 {
        let began = Instant::now();
        let request = server.rest().request(Method::POST, "/api/chat").json(&body);
        let refused = request.send().await.unwrap();
        assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(refused.headers().contains_key(RETRY_AFTER));
        assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    }
    let services = server.rest().get("/api/health/services").await;
    let journal = services.body["services"]
        .as_array()
        .and_then(|services| services.iter().find(|service| service["name"] == "journal"));
    assert_eq!(journal.unwrap()["state"], "down", "{}", services.body);
    assert!(
        !services.body.to_string().contains("orchestratai@"),
        "{}",
        services.body
    );
    // The process itself is well: nobody should start it anew for this.
    assert_eq!(server.rest().get("/api/health/live").await.status, StatusCode::OK);

    postgres.start_again();
    let began = Instant::now();
    loop {
        let answered = server.rest().post("/api/chat", &body).await;
        if answered.status == StatusCode::OK {
            break;
        }
        assert_eq!(answered.status, StatusCode::SERVICE_UNAVAILABLE, "{}", answered.body);
        assert!(began.elapsed() < Duration::from_secs(20), "it does not recover");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let events = server.rest().events(session_id).await;
    assert!(events.iter().map(|event| event.seq).eq(1..=events.len() as u64));
    assert_eq!(events.iter().filter(|event| event.body.is_terminal()).count(), 2);
}
