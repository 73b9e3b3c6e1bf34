//! Figures of processes and of the machine, from `/proc` (proc(5)).

pub(crate) mod machine;
pub(crate) mod process;
pub(crate) mod sockets;

use std::{fs, time::Duration};

use crate::error::BenchError;

/// `/proc` counts CPU in ticks of `USER_HZ`, which is 100 a second on every architecture that Linux serves (time(7)).
const TICKS_PER_SECOND: u64 = 100;

fn ticks(count: u64) -> Duration {
    Duration::from_millis(count * 1000 / TICKS_PER_SECOND)
}

fn read(path: &str) -> Result<String, BenchError> {
    fs::read_to_string(path).map_err(BenchError::read(path))
}
