//! An Alertmanager of a test's own.

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

/// An Alertmanager on a port of its own, with nothing in it, and alone: it looks for no others.
#[derive(Debug)]
pub struct Alertmanager {
    /// Before the folder: it ends, then its data go.
    process: ServerProcess,
    folder: TempDir,
    port: u16,
}

impl Alertmanager {
    /// Starts one with a configuration file, and waits until it is ready.
    ///
    /// # Panics
    /// Where there is no Alertmanager, or it does not come up, as with a configuration that is not valid.
    #[must_use]
    pub fn start(configuration: &Path) -> Self {
        let folder = tempfile::tempdir().expect("a folder for Alertmanager");
        let port = free_port();
        let arguments = [
            format!("--config.file={}", configuration.display()),
            format!("--storage.path={}", folder.path().join("data").display()),
            format!("--web.listen-address=127.0.0.1:{port}"),
            "--cluster.listen-address=".to_owned(),
        ];
        let log = folder.path().join("log");
        let alertmanager = Self {
            process: ServerProcess::start(&program(), &arguments, &log, None, None),
            folder,
            port,
        };
        let give_up_at = Instant::now() + PATIENCE;
        while !http::answers(port, "/-/ready") {
            assert!(
                alertmanager.process.is_running() && Instant::now() < give_up_at,
                "Alertmanager does not come up (scripts/bootstrap installs it):\n{}",
                alertmanager.log()
            );
            sleep(Duration::from_millis(20));
        }
        alertmanager
    }

    /// Its address, such as `http://127.0.0.1:9093`.
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

/// The program: Debian names it otherwise than its makers do.
fn program() -> PathBuf {
    let in_path = std::env::var_os("PATH").unwrap_or_default();
    let has = |name: &str| std::env::split_paths(&in_path).any(|folder| folder.join(name).is_file());
    PathBuf::from(if has("prometheus-alertmanager") {
        "prometheus-alertmanager"
    } else {
        "alertmanager"
    })
}
