//! Real servers for tests and for the load generator. A test starts its own, and may stop, pause and kill it; nothing of it is left behind, not even
//! where the test itself is killed.
//!
//! Whom no program plays is played by an [`http_server`], which does what the test says, over a real socket.
//!
//! `scripts/bootstrap` installs the programs. Where one is missing a test fails and says so: it is never skipped.

pub mod alertmanager;
pub mod certificates;
pub mod haproxy;
pub mod http_server;
pub mod llama_cpp;
pub mod postgres;
pub mod prometheus;
pub mod redis;
pub mod redis_cluster;
pub mod redis_sentinel;

mod http;
mod process;

pub use alertmanager::Alertmanager;
pub use certificates::Certificates;
pub use haproxy::Haproxy;
pub use http_server::HttpServer;
pub use llama_cpp::LlamaCpp;
pub use postgres::Postgres;
pub use prometheus::Prometheus;
pub use redis::Redis;
pub use redis_cluster::RedisCluster;
pub use redis_sentinel::RedisSentinel;

use std::net::TcpListener;

/// A port of the loopback that nobody listens on at this moment.
///
/// # Panics
/// Where the system has none left.
#[must_use]
pub fn free_port() -> u16 {
    let probe = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    probe.local_addr().expect("its address").port()
}
