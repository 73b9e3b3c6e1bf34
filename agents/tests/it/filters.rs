//! Only documents whose front matter fits are searched.

use std::sync::Arc;

use orchestratai_agents::knowledge::{DocumentChanges, DocumentStore, Filter, Knowledge, NewDocument};
use serde_json::json;

use crate::{
    memory_store::MemoryStore,
    world::{collection, embedder},
};

fn document(path: &str, plan: &str, content: &str) -> NewDocument {
    NewDocument {
        collection: collection("policy"),
        root: "test".into(),
        path: path.into(),
        title: "Seats".into(),
        content: content.into(),
        front_matter: json!({"plan": [plan]}).as_object().unwrap().clone(),
        content_hash: path.into(),
    }
}

#[tokio::test]
async fn a_filter_leaves_out_what_does_not_fit_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let store = Arc::new(MemoryStore::default());
    // The same text for two plans is folded into one, and found for either.
    let seats = "Seats are added in the console under Members, and each is paid for from the day on which it is added. \
                 Seats that are taken away are credited at the end of the month, and never before.";
    let put = vec![
        document("business.md", "Business", seats),
        document("team.md", "Team", seats),
        document("other.md", "Team", "Windows are cleaned on Fridays."),
    ];
    let changes = DocumentChanges {
        put,
        ..DocumentChanges::default()
    };
    store.change(changes).await.unwrap();
    let knowledge = Knowledge::open(dir.path(), store, embedder()).await.unwrap();
    let found = async |filter: Filter| -> Vec<String> {
        let found = knowledge
            .search_where("How are seats added?", &[collection("policy")], &filter, 5)
            .await
            .unwrap();
        let sources = found.chunks.iter().map(|found| found.chunk.origin.source.clone());
        sources.collect()
    };
    let of = |plan: &str| Filter::default().allowing("plan", plan);
    assert_eq!(found(Filter::default()).await, ["business.md", "other.md"]);
    assert_eq!(found(of("business")).await, ["business.md"]);
    assert_eq!(found(of("team")).await, ["team.md", "other.md"]);
    assert_eq!(
        found(of("team").allowing("plan", "business")).await,
        ["business.md", "other.md"]
    );
    assert!(found(of("enterprise")).await.is_empty());
    assert!(found(Filter::default().allowing("audience", "team")).await.is_empty());
}
