//! A Prometheus of a test's own.

use std::{
    path::{Path, PathBuf},
    thread::sleep,
    time::{Duration, Instant},
};

use tempfile::TempDir;

use crate::{
    free_port, http,
    process::{PATIENCE, ServerProcess},
};

/// A Prometheus on a port of its own, with an empty store of its own.
#[derive(Debug)]
pub struct Prometheus {
    /// Before the folder: it ends, then its data go.
    process: ServerProcess,
    folder: TempDir,
    port: u16,
}

impl Prometheus {
    /// Starts one with a configuration file, and waits until it is ready.
    ///
    /// # Panics
    /// Where there is no `prometheus`, or it does not come up, as with a configuration that is not valid.
    #[must_use]
    pub fn start(configuration: &Path) -> Self {
        let folder = tempfile::tempdir().expect("a folder for Prometheus");
        let port = free_port();
        let arguments = [
            format!("--config.file={}", configuration.display()),
            format!("--storage.tsdb.path={}", folder.path().join("data").display()),
            format!("--web.listen-address=127.0.0.1:{port}"),
        ];
        let log = folder.path().join("log");
        let process = ServerProcess::start(&PathBuf::from("prometheus"), &arguments, &log, None, None);
        let prometheus = Self { folder, port, process };
        let give_up_at = Instant::now() + PATIENCE;
        while !http::answers(port, "/-/ready") {
            assert!(
                prometheus.process.is_running() && Instant::now() < give_up_at,
                "prometheus does not come up (scripts/bootstrap installs it):\n{}",
                prometheus.log()
            );
            sleep(Duration::from_millis(20));
        }
        prometheus
    }

    /// Its address, such as `http://127.0.0.1:9090`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// What it has logged so far.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}
