//! A server of a test's own: the real binary, a free port, a fresh folder.

use std::{
    fs::{self, File},
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, mpsc},
    thread,
    time::{Duration, Instant},
};

use tempfile::TempDir;

use crate::client::{Rest, Socket};

/// A debug build on a busy machine: what takes longer is a hang.
const PATIENCE: Duration = Duration::from_secs(60);

/// Names in the environment that the binary reads beside its own.
const SHARED_NAMES: [&str; 10] = [
    "DATABASE_URL",
    "REDIS_URL",
    "CORS_ORIGINS",
    "OPENAI_API_KEY",
    "ANTHROPIC_API_KEY",
    "GEMINI_API_KEY",
    "OLLAMA_HOST",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_HEADERS",
    "OTEL_SERVICE_NAME",
];

/// The binary, with nothing of this process's environment that it would take for settings.
pub(crate) fn orchestratai() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_orchestratai"));
    for (name, _) in std::env::vars_os() {
        let is_ours = name
            .to_str()
            .is_some_and(|name| name.starts_with("ORCHESTRATAI") || SHARED_NAMES.contains(&name));
        if is_ours {
            command.env_remove(name);
        }
    }
    command.env("NO_COLOR", "1").env_remove("RUST_LOG").stdin(Stdio::null());
    command
}

/// How to start a server.
#[derive(Debug, Clone, Default)]
pub(crate) struct Launch {
    arguments: Vec<String>,
    variables: Vec<(String, String)>,
    folder: Option<Arc<TempDir>>,
    port: u16,
    may_panic: bool,
    disk: Option<Disk>,
}

/// A disk of a server's own, which is gone with it.
#[derive(Debug, Clone)]
struct Disk {
    mebibytes: u32,
    /// What starts a process that may mount it.
    words: Vec<&'static str>,
}

impl Launch {
    /// As it comes, on a free port, with the demo knowledge base, but for the second stage of search: how far a turn gets with
    /// it depends on how busy the machine is, and it has tests of its own.
    pub(crate) fn new() -> Self {
        Self::default().setting("retrieval.cascade", "false")
    }

    /// With one more argument.
    pub(crate) fn argument(mut self, argument: &str) -> Self {
        self.arguments.push(argument.to_owned());
        self
    }

    /// With a setting, such as `session.double_texting`.
    pub(crate) fn setting(self, key: &str, value: &str) -> Self {
        let name = format!("ORCHESTRATAI__{}", key.to_uppercase().replacen('.', "__", 1));
        self.variable(&name, value)
    }

    /// With a variable of the environment.
    pub(crate) fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// In the folder of another server, which has ended.
    pub(crate) fn in_folder_of(mut self, folder: &Arc<TempDir>) -> Self {
        self.folder = Some(Arc::clone(folder));
        self
    }

    /// On a port that is known to be free, such as that of a server which has ended.
    pub(crate) fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// With its data on a small disk of its own; `words` start a process that has its own mounts.
    pub(crate) fn on_disk_of(mut self, mebibytes: u32, words: Vec<&'static str>) -> Self {
        self.disk = Some(Disk { mebibytes, words });
        self
    }

    /// A panic is part of the test.
    pub(crate) fn may_panic(mut self) -> Self {
        self.may_panic = true;
        self
    }

    /// Starts it and waits until it is healthy.
    ///
    /// # Panics
    /// Where it ends or is not healthy in time; its log is in the message.
    pub(crate) async fn start(self) -> Server {
        let server = tokio::task::spawn_blocking(move || self.spawn()).await.unwrap();
        let began = Instant::now();
        while !server.rest().is_healthy().await {
            assert!(
                began.elapsed() < PATIENCE,
                "the server is not healthy:\n{}",
                server.log()
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        server
    }

    /// Starts it and waits only until it listens.
    pub(crate) fn spawn(self) -> Server {
        let folder = self
            .folder
            .clone()
            .unwrap_or_else(|| Arc::new(tempfile::tempdir().unwrap()));
        // Each start has a log of its own, so that a restart keeps that of the one before it.
        let number = fs::read_dir(folder.path()).unwrap().count();
        let log = folder.path().join(format!("server-{number}.log"));
        let data_dir = folder.path().join("data");
        let mut command = match &self.disk {
            Some(disk) => on_disk(disk, &data_dir),
            None => orchestratai(),
        };
        command
            .args(["serve", "--port", &self.port.to_string(), "--data-dir"])
            .arg(data_dir)
            .args(&self.arguments);
        command.envs(self.variables.iter().cloned()).current_dir(folder.path());
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(File::create(&log).unwrap())
            .spawn()
            .unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (found, address) = mpsc::channel();
        thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                if let Some(address) = line.strip_prefix("listening on http://") {
                    let _ = found.send(address.parse::<SocketAddr>().expect("the line names an address"));
                }
            }
        });
        let address = address.recv_timeout(PATIENCE);
        let mut server = Server {
            child,
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            folder,
            log,
            token: self
                .variables
                .iter()
                .find(|(name, _)| name == "ORCHESTRATAI__AUTH__TOKEN")
                .map(|(_, token)| token.clone()),
            may_panic: self.may_panic,
        };
        match address {
            Ok(address) => server.address = address,
            Err(_) => {
                let _ = server.child.kill();
                panic!(
                    "the server does not listen ({:?}):\n{}",
                    server.child.wait(),
                    server.log()
                );
            }
        }
        server
    }
}

/// The binary, once a disk is mounted where its data are to lie. All of it is one process, for each becomes the next.
fn on_disk(disk: &Disk, data_dir: &Path) -> Command {
    fs::create_dir_all(data_dir).unwrap();
    let bare = orchestratai();
    let mut command = Command::new(disk.words[0]);
    command
        .args(&disk.words[1..])
        .args([
            "sh",
            "-c",
            "mount -t tmpfs -o \"size=$0m\" tmpfs \"$1\" && shift && exec \"$@\"",
        ])
        .arg(disk.mebibytes.to_string())
        .arg(data_dir)
        .arg(bare.get_program());
    for (name, value) in bare.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command.stdin(Stdio::null());
    command
}

/// A running server. When dropped it is killed, and its log must hold no panic.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    address: SocketAddr,
    folder: Arc<TempDir>,
    log: PathBuf,
    token: Option<String>,
    may_panic: bool,
}

impl Server {
    /// As it comes.
    pub(crate) async fn start() -> Self {
        Launch::new().start().await
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address of a path, such as `/api/health`.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// A client for REST; it sends the token where there is one.
    pub(crate) fn rest(&self) -> Rest {
        Rest::new(format!("http://{}", self.address), self.token.as_deref())
    }

    /// A WebSocket; `query` is empty or begins with `?`.
    pub(crate) async fn socket(&self, query: &str) -> Socket {
        Socket::connect(self.address, query, self.token.as_deref())
            .await
            .unwrap_or_else(|error| {
                panic!("no WebSocket: {error}\n{}", self.log());
            })
    }

    /// The folder that holds its data and log; keep it to start another server in it.
    pub(crate) fn folder(&self) -> Arc<TempDir> {
        Arc::clone(&self.folder)
    }

    /// Its data.
    pub(crate) fn data_dir(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Its data as it sees them, on whatever disk.
    pub(crate) fn data_dir_inside(&self) -> PathBuf {
        let outside = self.data_dir();
        Path::new(&format!("/proc/{}/root", self.pid())).join(outside.strip_prefix("/").unwrap())
    }

    /// What it has logged so far.
    pub(crate) fn log(&self) -> String {
        read_log(&self.log)
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Ends it as a loss of power would: SIGKILL, nothing flushed.
    pub(crate) fn kill(mut self) -> Arc<TempDir> {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        Arc::clone(&self.folder)
    }

    /// Asks it to end.
    pub(crate) fn terminate(&self) {
        let status = Command::new("kill")
            .arg("-TERM")
            .arg(self.pid().to_string())
            .status()
            .unwrap();
        assert!(status.success());
    }

    /// Waits for its end.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        let began = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(began.elapsed() < PATIENCE, "the server does not end:\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Fails only where it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let log = self.log();
        if thread::panicking() {
            let tail: Vec<_> = log.lines().rev().take(60).collect();
            let tail = tail.into_iter().rev().collect::<Vec<_>>().join("\n");
            eprintln!("--- the end of the server's log\n{tail}\n---");
        } else if !self.may_panic {
            let panics: Vec<_> = log.lines().filter(|line| line.contains("panicked")).collect();
            assert!(panics.is_empty(), "the server panicked:\n{}", panics.join("\n"));
        }
    }
}

fn read_log(path: &Path) -> String {
    fs::read(path)
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .unwrap_or_default()
}
