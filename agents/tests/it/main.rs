//! The crate from outside: agent files, the knowledge base on disk, routing, and whole turns.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod acting;
mod any_message;
mod budgets;
mod cache;
mod cache_turns;
mod definitions;
mod differences;
mod facts;
mod file_kinds;
mod filters;
mod generative;
mod guardrails;
mod index;
mod index_parts;
mod memory_store;
mod other_house;
mod provided;
mod questions;
mod routing;
mod scores;
mod second_stage;
mod shared_cache;
mod strategies;
mod world;
