//! From arguments to figures.

use std::{
    fs,
    io::{Write, stdout},
    path::Path,
    process::ExitCode,
    time::Duration,
};

use serde::Serialize;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    args::{AllArgs, Arguments, BackendsArgs, Command, Common, IdleArgs, LoadArgs, Loop, ProvidersArgs, StalledArgs},
    clients::{Client, Target, rest::RestClient, ws::WsClient},
    control::measure_fsync,
    descriptors,
    error::BenchError,
    histogram::{Percentiles, median},
    load::drive,
    proc::machine::Machine,
    progress::say,
    report::{Row, Table},
    run::float,
    scenario::{
        backends::{self, Backends, Servers},
        idle, knowledge,
        nodes::{self, Nodes},
        providers, stalled, start,
        suite::{self, CASCADE, DURABILITY, Scale},
    },
    server::{Launch, ServerProcess},
};

const MIB: f64 = 1_048_576.0;
/// At 200 a second: ten samples beyond its p99 each time.
const FSYNC: Duration = Duration::from_secs(5);
const SETTLE: Duration = Duration::from_secs(3);
/// The exit code of `all --strict` where a bar is missed: nothing went wrong, and it is not good enough.
const MISSED: u8 = 2;

/// Does what the arguments say.
///
/// # Errors
/// What kept it from measuring.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode, BenchError> {
    let common = &arguments.common;
    fs::create_dir_all(&common.dir).map_err(BenchError::io(format!("create {}", common.dir.display())))?;
    let dir = tempfile::Builder::new()
        .prefix("run-")
        .tempdir_in(&common.dir)
        .map_err(BenchError::io(format!("create a folder in {}", common.dir.display())))?;
    let machine = Machine::look(dir.path())?;
    say(&format!(
        "{} cores, {}, Linux {}, {}",
        machine.cores, machine.processor, machine.kernel, machine.file_system
    ));
    if machine.keeps_data_in_memory() {
        say(&format!(
            "{} is kept in memory: durability costs nothing there; name a disk by --dir",
            dir.path().display()
        ));
    }
    let bench = Bench { common, dir };
    let (text, figures, code) = match &arguments.command {
        Command::All(args) => bench.all(args)?,
        Command::Ws(args) => bench.load::<WsClient>(args)?,
        Command::Rest(args) => bench.load::<RestClient>(args)?,
        Command::Idle(args) => bench.idle(args)?,
        Command::Start(args) => bench.start(args.times)?,
        Command::Fsync(args) => bench.fsync(args.rate, Duration::from_secs(args.seconds))?,
        Command::Backends(args) => bench.backends(args)?,
        Command::Nodes(args) => bench.nodes(args)?,
        Command::Providers(args) => bench.providers(args)?,
        Command::Stalled(args) => bench.stalled(args)?,
        Command::Knowledge(args) => bench.knowledge(args.chunks, args.questions)?,
    };
    if let Some(path) = &common.json {
        write_json(path, &json!({ "machine": machine, "figures": figures }))?;
    }
    stdout()
        .write_all(text.as_bytes())
        .map_err(BenchError::io("write to standard output"))?;
    Ok(code)
}

/// Words for people, figures for machines, and how to end.
type Outcome = (String, Value, ExitCode);

struct Bench<'a> {
    common: &'a Common,
    /// Deleted at the end, with the data of all servers that were started.
    dir: TempDir,
}

/// A table for people, and all that was measured.
fn tabled(rows: Vec<Row>, measured: &impl Serialize) -> Outcome {
    let mut table = Table::default();
    for row in rows {
        table.push(row);
    }
    let text = format!("\n{table}");
    (text, json!({ "table": table, "measured": measured }), ExitCode::SUCCESS)
}

/// A server to measure: our own, or one that runs anyway.
struct Served {
    target: Target,
    pid: Option<u32>,
    own: Option<ServerProcess>,
}

impl Served {
    fn stop(self) -> Result<(), BenchError> {
        self.own.map_or(Ok(()), |server| server.stop().map(drop))
    }

    fn pid(&self) -> Result<u32, BenchError> {
        self.pid
            .ok_or_else(|| BenchError::Argument("name the server's process by --pid".to_owned()))
    }
}

impl Bench<'_> {
    fn all(&self, args: &AllArgs) -> Result<Outcome, BenchError> {
        let launch = self.own_server_only("all")?;
        descriptors::require(args.size.sessions + args.idle_sessions.max(args.stalled_sockets))?;
        let scale = Scale {
            rounds: args.rounds,
            sessions: args.size.sessions,
            threads: args.size.threads,
            per_second: args.size.rate,
            warm_up: Duration::from_secs(args.size.warm_up),
            measured: Duration::from_secs(args.size.seconds),
            fsync: FSYNC,
            settle: SETTLE,
            idle_sessions: args.idle_sessions,
            stalled_sockets: args.stalled_sockets,
            wait_gone: Duration::from_secs(args.wait_gone),
        };
        let measured = suite::measure(&launch, self.dir.path(), &scale, &say)?;
        let table = suite::table(&measured, &scale);
        let missed = table.missed();
        let code = if args.strict && missed > 0 {
            ExitCode::from(MISSED)
        } else {
            ExitCode::SUCCESS
        };
        Ok((
            format!("\n{table}\n{missed} missed\n"),
            json!({ "table": table, "measured": measured }),
            code,
        ))
    }

    fn load<C: Client>(&self, args: &LoadArgs) -> Result<Outcome, BenchError> {
        descriptors::require(args.size.sessions)?;
        let served = self.serve()?;
        let run = drive::<C>(&served.target, &args.size.load(args.pace), served.pid)?.labelled(self.label());
        served.stop()?;
        Ok((run.text(), json!(run), ExitCode::SUCCESS))
    }

    fn idle(&self, args: &IdleArgs) -> Result<Outcome, BenchError> {
        descriptors::require(args.sessions)?;
        let served = self.serve()?;
        let (pid, settle) = (served.pid()?, Duration::from_secs(args.settle));
        let alone = idle::measure_alone(pid, settle)?;
        let idle = idle::measure(&served.target, pid, args.sessions, settle)?;
        served.stop()?;
        let mib = |bytes: u64| float(bytes) / MIB;
        let text = format!(
            "alone: {:.1} MiB resident, {:.1} MiB of it anonymous\n{:.2} KiB more for each of {} idle sessions, {} lost\n",
            mib(alone.resident_bytes),
            mib(alone.anonymous_bytes),
            idle.bytes_per_session() / 1024.0,
            idle.sessions,
            idle.lost,
        );
        Ok((text, json!({ "alone": alone, "idle": idle }), ExitCode::SUCCESS))
    }

    fn start(&self, times: usize) -> Result<Outcome, BenchError> {
        let launch = self.own_server_only("start")?;
        let empty = start::measure(&launch, self.dir.path(), times, true)?;
        let existing = start::measure(&launch, self.dir.path(), times, false)?;
        let show = |seconds: &[f64]| {
            let all: Vec<String> = seconds.iter().map(|second| format!("{second:.3}")).collect();
            format!(
                "median {:.3} s ({})",
                median(seconds).unwrap_or_default(),
                all.join(", ")
            )
        };
        let text = format!(
            "ready, empty folder: {}\nready, existing folder: {}\n",
            show(&empty),
            show(&existing)
        );
        Ok((
            text,
            json!({ "ready_empty_s": empty, "ready_existing_s": existing }),
            ExitCode::SUCCESS,
        ))
    }

    fn fsync(&self, per_second: u32, duration: Duration) -> Result<Outcome, BenchError> {
        let found = measure_fsync(self.dir.path(), per_second, duration)?;
        let text = format!(
            "4 KiB append + fdatasync, {per_second}/s, {} in all\n  ms {}\n     {}\n",
            found.count,
            Percentiles::HEADINGS,
            found.columns()
        );
        Ok((text, json!(found), ExitCode::SUCCESS))
    }

    fn backends(&self, args: &BackendsArgs) -> Result<Outcome, BenchError> {
        let (launch, servers) = self.with_servers("backends", args)?;
        let mut found = Backends::default();
        for round in 1..=args.rounds {
            let measure = |pace| {
                let load = args.size.load(pace);
                backends::measure(&launch, &servers, self.dir.path(), &load, round, &say)
            };
            found.closed.push(measure(Loop::Closed)?);
            found.open.push(measure(Loop::Open)?);
        }
        Ok(tabled(found.rows(args.size.rate), &found))
    }

    fn nodes(&self, args: &BackendsArgs) -> Result<Outcome, BenchError> {
        let (launch, servers) = self.with_servers("nodes", args)?;
        let load = args.size.load(Loop::Closed);
        let mut found = Nodes::default();
        for round in 1..=args.rounds {
            let measured = nodes::measure(&launch, &servers, self.dir.path(), &load, round, &say)?;
            found.0.push(measured);
        }
        Ok(tabled(found.rows(), &found))
    }

    /// How servers are started for a scenario, and a PostgreSQL and a Redis for them.
    fn with_servers(&self, scenario: &str, args: &BackendsArgs) -> Result<(Launch, Servers), BenchError> {
        let launch = self.own_server_only(scenario)?.with(CASCADE, "false");
        descriptors::require(args.size.sessions)?;
        let missing = "PostgreSQL or Redis is not installed: scripts/bootstrap installs both";
        let servers = Servers::start().ok_or_else(|| BenchError::Argument(missing.to_owned()))?;
        Ok((launch, servers))
    }

    fn providers(&self, args: &ProvidersArgs) -> Result<Outcome, BenchError> {
        let launch = self.own_server_only("providers")?.with(CASCADE, "false");
        // A socket of the client, and one of the provider at either end.
        descriptors::require(args.streams * 3)?;
        let mut found = Vec::new();
        for round in 1..=args.rounds {
            let measured = providers::measure(
                &launch,
                self.dir.path(),
                args.streams,
                Duration::from_secs(args.seconds),
            )?;
            say(&format!(
                "round {round}, ms through the server, directly; {} turns went wrong {:?}\n   {}\n   {}\n   {}",
                measured.errors.len(),
                measured.errors.first(),
                Percentiles::HEADINGS,
                measured.through.columns(),
                measured.direct.columns()
            ));
            found.push(measured);
        }
        Ok(tabled(providers::rows(&found), &found))
    }

    fn stalled(&self, args: &StalledArgs) -> Result<Outcome, BenchError> {
        descriptors::require(args.size.sessions + args.sockets)?;
        let served = self.serve()?;
        let load = args.size.load(Loop::Open);
        let wait = Duration::from_secs(args.wait_gone);
        let found = stalled::measure(&served.target, served.pid()?, &load, args.sockets, wait)?;
        served.stop()?;
        let gone = found.gone_after_s.map_or_else(
            || format!("{} were never cut off", found.still_connected),
            |seconds| format!("all were cut off after {seconds:.1} s"),
        );
        let text = format!(
            "{}{}{} stalled sockets added {:.1} MiB; {gone}\n",
            found.control.text(),
            found.beside.text(),
            found.sockets,
            found.added_mib(),
        );
        Ok((text, json!(found), ExitCode::SUCCESS))
    }

    fn knowledge(&self, chunks: usize, questions: usize) -> Result<Outcome, BenchError> {
        let launch = self.own_server_only("knowledge")?.with(CASCADE, "false");
        let found = knowledge::measure(&launch, self.dir.path(), chunks, questions)?;
        let text = format!(
            "{chunks} chunks, {:.1} MB of Markdown\ntaken in within {:.2} s, {:.2} MB/s\n{:.2} KiB a chunk beyond the text\n{} searches\n  ms {}\n     {}\n",
            float(u64::try_from(found.text_bytes).unwrap_or(u64::MAX)) / 1e6,
            found.ingest_s,
            found.megabytes_per_second(),
            found.bytes_per_chunk_beyond_text() / 1024.0,
            found.search.count,
            Percentiles::HEADINGS,
            found.search.columns()
        );
        Ok((text, json!(found), ExitCode::SUCCESS))
    }

    fn serve(&self) -> Result<Served, BenchError> {
        if let Some(url) = &self.common.url {
            let target = Target {
                token: self.common.token.clone(),
                ..Target::parse(url)?
            };
            return Ok(Served {
                target,
                pid: self.common.pid,
                own: None,
            });
        }
        let server = ServerProcess::start(&self.launch(), &self.dir.path().join("data"))?;
        say(&format!(
            "server ready after {:.3} s",
            server.ready_after().as_secs_f64()
        ));
        Ok(Served {
            target: server.target(),
            pid: Some(server.pid()),
            own: Some(server),
        })
    }

    fn own_server_only(&self, command: &str) -> Result<Launch, BenchError> {
        if self.common.url.is_some() {
            return Err(BenchError::Argument(format!(
                "{command} starts and stops the server itself: leave out --url"
            )));
        }
        Ok(self.launch())
    }

    fn launch(&self) -> Launch {
        let durability = (DURABILITY.to_owned(), self.common.durability.setting().to_owned());
        let settings = std::iter::once(durability)
            .chain(self.common.settings.iter().cloned())
            .collect();
        Launch {
            binary: self.common.server.clone(),
            settings,
        }
    }

    fn label(&self) -> String {
        match self.common.url {
            Some(_) => String::new(),
            None => format!("durability {}", self.common.durability.setting()),
        }
    }
}

fn write_json(path: &Path, value: &Value) -> Result<(), BenchError> {
    fs::write(path, format!("{value:#}\n")).map_err(BenchError::io(format!("write {}", path.display())))
}
