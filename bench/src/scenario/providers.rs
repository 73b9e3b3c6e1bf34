//! What stands between a provider and a client: from the first piece that a language model writes to the first `message_delta`, with
//! many answers under way at once, beside clients that read from the provider without a server between them.

use std::{
    fs,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use futures_util::{StreamExt, TryStreamExt, stream};
use serde::Serialize;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    runtime,
    task::{JoinSet, LocalSet},
    time::sleep,
};

use crate::{
    clients::{Client, Target, ws::WsClient},
    error::BenchError,
    histogram::{Latencies, Percentiles},
    proc::process::memory,
    provider::{Manner, Provider, brief_question, question},
    report::{Bar, Row},
    run::float,
    server::{Launch, ServerProcess},
};

const CONNECT_AT_ONCE: usize = 32;
/// So few that little is left of what was in use for them.
const BRIEF_AT_ONCE: usize = 4;
/// What a database keeps of its pages in memory is bounded, and reached by then.
const BRIEF_ROUNDS: usize = 4;
const SETTLE: Duration = Duration::from_secs(3);
const LOOK_AT_MEMORY_EVERY: Duration = Duration::from_millis(250);
/// What a server may add at the 99th percentile.
const ADDED_P99_MS: f64 = 2.0;
/// What a turn that is under way may take beyond its text, in KiB.
const TURN_KIB: f64 = 64.0;
/// A piece each quarter of a second for five seconds.
const MANNER: Manner = Manner {
    piece_every: Duration::from_millis(250),
    pieces: 20,
};

/// The agents as they come, but for how many turns each answers at once: 128 on two shards, which is not what is measured.
const AGENTS: [(&str, &str); 4] = [
    ("billing.toml", include_str!("../../../config/agents/billing.toml")),
    (
        "orchestrator.toml",
        include_str!("../../../config/agents/orchestrator.toml"),
    ),
    ("policy.toml", include_str!("../../../config/agents/policy.toml")),
    ("technical.toml", include_str!("../../../config/agents/technical.toml")),
];
const TURNS_AT_ONCE: &str = "concurrency_turns = 10000";

/// What one round found.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Relayed {
    /// Answers that were under way at once.
    pub(crate) streams: usize,
    /// From the provider's first piece to the client's, through the server.
    pub(crate) through: Percentiles,
    /// The same without a server between them.
    pub(crate) direct: Percentiles,
    /// Turns that went wrong, by code and count.
    pub(crate) errors: Vec<String>,
    /// What each turn under way added to resident memory, in bytes.
    pub(crate) bytes_per_turn: f64,
}

/// Measures `streams` answers at once for `measured`, directly and through a server whose data are in `dir`.
///
/// # Errors
/// What kept it from measuring.
pub(crate) fn measure(launch: &Launch, dir: &Path, streams: usize, measured: Duration) -> Result<Relayed, BenchError> {
    let provider = Provider::start(MANNER)?;
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(BenchError::io("start a runtime"))?;
    let local = LocalSet::new();
    let direct = local.block_on(&runtime, directly(&provider, streams, measured));

    let (data, agents) = (dir.join("providers"), dir.join("providers-agents"));
    write_agents(&agents)?;
    let url = format!("http://{}/v1", provider.addr());
    let launch = launch
        .with("ORCHESTRATAI__AGENTS__DIR", &agents.to_string_lossy())
        .with("ORCHESTRATAI__MODELS__ANSWERING", "bench")
        .with("ORCHESTRATAI__MODELS__BENCH__PROVIDER", "openai")
        .with("ORCHESTRATAI__MODELS__BENCH__MODEL", "bench")
        .with("ORCHESTRATAI__MODELS__BENCH__BASE_URL", &url)
        .with("ORCHESTRATAI__MODELS__BENCH__REQUESTS_MAX", &(streams * 2).to_string());
    let server = ServerProcess::start(&launch, &data)?;
    let found = local.block_on(&runtime, through(&provider, &server, streams, measured));
    server.stop()?;
    fs::remove_dir_all(&data).map_err(BenchError::io(format!("delete {}", data.display())))?;
    let (latencies, errors, bytes_per_turn) = found?;
    Ok(Relayed {
        streams,
        through: latencies.percentiles(),
        direct: direct.percentiles(),
        errors,
        bytes_per_turn,
    })
}

fn write_agents(folder: &Path) -> Result<(), BenchError> {
    let failed = || BenchError::io(format!("write agents to {}", folder.display()));
    fs::create_dir_all(folder).map_err(failed())?;
    for (name, file) in AGENTS {
        let lines = file.lines().map(|line| {
            if line.starts_with("concurrency_turns") {
                TURNS_AT_ONCE
            } else {
                line
            }
        });
        fs::write(folder.join(name), lines.collect::<Vec<_>>().join("\n")).map_err(failed())?;
    }
    Ok(())
}

/// Its lines of the table.
pub(crate) fn rows(rounds: &[Relayed]) -> Vec<Row> {
    let streams = rounds.first().map_or(0, |round| round.streams);
    let of = |figure: fn(&Relayed) -> f64| rounds.iter().map(figure).collect();
    let name = |what: &str| format!("a provider's first piece to the client's, {streams} answers at once: {what}");
    vec![
        Row::new(name("p99"), "ms", None, of(|round| round.through.p99_ms)),
        Row::new(
            name("p99, no server between them"),
            "ms",
            None,
            of(|round| round.direct.p99_ms),
        ),
        Row::new(
            name("p99, the difference"),
            "ms",
            Some(Bar::AtMost(ADDED_P99_MS)),
            of(|round| round.through.p99_ms - round.direct.p99_ms),
        ),
        Row::new(name("p50"), "ms", None, of(|round| round.through.p50_ms)),
        Row::new(name("answers"), "", None, of(|round| float(round.through.count))),
        Row::new(
            "resident memory of each turn under way",
            "KiB",
            Some(Bar::AtMost(TURN_KIB)),
            of(|round| round.bytes_per_turn / 1024.0),
        ),
    ]
}

/// How long an answer takes.
fn answer_takes() -> Duration {
    MANNER.piece_every * MANNER.pieces + Manner::THINKS_AT_LEAST
}

/// How long it takes until all answers overlap.
fn warm_up() -> Duration {
    answer_takes() + Duration::from_secs(2)
}

/// When one of them begins: spread over an answer, as people come. Those who begin together would end together and begin together again,
/// and what were measured is how long the last of a queue waits.
fn begins(place: usize, streams: usize) -> Duration {
    let part = u32::try_from(place).unwrap_or(u32::MAX);
    answer_takes() / u32::try_from(streams.max(1)).unwrap_or(u32::MAX) * part
}

/// Tells when measuring begins and ends.
#[derive(Clone, Copy)]
struct Window {
    from: Instant,
    to: Instant,
}

impl Window {
    fn now(measured: Duration) -> Self {
        let from = Instant::now() + warm_up();
        Self {
            from,
            to: from + measured,
        }
    }
}

/// Reads from the provider itself.
async fn directly(provider: &Provider, streams: usize, measured: Duration) -> Latencies {
    let window = Window::now(measured);
    let cases = Arc::new(AtomicU64::new(0));
    let mut readers = JoinSet::new();
    for place in 0..streams {
        let (provider, cases) = (provider.clone(), Arc::clone(&cases));
        readers.spawn_local(async move {
            sleep(begins(place, streams)).await;
            let mut latencies = Latencies::new();
            while Instant::now() < window.to {
                let case = cases.fetch_add(1, Ordering::Relaxed);
                let Ok(first) = read_directly(&provider, case).await else {
                    continue;
                };
                record(&mut latencies, &provider, case, first, window);
            }
            latencies
        });
    }
    let mut all = Latencies::new();
    while let Some(Ok(latencies)) = readers.join_next().await {
        all.merge(&latencies);
    }
    all
}

/// When the first bytes of an answer came; the rest is read as well.
async fn read_directly(provider: &Provider, case: u64) -> std::io::Result<Instant> {
    let mut socket = TcpStream::connect(provider.addr()).await?;
    socket.set_nodelay(true)?;
    let body = question(case);
    let head = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: bench\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    socket.write_all((head + &body).as_bytes()).await?;
    let mut bytes = vec![0; 4096];
    let mut first = None;
    while socket.read(&mut bytes).await? > 0 {
        first.get_or_insert_with(Instant::now);
    }
    first.ok_or_else(|| std::io::ErrorKind::UnexpectedEof.into())
}

fn record(latencies: &mut Latencies, provider: &Provider, case: u64, first: Instant, window: Window) {
    let begun = provider.take_begin(case);
    if let Some(begun) = begun.filter(|begun| (window.from..window.to).contains(begun)) {
        latencies.record(first.saturating_duration_since(begun));
    }
}

/// Has each of them answered once, a few at a time: what a session and the server keep is there then, and what turns that are under way
/// take is what is added.
async fn answered_before(clients: Vec<WsClient>, cases: &AtomicU64) -> (Vec<WsClient>, Vec<String>) {
    let answered = stream::iter(clients).map(|mut client| async move {
        let case = cases.fetch_add(1, Ordering::Relaxed);
        let failed = client.turn(&brief_question(case)).await.err();
        (client, failed.map(|error| error.code()))
    });
    let answered: Vec<(WsClient, Option<String>)> = answered.buffer_unordered(BRIEF_AT_ONCE).collect().await;
    let (clients, failed): (Vec<WsClient>, Vec<Option<String>>) = answered.into_iter().unzip();
    (clients, failed.into_iter().flatten().collect())
}

/// Asks the server, which asks the provider.
async fn through(
    provider: &Provider,
    server: &ServerProcess,
    streams: usize,
    measured: Duration,
) -> Result<(Latencies, Vec<String>, f64), BenchError> {
    let target: Target = server.target();
    let clients: Vec<WsClient> = stream::iter(0..streams)
        .map(|_| WsClient::connect(&target, None))
        .buffer_unordered(CONNECT_AT_ONCE)
        .try_collect()
        .await
        .map_err(BenchError::Connect)?;
    // Apart from those that were asked directly.
    let cases = Arc::new(AtomicU64::new(1 << 32));
    let (mut clients, mut errors) = (clients, Vec::new());
    for _ in 0..BRIEF_ROUNDS {
        let failed;
        (clients, failed) = answered_before(clients, &cases).await;
        errors.extend(failed);
    }
    sleep(SETTLE).await;
    let idle = memory(server.pid())?.resident_bytes;
    let window = Window::now(measured);
    let mut asking = JoinSet::new();
    for (place, mut client) in clients.into_iter().enumerate() {
        let (provider, cases, target) = (provider.clone(), Arc::clone(&cases), target.clone());
        asking.spawn_local(async move {
            sleep(begins(place, streams)).await;
            let (mut latencies, mut errors) = (Latencies::new(), Vec::new());
            while Instant::now() < window.to {
                let case = cases.fetch_add(1, Ordering::Relaxed);
                match client.turn(&question(case)).await {
                    Ok(turn) => {
                        if let Some(first) = turn.first_token {
                            record(&mut latencies, &provider, case, first, window);
                        }
                    }
                    Err(error) => {
                        errors.push(error.code());
                        if !error.leaves_connection_usable() {
                            match WsClient::connect(&target, None).await {
                                Ok(other) => client = other,
                                Err(_) => break,
                            }
                        }
                    }
                }
            }
            (latencies, errors)
        });
    }
    let mut most = 0;
    while Instant::now() < window.to {
        sleep(LOOK_AT_MEMORY_EVERY).await;
        let now = memory(server.pid())?.resident_bytes;
        // Of the first answers that overlap: what comes later is of those that have ended, such as the pages of the database.
        if Instant::now() < window.from + answer_takes() {
            most = most.max(now);
        }
    }
    let mut all = Latencies::new();
    while let Some(joined) = asking.join_next().await {
        let (latencies, failed) = joined.map_err(|_| BenchError::Panicked)?;
        all.merge(&latencies);
        errors.extend(failed);
    }
    #[expect(clippy::cast_precision_loss, reason = "a count far below 2^53")]
    let per_turn = (float(most) - float(idle)) / streams.max(1) as f64;
    Ok((all, errors, per_turn))
}
