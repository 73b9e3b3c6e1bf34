//! The binary as people have it: every test starts the real thing.
//!
//! In reading order: [`server`] starts one and talks with it; [`client`] is what it talks with; then the tests, one module
//! for each concern.
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "all of it is tests, also what stands in no #[test]"
)]

mod acting;
mod backups;
mod bad_input;
mod canaries;
mod cascade;
#[expect(dead_code, reason = "each concern uses its own part of the client")]
mod client;
mod cluster;
mod command_line;
mod concerns;
mod conformance;
mod console;
mod contract;
mod crash;
mod database_server;
mod deployment;
mod documents;
mod evaluating;
mod feedback;
mod full_disk;
mod index_parts;
mod live;
mod models;
mod monitoring;
mod openai;
mod order;
mod outside;
mod overview;
mod person;
mod picture;
mod rest;
#[expect(dead_code, reason = "each concern uses its own part of the server")]
mod server;
mod serving;
mod session_list;
mod sessions_command;
mod shared_cache;
mod slow_clients;
mod snapshots;
mod sse;
mod stopping;
mod talking;
mod traces;
mod trying;
mod users;
mod walls;
mod websocket;
