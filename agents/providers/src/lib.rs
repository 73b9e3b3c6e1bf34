//! Language models over HTTP: what [`orchestratai_agents::language`] asks for, in the protocols of their providers.
//!
//! In reading order:
//! - [`connection`]: where a model is and how it is asked; one type for all protocols;
//! - [`framing`]: bytes as they come, cut into the pieces that a protocol is made of;
//! - [`protocol`]: what a protocol is to the rest: a request to write, and pieces to read;
//! - [`openai`], [`anthropic`], [`gemini`], [`ollama`]: the protocols;
//! - [`refusal`]: what an answer means that is none;
//! - [`embedding`]: models that make vectors of texts, and how they are asked;
//! - [`vectors`]: the same, in the protocols of their providers.
//!
//! HTTP is 1.1: a connection carries one request, so that dropping a stream closes its socket, and nothing else has to be told. What a
//! provider says in words goes to the log at the level `DEBUG` and nowhere else, since it may repeat what it was sent.

mod anthropic;
mod connection;
mod embedding;
mod framing;
mod gemini;
mod ollama;
mod openai;
mod protocol;
mod refusal;
mod vectors;

pub use self::connection::{ConnectError, Endpoint, HttpModel, Key, ProviderKind, Timeouts};
pub use self::embedding::HttpEmbedding;
