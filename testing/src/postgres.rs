//! A PostgreSQL server of a test's own, or a database of its own in one that the tests of a process share.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
    thread::sleep,
    time::{Duration, Instant},
};

use rustix::process::Signal;

use crate::{
    free_port,
    process::{PATIENCE, ServerProcess, as_user},
};

/// A PostgreSQL server on a port of its own.
#[derive(Debug)]
pub struct Postgres {
    binaries: PathBuf,
    folder: PathBuf,
    user: Option<(u32, u32)>,
    port: u16,
    is_durable: bool,
    databases: AtomicU32,
    process: Option<ServerProcess>,
}

impl Postgres {
    /// Whether there is a PostgreSQL to start.
    #[must_use]
    pub fn is_installed() -> bool {
        binaries().is_some() && (!is_root() || user_of_package().is_some())
    }

    /// Starts one and waits until it answers. It forgets nothing when it is killed.
    ///
    /// # Panics
    /// Where there is no PostgreSQL, or it does not come up.
    #[must_use]
    pub fn start() -> Self {
        Self::start_with(true)
    }

    /// The server that the tests of this process share, each with a database of its own. It does not wait for the disk, so
    /// it is not to be killed.
    ///
    /// # Panics
    /// As [`Self::start`].
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Postgres> = OnceLock::new();
        SHARED.get_or_init(|| Self::start_with(false))
    }

    fn start_with(is_durable: bool) -> Self {
        let binaries = binaries().expect("PostgreSQL is installed (scripts/bootstrap installs it)");
        let user = server_user();
        // Not below a folder of ours: the server may run as somebody else, who could not enter it.
        let folder = std::env::temp_dir().join(format!("orchestratai-postgres-{}-{}", std::process::id(), free_port()));
        fs::create_dir(&folder).expect("a folder for PostgreSQL");
        if let Some((user, group)) = user {
            std::os::unix::fs::chown(&folder, Some(user), Some(group)).expect("the folder can be given to its user");
        }
        let mut init = Command::new(binaries.join("initdb"));
        init.arg("--pgdata")
            .arg(folder.join("data"))
            .args([
                "--username=orchestratai",
                "--auth=trust",
                "--encoding=UTF8",
                "--locale=C.UTF-8",
                "--no-sync",
            ])
            .current_dir("/");
        as_user(&mut init, user);
        let output = init.output().expect("initdb runs");
        assert!(
            output.status.success(),
            "initdb fails: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        let mut postgres = Self {
            binaries,
            folder,
            user,
            port: free_port(),
            is_durable,
            databases: AtomicU32::new(0),
            process: None,
        };
        postgres.start_again();
        postgres
    }

    /// Makes an empty database and gives its address, for `DATABASE_URL`.
    ///
    /// # Panics
    /// Where it cannot be made.
    pub fn database(&self) -> String {
        let name = format!("test_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        self.sql("postgres", &format!("CREATE DATABASE {name}"));
        format!("postgres://orchestratai@127.0.0.1:{}/{name}", self.port)
    }

    /// Lets the server's own client execute statements in a database, and gives what it prints: a line for each row.
    ///
    /// # Panics
    /// Where they fail.
    pub fn sql(&self, database: &str, statements: &str) -> String {
        let output = Command::new(self.binaries.join("psql"))
            .args(["--host=127.0.0.1", "--username=orchestratai", "--no-psqlrc", "--quiet"])
            .args(["--tuples-only", "--no-align", "--set=ON_ERROR_STOP=1"])
            .arg(format!("--port={}", self.port))
            .arg(format!("--dbname={database}"))
            .arg(format!("--command={statements}"))
            .output()
            .expect("psql runs");
        assert!(
            output.status.success(),
            "psql fails: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
    }

    /// Starts it where it was stopped or killed, with all that was committed.
    ///
    /// # Panics
    /// Where it does not come up.
    pub fn start_again(&mut self) {
        let durable = if self.is_durable { "on" } else { "off" };
        let settings = [
            format!("port={}", self.port),
            "listen_addresses=127.0.0.1".to_owned(),
            format!("unix_socket_directories={}", self.folder.display()),
            format!("fsync={durable}"),
            format!("full_page_writes={durable}"),
            "max_connections=300".to_owned(),
            "shared_buffers=64MB".to_owned(),
        ];
        let mut arguments = vec!["-D".to_owned(), self.folder.join("data").to_string_lossy().into_owned()];
        for setting in settings {
            arguments.extend(["-c".to_owned(), setting]);
        }
        let log = self.folder.join("log");
        let program = self.binaries.join("postgres");
        let process = ServerProcess::start(
            &program,
            &arguments,
            &log,
            self.user,
            Some(&self.folder).filter(|_| !self.is_durable).map(PathBuf::as_path),
        );
        let give_up_at = Instant::now() + PATIENCE;
        while !self.answers() {
            assert!(
                process.is_running() && Instant::now() < give_up_at,
                "PostgreSQL does not come up:\n{}",
                fs::read_to_string(&log).unwrap_or_default()
            );
            sleep(Duration::from_millis(20));
        }
        self.process = Some(process);
    }

    /// Stops it at once, but in good order: clients are cut off, what is committed is kept.
    ///
    /// # Panics
    /// Where it does not end.
    pub fn stop(&mut self) {
        self.end(Signal::INT);
    }

    /// Kills it with all its processes, as a machine does that loses power.
    ///
    /// # Panics
    /// Where it does not end.
    pub fn kill(&mut self) {
        // Its children see that it is gone, and end. This signal lets it tell them first, which is quicker.
        self.end(Signal::QUIT);
    }

    fn end(&mut self, signal: Signal) {
        if let Some(process) = self.process.take() {
            process.signal(signal);
            process.wait();
        }
    }

    fn answers(&self) -> bool {
        Command::new(self.binaries.join("pg_isready"))
            .args([
                "--host=127.0.0.1",
                "--quiet",
                "--dbname=postgres",
                "--username=orchestratai",
            ])
            .arg(format!("--port={}", self.port))
            .status()
            .is_ok_and(|status| status.success())
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.end(Signal::QUIT);
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Where the server's programs are: Debian keeps them out of the path.
fn binaries() -> Option<PathBuf> {
    let mut found: Vec<PathBuf> = fs::read_dir("/usr/lib/postgresql")
        .map(|versions| versions.flatten().map(|version| version.path().join("bin")).collect())
        .unwrap_or_default();
    found.sort();
    let in_path = std::env::var_os("PATH").unwrap_or_default();
    found.extend(std::env::split_paths(&in_path));
    found.into_iter().rev().find(|folder| {
        ["initdb", "postgres", "psql", "pg_isready"]
            .iter()
            .all(|name| folder.join(name).is_file())
    })
}

/// Whom the server runs as: it refuses to run as root.
fn server_user() -> Option<(u32, u32)> {
    is_root().then(|| user_of_package().expect("the user `postgres`, whom Debian's package makes"))
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn user_of_package() -> Option<(u32, u32)> {
    let users = fs::read_to_string(Path::new("/etc/passwd")).unwrap_or_default();
    users.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        let [name, _, user, group, ..] = fields.as_slice() else {
            return None;
        };
        (*name == "postgres").then_some((user.parse().ok()?, group.parse().ok()?))
    })
}
