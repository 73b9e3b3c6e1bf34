//! Anthropic's messages.

use orchestratai_agents::language::{ChatEvent, LanguageError, StopReason, TokenUsage, ToolCall};
use orchestratai_providers::ProviderKind;
use serde_json::json;

use crate::{
    server::{Server, cut},
    telling::{everything, model, question, structured, told},
};

const SSE: &str = "text/event-stream; charset=utf-8";

const BEGIN: &str = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\",\"content\":[],\"model\":\"test-model\",\"stop_reason\":null,\"stop_sequence\":null,\"usage\":{\"input_tokens\":8,\"cache_creation_input_tokens\":1,\"cache_read_input_tokens\":4,\"output_tokens\":1}}}\n\n";

fn text_block() -> String {
    [
        "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n",
        "event: ping\ndata: {\"type\": \"ping\"}\n\n",
        "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"Grüße \"}}\n\n",
        "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"🦀\"}}\n\n",
        "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n",
    ]
    .concat()
}

fn end(reason: &str) -> String {
    format!(
        "event: message_delta\ndata: {{\"type\":\"message_delta\",\"delta\":{{\"stop_reason\":\"{reason}\",\"stop_sequence\":null}},\"usage\":{{\"output_tokens\":15}}}}\n\nevent: message_stop\ndata: {{\"type\":\"message_stop\"}}\n\n"
    )
}

fn usage(output: u64) -> ChatEvent {
    ChatEvent::Usage(TokenUsage {
        input: 13,
        cached_input: 4,
        output,
    })
}

#[tokio::test]
async fn an_answer_is_the_same_wherever_the_network_cuts_it() {
    let unknown = "event: new_thing\ndata: {\"type\":\"new_thing\",\"more\":1}\n\n";
    let body = [BEGIN, &text_block(), unknown, &end("end_turn")].concat();
    let expected = [
        usage(1),
        ChatEvent::TextDelta("Grüße 🦀".into()),
        usage(15),
        ChatEvent::Stopped(StopReason::Complete),
    ];
    for size in [1, 3, 7, body.len()] {
        let server = Server::start(vec![cut(SSE, &body, size)]).await;
        let (events, error) = told(&model(ProviderKind::Anthropic, &server), question()).await;
        assert_eq!((events.as_slice(), error), (&expected[..], None), "in pieces of {size}");
    }
}

#[tokio::test]
async fn a_request_has_what_the_protocol_wants() {
    let body = [BEGIN, &text_block(), &end("end_turn")].concat();
    let server = Server::start(vec![cut(SSE, &body, 99)]).await;
    told(&model(ProviderKind::Anthropic, &server), everything()).await;
    let asked = &server.asked()[0];
    assert_eq!(asked.path, "/v1/messages");
    assert_eq!(asked.headers["x-api-key"], "test-key");
    assert_eq!(asked.headers["anthropic-version"], "2023-06-01");
    assert_eq!(
        asked.body,
        json!({
            "model": "test-model",
            "max_tokens": 99,
            "messages": [
                {"role": "user", "content": [{"type": "text", "text": "What time is it?"}]},
                {"role": "assistant", "content": [
                    {"type": "tool_use", "id": "call_7", "name": "clock", "input": {"zone": "UTC"}},
                ]},
                {"role": "user", "content": [
                    {"type": "tool_result", "tool_use_id": "call_7", "content": "12:00", "is_error": false},
                ]},
            ],
            "stream": true,
            "system": "Be brief.",
            "temperature": 0.5,
            "stop_sequences": ["END"],
            "tools": [{
                "name": "clock",
                "description": "Tells the time.",
                "input_schema": {"type": "object", "properties": {"zone": {"type": "string"}}},
            }],
            "tool_choice": {"type": "any", "disable_parallel_tool_use": true},
        })
    );
}

fn tool_block(name: &str, fragments: &[&str]) -> String {
    let mut block = format!(
        "data: {{\"type\":\"content_block_start\",\"index\":1,\"content_block\":{{\"type\":\"tool_use\",\"id\":\"toolu_1\",\"name\":\"{name}\",\"input\":{{}}}}}}\n\n"
    );
    for fragment in fragments {
        let delta = json!({"type": "content_block_delta", "index": 1, "delta": {"type": "input_json_delta", "partial_json": fragment}});
        block.push_str(&format!("data: {delta}\n\n"));
    }
    block + "data: {\"type\":\"content_block_stop\",\"index\":1}\n\n"
}

#[tokio::test]
async fn a_call_comes_in_fragments() {
    let block = tool_block("clock", &["", "{\"zo", "ne\": \"U", "TC\"}"]);
    let body = [BEGIN, &block, &end("tool_use")].concat();
    let server = Server::start(vec![cut(SSE, &body, 5)]).await;
    let (events, error) = told(&model(ProviderKind::Anthropic, &server), everything()).await;
    let call = ToolCall {
        id: "toolu_1".into(),
        name: "clock".into(),
        arguments: json!({"zone": "UTC"}),
        signature: None,
    };
    assert_eq!(error, None);
    assert_eq!(
        events,
        [
            usage(1),
            ChatEvent::ToolCall(call),
            usage(15),
            ChatEvent::Stopped(StopReason::ToolCalls)
        ]
    );
}

#[tokio::test]
async fn structured_output_is_asked_for_as_a_call_and_told_as_text() {
    let block = tool_block("time", &["{\"hour\":", " 12}"]);
    let body = [BEGIN, &block, &end("tool_use")].concat();
    let server = Server::start(vec![cut(SSE, &body, 5)]).await;
    let (events, error) = told(&model(ProviderKind::Anthropic, &server), structured()).await;
    assert_eq!(error, None);
    assert_eq!(events[1], ChatEvent::TextDelta("{\"hour\": 12}".into()));
    assert_eq!(events.last(), Some(&ChatEvent::Stopped(StopReason::Complete)));
    let body = &server.asked()[0].body;
    assert_eq!(body["tool_choice"], json!({"type": "tool", "name": "time"}));
    assert_eq!(
        body["tools"][0]["input_schema"]["properties"]["hour"]["type"],
        "integer"
    );
}

#[tokio::test]
async fn stop_reasons_are_told_apart() {
    for (reason, expected) in [
        ("end_turn", StopReason::Complete),
        ("stop_sequence", StopReason::Complete),
        ("max_tokens", StopReason::MaxTokens),
        ("refusal", StopReason::Refused),
    ] {
        let body = [BEGIN, &text_block(), &end(reason)].concat();
        let server = Server::start(vec![cut(SSE, &body, 99)]).await;
        let (events, _) = told(&model(ProviderKind::Anthropic, &server), question()).await;
        assert_eq!(events.last(), Some(&ChatEvent::Stopped(expected)), "{reason}");
    }
}

#[tokio::test]
async fn errors_in_the_middle_and_broken_off_answers_are_told_apart() {
    let overloaded = "event: error\ndata: {\"type\": \"error\", \"error\": {\"type\": \"overloaded_error\", \"message\": \"Overloaded\"}}\n\n";
    for (rest, expected) in [
        (overloaded, "the provider has a fault (overloaded_error)"),
        ("", "the provider's answer broke off"),
        (
            "data: [1\n\n",
            "the provider does not speak its protocol: column 2 of a piece of its answer is not as it should be",
        ),
    ] {
        let body = [BEGIN, &text_block(), rest].concat();
        let server = Server::start(vec![cut(SSE, &body, 99)]).await;
        let (events, error) = told(&model(ProviderKind::Anthropic, &server), question()).await;
        assert_eq!(events, [usage(1), ChatEvent::TextDelta("Grüße 🦀".into())]);
        let error: LanguageError = error.unwrap();
        assert_eq!(error.to_string(), expected);
    }
}
