//! An HAProxy of a test's own.

use std::{
    net::TcpStream,
    path::{Path, PathBuf},
    thread::sleep,
    time::{Duration, Instant},
};

use tempfile::TempDir;

use crate::process::{PATIENCE, ServerProcess};

/// An HAProxy with a configuration of the test's, which says where it listens.
#[derive(Debug)]
pub struct Haproxy {
    /// Before the folder: it ends, then its log goes.
    process: ServerProcess,
    folder: TempDir,
}

impl Haproxy {
    /// Starts one with the text of a configuration file, and waits until it listens on a port of the loopback.
    ///
    /// # Panics
    /// Where there is no `haproxy`, or it does not come up, as with a configuration that is not valid.
    #[must_use]
    pub fn start(configuration: &str, port: u16) -> Self {
        let folder = tempfile::tempdir().expect("a folder for HAProxy");
        let file = folder.path().join("haproxy.cfg");
        std::fs::write(&file, configuration).expect("the folder takes a file");
        let arguments = ["-db".to_owned(), "-f".to_owned(), file.display().to_string()];
        let log = folder.path().join("log");
        let haproxy = Self {
            process: ServerProcess::start(&program(), &arguments, &log, None, None),
            folder,
        };
        let give_up_at = Instant::now() + PATIENCE;
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(
                haproxy.process.is_running() && Instant::now() < give_up_at,
                "haproxy does not come up (scripts/bootstrap installs it):\n{}",
                haproxy.log()
            );
            sleep(Duration::from_millis(20));
        }
        haproxy
    }

    /// What it has logged so far.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

/// The program: Debian has it where only root looks.
fn program() -> PathBuf {
    let debian = Path::new("/usr/sbin/haproxy");
    PathBuf::from(if debian.is_file() { debian } else { Path::new("haproxy") })
}
