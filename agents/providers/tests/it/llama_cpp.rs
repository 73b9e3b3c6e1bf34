//! A real server of chat completions and embeddings that we did not write: llama.cpp, with a language model that says nonsense, and with the
//! transformer that the product brings.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::StreamExt;
use orchestratai_agents::{
    embedder::{Embedder, Transformer, cosine},
    language::{
        ChatEvent, ChatMessage, ChatRequest, EmbeddingModel, EmbeddingPurpose, EmbeddingRequest, LanguageError,
        LanguageModel, ResponseFormat, StopReason,
    },
};
use orchestratai_providers::{Endpoint, HttpEmbedding, HttpModel, ProviderKind};
use orchestratai_testing::LlamaCpp;
use serde_json::{Value, json};

use crate::telling::{TIMEOUTS, question, told};

fn endpoint(server: &LlamaCpp) -> Endpoint {
    Endpoint {
        kind: ProviderKind::OpenAi,
        base_url: server.base_url(),
        model: "any".into(),
        key: None,
    }
}

fn model(server: &LlamaCpp) -> HttpModel {
    HttpModel::new(endpoint(server), TIMEOUTS).unwrap()
}

fn texts(texts: Vec<String>) -> EmbeddingRequest {
    EmbeddingRequest {
        texts,
        purpose: EmbeddingPurpose::Passage,
        within: Duration::from_secs(20),
        spender: None,
    }
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

#[tokio::test]
async fn its_vectors_are_those_of_the_same_model_in_this_process() {
    let server = LlamaCpp::start_for_embeddings();
    let model = HttpEmbedding::new(endpoint(&server), Some(384), TIMEOUTS).unwrap();
    let ours = Transformer::embedded().unwrap();
    let said: Vec<String> = (1..=16)
        .flat_map(|number| {
            [
                format!("How do I rotate API key {number} without downtime?"),
                format!("Das Café zahlt {number},50 € zurück – “innerhalb” von 14 Tagen."),
                "Refunds are paid within days. ".repeat(number),
                format!("| plan | seats |\n| --- | --- |\n| Team | {number} |"),
            ]
        })
        .collect();
    let made = model.embed(&texts(said.clone())).await;
    let made = made.unwrap_or_else(|error| panic!("{error:?}\n{}", server.log()));
    assert!(
        made.usage().is_some_and(|used| used.input > 1_000),
        "{:?}",
        made.usage()
    );
    let vectors = made.into_vectors();
    assert_eq!(vectors.len(), said.len());
    for (text, vector) in said.iter().zip(&vectors) {
        // Its products are of bytes, and its activation is an approximation.
        let same = cosine(vector, &ours.embed(text).unwrap());
        assert!(same > 0.99, "{same}: {text}");
    }
}

#[tokio::test]
async fn a_text_that_is_too_long_for_it_is_told_and_no_fault_of_its() {
    let server = LlamaCpp::start_for_embeddings();
    let model = HttpEmbedding::new(endpoint(&server), None, TIMEOUTS).unwrap();
    let words = "key ".repeat(LlamaCpp::TEXT_TOKENS as usize);
    let refused = model.embed(&texts(vec![words])).await;
    assert!(
        matches!(refused, Err(LanguageError::Rejected { word: Some(_) })),
        "{refused:?}"
    );
    assert!(model.embed(&texts(vec!["key".into()])).await.is_ok());
}
