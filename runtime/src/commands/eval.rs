//! `orchestratai eval`: how good routing, retrieval and the cache are on labelled cases.

use std::{
    io::{self, Write},
    sync::Arc,
    time::Duration,
};

use orchestratai_agents::{Embedder, routing::Router};
use orchestratai_evaluation::{
    Evaluation, Part, cache,
    report::Measured,
    retrieval::{Ranker, rank},
    routing::route,
};
use orchestratai_store::Access;

use crate::{
    arguments::{EvalArguments, EvalPart},
    data_dir::DataDir,
    demo,
    documents::StoredDocuments,
    failure::CommandFailure,
    house::{load_agents, open_knowledge, open_store},
    settings::Overrides,
};

/// Longer than any question takes.
const TRANSFORMER_WAIT: Duration = Duration::from_secs(60);

/// Measures on the demo knowledge base, in a folder of its own that is gone afterwards.
///
/// # Errors
/// Where the set cannot be read, or the knowledge base not made.
pub(crate) fn run(arguments: &EvalArguments) -> Result<(), CommandFailure> {
    let part = match arguments.part {
        EvalPart::Develop => Part::Develop,
        EvalPart::Decide => Part::Decide,
    };
    if arguments.misses && part == Part::Decide {
        let words = "--misses shows cases of the part to develop on alone: who looks at the others tunes to them";
        return Err(CommandFailure::Usage(words.into()));
    }
    let set = Evaluation::read(&arguments.set).map_err(|error| CommandFailure::Usage(error.to_string()))?;
    let folder = tempfile::tempdir().map_err(|error| CommandFailure::because("no folder can be made", error))?;
    let overrides = Overrides {
        data_dir: Some(folder.path().to_owned()),
        ..Overrides::default()
    };
    let mut settings = crate::settings::Settings::load(None, std::env::vars_os(), &overrides)?;
    // What is measured is what is found, and not how busy the machine is.
    settings.retrieval.transformer_wait = TRANSFORMER_WAIT;
    super::block_on(async {
        let failed = |error| CommandFailure::because("the knowledge base fails", error);
        let data = DataDir::open(&settings.store.data_dir)?;
        let store = open_store(&settings, Access::Documents).await?;
        let documents = StoredDocuments::new(store.clone());
        demo::load(&documents).await.map_err(failed)?;
        let embedder = Arc::new(Embedder::embedded());
        let knowledge = open_knowledge(&settings, &data, &documents, &embedder).await?;
        knowledge.deepen().await.map_err(failed)?;
        let router = Router::new(&load_agents(&settings)?, Arc::clone(&embedder));
        let cases = set.part(part);
        let mut rankings = Vec::new();
        for ranker in [Ranker::Vectors, Ranker::Bm25, Ranker::Fused] {
            let ranked = rank(&knowledge, &cases.questions, ranker).await.map_err(failed)?;
            rankings.push((ranker, ranked));
        }
        let measured = Measured {
            part,
            rankings,
            routed: route(&router, &cases.utterances),
            looked_up: cache::look_up(&knowledge, &embedder, &cases.pairs)
                .await
                .map_err(failed)?,
        };
        let text = if arguments.misses {
            measured.misses()
        } else {
            measured.tables()
        };
        io::stdout().lock().write_all(text.as_bytes())?;
        Ok(())
    })
}
