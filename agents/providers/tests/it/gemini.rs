//! Google's Gemini API.

use orchestratai_agents::language::{ChatEvent, StopReason, TokenUsage, ToolCall};
use orchestratai_providers::ProviderKind;
use serde_json::json;

use crate::{
    server::{Server, cut},
    telling::{everything, model, question, structured, told},
};

const SSE: &str = "text/event-stream";

fn answer(reason: &str) -> String {
    [
        "data: {\"candidates\": [{\"content\": {\"parts\": [{\"text\": \"I should greet.\", \"thought\": true}],\"role\": \"model\"},\"index\": 0}],\"usageMetadata\": {\"promptTokenCount\": 9,\"totalTokenCount\": 9},\"modelVersion\": \"test-model\"}\r\n\r\n",
        "data: {\"candidates\": [{\"content\": {\"parts\": [{\"text\": \"Grüße \"}],\"role\": \"model\"},\"index\": 0}]}\r\n\r\n",
        "data: {\"candidates\": [{\"content\": {\"parts\": [{\"text\": \"🦀\"}],\"role\": \"model\"},\"finishReason\": \"",
        reason,
        "\",\"index\": 0}],\"usageMetadata\": {\"promptTokenCount\": 9,\"candidatesTokenCount\": 5,\"thoughtsTokenCount\": 3,\"cachedContentTokenCount\": 2,\"totalTokenCount\": 17}}\r\n\r\n",
    ]
    .concat()
}

fn usage(cached_input: u64, output: u64) -> ChatEvent {
    ChatEvent::Usage(TokenUsage {
        input: 9,
        cached_input,
        output,
    })
}

#[tokio::test]
async fn an_answer_is_the_same_wherever_the_network_cuts_it_and_thoughts_are_no_part_of_it() {
    let body = answer("STOP");
    let expected = [
        usage(0, 0),
        ChatEvent::TextDelta("Grüße 🦀".into()),
        usage(2, 8),
        ChatEvent::Stopped(StopReason::Complete),
    ];
    for size in [1, 3, 7, body.len()] {
        let server = Server::start(vec![cut(SSE, &body, size)]).await;
        let (events, error) = told(&model(ProviderKind::Gemini, &server), question()).await;
        assert_eq!((events.as_slice(), error), (&expected[..], None), "in pieces of {size}");
    }
}

#[tokio::test]
async fn a_request_has_what_the_protocol_wants() {
    let server = Server::start(vec![cut(SSE, &answer("STOP"), 99)]).await;
    let model = model(ProviderKind::Gemini, &server);
    told(&model, everything()).await;
    told(&model, structured()).await;
    let asked = server.asked();
    assert_eq!(asked[0].path, "/v1beta/models/test-model:streamGenerateContent?alt=sse");
    assert_eq!(asked[0].headers["x-goog-api-key"], "test-key");
    assert_eq!(
        asked[0].body,
        json!({
            "contents": [
                {"role": "user", "parts": [{"text": "What time is it?"}]},
                {"role": "model", "parts": [
                    {"functionCall": {"name": "clock", "args": {"zone": "UTC"}}, "thoughtSignature": "c2ln"},
                ]},
                {"role": "user", "parts": [
                    {"functionResponse": {"name": "clock", "response": {"output": "12:00"}}},
                ]},
            ],
            "systemInstruction": {"parts": [{"text": "Be brief."}]},
            "generationConfig": {"maxOutputTokens": 99, "temperature": 0.5, "stopSequences": ["END"]},
            "tools": [{"functionDeclarations": [{
                "name": "clock",
                "description": "Tells the time.",
                "parametersJsonSchema": {"type": "object", "properties": {"zone": {"type": "string"}}},
            }]}],
            "toolConfig": {"functionCallingConfig": {"mode": "ANY"}},
        })
    );
    assert_eq!(
        asked[1].body["generationConfig"],
        json!({
            "responseMimeType": "application/json",
            "responseJsonSchema": {"type": "object", "properties": {"hour": {"type": "integer"}}},
        })
    );
}

#[tokio::test]
async fn a_call_bears_its_signature() {
    let body = "data: {\"candidates\": [{\"content\": {\"parts\": [{\"functionCall\": {\"name\": \"clock\",\"args\": {\"zone\": \"UTC\"}},\"thoughtSignature\": \"c2ln\"}, {\"functionCall\": {\"name\": \"clock\"}}],\"role\": \"model\"},\"finishReason\": \"STOP\"}]}\r\n\r\n";
    let server = Server::start(vec![cut(SSE, body, 5)]).await;
    let (events, error) = told(&model(ProviderKind::Gemini, &server), everything()).await;
    let call = |id: &str, arguments, signature: Option<&str>| {
        ChatEvent::ToolCall(ToolCall {
            id: id.into(),
            name: "clock".into(),
            arguments,
            signature: signature.map(str::to_owned),
        })
    };
    assert_eq!(error, None);
    assert_eq!(
        events,
        [
            call("", json!({"zone": "UTC"}), Some("c2ln")),
            call("", json!({}), None),
            ChatEvent::Stopped(StopReason::ToolCalls),
        ]
    );
}

#[tokio::test]
async fn stop_reasons_are_told_apart() {
    for (reason, expected) in [
        ("STOP", StopReason::Complete),
        ("MAX_TOKENS", StopReason::MaxTokens),
        ("SAFETY", StopReason::Refused),
    ] {
        let server = Server::start(vec![cut(SSE, &answer(reason), 99)]).await;
        let (events, _) = told(&model(ProviderKind::Gemini, &server), question()).await;
        assert_eq!(events.last(), Some(&ChatEvent::Stopped(expected)), "{reason}");
    }
    let blocked = "data: {\"promptFeedback\": {\"blockReason\": \"SAFETY\"},\"usageMetadata\": {\"promptTokenCount\": 9}}\r\n\r\n";
    let server = Server::start(vec![cut(SSE, blocked, 99)]).await;
    let (events, _) = told(&model(ProviderKind::Gemini, &server), question()).await;
    assert_eq!(events, [usage(0, 0), ChatEvent::Stopped(StopReason::Refused)]);
}

#[tokio::test]
async fn errors_in_the_middle_and_broken_off_answers_are_told_apart() {
    let text = "data: {\"candidates\": [{\"content\": {\"parts\": [{\"text\": \"The\"}]}}]}\r\n\r\n";
    let unavailable =
        "data: {\"error\": {\"code\": 503,\"message\": \"Overloaded.\",\"status\": \"UNAVAILABLE\"}}\r\n\r\n";
    for (rest, expected) in [
        (unavailable, "the provider has a fault (UNAVAILABLE)"),
        ("", "the provider's answer broke off"),
        (
            "data: }\r\n\r\n",
            "the provider does not speak its protocol: column 1 of a piece of its answer is not as it should be",
        ),
    ] {
        let server = Server::start(vec![cut(SSE, &format!("{text}{rest}"), 99)]).await;
        let (events, error) = told(&model(ProviderKind::Gemini, &server), question()).await;
        assert_eq!(events, [ChatEvent::TextDelta("The".into())]);
        assert_eq!(error.unwrap().to_string(), expected);
    }
}
