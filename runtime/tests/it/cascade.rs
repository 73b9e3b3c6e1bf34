//! The second stage of search, in the real thing.

use std::path::Path;

use reqwest::{
    Method,
    multipart::{Form, Part},
};
use serde_json::json;

use crate::{
    client::Frame,
    server::{Launch, Server, orchestratai},
};

/// Several passages are about as near: the first stage is unsure.
const UNSURE: &str = "Our webhook stopped and my API requests get errors, what could be wrong?";

async fn ask(server: &Server, question: &str) -> Vec<Frame> {
    let mut socket = server.socket("").await;
    socket.ready().await;
    socket.say(question).await;
    let mut frames = Vec::new();
    loop {
        let frame = socket.next().await;
        let is_end = frame.kind() == "message_completed";
        frames.push(frame);
        if is_end {
            return frames;
        }
    }
}

fn vector_search(frames: &[Frame]) -> &Frame {
    let step = frames
        .iter()
        .find(|frame| frame.kind() == "retrieval_log" && frame.data()["type"] == "vector_search");
    step.expect("there is a vector_search step")
}

async fn search(folder: &Path, cascade: &str) -> String {
    let mut command = orchestratai();
    command.arg("search").arg(UNSURE).arg("--data-dir").arg(folder);
    command.env("ORCHESTRATAI__RETRIEVAL__CASCADE", cascade);
    command.env("ORCHESTRATAI__RETRIEVAL__TRANSFORMER_WAIT", "10s");
    let output = tokio::task::spawn_blocking(move || command.output().unwrap());
    String::from_utf8(output.await.unwrap().stdout).unwrap()
}

#[tokio::test]
async fn a_search_says_what_the_second_stage_did_and_which_words_were_corrected() {
    let search = async |server: &Server, query: &str| {
        let question = json!({"query": query, "collection": "technical", "limit": 5});
        let answer = server.rest().post("/api/knowledge/search", &question).await;
        assert!(answer.status.is_success(), "{}", answer.body);
        assert!(answer.body["tookMs"].as_f64().unwrap() > 0.0, "{}", answer.body);
        answer.body
    };
    // It is loaded at the first question, which takes many times as long as that question may wait.
    let launch = Launch::new().setting("retrieval.cascade", "true");
    let server = launch.setting("retrieval.transformer_wait", "10s").start().await;
    let ranked = search(&server, UNSURE).await;
    assert_eq!(ranked["secondStage"], "ranked", "{ranked}");
    let took = ranked["secondStageMs"].as_f64().unwrap();
    assert!(took > 0.0 && took <= ranked["tookMs"].as_f64().unwrap(), "{ranked}");
    assert!(ranked.get("corrections").is_none(), "{ranked}");

    let corrected = search(&server, "How do I rotate an API kye without downtme?").await;
    let words = corrected["corrections"].as_array().unwrap();
    assert!(
        words.contains(&json!({"from": "downtme", "to": "downtime"})),
        "{words:?}"
    );

    let alone = Launch::new().start().await;
    let first = search(&alone, UNSURE).await;
    assert_eq!(first["secondStage"], "absent", "{first}");
    assert!(first.get("secondStageMs").is_none(), "{first}");
}

#[tokio::test]
async fn a_turn_waits_for_the_transformer_so_long_and_no_longer() {
    let launch = Launch::new().setting("retrieval.cascade", "true");
    // It is loaded at the first question, which takes many times as long.
    let server = launch
        .clone()
        .setting("retrieval.transformer_wait", "1ms")
        .start()
        .await;
    let frames = ask(&server, UNSURE).await;
    let step = vector_search(&frames);
    assert_eq!(step.data()["status"], "warning", "{}", step.0);
    let title = step.data()["title"].as_str().unwrap();
    assert!(title.contains("ranked by the first stage alone"), "{title}");
    assert_eq!(step.data()["data"]["chunks_retrieved"], 5, "{}", step.0);
    let metrics = server.rest().get("/metrics").await.body.to_string();
    assert!(
        metrics.contains(r#"orchestratai_second_stage_total{outcome=\"missed\"} 1"#),
        "{metrics}"
    );

    let server = launch.setting("retrieval.transformer_wait", "10s").start().await;
    let step = ask(&server, UNSURE).await;
    assert_eq!(
        vector_search(&step).data()["status"],
        "success",
        "{}",
        vector_search(&step).0
    );
    let metrics = server.rest().get("/metrics").await.body.to_string();
    assert!(
        metrics.contains("orchestratai_second_stage_duration_seconds_count 1"),
        "{metrics}"
    );
    let shown = search(&server.data_dir(), "true").await;
    assert!(shown.contains(" · transformer 0."), "{shown}");
    let shown = search(&server.data_dir(), "false").await;
    assert!(!shown.is_empty() && !shown.contains("transformer"), "{shown}");
}

#[tokio::test]
async fn what_is_uploaded_is_read_by_the_transformer_when_the_upload_answers() {
    let server = Launch::new().setting("retrieval.cascade", "true").start().await;
    let text = "# Zeppelins\n\nA zeppelin of the fleet is moored at mast seven.\n";
    let file = Part::bytes(text.as_bytes()).file_name("zeppelin.md");
    let form = Form::new().text("collection", "technical").part("file", file);
    let rest = server.rest();
    let request = rest.request(Method::POST, "/api/knowledge/documents").multipart(form);
    let answer = rest.send(request).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    let folder = server.data_dir();
    let mut read = Vec::new();
    for revision in std::fs::read_dir(folder.join("index/technical")).unwrap() {
        read.push(revision.unwrap().path().join("transformer.i8").exists());
    }
    assert_eq!(read, [true]);
    let shown = search(&folder, "true").await;
    assert!(shown.contains(" · transformer 0."), "{shown}");
}
