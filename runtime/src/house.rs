//! What every command that works on the data stands on: the database, the agents and the knowledge base.

use std::sync::Arc;

use orchestratai_agents::{
    StaticEmbedder,
    definition::Catalog,
    embedder::{ProvidedEmbedder, SecondStage},
    knowledge::{Cascade, Knowledge, VectorWatch},
};
use orchestratai_store::{Access, Durability, Store, StoreSettings};

use crate::{
    data_dir::DataDir,
    demo,
    documents::StoredDocuments,
    failure::CommandFailure,
    models,
    settings::{self, Database, Settings},
};

/// How the database is opened.
pub(crate) fn store_settings(settings: &Settings, access: Access) -> StoreSettings {
    StoreSettings {
        url_or_path: match settings.database() {
            Database::File(path) => path.to_string_lossy().into_owned(),
            Database::Server(url) => url,
        },
        durability: match settings.store.durability {
            settings::Durability::Full => Durability::Full,
            settings::Durability::Process => Durability::Process,
        },
        readers: settings.store.readers,
        access,
    }
}

/// Opens the database, and makes it where there is none.
pub(crate) async fn open_store(settings: &Settings, access: Access) -> Result<Store, CommandFailure> {
    Store::open(&store_settings(settings, access))
        .await
        .map_err(|error| CommandFailure::because("the database cannot be opened", error))
}

/// Reads the agents: those of the configured folder, or the ones that come with the binary.
pub(crate) fn load_agents(settings: &Settings) -> Result<Catalog, CommandFailure> {
    let names = models::names(&settings.models);
    let catalog = match &settings.agents.dir {
        None => Catalog::embedded(),
        Some(dir) => Catalog::load_with(dir, &names).map_err(|errors| CommandFailure::Usage(errors.to_string()))?,
    };
    Ok(catalog.answering_by(settings.models.answering.as_deref(), &names))
}

/// Opens the knowledge base over the documents of the database. What the second stage of search needs is not waited for; `prepare`
/// says who hears of what that stage does, `vectors` who hears of vectors of chunks. `provided` stands in the place of the transformer.
///
/// The index belongs to one database: with a server, another one may stand behind the same folder the next time.
pub(crate) async fn open_knowledge(
    settings: &Settings,
    data: &DataDir,
    documents: &StoredDocuments,
    embedder: &Arc<StaticEmbedder>,
    provided: Option<ProvidedEmbedder>,
    prepare: impl FnOnce(Cascade) -> Cascade,
    vectors: VectorWatch,
) -> Result<Knowledge, CommandFailure> {
    let cascade = match provided {
        Some(provided) => Some(Cascade::provided(provided, settings.models.embedding_wait)),
        None => cascade(settings)?,
    };
    let cascade = cascade.map(prepare);
    let index = match settings.database() {
        Database::File(_) => data.index(),
        Database::Server(_) => data.index_of(documents.epoch()),
    };
    let documents = Arc::new(documents.clone());
    Knowledge::open_with(&index, documents, Arc::clone(embedder), cascade, vectors)
        .await
        .map_err(|error| CommandFailure::because("the knowledge base cannot be opened", error))
}

fn cascade(settings: &Settings) -> Result<Option<Cascade>, CommandFailure> {
    let retrieval = &settings.retrieval;
    if !retrieval.cascade {
        return Ok(None);
    }
    let stage = SecondStage::new(retrieval.transformer.clone(), retrieval.transformer_idle)
        .map_err(|error| CommandFailure::because("retrieval.transformer cannot be used", error))?;
    let shipped = demo::transformer_vectors().into_iter().collect();
    Ok(Some(Cascade::new(stage, retrieval.transformer_wait, shipped)))
}
