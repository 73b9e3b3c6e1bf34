//! A store of documents in memory that keeps the promises of the trait.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use async_trait::async_trait;
use orchestratai_agents::knowledge::{
    ChangeOutcome, CollectionName, Document, DocumentChanges, DocumentFilter, DocumentId, DocumentPage, DocumentStore,
    DocumentStoreError, DocumentSummary, DocumentsSince, IndexPart, IndexPartStore, StoredCollection,
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
    /// What was made of documents, by document and maker.
    parts: BTreeMap<(DocumentId, String), Vec<u8>>,
    /// Who has been claimed until when.
    claims: BTreeMap<(DocumentId, String), Instant>,
}

impl MemoryStore {
    fn check(&self) -> Result<(), DocumentStoreError> {
        match self.is_away.load(Ordering::Relaxed) {
            true => Err(DocumentStoreError::new("the database is away")),
            false => Ok(()),
        }
    }
}

impl MemoryStore {
    /// Damages what this maker has made of every document.
    pub(crate) fn damage_parts(&self, maker: &str) -> usize {
        let mut state = self.state.lock().unwrap();
        let of_maker = state.parts.iter_mut().filter(|((_, by), _)| by == maker);
        of_maker.map(|(_, body)| body[20] ^= 1).count()
    }

    /// The makers that have made something, once for each document.
    pub(crate) fn makers(&self) -> Vec<String> {
        let state = self.state.lock().unwrap();
        state.parts.keys().map(|(_, maker)| maker.clone()).collect()
    }

    /// Forgets what this maker has made, as if it had never come to it.
    pub(crate) fn forget_parts(&self, maker: &str) {
        self.state.lock().unwrap().parts.retain(|(_, by), _| by != maker);
    }
}

#[async_trait]
impl IndexPartStore for MemoryStore {
    async fn index_parts(
        &self,
        documents: &[DocumentId],
        makers: &[&str],
    ) -> Result<Vec<IndexPart>, DocumentStoreError> {
        self.check()?;
        let state = self.state.lock().unwrap();
        let revision = |id: DocumentId| {
            state
                .documents
                .iter()
                .find(|document| document.id == id)
                .unwrap()
                .revision
        };
        let part = |((id, maker), body): (&(DocumentId, String), &Vec<u8>)| IndexPart {
            document: *id,
            revision: revision(*id),
            maker: maker.clone(),
            body: body.clone(),
        };
        let parts = state.parts.iter();
        let asked = parts.filter(|((id, maker), _)| documents.contains(id) && makers.contains(&maker.as_str()));
        Ok(asked.map(part).collect())
    }

    async fn documents_without_part(&self, maker: &str) -> Result<BTreeSet<DocumentId>, DocumentStoreError> {
        self.check()?;
        let state = self.state.lock().unwrap();
        let ids = state.documents.iter().map(|document| document.id);
        Ok(ids
            .filter(|id| !state.parts.contains_key(&(*id, maker.to_owned())))
            .collect())
    }

    async fn keep_index_parts(&self, parts: Vec<IndexPart>) -> Result<(), DocumentStoreError> {
        self.check()?;
        let mut state = self.state.lock().unwrap();
        for part in parts {
            let mut documents = state.documents.iter();
            if documents.any(|document| document.id == part.document && document.revision == part.revision) {
                let key = (part.document, part.maker);
                state.claims.remove(&key);
                state.parts.insert(key, part.body);
            }
        }
        Ok(())
    }

    async fn claim_index_parts(
        &self,
        documents: &[DocumentId],
        maker: &str,
        lasts: Duration,
    ) -> Result<BTreeSet<DocumentId>, DocumentStoreError> {
        self.check()?;
        let mut state = self.state.lock().unwrap();
        let now = Instant::now();
        let mut claimed = BTreeSet::new();
        for id in documents {
            let key = (*id, maker.to_owned());
            if state.claims.get(&key).is_none_or(|until| *until <= now) {
                state.claims.insert(key, now + lasts);
                claimed.insert(*id);
            }
        }
        Ok(claimed)
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
        let (mut kept, mut written) = (Vec::new(), Vec::new());
        for (at, new) in changes.put.into_iter().enumerate() {
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
                    written.push((at, known.id));
                }
                kept.push(known.id);
            } else {
                let id = DocumentId(Uuid::now_v7());
                kept.push(id);
                written.push((at, id));
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
        let has_changed = |id: &DocumentId| {
            gone.iter().any(|gone| gone.id == *id) || written.iter().any(|(_, written)| written == id)
        };
        state.parts.retain(|(id, _), _| !has_changed(id));
        for part in changes.parts {
            if let Some((_, id)) = written.iter().find(|(at, _)| *at == part.document) {
                state.parts.insert((*id, part.maker), part.body);
            }
        }
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
        wanted: &DocumentFilter,
        limit: usize,
        before: Option<DocumentId>,
    ) -> Result<DocumentPage, DocumentStoreError> {
        self.check()?;
        let state = self.state.lock().unwrap();
        let all: Vec<&Document> = state
            .documents
            .iter()
            .take_while(|document| Some(document.id) != before)
            .filter(|document| {
                let collection = wanted.collection.as_ref();
                collection.is_none_or(|collection| document.document.collection == *collection)
            })
            .filter(|document| {
                let document = &document.document;
                let holds = |text: &str| document.title.contains(text) || document.path.contains(text);
                wanted.holding.as_deref().is_none_or(holds)
            })
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

    async fn at_path(&self, _: Option<&CollectionName>, _: &str) -> Result<Vec<DocumentSummary>, DocumentStoreError> {
        Ok(Vec::new())
    }

    async fn read(&self, _: DocumentId) -> Result<Option<(DocumentSummary, String)>, DocumentStoreError> {
        Ok(None)
    }

    async fn collections(&self) -> Result<Vec<StoredCollection>, DocumentStoreError> {
        Ok(Vec::new())
    }
}
