//! The index on disk: it opens as it was written, and what is not whole is made anew from the documents.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Arc, atomic::Ordering},
};

use orchestratai_agents::knowledge::{CollectionName, DocumentStore, Knowledge, SourceFile, ingest_files};

use crate::{
    memory_store::MemoryStore,
    world::{all_of, collection, embedder},
};

fn file(path: &str, text: &str) -> SourceFile {
    SourceFile {
        path: path.into(),
        bytes: text.into(),
    }
}

fn billing_files() -> Vec<SourceFile> {
    vec![
        file(
            "refunds.md",
            "# Refunds\n\n## How long it takes\n\nA refund reaches your card in five days.\n",
        ),
        file(
            "guides/seats.md",
            "# Seats\n\n## Add a seat\n\nOpen Settings and choose Members, then Add seat.\n",
        ),
    ]
}

async fn best(knowledge: &Knowledge, question: &str, name: &str) -> Option<String> {
    let found = knowledge.search(question, &[collection(name)], 3).await.unwrap();
    found.chunks.first().map(|found| found.chunk.origin.source.clone())
}

async fn open(dir: &Path, store: &Arc<MemoryStore>) -> Knowledge {
    Knowledge::open(dir, Arc::clone(store) as Arc<dyn DocumentStore>, embedder())
        .await
        .unwrap()
}

/// The folder of the index that is current.
fn index_folder(dir: &Path, name: &CollectionName) -> PathBuf {
    let folders: Vec<PathBuf> = fs::read_dir(dir.join(name.as_str()))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    assert_eq!(folders.len(), 1, "{folders:?}");
    folders[0].clone()
}

#[tokio::test]
async fn what_is_written_opens_again_with_the_same_answers() {
    let dir = tempfile::tempdir().unwrap();
    let store = Arc::new(MemoryStore::default());
    let empty = open(dir.path(), &store).await;
    assert_eq!((empty.revision(), empty.collections()), (0, vec![]));
    assert_eq!(best(&empty, "refund", "billing").await, None);

    ingest_files(store.as_ref(), "demo", billing_files(), &collection("billing"))
        .await
        .unwrap();
    assert_eq!(empty.revision(), 0);
    let refreshed = empty.refresh().await.unwrap();
    assert_eq!(
        (refreshed.revision, refreshed.rebuilt),
        (1, vec![collection("billing")])
    );
    assert_eq!(
        best(&empty, "How soon is a refund on my card?", "billing")
            .await
            .as_deref(),
        Some("refunds.md")
    );
    let first = empty.search("add a seat", &[collection("billing")], 5).await.unwrap();

    let folder = index_folder(dir.path(), &collection("billing"));
    let written = fs::metadata(folder.join("manifest.json")).unwrap().modified().unwrap();
    let again = open(dir.path(), &store).await;
    assert_eq!(
        fs::metadata(folder.join("manifest.json")).unwrap().modified().unwrap(),
        written,
        "it was made anew"
    );
    let second = again.search("add a seat", &[collection("billing")], 5).await.unwrap();
    let scores = |result: &orchestratai_agents::knowledge::SearchResult| {
        result
            .chunks
            .iter()
            .map(|found| (found.chunk.text.clone(), found.scores))
            .collect::<Vec<_>>()
    };
    assert_eq!(scores(&first), scores(&second));
    let chunk = &second.document_chunks(true)[0];
    assert_eq!(chunk.source, "guides/seats.md");
    let metadata: serde_json::Value = serde_json::from_str(chunk.metadata.as_ref().unwrap().text()).unwrap();
    assert!(metadata["scores"]["bm25"].as_f64().unwrap() > 0.0);
}

#[tokio::test]
async fn a_corrupt_or_missing_file_means_a_new_index_and_the_same_answers() {
    let store = Arc::new(MemoryStore::default());
    ingest_files(store.as_ref(), "demo", billing_files(), &collection("billing"))
        .await
        .unwrap();
    type Damage = fn(&Path, &Path);
    let damages: Vec<(&str, Damage)> = vec![
        ("a flipped byte in the vectors", |_, index| {
            flip(&index.join("vectors.i8"));
        }),
        ("a flipped byte in the chunks", |_, index| {
            flip(&index.join("chunks.json"));
        }),
        ("a cut text file", |_, index| {
            let text = fs::read_dir(index.join("text"))
                .unwrap()
                .map(|entry| entry.unwrap().path());
            let file = text
                .into_iter()
                .find(|path| path.extension().is_some_and(|e| e == "term" || e == "idx"))
                .unwrap();
            fs::write(&file, b"x").unwrap();
        }),
        ("no manifest", |_, index| {
            fs::remove_file(index.join("manifest.json")).unwrap();
        }),
        ("a manifest of another version", |_, index| {
            let path = index.join("manifest.json");
            let text = fs::read_to_string(&path)
                .unwrap()
                .replace("\"format\": 1", "\"format\": 999");
            fs::write(&path, text).unwrap();
        }),
        ("a manifest that is no JSON", |_, index| {
            fs::write(index.join("manifest.json"), "{").unwrap();
        }),
        ("no index", |_, index| fs::remove_dir_all(index).unwrap()),
        ("no list", |dir, _| fs::remove_file(dir.join("current.json")).unwrap()),
        ("a broken list", |dir, _| {
            fs::write(dir.join("current.json"), b"\xff").unwrap();
        }),
    ];
    for (name, damage) in damages {
        let dir = tempfile::tempdir().unwrap();
        drop(open(dir.path(), &store).await);
        damage(dir.path(), &index_folder(dir.path(), &collection("billing")));
        let knowledge = open(dir.path(), &store).await;
        assert_eq!(
            best(&knowledge, "How long does a refund take?", "billing")
                .await
                .as_deref(),
            Some("refunds.md"),
            "{name}"
        );
        drop(knowledge);
        // The new one is whole, and the old one is gone.
        let written = |dir: &Path| {
            let folder = index_folder(dir, &collection("billing"));
            fs::metadata(folder.join("manifest.json")).unwrap().modified().unwrap()
        };
        let before = written(dir.path());
        drop(open(dir.path(), &store).await);
        assert_eq!(written(dir.path()), before, "{name}");
    }
}

#[tokio::test]
async fn a_change_touches_its_own_collection_and_its_own_root_only() {
    let dir = tempfile::tempdir().unwrap();
    let store = Arc::new(MemoryStore::default());
    ingest_files(store.as_ref(), "demo", billing_files(), &collection("billing"))
        .await
        .unwrap();
    let policy = vec![file("privacy.md", "# Privacy\n\nWe keep logs for ninety days.")];
    ingest_files(store.as_ref(), "demo", policy, &collection("policy"))
        .await
        .unwrap();
    let knowledge = open(dir.path(), &store).await;
    let untouched = index_folder(dir.path(), &collection("policy"));

    // A second root removes nothing of the first.
    let other = vec![file("extra.md", "# Vouchers\n\nA voucher is entered at the checkout.")];
    ingest_files(store.as_ref(), "other", other, &collection("billing"))
        .await
        .unwrap();
    assert_eq!(knowledge.refresh().await.unwrap().rebuilt, [collection("billing")]);
    assert_eq!(index_folder(dir.path(), &collection("policy")), untouched);
    assert_eq!(
        best(&knowledge, "Where do I enter a voucher?", "billing")
            .await
            .as_deref(),
        Some("extra.md")
    );
    assert_eq!(
        best(&knowledge, "How long does a refund take?", "billing")
            .await
            .as_deref(),
        Some("refunds.md")
    );

    // The same root again, with one file gone and one changed.
    let changed = vec![file("refunds.md", "# Refunds\n\nA refund now takes two days.")];
    let report = ingest_files(store.as_ref(), "demo", changed, &collection("billing"))
        .await
        .unwrap();
    assert_eq!((report.outcome.updated, report.outcome.removed), (1, 1));
    knowledge.refresh().await.unwrap();
    let found = knowledge
        .search(
            "How do I add a seat, how long does a refund take?",
            &[collection("billing")],
            10,
        )
        .await
        .unwrap();
    assert!(found.chunks.iter().all(|found| !found.chunk.text.contains("Add seat")));
    assert!(found.chunks.iter().any(|found| found.chunk.text.contains("two days")));

    // Removing the last document removes the collection.
    let page = knowledge.list(&all_of("policy"), 10, None).await.unwrap();
    assert!(knowledge.delete(page.items[0].id).await.unwrap());
    assert!(!knowledge.delete(page.items[0].id).await.unwrap());
    knowledge.refresh().await.unwrap();
    assert_eq!(knowledge.collection_names(), [collection("billing")]);
    assert_eq!(knowledge.refresh().await.unwrap().rebuilt, []);
}

#[tokio::test]
async fn an_index_of_other_documents_is_not_served() {
    let dir = tempfile::tempdir().unwrap();
    let first = Arc::new(MemoryStore::default());
    ingest_files(first.as_ref(), "demo", billing_files(), &collection("billing"))
        .await
        .unwrap();
    drop(open(dir.path(), &first).await);
    // Another database at the same revision.
    let second = Arc::new(MemoryStore::default());
    let other = vec![file("other.md", "# Other\n\nNothing about money.")];
    ingest_files(second.as_ref(), "demo", other, &collection("billing"))
        .await
        .unwrap();
    let knowledge = open(dir.path(), &second).await;
    assert_eq!(best(&knowledge, "refund", "billing").await.as_deref(), Some("other.md"));
    // And an older one.
    drop(knowledge);
    let knowledge = open(dir.path(), &Arc::new(MemoryStore::default())).await;
    assert_eq!(knowledge.collections(), []);
}

#[tokio::test]
async fn what_is_served_stays_while_the_store_is_away() {
    let dir = tempfile::tempdir().unwrap();
    let store = Arc::new(MemoryStore::default());
    ingest_files(store.as_ref(), "demo", billing_files(), &collection("billing"))
        .await
        .unwrap();
    let knowledge = open(dir.path(), &store).await;
    store.is_away.store(true, Ordering::Relaxed);
    assert!(knowledge.refresh().await.is_err());
    assert_eq!(
        best(&knowledge, "refund", "billing").await.as_deref(),
        Some("refunds.md")
    );
}

#[tokio::test]
async fn near_duplicates_fold_within_a_collection_and_not_across() {
    let dir = tempfile::tempdir().unwrap();
    let store = Arc::new(MemoryStore::default());
    let text = "A refund reaches your card five days after we have confirmed it in writing.";
    let files = vec![
        file("a.md", &format!("# A\n\n{text}")),
        file("b.md", &format!("# B\n\n{}", text.to_uppercase())),
        file(
            "c.md",
            "# C\n\nA refund reaches your card six days after we have confirmed it in writing, 6.",
        ),
    ];
    for name in ["billing", "policy"] {
        ingest_files(store.as_ref(), "demo", files.clone(), &collection(name))
            .await
            .unwrap();
    }
    let knowledge = open(dir.path(), &store).await;
    let both = [collection("billing"), collection("policy")];
    let found = knowledge
        .search("When does the refund reach my card?", &both, 10)
        .await
        .unwrap();
    let mut places: Vec<(String, String)> = found
        .chunks
        .iter()
        .map(|found| {
            (
                found.chunk.origin.collection.to_string(),
                found.chunk.origin.source.clone(),
            )
        })
        .collect();
    places.sort();
    let expected = [
        ("billing", "a.md"),
        ("billing", "c.md"),
        ("policy", "a.md"),
        ("policy", "c.md"),
    ];
    assert_eq!(
        places,
        expected.map(|(collection, source)| (collection.to_owned(), source.to_owned()))
    );
}

fn flip(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x10;
    fs::write(path, bytes).unwrap();
}
