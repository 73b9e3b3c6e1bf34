//! Messages with several concerns: several agents, one answer.

use std::{
    collections::BTreeMap,
    fs,
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use orchestratai_shared::{RetrievalLog, SessionId};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::{
    client::Frame,
    server::{Launch, Server},
};

const QUESTION: &str = "My invoice is wrong and the webhook returns 401";
const LEADS: [&str; 2] = ["**My invoice is wrong**", "**The webhook returns 401**"];

/// The steps of a turn, as its frames have them.
fn steps(frames: &[Frame]) -> Vec<RetrievalLog> {
    let steps = frames.iter().filter(|frame| frame.kind() == "retrieval_log");
    steps
        .map(|frame| serde_json::from_value(frame.data().clone()).unwrap())
        .collect()
}

/// The kinds of steps that each agent took, in its order.
fn kinds_by_agent(steps: &[RetrievalLog]) -> BTreeMap<&str, Vec<Value>> {
    let mut kinds: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
    for step in steps {
        let agent = step.agent.as_ref().map_or("", |agent| agent.as_str());
        kinds.entry(agent).or_default().push(json!(step.data.kind()));
    }
    kinds
}

/// Each chunk that the turn has shown, by its id: its source.
fn chunks(steps: &[RetrievalLog]) -> BTreeMap<u64, String> {
    let mut chunks = BTreeMap::new();
    for step in steps {
        let data = serde_json::to_value(step).unwrap();
        for chunk in data["data"]["chunks"].as_array().into_iter().flatten() {
            let source = chunk["source"].as_str().unwrap().to_owned();
            let known = chunks.insert(chunk["id"].as_u64().unwrap(), source);
            assert_eq!(known, None, "an id names two chunks: {chunk}");
        }
    }
    chunks
}

/// The numbers of the marks in a text that are followed by the end of a line or a space.
fn marks(text: &str) -> Vec<u64> {
    text.split('[')
        .skip(1)
        .filter_map(|rest| rest.split_once(']')?.0.parse().ok())
        .collect()
}

/// The deltas since the last reset are the answer, without gap or repeat.
fn check_deltas(frames: &[Frame]) {
    let mut text = String::new();
    for frame in frames {
        match frame.kind() {
            "message_delta" => {
                assert_eq!(frame.data()["offset"].as_u64(), Some(text.len() as u64));
                text += frame.data()["delta"].as_str().unwrap();
            }
            "message_reset" => text.clear(),
            _ => {}
        }
    }
    assert_eq!(frames.last().unwrap().data()["message"]["content"], text);
}

#[tokio::test]
async fn each_concern_is_answered_by_its_agent_in_the_order_of_the_message() {
    let server = Server::start().await;
    let mut socket = server.socket("").await;
    let session_id = socket.ready().await.session_id();
    let frames = socket.turn(QUESTION).await;
    check_deltas(&frames);
    let completed = frames.last().unwrap().data();
    let text = completed["message"]["content"].as_str().unwrap();
    assert!(text.starts_with(LEADS[0]), "{text}");
    let second = text.find(LEADS[1]).expect("the second part is there");
    assert_eq!(completed["message"]["agent"], "billing");
    assert!(
        completed["message"]["confidence"].as_f64().unwrap() >= 0.5,
        "{completed}"
    );

    let steps = steps(&frames);
    assert_eq!(
        kinds_by_agent(&steps),
        BTreeMap::from([
            ("", vec![json!("routing")]),
            (
                "billing",
                vec![json!("cache"), json!("vector_search"), json!("documents")]
            ),
            ("technical", vec![json!("vector_search"), json!("documents")]),
        ])
    );
    // Each citation names one chunk of the turn, and each mark one citation, whose part it stands in.
    let chunks = chunks(&steps);
    let citations = completed["citations"].as_array().unwrap();
    for (index, citation) in (1..).zip(citations) {
        assert_eq!(citation["index"], index, "{completed}");
        let source = &chunks[&citation["chunkId"].as_u64().unwrap()];
        assert_eq!(citation["source"], source.as_str());
        let part = if fs::exists(demo("billing", source)).unwrap() {
            &text[..second]
        } else {
            &text[second..]
        };
        assert!(
            marks(part).contains(&index),
            "[{index}] of {source} is not in its part of\n{text}"
        );
    }
    let (first, rest) = (marks(&text[..second]), marks(&text[second..]));
    assert!(first.iter().max() < rest.iter().min(), "{first:?} {rest:?}");
    assert_eq!(rest.iter().max().copied(), Some(citations.len() as u64));

    // What is stored is what was told.
    let messages = server.rest().get(&format!("/api/session/{session_id}/messages")).await;
    assert_eq!(messages.body["messages"][1]["content"], text);
    let logs = server.rest().get(&format!("/api/session/{session_id}/logs")).await;
    assert_eq!(logs.body["logs"].as_array().unwrap().len(), steps.len());
}

fn demo(collection: &str, source: &str) -> String {
    format!("{}/../config/demo/{collection}/{source}", env!("CARGO_MANIFEST_DIR"))
}

#[tokio::test]
async fn rest_gets_the_same_answer_and_each_part_is_its_agents_own() {
    let server = Server::start().await;
    let (rest, session_id) = (server.rest(), SessionId::new());
    let ask = |message: &'static str| {
        let rest = rest.clone();
        async move {
            let body = json!({"message": message, "session_id": session_id});
            let answer = rest.post("/api/chat", &body).await;
            assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
            answer.body
        }
    };
    let alone = ask("My invoice is wrong").await;
    let steps: Vec<RetrievalLog> = serde_json::from_value(alone["logs"].clone()).unwrap();
    assert!(
        steps.iter().all(|step| step.agent.is_none()),
        "one agent alone is not named"
    );
    let both = ask(QUESTION).await;
    for (agent, status) in [("billing", "complete"), ("technical", "complete"), ("policy", "idle")] {
        assert_eq!(both["agent_status"][agent], status, "{both}");
    }
    assert_eq!(both["agent"], "billing");
    // The first part was answered before, as a question of its own; the whole was not.
    let is_hit = |log: &&Value| log["type"] == "cache" && log["data"]["status"] == "hit" && log["agent"] == "billing";
    assert_eq!(
        both["logs"].as_array().unwrap().iter().filter(is_hit).count(),
        1,
        "{both}"
    );
    assert_eq!(both["metrics"]["cache_status"], "miss");
    let own = alone["message"].as_str().unwrap();
    let text = both["message"].as_str().unwrap();
    assert_eq!(
        text.split("\n\n**The webhook").next(),
        Some(format!("{}\n\n{own}", LEADS[0]).as_str())
    );
    let again = ask(QUESTION).await;
    assert_eq!(again["message"], both["message"]);

    let metrics = rest.get("/metrics").await.body;
    for agent in ["billing", "technical"] {
        let line = format!("orchestratai_turn_parts_total{{agent=\"{agent}\",outcome=\"completed\"}} 2");
        assert!(metrics.as_str().unwrap().contains(&line), "{line}");
    }
}

#[tokio::test]
async fn a_part_without_an_answer_says_so_for_itself_alone() {
    let server = Launch::new().argument("--no-demo").start().await;
    let rest = server.rest();
    let document = "# Invoices\n\nIf an invoice is wrong, write to billing@example.com within 30 days.\n";
    let form = reqwest::multipart::Form::new().text("collection", "billing").part(
        "file",
        reqwest::multipart::Part::text(document).file_name("invoices.md"),
    );
    let request = rest.request(reqwest::Method::POST, "/api/knowledge/documents");
    assert!(rest.send(request.multipart(form)).await.status.is_success());
    let mut socket = server.socket("").await;
    socket.ready().await;
    let frames = socket.turn(QUESTION).await;
    check_deltas(&frames);
    let completed = frames.last().unwrap().data();
    let text = completed["message"]["content"].as_str().unwrap();
    assert!(text.contains("billing@example.com"), "{text}");
    let (_, second) = text.split_once(LEADS[1]).unwrap();
    assert_eq!(second.trim(), "I did not find an answer to this in the knowledge base.");
    assert!(completed["message"]["confidence"].as_f64().unwrap() < 0.5);
}

#[tokio::test]
async fn what_no_specialist_takes_is_said_to_be_left_out() {
    let server = Server::start().await;
    let mut socket = server.socket("").await;
    socket.ready().await;
    let frames = socket
        .turn("My invoice is wrong? What is the capital of France? Why does the webhook return 401?")
        .await;
    check_deltas(&frames);
    let completed = frames.last().unwrap().data();
    let text = completed["message"]["content"].as_str().unwrap();
    let (parts, left_out) = text.split_once("**What is the capital of France?**").unwrap();
    assert!(parts.contains("**My invoice is wrong?**") && parts.contains("**Why does the webhook return 401?**"));
    assert!(left_out.trim().starts_with("I left this part out"), "{text}");
    assert!(completed["message"]["confidence"].as_f64().unwrap() < 0.5);
    let routing = serde_json::to_value(&steps(&frames)[0]).unwrap();
    let reasoning = routing["data"]["reasoning"].as_str().unwrap();
    assert!(
        reasoning.contains("No specialist takes “What is the capital of France?”, so it is left out."),
        "{reasoning}"
    );
}

#[tokio::test]
async fn a_stop_in_the_middle_ends_every_part() {
    // Of its second part no passage is the surest, so the transformer is asked; it is loaded first, and the stop finds the
    // turn under way.
    let question = "My invoice is wrong and our webhook stopped";
    let server = Launch::new()
        .setting("retrieval.cascade", "true")
        .setting("retrieval.transformer_wait", "10s")
        .start()
        .await;
    let mut socket = server.socket("").await;
    socket.ready().await;
    // Once it is loaded, a machine may be so quick that all is answered before the stop arrives.
    for _ in 0..20 {
        socket.say(question).await;
        let mut frames = socket.until(|frame| frame.data()["status"] == "active").await;
        let turn_id = frames.last().unwrap().turn_id();
        socket
            .send(&json!({"type": "cancel", "data": {"turnId": turn_id}}))
            .await;
        frames.extend(socket.until(Frame::is_terminal).await);
        if frames.last().unwrap().kind() != "turn_cancelled" {
            continue;
        }
        socket.send(&json!({"type": "ping"})).await;
        let after = socket.until(|frame| frame.kind() == "pong").await;
        assert!(after.iter().all(|frame| frame.turn_id() != turn_id), "{after:?}");
        // An agent tells of its end before it counts itself idle: a moment may lie between.
        let began = Instant::now();
        loop {
            let agents = server.rest().get("/api/agents").await.body;
            let idle = |agent: &Value| agent["status"] == "idle";
            if agents["agents"].as_array().unwrap().iter().all(idle) {
                break;
            }
            assert!(began.elapsed() < Duration::from_secs(5), "{agents}");
        }
        // The session goes on as if nothing had been, and the same question asks the transformer, or this test would be a race.
        let frames = socket.turn(question).await;
        assert_eq!(frames.last().unwrap().kind(), "message_completed");
        let metrics = server.rest().get("/metrics").await.body.to_string();
        let ranked = r#"orchestratai_second_stage_total{outcome=\"ranked\"}"#;
        let times = metrics.split_once(ranked).unwrap().1;
        assert!(!times.starts_with(" 0"), "{metrics}");
        return;
    }
    panic!("none of twenty stops was in time");
}

#[tokio::test]
async fn an_agent_without_room_leaves_a_sentence_in_the_place_of_its_part() {
    let agents = tempfile::tempdir().unwrap();
    for file in fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../config/agents")).unwrap() {
        let file = file.unwrap();
        let mut text = fs::read_to_string(file.path()).unwrap();
        if file.file_name() == "technical.toml" {
            // One turn at once and none that waits: what comes beside it finds no room with this agent.
            text = text
                .replace("concurrency_turns = 64", "concurrency_turns = 1")
                .replace("queue_turns = 512", "queue_turns = 0");
        }
        fs::write(agents.path().join(file.file_name()), text).unwrap();
    }
    let server = Launch::new()
        .setting("agents.dir", agents.path().to_str().unwrap())
        .setting("actors.shards", "1")
        .start()
        .await;
    let mut sockets = Vec::new();
    for _ in 0..8 {
        let mut socket = server.socket("").await;
        socket.ready().await;
        sockets.push(socket);
    }
    let (mut whole, mut partial) = (0, 0);
    for _ in 0..10 {
        let turns = sockets.iter_mut().map(|socket| socket.turn(QUESTION));
        for frames in join_all(turns).await {
            check_deltas(&frames);
            let completed = frames.last().unwrap().data();
            let text = completed["message"]["content"].as_str().unwrap();
            let (first, second) = text.split_once(LEADS[1]).unwrap();
            assert!(first.contains("[1]") && !first.contains("could not answer"), "{text}");
            if second.contains("I could not answer this part. The agent has more to do than it can take.") {
                partial += 1;
                assert_eq!(completed["message"]["confidence"], 0.0);
                let warned = |step: &RetrievalLog| step.title == "No answer from technical";
                assert!(steps(&frames).iter().any(warned));
            } else {
                whole += 1;
            }
        }
        if whole > 0 && partial > 0 {
            return;
        }
    }
    panic!("of ten times eight questions at once {whole} were answered whole and {partial} in part");
}
