//! Calls whose arguments are no JSON object: they are told as they were written, and the model is told of them as an object.

use orchestratai_agents::language::{ChatEvent, ChatMessage, ChatRequest, StopReason, ToolCall};
use orchestratai_providers::ProviderKind;
use serde_json::{Value, json};

use crate::{
    server::{Server, cut},
    telling::{everything, model, told},
};

const SSE: &str = "text/event-stream";
const NDJSON: &str = "application/x-ndjson";
const HALF: &str = "{\"zone\": \"UT";

/// An answer that is one call with these arguments, and ends for this reason.
fn openai(arguments: &Value, reason: &str) -> String {
    let function = json!({"name": "clock", "arguments": arguments});
    let call = json!({"choices": [{"delta": {"tool_calls": [{"index": 0, "id": "a", "function": function}]}}]});
    let end = json!({"choices": [{"delta": {}, "finish_reason": reason}]});
    format!("data: {call}\n\ndata: {end}\n\ndata: [DONE]\n\n")
}

fn anthropic(written: &str, reason: &str, more: &[Value]) -> String {
    let start = json!({"type": "content_block_start", "index": 0, "content_block":
        {"type": "tool_use", "id": "a", "name": "clock", "input": {}}});
    let delta = json!({"type": "content_block_delta", "index": 0, "delta":
        {"type": "input_json_delta", "partial_json": written}});
    let stop = json!({"type": "content_block_stop", "index": 0});
    let end = json!({"type": "message_delta", "delta": {"stop_reason": reason}});
    let events = [start, delta, stop].into_iter().chain(more.iter().cloned());
    let events = events.chain([end, json!({"type": "message_stop"})]);
    events.map(|event| format!("data: {event}\n\n")).collect()
}

async fn heard(kind: ProviderKind, content_type: &str, body: &str) -> Vec<ChatEvent> {
    let server = Server::start(vec![cut(content_type, body, 7)]).await;
    let (events, error) = told(&model(kind, &server), everything()).await;
    assert_eq!(error, None, "{body}");
    events
}

fn written(events: &[ChatEvent]) -> Vec<&Value> {
    let calls = events.iter().filter_map(|event| match event {
        ChatEvent::ToolCall(call) => Some(&call.arguments),
        ChatEvent::TextDelta(_) | ChatEvent::Usage(_) | ChatEvent::Warned(_) | ChatEvent::Stopped(_) => None,
    });
    calls.collect()
}

#[tokio::test]
async fn what_a_model_has_written_in_place_of_an_object_is_told_as_it_stands() {
    for text in [HALF, "[1, 2]", "null", "\"UTC\"", "zone=UTC"] {
        let events = heard(ProviderKind::OpenAi, SSE, &openai(&text.into(), "tool_calls")).await;
        assert_eq!(written(&events), [text]);
        assert_eq!(events.last(), Some(&ChatEvent::Stopped(StopReason::ToolCalls)));
        let events = heard(ProviderKind::Anthropic, SSE, &anthropic(text, "tool_use", &[])).await;
        assert_eq!(written(&events), [text]);
        assert_eq!(events.last(), Some(&ChatEvent::Stopped(StopReason::ToolCalls)));
    }
    // Where the protocol has JSON there, and some put a text.
    for (arguments, expected) in [
        (json!([1, 2]), Value::from("[1,2]")),
        (json!(HALF), Value::from(HALF)),
        (json!("{\"zone\": \"UTC\"}"), json!({"zone": "UTC"})),
        (Value::Null, json!({})),
    ] {
        let body = json!({"candidates": [{"content": {"parts": [{"functionCall": {"name": "clock", "args": arguments}}]},
            "finishReason": "STOP"}]});
        let events = heard(ProviderKind::Gemini, SSE, &format!("data: {body}\r\n\r\n")).await;
        assert_eq!(written(&events), [&expected]);
        let body =
            json!({"message": {"tool_calls": [{"function": {"name": "clock", "arguments": arguments}}]}, "done": true});
        let events = heard(ProviderKind::Ollama, NDJSON, &format!("{body}\n")).await;
        assert_eq!(written(&events), [&expected]);
    }
}

#[tokio::test]
async fn half_a_call_at_the_bound_of_an_answer_is_none() {
    let events = heard(ProviderKind::OpenAi, SSE, &openai(&HALF.into(), "length")).await;
    assert_eq!(events, [ChatEvent::Stopped(StopReason::MaxTokens)]);
    let events = heard(ProviderKind::Anthropic, SSE, &anthropic(HALF, "max_tokens", &[])).await;
    assert_eq!(events, [ChatEvent::Stopped(StopReason::MaxTokens)]);
    // What comes behind it was not cut off, and neither was it.
    let text = [
        json!({"type": "content_block_start", "index": 1, "content_block": {"type": "text", "text": "So"}}),
        json!({"type": "content_block_stop", "index": 1}),
    ];
    let events = heard(ProviderKind::Anthropic, SSE, &anthropic(HALF, "max_tokens", &text)).await;
    assert_eq!(written(&events), [HALF]);
}

#[tokio::test]
async fn the_model_is_told_of_it_as_an_object() {
    let request = || {
        let call = ToolCall {
            id: "call_7".into(),
            name: "clock".into(),
            arguments: HALF.into(),
            signature: None,
        };
        let messages = everything().messages.into_iter().map(|message| match message {
            ChatMessage::Assistant { text, .. } => ChatMessage::Assistant {
                text,
                calls: vec![call.clone()],
            },
            other @ (ChatMessage::Instruction(_) | ChatMessage::User(_) | ChatMessage::ToolResult { .. }) => other,
        });
        ChatRequest {
            messages: messages.collect(),
            ..everything()
        }
    };
    let as_object = json!({"unreadable": HALF});
    for (kind, at) in [
        (ProviderKind::OpenAi, "/messages/2/tool_calls/0/function/arguments"),
        (ProviderKind::Anthropic, "/messages/1/content/0/input"),
        (ProviderKind::Gemini, "/contents/1/parts/0/functionCall/args"),
        (ProviderKind::Ollama, "/messages/2/tool_calls/0/function/arguments"),
    ] {
        let server = Server::start(vec![cut(SSE, "", 1)]).await;
        told(&model(kind, &server), request()).await;
        let sent = &server.asked()[0].body;
        let expected = match kind {
            ProviderKind::OpenAi => Value::from(as_object.to_string()),
            ProviderKind::Anthropic | ProviderKind::Gemini | ProviderKind::Ollama => as_object.clone(),
        };
        assert_eq!(sent.pointer(at), Some(&expected), "{kind:?} {sent}");
    }
}
