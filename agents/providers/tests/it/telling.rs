//! Models to ask, and what they say, in short.

use std::{
    pin::pin,
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::{StreamExt, future};
use orchestratai_agents::language::{
    ChatEvent, ChatMessage, ChatRequest, LanguageError, LanguageModel, ResponseFormat, ToolCall, ToolOffer,
};
use orchestratai_providers::{Endpoint, HttpModel, Key, ProviderKind, Timeouts};
use serde_json::json;

use crate::server::Server;

/// Longer than any machine stands still.
pub(crate) const TIMEOUTS: Timeouts = Timeouts {
    connect: Duration::from_secs(120),
    first_token: Duration::from_secs(120),
    idle: Duration::from_secs(120),
};

/// What comes of a scenario in a run in which the machine itself did not stand still: where it did, the times that it has measured
/// and the limits that it has hit say nothing.
pub(crate) async fn undisturbed<F: Future>(scenario: impl Fn() -> F) -> F::Output {
    const TICK: Duration = Duration::from_millis(10);
    for _ in 0..20 {
        let mut running = pin!(scenario());
        let mut longest = Duration::ZERO;
        loop {
            let began = Instant::now();
            let tick = pin!(tokio::time::sleep(TICK));
            match future::select(running, tick).await {
                future::Either::Left((outcome, _)) if longest.max(began.elapsed()) < TICK * 6 => return outcome,
                future::Either::Left(_) => break,
                future::Either::Right(((), still)) => {
                    longest = longest.max(began.elapsed());
                    running = still;
                }
            }
        }
    }
    panic!("the machine stands still in every run")
}

pub(crate) fn model(kind: ProviderKind, server: &Server) -> HttpModel {
    model_with(kind, server, TIMEOUTS)
}

pub(crate) fn model_with(kind: ProviderKind, server: &Server, timeouts: Timeouts) -> HttpModel {
    let endpoint = Endpoint {
        kind,
        base_url: server.base_url(),
        model: "test-model".into(),
        key: Some(Key::new("test-key")),
    };
    HttpModel::new(endpoint, timeouts).unwrap()
}

/// What it says to a question, and how that ends.
pub(crate) async fn told(model: &dyn LanguageModel, request: ChatRequest) -> (Vec<ChatEvent>, Option<LanguageError>) {
    let mut stream = model.chat(Arc::new(request));
    let (mut events, mut error) = (Vec::new(), None);
    while let Some(event) = stream.next().await {
        match event {
            Ok(event) => events.push(event),
            Err(failed) => error = Some(failed),
        }
    }
    (joined(events), error)
}

/// Texts that follow each other are one; where the network cut them is nobody's business.
fn joined(events: Vec<ChatEvent>) -> Vec<ChatEvent> {
    let mut joined: Vec<ChatEvent> = Vec::new();
    for event in events {
        match (joined.last_mut(), event) {
            (Some(ChatEvent::TextDelta(known)), ChatEvent::TextDelta(text)) => known.push_str(&text),
            (_, event) => joined.push(event),
        }
    }
    joined
}

pub(crate) fn question() -> ChatRequest {
    ChatRequest {
        messages: vec![
            ChatMessage::Instruction("Be brief.".into()),
            ChatMessage::User("Wie spät ist es?".into()),
        ],
        ..ChatRequest::default()
    }
}

/// A request with everything in it.
pub(crate) fn everything() -> ChatRequest {
    let call = ToolCall {
        id: "call_7".into(),
        name: "clock".into(),
        arguments: json!({"zone": "UTC"}),
        signature: Some("c2ln".into()),
    };
    ChatRequest {
        messages: vec![
            ChatMessage::Instruction("Be brief.".into()),
            ChatMessage::User("What time is it?".into()),
            ChatMessage::Assistant {
                text: String::new(),
                calls: vec![call],
            },
            ChatMessage::ToolResult {
                call_id: "call_7".into(),
                tool: "clock".into(),
                content: "12:00".into(),
                is_error: false,
            },
        ],
        must_call: true,
        calls_one_at_once: true,
        tools: vec![ToolOffer {
            name: "clock".into(),
            description: "Tells the time.".into(),
            parameters: json!({"type": "object", "properties": {"zone": {"type": "string"}}}),
        }],
        format: ResponseFormat::Text,
        max_tokens: Some(99),
        context_tokens: Some(8_192),
        temperature: Some(0.5),
        stop: vec!["END".into()],
        spender: None,
    }
}

/// A request for JSON.
pub(crate) fn structured() -> ChatRequest {
    ChatRequest {
        format: ResponseFormat::Json {
            name: "time".into(),
            schema: json!({"type": "object", "properties": {"hour": {"type": "integer"}}}),
        },
        ..question()
    }
}
