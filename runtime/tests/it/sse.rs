//! Event streams: the answer of a turn in one step or two, and all that happens in a session.

use std::time::Duration;

use orchestratai_shared::{ClientMessageId, ErrorCode, SessionId, TurnId};
use orchestratai_testing::{Postgres, Redis};
use reqwest::{Method, RequestBuilder, StatusCode, header};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::{
    bad_input::check,
    client::Rest,
    cluster::nodes,
    server::{Launch, Server},
};

const QUESTION: &str = "How do I rotate an API key?";
const PATIENCE: Duration = Duration::from_secs(30);

/// One event of a stream.
#[derive(Debug, Clone, PartialEq)]
struct Event {
    id: Option<String>,
    name: Option<String>,
    data: Value,
}

impl Event {
    fn is(&self, name: &str) -> bool {
        self.name.as_deref() == Some(name)
    }
}

/// An open stream.
struct Stream {
    answer: reqwest::Response,
    text: String,
}

impl Stream {
    async fn open(request: RequestBuilder) -> Self {
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK, "{}", answer.text().await.unwrap());
        assert_eq!(answer.headers()[header::CONTENT_TYPE], "text/event-stream");
        assert!(answer.headers().get(header::CONTENT_ENCODING).is_none());
        Self {
            answer,
            text: String::new(),
        }
    }

    fn turn_id(&self) -> String {
        self.answer.headers()["x-turn-id"].to_str().unwrap().to_owned()
    }

    /// The next event, passing over comments; `None` at the end.
    async fn next(&mut self) -> Option<Event> {
        loop {
            while let Some((block, rest)) = self.text.split_once("\n\n") {
                let (block, rest) = (block.to_owned(), rest.to_owned());
                self.text = rest;
                let field = |name: &str| {
                    block
                        .lines()
                        .find_map(|line| line.strip_prefix(name))
                        .map(str::to_owned)
                };
                if let Some(data) = field("data: ") {
                    return Some(Event {
                        id: field("id: "),
                        name: field("event: "),
                        data: serde_json::from_str(&data).unwrap(),
                    });
                }
            }
            let chunk = timeout(PATIENCE, self.answer.chunk())
                .await
                .expect("an event comes in time");
            self.text += std::str::from_utf8(&chunk.unwrap()?).unwrap();
        }
    }

    async fn rest(mut self) -> Vec<Event> {
        let mut events = Vec::new();
        while let Some(event) = self.next().await {
            events.push(event);
        }
        events
    }
}

fn message(session_id: SessionId) -> Value {
    json!({"message": QUESTION, "session_id": session_id})
}

fn follow(rest: &Rest, stream_id: &str, last: Option<&Event>) -> RequestBuilder {
    let request = rest.request(Method::GET, &format!("/api/chat/stream/{stream_id}"));
    match last.and_then(|event| event.id.as_deref()) {
        Some(id) => request.header("Last-Event-ID", id),
        None => request,
    }
}

/// What a client has put together.
fn text(events: &[Event]) -> String {
    events.iter().fold(String::new(), |mut text, event| {
        match event.name.as_deref() {
            Some("message_reset") => text.clear(),
            Some("message_chunk") => text += event.data["content"].as_str().unwrap(),
            _ => {}
        }
        text
    })
}

fn check_whole(events: &[Event]) {
    let done = events.last().unwrap();
    assert!(done.is("done"), "{events:?}");
    assert_eq!(done.data["message"], text(events), "the chunks are the answer");
    assert_eq!(done.data["metadata"]["agent"], "technical");
    for field in ["tokensUsed", "cost", "latency", "cache_status", "confidence"] {
        assert!(!done.data["metadata"][field].is_null(), "{field}: {}", done.data);
    }
    let logs: Vec<&Value> = events
        .iter()
        .filter(|event| event.is("retrieval_log"))
        .map(|event| &event.data)
        .collect();
    assert_eq!(done.data["logs"].as_array().unwrap().iter().collect::<Vec<_>>(), logs);
    assert!(events.iter().any(|event| event.is("agent_status")));
    assert!(events.iter().all(|event| event.id.is_some()));
}

#[tokio::test]
async fn an_answer_streams_step_by_step_and_a_repeat_is_the_same_turn() {
    let server = Server::start().await;
    let rest = server.rest();
    let session_id = SessionId::new();
    let request = || {
        let request = rest
            .request(Method::POST, "/api/chat/stream")
            .json(&message(session_id));
        request.header("Idempotency-Key", ClientMessageId(session_id.0).to_string())
    };
    let first = Stream::open(request()).await;
    let turn_id = first.turn_id();
    let first = first.rest().await;
    check_whole(&first);
    let repeat = Stream::open(request()).await;
    assert_eq!(repeat.turn_id(), turn_id);
    let repeat = repeat.rest().await;
    check_whole(&repeat);
    assert_eq!(repeat.last().unwrap().data, first.last().unwrap().data);
    let session = rest.get(&format!("/api/session/{session_id}")).await;
    assert_eq!(session.body["messageCount"], 2, "nothing ran twice");
}

#[tokio::test]
async fn a_stream_that_one_node_has_begun_is_followed_on_another() {
    let redis = Redis::start();
    let [one, other] = nodes(&Postgres::shared().database(), &redis.url()).await;
    let (session_id, cut) = (SessionId::new(), 3);
    for (begins, follows) in [(&one, &other), (&other, &one)] {
        let initiated = begins
            .rest()
            .post("/api/chat/stream/initiate", &message(session_id))
            .await;
        assert_eq!(initiated.status, StatusCode::OK, "{}", initiated.body);
        let stream_id = initiated.body["stream_id"].as_str().unwrap().to_owned();
        let whole = Stream::open(follow(&follows.rest(), &stream_id, None))
            .await
            .rest()
            .await;
        check_whole(&whole);
        let after = Stream::open(follow(&begins.rest(), &stream_id, Some(&whole[cut - 1])));
        let after = after.await.rest().await;
        assert_eq!(after.last().unwrap().data, whole.last().unwrap().data);
        let durable = |events: &[Event]| -> Vec<Event> {
            let logs = events.iter().filter(|event| event.is("retrieval_log"));
            logs.cloned().collect()
        };
        assert_eq!(durable(&after), durable(&whole[cut..]));
    }
    let directly = other
        .rest()
        .request(Method::POST, "/api/chat/stream")
        .json(&message(session_id));
    check_whole(&Stream::open(directly).await.rest().await);
}

#[tokio::test]
async fn two_steps_keep_the_message_out_of_the_address_and_resume_anywhere() {
    let server = Server::start().await;
    let rest = server.rest();
    let session_id = SessionId::new();
    let initiated = rest.post("/api/chat/stream/initiate", &message(session_id)).await;
    assert_eq!(initiated.status, StatusCode::OK, "{}", initiated.body);
    let stream_id = initiated.body["stream_id"].as_str().unwrap().to_owned();
    assert_eq!(initiated.headers["x-turn-id"], stream_id.as_str());
    let whole = Stream::open(follow(&rest, &stream_id, None)).await.rest().await;
    check_whole(&whole);

    let again = Stream::open(follow(&rest, &stream_id, None)).await.rest().await;
    check_whole(&again);
    for cut in 1..whole.len() {
        let after = Stream::open(follow(&rest, &stream_id, Some(&whole[cut - 1])))
            .await
            .rest()
            .await;
        let joined: Vec<Event> = whole[..cut].iter().chain(&after).cloned().collect();
        assert_eq!(text(&joined), text(&whole), "cut after {cut}");
        let steps = |events: &[Event]| -> Vec<Value> {
            events
                .iter()
                .filter(|event| !event.is("message_chunk"))
                .map(|event| event.data.clone())
                .collect()
        };
        assert_eq!(steps(&joined), steps(&whole), "cut after {cut}");
    }
    let over = follow(&rest, &stream_id, whole.last()).send().await.unwrap();
    assert_eq!(over.status(), StatusCode::NO_CONTENT, "nothing follows the end");
    let nonsense = follow(&rest, &stream_id, None).header("Last-Event-ID", "nonsense");
    check_whole(&Stream::open(nonsense).await.rest().await);
    check(
        &rest.get(&format!("/api/chat/stream/{}", TurnId::new())).await,
        ErrorCode::NotFound,
        None,
    );

    // A stream is found again after a crash.
    let folder = server.kill();
    let server = Launch::new().in_folder_of(&folder).start().await;
    check_whole(
        &Stream::open(follow(&server.rest(), &stream_id, None))
            .await
            .rest()
            .await,
    );
}

#[tokio::test]
async fn a_client_that_goes_away_cancels_nothing() {
    let server = Server::start().await;
    let rest = server.rest();
    let session_id = SessionId::new();
    let request = rest
        .request(Method::POST, "/api/chat/stream")
        .json(&message(session_id));
    drop(Stream::open(request).await);
    let mut socket = server.socket(&format!("?session_id={session_id}&after_seq=0")).await;
    let frames = socket.until(crate::client::Frame::is_terminal).await;
    assert_eq!(frames.last().unwrap().kind(), "message_completed");
}

#[tokio::test]
async fn a_session_is_followed_live_and_from_where_one_was() {
    let server = Server::start().await;
    let rest = server.rest();
    let session_id = SessionId::new();
    let path = format!("/api/session/{session_id}/events");
    let open = |last: Option<String>| {
        let request = rest
            .request(Method::GET, &path)
            .header(header::ACCEPT, "text/event-stream");
        match last {
            Some(last) => request.header("Last-Event-ID", last),
            None => request,
        }
    };
    let unknown = rest.send(open(None)).await;
    check(&unknown, ErrorCode::NotFound, None);
    rest.post("/api/chat", &message(session_id)).await;

    let mut stream = Stream::open(open(None)).await;
    let ready = stream.next().await.unwrap();
    assert_eq!((ready.id, ready.data["type"].as_str()), (None, Some("session_ready")));
    let past = rest.events(session_id).await;
    for event in &past {
        let told = stream.next().await.unwrap();
        assert_eq!(told.id, Some(event.seq.to_string()));
        assert_eq!(told.data, serde_json::to_value(event).unwrap());
    }
    // What happens now arrives too, transient events without id.
    let asked = tokio::spawn({
        let rest = rest.clone();
        async move { rest.post("/api/chat", &message(session_id)).await }
    });
    let (mut last, mut had_delta) = (None, false);
    while last
        .as_ref()
        .is_none_or(|event: &Event| event.data["type"] != "message_completed")
    {
        let event = stream.next().await.unwrap();
        had_delta |= event.data["type"] == "message_delta";
        assert_eq!(event.id, event.data["seq"].as_u64().map(|seq| seq.to_string()));
        last = Some(event);
    }
    assert!(had_delta);
    asked.await.unwrap();

    let seq = past.len() as u64 - 1;
    let mut resumed = Stream::open(open(Some(seq.to_string()))).await;
    assert_eq!(
        resumed.next().await.unwrap().data["recovered"].as_bool(),
        None,
        "it stands in `data`"
    );
    assert_eq!(resumed.next().await.unwrap().id, Some((seq + 1).to_string()));
    let page = rest
        .send(rest.request(Method::GET, &path).header(header::ACCEPT, "*/*"))
        .await;
    assert!(page.body["events"].is_array(), "only the type itself asks for a stream");
}

#[tokio::test]
async fn a_stream_has_its_place_and_gives_it_back() {
    let server = Launch::new()
        .argument("--no-demo")
        .setting("limits.connections_max", "1")
        .start()
        .await;
    let rest = server.rest();
    let session_id = SessionId::new();
    let asked = rest
        .post("/api/chat", &json!({"message": "Hello", "session_id": session_id}))
        .await;
    assert_eq!(asked.status, StatusCode::OK, "{}", asked.body);
    let open = || {
        rest.request(Method::GET, &format!("/api/session/{session_id}/events"))
            .header(header::ACCEPT, "text/event-stream")
    };
    let mut stream = Stream::open(open()).await;
    stream.next().await.unwrap();
    let refused = rest.send(open()).await;
    check(&refused, ErrorCode::Overloaded, None);
    assert!(refused.headers.contains_key(header::RETRY_AFTER));
    drop(stream);
    // The server notices at its next write; until then the place is taken.
    let began = std::time::Instant::now();
    loop {
        let answer = open().send().await.unwrap();
        if answer.status() == StatusCode::OK {
            break;
        }
        assert!(began.elapsed() < Duration::from_secs(60), "the place is not given back");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn a_drain_ends_streams() {
    let mut server = Launch::new().argument("--no-demo").start().await;
    let rest = server.rest();
    let session_id = SessionId::new();
    rest.post("/api/chat", &json!({"message": "Hello", "session_id": session_id}))
        .await;
    let request = rest.request(Method::GET, &format!("/api/session/{session_id}/events"));
    let mut stream = Stream::open(request.header(header::ACCEPT, "text/event-stream")).await;
    stream.next().await.unwrap();
    server.terminate();
    let told = stream.rest().await;
    assert!(
        told.iter().any(|event| event.data["type"] == "server_draining"),
        "{told:?}"
    );
    assert!(server.ended().await.success());
}

#[tokio::test]
async fn a_stream_in_a_session_whose_id_was_erased_before_is_whole() {
    let server = Server::start().await;
    let rest = server.rest();
    let body = json!({"message": "How do I rotate an API key without downtime?", "session_id": SessionId::new()});
    assert!(rest.post("/api/chat", &body).await.status.is_success());
    let path = format!("/api/session/{}", body["session_id"].as_str().unwrap());
    assert_eq!(rest.delete(&path).await.status, StatusCode::NO_CONTENT);
    let answer = rest
        .request(Method::POST, "/api/chat/stream")
        .json(&body)
        .send()
        .await
        .unwrap();
    let text = answer.text().await.unwrap();
    assert!(text.contains("event: done") && !text.contains("stream_error"), "{text}");
}

#[tokio::test]
async fn an_answer_of_several_agents_is_one_stream() {
    let server = Server::start().await;
    let (rest, session_id) = (server.rest(), SessionId::new());
    let question = "My invoice is wrong and the webhook returns 401";
    let request = rest.request(Method::POST, "/api/chat/stream");
    let request = request.json(&json!({"message": question, "session_id": session_id}));
    let events = Stream::open(request).await.rest().await;
    let done = events.last().unwrap();
    assert!(done.is("done"), "{events:?}");
    assert_eq!(done.data["message"], text(&events), "the chunks are the answer");
    assert_eq!(done.data["metadata"]["agent"], "billing");
    let logs = done.data["logs"].as_array().unwrap();
    for agent in ["billing", "technical"] {
        let searched = |log: &&Value| log["type"] == "vector_search" && log["agent"] == agent;
        assert_eq!(logs.iter().filter(searched).count(), 1, "{}", done.data);
        let complete =
            |event: &&Event| event.is("agent_status") && event.data == json!({"agent": agent, "status": "complete"});
        assert_eq!(events.iter().filter(complete).count(), 1, "{events:?}");
    }
}
