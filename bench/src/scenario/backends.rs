//! What is embedded beside servers of its own: the same loads on SQLite with snapshots in the process, and on PostgreSQL with
//! snapshots in Redis, by turns.

use std::{fs, path::Path};

use orchestratai_testing::{Postgres, Redis};
use serde::Serialize;

use crate::{
    clients::ws::WsClient,
    error::BenchError,
    histogram::Percentiles,
    load::{Load, drive},
    report::{Bar, Row},
    run::Run,
    server::{Launch, ServerProcess},
};

const DATABASE: &str = "ORCHESTRATAI__STORE__URL";
const REDIS: &str = "ORCHESTRATAI__REDIS__URL";
/// So much of the throughput with what is embedded is to be left with servers, on the same cores.
const THROUGHPUT_LEFT: f64 = 0.5;

/// A PostgreSQL and a Redis that only the server under measurement uses.
#[derive(Debug)]
pub(crate) struct Servers {
    postgres: Postgres,
    redis: Redis,
}

impl Servers {
    /// Starts them; none where one is not installed.
    pub(crate) fn start() -> Option<Self> {
        (Postgres::is_installed() && Redis::is_installed()).then(|| Self {
            postgres: Postgres::start(),
            redis: Redis::start(),
        })
    }

    /// `launch` with an empty database of theirs, and the Redis.
    pub(super) fn launch(&self, launch: &Launch) -> Launch {
        launch
            .with(DATABASE, &self.postgres.database())
            .with(REDIS, &self.redis.url())
    }
}

/// The same load on either, one after the other.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Pair {
    /// With what is embedded.
    pub(crate) embedded: Run,
    /// With PostgreSQL and Redis.
    pub(crate) servers: Run,
}

impl Pair {
    /// The throughput with servers, as a part of that with what is embedded.
    fn throughput_left(&self) -> f64 {
        self.servers.turns_per_second / self.embedded.turns_per_second
    }
}

/// Everything that was measured, in the order of rounds.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Backends {
    /// Closed loop over WebSocket.
    pub(crate) closed: Vec<Pair>,
    /// Open loop over WebSocket.
    pub(crate) open: Vec<Pair>,
}

impl Backends {
    /// All loads.
    pub(crate) fn runs(&self) -> impl Iterator<Item = &Run> {
        let pairs = self.closed.iter().chain(&self.open);
        pairs.flat_map(|pair| [&pair.embedded, &pair.servers])
    }

    /// Its lines of the table. Without figures they say why.
    pub(crate) fn rows(&self, per_second: u32) -> Vec<Row> {
        if self.closed.is_empty() && self.open.is_empty() {
            let why = "with PostgreSQL and Redis: left out, they are not installed";
            return vec![Row::new(why, "", None, Vec::new())];
        }
        let name = |what: &str| format!("with PostgreSQL and Redis: {what}");
        let throughput = |of: fn(&Pair) -> f64| self.closed.iter().map(of).collect();
        let mut rows = vec![
            Row::new(
                name("throughput, WebSocket, closed loop"),
                "turns/s",
                None,
                throughput(|pair| pair.servers.turns_per_second),
            ),
            Row::new(
                name("the same as a part of that with what is embedded"),
                "×",
                Some(Bar::AtLeast(THROUGHPUT_LEFT)),
                throughput(Pair::throughput_left),
            ),
        ];
        rows.extend(self.latencies("first event", per_second, |run| &run.first_event));
        rows.extend(self.latencies("whole turn", per_second, |run| &run.turn));
        rows
    }

    /// One latency of the open loop, with servers and with what is embedded.
    fn latencies(&self, what: &str, per_second: u32, of: fn(&Run) -> &Percentiles) -> [Row; 2] {
        let p99 = |run: fn(&Pair) -> &Run| self.open.iter().map(|pair| of(run(pair)).p99_ms).collect();
        let name = format!("with PostgreSQL and Redis: {what}, {per_second}/s, p99");
        let beside = format!("{name}, with what is embedded beside it");
        [
            Row::new(name, "ms", None, p99(|pair| &pair.servers)),
            Row::new(beside, "ms", None, p99(|pair| &pair.embedded)),
        ]
    }
}

/// Puts `load` on one and on the other, each on an empty database with its data in `dir`. Which is first changes with each
/// round, so that a machine that gets slower does not favour either.
///
/// # Errors
/// What kept it from measuring.
pub(crate) fn measure(
    launch: &Launch,
    servers: &Servers,
    dir: &Path,
    load: &Load,
    round: usize,
    tell: &dyn Fn(&str),
) -> Result<Pair, BenchError> {
    let run = |launch: &Launch, label: &str| {
        let run = run(launch, dir, load)?.labelled(format!("{label}, round {round}"));
        tell(&run.text());
        Ok(run)
    };
    let embedded = || run(launch, "embedded");
    let with_servers = || {
        let run = run(&servers.launch(launch), "PostgreSQL and Redis")?;
        // Most of what others use is the servers' own share here.
        Ok(Run {
            others_cpu_share: None,
            ..run
        })
    };
    if round % 2 == 1 {
        let embedded = embedded()?;
        let servers = with_servers()?;
        return Ok(Pair { embedded, servers });
    }
    let servers = with_servers()?;
    let embedded = embedded()?;
    Ok(Pair { embedded, servers })
}

fn run(launch: &Launch, dir: &Path, load: &Load) -> Result<Run, BenchError> {
    let data = dir.join("backends");
    let server = ServerProcess::start(launch, &data)?;
    let run = drive::<WsClient>(&server.target(), load, Some(server.pid()))?;
    server.stop()?;
    fs::remove_dir_all(&data).map_err(BenchError::io(format!("delete {}", data.display())))?;
    Ok(run)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_installed_is_said_and_is_no_miss() {
        let rows = Backends::default().rows(1000);
        assert_eq!(rows.len(), 1);
        assert!(rows[0].measure.contains("not installed") && rows[0].bar.is_none());
    }
}
