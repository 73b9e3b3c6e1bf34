//! CPU and memory of one process, and how many files it may open.

use std::time::Duration;

use serde::Serialize;

use super::{read, ticks};
use crate::error::BenchError;

/// The CPU that a process has used since it began, user and system, all threads, to 10 ms.
///
/// # Errors
/// Where there is no such process.
pub(crate) fn cpu(pid: u32) -> Result<Duration, BenchError> {
    let path = format!("/proc/{pid}/stat");
    parse_cpu(&read(&path)?).ok_or(BenchError::ProcForm(path))
}

/// Resident memory, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct Memory {
    /// All that is resident.
    pub(crate) resident_bytes: u64,
    /// The part of it that no file stands behind: heap and stacks.
    pub(crate) anonymous_bytes: u64,
    /// The part of it that is mapped from files, the binary included: the kernel can take it back.
    pub(crate) file_bytes: u64,
    /// The most that was ever resident.
    pub(crate) peak_bytes: u64,
}

/// The memory of a process.
///
/// # Errors
/// Where there is no such process.
pub(crate) fn memory(pid: u32) -> Result<Memory, BenchError> {
    let path = format!("/proc/{pid}/status");
    parse_memory(&read(&path)?).ok_or(BenchError::ProcForm(path))
}

/// How many files this process may open: the limit in force, and the one up to which it may raise it.
///
/// # Errors
/// Where `/proc` cannot be read.
pub(crate) fn open_files_limit() -> Result<(u64, u64), BenchError> {
    let path = "/proc/self/limits";
    parse_open_files(&read(path)?).ok_or_else(|| BenchError::ProcForm(path.to_owned()))
}

/// `utime` and `stime`, fields 14 and 15. The name in field 2 may hold blanks and parentheses, so fields count from the
/// last parenthesis.
fn parse_cpu(stat: &str) -> Option<Duration> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_ascii_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(ticks(user + system))
}

fn parse_memory(status: &str) -> Option<Memory> {
    let bytes = |name: &str| {
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
        Some(kib * 1024)
    };
    Some(Memory {
        resident_bytes: bytes("VmRSS")?,
        anonymous_bytes: bytes("RssAnon")?,
        file_bytes: bytes("RssFile")?,
        peak_bytes: bytes("VmHWM")?,
    })
}

fn parse_open_files(limits: &str) -> Option<(u64, u64)> {
    let mut fields = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))?
        .split_ascii_whitespace();
    let mut limit = || match fields.next()? {
        "unlimited" => Some(u64::MAX),
        number => number.parse().ok(),
    };
    Some((limit()?, limit()?))
}

#[cfg(test)]
mod tests {
    use std::{hint::black_box, process, time::Instant};

    use super::*;

    #[test]
    fn cpu_is_found_behind_a_name_with_blanks_and_parentheses() {
        let stat = "4242 (a (b) c) S 1 2 3 4 -1 4194304 97 0 0 0 1234 66 5 7 20 0 1 0 128032 3133440 396";
        assert_eq!(parse_cpu(stat), Some(Duration::from_millis(13_000)));
        assert_eq!(parse_cpu("4242 (name) S 1 2"), None);
        assert_eq!(parse_cpu(""), None);
    }

    #[test]
    fn memory_is_read_in_bytes() {
        let status = "Name:\tx\nVmPeak:\t  9 kB\nVmHWM:\t    2048 kB\nVmRSS:\t    1024 kB\nRssAnon:\t     512 kB\n\
                      RssFile:\t     500 kB\nRssShmem:\t      12 kB\n";
        let memory = parse_memory(status).unwrap();
        assert_eq!(memory.resident_bytes, 1024 * 1024);
        assert_eq!(memory.anonymous_bytes, 512 * 1024);
        assert_eq!(memory.file_bytes, 500 * 1024);
        assert_eq!(memory.peak_bytes, 2048 * 1024);
    }

    #[test]
    fn a_process_that_has_ended_has_no_memory_figures() {
        assert_eq!(parse_memory("Name:\tx\nState:\tZ (zombie)\n"), None);
    }

    #[test]
    fn the_limits_of_open_files_may_be_unlimited() {
        let limits = "Limit   Soft Limit   Hard Limit   Units\nMax open files            1024      524288    files\n";
        assert_eq!(parse_open_files(limits), Some((1024, 524_288)));
        assert_eq!(
            parse_open_files("Max open files  64 unlimited files"),
            Some((64, u64::MAX))
        );
        assert_eq!(parse_open_files("Max processes  64 64"), None);
    }

    #[test]
    fn this_process_has_figures_that_grow_with_what_it_does() {
        let pid = process::id();
        let before = (cpu(pid).unwrap(), memory(pid).unwrap().anonymous_bytes);
        let held = black_box(vec![1_u8; 64 << 20]);
        let deadline = Instant::now() + Duration::from_secs(20);
        while cpu(pid).unwrap() < before.0 + Duration::from_millis(50) {
            assert!(Instant::now() < deadline, "50 ms of CPU were never counted");
            black_box((0..10_000_u64).map(black_box).sum::<u64>());
        }
        assert!(memory(pid).unwrap().anonymous_bytes >= before.1 + (48 << 20));
        drop(held);
        assert!(open_files_limit().unwrap().0 > 0);
    }
}
