//! The control: what the disk alone costs. A commit cannot be faster than the write it waits for, so the bars of latency
//! are multiples of this figure, taken in the same run and on the same file system as the server's data.

use std::{
    fs::File,
    io::Write,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use uuid::Uuid;

use crate::{
    arrival::Schedule,
    error::BenchError,
    histogram::{Latencies, Percentiles},
};

/// What is appended each time.
pub(crate) const BLOCK_BYTES: usize = 4096;

/// Appends a block and waits for fdatasync, `per_second` times a second for `duration`, in a file in `dir` that is deleted
/// afterwards. Each latency counts from when the write really began: a device that falls behind the pace must not make
/// the bar easier to pass.
///
/// # Errors
/// Where the file cannot be made or written.
pub(crate) fn measure_fsync(dir: &Path, per_second: u32, duration: Duration) -> Result<Percentiles, BenchError> {
    let path = dir.join("fsync-control");
    let mut file = File::create(&path).map_err(BenchError::io(format!("create {}", path.display())))?;
    // Random, for file systems that compress; unnamed from now on, so that it goes away with this process.
    let block: Vec<u8> = (0..BLOCK_BYTES / 16)
        .flat_map(|_| Uuid::new_v4().into_bytes())
        .collect();
    std::fs::remove_file(&path).map_err(BenchError::io(format!("delete {}", path.display())))?;

    let mut latencies = Latencies::new();
    let begin = Instant::now();
    let schedule = Schedule::new(begin, begin + duration, per_second);
    for arrival in (0..).map_while(|index| schedule.arrival(index)) {
        thread::sleep(arrival.intended.saturating_duration_since(Instant::now()));
        let started = Instant::now();
        file.write_all(&block)
            .map_err(BenchError::io("append to the control file"))?;
        file.sync_data().map_err(BenchError::io("sync the control file"))?;
        latencies.record(started.elapsed());
    }
    Ok(latencies.percentiles())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_append_of_the_pace_is_measured_and_nothing_is_left_behind() {
        let dir = tempfile::tempdir().unwrap();
        let found = measure_fsync(dir.path(), 100, Duration::from_millis(200)).unwrap();
        assert_eq!(found.count, 20);
        assert!(found.p50_ms > 0.0 && found.p50_ms <= found.p99_ms && found.p99_ms <= found.max_ms);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_folder_that_is_not_there_is_named() {
        let error = measure_fsync(Path::new("/nowhere/at/all"), 1, Duration::from_secs(1)).unwrap_err();
        assert!(error.to_string().contains("/nowhere/at/all"), "{error}");
    }
}
