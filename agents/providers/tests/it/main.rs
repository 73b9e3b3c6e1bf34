//! The adapters against servers that speak the documented protocols, byte by byte, over real sockets.
#![allow(clippy::unwrap_used, reason = "all of it is tests, also what stands in no #[test]")]

mod anthropic;
mod cancelling;
mod embedding;
mod failing;
mod gemini;
mod guarding;
mod halves;
mod llama_cpp;
mod many;
mod ollama;
mod openai;
mod server;
mod telling;
mod unreadable;
