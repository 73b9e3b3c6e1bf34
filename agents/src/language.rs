//! Language models as the rest of the house sees them: what they are asked, what they say piece by piece, how they fail.
//!
//! Nothing here knows a provider or a protocol: whoever wires the parts together brings an implementation of
//! [`LanguageModel`], and [`Guarded`] stands before it, so that a provider that is slow, busy or away harms as little as it can.
//!
//! In reading order:
//! - [`request`]: what a model is asked;
//! - [`event`]: what it says;
//! - [`error`]: how it fails, and whether asking again makes sense;
//! - [`tokens`]: how many tokens a text is;
//! - [`price`]: what tokens cost, where that is known;
//! - [`breaker`]: when a provider is not asked at all;
//! - [`retry`]: when it is asked again, and after how long;
//! - [`guarded`]: these put together, around one model;
//! - [`embedding`]: models that make vectors of texts;
//! - [`guarded_embedding`]: the same, around one of them.

mod breaker;
mod embedding;
mod error;
mod event;
mod guarded;
mod guarded_embedding;
mod price;
mod request;
mod retry;
mod tokens;

use std::{pin::Pin, sync::Arc};

use futures_util::Stream;

pub use self::{
    breaker::{Breaker, BreakerState},
    embedding::{EmbeddingModel, EmbeddingPurpose, EmbeddingRequest, Embeddings},
    error::{FailureKind, LanguageError, provider_word},
    event::{ChatEvent, StopReason, TokenUsage},
    guarded::{AttemptOutcome, AttemptWatch, Guarded, Upstream},
    guarded_embedding::GuardedEmbedding,
    price::{Price, PriceList, PriceListError},
    request::{ChatMessage, ChatRequest, ResponseFormat, Spender, ToolCall, ToolOffer},
    retry::RetryPolicy,
    tokens::{TokenCounter, TokenCounterError},
};

/// A model that is told messages and says how they go on.
pub trait LanguageModel: Send + Sync {
    /// Asks it. Nothing is sent before the stream is first polled; dropping the stream closes the request upstream.
    fn chat(&self, request: Arc<ChatRequest>) -> ChatStream;
}

/// A language model at work. Ends after the first error, or after [`ChatEvent::Stopped`], which comes exactly once.
pub type ChatStream = Pin<Box<dyn Stream<Item = Result<ChatEvent, LanguageError>> + Send>>;
