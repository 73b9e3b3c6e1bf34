//! Clients that ask over HTTP while a turn waits for a person's approval.

use reqwest::Method;

use super::*;
use crate::client::{Answer, Rest};

fn refunds() -> Vec<Vec<Said>> {
    let mut asks = vec![Said::Text("One moment, please.".into())];
    asks.extend(refund());
    vec![asks, says("You have your money back.")]
}

fn asking(rest: &Rest, body: &Value) -> reqwest::RequestBuilder {
    let mut whole = json!({"model": "technical", "messages": [{"role": "user", "content": QUESTION}]});
    whole.as_object_mut().unwrap().extend(body.as_object().unwrap().clone());
    rest.request(Method::POST, "/v1/chat/completions").json(&whole)
}

/// Waits until something is to be approved in a session, and approves it.
async fn approve(server: &Server, session_id: SessionId) -> Answer {
    let begun = Instant::now();
    loop {
        let waits = (server.rest().events(session_id).await)
            .into_iter()
            .find_map(|event| match event.body {
                EventBody::ApprovalRequested(request) => Some(request.approval_id),
                EventBody::MessageAccepted(_)
                | EventBody::RetrievalLog(_)
                | EventBody::AgentStatus(_)
                | EventBody::Handoff(_)
                | EventBody::ToolCall(_)
                | EventBody::ApprovalResolved(_)
                | EventBody::MessageCompleted(_)
                | EventBody::TurnFailed(_)
                | EventBody::TurnCancelled(_) => None,
            });
        if let Some(approval_id) = waits {
            let path = format!("/api/session/{session_id}/approvals/{approval_id}");
            let decision = json!({"decision": "approved", "name": "Kim"});
            return server.rest().post(&path, &decision).await;
        }
        assert!(
            begun.elapsed() < Duration::from_secs(20),
            "nobody is asked\n{}",
            server.log()
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_completion_waits_until_it_is_decided() {
    let provider = Provider::start(refunds()).await;
    let (shop, agents) = (Shop::open(Duration::ZERO).await, agents());
    let server = launch(&provider, &shop, &agents).start().await;
    let made = server.rest().post("/api/session", &json!({})).await;
    let session_id: SessionId = made.body["session_id"].as_str().unwrap().parse().unwrap();
    let (rest, named) = (server.rest(), json!({"metadata": {"session_id": session_id}}));
    let request = asking(&rest, &named);
    let waiting = tokio::spawn(async move { rest.send(request).await });
    assert_eq!(approve(&server, session_id).await.status, StatusCode::OK);
    let answer = waiting.await.unwrap();
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    let message = &answer.body["choices"][0]["message"];
    assert_eq!(message["content"], "You have your money back.");
    assert_eq!(
        answer.body["usage"]["prompt_tokens"], 30,
        "before the decision and after it"
    );
    assert_eq!(shop.asked().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_goes_on_behind_a_decision_with_a_paragraph_of_its_own() {
    let provider = Provider::start(refunds()).await;
    let (shop, agents) = (Shop::open(Duration::ZERO).await, agents());
    let server = launch(&provider, &shop, &agents).start().await;
    let stream = asking(&server.rest(), &json!({"stream": true})).send().await.unwrap();
    let session_id = stream.headers()["x-session-id"].to_str().unwrap().parse().unwrap();
    let text = tokio::spawn(stream.text());
    assert_eq!(approve(&server, session_id).await.status, StatusCode::OK);
    let text = text.await.unwrap().unwrap();
    let chunks = text.split("\n\n").filter_map(|event| event.strip_prefix("data: "));
    let chunks: Vec<Value> = chunks.filter_map(|data| serde_json::from_str(data).ok()).collect();
    let said: String = (chunks.iter())
        .filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str())
        .collect();
    assert_eq!(said, "One moment, please.\n\nYou have your money back.", "{text}");
    assert!(text.ends_with("data: [DONE]\n\n"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_waited_for_long_is_told_what_for_and_not_to_ask_again() {
    let provider = Provider::start(refunds()).await;
    let (shop, agents) = (Shop::open(Duration::ZERO).await, agents());
    let server = launch(&provider, &shop, &agents)
        .setting("session.turn_max", "5s")
        .start()
        .await;
    let rest = server.rest();
    let answer = rest.send(asking(&rest, &json!({}))).await;
    assert_eq!(answer.status, StatusCode::GATEWAY_TIMEOUT, "{}", answer.body);
    assert_eq!(answer.headers["x-should-retry"], "false");
    let error = &answer.body["error"];
    assert_eq!(
        (&error["type"], &error["code"]),
        (&json!("server_error"), &json!("timeout"))
    );
    let message = error["message"].as_str().unwrap();
    assert!(
        message.contains("shop_refund") && message.contains("/approvals/"),
        "{message}"
    );
    let turn_id = answer.headers["x-turn-id"].to_str().unwrap();
    assert!(message.contains(turn_id), "{message}");
    // It goes on by what is told.
    let path = message.split(' ').find(|word| word.contains("/approvals/")).unwrap();
    let decided = rest.post(path, &json!({"decision": "approved", "name": "Kim"})).await;
    assert_eq!(decided.status, StatusCode::OK, "{}", decided.body);
    let followed = rest.get(&format!("/api/chat/stream/{turn_id}")).await;
    assert!(
        followed.body.to_string().contains("You have your money back."),
        "{}",
        followed.body
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chat_that_waits_for_long_answers_202_with_what_is_to_be_decided() {
    let provider = Provider::start(refunds()).await;
    let (shop, agents) = (Shop::open(Duration::ZERO).await, agents());
    let server = launch(&provider, &shop, &agents)
        .setting("session.turn_max", "5s")
        .start()
        .await;
    let (rest, session_id) = (server.rest(), SessionId::new());
    let body = json!({"message": QUESTION, "session_id": session_id});
    let chat = |key: &str| {
        let request = rest.request(Method::POST, "/api/chat").header("Idempotency-Key", key);
        rest.send(request.json(&body))
    };
    let key = "0190f0f0-0000-7000-8000-00000000000e";
    let waits = chat(key).await;
    assert_eq!(waits.status, StatusCode::ACCEPTED, "{}", waits.body);
    let approval = &waits.body["approval"];
    assert_eq!(
        (&approval["tool"], waits.body.get("person")),
        (&json!("shop_refund"), None)
    );
    assert_eq!(approval["arguments"], json!({"body": {"eur": 5}}));
    assert_eq!(waits.body["session_id"], session_id.to_string());
    assert_eq!(waits.headers["x-turn-id"], waits.body["turn_id"].as_str().unwrap());
    assert_eq!(
        waits.headers["location"],
        format!("/api/chat/stream/{}", waits.body["turn_id"].as_str().unwrap())
    );
    assert_eq!(approve(&server, session_id).await.status, StatusCode::OK);
    // The same key waits for the answer again.
    let answer = chat(key).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    assert_eq!(answer.body["message"], "You have your money back.");
    assert_eq!(provider.asked().len(), 2, "nothing is asked twice");
}
