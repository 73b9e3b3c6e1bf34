//! A Redis server of a test's own.

use std::{
    io::{Read, Write},
    net::TcpStream,
    path::PathBuf,
    process::Command,
    thread::sleep,
    time::{Duration, Instant},
};

use rustix::process::Signal;
use tempfile::TempDir;

use crate::{
    free_port,
    process::{PATIENCE, ServerProcess},
};

/// A Redis server on a port of its own, that keeps nothing on disk: killed, it starts again empty.
#[derive(Debug)]
pub struct Redis {
    folder: TempDir,
    port: u16,
    /// Arguments beside those that every server has.
    more: Vec<String>,
    process: Option<ServerProcess>,
}

impl Redis {
    /// Whether there is a `redis-server` to start.
    #[must_use]
    pub fn is_installed() -> bool {
        let asked = Command::new("redis-server").arg("--version").output();
        asked.is_ok_and(|output| output.status.success())
    }

    /// Starts one and waits until it answers.
    ///
    /// # Panics
    /// Where there is no `redis-server`, or it does not come up.
    #[must_use]
    pub fn start() -> Self {
        let mut redis = Self::prepare();
        redis.start_again();
        redis
    }

    /// Starts one with more arguments.
    ///
    /// # Panics
    /// As [`Self::start`].
    #[must_use]
    pub fn start_with(arguments: &[String]) -> Self {
        let mut redis = Self::prepare();
        redis.more = arguments.to_vec();
        redis.start_again();
        redis
    }

    /// Lets Redis's own client ask the server something, and gives what it prints.
    ///
    /// # Panics
    /// Where there is no `redis-cli`.
    #[must_use]
    pub fn cli(&self, words: &[&str]) -> String {
        Self::cli_at(self.port, words)
    }

    pub(crate) fn cli_at(port: u16, words: &[&str]) -> String {
        let output = Command::new("redis-cli")
            .args(["-h", "127.0.0.1", "-p", &port.to_string()])
            .args(words)
            .output();
        String::from_utf8_lossy(&output.expect("redis-cli runs").stdout).into_owned()
    }

    /// A place for one that is to be started later: its address is known, and nobody answers there.
    ///
    /// # Panics
    /// Where there is no room on the disk.
    #[must_use]
    pub fn prepare() -> Self {
        Self {
            folder: tempfile::tempdir().expect("a folder for Redis"),
            port: free_port(),
            more: Vec::new(),
            process: None,
        }
    }

    /// Its address, for `REDIS_URL`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Its port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Starts it where it was stopped or killed: on the same port, with nothing in it.
    ///
    /// # Panics
    /// Where it does not come up.
    pub fn start_again(&mut self) {
        let arguments = [
            "--port",
            &self.port.to_string(),
            "--bind",
            "127.0.0.1",
            "--dir",
            &self.folder.path().to_string_lossy(),
            "--save",
            "",
            "--appendonly",
            "no",
        ]
        .map(str::to_owned);
        let arguments: Vec<String> = arguments.into_iter().chain(self.more.iter().cloned()).collect();
        let log = self.folder.path().join("redis.log");
        self.process = Some(ServerProcess::start(
            &PathBuf::from("redis-server"),
            &arguments,
            &log,
            None,
            None,
        ));
        let give_up_at = Instant::now() + PATIENCE;
        while !self.answers() {
            let is_running = self.process.as_ref().is_some_and(ServerProcess::is_running);
            assert!(
                is_running && Instant::now() < give_up_at,
                "redis-server does not come up (scripts/bootstrap installs it):\n{}",
                std::fs::read_to_string(&log).unwrap_or_default()
            );
            sleep(Duration::from_millis(5));
        }
    }

    /// Stops it in good order.
    ///
    /// # Panics
    /// Where it does not end.
    pub fn stop(&mut self) {
        self.end(Signal::TERM);
    }

    /// Kills it.
    ///
    /// # Panics
    /// Where it does not end.
    pub fn kill(&mut self) {
        self.end(Signal::KILL);
    }

    /// Lets it stand still: it takes connections, and answers nobody.
    pub fn pause(&self) {
        self.signal(Signal::STOP);
    }

    /// Lets it go on.
    pub fn go_on(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        if let Some(process) = &self.process {
            process.signal(signal);
        }
    }

    fn end(&mut self, signal: Signal) {
        if let Some(process) = self.process.take() {
            process.signal(signal);
            process.wait();
        }
    }

    fn answers(&self) -> bool {
        let ask = || -> std::io::Result<bool> {
            let mut connection = TcpStream::connect(("127.0.0.1", self.port))?;
            connection.set_read_timeout(Some(Duration::from_secs(1)))?;
            connection.write_all(b"PING\r\n")?;
            let mut answer = [0; 5];
            connection.read_exact(&mut answer)?;
            Ok(&answer == b"+PONG")
        };
        ask().unwrap_or(false)
    }
}
