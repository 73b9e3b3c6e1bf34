//! Measures backups: `cargo run --release -p orchestratai-store --example backup_rate [MESSAGES [FOLDER]]`.
//!
//! Fills a file with sessions of ten turns each, whose texts are passages of the demo knowledge base, and copies it: file to
//! backup, backup to file, backup to a PostgreSQL that is started for it, that one to a backup, and back into it. Prints how long each
//! took, how many rows and megabytes of database a second that is, and the most memory that the process had meanwhile. The folder
//! decides which device is measured; PostgreSQL has its own in the system's folder for temporary files.

#[path = "../tests/it/conversation.rs"]
#[allow(dead_code, reason = "shared with the tests")]
mod conversation;

use std::{
    error::Error,
    fs::{self, File},
    io::{self, BufReader, BufWriter, Write as _},
    path::{Path, PathBuf},
    time::Instant,
};

use conversation::Conversation;
use orchestratai_store::{Access, BackupContents, Store, StoreSettings, Write, back_up, check_backup, restore};
use orchestratai_testing::Postgres;

const TURNS_OF_SESSION: usize = 10;
const SESSIONS_AT_ONCE: usize = 20;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let messages: usize = arguments.next().map_or(Ok(200_000), |text| text.parse())?;
    let folder = arguments.next().map_or_else(std::env::temp_dir, PathBuf::from);
    let folder = tempfile::tempdir_in(folder)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    runtime.block_on(measure(messages, folder.path()))
}

async fn measure(messages: usize, folder: &Path) -> Result<(), Box<dyn Error>> {
    let source = StoreSettings::sqlite(&folder.join("source.db"));
    fill(&source, messages).await?;
    let database = fs::metadata(folder.join("source.db"))?.len();
    let postgres = Postgres::start();
    let server = |url| StoreSettings {
        url_or_path: url,
        access: Access::Documents,
        ..source.clone()
    };
    let (first, second) = (server(postgres.database()), server(postgres.database()));
    let mut out = io::stdout().lock();
    writeln!(out, "a database file of {:.1} MB", database as f64 / 1e6)?;
    writeln!(
        out,
        "{:<26} {:>7} {:>10} {:>8} {:>10}",
        "", "s", "rows/s", "MB/s", "MB at most"
    )?;
    let mut tell = |what: &str, began: Instant, contents: &BackupContents| -> Result<(), Box<dyn Error>> {
        let took = began.elapsed().as_secs_f64();
        let rows: u64 = contents.tables.iter().map(|table| table.rows).sum();
        writeln!(
            out,
            "{what:<26} {took:>7.1} {:>10.0} {:>8.1} {:>10.0}",
            rows as f64 / took,
            database as f64 / 1e6 / took,
            peak_megabytes()?,
        )?;
        reset_peak()
    };
    reset_peak()?;
    for (what, from, into) in [
        ("file to backup", &source, "file.zst"),
        (
            "backup to file",
            &StoreSettings::sqlite(&folder.join("target.db")),
            "file.zst",
        ),
        ("backup to PostgreSQL", &first, "file.zst"),
        ("PostgreSQL to backup", &first, "server.zst"),
        ("backup back to PostgreSQL", &second, "server.zst"),
    ] {
        let (path, began) = (folder.join(into), Instant::now());
        let contents = if path.exists() {
            restore(from, File::open(&path)?).await?.contents
        } else {
            let done = back_up(from, "example", BufWriter::new(File::create(&path)?)).await?;
            done.out.into_inner()?.sync_all()?;
            done.contents
        };
        tell(what, began, &contents)?;
    }
    let began = Instant::now();
    let contents = check_backup(BufReader::new(File::open(folder.join("file.zst"))?))?;
    tell("reading a backup", began, &contents)?;
    writeln!(
        out,
        "a backup of {:.1} MB, {} messages in {} rows",
        contents.bytes as f64 / 1e6,
        contents.rows("messages"),
        contents.tables.iter().map(|table| table.rows).sum::<u64>(),
    )?;
    Ok(())
}

async fn fill(settings: &StoreSettings, messages: usize) -> Result<(), Box<dyn Error>> {
    let passages = passages()?;
    let mut passage = passages.iter().cycle();
    let mut next = || passage.next().map_or("", String::as_str);
    let store = Store::open(settings).await?;
    for _ in 0..messages.div_ceil(2 * TURNS_OF_SESSION * SESSIONS_AT_ONCE) {
        let mut batch: Vec<Write> = Vec::new();
        for _ in 0..SESSIONS_AT_ONCE {
            let mut talk = Conversation::new();
            batch.push(talk.create());
            for _ in 0..TURNS_OF_SESSION {
                let question = talk.accept(next());
                batch.push(talk.append(vec![question]));
                let mut rest: Vec<_> = (0..7).map(|_| talk.log(next())).collect();
                rest.push(talk.complete(&format!("{} {}", next(), next()), 10, 0.000_1));
                batch.push(talk.append(rest));
            }
        }
        store.commit(batch).await?;
    }
    store.close().await?;
    Ok(())
}

/// The paragraphs of the demo knowledge base.
fn passages() -> Result<Vec<String>, Box<dyn Error>> {
    let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config/demo");
    let mut passages = Vec::new();
    for collection in ["billing", "policy", "technical"] {
        for file in fs::read_dir(demo.join(collection))? {
            let text = fs::read_to_string(file?.path())?;
            let paragraphs = text.split("\n\n").filter(|paragraph| paragraph.len() > 100);
            passages.extend(paragraphs.map(|paragraph| paragraph.chars().take(700).collect()));
        }
    }
    // By their letters, so that one does not follow its neighbour.
    passages.sort_by_key(|passage: &String| passage.bytes().rev().take(20).collect::<Vec<_>>());
    Ok(passages)
}

/// The most memory that was resident, in megabytes.
fn peak_megabytes() -> Result<f64, Box<dyn Error>> {
    let status = fs::read_to_string("/proc/self/status")?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kibibytes: f64 = peak
        .and_then(|peak| peak.split_whitespace().next())
        .unwrap_or("0")
        .parse()?;
    Ok(kibibytes * 1024.0 / 1e6)
}

fn reset_peak() -> Result<(), Box<dyn Error>> {
    Ok(fs::write("/proc/self/clear_refs", "5")?)
}
