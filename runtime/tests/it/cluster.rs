//! Several nodes with one PostgreSQL and one Redis: any of them serves any client, and none of them is missed.

mod faults;
mod stranger;

use std::time::{Duration, Instant};

use orchestratai_shared::{SessionId, Timestamp};
use orchestratai_testing::{Postgres, Redis};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::{
    client::{Frame, Rest, Socket},
    server::{Launch, Server},
};

pub(crate) use faults::signal;

const REFUND: &str = "Can I get a refund of my annual plan?";

/// How long nodes wait for each other in these tests.
pub(crate) const LEASE: Duration = Duration::from_secs(2);

/// What every node of a cluster is started with.
fn launch(database: &str, redis: &str) -> Launch {
    joining(Launch::new(), database, redis)
}

/// The same for a server that is set up in some way.
pub(crate) fn joining(launch: Launch, database: &str, redis: &str) -> Launch {
    launch
        .variable("DATABASE_URL", database)
        .variable("REDIS_URL", redis)
        .setting("cluster.lease", "2s")
}

/// Nodes of a new database that know of each other.
pub(crate) async fn nodes<const N: usize>(database: &str, redis: &str) -> [Server; N] {
    nodes_of(&launch(database, redis)).await
}

/// The same, started with this.
pub(crate) async fn nodes_of<const N: usize>(launch: &Launch) -> [Server; N] {
    // The first one makes the database, and the demo.
    let mut nodes = vec![launch.clone().start().await];
    for _ in 1..N {
        nodes.push(launch.clone().start().await);
    }
    for node in &nodes {
        know_each_other(&node.rest(), N).await;
    }
    nodes.try_into().unwrap()
}

/// What a node says of the cluster.
async fn cluster_health(rest: &Rest) -> Value {
    let services = rest.get("/api/health/services").await.body;
    let services = services["services"].as_array().cloned().unwrap_or_default();
    let cluster = services.into_iter().find(|service| service["name"] == "cluster");
    cluster.unwrap_or_default()
}

async fn know_each_other(rest: &Rest, count: usize) {
    let began = Instant::now();
    loop {
        let health = cluster_health(rest).await;
        let detail = health["detail"].as_str().unwrap_or_default();
        if health["state"] == "up" && detail.ends_with(&format!("of {count}")) {
            return;
        }
        assert!(began.elapsed() < Duration::from_secs(60), "{count} nodes: {health}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn metric(rest: &Rest, name: &str) -> f64 {
    let text = rest.get("/metrics").await.body;
    let line = text.as_str().unwrap().lines().find_map(|line| line.strip_prefix(name));
    line.unwrap_or_else(|| panic!("no {name}")).trim().parse().unwrap()
}

pub(crate) async fn follow(node: &Server, session_id: SessionId, after_seq: u64) -> Socket {
    let mut socket = node
        .socket(&format!("?session_id={session_id}&after_seq={after_seq}"))
        .await;
    let ready = socket.ready().await;
    assert_eq!(ready.data()["recovered"], true, "{}", ready.0);
    socket
}

fn text_of(frames: &[Frame]) -> String {
    let deltas = frames.iter().filter(|frame| frame.kind() == "message_delta");
    deltas.map(|frame| frame.data()["delta"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_client_of_any_node_has_all_of_a_session_of_another() {
    let (database, redis) = (Postgres::shared().database(), Redis::start());
    let [one, other] = nodes(&database, &redis.url()).await;
    let mut here = one.socket("").await;
    let session_id = here.ready().await.session_id();
    let first = here.turn("hello there").await;

    // It is caught up with, and then followed live, word by word.
    let mut there = follow(&other, session_id, 0).await;
    let caught_up = there.until(Frame::is_terminal).await;
    let durable = |frames: &[Frame]| -> Vec<Value> {
        let durable = frames.iter().filter(|frame| frame.seq().is_some());
        durable.map(|frame| frame.0.clone()).collect()
    };
    assert_eq!(durable(&caught_up), durable(&first));
    there.say(REFUND).await;
    let (seen_there, seen_here) = tokio::join!(there.until(Frame::is_terminal), here.until(Frame::is_terminal));
    assert_eq!(seen_there, seen_here, "both see the same, to the letter");
    let completed = seen_there.last().unwrap();
    assert_eq!(completed.kind(), "message_completed", "{}", completed.0);
    assert_eq!(
        text_of(&seen_there),
        completed.data()["message"]["content"].as_str().unwrap()
    );
    let began = Instant::now();
    while metric(&one.rest(), "orchestratai_subscriptions_relayed ").await != 1.0 {
        assert!(
            began.elapsed() < Duration::from_secs(5),
            "another subscription is left over"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }

    // A repeat is answered where it is asked; a message without session goes anywhere.
    let id = orchestratai_shared::ClientMessageId::new();
    there.say_as(id, "hello there").await;
    let accepted = there.until(Frame::is_terminal).await;
    there.say_as(id, "hello there").await;
    let repeated = there.until(Frame::is_terminal).await;
    assert_eq!(
        durable(&repeated),
        [accepted[0].0.clone(), accepted.last().unwrap().0.clone()]
    );
    there.say_as(id, "something else").await;
    let refused = there.next().await;
    assert_eq!(refused.data()["code"], "CONFLICT", "{}", refused.0);

    // REST and SSE, through the node that does not own it.
    let body = json!({"message": REFUND, "session_id": session_id});
    let answered = other.rest().post("/api/chat", &body).await;
    assert_eq!(answered.status, StatusCode::OK, "{}", answered.body);
    assert!(
        !answered.body["logs"].as_array().unwrap().is_empty(),
        "{}",
        answered.body
    );
    let events = one.rest().events(session_id).await;
    assert_eq!(other.rest().events(session_id).await, events);
    assert!(events.iter().map(|event| event.seq).eq(1..=events.len() as u64));
    assert_eq!(events.iter().filter(|event| event.body.is_terminal()).count(), 4);
    // What an agent has done is told of from time to time.
    let began = Instant::now();
    let agents = |rest: Rest| async move { rest.get("/api/agents").await.body };
    loop {
        let (here, there) = (agents(one.rest()).await, agents(other.rest()).await);
        assert!(here.to_string().contains(r#""cached":true"#), "{here}");
        if here == there {
            break;
        }
        assert!(began.elapsed() < Duration::from_secs(10), "{here} {there}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }

    // Erased through the other node, it is gone for all; here its client is told.
    let erased = other.rest().delete(&format!("/api/session/{session_id}")).await;
    assert_eq!(erased.status, StatusCode::NO_CONTENT, "{}", erased.body);
    let closed = loop {
        if let Err(close) = here.next_or_close().await {
            break close;
        }
    };
    assert_eq!(u16::from(closed.unwrap().code), 1000);
    let gone = one.rest().get(&format!("/api/session/{session_id}")).await;
    assert_eq!(gone.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_turn_is_stopped_through_any_node() {
    let (database, redis) = (Postgres::shared().database(), Redis::start());
    let [one, other] = nodes(&database, &redis.url()).await;
    let mut here = one.socket("").await;
    let session_id = here.ready().await.session_id();
    let mut there = follow(&other, session_id, 0).await;
    let mut receipts = 0;
    for round in 0..20 {
        here.say("How do I rotate an API key without downtime?").await;
        let accepted = there.until(|frame| frame.kind() == "message_accepted").await;
        let turn_id = accepted.last().unwrap().turn_id().unwrap();
        if round % 2 == 0 {
            there
                .send(&json!({"type": "cancel", "data": {"turnId": turn_id}}))
                .await;
        } else {
            let path = format!("/api/chat/{turn_id}/cancel");
            let answer = other.rest().post(&path, &json!({})).await;
            assert!(
                matches!(answer.status, StatusCode::OK | StatusCode::CONFLICT),
                "{}",
                answer.body
            );
        }
        let end = there
            .until(|frame| frame.is_terminal() || frame.kind() == "error")
            .await;
        let end = end.last().unwrap();
        if end.kind() == "turn_cancelled" {
            receipts += 1;
        }
        let seen = here.until(Frame::is_terminal).await;
        if end.is_terminal() {
            assert_eq!(seen.last(), Some(end));
        } else {
            there.until(Frame::is_terminal).await;
        }
    }
    assert!(receipts > 0, "not one of them was stopped");
}

#[tokio::test]
async fn a_node_that_stops_hands_its_sessions_over() {
    let (database, redis) = (Postgres::shared().database(), Redis::start());
    let [mut one, other] = nodes(&database, &redis.url()).await;
    let mut here = one.socket("").await;
    let session_id = here.ready().await.session_id();
    let frames = here.turn(REFUND).await;
    let last_seq = frames.last().unwrap().seq().unwrap();
    let mut there = follow(&other, session_id, last_seq).await;
    let began = Instant::now();
    one.terminate();
    // The client of the node that stops is told to come back elsewhere; that of the other node notices nothing.
    let told = here.until(|frame| frame.kind() == "server_draining").await;
    assert!(told.last().unwrap().data()["reconnectAfterMs"].is_u64());
    let mut moved = follow(&other, session_id, last_seq).await;
    let frames = moved.turn(REFUND).await;
    assert_eq!(frames.last().unwrap().kind(), "message_completed");
    let seen = there.until(Frame::is_terminal).await;
    let of_turn = |frames: &[Frame]| -> Vec<Value> {
        let durable = frames.iter().filter(|frame| frame.seq().is_some());
        durable.map(|frame| frame.0.clone()).collect()
    };
    assert_eq!(of_turn(&seen), of_turn(&frames));
    assert!(one.ended().await.success());
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
    know_each_other(&other.rest(), 1).await;
}

#[tokio::test]
async fn turns_of_a_node_that_is_killed_are_taken_up_within_the_lease() {
    const LEASE: Duration = Duration::from_secs(5);
    let (database, redis) = (Postgres::shared().database(), Redis::start());
    let launch = launch(&database, &redis.url()).setting("cluster.lease", "5s");
    let one = launch.clone().start().await;
    let other = launch.start().await;
    know_each_other(&one.rest(), 2).await;
    let (asked, stopped_at) = faults::stop_in_the_middle(&one, &other).await;
    drop(one.kill());
    let mut taken_up = 0;
    for session_id in asked {
        let events = faults::all_ended(&other, session_id).await;
        let again = events.iter().find(|event| event.at.millis_since(stopped_at) > 0);
        if let Some(event) = again {
            let after = event.at.millis_since(stopped_at);
            assert!(u128::from(after) < LEASE.as_millis(), "taken up after {after} ms");
            taken_up += 1;
        }
    }
    assert!(taken_up > 0, "nothing was under way when the node was killed");
}

#[tokio::test]
async fn documents_taken_in_by_one_node_are_answered_from_by_all() {
    let (database, redis) = (Postgres::shared().database(), Redis::start());
    let [one, other] = nodes(&database, &redis.url()).await;
    let form = reqwest::multipart::Form::new().text("collection", "technical").part(
        "file",
        reqwest::multipart::Part::text("# Zeppelins\n\nThe zeppelin mooring opens at nine.").file_name("zeppelin.md"),
    );
    let request = one.rest().request(reqwest::Method::POST, "/api/knowledge/documents");
    let taken = one.rest().send(request.multipart(form)).await;
    assert!(taken.status.is_success(), "{}", taken.body);
    let began = Instant::now();
    for node in [&one, &other] {
        loop {
            let question = json!({"query": "zeppelin mooring", "limit": 5});
            let found = node.rest().post("/api/knowledge/search", &question).await.body;
            if found.to_string().contains("zeppelin.md") {
                break;
            }
            assert!(began.elapsed() < Duration::from_secs(10), "{found}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}
