//! A disk that is full, and then has room again.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::Write,
    path::Path,
    time::{Duration, Instant},
};

use orchestratai_shared::{ClientMessageId, Event, EventBody, SessionId};
use reqwest::StatusCode;
use serde_json::json;
use tokio::time::timeout;

use crate::{
    client::{Frame, Socket},
    outside::unshare,
    server::{Launch, Server},
};

const PATIENCE: Duration = Duration::from_secs(30);
/// Refusals in a row that a socket must outlive.
const REFUSALS: usize = 10;
const QUESTION: &str = "How do I rotate an API key without downtime?";

/// Takes all the room that is left.
fn fill(ballast: &Path) {
    let mut file = File::create(ballast).unwrap();
    // Smaller and smaller pieces, so that not a page is left.
    for piece in [1 << 20, 4_096, 1] {
        while file.write(&vec![0; piece]).is_ok_and(|written| written > 0) {}
    }
}

/// Says something; gives the acceptance or the refusal of it. There is always one of the two, also where the session that it
/// was given to ends before it looks at it.
async fn ask(socket: &mut Socket) -> Frame {
    let id = ClientMessageId::new();
    let is_answer = |frame: &Frame| {
        matches!(frame.kind(), "error" | "message_accepted")
            && frame.data()["clientMessageId"] == id.to_string().as_str()
    };
    socket.say_as(id, QUESTION).await;
    let answered = timeout(PATIENCE, socket.until(is_answer)).await;
    let mut frames = answered.unwrap_or_else(|_elapsed| panic!("neither accepted nor refused: {id}"));
    frames.pop().unwrap()
}

fn accepted_in(events: &[Event]) -> Vec<ClientMessageId> {
    let accepted = events.iter().filter_map(|event| {
        let EventBody::MessageAccepted(message) = &event.body else {
            return None;
        };
        Some(message.client_message_id)
    });
    accepted.collect()
}

fn gauge(metrics: &str, name: &str) -> f64 {
    let line = metrics
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {name}")).parse().unwrap()
}

async fn services(server: &Server) -> serde_json::Value {
    server.rest().get("/api/health/services").await.body
}

#[tokio::test]
async fn a_full_disk_refuses_messages_until_there_is_room_and_loses_nothing() {
    let Some(words) = unshare("--mount") else { return };
    let server = Launch::new().on_disk_of(48, words).start().await;
    let ballast = server.data_dir_inside().join("ballast");
    let mut socket = server.socket("").await;
    let session_id = socket.ready().await.session_id();
    let mut accepted: Vec<ClientMessageId> = Vec::new();
    let id_of = |frame: &Frame| frame.data()["clientMessageId"].as_str().unwrap().parse().unwrap();
    assert_eq!(services(&server).await["status"], "up");

    fill(&ballast);
    let (mut refusals, began) = (0, Instant::now());
    while refusals < REFUSALS {
        assert!(
            began.elapsed() < PATIENCE,
            "{refusals} refusals, {} accepted",
            accepted.len()
        );
        let answer = ask(&mut socket).await;
        if answer.kind() == "message_accepted" {
            accepted.push(id_of(&answer));
            refusals = 0;
            continue;
        }
        assert_eq!(answer.data()["code"], "OVERLOADED", "{}", answer.0);
        assert_eq!(answer.data()["retryable"], true, "{}", answer.0);
        refusals += 1;
        // So that it is the disk which refuses, and not only a queue that was full in the same moment.
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let body = json!({"message": QUESTION, "session_id": SessionId::new()});
    let refused = server.rest().post("/api/chat", &body).await;
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE, "{}", refused.body);
    assert_eq!(refused.body["error"]["code"], "OVERLOADED", "{}", refused.body);
    assert!(refused.headers.contains_key("retry-after"));
    let state = services(&server).await;
    assert_ne!(state["status"], "up", "{state}");
    let metrics = server.rest().get("/metrics").await.body;
    let behind = gauge(metrics.as_str().unwrap(), "orchestratai_journal_apply_lag_seconds");
    assert!(behind > 0.1, "{behind} s");
    let address = format!("/api/session/{session_id}");
    let kept = server.rest().delete(&address).await;
    assert_eq!(kept.status, StatusCode::SERVICE_UNAVAILABLE, "{}", kept.body);

    fs::remove_file(&ballast).unwrap();
    let began = Instant::now();
    loop {
        let answer = ask(&mut socket).await;
        if answer.kind() == "message_accepted" {
            accepted.push(id_of(&answer));
            break;
        }
        assert!(began.elapsed() < PATIENCE, "it does not go on: {}", answer.0);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let (kept, events) = loop {
        let events = server.rest().events(session_id).await;
        let kept = accepted_in(&events);
        let ended = events.iter().filter(|event| event.body.is_terminal()).count();
        if ended >= kept.len() && accepted.iter().all(|id| kept.contains(id)) {
            break (kept, events);
        }
        assert!(
            began.elapsed() < PATIENCE,
            "of {accepted:?} there is {kept:?}, and {ended} ended"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    let seqs: Vec<_> = events.iter().map(|event| event.seq).collect();
    assert_eq!(seqs, (1..=events.len() as u64).collect::<Vec<_>>());
    // Beside these there may be what was committed and then asked to be sent again, because its session began anew.
    let once: BTreeSet<_> = kept.iter().collect();
    assert_eq!(once.len(), kept.len(), "accepted twice: {kept:?}");
    let ends = events.iter().filter(|event| event.body.is_terminal());
    let ended: BTreeSet<_> = ends.clone().filter_map(|event| event.turn_id).collect();
    assert_eq!(
        (ended.len(), ends.count()),
        (kept.len(), kept.len()),
        "each ends exactly once"
    );
    let state = services(&server).await;
    assert_eq!(state["status"], "up", "{state}");
    let metrics = server.rest().get("/metrics").await.body;
    let behind = gauge(metrics.as_str().unwrap(), "orchestratai_journal_apply_lag_seconds");
    assert!(behind < 1.0, "{behind} s");
}
