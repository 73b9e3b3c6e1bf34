//! A real server of chat completions that we did not write: llama.cpp, with a model that says nonsense.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::StreamExt;
use orchestratai_agents::language::{
    ChatEvent, ChatMessage, ChatRequest, LanguageError, LanguageModel, ResponseFormat, StopReason,
};
use orchestratai_providers::{Endpoint, HttpModel, ProviderKind};
use orchestratai_testing::LlamaCpp;
use serde_json::{Value, json};

use crate::telling::{TIMEOUTS, question, told};

fn model(server: &LlamaCpp) -> HttpModel {
    let endpoint = Endpoint {
        kind: ProviderKind::OpenAi,
        base_url: server.base_url(),
        model: "any".into(),
        key: None,
    };
    HttpModel::new(endpoint, TIMEOUTS).unwrap()
}

/// How many requests it is at work on.
async fn at_work(server: &LlamaCpp) -> usize {
    let slots = reqwest::get(format!("{}/slots", server.url())).await.unwrap();
    let slots: Value = serde_json::from_str(&slots.text().await.unwrap()).unwrap();
    let slots = slots.as_array().unwrap().iter();
    slots.filter(|slot| slot["is_processing"] == true).count()
}

#[tokio::test]
async fn it_answers_counts_and_says_why_it_stopped() {
    let server = LlamaCpp::start();
    let model = model(&server);
    let request = ChatRequest {
        max_tokens: Some(64),
        ..question()
    };
    let (events, error) = told(&model, request).await;
    assert_eq!(error, None, "{}", server.log());
    let [
        ChatEvent::TextDelta(text),
        ChatEvent::Usage(used),
        ChatEvent::Stopped(StopReason::MaxTokens),
    ] = events.as_slice()
    else {
        panic!("{events:?}")
    };
    assert!(!text.is_empty());
    assert_eq!(used.output, 64);
    assert!(used.input > 20, "{used:?}");

    let request = ChatRequest {
        format: ResponseFormat::Json {
            name: "opinion".into(),
            schema: json!({
                "type": "object",
                "properties": {"ok": {"type": "boolean"}},
                "required": ["ok"],
                "additionalProperties": false,
            }),
        },
        max_tokens: Some(4_096),
        ..question()
    };
    let (events, error) = told(&model, request).await;
    assert_eq!(error, None, "{}", server.log());
    assert_eq!(events.last(), Some(&ChatEvent::Stopped(StopReason::Complete)));
    let ChatEvent::TextDelta(text) = &events[0] else {
        panic!("{events:?}")
    };
    let opinion: Value = serde_json::from_str(text).unwrap();
    assert!(opinion["ok"].is_boolean(), "{text}");
}

#[tokio::test]
async fn what_it_refuses_is_told_and_no_fault_of_its() {
    let server = LlamaCpp::start();
    let words = "key ".repeat(LlamaCpp::CONTEXT_TOKENS as usize);
    let request = ChatRequest {
        messages: vec![ChatMessage::User(words)],
        ..question()
    };
    let (events, error) = told(&model(&server), request).await;
    assert_eq!(events, []);
    assert_eq!(
        error,
        Some(LanguageError::Rejected {
            word: Some("exceed_context_size_error".into())
        })
    );
}

#[tokio::test]
async fn it_stops_working_for_who_has_gone() {
    let server = LlamaCpp::start();
    let model = model(&server);
    let endless = ChatRequest {
        max_tokens: Some(LlamaCpp::CONTEXT_TOKENS - 1_000),
        ..question()
    };
    let mut stream = model.chat(Arc::new(endless));
    assert!(matches!(stream.next().await, Some(Ok(ChatEvent::TextDelta(_)))));
    assert_eq!(at_work(&server).await, 1);
    drop(stream);
    let dropped = Instant::now();
    while at_work(&server).await > 0 {
        // It would have been at it for seconds.
        assert!(dropped.elapsed() < Duration::from_secs(2), "it works on");
    }
}
