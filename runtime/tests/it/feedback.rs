//! What people think of answers.

use orchestratai_shared::{ErrorCode, MessageId, SessionId};
use orchestratai_testing::{Postgres, Redis};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::{
    bad_input::check,
    client::{Answer, Rest},
    cluster,
    server::Server,
};

async fn answered(rest: &Rest, session_id: SessionId) -> (String, String) {
    let ask = json!({"message": "Can I get a refund of my annual plan?", "session_id": session_id});
    let answer = rest.post("/api/chat", &ask).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    let messages = rest
        .get(&format!("/api/session/{session_id}/messages?limit=2"))
        .await
        .body;
    let id = |of: usize| messages["messages"][of]["id"].as_str().unwrap().to_owned();
    (id(0), id(1))
}

async fn put(rest: &Rest, session_id: SessionId, message: &str, body: &Value) -> Answer {
    let path = format!("/api/session/{session_id}/messages/{message}/feedback");
    rest.send(rest.request(Method::PUT, &path).json(body)).await
}

async fn all(rest: &Rest, session_id: SessionId) -> Vec<Value> {
    let answer = rest.get(&format!("/api/session/{session_id}/feedback")).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    assert_eq!(answer.body["hasMore"], false);
    answer.body["feedback"].as_array().unwrap().clone()
}

#[tokio::test]
async fn an_answer_is_rated_and_the_rating_counted_told_exported_and_taken_back() {
    let server = Server::start().await;
    let rest = server.rest();
    let session_id = SessionId::new();
    let (question, answer) = answered(&rest, session_id).await;
    assert!(all(&rest, session_id).await.is_empty());
    for (body, reason) in [
        (
            json!({"rating": "down", "reason": " the price is old "}),
            Some("the price is old"),
        ),
        (json!({"rating": "down", "reason": null}), None),
        (json!({"rating": "up", "reason": " "}), None),
    ] {
        let given = put(&rest, session_id, &answer, &body).await;
        assert_eq!(given.status, StatusCode::OK, "{}", given.body);
        assert_eq!(
            (&given.body["messageId"], &given.body["rating"]),
            (&json!(answer), &body["rating"])
        );
        assert_eq!(given.body.get("reason").and_then(Value::as_str), reason);
        assert_eq!(all(&rest, session_id).await, [given.body]);
    }
    let exported = rest.get(&format!("/api/session/{session_id}/export")).await.body;
    assert_eq!(exported["feedback"], json!(all(&rest, session_id).await));
    let metrics = rest.get("/metrics").await.body;
    for line in [
        r#"orchestratai_feedback_total{agent="billing",rating="down"} 1"#,
        r#"orchestratai_feedback_total{agent="billing",rating="up"} 1"#,
    ] {
        assert!(metrics.as_str().unwrap().lines().any(|found| found == line), "{line}");
    }
    let path = format!("/api/session/{session_id}/messages/{answer}/feedback");
    assert_eq!(rest.delete(&path).await.status, StatusCode::NO_CONTENT);
    check(&rest.delete(&path).await, ErrorCode::NotFound, None);
    assert!(all(&rest, session_id).await.is_empty());

    let up = json!({"rating": "up"});
    for message in [question, MessageId::new().to_string()] {
        check(&put(&rest, session_id, &message, &up).await, ErrorCode::NotFound, None);
    }
    check(
        &put(&rest, SessionId::new(), &answer, &up).await,
        ErrorCode::NotFound,
        None,
    );
    for (body, field) in [
        (json!({}), "rating"),
        (json!({"rating": "good"}), "rating"),
        (json!({"rating": "up", "reason": "x".repeat(1_001)}), "reason"),
    ] {
        check(
            &put(&rest, session_id, &answer, &body).await,
            ErrorCode::ValidationError,
            Some(field),
        );
    }
    check(
        &put(&rest, session_id, "x", &up).await,
        ErrorCode::ValidationError,
        Some("message_id"),
    );
    let nobody = format!("/api/session/{}/feedback", SessionId::new());
    check(&rest.get(&nobody).await, ErrorCode::NotFound, None);
    let unknown = format!("/api/session/{session_id}/feedback?before={}", MessageId::new());
    check(&rest.get(&unknown).await, ErrorCode::NotFound, None);
}

#[tokio::test]
async fn any_node_takes_feedback_on_a_session_of_another() {
    let (database, redis) = (Postgres::shared().database(), Redis::start());
    let [one, other] = cluster::nodes(&database, &redis.url()).await;
    let session_id = SessionId::new();
    let (_, answer) = answered(&one.rest(), session_id).await;
    let given = put(&other.rest(), session_id, &answer, &json!({"rating": "up"})).await;
    assert_eq!(given.status, StatusCode::OK, "{}", given.body);
    assert_eq!(all(&one.rest(), session_id).await, [given.body]);
    // It goes with its session, whoever erases that.
    let erased = other.rest().delete(&format!("/api/session/{session_id}")).await;
    assert_eq!(erased.status, StatusCode::NO_CONTENT);
    check(
        &put(&one.rest(), session_id, &answer, &json!({"rating": "up"})).await,
        ErrorCode::NotFound,
        None,
    );
}
