//! `orchestratai ingest`: takes documents in, beside a running server or without one.

use std::{
    io::{self, Write},
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use orchestratai_agents::{
    StaticEmbedder,
    knowledge::{CollectionName, FileProblem, IngestReport, PreparedDocuments, VectorWatch, Watch, ingest_folder},
};
use orchestratai_store::{Access, Store};
use tokio::time::sleep;

use crate::{
    arguments::IngestArguments,
    data_dir::{DataDir, Holder},
    documents::StoredDocuments,
    failure::CommandFailure,
    house::{open_knowledge, open_store},
    models::embedder_of_command,
    progress_bar::ProgressLine,
    settings::Settings,
};

/// How long a running server may take until it answers from what was ingested.
const SERVED_WITHIN: Duration = Duration::from_secs(120);
/// The same where a transformer reads all that is new, which takes 10 to 40 ms a chunk and core, or a provider's model.
const DEEPENED_WITHIN: Duration = Duration::from_secs(4 * 60 * 60);
const ASK_EVERY: Duration = Duration::from_millis(20);

/// Takes in a folder. When it returns, a running server answers from it.
///
/// # Errors
/// Where nothing could be taken in, or the server does not follow in time.
pub(crate) fn run(arguments: &IngestArguments) -> Result<(), CommandFailure> {
    let settings = super::settings(&arguments.configuration)?;
    let collection = CollectionName::parse(&arguments.collection)
        .map_err(|invalid| CommandFailure::Usage(format!("--collection {:?} {invalid}", arguments.collection)))?;
    super::block_on(ingest(&settings, &arguments.path, &collection))
}

async fn ingest(settings: &Settings, path: &Path, collection: &CollectionName) -> Result<(), CommandFailure> {
    let began = Instant::now();
    let data = DataDir::open(&settings.store.data_dir)?;
    let store = open_store(settings, Access::Documents).await?;
    let documents = StoredDocuments::new(store.clone());
    let line = ProgressLine::on_stderr();
    let watch = line.watch();
    let embedder = Arc::new(StaticEmbedder::embedded());
    let prepared = PreparedDocuments::new(
        Arc::new(documents.clone()),
        Arc::clone(&embedder),
        VectorWatch::nobody(),
    );
    let report = ingest_folder(&prepared, path, collection, &watch)
        .await
        .map_err(|error| CommandFailure::because("nothing was taken in", error))?;
    line.wait_for("making the documents searchable");
    let served_by = serve(
        settings,
        &data,
        &store,
        &documents,
        &embedder,
        report.outcome.revision,
        &watch,
    )
    .await?;
    line.end();
    tell(&report, collection, served_by, began.elapsed())?;
    let skipped = report.problems.iter().filter(|problem| problem.skipped).count();
    if report.outcome.ids.is_empty() && skipped > 0 {
        return Err(CommandFailure::plain("no document could be taken in"));
    }
    Ok(())
}

/// Who serves the new revision.
#[derive(Debug, Clone, Copy)]
enum ServedBy {
    /// A running server, already.
    Server,
    /// The next one: the index is made.
    Index,
}

/// Waits until a running server serves `revision`, or makes the index where there is none.
async fn serve(
    settings: &Settings,
    data: &DataDir,
    store: &Store,
    documents: &StoredDocuments,
    embedder: &Arc<StaticEmbedder>,
    revision: u64,
    watch: &Watch,
) -> Result<ServedBy, CommandFailure> {
    let began = Instant::now();
    let within = if settings.retrieval.cascade || settings.models.embedding.is_some() {
        DEEPENED_WITHIN
    } else {
        SERVED_WITHIN
    };
    loop {
        if let Some(_lock) = data.try_lock(Holder::Command)? {
            let knowledge = open_knowledge(
                settings,
                data,
                documents,
                embedder,
                embedder_of_command(settings)?,
                |cascade| cascade.watched(watch.clone()),
                VectorWatch::nobody(),
            )
            .await?;
            let failed = |error| CommandFailure::because("the documents are stored, but not all is read", error);
            knowledge.deepen().await.map_err(failed)?;
            return Ok(ServedBy::Index);
        }
        let failed = |error| CommandFailure::because("the database cannot be read", error);
        if data.is_served() && store.served_revision().await.map_err(failed)? >= revision {
            return Ok(ServedBy::Server);
        }
        if began.elapsed() > within {
            return Err(CommandFailure::plain(format!(
                "the documents are stored, but the running server does not yet answer from them after {} s: see its log",
                within.as_secs()
            )));
        }
        sleep(ASK_EVERY).await;
    }
}

fn tell(report: &IngestReport, collection: &CollectionName, served_by: ServedBy, took: Duration) -> io::Result<()> {
    let mut err = io::stderr().lock();
    for problem in &report.problems {
        writeln!(err, "{problem}")?;
    }
    let outcome = &report.outcome;
    let skipped = report
        .problems
        .iter()
        .filter(|problem: &&FileProblem| problem.skipped)
        .count();
    let mut out = io::stdout().lock();
    writeln!(
        out,
        "{collection}: {} documents: {} new, {} changed, {} as they were; {} removed; {skipped} files left out",
        outcome.ids.len(),
        outcome.added,
        outcome.updated,
        outcome.unchanged,
        outcome.removed,
    )?;
    let by = match served_by {
        ServedBy::Server => "the running server answers from it",
        ServedBy::Index => "the index is made",
    };
    writeln!(
        out,
        "revision {}: {by}, after {:.1} s",
        outcome.revision,
        took.as_secs_f64()
    )?;
    out.flush()
}
