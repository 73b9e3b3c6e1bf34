//! Sessions in progress, as people who look on have them.

use std::time::{Duration, Instant};

use orchestratai_shared::{ErrorCode, LiveChanges, LiveSession, LiveSessions, SessionId, SessionState};
use orchestratai_testing::{Postgres, Redis};
use reqwest::{Method, StatusCode, header};
use serde_json::json;

use crate::{
    bad_input::check,
    client::{Frame, Rest},
    cluster::nodes,
    server::{Launch, Server},
};

const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) async fn live(rest: &Rest) -> LiveSessions {
    let answer = rest.get("/api/live?limit=200").await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    serde_json::from_value(answer.body).unwrap()
}

/// Waits until a session is shown as it should be.
pub(crate) async fn shown(rest: &Rest, id: SessionId, is_so: impl Fn(&LiveSession) -> bool) -> LiveSession {
    let began = Instant::now();
    loop {
        let live = live(rest).await;
        if let Some(found) = live.sessions.iter().find(|live| live.session.id == id && is_so(live)) {
            return found.clone();
        }
        assert!(began.elapsed() < PATIENCE, "not shown so: {live:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Waits until a session is not shown.
async fn gone(rest: &Rest, id: SessionId) {
    let began = Instant::now();
    while live(rest).await.sessions.iter().any(|live| live.session.id == id) {
        assert!(began.elapsed() < PATIENCE, "it is still shown");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Reads a stream of events, each with its name and its data.
struct Events {
    answer: reqwest::Response,
    text: String,
}

impl Events {
    async fn of(server: &Server, path: &str) -> Self {
        let request = server.rest().request(Method::GET, path);
        let answer = request
            .header(header::ACCEPT, "text/event-stream")
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        assert_eq!(answer.headers()[header::CONTENT_TYPE], "text/event-stream");
        Self {
            answer,
            text: String::new(),
        }
    }

    async fn next(&mut self) -> (String, serde_json::Value) {
        loop {
            while let Some((event, rest)) = self.text.split_once("\n\n") {
                let (event, rest) = (event.to_owned(), rest.to_owned());
                self.text = rest;
                let field = |name: &str| {
                    event
                        .lines()
                        .find_map(|line| line.strip_prefix(name))
                        .map(str::to_owned)
                };
                if let Some((name, data)) = field("event: ").zip(field("data: ")) {
                    return (name, serde_json::from_str(&data).unwrap());
                }
            }
            let chunk = tokio::time::timeout(PATIENCE, self.answer.chunk()).await;
            let chunk = chunk
                .expect("an event comes in time")
                .unwrap()
                .expect("the stream goes on");
            self.text.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }
}

#[tokio::test]
async fn what_is_in_progress_is_shown_while_it_is_and_the_latest_first() {
    let server = Server::start().await;
    let rest = server.rest();
    let empty = live(&rest).await;
    assert_eq!((empty.sessions.len(), empty.total, empty.has_more), (0, 0, false));
    // A session without clients, whose turn has ended, is not in progress.
    let idle = SessionId::new();
    let chat = rest
        .post("/api/chat", &json!({"message": "Hello", "session_id": idle}))
        .await;
    assert_eq!(chat.status, StatusCode::OK, "{}", chat.body);
    gone(&rest, idle).await;

    let mut first = server.socket("").await;
    let first_id = first.ready().await.session_id();
    let mut second = server.socket("").await;
    let second_id = second.ready().await.session_id();
    let shown_first = shown(&rest, first_id, |live| live.clients == 1).await;
    assert_eq!((shown_first.state, shown_first.open_turns), (SessionState::Idle, 0));
    assert!(shown_first.turn.is_none() && shown_first.person.is_none() && shown_first.node.is_none());
    first.turn("How do I rotate an API key?").await;
    shown(&rest, first_id, |live| live.session.message_count == 2).await;
    let sessions = live(&rest).await;
    let order: Vec<_> = sessions.sessions.iter().map(|live| live.session.id).collect();
    assert_eq!(order, [first_id, second_id], "the latest active comes first");
    let page = rest.get("/api/live?limit=1").await.body;
    assert_eq!((&page["hasMore"], &page["total"]), (&json!(true), &json!(2)));
    assert_eq!(page["sessions"].as_array().unwrap().len(), 1);
    for (query, field) in [("limit=0", "limit"), ("limit=201", "limit"), ("limit=x", "limit")] {
        check(
            &rest.get(&format!("/api/live?{query}")).await,
            ErrorCode::ValidationError,
            Some(field),
        );
    }
    check(
        &rest.post("/api/live", &json!({})).await,
        ErrorCode::MethodNotAllowed,
        None,
    );
    first.close().await;
    gone(&rest, first_id).await;
}

#[tokio::test]
async fn a_stream_says_what_is_in_progress_and_then_what_changes() {
    let server = Server::start().await;
    let mut socket = server.socket("").await;
    let id = socket.ready().await.session_id();
    let mut events = Events::of(&server, "/api/live").await;
    let (name, data) = events.next().await;
    assert_eq!(name, "sessions");
    let all: LiveSessions = serde_json::from_value(data).unwrap();
    assert_eq!(
        all.sessions.iter().map(|live| live.session.id).collect::<Vec<_>>(),
        [id]
    );
    let frames = socket.turn("Can I get a refund of my annual plan?").await;
    assert!(frames.last().is_some_and(Frame::is_terminal));
    loop {
        let (name, data) = events.next().await;
        assert_eq!(name, "changes");
        let changes: LiveChanges = serde_json::from_value(data).unwrap();
        if changes
            .changed
            .iter()
            .any(|live| live.session.id == id && live.session.message_count == 2)
        {
            break;
        }
    }
    socket.close().await;
    loop {
        let (_, data) = events.next().await;
        let changes: LiveChanges = serde_json::from_value(data).unwrap();
        if changes.gone == [id] {
            assert_eq!(changes.total, 0);
            break;
        }
    }
}

#[tokio::test]
async fn any_node_shows_what_is_in_progress_on_all() {
    let (database, redis) = (Postgres::shared().database(), Redis::start());
    let [one, other] = nodes(&database, &redis.url()).await;
    let mut here = one.socket("").await;
    let here_id = here.ready().await.session_id();
    let mut there = other.socket("").await;
    let there_id = there.ready().await.session_id();
    // A client of another node counts where the session is.
    let mut beside = other.socket(&format!("?session_id={here_id}")).await;
    beside.ready().await;
    for node in [&one, &other] {
        let owned_here = shown(&node.rest(), here_id, |live| live.clients == 2).await;
        let owned_there = shown(&node.rest(), there_id, |live| live.clients == 1).await;
        assert!(owned_here.node.is_some() && owned_there.node.is_some());
        assert_ne!(owned_here.node, owned_there.node);
        assert!(live(&node.rest()).await.missing_nodes.is_empty());
    }
    // A node that stands still is named, and nobody waits for it for long.
    crate::cluster::signal(&other, "-STOP");
    let began = Instant::now();
    let missing = loop {
        let live = live(&one.rest()).await;
        if !live.missing_nodes.is_empty() || !live.sessions.iter().any(|live| live.session.id == there_id) {
            break live.missing_nodes;
        }
        assert!(began.elapsed() < PATIENCE, "the node is not missed");
    };
    assert!(missing.len() <= 1, "{missing:?}");
    crate::cluster::signal(&other, "-CONT");
}

#[tokio::test]
async fn nobody_looks_on_without_a_token() {
    let token = "a-token_of_43_characters_0123456789abcdefgh";
    let server = Launch::new().setting("auth.token", token).start().await;
    let stranger = Rest::new(format!("http://{}", server.address()), None);
    check(&stranger.get("/api/live").await, ErrorCode::Unauthenticated, None);
}
