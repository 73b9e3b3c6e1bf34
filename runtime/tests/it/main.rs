//! The binary as people have it: every test starts the real thing.
//!
//! In reading order: [`server`] starts one and talks with it; [`client`] is what it talks with; then the tests, one module
//! for each concern.

#[expect(dead_code, reason = "each concern uses its own part of the client")]
mod client;
mod command_line;
#[expect(dead_code, reason = "each concern uses its own part of the server")]
mod server;
mod walls;
