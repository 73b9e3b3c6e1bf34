//! The chat completions of OpenAI.

use orchestratai_agents::language::{ChatEvent, FailureKind, LanguageError, StopReason, TokenUsage, ToolCall};
use orchestratai_providers::ProviderKind;
use serde_json::json;

use crate::{
    server::{Act, Server, cut, head},
    telling::{everything, model, question, structured, told},
};

const SSE: &str = "text/event-stream; charset=utf-8";

const ANSWER: &str = concat!(
    ": OPENROUTER PROCESSING\n\n",
    "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"finish_reason\":null}]}\n\n",
    "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Grüße \"},\"finish_reason\":null}],\"usage\":null}\r\n\r\n",
    ": keep-alive\n\n",
    "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"🦀 aus Zürich\"},\"finish_reason\":null}]}\n\n",
    "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n",
    "data: {\"id\":\"c\",\"choices\":[],\"usage\":{\"prompt_tokens\":12,\"completion_tokens\":7,\"total_tokens\":19,\"prompt_tokens_details\":{\"cached_tokens\":4}}}\n\n",
    "data: [DONE]\n\n",
);

fn usage() -> ChatEvent {
    ChatEvent::Usage(TokenUsage {
        input: 12,
        cached_input: 4,
        output: 7,
    })
}

#[tokio::test]
async fn an_answer_is_the_same_wherever_the_network_cuts_it() {
    let expected = [
        ChatEvent::TextDelta("Grüße 🦀 aus Zürich".into()),
        usage(),
        ChatEvent::Stopped(StopReason::Complete),
    ];
    for size in [1, 2, 3, 5, 7, 64, ANSWER.len()] {
        let server = Server::start(vec![cut(SSE, ANSWER, size)]).await;
        let (events, error) = told(&model(ProviderKind::OpenAi, &server), question()).await;
        assert_eq!((events.as_slice(), error), (&expected[..], None), "in pieces of {size}");
    }
}

#[tokio::test]
async fn a_request_has_what_the_protocol_wants() {
    let server = Server::start(vec![cut(SSE, ANSWER, 99)]).await;
    let model = model(ProviderKind::OpenAi, &server);
    told(&model, everything()).await;
    told(&model, structured()).await;
    let asked = server.asked();
    assert_eq!(asked[0].path, "/chat/completions");
    assert_eq!(asked[0].headers["authorization"], "Bearer test-key");
    assert_eq!(asked[0].headers["content-type"], "application/json");
    assert_eq!(
        asked[0].body,
        json!({
            "model": "test-model",
            "messages": [
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": "What time is it?"},
                {"role": "assistant", "content": null, "tool_calls": [
                    {"id": "call_7", "type": "function", "function": {"name": "clock", "arguments": "{\"zone\":\"UTC\"}"}},
                ]},
                {"role": "tool", "tool_call_id": "call_7", "content": "12:00"},
            ],
            "stream": true,
            "stream_options": {"include_usage": true},
            "max_tokens": 99,
            "temperature": 0.5,
            "stop": ["END"],
            "tools": [{"type": "function", "function": {
                "name": "clock",
                "description": "Tells the time.",
                "parameters": {"type": "object", "properties": {"zone": {"type": "string"}}},
            }}],
            "tool_choice": "required",
            "parallel_tool_calls": false,
        })
    );
    assert_eq!(
        asked[1].body["response_format"],
        json!({"type": "json_schema", "json_schema": {
            "name": "time",
            "schema": {"type": "object", "properties": {"hour": {"type": "integer"}}},
            "strict": true,
        }})
    );
}

#[tokio::test]
async fn calls_come_in_fragments_side_by_side() {
    let body = concat!(
        "data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"a\",\"type\":\"function\",\"function\":{\"name\":\"clock\",\"arguments\":\"\"}}]}}]}\n\n",
        "data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"{\\\"zone\\\":\"}}]}}]}\n\n",
        "data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":1,\"id\":\"b\",\"type\":\"function\",\"function\":{\"name\":\"weather\",\"arguments\":\"\"}}]}}]}\n\n",
        "data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"\\\"UTC\\\"}\"}}]}}]}\n\n",
        "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"tool_calls\"}]}\n\n",
        "data: [DONE]\n\n",
    );
    let call = |id: &str, name: &str, arguments| {
        ChatEvent::ToolCall(ToolCall {
            id: id.into(),
            name: name.into(),
            arguments,
            signature: None,
        })
    };
    for size in [1, 11, body.len()] {
        let server = Server::start(vec![cut(SSE, body, size)]).await;
        let (events, error) = told(&model(ProviderKind::OpenAi, &server), everything()).await;
        let expected = [
            call("a", "clock", json!({"zone": "UTC"})),
            call("b", "weather", json!({})),
            ChatEvent::Stopped(StopReason::ToolCalls),
        ];
        assert_eq!((events.as_slice(), error), (&expected[..], None), "in pieces of {size}");
    }
}

#[tokio::test]
async fn calls_at_once_are_told_apart_by_their_ids_where_all_have_one_index() {
    // As Gemini's endpoint for clients of OpenAI has them: in one event, or in one each.
    let call = |id: &str, zone: &str| {
        let arguments = json!({"zone": zone}).to_string();
        json!({"index": 0, "id": id, "type": "function", "function": {"name": "clock", "arguments": arguments}})
    };
    let event = |calls: serde_json::Value| {
        let event = json!({"choices": [{"index": 0, "delta": {"tool_calls": calls}}]});
        format!("data: {event}\n\n")
    };
    let end = "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";
    let together = event(json!([call("a", "UTC"), call("b", "CET")])) + end;
    let apart = event(json!([call("a", "UTC")])) + &event(json!([call("b", "CET")])) + end;
    for body in [together, apart] {
        let server = Server::start(vec![cut(SSE, &body, 99)]).await;
        let (events, error) = told(&model(ProviderKind::OpenAi, &server), everything()).await;
        let wanted = |id: &str, zone: &str| {
            ChatEvent::ToolCall(ToolCall {
                id: id.into(),
                name: "clock".into(),
                arguments: json!({"zone": zone}),
                signature: None,
            })
        };
        let expected = [
            wanted("a", "UTC"),
            wanted("b", "CET"),
            ChatEvent::Stopped(StopReason::ToolCalls),
        ];
        assert_eq!((events.as_slice(), error), (&expected[..], None), "{body}");
    }
}

#[tokio::test]
async fn stop_reasons_are_told_apart() {
    for (reason, expected) in [
        ("stop", StopReason::Complete),
        ("length", StopReason::MaxTokens),
        ("content_filter", StopReason::Refused),
        ("eos", StopReason::Complete),
    ] {
        // Without `[DONE]`, as some servers end.
        let body =
            format!("data: {{\"choices\":[{{\"delta\":{{\"content\":\"x\"}},\"finish_reason\":\"{reason}\"}}]}}\n\n");
        let server = Server::start(vec![cut(SSE, &body, 99)]).await;
        let (events, error) = told(&model(ProviderKind::OpenAi, &server), question()).await;
        assert_eq!(
            (events.last(), error),
            (Some(&ChatEvent::Stopped(expected)), None),
            "{reason}"
        );
    }
}

#[tokio::test]
async fn an_error_in_the_middle_is_one_and_not_the_end() {
    let body = "data: {\"choices\":[{\"delta\":{\"content\":\"The\"}}]}\n\ndata: {\"error\":{\"message\":\"secret words\",\"type\":\"server_error\",\"code\":null}}\n\ndata: [DONE]\n\n";
    let server = Server::start(vec![cut(SSE, body, 1_000)]).await;
    let (events, error) = told(&model(ProviderKind::OpenAi, &server), question()).await;
    assert_eq!(events, [ChatEvent::TextDelta("The".into())]);
    let error = error.unwrap();
    assert_eq!(error.to_string(), "the provider has a fault (server_error)");
}

#[tokio::test]
async fn wrong_json_and_broken_off_answers_are_errors() {
    let text = "data: {\"choices\":[{\"delta\":{\"content\":\"The\"}}]}\n\n";
    for (rest, expected) in [
        ("data: {\"choices\": oops}\n\n", FailureKind::Protocol),
        ("", FailureKind::CutShort),
        (
            "data: {\"choices\":[{\"delta\":{\"content\":\" half",
            FailureKind::CutShort,
        ),
    ] {
        let server = Server::start(vec![cut(SSE, &format!("{text}{rest}"), 1_000)]).await;
        let (events, error) = told(&model(ProviderKind::OpenAi, &server), question()).await;
        assert_eq!(events, [ChatEvent::TextDelta("The".into())], "{rest}");
        assert_eq!(error.unwrap().kind(), expected, "{rest}");
    }
    // The connection itself ends in the middle.
    let server = Server::start(vec![vec![head(SSE), Act::Chunk(text.into())]]).await;
    let (events, error) = told(&model(ProviderKind::OpenAi, &server), question()).await;
    assert_eq!((events.len(), error), (1, Some(LanguageError::CutShort)));
}
