//! The whole suite: several rounds of everything, and one table.

mod bars;

use std::{path::Path, time::Duration};

use serde::Serialize;

use super::{
    backends::{self, Backends, Servers},
    idle::{self, Idle},
    nodes::{self, Nodes},
    stalled::{self, Stalled},
};
use crate::{
    clients::{rest::RestClient, ws::WsClient},
    control::measure_fsync,
    error::BenchError,
    histogram::Percentiles,
    load::{Load, Pace, drive},
    run::{Run, float},
    server::{Launch, ServerProcess},
};
pub(crate) use bars::table;

/// The setting that decides what a commit waits for.
pub(crate) const DURABILITY: &str = "ORCHESTRATAI__STORE__DURABILITY";
/// The setting that lets a transformer rank where search is unsure. The bars are for the core alone; what it costs is shown
/// beside them.
pub(crate) const CASCADE: &str = "ORCHESTRATAI__RETRIEVAL__CASCADE";

const MIB: f64 = 1_048_576.0;
const FSYNC_PER_SECOND: u32 = 200;

/// How much of it.
#[derive(Debug, Clone)]
pub(crate) struct Scale {
    /// How often everything is measured; medians are reported.
    pub(crate) rounds: usize,
    /// Sessions of each load.
    pub(crate) sessions: usize,
    /// Threads of the generator.
    pub(crate) threads: usize,
    /// Turns a second of the open loop: half of the throughput that is wanted.
    pub(crate) per_second: u32,
    /// How long each load runs before it is measured.
    pub(crate) warm_up: Duration,
    /// How long each load is measured.
    pub(crate) measured: Duration,
    /// How long each control takes.
    pub(crate) fsync: Duration,
    /// How long the server is left alone before its memory is looked at.
    pub(crate) settle: Duration,
    /// Idle sessions.
    pub(crate) idle_sessions: usize,
    /// Stalled sockets; 0 leaves that part out.
    pub(crate) stalled_sockets: usize,
    /// How long to wait for the server to cut them off.
    pub(crate) wait_gone: Duration,
}

/// Latencies of the open loop, for each protocol in the order of rounds.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct OpenLoop {
    /// Over WebSocket.
    pub(crate) ws: Vec<Run>,
    /// Over REST.
    pub(crate) rest: Vec<Run>,
}

/// Everything that was measured, in the order of rounds.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Measured {
    /// Seconds until ready, on an empty folder.
    pub(crate) ready_empty_s: Vec<f64>,
    /// The same on a folder that holds the demo knowledge base and no turns.
    pub(crate) ready_existing_s: Vec<f64>,
    /// The same on the folder after the loads.
    pub(crate) ready_loaded_s: Vec<f64>,
    /// MiB resident when idle, after a start that made the database.
    pub(crate) idle_first_mib: Vec<f64>,
    /// MiB resident when idle, after a start that found it.
    pub(crate) idle_again_mib: Vec<f64>,
    /// Idle sessions.
    pub(crate) idle_sessions: Vec<Idle>,
    /// Closed loop over WebSocket.
    pub(crate) closed_ws: Vec<Run>,
    /// Closed loop over REST.
    pub(crate) closed_rest: Vec<Run>,
    /// The control: append and fdatasync.
    pub(crate) fsync: Vec<Percentiles>,
    /// Open loop, durability `full`.
    pub(crate) full: OpenLoop,
    /// Open loop, durability `process`.
    pub(crate) process: OpenLoop,
    /// Open loop over WebSocket with the second stage of search, durability `full`.
    pub(crate) cascade_ws: Vec<Run>,
    /// Open and closed loop with PostgreSQL and Redis, and without; empty where they are not installed.
    pub(crate) backends: Backends,
    /// Closed loop on one node and on two; empty where these are not installed.
    pub(crate) nodes: Nodes,
    /// MiB resident after that load.
    pub(crate) cascade_mib: Vec<f64>,
    /// Stalled sockets.
    pub(crate) stalled: Option<Stalled>,
}

impl Measured {
    /// All loads.
    pub(crate) fn runs(&self) -> impl Iterator<Item = &Run> {
        let loads = [&self.closed_ws, &self.closed_rest, &self.full.ws, &self.full.rest];
        let others = [&self.process.ws, &self.process.rest, &self.cascade_ws];
        let stalled = self
            .stalled
            .iter()
            .flat_map(|stalled| [&stalled.control, &stalled.beside]);
        let backends = self.backends.runs().chain(self.nodes.runs());
        loads.into_iter().chain(others).flatten().chain(stalled).chain(backends)
    }
}

/// Measures everything, with the servers' data in `dir`. `tell` is given each figure as it comes, for who waits.
///
/// # Errors
/// The first thing that could not be measured.
pub(crate) fn measure(launch: &Launch, dir: &Path, scale: &Scale, tell: &dyn Fn(&str)) -> Result<Measured, BenchError> {
    let mut measured = Measured::default();
    let suite = Suite {
        launch: &launch.with(CASCADE, "false"),
        dir,
        scale,
        tell,
    };
    let servers = Servers::start();
    if servers.is_none() {
        tell("PostgreSQL or Redis is not installed: nothing is measured with them");
    }
    for round in 1..=scale.rounds {
        tell(&format!("round {round} of {}", scale.rounds));
        suite.full_round(round, &mut measured)?;
        suite.process_round(round, &mut measured)?;
        suite.cascade_round(round, &mut measured)?;
        if let Some(servers) = &servers {
            suite.backends_round(round, servers, &mut measured)?;
        }
    }
    if scale.stalled_sockets > 0 {
        measured.stalled = Some(suite.stalled()?);
    }
    Ok(measured)
}

struct Suite<'a> {
    launch: &'a Launch,
    dir: &'a Path,
    scale: &'a Scale,
    tell: &'a dyn Fn(&str),
}

impl Suite<'_> {
    fn full_round(&self, round: usize, measured: &mut Measured) -> Result<(), BenchError> {
        let name = format!("full-{round}");
        let launch = self.launch.with(DURABILITY, "full");
        let label = format!("durability full, round {round}");
        let data = self.dir.join(&name);

        let server = ServerProcess::start(&launch, &data)?;
        measured.ready_empty_s.push(server.ready_after().as_secs_f64());
        let memory = idle::measure_alone(server.pid(), self.scale.settle)?;
        measured.idle_first_mib.push(float(memory.resident_bytes) / MIB);
        (self.tell)(&format!(
            "  ready after {:.3} s on an empty folder",
            server.ready_after().as_secs_f64()
        ));
        server.stop()?;

        let server = ServerProcess::start(&launch, &data)?;
        measured.ready_existing_s.push(server.ready_after().as_secs_f64());
        let memory = idle::measure_alone(server.pid(), self.scale.settle)?;
        measured.idle_again_mib.push(float(memory.resident_bytes) / MIB);
        let idle = idle::measure(
            &server.target(),
            server.pid(),
            self.scale.idle_sessions,
            self.scale.settle,
        )?;
        (self.tell)(&format!(
            "  {:.1} KiB for each of {} idle sessions",
            idle.bytes_per_session() / 1024.0,
            idle.sessions
        ));
        measured.idle_sessions.push(idle);

        measured.closed_ws.push(self.ws(&server, Pace::Closed, &label)?);
        measured.closed_rest.push(self.rest(&server, Pace::Closed, &label)?);
        let open = Pace::Open {
            per_second: self.scale.per_second,
        };
        measured.fsync.push(self.control()?);
        measured.full.ws.push(self.ws(&server, open, &label)?);
        measured.fsync.push(self.control()?);
        measured.full.rest.push(self.rest(&server, open, &label)?);
        measured.fsync.push(self.control()?);
        server.stop()?;

        let server = ServerProcess::start(&launch, &data)?;
        measured.ready_loaded_s.push(server.ready_after().as_secs_f64());
        server.stop()?;
        self.delete(&name)
    }

    fn process_round(&self, round: usize, measured: &mut Measured) -> Result<(), BenchError> {
        let name = format!("process-{round}");
        let label = format!("durability process, round {round}");
        let server = ServerProcess::start(&self.launch.with(DURABILITY, "process"), &self.dir.join(&name))?;
        let open = Pace::Open {
            per_second: self.scale.per_second,
        };
        measured.process.ws.push(self.ws(&server, open, &label)?);
        measured.process.rest.push(self.rest(&server, open, &label)?);
        server.stop()?;
        self.delete(&name)
    }

    fn cascade_round(&self, round: usize, measured: &mut Measured) -> Result<(), BenchError> {
        let name = format!("cascade-{round}");
        let launch = self.launch.with(DURABILITY, "full").with(CASCADE, "true");
        let server = ServerProcess::start(&launch, &self.dir.join(&name))?;
        let open = Pace::Open {
            per_second: self.scale.per_second,
        };
        let run = self.ws(&server, open, &format!("with the second stage, round {round}"))?;
        measured.cascade_ws.push(run);
        let memory = idle::measure_alone(server.pid(), self.scale.settle)?;
        measured.cascade_mib.push(float(memory.resident_bytes) / MIB);
        server.stop()?;
        self.delete(&name)
    }

    fn backends_round(&self, round: usize, servers: &Servers, measured: &mut Measured) -> Result<(), BenchError> {
        let launch = self.launch.with(DURABILITY, "full");
        let open = Pace::Open {
            per_second: self.scale.per_second,
        };
        let measure = |pace| backends::measure(&launch, servers, self.dir, &self.load(pace), round, self.tell);
        measured.backends.closed.push(measure(Pace::Closed)?);
        measured.backends.open.push(measure(open)?);
        let load = self.load(Pace::Closed);
        let nodes = nodes::measure(&launch, servers, self.dir, &load, round, self.tell)?;
        measured.nodes.0.push(nodes);
        Ok(())
    }

    fn stalled(&self) -> Result<Stalled, BenchError> {
        let name = "stalled";
        let server = ServerProcess::start(&self.launch.with(DURABILITY, "full"), &self.dir.join(name))?;
        let load = self.load(Pace::Open {
            per_second: self.scale.per_second,
        });
        let (sockets, wait) = (self.scale.stalled_sockets, self.scale.wait_gone);
        let stalled = stalled::measure(&server.target(), server.pid(), &load, sockets, wait)?;
        (self.tell)(&indented(&stalled.control.text()));
        (self.tell)(&indented(&stalled.beside.text()));
        server.stop()?;
        self.delete(name)?;
        Ok(stalled)
    }

    fn ws(&self, server: &ServerProcess, pace: Pace, label: &str) -> Result<Run, BenchError> {
        let run = drive::<WsClient>(&server.target(), &self.load(pace), Some(server.pid()))?.labelled(label);
        (self.tell)(&indented(&run.text()));
        Ok(run)
    }

    fn rest(&self, server: &ServerProcess, pace: Pace, label: &str) -> Result<Run, BenchError> {
        let run = drive::<RestClient>(&server.target(), &self.load(pace), Some(server.pid()))?.labelled(label);
        (self.tell)(&indented(&run.text()));
        Ok(run)
    }

    /// Between the loads, not during them: beside a load it would measure the load.
    fn control(&self) -> Result<Percentiles, BenchError> {
        let found = measure_fsync(self.dir, FSYNC_PER_SECOND, self.scale.fsync)?;
        (self.tell)(&format!(
            "  control: append and fdatasync, p50 {:.3} ms, p99 {:.3} ms",
            found.p50_ms, found.p99_ms
        ));
        Ok(found)
    }

    fn load(&self, pace: Pace) -> Load {
        Load {
            pace,
            sessions: self.scale.sessions,
            threads: self.scale.threads,
            warm_up: self.scale.warm_up,
            measured: self.scale.measured,
            ids: Vec::new(),
        }
    }

    /// Frees the disk for the next round.
    fn delete(&self, name: &str) -> Result<(), BenchError> {
        let data = self.dir.join(name);
        std::fs::remove_dir_all(&data).map_err(BenchError::io(format!("delete {}", data.display())))
    }
}

fn indented(text: &str) -> String {
    text.lines()
        .map(|line| format!("  {line}"))
        .collect::<Vec<_>>()
        .join("\n")
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt};

    use super::*;

    #[test]
    fn a_small_suite_measures_everything_and_leaves_no_data_behind() {
        let dir = tempfile::tempdir().unwrap();
        let binary = dir.path().join("server");
        let this = std::env::current_exe().unwrap();
        // The arguments are `serve --host H --port P …`.
        let script =
            format!("#!/bin/sh\nSTANDIN_PORT=\"$5\" exec {this:?} --ignored --exact standin::serve_as_a_process\n");
        fs::write(&binary, script).unwrap();
        fs::set_permissions(&binary, fs::Permissions::from_mode(0o755)).unwrap();

        let scale = Scale {
            rounds: 1,
            sessions: 8,
            threads: 1,
            per_second: 50,
            warm_up: Duration::from_millis(100),
            measured: Duration::from_millis(500),
            settle: Duration::from_millis(50),
            idle_sessions: 20,
            stalled_sockets: 12,
            wait_gone: Duration::from_secs(20),
            fsync: Duration::from_millis(200),
        };
        let measured = measure(
            &Launch {
                binary,
                settings: Vec::new(),
            },
            dir.path(),
            &scale,
            &|_| (),
        )
        .unwrap();

        assert_eq!(
            (
                measured.ready_empty_s.len(),
                measured.ready_loaded_s.len(),
                measured.fsync.len()
            ),
            (1, 1, 3)
        );
        assert_eq!((measured.full.ws.len(), measured.process.rest.len()), (1, 1));
        assert_eq!(measured.runs().count(), 7 + 2 + 4 + 4);
        for run in measured.runs() {
            assert!(run.errors.is_empty() && run.server_memory.is_some(), "{}", run.text());
        }
        let stalled = measured.stalled.as_ref().unwrap();
        assert_eq!(stalled.still_connected, 0);
        assert!(stalled.gone_after_s.is_some());
        let table = table(&measured, &scale);
        assert!(table.rows.iter().all(|row| row.measured.is_some()), "{table}");
        let left: Vec<_> = fs::read_dir(dir.path())
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        assert!(left.iter().all(|path| path.is_file()), "{left:?}");
    }
}
