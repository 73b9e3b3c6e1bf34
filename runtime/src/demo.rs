//! The demo knowledge base, which comes with the binary: one folder for each collection.

use std::collections::BTreeMap;

use orchestratai_agents::knowledge::{
    ChunkVectors, CollectionName, DocumentStore, KnowledgeError, SourceFile, ingest_files,
};
use rust_embed::RustEmbed;

/// The name of its root: `ingest` names folders by their absolute paths, so no folder has it.
const ROOT: &str = "demo";

/// Questions that it answers, each by another agent.
pub(crate) const QUESTIONS: [&str; 3] = [
    "How do I rotate my API key without downtime?",
    "What does the Team plan cost, and what happens above its limit?",
    "Can I get a refund for the rest of the year?",
];

/// The vectors of the demo's chunks by the transformer that comes with the binary: made once, since they take some ten seconds.
const TRANSFORMER_VECTORS: &[u8] = include_bytes!("../assets/demo-transformer.i8");

#[derive(RustEmbed)]
#[folder = "../config/demo/"]
struct Files;

/// The files of each collection. What stands in no collection's folder is about the demo and no part of it.
fn collections() -> BTreeMap<CollectionName, Vec<SourceFile>> {
    let mut collections: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for path in Files::iter() {
        if let Some((folder, rest)) = path.split_once('/')
            && let Ok(collection) = CollectionName::parse(folder)
            && let Some(file) = Files::get(&path)
        {
            let file = SourceFile {
                path: rest.to_owned(),
                bytes: file.data.into_owned(),
            };
            collections.entry(collection).or_default().push(file);
        }
    }
    collections
}

/// The transformer's vectors of the demo's chunks.
pub(crate) fn transformer_vectors() -> Option<ChunkVectors> {
    ChunkVectors::from_bytes(TRANSFORMER_VECTORS)
}

/// Puts the demo among the documents; gives their number. Doing it twice changes nothing.
///
/// # Errors
/// Where the documents cannot be written.
pub(crate) async fn load(documents: &dyn DocumentStore) -> Result<usize, KnowledgeError> {
    let mut count = 0;
    for (collection, files) in collections() {
        let report = ingest_files(documents, ROOT, files, &collection).await?;
        count += report.outcome.ids.len();
        for problem in report.problems {
            tracing::warn!(document.path = problem.path, "a document of the demo: {problem}");
        }
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    use std::{path::Path, sync::Arc, time::Duration};

    use orchestratai_agents::{
        Embedder, StaticEmbedder,
        embedder::{SecondStage, Transformer, cosine},
        knowledge::{Cascade, Knowledge, VectorWatch, parse},
    };
    use orchestratai_store::{Access, Durability, Store, StoreSettings};

    use super::*;
    use crate::documents::StoredDocuments;

    #[test]
    fn the_demo_has_three_collections_and_every_file_of_it_can_be_read() {
        let collections = collections();
        let names: Vec<_> = collections.keys().map(CollectionName::as_str).collect();
        assert_eq!(names, ["billing", "policy", "technical"]);
        let files: usize = collections.values().map(Vec::len).sum();
        assert!(files >= 40, "{files}");
        for (collection, files) in collections {
            let count = files.len();
            let parsed = parse(&collection, ROOT, files);
            assert!(parsed.problems.is_empty(), "{:?}", parsed.problems);
            assert_eq!(parsed.documents.len(), count);
        }
    }

    async fn knowledge(folder: &Path, shipped: Option<ChunkVectors>) -> (Knowledge, SecondStage) {
        let settings = StoreSettings {
            url_or_path: folder.join("demo.db").to_string_lossy().into_owned(),
            durability: Durability::Process,
            readers: 1,
            access: Access::Documents,
        };
        let documents = StoredDocuments::new(Store::open(&settings).await.unwrap());
        load(&documents).await.unwrap();
        let stage = SecondStage::new(None, Duration::from_secs(60)).unwrap();
        let cascade = Cascade::new(stage.clone(), Duration::from_secs(10), shipped.into_iter().collect());
        let (documents, embedder) = (Arc::new(documents), Arc::new(StaticEmbedder::embedded()));
        let knowledge = Knowledge::open_with(
            &folder.join("index"),
            documents,
            embedder,
            Some(cascade),
            VectorWatch::nobody(),
        )
        .await
        .unwrap();
        knowledge.deepen().await.unwrap();
        (knowledge, stage)
    }

    /// `UPDATE_DEMO=1 cargo test -p orchestratai the_transformers_vectors` makes them anew.
    #[tokio::test(flavor = "multi_thread")]
    async fn the_transformers_vectors_of_every_chunk_of_the_demo_are_shipped() {
        let folder = tempfile::tempdir().unwrap();
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/demo-transformer.i8");
        if std::env::var_os("UPDATE_DEMO").is_some() {
            let (knowledge, _) = knowledge(&folder.path().join("fresh"), None).await;
            std::fs::write(path, knowledge.transformer_vectors().unwrap().to_bytes()).unwrap();
            return;
        }
        let (knowledge, stage) = knowledge(folder.path(), transformer_vectors()).await;
        assert!(
            !stage.is_loaded(),
            "chunks had to be read: the shipped vectors are stale"
        );
        // That they are those of these texts: each question's best chunk is as near as the model itself says.
        let model = Transformer::embedded().unwrap();
        let collections = knowledge.collection_names();
        let mut checked = 0;
        for question in [
            "How early must I tell you?",
            "can I have the money back",
            "it is broken",
        ] {
            let found = knowledge.search(question, &collections, 3).await.unwrap();
            for found in found.chunks {
                let Some(stored) = found.scores.transformer else {
                    continue;
                };
                let chunk = &found.chunk;
                let text = format!("{}\n{}\n{}", chunk.origin.title, chunk.headings.join(" > "), chunk.text);
                let exact = cosine(&model.embed(&text).unwrap(), &model.embed(question).unwrap());
                assert!((stored - exact).abs() < 0.01, "{question}: {stored} is not {exact}");
                checked += 1;
            }
        }
        assert!(checked > 0, "the transformer was never asked");
    }
}
