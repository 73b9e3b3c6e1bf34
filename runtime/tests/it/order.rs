//! The order of events on every path of a turn.

use std::fs;

use futures_util::future::join_all;
use orchestratai_shared::{SessionId, TurnId};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::{
    client::{Answer, Frame},
    server::{Launch, Server},
};

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

/// The frames as words, with a run of deltas as one. Nothing else is joined: what comes twice was sent twice.
fn words(frames: &[Frame]) -> Vec<String> {
    let mut words: Vec<String> = frames.iter().map(word).collect();
    words.dedup_by(|next, last| *next == "message_delta" && next == last);
    words
}

fn check(frames: &[Frame], expected: &str) {
    assert_eq!(words(frames).join(" "), expected);
}

/// The deltas are the answer, without gap or repeat.
fn check_deltas(frames: &[Frame]) {
    let mut text = String::new();
    for frame in frames.iter().filter(|frame| frame.kind() == "message_delta") {
        assert_eq!(frame.data()["offset"].as_u64(), Some(text.len() as u64));
        text += frame.data()["delta"].as_str().unwrap();
    }
    assert_eq!(frames.last().unwrap().data()["message"]["content"], text);
}

/// The data of the cache step.
fn cache_step(frames: &[Frame]) -> &Value {
    let step = frames.iter().find(|frame| word(frame) == "cache");
    &step.expect("there is a cache step").data()["data"]
}

/// The frames that belong to one turn, whatever comes between them.
fn of_turn(frames: &[Frame], turn_id: TurnId) -> Vec<Frame> {
    let of_turn = frames.iter().filter(|frame| frame.turn_id() == Some(turn_id));
    of_turn.cloned().collect()
}

const GREETED: &str = "message_accepted routing orchestrator:routing orchestrator:active message_delta \
                       orchestrator:complete message_completed";
const RETRIEVED: &str = "message_accepted routing orchestrator:routing technical:active vector_search documents \
                         message_delta technical:complete orchestrator:complete message_completed";
const CACHED: &str = "message_accepted routing orchestrator:routing billing:active cache vector_search documents \
                      message_delta billing:complete orchestrator:complete message_completed";
const HYBRID: &str = "message_accepted routing orchestrator:routing technical:active cache vector_search documents \
                      message_delta technical:complete orchestrator:complete message_completed";

#[tokio::test]
async fn an_answer_from_retrieval_has_its_steps_before_its_words() {
    let server = Server::start().await;
    let mut socket = server.socket("").await;
    socket.ready().await;
    let frames = socket.turn("How do I rotate an API key without downtime?").await;
    check(&frames, RETRIEVED);
    check_deltas(&frames);
}

#[tokio::test]
async fn an_answer_from_the_cache_has_the_steps_of_the_one_that_it_repeats() {
    let server = Server::start().await;
    let mut socket = server.socket("").await;
    socket.ready().await;
    let question = "What does the Team plan cost per month?";
    let missed = socket.turn(question).await;
    check(&missed, CACHED);
    check_deltas(&missed);
    assert_eq!(cache_step(&missed)["status"], "miss");
    let hit = socket.turn(question).await;
    check(&hit, CACHED);
    check_deltas(&hit);
    assert_eq!(cache_step(&hit)["status"], "hit");
    let (hit, missed) = (hit.last().unwrap().data(), missed.last().unwrap().data());
    assert_eq!(hit["metrics"]["cache_status"], "hit");
    assert_eq!(hit["message"]["content"], missed["message"]["content"]);
}

#[tokio::test]
async fn a_question_of_several_parts_asks_cache_and_retrieval_and_shows_both() {
    let server = Server::start().await;
    let mut socket = server.socket("").await;
    socket.ready().await;
    let question = "How do I rotate an API key without downtime, and how do I verify the signature of a webhook?";
    for status in ["miss", "hit"] {
        let frames = socket.turn(question).await;
        check(&frames, HYBRID);
        check_deltas(&frames);
        assert_eq!(cache_step(&frames)["status"], status);
    }
}

#[tokio::test]
async fn a_direct_answer_has_no_steps_but_its_routing() {
    let server = Server::start().await;
    let mut socket = server.socket("").await;
    socket.ready().await;
    let frames = socket.turn("hello there").await;
    check(&frames, GREETED);
    check_deltas(&frames);
}

#[tokio::test]
async fn where_nothing_is_found_the_steps_show_it_and_the_answer_says_so() {
    let server = Launch::new().argument("--no-demo").start().await;
    let mut socket = server.socket("").await;
    socket.ready().await;
    let frames = socket.turn("How do I rotate an API key without downtime?").await;
    check(
        &frames,
        "message_accepted routing orchestrator:routing technical:active vector_search! documents! message_delta \
         technical:complete orchestrator:complete message_completed",
    );
    check_deltas(&frames);
    let search = frames.iter().find(|frame| word(frame).starts_with("vector_search"));
    assert_eq!(search.unwrap().data()["data"]["chunks_retrieved"], 0);
    let answer = &frames.last().unwrap().data()["message"];
    assert!(answer["confidence"].as_f64().unwrap() < 0.5, "{answer}");
}

/// How the last of several messages is stopped while those before it are answered.
enum Stop {
    BySocket,
    ByRest,
}

/// Says several things at once and stops the last. Gives the turns in their order, all frames, and what REST answered;
/// `None` where the stop came too late.
async fn stop_the_last(server: &Server, stop: &Stop) -> Option<(Vec<TurnId>, Vec<Frame>, Option<Answer>)> {
    let mut socket = server.socket("").await;
    socket.ready().await;
    for _ in 0..SAID {
        socket.say("How do I rotate an API key without downtime?").await;
    }
    let (mut frames, mut turns) = (Vec::new(), Vec::new());
    while turns.len() < SAID {
        let frame = socket.next().await;
        if frame.kind() == "message_accepted" {
            turns.extend(frame.turn_id());
        }
        frames.push(frame);
    }
    let last = turns[SAID - 1];
    let answer = match stop {
        Stop::BySocket => {
            socket.send(&json!({"type": "cancel", "data": {"turnId": last}})).await;
            None
        }
        Stop::ByRest => Some(
            server
                .rest()
                .post(&format!("/api/chat/{last}/cancel"), &json!({}))
                .await,
        ),
    };
    while frames.iter().filter(|frame| frame.is_terminal()).count() < SAID {
        frames.push(socket.next().await);
    }
    // A machine may also be so busy that the socket falls behind: then it is told so, and sent the rest from the journal.
    if frames.iter().any(|frame| frame.kind() == "lagging") {
        return None;
    }
    let end = frames
        .iter()
        .rfind(|frame| frame.turn_id() == Some(last) && frame.is_terminal());
    (end.unwrap().kind() == "turn_cancelled").then_some((turns, frames, answer))
}

/// Messages that are under way at once; the server queues up to eight behind the running one.
const SAID: usize = 8;

#[tokio::test]
async fn a_queued_turn_that_is_stopped_ends_at_once_and_those_before_it_go_on() {
    // Room for all eight answers: who falls behind is sent the rest from the journal, which holds no deltas.
    let server = Launch::new().setting("limits.subscriber_window", "1MiB").start().await;
    for stop in [Stop::BySocket, Stop::ByRest] {
        let mut stopped = None;
        // A machine may be so quick that all is answered before the stop arrives, or so busy that the socket falls behind.
        for _ in 0..20 {
            stopped = stop_the_last(&server, &stop).await;
            if stopped.is_some() {
                break;
            }
        }
        let (turns, frames, answer) = stopped.expect("one of twenty stops is in time");
        let (last, others) = turns.split_last().unwrap();
        check(&of_turn(&frames, *last), "message_accepted turn_cancelled");
        for turn_id in others {
            let frames = of_turn(&frames, *turn_id);
            check(&frames, RETRIEVED);
            check_deltas(&frames);
        }
        let receipt = of_turn(&frames, *last)[1].clone();
        assert_eq!(receipt.data()["kept"], 0, "{}", receipt.0);
        if let Some(answer) = answer {
            assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
            assert_eq!(answer.body, *receipt.data(), "the answer is the receipt");
        }
    }
}

#[tokio::test]
async fn an_agent_that_cannot_answer_gives_way_with_a_warning_before_the_next_one_speaks() {
    let agents = tempfile::tempdir().unwrap();
    for file in fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../config/agents")).unwrap() {
        let file = file.unwrap();
        let text = fs::read_to_string(file.path()).unwrap();
        // One turn at once and none that waits: what comes beside it finds no room with this agent.
        let narrow = text
            .replace("concurrency_turns = 64", "concurrency_turns = 1")
            .replace("queue_turns = 512", "queue_turns = 0");
        fs::write(agents.path().join(file.file_name()), narrow).unwrap();
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
    let mut fell_back = 0;
    for _ in 0..10 {
        let turns = sockets
            .iter_mut()
            .map(|socket| socket.turn("How do I rotate an API key without downtime?"));
        for frames in join_all(turns).await {
            check_deltas(&frames);
            if words(&frames).join(" ") == RETRIEVED {
                continue;
            }
            fell_back += 1;
            check(
                &frames,
                "message_accepted routing orchestrator:routing technical:active routing! technical:idle \
                 orchestrator:active message_delta orchestrator:complete message_completed",
            );
        }
        if fell_back > 0 {
            return;
        }
    }
    panic!("of ten times eight questions at once none found the agent busy");
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
