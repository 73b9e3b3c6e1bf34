//! A Redis master with a replica, and a Sentinel that watches over them.

use std::{
    fs,
    path::Path,
    thread::sleep,
    time::{Duration, Instant},
};

use tempfile::TempDir;

use crate::{
    Redis, free_port,
    process::{PATIENCE, ServerProcess},
};

/// A master, its replica, and one Sentinel: it alone decides, so that a fail-over takes about a second.
#[derive(Debug)]
pub struct RedisSentinel {
    master: Redis,
    replica: Redis,
    port: u16,
    _process: ServerProcess,
    _folder: TempDir,
}

/// What the master is called.
pub const SERVICE: &str = "snapshots";

impl RedisSentinel {
    /// Starts them and waits until the Sentinel knows both servers.
    ///
    /// # Panics
    /// Where there is no `redis-server` or `redis-cli`, or they do not come up.
    #[must_use]
    pub fn start() -> Self {
        let master = Redis::start_with(&["--repl-diskless-sync-delay".to_owned(), "0".to_owned()]);
        let replica = Redis::start_with(&["--replicaof".to_owned(), format!("127.0.0.1 {}", master.port())]);
        wait("the replica follows", || {
            replica.cli(&["INFO", "replication"]).contains("master_link_status:up")
        });
        let folder = tempfile::tempdir().expect("a folder for Sentinel");
        let port = free_port();
        let file = folder.path().join("sentinel.conf");
        let text = format!(
            "port {port}\nbind 127.0.0.1\ndir {}\nsentinel monitor {SERVICE} 127.0.0.1 {} 1\n\
             sentinel down-after-milliseconds {SERVICE} 300\nsentinel failover-timeout {SERVICE} 3000\n",
            folder.path().display(),
            master.port()
        );
        fs::write(&file, text).expect("the folder can be written to");
        let process = ServerProcess::start(
            Path::new("redis-server"),
            &[file.to_string_lossy().into_owned(), "--sentinel".to_owned()],
            &folder.path().join("log"),
            None,
            None,
        );
        let sentinel = Self {
            master,
            replica,
            port,
            _process: process,
            _folder: folder,
        };
        wait("Sentinel knows the replica", || {
            let replicas = Redis::cli_at(port, &["SENTINEL", "REPLICAS", SERVICE]);
            replicas.contains(&sentinel.replica.port().to_string())
        });
        sentinel
    }

    /// The address of the Sentinel alone.
    #[must_use]
    pub fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The server that is the master at first.
    pub fn master(&mut self) -> &mut Redis {
        &mut self.master
    }

    /// The server that takes over.
    #[must_use]
    pub fn replica(&self) -> &Redis {
        &self.replica
    }

    /// Waits until the replica has taken over.
    ///
    /// # Panics
    /// Where it does not.
    pub fn wait_for_failover(&self) {
        wait("the replica takes over", || {
            self.replica.cli(&["INFO", "replication"]).contains("role:master")
        });
    }
}

fn wait(what: &str, is_so: impl Fn() -> bool) {
    let give_up_at = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < give_up_at, "in vain: {what}");
        sleep(Duration::from_millis(50));
    }
}
