//! The second stage of search: what it reads, what it need not read again, and what is found without it.

use std::{sync::Arc, time::Duration};

use orchestratai_agents::{
    embedder::SecondStage,
    knowledge::{Cascade, ChunkVectors, Knowledge, SecondStageUse, SourceFile, VectorWatch, ingest_files},
};
use tempfile::TempDir;

use crate::{
    memory_store::MemoryStore,
    world::{collection, embedder},
};

const LONG: Duration = Duration::from_secs(60);
/// Equally near to all sections below.
const UNSURE: &str = "the settings of the plan";

fn file(path: &str, text: &str) -> SourceFile {
    SourceFile {
        path: path.into(),
        bytes: text.into(),
    }
}

async fn ingest(store: &Arc<MemoryStore>, refunds: &str) {
    let files = vec![
        file("refunds.md", refunds),
        file(
            "seats.md",
            "# Settings\n\nSeats are among the settings of the plan. Anybody can take one.",
        ),
        file(
            "invoices.md",
            "# Settings\n\nInvoices are among the settings of the plan. They come by mail.",
        ),
    ];
    ingest_files(store.as_ref(), "demo", files, &collection("billing"))
        .await
        .unwrap();
}

/// A knowledge base with a transformer of its own, which is loaded only where it is asked.
async fn open(dir: &TempDir, store: &Arc<MemoryStore>, shipped: Vec<ChunkVectors>) -> (Knowledge, SecondStage) {
    let stage = SecondStage::new(None, LONG).unwrap();
    let cascade = Cascade::new(stage.clone(), LONG, shipped);
    let store: Arc<MemoryStore> = Arc::clone(store);
    let knowledge = Knowledge::open_with(dir.path(), store, embedder(), Some(cascade), VectorWatch::nobody()).await;
    (knowledge.unwrap(), stage)
}

async fn used(knowledge: &Knowledge) -> SecondStageUse {
    let found = knowledge.search(UNSURE, &[collection("billing")], 5).await.unwrap();
    assert_eq!(found.chunks.len(), 3);
    found.second_stage
}

#[tokio::test]
async fn searches_do_without_it_until_it_has_read_the_chunks() {
    let (dir, store) = (tempfile::tempdir().unwrap(), Arc::new(MemoryStore::default()));
    ingest(
        &store,
        "# Settings\n\nRefunds are among the settings of the plan. They take five days.",
    )
    .await;
    let (knowledge, _) = open(&dir, &store, Vec::new()).await;
    assert!(matches!(used(&knowledge).await, SecondStageUse::Absent));
    knowledge.deepen().await.unwrap();
    assert!(matches!(used(&knowledge).await, SecondStageUse::Ranked { .. }));
    let sure = knowledge
        .search("How long does a refund take?", &[collection("billing")], 5)
        .await;
    let sure = sure.unwrap();
    assert!(
        matches!(sure.second_stage, SecondStageUse::NotNeeded),
        "{:?}",
        sure.second_stage
    );
    assert_eq!(sure.chunks[0].chunk.origin.source, "refunds.md");

    // Another start finds what was read, and a damaged file is read again.
    drop(knowledge);
    let (again, _) = open(&dir, &store, Vec::new()).await;
    assert!(matches!(used(&again).await, SecondStageUse::Ranked { .. }));
    drop(again);
    let folders = std::fs::read_dir(dir.path().join("billing")).unwrap();
    for folder in folders {
        let path = folder.unwrap().path().join("transformer.i8");
        let mut bytes = std::fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(&path, bytes).unwrap();
    }
    let (damaged, _) = open(&dir, &store, Vec::new()).await;
    assert!(matches!(used(&damaged).await, SecondStageUse::Absent));
    damaged.deepen().await.unwrap();
    assert!(matches!(used(&damaged).await, SecondStageUse::Ranked { .. }));
}

#[tokio::test]
async fn no_chunk_is_read_twice() {
    let (dir, store) = (tempfile::tempdir().unwrap(), Arc::new(MemoryStore::default()));
    ingest(
        &store,
        "# Settings\n\nRefunds are among the settings of the plan. They take five days.",
    )
    .await;
    let (knowledge, _) = open(&dir, &store, Vec::new()).await;
    knowledge.deepen().await.unwrap();
    let read = knowledge.transformer_vectors().unwrap();

    // A change: only what is new is read, though the whole index is made anew.
    ingest(
        &store,
        "# Settings\n\nRefunds are among the settings of the plan. They take two days.",
    )
    .await;
    knowledge.refresh().await.unwrap();
    assert!(matches!(used(&knowledge).await, SecondStageUse::Absent));
    drop(knowledge);
    let (knowledge, stage) = open(&dir, &store, Vec::new()).await;
    assert!(matches!(used(&knowledge).await, SecondStageUse::Absent));
    knowledge.deepen().await.unwrap();
    assert!(stage.is_loaded() && matches!(used(&knowledge).await, SecondStageUse::Ranked { .. }));

    // Back as it was: what is shipped is not read at all.
    ingest(
        &store,
        "# Settings\n\nRefunds are among the settings of the plan. They take five days.",
    )
    .await;
    let (knowledge, stage) = open(&dir, &store, vec![read]).await;
    knowledge.deepen().await.unwrap();
    assert!(!stage.is_loaded());
    assert!(matches!(used(&knowledge).await, SecondStageUse::Ranked { .. }));
}
