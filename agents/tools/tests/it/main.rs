//! Tools against real servers: one by the official SDK of the Model Context Protocol, one that speaks it badly, and HTTP.
#![allow(clippy::unwrap_used, reason = "all of it is tests, also what stands in no #[test]")]

mod api;
mod hostile;
mod http;
mod openapi;
mod stdio;
mod tool_box;
mod world;
