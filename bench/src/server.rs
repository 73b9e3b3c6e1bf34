//! The server under measurement, as a process of its own.

use std::{
    env, fs,
    fs::File,
    io,
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use crate::{clients::Target, error::BenchError};

const READY_WITHIN: Duration = Duration::from_secs(60);
const ASK_FOR_HEALTH_EVERY: Duration = Duration::from_millis(2);
/// A drain takes up to 20 s.
const STOPPED_WITHIN: Duration = Duration::from_secs(30);
const OUTPUT_SHOWN_BYTES: usize = 2000;

/// What would make the server something else than what comes out of the box.
const FOREIGN_SETTINGS: &[&str] = &[
    "DATABASE_URL",
    "REDIS_URL",
    "OPENAI_API_KEY",
    "ANTHROPIC_API_KEY",
    "GEMINI_API_KEY",
    "OLLAMA_HOST",
];

/// How the server is started.
#[derive(Debug, Clone)]
pub(crate) struct Launch {
    /// The binary.
    pub(crate) binary: PathBuf,
    /// Settings that differ from the default, as `ORCHESTRATAI__SECTION__KEY` and value.
    pub(crate) settings: Vec<(String, String)>,
}

impl Launch {
    /// The same with one more setting, which replaces an earlier value.
    pub(crate) fn with(&self, name: &str, value: &str) -> Self {
        let mut launch = self.clone();
        launch.settings.push((name.to_owned(), value.to_owned()));
        launch
    }
}

/// A server that is ready. Killed when dropped; [`ServerProcess::stop`] lets it drain.
#[derive(Debug)]
pub(crate) struct ServerProcess {
    child: Child,
    addr: SocketAddr,
    ready_after: Duration,
}

impl ServerProcess {
    /// Starts it with its data in `data_dir`, on a free port of the loopback, and waits until its health is 200.
    ///
    /// # Errors
    /// Where it cannot be started, ends, or is not ready in time; the end of its output is in the error.
    pub(crate) fn start(launch: &Launch, data_dir: &Path) -> Result<Self, BenchError> {
        fs::create_dir_all(data_dir).map_err(BenchError::io(format!("create {}", data_dir.display())))?;
        // It runs in a folder of ours, so paths must not depend on the current one.
        let absolute = |path: &Path| path.canonicalize().map_err(BenchError::read(path));
        let (binary, data_dir) = (absolute(&launch.binary)?, absolute(data_dir)?);
        let output_path = data_dir.with_extension("log");
        let output = File::create(&output_path).map_err(BenchError::io(format!("create {}", output_path.display())))?;
        let errors = output.try_clone().map_err(BenchError::io("share the output file"))?;
        let port = free_port().map_err(BenchError::io("find a free port"))?;

        let mut command = Command::new(&binary);
        command
            .args([
                "serve",
                "--host",
                "127.0.0.1",
                "--port",
                &port.to_string(),
                "--data-dir",
            ])
            .arg(&data_dir);
        command.current_dir(data_dir.parent().unwrap_or(&data_dir));
        for (name, _) in env::vars_os() {
            let foreign = name
                .to_str()
                .is_some_and(|name| FOREIGN_SETTINGS.contains(&name) || name.starts_with("ORCHESTRATAI_"));
            if foreign {
                command.env_remove(&name);
            }
        }
        command.envs(launch.settings.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).stdout(output).stderr(errors);

        let started = Instant::now();
        let child = command
            .spawn()
            .map_err(BenchError::io(format!("start {}", binary.display())))?;
        let addr = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let mut server = Self {
            child,
            addr,
            ready_after: Duration::ZERO,
        };
        loop {
            if health(addr).is_ok_and(|status| status == 200) {
                server.ready_after = started.elapsed();
                return Ok(server);
            }
            if let Some(status) = server
                .child
                .try_wait()
                .map_err(BenchError::io("ask for the server's state"))?
            {
                return Err(BenchError::ServerEnded {
                    status: status.to_string(),
                    output: tail(&output_path),
                });
            }
            if started.elapsed() > READY_WITHIN {
                return Err(BenchError::ServerNotReady {
                    waited: READY_WITHIN,
                    output: tail(&output_path),
                });
            }
            thread::sleep(ASK_FOR_HEALTH_EVERY);
        }
    }

    /// From the start of the process to the first 200 of `/api/health`, to 2 ms.
    pub(crate) fn ready_after(&self) -> Duration {
        self.ready_after
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Where clients find it.
    pub(crate) fn target(&self) -> Target {
        Target::at(self.addr)
    }

    /// Sends SIGTERM and waits; kills it where that does not help.
    ///
    /// # Errors
    /// Where it did not end by itself: a server that does not drain is not measured as if it did.
    pub(crate) fn stop(mut self) -> Result<ExitStatus, BenchError> {
        // The standard library sends no signal but SIGKILL; the shell's own `kill` is everywhere.
        Command::new("sh")
            .args(["-c", "kill -TERM \"$0\"", &self.pid().to_string()])
            .status()
            .map_err(BenchError::io("send SIGTERM"))?;
        let deadline = Instant::now() + STOPPED_WITHIN;
        while Instant::now() < deadline {
            if let Some(status) = self
                .child
                .try_wait()
                .map_err(BenchError::io("ask for the server's state"))?
            {
                return Ok(status);
            }
            thread::sleep(Duration::from_millis(10));
        }
        Err(BenchError::Io {
            what: format!("stop the server within {} s of SIGTERM", STOPPED_WITHIN.as_secs()),
            source: io::ErrorKind::TimedOut.into(),
        })
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        // Fails only where it has ended already.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// The status of `GET /api/health`.
fn health(addr: SocketAddr) -> io::Result<u16> {
    let mut stream = TcpStream::connect_timeout(&addr, Duration::from_secs(1))?;
    stream.set_read_timeout(Some(Duration::from_secs(1)))?;
    write!(
        stream,
        "GET /api/health HTTP/1.1\r\nHost: {addr}\r\nConnection: close\r\n\r\n"
    )?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    parse_status(&answer).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

fn parse_status(answer: &[u8]) -> Option<u16> {
    let status = answer.strip_prefix(b"HTTP/1.1 ")?.get(..3)?;
    str::from_utf8(status).ok()?.parse().ok()
}

fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

fn tail(path: &Path) -> String {
    let output = fs::read(path).unwrap_or_default();
    String::from_utf8_lossy(&output[output.len().saturating_sub(OUTPUT_SHOWN_BYTES)..])
        .trim()
        .to_owned()
}

#[cfg(test)]
mod tests {
    use std::{
        os::unix::fs::PermissionsExt,
        sync::{Mutex, MutexGuard, PoisonError},
    };

    use super::*;

    /// A script cannot be run while it is open for writing, be it in the child that another test is just starting.
    fn alone() -> MutexGuard<'static, ()> {
        static ALONE: Mutex<()> = Mutex::new(());
        ALONE.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn script(dir: &Path, text: &str) -> Launch {
        let binary = dir.join("server");
        fs::write(&binary, format!("#!/bin/sh\n{text}\n")).unwrap();
        fs::set_permissions(&binary, fs::Permissions::from_mode(0o755)).unwrap();
        Launch {
            binary,
            settings: Vec::new(),
        }
    }

    #[test]
    fn a_server_that_ends_at_once_is_reported_with_its_last_words() {
        let _alone = alone();
        let dir = tempfile::tempdir().unwrap();
        let launch = script(dir.path(), "echo \"port taken: $*\" >&2; exit 3");
        let message = ServerProcess::start(&launch, &dir.path().join("data"))
            .unwrap_err()
            .to_string();
        assert!(message.contains("exit status: 3"), "{message}");
        assert!(
            message.contains("port taken: serve --host 127.0.0.1 --port "),
            "{message}"
        );
    }

    #[test]
    fn settings_reach_the_server_and_the_later_value_counts() {
        let _alone = alone();
        let dir = tempfile::tempdir().unwrap();
        let launch = script(
            dir.path(),
            "echo \"durability $ORCHESTRATAI__STORE__DURABILITY\"; exit 1",
        )
        .with("ORCHESTRATAI__STORE__DURABILITY", "full")
        .with("ORCHESTRATAI__STORE__DURABILITY", "process");
        let message = ServerProcess::start(&launch, &dir.path().join("data"))
            .unwrap_err()
            .to_string();
        assert!(message.contains("durability process"), "{message}");
    }

    #[test]
    fn a_binary_that_is_not_there_is_named() {
        let _alone = alone();
        let dir = tempfile::tempdir().unwrap();
        let launch = Launch {
            binary: dir.path().join("missing"),
            settings: Vec::new(),
        };
        let message = ServerProcess::start(&launch, &dir.path().join("data"))
            .unwrap_err()
            .to_string();
        assert!(message.contains("missing"), "{message}");
    }

    #[test]
    fn a_status_is_read_and_nonsense_is_none() {
        assert_eq!(parse_status(b"HTTP/1.1 503 Service Unavailable\r\n\r\n"), Some(503));
        assert_eq!(parse_status(b"HTTP/1.1 2"), None);
        assert_eq!(parse_status(b""), None);
    }

    #[test]
    fn sigterm_ends_the_process_and_its_status_is_told() {
        let _alone = alone();
        let child = Command::new("sh")
            .args(["-c", "trap 'exit 7' TERM; while :; do sleep 0.05; done"])
            .spawn()
            .unwrap();
        thread::sleep(Duration::from_millis(300));
        let addr = SocketAddr::from((Ipv4Addr::LOCALHOST, 1));
        let server = ServerProcess {
            child,
            addr,
            ready_after: Duration::ZERO,
        };
        assert_eq!(server.stop().unwrap().code(), Some(7));
    }
}
