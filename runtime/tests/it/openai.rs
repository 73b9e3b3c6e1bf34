//! OpenAI's own client talks to the orchestrator and to single agents.

use std::process::{Command, Stdio};

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::{
    client::Rest,
    server::{Launch, Server},
};

const CLIENT: &str = include_str!("openai.py");
const PYTHON: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/python/bin/python");
const TOKEN: &str = "0123456789abcdef0123456789abcdef";

/// What the client reports of a server.
async fn report(server: &Server, token: &str) -> Value {
    let mut command = Command::new(PYTHON);
    command.args(["-c", CLIENT, &format!("http://{}", server.address()), token]);
    let output = tokio::task::spawn_blocking(move || command.stdin(Stdio::null()).output().unwrap())
        .await
        .unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}\n{}", server.log());
    serde_json::from_slice(&output.stdout).unwrap()
}

#[tokio::test]
async fn the_official_client_finds_all_that_it_knows() {
    let server = Server::start().await;
    let report = report(&server, "").await;
    assert_eq!(
        report["models"],
        json!(["orchestrator", "billing", "technical", "policy"])
    );
    assert_eq!(report["model"]["id"], "billing");
    assert_eq!(report["model"]["object"], "model");

    let whole = &report["whole"];
    let (message, beside) = (&whole["choices"][0]["message"], &whole["orchestratai"]);
    let text = message["content"].as_str().unwrap();
    assert!(text.contains("key"), "{whole}");
    assert_eq!(whole["object"], "chat.completion");
    assert_eq!(whole["model"], "technical");
    assert_eq!(whole["choices"][0]["finish_reason"], "stop");
    // The embedded model takes no tokens.
    assert_eq!(whole["usage"]["total_tokens"], 0);
    assert_eq!(beside["agent"], "technical");
    let citations = beside["citations"].as_array().unwrap();
    let annotations = message["annotations"].as_array().unwrap();
    assert!(!citations.is_empty() && annotations.len() >= citations.len(), "{whole}");
    let text: Vec<char> = text.chars().collect();
    for annotation in annotations {
        let cited = &annotation["url_citation"];
        let [start, end] = ["start_index", "end_index"].map(|at| cited[at].as_u64().unwrap() as usize);
        let mark: String = text[start..end].iter().collect();
        let of = citations
            .iter()
            .find(|citation| format!("[{}]", citation["index"]) == mark);
        assert_eq!(of.unwrap()["source"], cited["title"], "{whole}");
    }

    // The orchestrator routes; an agent that is named answers itself, whatever it is asked.
    assert_eq!(report["routed"]["model"], "orchestrator");
    assert_eq!(report["routed"]["orchestratai"]["agent"], "technical");
    assert_eq!(report["directed"]["orchestratai"]["agent"], "billing");
    let turn = report["routed"]["orchestratai"]["turn_id"].as_str().unwrap();
    assert_eq!(report["headers"]["x-turn-id"], turn);
    assert_eq!(report["routed"]["id"], format!("chatcmpl-{turn}"));

    let streamed = &report["streamed"];
    assert_eq!(streamed["text"], message["content"]);
    assert!(streamed["pieces"].as_u64() > Some(0), "{streamed}");
    assert_eq!(streamed["role"], "assistant");
    assert_eq!(streamed["ids"].as_array().unwrap().len(), 1);
    assert_eq!(streamed["finish"], "stop");
    assert_eq!(
        (&streamed["usage"]["total_tokens"], &streamed["choicesOfLast"]),
        (&json!(0), &json!(0))
    );
    assert_eq!(streamed["beside"][0]["citations"], beside["citations"]);
    assert_eq!(
        (
            &report["streamedPlain"]["usage"],
            &report["streamedPlain"]["choicesOfLast"]
        ),
        (&Value::Null, &json!(1))
    );
}

#[tokio::test]
async fn what_was_said_before_counts_though_the_server_was_not_there() {
    let server = Server::start().await;
    let report = report(&server, "").await;
    let beside = &report["followUp"]["orchestratai"];
    let logs = server
        .rest()
        .get(&format!("/api/session/{}/logs", beside["session_id"].as_str().unwrap()))
        .await;
    // "The old one" is a key only by what was said before.
    let understood = logs.body["logs"].to_string();
    assert!(understood.contains("API key"), "{understood}");
    let events = server
        .rest()
        .get(&format!(
            "/api/session/{}/events?after_seq=0",
            beside["session_id"].as_str().unwrap()
        ))
        .await;
    let accepted = &events.body["events"][0]["data"];
    assert_eq!(accepted["addressee"], "technical", "{accepted}");
    let roles: Vec<&Value> = accepted["context"]
        .as_array()
        .unwrap()
        .iter()
        .map(|said| &said["role"])
        .collect();
    assert_eq!(
        roles,
        ["user", "assistant"],
        "a system message is not a part of what was said"
    );
}

#[tokio::test]
async fn refusals_are_errors_of_the_clients_own_kinds() {
    let server = Launch::new().setting("auth.token", TOKEN).start().await;
    let report = report(&server, TOKEN).await;
    let refused = &report["refused"];
    for (case, kind, param, code) in [
        ("unknownModel", "NotFoundError", Some("model"), Some("model_not_found")),
        (
            "streamOfUnknown",
            "NotFoundError",
            Some("model"),
            Some("model_not_found"),
        ),
        ("noMessage", "BadRequestError", Some("messages"), None),
        ("lastIsAssistant", "BadRequestError", Some("messages"), None),
        ("tooLong", "BadRequestError", Some("messages"), None),
        ("image", "BadRequestError", Some("messages"), None),
        ("twoAnswers", "BadRequestError", Some("n"), None),
        ("json", "BadRequestError", Some("response_format"), None),
        ("wrongKey", "AuthenticationError", None, Some("invalid_api_key")),
    ] {
        let refusal = &refused[case];
        assert_eq!(refusal["kind"], kind, "{case}: {refusal}");
        assert_eq!(refusal["param"].as_str(), param, "{case}");
        assert_eq!(refusal["code"].as_str(), code, "{case}");
        assert_eq!(refusal["type"], "invalid_request_error", "{case}");
        assert!(refusal["requestId"].is_string(), "{case}");
    }
}

fn completion(rest: &Rest, body: Value) -> reqwest::RequestBuilder {
    let question = json!([{"role": "user", "content": "How do I rotate an API key?"}]);
    let mut whole = json!({"model": "orchestrator", "messages": question});
    whole.as_object_mut().unwrap().extend(body.as_object().unwrap().clone());
    rest.request(Method::POST, "/v1/chat/completions").json(&whole)
}

#[tokio::test]
async fn a_session_that_is_named_keeps_the_conversation_and_answers_once() {
    let server = Server::start().await;
    let rest = server.rest();
    let session = "0190f0f0-0000-7000-8000-00000000000a";
    let key = "0190f0f0-0000-7000-8000-00000000000b";
    let first = rest
        .send(
            completion(&rest, json!({}))
                .header("X-Session-Id", session)
                .header("Idempotency-Key", key),
        )
        .await;
    assert_eq!(first.status, StatusCode::OK, "{}", first.body);
    assert_eq!(first.headers["x-session-id"], session);
    let again = rest
        .send(
            completion(&rest, json!({}))
                .header("X-Session-Id", session)
                .header("Idempotency-Key", key),
        )
        .await;
    assert_eq!(again.body, first.body, "the same key has the same answer");
    let in_metadata = json!({"metadata": {"session_id": session}, "messages": [
        {"role": "user", "content": "Something that this session never heard."},
        {"role": "user", "content": "And how long does the old one keep working?"},
    ]});
    let second = rest.send(completion(&rest, in_metadata)).await;
    assert_eq!(second.body["orchestratai"]["session_id"], session, "{}", second.body);
    let messages = rest.get(&format!("/api/session/{session}/messages")).await;
    assert_eq!(
        messages.body["messages"].as_array().unwrap().len(),
        4,
        "{}",
        messages.body
    );
    let events = rest
        .get(&format!("/api/session/{session}/events?after_seq=0&limit=1000"))
        .await;
    let carried = events.body["events"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|event| event["data"]["context"].is_array());
    assert_eq!(
        carried.count(),
        0,
        "a session that keeps the conversation is told nothing of it twice"
    );
}
