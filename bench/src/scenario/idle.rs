//! What an idle session costs in memory.

use std::{thread, time::Duration};

use futures_util::{StreamExt, TryStreamExt, stream};
use serde::Serialize;
use tokio::{
    runtime,
    task::{JoinSet, LocalSet},
    time::sleep,
};

use crate::{
    clients::{Client, Target, TurnError, ws::WsClient},
    error::BenchError,
    proc::process::{Memory, memory},
    run::float,
};

const CONNECT_AT_ONCE: usize = 32;
/// Connected before memory is first looked at, so that what the first connection alone costs is not spread over the rest.
const FIRST_SESSIONS: usize = 64;

/// The memory of a server with and without idle sessions.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Idle {
    /// How many sessions were connected between the two.
    pub(crate) sessions: usize,
    /// Before.
    pub(crate) before: Memory,
    /// With them.
    pub(crate) with: Memory,
    /// How many of them the server ended meanwhile: the figure below is wrong where this is not 0.
    pub(crate) lost: usize,
}

impl Idle {
    /// What each session added to resident memory, in bytes; below 0 where memory shrank meanwhile.
    pub(crate) fn bytes_per_session(&self) -> f64 {
        let added = float(self.with.resident_bytes) - float(self.before.resident_bytes);
        #[expect(clippy::cast_precision_loss, reason = "a count far below 2^53")]
        let sessions = self.sessions.max(1) as f64;
        added / sessions
    }
}

/// The memory of a server that has been left alone for `settle`.
///
/// # Errors
/// Where its figures cannot be read.
pub(crate) fn measure_alone(pid: u32, settle: Duration) -> Result<Memory, BenchError> {
    thread::sleep(settle);
    memory(pid)
}

/// Connects `sessions` new sessions by WebSocket, leaves them idle for `settle`, and looks at the server's memory before
/// and after. Heartbeats are answered meanwhile.
///
/// # Errors
/// Where a session cannot be connected, or the server's figures cannot be read.
pub(crate) fn measure(target: &Target, pid: u32, sessions: usize, settle: Duration) -> Result<Idle, BenchError> {
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(BenchError::io("start a runtime"))?;
    let local = LocalSet::new();
    local.block_on(&runtime, async {
        let mut held = JoinSet::new();
        connect(target, FIRST_SESSIONS, &mut held).await?;
        sleep(settle).await;
        let before = memory(pid)?;
        connect(target, sessions, &mut held).await?;
        sleep(settle).await;
        let with = memory(pid)?;
        let mut lost = 0;
        while held.try_join_next().is_some() {
            lost += 1;
        }
        Ok(Idle {
            sessions,
            before,
            with,
            lost,
        })
    })
}

async fn connect(target: &Target, count: usize, held: &mut JoinSet<TurnError>) -> Result<(), BenchError> {
    let clients: Vec<WsClient> = stream::iter(0..count)
        .map(|_| WsClient::connect(target, None))
        .buffer_unordered(CONNECT_AT_ONCE)
        .try_collect()
        .await
        .map_err(BenchError::Connect)?;
    for mut client in clients {
        held.spawn_local(async move { client.lost().await });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resident(resident_bytes: u64) -> Memory {
        Memory {
            resident_bytes,
            anonymous_bytes: 0,
            file_bytes: 0,
            peak_bytes: 0,
        }
    }

    #[test]
    fn memory_is_divided_by_the_sessions_between_the_two_looks() {
        let idle = Idle {
            sessions: 100,
            before: resident(50_000_000),
            with: resident(51_024_000),
            lost: 0,
        };
        assert!((idle.bytes_per_session() - 10_240.0).abs() < 1e-9);
        let shrunk = Idle {
            sessions: 10,
            before: resident(2000),
            with: resident(1000),
            lost: 0,
        };
        assert!(shrunk.bytes_per_session() < 0.0);
    }
}
