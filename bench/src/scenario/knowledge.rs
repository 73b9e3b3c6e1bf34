//! A large knowledge base: how fast it is taken in, how fast it is searched, and what it costs in memory.
//!
//! The documents are made up of parts of sentences, the same for the same number of chunks, so that words are as unevenly
//! spread as in real ones: a few in most chunks, most in a few.

use std::{
    fmt::Write as _,
    fs,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use serde::Serialize;

use crate::{
    clients::{Client as _, rest::RestClient},
    error::BenchError,
    histogram::{Latencies, Percentiles},
    questions::Questions,
    run::float,
    scenario::idle,
    server::{Launch, ServerProcess},
};

const DEMO: &str = "ORCHESTRATAI__KNOWLEDGE__DEMO";
const COLLECTION: &str = "technical";
const CHUNKS_PER_DOCUMENT: usize = 10;
const SENTENCES_PER_CHUNK: usize = 4;
/// How long a server is left alone before its memory is looked at.
const SETTLE: Duration = Duration::from_secs(3);
const RARE_WORDS: usize = 20_000;

/// What was found.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Knowledge {
    /// Chunks that were taken in.
    pub(crate) chunks: usize,
    /// Bytes of Markdown.
    pub(crate) text_bytes: usize,
    /// Seconds that `orchestratai ingest` took, from the start of its process to its end.
    pub(crate) ingest_s: f64,
    /// What the server says that its searches took.
    pub(crate) search: Percentiles,
    /// Bytes of its own for each chunk beyond those of a server without documents, the text among them. What it maps of the
    /// full-text index is not: the system takes that back when it wants to.
    pub(crate) bytes_per_chunk: f64,
}

impl Knowledge {
    /// Markdown taken in, in megabytes a second.
    pub(crate) fn megabytes_per_second(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "a size far below 2^53")]
        let bytes = self.text_bytes as f64;
        bytes / 1e6 / self.ingest_s
    }

    /// Bytes for each chunk beyond its text.
    pub(crate) fn bytes_per_chunk_beyond_text(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "a size far below 2^53")]
        let text = self.text_bytes as f64 / self.chunks as f64;
        self.bytes_per_chunk - text
    }
}

/// Takes in `chunks` chunks, serves them, and asks `questions` questions one after the other.
///
/// # Errors
/// Where the documents cannot be written or taken in, or the server does not answer.
pub(crate) fn measure(launch: &Launch, dir: &Path, chunks: usize, questions: usize) -> Result<Knowledge, BenchError> {
    let launch = launch.with(DEMO, "false");
    let without = {
        let server = ServerProcess::start(&launch, &dir.join("without"))?;
        let resident = resting(&server)?;
        server.stop()?;
        resident
    };
    let documents = dir.join("documents");
    let text_bytes = write_documents(&documents, chunks)?;
    let data = dir.join("with");
    fs::create_dir_all(&data).map_err(BenchError::io(format!("create {}", data.display())))?;
    let began = Instant::now();
    ingest(&launch, &documents, &data)?;
    let ingest_s = began.elapsed().as_secs_f64();

    let server = ServerProcess::start(&launch, &data)?;
    let search = ask(&server, questions)?;
    let with = resting(&server)?;
    server.stop()?;
    #[expect(clippy::cast_precision_loss, reason = "a count far below 2^53")]
    let bytes_per_chunk = float(with.saturating_sub(without)) / chunks as f64;
    Ok(Knowledge {
        chunks,
        text_bytes,
        ingest_s,
        search,
        bytes_per_chunk,
    })
}

/// Anonymous resident bytes of a server that has been left alone for a moment.
fn resting(server: &ServerProcess) -> Result<u64, BenchError> {
    Ok(idle::measure_alone(server.pid(), SETTLE)?.anonymous_bytes)
}

fn ingest(launch: &Launch, documents: &Path, data: &Path) -> Result<(), BenchError> {
    let binary = &launch.binary;
    let output = Command::new(binary)
        .arg("ingest")
        .arg(documents)
        .args(["--collection", COLLECTION, "--data-dir"])
        .arg(data)
        .envs(launch.settings.iter().map(|(name, value)| (name, value)))
        .output()
        .map_err(BenchError::io(format!("start {}", binary.display())))?;
    if output.status.success() {
        return Ok(());
    }
    Err(BenchError::ServerEnded {
        status: output.status.to_string(),
        output: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}

fn ask(server: &ServerProcess, questions: usize) -> Result<Percentiles, BenchError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(BenchError::io("start a runtime"))?;
    let target = server.target();
    let latencies = tokio::task::LocalSet::new().block_on(&runtime, async {
        let mut latencies = Latencies::new();
        let mut client = RestClient::connect(&target, None).await?;
        let mut pool = Questions::for_session(0);
        for _ in 0..questions {
            for latency in client.searches(pool.ask()).await? {
                latencies.record(latency);
            }
        }
        Ok(latencies)
    });
    let latencies: Latencies = latencies.map_err(BenchError::Connect)?;
    Ok(latencies.percentiles())
}

/// Writes documents of ten sections; gives their bytes.
fn write_documents(folder: &Path, chunks: usize) -> Result<usize, BenchError> {
    fs::create_dir_all(folder).map_err(BenchError::io(format!("create {}", folder.display())))?;
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    let mut bytes = 0;
    for document in 0..chunks.div_ceil(CHUNKS_PER_DOCUMENT) {
        let mut text = format!("# {} {}\n", dice.pick(SUBJECTS), dice.rare_word());
        let sections = CHUNKS_PER_DOCUMENT.min(chunks - document * CHUNKS_PER_DOCUMENT);
        for _ in 0..sections {
            let _ = write!(text, "\n## {} {}\n\n", dice.pick(SUBJECTS), dice.rare_word());
            for _ in 0..SENTENCES_PER_CHUNK {
                let (subject, verb, end) = (dice.pick(SUBJECTS), dice.pick(VERBS), dice.pick(ENDS));
                let _ = writeln!(
                    text,
                    "{subject} {} {verb} the {} {end}.",
                    dice.rare_word(),
                    dice.rare_word()
                );
            }
        }
        bytes += text.len();
        let path = folder.join(format!("document-{document}.md"));
        fs::write(&path, text).map_err(BenchError::io(format!("write {}", path.display())))?;
    }
    Ok(bytes)
}

const SUBJECTS: &[&str] = &[
    "The webhook endpoint",
    "An API key",
    "Each workflow run",
    "The command-line tool",
    "A failed delivery",
    "The rate limit",
    "Single sign-on",
    "The event batch",
    "An idempotency key",
    "The signing secret",
    "Every workspace member",
    "The audit log",
    "A data sync job",
    "The status page",
    "An access token",
    "The retry schedule",
    "A dashboard panel",
    "The region setting",
];
const VERBS: &[&str] = &[
    "replaces",
    "is checked against",
    "waits for",
    "is limited by",
    "writes to",
    "reads from",
    "is signed with",
    "is sent to",
    "times out before",
    "is repeated after",
    "is exported with",
    "is stored beside",
    "is shown in",
    "is removed from",
];
const ENDS: &[&str] = &[
    "within thirty seconds",
    "once a day",
    "before the next request",
    "after the second attempt",
    "unless it was disabled",
    "in the console and in the API",
    "for all plans",
    "only on Business and Enterprise",
    "with status 429",
    "without downtime",
    "in the order of arrival",
    "when the workspace is deleted",
    "as long as the grace period lasts",
    "in UTC",
];

/// A generator of the same numbers every time: SplitMix64 (Steele, Lea and Flood, 2014).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) >> 33).unwrap_or_default() % sides.max(1)
    }

    fn pick(&mut self, from: &[&'static str]) -> &'static str {
        from[self.roll(from.len())]
    }

    /// One of many words, of which the first are met more often by far.
    fn rare_word(&mut self) -> String {
        const SYLLABLES: &[&str] = &[
            "ba", "ro", "mi", "ten", "sal", "ker", "lo", "vi", "dra", "pum", "net", "zor",
        ];
        let highest = self.roll(RARE_WORDS);
        let mut number = self.roll(highest + 1);
        let mut word = String::new();
        for _ in 0..4 {
            word.push_str(SYLLABLES[number % SYLLABLES.len()]);
            number /= SYLLABLES.len();
        }
        word
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documents_are_the_same_every_time_and_have_as_many_sections_as_are_wanted() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str| {
            let folder = dir.path().join(name);
            let bytes = write_documents(&folder, 25).unwrap();
            let mut texts: Vec<String> = fs::read_dir(&folder)
                .unwrap()
                .map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap())
                .collect();
            texts.sort();
            assert_eq!(texts.iter().map(String::len).sum::<usize>(), bytes);
            texts
        };
        let texts = write("one");
        assert_eq!(texts, write("two"));
        assert_eq!(
            texts.iter().map(|text| text.matches("\n## ").count()).sum::<usize>(),
            25
        );
    }
}
