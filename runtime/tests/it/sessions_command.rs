//! `orchestratai sessions`, beside a running server and without one.

use std::process::Output;

use orchestratai_shared::SessionId;
use orchestratai_testing::Redis;
use serde_json::Value;

use crate::server::{Launch, Server, orchestratai};

async fn turn(server: &Server, id: SessionId, content: &str) -> u64 {
    let mut socket = server.socket(&format!("?session_id={id}")).await;
    socket.ready().await;
    let last = socket.turn(content).await.pop().unwrap();
    socket.close().await;
    // Whoever reads the transcript waits until the database has all of it, which is what the command reads.
    let messages = server.rest().get(&format!("/api/session/{id}/messages")).await;
    assert_eq!(messages.status, 200);
    last.0["seq"].as_u64().unwrap()
}

fn sessions(server: &Server, redis: Option<&Redis>, arguments: &[&str]) -> Output {
    let mut command = orchestratai();
    command
        .arg("sessions")
        .args(arguments)
        .arg("--data-dir")
        .arg(server.data_dir());
    if let Some(redis) = redis {
        command.env("REDIS_URL", redis.url());
    }
    command.output().unwrap()
}

fn said(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[tokio::test]
async fn sessions_are_listed_shown_and_exported() {
    let redis = Redis::start();
    for redis in [Some(&redis), None] {
        let launch = match redis {
            Some(redis) => Launch::new().variable("REDIS_URL", &redis.url()),
            None => Launch::new(),
        };
        let mut server = launch.start().await;
        let (first, second) = (SessionId::new(), SessionId::new());
        turn(&server, first, "hello there").await;
        let last_seq = turn(&server, second, "Can I get a refund of my annual plan?").await;

        // Whole sessions come from the journal, beside the running server.
        let exported: Value =
            serde_json::from_str(&said(&sessions(&server, redis, &["export", &second.to_string()]))).unwrap();
        assert_eq!(exported["session"]["id"], second.to_string());
        assert_eq!(exported["messages"].as_array().unwrap().len(), 2);
        let events: Value = server
            .rest()
            .get(&format!("/api/session/{second}/events?limit=1000"))
            .await
            .body;
        assert_eq!(exported["events"], events["events"]);
        let logs: Value = server
            .rest()
            .get(&format!("/api/session/{second}/logs?limit=100"))
            .await
            .body;
        assert_eq!(exported["logs"], logs["logs"]);

        // Which writes all snapshots.
        server.terminate();
        assert!(server.ended().await.success());
        let listed: Value = serde_json::from_str(&said(&sessions(&server, redis, &["list", "--json"]))).unwrap();
        let ids: Vec<_> = listed
            .as_array()
            .unwrap()
            .iter()
            .map(|row| row["id"].as_str().unwrap())
            .collect();
        assert_eq!(ids, [second.to_string(), first.to_string()]);
        assert_eq!(listed[0]["last_seq"], last_seq);
        let table = said(&sessions(&server, redis, &["list", "--limit", "1"]));
        assert_eq!(table.lines().count(), 2, "{table}");
        assert!(
            table.starts_with("ID ") && table.contains(&second.to_string()),
            "{table}"
        );

        let shown = said(&sessions(&server, redis, &["show", &second.to_string()]));
        assert!(shown.contains(": in step with the journal"), "{shown}");
        assert!(
            shown.contains("1 idempotency keys, 0 open turns, 2 messages"),
            "{shown}"
        );
        let file = server.folder().path().join("session.json");
        said(&sessions(
            &server,
            redis,
            &["export", &second.to_string(), "--output", &file.to_string_lossy()],
        ));
        let written: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
        assert_eq!(written, exported);

        let unknown = sessions(&server, redis, &["show", &SessionId::new().to_string()]);
        assert_eq!(unknown.status.code(), Some(1));
        assert!(String::from_utf8_lossy(&unknown.stderr).contains("there is no session"));
    }
}

#[tokio::test]
async fn a_snapshot_is_shown_as_what_it_is() {
    let redis = Redis::start();
    let server = Launch::new().variable("REDIS_URL", &redis.url()).start().await;
    let id = SessionId::new();
    let last_seq = turn(&server, id, "hello there").await;
    let key = format!("session:{id}");
    let mut connection = redis::Client::open(redis.url()).unwrap().get_connection().unwrap();
    let mut ask = |words: &[&str]| -> redis::Value {
        let mut command = redis::cmd(words[0]);
        command.arg(&words[1..]);
        command.query(&mut connection).unwrap()
    };
    let shown = || said(&sessions(&server, Some(&redis), &["show", &id.to_string()]));
    let began = std::time::Instant::now();
    while !shown().contains("in step") {
        assert!(began.elapsed() < std::time::Duration::from_secs(30), "{}", shown());
    }
    let old = ask(&["DUMP", &key]);
    let redis::Value::BulkString(old) = old else {
        panic!("{old:?}")
    };
    let next = turn(&server, id, "hello again").await;
    while shown().contains("behind") {
        assert!(began.elapsed() < std::time::Duration::from_secs(60), "{}", shown());
    }
    let mut restore = redis::cmd("RESTORE");
    restore.arg(&key).arg(0).arg(old).arg("REPLACE");
    restore
        .query::<()>(&mut redis::Client::open(redis.url()).unwrap().get_connection().unwrap())
        .unwrap();
    let behind = format!("behind the journal by {}", next - last_seq);
    assert!(shown().contains(&behind), "{}", shown());
    ask(&["HSET", &key, "state", "{}"]);
    assert!(shown().contains("unreadable"), "{}", shown());
    ask(&["DEL", &key]);
    assert!(shown().contains("absent"), "{}", shown());
}
