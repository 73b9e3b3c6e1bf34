//! The order of events on every path of a turn.

use orchestratai_shared::SessionId;
use serde_json::json;

use crate::{client::Frame, server::Server};

/// A frame as one word: its type, and for a step its kind and for an agent's status both.
fn word(frame: &Frame) -> String {
    match frame.kind() {
        "retrieval_log" => {
            let status = frame.data()["status"].as_str().unwrap();
            let mark = if status == "success" { "" } else { "!" };
            format!("{}{mark}", frame.data()["type"].as_str().unwrap())
        }
        "agent_status" => {
            format!(
                "{}:{}",
                frame.data()["agent"].as_str().unwrap(),
                frame.data()["status"].as_str().unwrap()
            )
        }
        kind => kind.to_owned(),
    }
}

/// The frames as words, with a run of deltas as one.
fn words(frames: &[Frame]) -> Vec<String> {
    let mut words: Vec<String> = frames.iter().map(word).collect();
    words.dedup();
    words
}

fn check(frames: &[Frame], expected: &str) {
    assert_eq!(words(frames).join(" "), expected);
}

#[tokio::test]
async fn every_path_of_a_turn_keeps_its_order() {
    let server = Server::start().await;
    let mut socket = server.socket("").await;
    socket.ready().await;

    let retrieved = socket.turn("How do I rotate an API key without downtime?").await;
    check(
        &retrieved,
        "message_accepted routing orchestrator:routing technical:active vector_search documents message_delta \
         technical:complete orchestrator:complete message_completed",
    );
    let missed = socket.turn("What does the Team plan cost per month?").await;
    check(
        &missed,
        "message_accepted routing orchestrator:routing billing:active cache vector_search documents message_delta \
         billing:complete orchestrator:complete message_completed",
    );
    let hit = socket.turn("What does the Team plan cost per month?").await;
    let kinds = words(&hit);
    let cache = hit
        .iter()
        .find(|frame| word(frame) == "cache")
        .expect("there is a cache step");
    assert_eq!(cache.data()["data"]["status"], "hit", "{}", cache.0);
    assert_eq!(hit.last().unwrap().data()["metrics"]["cache_status"], "hit");
    assert_eq!(
        hit.last().unwrap().data()["message"]["content"],
        missed.last().unwrap().data()["message"]["content"]
    );
    let place = |wanted: &str| {
        kinds
            .iter()
            .position(|kind| kind == wanted)
            .unwrap_or_else(|| panic!("{kinds:?}"))
    };
    assert!(place("cache") < place("message_delta") && place("message_delta") < place("message_completed"));
    let direct = socket.turn("hello there").await;
    check(
        &direct,
        "message_accepted routing orchestrator:routing orchestrator:active message_delta orchestrator:complete \
         message_completed",
    );
    let unknown = socket
        .turn("Which API endpoint controls the weather on Jupiter's moons?")
        .await;
    let last = unknown.last().unwrap();
    assert_eq!(last.kind(), "message_completed");
    assert!(
        last.data()["message"]["confidence"].as_f64().unwrap() < 0.5,
        "{}",
        last.0
    );

    // The deltas are the answer, without gap or repeat.
    for frames in [&retrieved, &missed, &hit, &direct, &unknown] {
        let mut text = String::new();
        for frame in frames.iter().filter(|frame| frame.kind() == "message_delta") {
            assert_eq!(frame.data()["offset"].as_u64(), Some(text.len() as u64));
            text += frame.data()["delta"].as_str().unwrap();
        }
        assert_eq!(frames.last().unwrap().data()["message"]["content"], text);
    }
}

#[tokio::test]
async fn a_client_that_knows_only_rest_is_served() {
    let server = Server::start().await;
    let (rest, session_id) = (server.rest(), SessionId::new());
    let body = json!({"message": "Can I get a refund of my annual plan?", "session_id": session_id});
    let answer = rest.post("/api/chat", &body).await;
    assert!(answer.status.is_success(), "{}", answer.body);
    for field in ["message", "agent", "confidence", "logs", "metrics", "agent_status"] {
        assert!(!answer.body[field].is_null(), "{field} is missing: {}", answer.body);
    }
    assert!(answer.headers.contains_key("x-turn-id"));
    let page = rest.get(&format!("/api/session/{session_id}/messages")).await;
    assert_eq!(page.body["messages"].as_array().unwrap().len(), 2, "{}", page.body);
}
