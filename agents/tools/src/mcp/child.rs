//! A server that is a process of ours.

use std::{io, process::Stdio};

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, BufReader},
    process::{self, ChildStderr, ChildStdin, ChildStdout},
};

use crate::{source::Secret, text::beginning};

/// What every program may need and is no secret. A server sees nothing else of our environment, where keys and passwords are.
const PASSED_ON: [&str; 10] = [
    "PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LC_ALL", "TZ", "TMPDIR", "TERM",
];
/// Bytes of one line on its standard error stream that are logged.
const LINE_BYTES_MAX: u64 = 1024;
/// Lines that are logged of one process; what follows is read and dropped.
const LINES_MAX: u32 = 10_000;

/// How a server is started.
#[derive(Debug)]
pub(super) struct Command {
    pub(super) source: String,
    pub(super) program: String,
    pub(super) arguments: Vec<String>,
    pub(super) environment: Vec<(String, Secret)>,
}

impl Command {
    /// Starts it, as the first of a process group of its own.
    ///
    /// # Errors
    /// Where the system does not.
    pub(super) fn start(&self) -> io::Result<(Child, ChildStdout, ChildStdin)> {
        let mut command = process::Command::new(&self.program);
        command.args(&self.arguments).env_clear();
        for name in PASSED_ON {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        for (name, value) in &self.environment {
            command.env(name, value.reveal());
        }
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()?;
        let (Some(input), Some(output), Some(errors)) = (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err(io::Error::other("the process has no standard streams"));
        };
        tokio::spawn(log(self.source.clone(), errors));
        Ok((Child(child), output, input))
    }
}

/// A process, and whatever it has started. Dropping it ends all of them.
pub(super) struct Child(process::Child);

impl Drop for Child {
    fn drop(&mut self) {
        // Nobody waits for the process before this, so that its number is still its own, even where it has ended.
        let group = self.0.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        if let Some(group) = group
            && let Err(error) = kill_process_group(group, Signal::KILL)
        {
            tracing::debug!(
                error = &error as &(dyn std::error::Error + 'static),
                "no process is left to end"
            );
        }
    }
}

/// Reads what a server says beside the protocol, to its end: a full pipe would stop it.
async fn log(source: String, errors: ChildStderr) {
    let mut errors = BufReader::new(errors);
    let mut lines = 0;
    let mut line = Vec::new();
    loop {
        line.clear();
        match (&mut errors).take(LINE_BYTES_MAX).read_until(b'\n', &mut line).await {
            Ok(0) | Err(_) => return,
            Ok(_) if lines < LINES_MAX => {
                lines += 1;
                let said = String::from_utf8_lossy(&line);
                let said = beginning(said.trim_end(), 1024);
                tracing::debug!(tools.source = source, said, "a tool server says something");
            }
            Ok(_) => {}
        }
    }
}
