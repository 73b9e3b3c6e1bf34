//! Whose a session is: named by whatever begins it, over every door, and never another's after that.

use orchestratai_shared::SessionId;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Error;

use crate::{
    client::{Answer, Rest, Socket},
    server::Server,
};

const QUESTION: &str = "How do I rotate an API key without downtime?";

async fn chat(rest: &Rest, session: SessionId, user: &Value) -> Answer {
    let body = json!({"session_id": session, "message": QUESTION, "userId": user});
    rest.post("/api/chat", &body).await
}

async fn complete(rest: &Rest, session: Option<SessionId>, user: &Value) -> Answer {
    let messages = json!([{"role": "user", "content": QUESTION}]);
    let mut request = rest.request(Method::POST, "/v1/chat/completions");
    if let Some(session) = session {
        request = request.header("X-Session-Id", session.to_string());
    }
    let body = json!({"model": "technical", "messages": messages, "user": user});
    rest.send(request.json(&body)).await
}

/// Whose a session is; nothing where there is none.
async fn user_of(rest: &Rest, session: SessionId) -> Option<Value> {
    let answer = rest.get(&format!("/api/session/{session}")).await;
    (answer.status == StatusCode::OK).then(|| answer.body["userId"].clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_whose_its_first_message_says_over_every_door() {
    let server = Server::start().await;
    let rest = server.rest();
    let ada = json!("ada@example.com");

    let by_chat = SessionId::new();
    assert_eq!(chat(&rest, by_chat, &ada).await.status, StatusCode::OK);
    let by_stream = SessionId::new();
    let body = json!({"session_id": by_stream, "message": QUESTION, "userId": ada});
    assert_eq!(
        rest.post("/api/chat/stream/initiate", &body).await.status,
        StatusCode::OK
    );
    let mut socket = server.socket("?user_id=ada%40example.com").await;
    let ready = socket.ready().await;
    assert_eq!(ready.data()["session"]["userId"], ada, "{}", ready.0);
    let by_socket = ready.session_id();
    socket.turn(QUESTION).await;
    let named = SessionId::new();
    let mut socket = server
        .socket(&format!("?session_id={named}&user_id=ada%40example.com"))
        .await;
    assert_eq!(socket.ready().await.session_id(), named);
    let answer = complete(&rest, None, &ada).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    let by_completion: SessionId = answer.body["orchestratai"]["session_id"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();

    for session in [by_chat, by_stream, by_socket, named, by_completion] {
        assert_eq!(user_of(&rest, session).await.as_ref(), Some(&ada));
        // It goes on whether it is said again or not.
        assert_eq!(chat(&rest, session, &ada).await.status, StatusCode::OK);
        assert_eq!(chat(&rest, session, &Value::Null).await.status, StatusCode::OK);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_of_another_user_or_of_nobody_is_a_conflict_over_every_door() {
    let server = Server::start().await;
    let rest = server.rest();
    let (of_ada, of_nobody) = (SessionId::new(), SessionId::new());
    assert_eq!(chat(&rest, of_ada, &json!("ada")).await.status, StatusCode::OK);
    assert_eq!(chat(&rest, of_nobody, &Value::Null).await.status, StatusCode::OK);
    for (session, says) in [(of_ada, "another user's"), (of_nobody, "nobody's")] {
        let said = rest.events(session).await.len();
        let eve = json!("eve");
        let refused = chat(&rest, session, &eve).await;
        assert_eq!(refused.status, StatusCode::CONFLICT, "{}", refused.body);
        assert_eq!(refused.body["error"]["code"], "CONFLICT");
        let words = refused.body["error"]["message"].as_str().unwrap();
        assert!(words.contains(says) && !words.contains("ada"), "{words}");
        let refused = complete(&rest, Some(session), &eve).await;
        assert_eq!(refused.status, StatusCode::CONFLICT, "{}", refused.body);
        assert!(
            refused.body["error"]["message"].as_str().unwrap().contains(says),
            "{}",
            refused.body
        );
        let mut socket = server.socket(&format!("?session_id={session}&user_id=eve")).await;
        let frame = socket.next().await;
        assert_eq!(
            (frame.kind(), &frame.data()["code"]),
            ("error", &json!("CONFLICT")),
            "{}",
            frame.0
        );
        let close = socket.next_or_close().await.unwrap_err().expect("it is told why");
        assert_eq!(u16::from(close.code), 4003);
        assert_eq!(rest.events(session).await.len(), said, "nothing was taken in");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn users_that_are_none_are_refused_and_nothing_is_begun() {
    let server = Server::start().await;
    let rest = server.rest();
    let session = SessionId::new();
    for user in [
        json!(""),
        json!("a b"),
        json!("a\u{0}"),
        json!("x".repeat(129)),
        json!(7),
        json!(["a"]),
    ] {
        let refused = chat(&rest, session, &user).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{user}: {}", refused.body);
        assert_eq!(refused.body["error"]["details"][0]["field"], "userId", "{user}");
        let refused = complete(&rest, Some(session), &user).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{user}: {}", refused.body);
        assert_eq!(refused.body["error"]["param"], "user", "{user}");
    }
    for user in ["", "a%20b", "a%00", &"x".repeat(129)] {
        let query = format!("?session_id={session}&user_id={user}");
        let Err(Error::Http(refused)) = Socket::connect(server.address(), &query, None).await else {
            panic!("{query} is refused")
        };
        assert_eq!(refused.status(), 400, "{query}");
    }
    assert_eq!(user_of(&rest, session).await, None);
    let longest = json!("é".repeat(128));
    assert_eq!(chat(&rest, session, &longest).await.status, StatusCode::OK);
    assert_eq!(user_of(&rest, session).await, Some(longest));
}
