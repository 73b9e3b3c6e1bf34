//! What an agent does in a turn: routing, strategies, models, knowledge and the semantic cache.
//!
//! Plain async Rust. This crate knows no actor framework, no web and no database driver: where it needs documents it
//! defines [`knowledge::DocumentStore`], and whoever wires the parts together implements it.
//!
//! In reading order:
//! - [`definition`]: what an agent is, read from its TOML file;
//! - [`turn`]: one turn as an agent sees it, and the trait [`turn::Responder`];
//! - [`routing`]: who answers a message;
//! - [`conversation`]: a message that leans on what was said before, made to stand on its own;
//! - [`embedder`]: text to vectors;
//! - [`knowledge`]: documents, their chunks, the index over them, and search;
//! - [`cache`]: answers that may be given again;
//! - [`language`]: language models, wherever they are, and what stands before them;
//! - [`budget`]: what they may spend, and for whom;
//! - [`model`]: what makes an answer out of what was found;
//! - [`strategy`]: the responders: retrieval, cache and model put together, with their fallbacks;
//! - [`guardrail`]: what stands around a language model, and what an agent does not speak about;
//! - [`facts`]: what people have said of themselves, told in later sessions;
//! - [`tool`]: what agents can do beside answering;
//! - [`tool_box`]: which of them an agent has;
//! - [`acting`]: how an agent does these things in a turn, once and on record;
//! - [`joint`]: the answers of several agents to one message, put together.

pub mod acting;
pub mod budget;
pub mod cache;
pub mod conversation;
pub mod definition;
pub mod embedder;
pub mod facts;
pub mod guardrail;
pub mod joint;
pub mod knowledge;
pub mod language;
pub mod model;
pub mod routing;
pub mod strategy;
pub mod tool;
pub mod tool_box;
pub mod turn;

mod phrases;
#[cfg(test)]
mod testing;
mod words;

pub use embedder::{Embedder, StaticEmbedder};
