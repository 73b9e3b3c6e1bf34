//! A person takes a session over, answers in it, and gives it back.

mod nodes;

use std::time::{Duration, Instant};

use orchestratai_shared::{
    AgentId, AgentStatus, ClientMessageId, ErrorCode, EventBody, LogStatus, MessageRole, SessionId, SessionState,
};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::{
    bad_input::check,
    client::{Answer, Frame, Rest, Socket},
    live::shown,
    server::{Launch, Server},
};

pub(super) const QUESTION: &str = "How do I rotate an API key?";
const PATIENCE: Duration = Duration::from_secs(30);

pub(super) async fn take_over(rest: &Rest, id: SessionId, interrupt: bool) -> Answer {
    let body = json!({"name": "Kim", "reason": "The customer asks for a person.", "interrupt": interrupt});
    let answer = rest.post(&format!("/api/session/{id}/takeover"), &body).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    answer
}

pub(super) async fn reply(rest: &Rest, id: SessionId, key: ClientMessageId, content: &str) -> Answer {
    let body = json!({"content": content, "clientMessageId": key});
    rest.post(&format!("/api/session/{id}/reply"), &body).await
}

pub(super) async fn release(rest: &Rest, id: SessionId) {
    let answer = rest.post(&format!("/api/session/{id}/release"), &json!({})).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
}

/// Frames up to the one by which a turn waits for a person.
pub(super) async fn until_it_waits(socket: &mut Socket) -> Vec<Frame> {
    socket
        .until(|frame| {
            frame.kind() == "agent_status" && frame.data() == &json!({"agent": "person", "status": "active"})
        })
        .await
}

async fn metric(rest: &Rest, line: &str) -> f64 {
    let metrics = rest.get("/metrics").await.body;
    let found = metrics.as_str().unwrap().lines().find_map(|it| it.strip_prefix(line));
    found.map_or(0.0, |value| value.trim().parse().unwrap())
}

#[tokio::test]
async fn whoever_follows_the_session_sees_all_of_it() {
    let server = Server::start().await;
    let rest = server.rest();
    let mut socket = server.socket("").await;
    let id = socket.ready().await.session_id();
    socket.turn("hello there").await;

    let taken = take_over(&rest, id, false).await;
    assert_eq!(taken.body["person"]["name"], "Kim");
    let handoff = socket.next().await;
    assert_eq!((handoff.kind(), handoff.turn_id()), ("handoff", None));
    let expected =
        json!({"from": "orchestrator", "to": "person", "reason": "The customer asks for a person.", "by": "Kim"});
    assert_eq!(handoff.data(), &expected);
    assert_eq!(handoff.0["at"], taken.body["person"]["since"]);
    // The same name may say it again.
    assert_eq!(take_over(&rest, id, false).await.body, taken.body);
    let other = rest
        .post(&format!("/api/session/{id}/takeover"), &json!({"name": "Sam"}))
        .await;
    check(&other, ErrorCode::Conflict, None);

    socket.say(QUESTION).await;
    let frames = until_it_waits(&mut socket).await;
    let kinds: Vec<_> = frames.iter().map(Frame::kind).collect();
    assert_eq!(kinds, ["message_accepted", "retrieval_log", "agent_status"]);
    assert_eq!(frames[1].data()["data"]["target_agent"], "person");
    assert_eq!(frames[1].data()["title"], "Waits for Kim");
    let turn_id = frames[0].turn_id().unwrap();
    let live = shown(&rest, id, |live| live.turn.is_some()).await;
    assert_eq!(live.state, SessionState::Person);
    assert_eq!(live.person.unwrap().name, "Kim");
    let turn = live.turn.unwrap();
    assert_eq!(
        (turn.turn_id, turn.agent, &*turn.question),
        (turn_id, Some(AgentId::person()), QUESTION)
    );
    assert_eq!(metric(&rest, "orchestratai_sessions_with_person ").await, 1.0);
    assert_eq!(
        metric(&rest, "orchestratai_turns_in_flight ").await,
        0.0,
        "it takes no agent's room"
    );
    // One who joins sees that it waits, and for whom.
    let mut late = server.socket(&format!("?session_id={id}")).await;
    let ready = late.ready().await;
    assert_eq!(ready.data()["turn"]["agent"], "person", "{}", ready.0);

    let key = ClientMessageId::new();
    let said = reply(&rest, id, key, "Open Settings, Kim here.").await;
    assert_eq!(said.status, StatusCode::OK, "{}", said.body);
    assert_eq!(said.headers["x-turn-id"], turn_id.to_string().as_str());
    let frames = socket.until(Frame::is_terminal).await;
    assert_eq!(frames[0].data(), &json!({"agent": "person", "status": "complete"}));
    let completed = frames.last().unwrap();
    assert_eq!(
        (completed.kind(), completed.turn_id()),
        ("message_completed", Some(turn_id))
    );
    let message = &completed.data()["message"];
    assert_eq!(
        (&message["agent"], &message["role"]),
        (&json!("person"), &json!("assistant"))
    );
    assert_eq!(message["content"], "Open Settings, Kim here.");
    assert!(message.get("confidence").is_none(), "nobody has measured it: {message}");
    assert_eq!(completed.data()["citations"], json!([]));
    assert_eq!(completed.data()["metrics"]["tokensUsed"], 0);
    assert_eq!(said.body["message"], *message);

    // Once, whatever is sent.
    let again = reply(&rest, id, key, "Open Settings, Kim here.").await;
    assert_eq!((again.status, &again.body["repeated"]), (StatusCode::OK, &json!(true)));
    assert_eq!(
        (&again.body["seq"], &again.body["message"]),
        (&said.body["seq"], &said.body["message"])
    );
    // The key of the body counts before the header's.
    let request = rest.request(Method::POST, &format!("/api/session/{id}/reply"));
    let body = json!({"content": "Open Settings, Kim here.", "clientMessageId": key});
    let request = request.header("Idempotency-Key", ClientMessageId::new().to_string());
    assert_eq!(rest.send(request.json(&body)).await.body["repeated"], true);
    check(
        &reply(&rest, id, key, "Something else.").await,
        ErrorCode::Conflict,
        None,
    );
    socket.say_as(key, "Something else.").await;
    assert_eq!(socket.next().await.data()["code"], "CONFLICT", "the key is a person's");

    // Of their own accord, as often as they like.
    let unasked = reply(&rest, id, ClientMessageId::new(), "Is there anything else?").await;
    assert_eq!(unasked.body["turnId"], unasked.body["message"]["id"]);
    let frame = socket.next().await;
    assert_eq!(
        (frame.kind(), &frame.0["turnId"]),
        ("message_completed", &unasked.body["turnId"])
    );
    let stream = rest
        .get(&format!(
            "/api/chat/stream/{}",
            unasked.body["turnId"].as_str().unwrap()
        ))
        .await;
    let text = stream.body.as_str().unwrap();
    assert!(
        text.contains("event: done") && text.contains("Is there anything else?"),
        "{text}"
    );

    release(&rest, id).await;
    let back = socket.next().await;
    assert_eq!(
        (&back.data()["from"], &back.data()["to"]),
        (&json!("person"), &json!("orchestrator"))
    );
    let frames = socket.turn(QUESTION).await;
    assert_eq!(frames.last().unwrap().data()["message"]["agent"], "technical");
    check(
        &reply(&rest, id, ClientMessageId::new(), "Late.").await,
        ErrorCode::Conflict,
        None,
    );
    release(&rest, id).await;

    let page = rest.get(&format!("/api/session/{id}/messages")).await.body;
    let agents: Vec<_> = page["messages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|message| message["agent"].clone())
        .collect();
    let expected = json!([null, "orchestrator", null, "person", "person", null, "technical"]);
    assert_eq!(json!(agents), expected);
    let session = rest.get(&format!("/api/session/{id}")).await.body;
    assert_eq!(session["messageCount"], 7);
    assert_eq!(metric(&rest, "orchestratai_sessions_with_person ").await, 0.0);
    assert_eq!(metric(&rest, "orchestratai_person_takeovers_total ").await, 1.0);
    assert_eq!(
        metric(&rest, "orchestratai_person_wait_seconds_count{outcome=\"replied\"} ").await,
        1.0
    );
    assert_eq!(
        metric(
            &rest,
            "orchestratai_turns_total{agent=\"person\",outcome=\"completed\"} "
        )
        .await,
        1.0
    );
}

#[tokio::test]
async fn what_waits_is_answered_by_agents_when_the_session_is_given_back_and_cancelled_at_once_if_asked() {
    let server = Server::start().await;
    let rest = server.rest();
    let mut socket = server.socket("").await;
    let id = socket.ready().await.session_id();
    take_over(&rest, id, true).await;
    socket.say(QUESTION).await;
    let first = until_it_waits(&mut socket).await[1].turn_id().unwrap();
    socket.say("hello there").await;
    let second = until_it_waits(&mut socket).await[0].turn_id().unwrap();
    let receipt = rest.post(&format!("/api/chat/{second}/cancel"), &json!({})).await;
    assert_eq!(receipt.status, StatusCode::OK, "{}", receipt.body);
    let cancelled = socket.until(Frame::is_terminal).await;
    assert_eq!(cancelled.last().unwrap().turn_id(), Some(second));
    release(&rest, id).await;
    let answered = socket.until(Frame::is_terminal).await;
    let last = answered.last().unwrap();
    assert_eq!(
        (last.turn_id(), &last.data()["message"]["agent"]),
        (Some(first), &json!("technical"))
    );
}

#[tokio::test]
async fn who_waits_over_rest_has_the_answer_or_is_told_that_it_is_to_come() {
    let server = Launch::new().setting("session.turn_max", "2s").start().await;
    let rest = server.rest();
    let created = rest.send(rest.request(Method::POST, "/api/session")).await;
    let id: SessionId = created.body["session_id"].as_str().unwrap().parse().unwrap();
    take_over(&rest, id, false).await;
    let key = ClientMessageId::new();
    let ask = || {
        let body = json!({"message": QUESTION, "session_id": id});
        let request = rest.request(Method::POST, "/api/chat").json(&body);
        rest.send(request.header("Idempotency-Key", key.to_string()))
    };
    let waits = ask().await;
    assert_eq!(waits.status, StatusCode::ACCEPTED, "{}", waits.body);
    assert_eq!(waits.body["person"]["name"], "Kim");
    let turn_id = waits.headers["x-turn-id"].to_str().unwrap().to_owned();
    assert_eq!(
        (&waits.body["turn_id"], &waits.body["session_id"]),
        (&json!(turn_id), &json!(id))
    );
    assert_eq!(
        waits.headers["location"],
        format!("/api/chat/stream/{turn_id}").as_str()
    );
    // The same again waits again; the reply comes meanwhile.
    let (answered, said) = tokio::join!(ask(), async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        reply(&rest, id, ClientMessageId::new(), "Open Settings.").await
    });
    assert_eq!(said.status, StatusCode::OK, "{}", said.body);
    assert_eq!(answered.status, StatusCode::OK, "{}", answered.body);
    assert_eq!(
        (&answered.body["message"], &answered.body["agent"]),
        (&json!("Open Settings."), &json!("person"))
    );
    assert!(answered.body.get("confidence").is_none(), "{}", answered.body);
    assert_eq!(answered.body["agent_status"]["person"], "complete");
    let stream = rest.get(&format!("/api/chat/stream/{turn_id}")).await;
    let text = stream.body.as_str().unwrap();
    let done = text
        .lines()
        .filter_map(|line| line.strip_prefix("data: "))
        .next_back()
        .unwrap();
    let done: Value = serde_json::from_str(done).unwrap();
    assert_eq!(done["message"], "Open Settings.");
    assert_eq!(
        (&done["metadata"]["agent"], done["metadata"].get("confidence")),
        (&json!("person"), None)
    );
    // A stream that runs is ended by the reply as well.
    let body = json!({"message": QUESTION, "session_id": id});
    let (streamed, said) = tokio::join!(rest.post("/api/chat/stream", &body), async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        reply(&rest, id, ClientMessageId::new(), "As I said.").await
    });
    assert_eq!(said.status, StatusCode::OK, "{}", said.body);
    assert!(
        streamed.body.as_str().unwrap().contains("As I said."),
        "{}",
        streamed.body
    );
}

#[tokio::test]
async fn a_person_who_does_not_answer_in_time_loses_the_session_to_the_agents() {
    let server = Launch::new().setting("session.person_max", "1s").start().await;
    let rest = server.rest();
    let mut socket = server.socket("").await;
    let id = socket.ready().await.session_id();
    take_over(&rest, id, false).await;
    let frames = socket.turn(QUESTION).await;
    assert_eq!(frames.last().unwrap().data()["message"]["agent"], "technical");
    let events: Vec<_> = (frames.iter().filter(|frame| frame.seq().is_some()))
        .map(Frame::event)
        .collect();
    let warned = events
        .iter()
        .any(|event| matches!(&event.body, EventBody::RetrievalLog(log) if log.status == LogStatus::Warning));
    let given_back = events.iter().any(|event| {
        matches!(&event.body, EventBody::Handoff(handoff) if handoff.from.is_person()) && event.turn_id.is_none()
    });
    assert!(warned && given_back, "{frames:?}");
    let idle = events.iter().any(|event| {
        matches!(&event.body, EventBody::AgentStatus(changed)
            if changed.agent.is_person() && changed.status == AgentStatus::Idle)
    });
    assert!(idle, "{frames:?}");
}

#[tokio::test]
async fn a_takeover_survives_kill_9_and_passivation_and_what_waits_goes_on_waiting() {
    let launch = Launch::new().setting("session.idle_after", "200ms");
    let mut server = launch.clone().start().await;
    let mut socket = server.socket("").await;
    let id = socket.ready().await.session_id();
    socket.turn("hello there").await;
    take_over(&server.rest(), id, false).await;
    socket.close().await;
    // Nobody follows it, and nothing waits: it leaves memory, and is a person's all the same.
    let began = Instant::now();
    while metric(&server.rest(), "orchestratai_sessions_live ").await > 0.0 {
        assert!(began.elapsed() < PATIENCE, "it does not leave memory");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let mut socket = server.socket(&format!("?session_id={id}&after_seq=0")).await;
    socket.ready().await;
    socket.until(|frame| frame.kind() == "handoff").await;
    socket.say(QUESTION).await;
    let frames = until_it_waits(&mut socket).await;
    let turn_id = frames[0].turn_id().unwrap();
    let last_seq = frames.last().unwrap().seq().unwrap();
    let key = ClientMessageId::new();
    for round in 0..3 {
        let folder = server.kill();
        server = launch.clone().in_folder_of(&folder).start().await;
        let rest = server.rest();
        let mut socket = server.socket(&format!("?session_id={id}&after_seq={last_seq}")).await;
        let ready = socket.ready().await;
        assert_eq!(ready.data()["recovered"], true);
        if round < 2 {
            let turn = &ready.data()["turn"];
            assert_eq!(
                (&turn["id"], &turn["agent"]),
                (&json!(turn_id), &json!("person")),
                "{}",
                ready.0
            );
            assert_eq!(ready.data()["lastSeq"], last_seq, "a restart says nothing of it");
            assert_eq!(metric(&rest, "orchestratai_turns_resumed_total ").await, 0.0);
        }
        match round {
            0 => continue,
            1 => {
                let said = reply(&rest, id, key, "Open Settings.").await;
                assert_eq!(said.body["repeated"], false, "{}", said.body);
                let frames = socket.until(Frame::is_terminal).await;
                assert_eq!(frames.last().unwrap().turn_id(), Some(turn_id));
                let unasked = reply(&rest, id, ClientMessageId::new(), "Anything else?").await;
                assert_eq!(unasked.status, StatusCode::OK, "{}", unasked.body);
            }
            _ => {
                let again = reply(&rest, id, key, "Open Settings.").await;
                assert_eq!(
                    again.body["repeated"], true,
                    "said once, whatever happens: {}",
                    again.body
                );
                assert_eq!(again.body["turnId"], json!(turn_id));
            }
        }
    }
    // Every promise of a journal holds.
    let rest = server.rest();
    let events = rest.events(id).await;
    assert!(events.iter().map(|event| event.seq).eq(1..=events.len() as u64));
    let ends = events
        .iter()
        .filter(|event| event.turn_id == Some(turn_id) && event.body.is_terminal());
    assert_eq!(ends.count(), 1);
    let page = rest.get(&format!("/api/session/{id}/messages")).await.body;
    assert_eq!(page["messages"].as_array().unwrap().len(), 5);
    let read = |message: &Value| serde_json::from_value::<orchestratai_shared::Message>(message.clone()).unwrap();
    let last = read(page["messages"].as_array().unwrap().last().unwrap());
    assert_eq!(
        (last.role, last.agent),
        (MessageRole::Assistant, Some(AgentId::person()))
    );
    release(&rest, id).await;
    let erased = rest.delete(&format!("/api/session/{id}")).await;
    assert_eq!(erased.status, StatusCode::NO_CONTENT);
    // A session that begins anew under this id is nobody's.
    let mut socket = server.socket(&format!("?session_id={id}")).await;
    socket.ready().await;
    let frames = socket.turn("hello there").await;
    assert_eq!(frames.last().unwrap().data()["message"]["agent"], "orchestrator");
}

#[tokio::test]
async fn a_server_that_stops_waits_for_no_person() {
    let mut server = Server::start().await;
    let rest = server.rest();
    let mut socket = server.socket("").await;
    let id = socket.ready().await.session_id();
    take_over(&rest, id, false).await;
    socket.say(QUESTION).await;
    until_it_waits(&mut socket).await;
    let began = Instant::now();
    server.terminate();
    assert!(server.ended().await.success());
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
}

#[tokio::test]
async fn what_is_not_valid_is_said_of_every_request() {
    let server = Launch::new().argument("--no-demo").start().await;
    let rest = server.rest();
    let created = rest.send(rest.request(Method::POST, "/api/session")).await;
    let id = created.body["session_id"].as_str().unwrap().to_owned();
    let unknown = SessionId::new();
    for (path, body, code, field) in [
        ("takeover", json!({}), ErrorCode::ValidationError, Some("name")),
        (
            "takeover",
            json!({"name": " "}),
            ErrorCode::ValidationError,
            Some("name"),
        ),
        (
            "takeover",
            json!({"name": "x".repeat(81)}),
            ErrorCode::ValidationError,
            Some("name"),
        ),
        (
            "takeover",
            json!({"name": "\u{7}"}),
            ErrorCode::ValidationError,
            Some("name"),
        ),
        (
            "takeover",
            json!({"name": "Kim", "interrupt": 1}),
            ErrorCode::ValidationError,
            Some("interrupt"),
        ),
        ("reply", json!({}), ErrorCode::ValidationError, Some("content")),
        (
            "reply",
            json!({"content": "x".repeat(2_001)}),
            ErrorCode::ValidationError,
            Some("content"),
        ),
        (
            "reply",
            json!({"content": "Hi", "clientMessageId": 7}),
            ErrorCode::ValidationError,
            Some("clientMessageId"),
        ),
        ("reply", json!({"content": "Hi"}), ErrorCode::Conflict, None),
        (
            "release",
            json!({"reason": 7}),
            ErrorCode::ValidationError,
            Some("reason"),
        ),
    ] {
        check(
            &rest.post(&format!("/api/session/{id}/{path}"), &body).await,
            code,
            field,
        );
    }
    for (path, body) in [
        ("takeover", json!({"name": "Kim"})),
        ("reply", json!({"content": "Hi"})),
        ("release", json!({})),
    ] {
        let answer = rest.post(&format!("/api/session/{unknown}/{path}"), &body).await;
        check(&answer, ErrorCode::NotFound, None);
        check(
            &rest.post(&format!("/api/session/x/{path}"), &body).await,
            ErrorCode::ValidationError,
            Some("session_id"),
        );
        check(
            &rest.get(&format!("/api/session/{id}/{path}")).await,
            ErrorCode::MethodNotAllowed,
            None,
        );
    }
}
