//! A server in a process of its own, which ends with the process that started it.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, ChildStdin, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

/// How long a server may take to start or to end.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A server and the shell that watches over it.
#[derive(Debug)]
pub(crate) struct ServerProcess {
    watcher: Child,
    /// The watcher ends the server when this is closed, as the system does even where the test is killed.
    lifeline: Option<ChildStdin>,
    pid: Pid,
}

/// Starts the server that it is given, says its id, and waits for the other end of its standard input to be closed. Then it
/// ends the server at once and removes the folder that it was given first, unless that is empty.
const WATCHER: &str = r#"
folder=$1; shift
"$@" </dev/null >>"${LOG:-/dev/null}" 2>&1 &
pid=$!
echo "$pid"
exec >&-
cat >/dev/null
kill -KILL "$pid" 2>/dev/null
wait "$pid" 2>/dev/null
[ -z "$folder" ] || rm -rf "$folder"
"#;

impl ServerProcess {
    /// Starts `program` with `arguments`; `user` is whom it runs as, where not as us. Its output goes to the file `log`. With
    /// `remove` that folder is removed when the test process ends.
    ///
    /// # Panics
    /// Where it cannot be started.
    pub(crate) fn start(
        program: &Path,
        arguments: &[String],
        log: &Path,
        user: Option<(u32, u32)>,
        remove: Option<&Path>,
    ) -> Self {
        let mut command = Command::new("sh");
        command
            .args(["-c", WATCHER, "watcher"])
            .arg(remove.unwrap_or(Path::new("")))
            .arg(program)
            .args(arguments)
            .env("LOG", log)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        as_user(&mut command, user);
        let mut watcher = command.spawn().expect("a shell starts");
        let lifeline = watcher.stdin.take();
        let mut line = String::new();
        let output = watcher.stdout.take().expect("it is piped");
        BufReader::new(output).read_line(&mut line).expect("the watcher speaks");
        let pid = line.trim().parse().ok().and_then(Pid::from_raw);
        Self {
            watcher,
            lifeline,
            pid: pid.expect("the watcher says the server's id"),
        }
    }

    /// Sends the server a signal; one that has ended hears none.
    pub(crate) fn signal(&self, signal: Signal) {
        // It may have ended by itself.
        let _ = kill_process(self.pid, signal);
    }

    /// Waits until the server has ended.
    ///
    /// # Panics
    /// Where it does not end.
    pub(crate) fn wait(&self) {
        let give_up_at = Instant::now() + PATIENCE;
        while self.is_running() {
            assert!(Instant::now() < give_up_at, "a server does not end");
            sleep(Duration::from_millis(5));
        }
    }

    /// Whether the server runs. One that has ended stays a child of the watcher's until that ends, and counts as gone.
    pub(crate) fn is_running(&self) -> bool {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid.as_raw_nonzero()));
        // The state follows the name, which stands in parentheses and may hold anything.
        stat.is_ok_and(|stat| {
            stat.rsplit_once(") ")
                .is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
        })
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        self.signal(Signal::CONT);
        drop(self.lifeline.take());
        let _ = self.watcher.wait();
    }
}

/// Lets a command run as somebody else.
pub(crate) fn as_user(command: &mut Command, user: Option<(u32, u32)>) {
    use std::os::unix::process::CommandExt;

    if let Some((user, group)) = user {
        command.uid(user).gid(group);
    }
}
