//! Measures group commits: `cargo run --release -p orchestratai-store --example commit_rate [SECONDS [FOLDER]]`.
//!
//! A turn is two appends in two commits: its acceptance, then eight events of some 6 KB with the end. A batch holds so many
//! turns, each in another of 256 sessions. Prints turns a second, CPU time of the whole process for each turn and how much
//! of it SQLite's threads took, how much was written to log and database file, and how long a commit takes. The folder
//! decides which device is measured.

#[path = "../tests/it/conversation.rs"]
#[allow(dead_code, reason = "shared with the tests")]
mod conversation;

use std::{
    io::Write as _,
    path::PathBuf,
    time::{Duration, Instant},
};

use conversation::Conversation;
use hdrhistogram::Histogram;
use orchestratai_store::{Durability, Store, StoreSettings};

const SESSIONS: usize = 256;
/// Turns that are made before they are committed.
const TURNS_AT_ONCE: usize = 512;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let seconds: f64 = arguments.next().map_or(Ok(3.0), |text| text.parse())?;
    let folder = arguments.next().map_or_else(std::env::temp_dir, PathBuf::from);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "durability  batch   turns/s  cpu µs/turn  of it SQLite  KiB/turn  commit p50 ms  p99 ms  log MiB"
    )?;
    for durability in [Durability::Full, Durability::Process] {
        for batch in [1, 16, 100, 256] {
            let folder = tempfile::tempdir_in(&folder)?;
            let settings = StoreSettings {
                durability,
                ..StoreSettings::sqlite(&folder.path().join("rate.db"))
            };
            let figures = runtime.block_on(measure(&settings, batch, Duration::from_secs_f64(seconds)))?;
            let log = std::fs::metadata(folder.path().join("rate.db-wal")).map_or(0, |log| log.len() >> 20);
            writeln!(
                out,
                "{:<10}  {batch:>5}  {:>8.0}  {:>11.1}  {:>12.1}  {:>8.1}  {:>13.2}  {:>6.2}  {log:>7}",
                format!("{durability:?}").to_lowercase(),
                figures.turns as f64 / figures.elapsed.as_secs_f64(),
                figures.used.cpu.as_secs_f64() * 1e6 / figures.turns as f64,
                figures.used.sqlite_cpu.as_secs_f64() * 1e6 / figures.turns as f64,
                figures.used.written as f64 / 1024.0 / figures.turns as f64,
                figures.commits.value_at_quantile(0.5) as f64 / 1e3,
                figures.commits.value_at_quantile(0.99) as f64 / 1e3,
            )?;
        }
    }
    Ok(())
}

struct Figures {
    turns: u64,
    elapsed: Duration,
    used: Usage,
    /// In microseconds.
    commits: Histogram<u64>,
}

impl Figures {
    fn new() -> Result<Self, hdrhistogram::CreationError> {
        Ok(Self {
            turns: 0,
            elapsed: Duration::ZERO,
            used: Usage::default(),
            commits: Histogram::new(3)?,
        })
    }
}

/// What the process has used so far.
#[derive(Default, Clone, Copy)]
struct Usage {
    cpu: Duration,
    sqlite_cpu: Duration,
    /// In bytes.
    written: u64,
}

async fn measure(
    settings: &StoreSettings,
    batch: usize,
    at_least: Duration,
) -> Result<Figures, Box<dyn std::error::Error>> {
    let store = Store::open(settings).await?;
    let mut talks: Vec<Conversation> = (0..SESSIONS).map(|_| Conversation::new()).collect();
    store.commit(talks.iter().map(Conversation::create).collect()).await?;
    let mut figures = Figures::new()?;
    let mut next = 0;
    let mut round = 0_u64;
    while figures.elapsed < at_least {
        // Making the events is not measured.
        let mut commits = Vec::new();
        for _ in 0..TURNS_AT_ONCE.div_ceil(batch) {
            let mut accepted = Vec::with_capacity(batch);
            let mut ended = Vec::with_capacity(batch);
            for _ in 0..batch {
                let talk = &mut talks[next % SESSIONS];
                next += 1;
                let question = talk.accept("How long are webhook deliveries retried before they are given up?");
                accepted.push(talk.append(vec![question]));
                let mut rest: Vec<_> = (0..7).map(|_| talk.log(&"step ".repeat(60))).collect();
                rest.push(talk.complete(&"The answer, sentence by sentence. ".repeat(30), 10, 0.000_1));
                ended.push(talk.append(rest));
            }
            commits.extend([accepted, ended]);
        }
        let turns = (commits.len() / 2 * batch) as u64;
        let (before, started) = (Usage::now()?, Instant::now());
        for writes in commits {
            let started = Instant::now();
            store.commit(writes).await?;
            figures.commits.record(u64::try_from(started.elapsed().as_micros())?)?;
        }
        figures.elapsed += started.elapsed();
        figures.used.add(before, Usage::now()?);
        figures.turns += turns;
        round += 1;
        if round == 1 {
            // The first round warms up.
            figures = Figures::new()?;
        }
    }
    Ok(figures)
}

impl Usage {
    /// Adds what was used between two moments.
    fn add(&mut self, before: Self, after: Self) {
        self.cpu += after.cpu.saturating_sub(before.cpu);
        self.sqlite_cpu += after.sqlite_cpu.saturating_sub(before.sqlite_cpu);
        self.written += after.written.saturating_sub(before.written);
    }

    /// Of all threads of this process. `schedstat` counts nanoseconds, where `stat` counts ticks of 10 ms.
    fn now() -> Result<Self, Box<dyn std::error::Error>> {
        let mut usage = Self::default();
        for thread in std::fs::read_dir("/proc/self/task")? {
            let thread = thread?.path();
            // A thread of an earlier measurement may be ending.
            let Ok(schedstat) = std::fs::read_to_string(thread.join("schedstat")) else {
                continue;
            };
            let cpu = Duration::from_nanos(schedstat.split_whitespace().next().unwrap_or("0").parse()?);
            usage.cpu += cpu;
            let name = std::fs::read_to_string(thread.join("comm")).unwrap_or_default();
            if name.starts_with("sqlx-sqlite") {
                usage.sqlite_cpu += cpu;
            }
        }
        let io = std::fs::read_to_string("/proc/self/io")?;
        let written = io.lines().find_map(|line| line.strip_prefix("wchar: "));
        usage.written = written.unwrap_or("0").parse()?;
        Ok(usage)
    }
}
