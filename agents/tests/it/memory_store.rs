//! A store of documents in memory that keeps the promises of the trait.

use std::{
    collections::HashMap,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use async_trait::async_trait;
use orchestratai_agents::knowledge::{
    ChangeOutcome, CollectionName, Document, DocumentChanges, DocumentId, DocumentPage, DocumentStore,
    DocumentStoreError, DocumentSummary, DocumentsSince,
};
use orchestratai_shared::Timestamp;
use uuid::Uuid;

#[derive(Default)]
pub(crate) struct MemoryStore {
    state: Mutex<State>,
    /// While set, every call fails.
    pub(crate) is_away: AtomicBool,
}

#[derive(Default)]
struct State {
    revision: u64,
    documents: Vec<Document>,
    removed: Vec<(DocumentId, CollectionName, u64)>,
}

impl MemoryStore {
    fn check(&self) -> Result<(), DocumentStoreError> {
        match self.is_away.load(Ordering::Relaxed) {
            true => Err(DocumentStoreError::new("the database is away")),
            false => Ok(()),
        }
    }
}

#[async_trait]
impl DocumentStore for MemoryStore {
    async fn revision(&self) -> Result<u64, DocumentStoreError> {
        self.check()?;
        Ok(self.state.lock().unwrap().revision)
    }

    async fn since(&self, revision: u64) -> Result<DocumentsSince, DocumentStoreError> {
        self.check()?;
        let state = self.state.lock().unwrap();
        Ok(DocumentsSince {
            revision: state.revision,
            changed: state
                .documents
                .iter()
                .filter(|document| document.revision > revision)
                .cloned()
                .collect(),
            removed: state
                .removed
                .iter()
                .filter(|(_, _, at)| *at > revision)
                .map(|(id, collection, _)| (*id, collection.clone()))
                .collect(),
        })
    }

    async fn content_hashes(
        &self,
        collection: &CollectionName,
        root: &str,
    ) -> Result<HashMap<String, String>, DocumentStoreError> {
        self.check()?;
        let state = self.state.lock().unwrap();
        let documents = state.documents.iter().map(|document| &document.document);
        Ok(documents
            .filter(|document| document.collection == *collection && document.root == root)
            .map(|document| (document.path.clone(), document.content_hash.clone()))
            .collect())
    }

    async fn change(&self, changes: DocumentChanges) -> Result<ChangeOutcome, DocumentStoreError> {
        self.check()?;
        let mut state = self.state.lock().unwrap();
        let mut outcome = ChangeOutcome::default();
        let revision = state.revision + 1;
        let mut kept = Vec::new();
        for new in changes.put {
            let place = |known: &Document| {
                let known = &known.document;
                known.collection == new.collection && known.root == new.root && known.path == new.path
            };
            if let Some(known) = state.documents.iter_mut().find(|known| place(known)) {
                if known.document.content_hash == new.content_hash {
                    outcome.unchanged += 1;
                } else {
                    (known.document, known.revision) = (new, revision);
                    outcome.updated += 1;
                }
                kept.push(known.id);
            } else {
                let id = DocumentId(Uuid::now_v7());
                kept.push(id);
                state.documents.push(Document {
                    id,
                    document: new,
                    revision,
                });
                outcome.added += 1;
            }
        }
        if let Some((collection, root)) = &changes.replace_root {
            for known in &state.documents {
                let document = &known.document;
                let is_kept = changes.keep.contains(&document.path) && !kept.contains(&known.id);
                if is_kept && document.collection == *collection && document.root == *root {
                    kept.push(known.id);
                    outcome.unchanged += 1;
                }
            }
        }
        let goes = |document: &Document| {
            let in_root = changes.replace_root.as_ref().is_some_and(|(collection, root)| {
                document.document.collection == *collection && document.document.root == *root
            });
            changes.remove.contains(&document.id) || in_root && !kept.contains(&document.id)
        };
        let (gone, stay): (Vec<Document>, Vec<Document>) = state.documents.drain(..).partition(goes);
        state.documents = stay;
        outcome.removed = gone.len();
        state.removed.extend(
            gone.into_iter()
                .map(|document| (document.id, document.document.collection, revision)),
        );
        if outcome.added + outcome.updated + outcome.removed > 0 {
            state.revision = revision;
        }
        outcome.revision = state.revision;
        outcome.ids = kept;
        Ok(outcome)
    }

    async fn list(
        &self,
        collection: Option<&CollectionName>,
        limit: usize,
        before: Option<DocumentId>,
    ) -> Result<DocumentPage, DocumentStoreError> {
        self.check()?;
        let state = self.state.lock().unwrap();
        let all: Vec<&Document> = state
            .documents
            .iter()
            .take_while(|document| Some(document.id) != before)
            .filter(|document| collection.is_none_or(|collection| document.document.collection == *collection))
            .collect();
        let summary = |document: &Document| DocumentSummary {
            id: document.id,
            collection: document.document.collection.clone(),
            root: document.document.root.clone(),
            path: document.document.path.clone(),
            title: document.document.title.clone(),
            revision: document.revision,
            created_at: Timestamp::from_millis(0),
            updated_at: Timestamp::from_millis(0),
        };
        let items = all[all.len().saturating_sub(limit)..]
            .iter()
            .map(|document| summary(document))
            .collect();
        Ok(DocumentPage {
            items,
            has_more: all.len() > limit,
        })
    }
}
