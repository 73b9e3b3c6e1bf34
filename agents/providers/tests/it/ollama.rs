//! Ollama's own API.

use orchestratai_agents::language::{ChatEvent, StopReason, TokenUsage, ToolCall};
use orchestratai_providers::ProviderKind;
use serde_json::json;

use crate::{
    server::{Server, cut},
    telling::{everything, model, question, structured, told},
};

const NDJSON: &str = "application/x-ndjson";

fn answer(reason: &str) -> String {
    [
        "{\"model\":\"test-model\",\"created_at\":\"2026-01-01T00:00:00Z\",\"message\":{\"role\":\"assistant\",\"content\":\"\",\"thinking\":\"I should greet.\"},\"done\":false}\n",
        "{\"model\":\"test-model\",\"message\":{\"role\":\"assistant\",\"content\":\"Grüße \"},\"done\":false}\n",
        "{\"model\":\"test-model\",\"message\":{\"role\":\"assistant\",\"content\":\"🦀\"},\"done\":false}\n",
        "{\"model\":\"test-model\",\"message\":{\"role\":\"assistant\",\"content\":\"\"},\"done\":true,\"done_reason\":\"",
        reason,
        "\",\"total_duration\":1,\"prompt_eval_count\":26,\"eval_count\":9}",
    ]
    .concat()
}

#[tokio::test]
async fn an_answer_is_the_same_wherever_the_network_cuts_it() {
    // The last line without an end, and with one.
    for body in [answer("stop"), answer("stop") + "\n"] {
        for size in [1, 3, 7, body.len()] {
            let server = Server::start(vec![cut(NDJSON, &body, size)]).await;
            let (events, error) = told(&model(ProviderKind::Ollama, &server), question()).await;
            let expected = [
                ChatEvent::TextDelta("Grüße 🦀".into()),
                ChatEvent::Usage(TokenUsage {
                    input: 26,
                    cached_input: 0,
                    output: 9,
                }),
                ChatEvent::Stopped(StopReason::Complete),
            ];
            assert_eq!((events.as_slice(), error), (&expected[..], None), "in pieces of {size}");
        }
    }
}

#[tokio::test]
async fn a_request_has_what_the_protocol_wants() {
    let server = Server::start(vec![cut(NDJSON, &answer("stop"), 99)]).await;
    let model = model(ProviderKind::Ollama, &server);
    told(&model, everything()).await;
    told(&model, structured()).await;
    let asked = server.asked();
    assert_eq!(asked[0].path, "/api/chat");
    assert_eq!(
        asked[0].body,
        json!({
            "model": "test-model",
            "messages": [
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": "What time is it?"},
                {"role": "assistant", "content": "", "tool_calls": [
                    {"function": {"name": "clock", "arguments": {"zone": "UTC"}}},
                ]},
                {"role": "tool", "tool_name": "clock", "content": "12:00"},
            ],
            "stream": true,
            "options": {"num_predict": 99, "num_ctx": 8_192, "temperature": 0.5, "stop": ["END"]},
            "tools": [{"type": "function", "function": {
                "name": "clock",
                "description": "Tells the time.",
                "parameters": {"type": "object", "properties": {"zone": {"type": "string"}}},
            }}],
        })
    );
    assert_eq!(
        asked[1].body["format"],
        json!({"type": "object", "properties": {"hour": {"type": "integer"}}})
    );
}

#[tokio::test]
async fn calls_get_ids_of_our_own() {
    let body = concat!(
        "{\"message\":{\"role\":\"assistant\",\"content\":\"\",\"tool_calls\":[{\"function\":{\"name\":\"clock\",\"arguments\":{\"zone\":\"UTC\"}}},{\"function\":{\"name\":\"clock\"}}]},\"done\":false}\n",
        "{\"message\":{\"role\":\"assistant\",\"content\":\"\"},\"done\":true,\"done_reason\":\"stop\"}\n",
    );
    let server = Server::start(vec![cut(NDJSON, body, 9)]).await;
    let (events, error) = told(&model(ProviderKind::Ollama, &server), everything()).await;
    let call = |id: &str, arguments| {
        ChatEvent::ToolCall(ToolCall {
            id: id.into(),
            name: "clock".into(),
            arguments,
            signature: None,
        })
    };
    assert_eq!(error, None);
    assert_eq!(
        events,
        [
            call("", json!({"zone": "UTC"})),
            call("", json!({})),
            ChatEvent::Stopped(StopReason::ToolCalls),
        ]
    );
}

#[tokio::test]
async fn the_end_says_why() {
    for (reason, expected) in [("stop", StopReason::Complete), ("length", StopReason::MaxTokens)] {
        let server = Server::start(vec![cut(NDJSON, &answer(reason), 99)]).await;
        let (events, _) = told(&model(ProviderKind::Ollama, &server), question()).await;
        assert_eq!(events.last(), Some(&ChatEvent::Stopped(expected)), "{reason}");
    }
}

#[tokio::test]
async fn errors_in_the_middle_and_broken_off_answers_are_told_apart() {
    let text = "{\"message\":{\"role\":\"assistant\",\"content\":\"The\"},\"done\":false}\n";
    for (rest, expected) in [
        (
            "{\"error\":\"an error was encountered while running the model\"}\n",
            "the provider has a fault",
        ),
        ("", "the provider's answer broke off"),
        (
            "oops\n",
            "the provider does not speak its protocol: column 1 of a piece of its answer is not as it should be",
        ),
    ] {
        let server = Server::start(vec![cut(NDJSON, &format!("{text}{rest}"), 99)]).await;
        let (events, error) = told(&model(ProviderKind::Ollama, &server), question()).await;
        assert_eq!(events, [ChatEvent::TextDelta("The".into())]);
        assert_eq!(error.unwrap().to_string(), expected);
    }
}
