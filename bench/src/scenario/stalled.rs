//! Clients that subscribe and never read, beside clients that do: what they cost the server and the others.

use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use futures_util::{StreamExt, TryStreamExt, stream};
use serde::Serialize;
use tokio::runtime;
use uuid::Uuid;

use crate::{
    clients::{Target, TurnError, ws::WsClient},
    error::BenchError,
    load::{Load, drive},
    proc::{process::memory, sockets::established},
    run::{Run, float},
};

const CONNECT_AT_ONCE: usize = 32;
const LOOK_AT_MEMORY_EVERY: Duration = Duration::from_millis(100);
const LOOK_AT_SOCKETS_EVERY: Duration = Duration::from_millis(250);

/// How it went with stalled sockets, and without them.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Stalled {
    /// How many there were.
    pub(crate) sockets: usize,
    /// The same load before them.
    pub(crate) control: Run,
    /// The load beside them.
    pub(crate) beside: Run,
    /// The most that was resident during the control run.
    pub(crate) control_peak_bytes: u64,
    /// The most that was resident beside them.
    pub(crate) beside_peak_bytes: u64,
    /// How many the server had still not cut off when waiting for that ended.
    pub(crate) still_connected: usize,
    /// When the last was cut off, from the begin of the load beside them; none where some never were.
    pub(crate) gone_after_s: Option<f64>,
}

impl Stalled {
    /// What they added to the peak of resident memory, in MiB; below 0 where there was less.
    pub(crate) fn added_mib(&self) -> f64 {
        (float(self.beside_peak_bytes) - float(self.control_peak_bytes)) / 1_048_576.0
    }
}

/// Runs `load` once alone and once while `sockets` sockets follow its sessions without reading; then waits up to
/// `wait_gone` until the server has cut them all off.
///
/// # Errors
/// Where the loads cannot be measured, or the sockets cannot be connected.
pub(crate) fn measure(
    target: &Target,
    pid: u32,
    load: &Load,
    sockets: usize,
    wait_gone: Duration,
) -> Result<Stalled, BenchError> {
    let with_ids = || Load {
        ids: (0..load.sessions).map(|_| Uuid::now_v7()).collect(),
        ..load.clone()
    };
    let (control, control_peak_bytes) = peak_during(pid, || drive::<WsClient>(target, &with_ids(), Some(pid)))?;

    let load = with_ids();
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(BenchError::io("start a runtime"))?;
    // Held, and never polled again.
    let stalled = runtime
        .block_on(connect(target, &load.ids, sockets))
        .map_err(BenchError::Connect)?;
    let ports: HashSet<u16> = stalled
        .iter()
        .map(WsClient::local_port)
        .collect::<Result<_, TurnError>>()
        .map_err(BenchError::Connect)?;
    let begun = Instant::now();
    let (beside, beside_peak_bytes) = peak_during(pid, || drive::<WsClient>(target, &load, Some(pid)))?;

    let (still_connected, gone_after_s) = loop {
        let left = established(target.addr.port(), &ports)?;
        if left == 0 {
            break (0, Some(begun.elapsed().as_secs_f64()));
        }
        if begun.elapsed() >= load.warm_up + load.measured + wait_gone {
            break (left, None);
        }
        thread::sleep(LOOK_AT_SOCKETS_EVERY);
    };
    drop(stalled);
    Ok(Stalled {
        sockets,
        control: control.labelled("control, nobody stalled"),
        beside: beside.labelled(format!("beside {sockets} stalled sockets")),
        control_peak_bytes,
        beside_peak_bytes,
        still_connected,
        gone_after_s,
    })
}

async fn connect(target: &Target, ids: &[Uuid], sockets: usize) -> Result<Vec<WsClient>, TurnError> {
    stream::iter(ids.iter().cycle().take(sockets))
        .map(|id| WsClient::connect_to_stall(target, *id))
        .buffer_unordered(CONNECT_AT_ONCE)
        .try_collect()
        .await
}

/// The most memory that was resident while `work` was done.
fn peak_during<T>(pid: u32, work: impl FnOnce() -> Result<T, BenchError>) -> Result<(T, u64), BenchError> {
    let done = Arc::new(AtomicBool::new(false));
    let until = Arc::clone(&done);
    let watcher = thread::spawn(move || -> Result<u64, BenchError> {
        let mut peak = 0;
        loop {
            // Asked before the look, so that there is one look after the end.
            let last = until.load(Ordering::Acquire);
            peak = peak.max(memory(pid)?.resident_bytes);
            if last {
                return Ok(peak);
            }
            thread::sleep(LOOK_AT_MEMORY_EVERY);
        }
    });
    let outcome = work();
    done.store(true, Ordering::Release);
    let peak = watcher.join().map_err(|_| BenchError::Panicked)?;
    Ok((outcome?, peak?))
}

#[cfg(test)]
mod tests {
    use std::process;

    use super::*;

    #[test]
    fn a_peak_that_has_passed_is_remembered() {
        let before = memory(process::id()).unwrap().resident_bytes;
        let ((), peak) = peak_during(process::id(), || {
            let held = std::hint::black_box(vec![1_u8; 96 << 20]);
            thread::sleep(Duration::from_millis(400));
            drop(held);
            Ok(())
        })
        .unwrap();
        assert!(peak >= before + (64 << 20), "{before} then {peak}");
    }

    #[test]
    fn an_error_of_the_work_is_passed_on() {
        let outcome = peak_during(process::id(), || Err::<(), _>(BenchError::Panicked));
        assert!(matches!(outcome, Err(BenchError::Panicked)));
    }
}
