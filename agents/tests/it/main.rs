//! The crate from outside: agent files, the knowledge base on disk, routing, and whole turns.

mod any_message;
mod definitions;
mod index;
mod memory_store;
mod questions;
mod routing;
mod strategies;
mod world;
