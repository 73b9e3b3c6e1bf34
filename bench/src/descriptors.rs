//! Thousands of sockets need more files than a shell usually allows, in this process and in the server it starts.

use std::{env, os::unix::process::CommandExt, process::Command};

use crate::{error::BenchError, proc::process::open_files_limit};

const ENOUGH: u64 = 20_000;
const RAISED: &str = "ORCHESTRATAI_BENCH_LIMIT_RAISED";

/// Raises the limit of open files as far as is needed and allowed. The standard library cannot, so where it is low, this
/// program is begun anew by a shell that can; children inherit the limit.
///
/// # Errors
/// Where the limit cannot be read, or the shell cannot be run.
pub(crate) fn raise_limit() -> Result<(), BenchError> {
    let (soft, hard) = open_files_limit()?;
    if soft >= ENOUGH || hard <= soft || env::var_os(RAISED).is_some() {
        return Ok(());
    }
    let program = env::current_exe().map_err(BenchError::io("find this program"))?;
    let error = Command::new("sh")
        .args(["-c", "ulimit -n \"$0\"; exec \"$@\"", &hard.min(ENOUGH).to_string()])
        .arg(program)
        .args(env::args_os().skip(1))
        .env(RAISED, "1")
        .exec();
    Err(BenchError::Io {
        what: "begin anew with more open files".to_owned(),
        source: error,
    })
}

/// Refuses what needs more files than may be open.
///
/// # Errors
/// [`BenchError::Argument`], with what to do about it.
pub(crate) fn require(sockets: usize) -> Result<(), BenchError> {
    let (soft, _) = open_files_limit()?;
    let needed = u64::try_from(sockets).unwrap_or(u64::MAX).saturating_add(200);
    if needed <= soft {
        return Ok(());
    }
    Err(BenchError::Argument(format!(
        "{sockets} sockets need some {needed} open files, and {soft} are allowed: raise it with `ulimit -n {needed}`"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_sockets_than_files_are_refused_with_the_remedy() {
        require(1).unwrap();
        let message = require(usize::MAX).unwrap_err().to_string();
        assert!(message.contains("ulimit -n"), "{message}");
    }
}
