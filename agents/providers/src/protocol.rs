//! What a protocol is to the rest: a request to write, and pieces to read.

use std::collections::VecDeque;

use orchestratai_agents::language::{ChatEvent, ChatRequest, LanguageError, StopReason, TokenUsage};
use reqwest::header::HeaderMap;
use serde_json::{Map, Value};

use crate::{connection::Endpoint, framing::Framing};

/// How the models of one kind of provider are asked.
pub(crate) trait Protocol: Send + Sync {
    /// Where the base address ends and the request's path begins, from `/` on, with a query if it needs one.
    fn path(&self, endpoint: &Endpoint) -> String;

    /// What identifies us, and what else the protocol wants in headers.
    ///
    /// # Errors
    /// Where the key cannot stand in a header.
    fn headers(&self, endpoint: &Endpoint) -> Result<HeaderMap, reqwest::header::InvalidHeaderValue>;

    /// What is sent.
    fn body(&self, endpoint: &Endpoint, request: &ChatRequest) -> Value;

    /// How the answer is cut into pieces.
    fn framing(&self) -> Framing;

    /// Reads one answer.
    fn reader(&self, request: &ChatRequest) -> Box<dyn Reader>;
}

/// Reads the pieces of one answer.
pub(crate) trait Reader: Send {
    /// Reads one piece.
    ///
    /// # Errors
    /// What the provider says in place of an answer, or [`LanguageError::Protocol`].
    fn read(&mut self, piece: &str, heard: &mut Heard) -> Result<(), LanguageError>;

    /// The provider sends no more.
    ///
    /// # Errors
    /// [`LanguageError::CutShort`] where the answer is not complete.
    fn end(&mut self, heard: &mut Heard) -> Result<(), LanguageError>;
}

/// What was heard and not yet passed on.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    events: VecDeque<ChatEvent>,
    has_stopped: bool,
}

impl Heard {
    pub(crate) fn pop(&mut self) -> Option<ChatEvent> {
        self.events.pop_front()
    }

    /// Whether the answer is complete: nothing that follows counts.
    pub(crate) fn has_stopped(&self) -> bool {
        self.has_stopped
    }

    /// The next piece of the text. Providers also send empty ones.
    pub(crate) fn text(&mut self, text: impl Into<String>) {
        let text = text.into();
        if !text.is_empty() {
            self.events.push_back(ChatEvent::TextDelta(text));
        }
    }

    pub(crate) fn event(&mut self, event: ChatEvent) {
        self.events.push_back(event);
    }

    pub(crate) fn usage(&mut self, usage: TokenUsage) {
        self.events.push_back(ChatEvent::Usage(usage));
    }

    pub(crate) fn stopped(&mut self, reason: StopReason) {
        self.has_stopped = true;
        self.events.push_back(ChatEvent::Stopped(reason));
    }
}

/// A piece as its type.
pub(crate) fn parsed<T: serde::de::DeserializeOwned>(piece: &str) -> Result<T, LanguageError> {
    serde_json::from_str(piece).map_err(|error| {
        // serde's message may repeat what stands there; its place says enough.
        broken(&format!(
            "column {} of a piece of its answer is not as it should be",
            error.column()
        ))
    })
}

/// The arguments of a call as a model has written them: an object, or else the text, which whoever makes the call deals with. One that has
/// none to give may write nothing at all.
pub(crate) fn arguments(text: &str) -> Value {
    if text.trim().is_empty() {
        return Value::Object(Map::new());
    }
    match serde_json::from_str(text) {
        Ok(object @ Value::Object(_)) => object,
        Ok(Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_)) | Err(_) => {
            text.into()
        }
    }
}

/// The same where the protocol has them as JSON, and not as a text with JSON in it.
pub(crate) fn arguments_of(value: Option<Value>) -> Value {
    match value {
        None | Some(Value::Null) => Value::Object(Map::new()),
        Some(object @ Value::Object(_)) => object,
        // Some servers put the text there that other protocols have.
        Some(Value::String(text)) => arguments(&text),
        Some(other @ (Value::Bool(_) | Value::Number(_) | Value::Array(_))) => other.to_string().into(),
    }
}

pub(crate) fn broken(reason: &str) -> LanguageError {
    LanguageError::Protocol { reason: reason.into() }
}
