//! How long a start takes, on an empty folder and on one that has data.

use std::path::Path;

use crate::{
    error::BenchError,
    server::{Launch, ServerProcess},
};

/// Starts the server and stops it again, `times` times; seconds from the start of the process to the first 200 of
/// `/api/health`. With `empty` each start has a folder of its own; without, all have the same one, which is filled by a
/// start that does not count.
///
/// # Errors
/// Where a server does not start or does not stop.
pub(crate) fn measure(launch: &Launch, dir: &Path, times: usize, empty: bool) -> Result<Vec<f64>, BenchError> {
    let start = |name: &str| -> Result<f64, BenchError> {
        let server = ServerProcess::start(launch, &dir.join(name))?;
        let seconds = server.ready_after().as_secs_f64();
        server.stop()?;
        Ok(seconds)
    };
    if !empty {
        start("existing")?;
    }
    (0..times)
        .map(|index| {
            start(&if empty {
                format!("empty-{index}")
            } else {
                "existing".to_owned()
            })
        })
        .collect()
}
