//! `orchestratai search`: what the agents would find.

use std::{
    io::{self, Write},
    sync::Arc,
    time::Duration,
};

use orchestratai_agents::{
    StaticEmbedder,
    knowledge::{CollectionName, Filter, Knowledge, SearchResult, VectorWatch},
};
use orchestratai_store::Access;
use tokio::time::sleep;

use crate::{
    arguments::SearchArguments,
    data_dir::{DataDir, Holder},
    documents::StoredDocuments,
    failure::{Chain, CommandFailure},
    house::{open_knowledge, open_store},
    models::embedder_of_command,
    settings::Settings,
};

/// How long a running server may take to make an index, and how often that is looked at.
const PATIENCE_STEPS: u32 = 600;
const ASK_EVERY: Duration = Duration::from_millis(50);
/// Characters of a chunk that are shown.
const EXCERPT: usize = 240;

/// Searches the knowledge base on disk; needs no server.
///
/// # Errors
/// Where the data cannot be read, or a collection does not exist.
pub(crate) fn run(arguments: &SearchArguments) -> Result<(), CommandFailure> {
    let settings = super::settings(&arguments.configuration)?;
    let collections = (arguments.collection.iter())
        .map(|name| {
            CollectionName::parse(name)
                .map_err(|invalid| CommandFailure::Usage(format!("--collection {name:?} {invalid}")))
        })
        .collect::<Result<Vec<_>, _>>()?;
    super::block_on(async {
        let knowledge = open(&settings).await?;
        if settings.models.embedding.is_some() {
            // A provider's model is known only once it was asked; what was made by it is not made again.
            if let Err(error) = knowledge.deepen().await {
                writeln!(
                    io::stderr(),
                    "searched without the vectors of the provider: {}",
                    Chain(&error)
                )?;
            }
        }
        let known = knowledge.collection_names();
        if let Some(unknown) = collections.iter().find(|name| !known.contains(name)) {
            let names: Vec<_> = known.iter().map(CollectionName::as_str).collect();
            let there = if names.is_empty() {
                "none yet".to_owned()
            } else {
                names.join(", ")
            };
            return Err(CommandFailure::plain(format!(
                "there is no collection {unknown}; there is {there}"
            )));
        }
        let collections = if collections.is_empty() { known } else { collections };
        let fields = arguments.filter.iter();
        let filter = fields.fold(Filter::default(), |filter, (field, value)| {
            filter.allowing(field, value)
        });
        let found = knowledge
            .search_where(
                arguments.query.as_str(),
                &collections,
                &filter,
                usize::from(arguments.limit),
            )
            .await
            .map_err(|error| CommandFailure::because("the search failed", error))?;
        Ok(show(&found)?)
    })
}

/// Opens the knowledge base: where a server runs, it makes the index and this only reads it.
async fn open(settings: &Settings) -> Result<Knowledge, CommandFailure> {
    if !settings.database().may_exist() {
        return Err(CommandFailure::plain(format!(
            "there is no data in {}; `orchestratai serve` or `orchestratai ingest` makes it",
            settings.store.data_dir.display()
        )));
    }
    let data = DataDir::open(&settings.store.data_dir)?;
    let store = open_store(settings, Access::Documents).await?;
    let documents = StoredDocuments::new(store.clone());
    let embedder = Arc::new(StaticEmbedder::embedded());
    let failed = |error| CommandFailure::because("the database cannot be read", error);
    for _ in 0..PATIENCE_STEPS {
        let lock = data.try_lock(Holder::Command)?;
        let is_served =
            store.served_revision().await.map_err(failed)? >= store.knowledge_revision().await.map_err(failed)?;
        if lock.is_some() || is_served {
            return open_knowledge(
                settings,
                &data,
                &documents,
                &embedder,
                embedder_of_command(settings)?,
                |cascade| cascade,
                VectorWatch::nobody(),
            )
            .await;
        }
        sleep(ASK_EVERY).await;
    }
    Err(CommandFailure::plain(
        "another process is making the index; try again when it is done",
    ))
}

fn show(found: &SearchResult) -> io::Result<()> {
    let mut out = io::stdout().lock();
    for (rank, hit) in found.document_chunks(true).into_iter().zip(&found.chunks) {
        let heading = hit.chunk.heading_path().join(" › ");
        writeln!(
            out,
            "{}. {:.3}  {}  {heading}",
            rank.id + 1,
            rank.similarity,
            rank.source
        )?;
        let scores = hit.scores;
        let named = [("passage", scores.passage), ("transformer", scores.transformer)];
        let more = named.map(|(name, score)| score.map(|score| format!(" · {name} {score:.3}")).unwrap_or_default());
        writeln!(
            out,
            "   cosine {:.3}{} · bm25 {:.2} of {:.2} · fused {:.3}",
            scores.cosine,
            more.concat(),
            scores.bm25,
            scores.bm25_reachable,
            scores.fused
        )?;
        let text: String = rank.content.split_whitespace().collect::<Vec<_>>().join(" ");
        let excerpt: String = text.chars().filter(|c| !c.is_control()).take(EXCERPT).collect();
        writeln!(
            out,
            "   {excerpt}{}\n",
            if text.chars().count() > EXCERPT { "…" } else { "" }
        )?;
    }
    let took = found.took.as_secs_f64() * 1_000.0;
    writeln!(
        out,
        "{} chunks from {} in {took:.1} ms, revision {}",
        found.chunks.len(),
        found.collection_names(),
        found.revision
    )?;
    out.flush()
}
