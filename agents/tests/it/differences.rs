//! Sources that say different things of the same: the answer shows both, the newest first.

use std::sync::Arc;

use futures_util::StreamExt;
use orchestratai_agents::{
    knowledge::{DocumentChanges, DocumentStore, Knowledge, NewDocument},
    model::{Extractive, Model, ModelEvent, ModelTask, without_own_words},
    turn::UsageMeter,
};
use serde_json::json;

use crate::{
    memory_store::MemoryStore,
    world::{collection, embedder},
};

fn document(path: &str, updated: Option<&str>, content: &str) -> NewDocument {
    let front_matter = updated.map(|day| json!({"updated": day}).as_object().unwrap().clone());
    NewDocument {
        collection: collection("policy"),
        root: "test".into(),
        path: path.into(),
        title: path.trim_end_matches(".md").replace('-', " "),
        content: content.into(),
        front_matter: front_matter.unwrap_or_default(),
        content_hash: path.into(),
    }
}

async fn answer(documents: Vec<NewDocument>, question: &str) -> (String, Vec<String>, f64) {
    let dir = tempfile::tempdir().unwrap();
    let store = Arc::new(MemoryStore::default());
    let changes = DocumentChanges {
        put: documents,
        ..DocumentChanges::default()
    };
    store.change(changes).await.unwrap();
    let knowledge = Knowledge::open(dir.path(), store, embedder()).await.unwrap();
    let found = knowledge.search(question, &[collection("policy")], 5).await.unwrap();
    let (model, meter) = (Extractive::new(embedder()), UsageMeter::default());
    let task = ModelTask {
        question,
        prompt: "",
        found: &found,
        history: &[],
        facts: &[],
        spender: None,
        acting: None,
        client: None,
        handed_over: None,
        answer_characters: 20_000,
    };
    let (mut text, mut sources, mut confidence) = (String::new(), Vec::new(), 0.0);
    let mut events = model.answer(task, &meter);
    while let Some(event) = events.next().await {
        match event.unwrap() {
            ModelEvent::Read(_)
            | ModelEvent::Withdrawn { .. }
            | ModelEvent::Judged(_)
            | ModelEvent::ToolCalls(_)
            | ModelEvent::Step(_)
            | ModelEvent::Paused(_) => {}
            ModelEvent::Delta(piece) => text += &piece,
            ModelEvent::Finished(outcome) => {
                sources = outcome.citations.into_iter().map(|citation| citation.source).collect();
                confidence = outcome.confidence.get();
            }
        }
    }
    (text, sources, confidence)
}

/// What nobody asks for.
fn others() -> Vec<NewDocument> {
    let texts = [
        "The office has plants.",
        "Lunch is served at noon.",
        "Chairs can be raised.",
        "Windows are cleaned on Fridays.",
        "The lift stops at each floor.",
    ];
    (1..)
        .zip(texts)
        .map(|(number, text)| document(&format!("other-{number}.md"), None, text))
        .collect()
}

#[tokio::test]
async fn both_are_shown_with_their_days_the_newest_first() {
    let mut documents = others();
    documents.push(document(
        "retention.md",
        Some("2025-03-01"),
        "Events of a workspace are kept for 30 days.",
    ));
    documents.push(document(
        "news.md",
        Some("2026-09-15"),
        "The events of each workspace are kept for 90 days.",
    ));
    let (text, sources, confidence) = answer(documents, "For how many days are the events of a workspace kept?").await;
    assert!(confidence >= 0.5, "{confidence}: {text}");
    assert_eq!(sources, ["news.md", "retention.md"], "{text}");
    let expected = "The sources differ; the newest first:\n\n(updated 2026-09-15) The events of each workspace are kept for 90 days. [1]\
                    \n\n(updated 2025-03-01) Events of a workspace are kept for 30 days. [2]";
    assert!(text.starts_with(expected), "{text}");
    assert!(
        without_own_words(&text).starts_with("\n\nThe events of each workspace are kept for 90 days. [1]"),
        "{text}"
    );
}

#[tokio::test]
async fn sources_that_agree_are_not_said_to_differ() {
    let mut documents = others();
    documents.push(document(
        "retention.md",
        Some("2025-03-01"),
        "Events of a workspace are kept for 90 days.",
    ));
    documents.push(document(
        "news.md",
        None,
        "The events of each workspace are kept for 90 days.",
    ));
    let (text, sources, confidence) = answer(documents, "For how many days are the events of a workspace kept?").await;
    assert!(confidence >= 0.5, "{confidence}: {text}");
    assert!(
        !sources.is_empty() && !text.contains("differ") && !text.contains("updated"),
        "{text}"
    );
}
