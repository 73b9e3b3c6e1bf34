//! The demo knowledge base, indexed once for all tests, and what works on it.

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{Arc, OnceLock},
};

use orchestratai_agents::{
    StaticEmbedder,
    cache::SemanticCache,
    definition::Catalog,
    knowledge::{CollectionName, DocumentFilter, Knowledge, Watch, ingest_folder},
    model::Models,
    routing::Router,
    strategy::{Means, responders},
    turn::Responder,
};
use orchestratai_shared::AgentId;

use crate::memory_store::MemoryStore;

pub(crate) fn embedder() -> Arc<StaticEmbedder> {
    static EMBEDDER: OnceLock<Arc<StaticEmbedder>> = OnceLock::new();
    Arc::clone(EMBEDDER.get_or_init(|| Arc::new(StaticEmbedder::embedded())))
}

pub(crate) fn catalog() -> Arc<Catalog> {
    static CATALOG: OnceLock<Arc<Catalog>> = OnceLock::new();
    Arc::clone(CATALOG.get_or_init(|| Arc::new(Catalog::embedded())))
}

/// Has learnt from the demo.
pub(crate) fn router() -> Arc<Router> {
    static ROUTER: OnceLock<Arc<Router>> = OnceLock::new();
    let learn = || {
        let router = Router::new(&catalog(), embedder());
        // On a thread of its own: some of those who ask are inside a runtime already.
        let demo = std::thread::spawn(|| tokio::runtime::Runtime::new().unwrap().block_on(demo()));
        router.learn(&demo.join().unwrap().evidence());
        Arc::new(router)
    };
    Arc::clone(ROUTER.get_or_init(learn))
}

/// All documents of a collection.
pub(crate) fn all_of(name: &str) -> DocumentFilter {
    DocumentFilter {
        collection: Some(collection(name)),
        holding: None,
    }
}

pub(crate) fn collection(name: &str) -> CollectionName {
    CollectionName::parse(name).unwrap()
}

pub(crate) fn demo_folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../config/demo")
}

/// The knowledge base over the demo documents. The folder lives as long as the process.
pub(crate) async fn demo() -> Knowledge {
    static DEMO: tokio::sync::OnceCell<(Knowledge, tempfile::TempDir)> = tokio::sync::OnceCell::const_new();
    let (knowledge, _) = DEMO
        .get_or_init(|| async {
            let dir = tempfile::tempdir().unwrap();
            let store = Arc::new(MemoryStore::default());
            for name in ["billing", "technical", "policy"] {
                let report = ingest_folder(
                    store.as_ref(),
                    &demo_folder().join(name),
                    &collection(name),
                    &Watch::nobody(),
                )
                .await
                .unwrap();
                assert!(report.problems.is_empty(), "{:?}", report.problems);
            }
            (Knowledge::open(dir.path(), store, embedder()).await.unwrap(), dir)
        })
        .await;
    knowledge.clone()
}

/// Responders over a knowledge base, with a cache of their own.
pub(crate) fn crew(knowledge: Knowledge, catalog: Arc<Catalog>) -> HashMap<AgentId, Arc<dyn Responder>> {
    responders(&Means {
        tools: orchestratai_agents::tool_box::ToolBox::default(),
        facts: None,
        catalog,
        router: router(),
        knowledge,
        cache: Arc::new(SemanticCache::new(embedder())),
        models: Arc::new(Models::embedded(&embedder())),
        embedder: embedder(),
    })
}
