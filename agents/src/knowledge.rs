//! The knowledge base: documents, their chunks, the index over them, and search.
//!
//! Documents are kept by a [`DocumentStore`] and are the truth. The index of each collection is derived from them, stands
//! on disk, and is made anew where it is missing, corrupt or older than the documents; searches go on with the old one
//! until the new one is complete. What is made of each document on the way, its chunks and their vectors, is kept beside it, where other
//! nodes read it.

mod building;
mod cascade;
mod chunk;
mod chunk_list;
mod chunk_vectors;
mod collection;
mod convert;
mod deepening;
mod document;
mod duplicates;
mod error;
mod evidence;
mod file_kind;
mod filter;
mod folder;
mod front_matter;
mod index;
mod index_parts;
mod ingest;
mod lexical;
mod markdown;
mod passage;
mod passage_form;
mod plain_text;
mod prepared;
mod prepared_documents;
mod progress;
mod ranking;
mod resemblance;
mod scores;
mod search;
mod searching;
mod shelf;
mod source;
mod spelling;
mod split;
mod vector_watch;
mod view;

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use self::{building::Building, deepening::Deepening, index::CollectionIndex, shelf::Shelf};
pub use self::{
    cascade::{AskSecondStage, Cascade, Missed, SecondStageUse},
    chunk::{Chunk, ChunkOrigin},
    chunk_vectors::ChunkVectors,
    collection::CollectionName,
    document::{
        ChangeOutcome, Document, DocumentChanges, DocumentFilter, DocumentId, DocumentPage, DocumentStore,
        DocumentStoreError, DocumentSummary, DocumentsSince, NewDocument, StoredCollection,
    },
    error::KnowledgeError,
    file_kind::FileKind,
    filter::Filter,
    index_parts::{IndexPart, IndexPartStore, NewIndexPart},
    ingest::{IngestReport, ingest_files, ingest_folder},
    prepared_documents::PreparedDocuments,
    progress::{Progress, Watch, Work},
    scores::Scores,
    search::{FoundChunk, SearchResult},
    source::{FILE_BYTES_MAX, FileProblem, ParsedFiles, SourceFile, parse},
    spelling::Correction,
    vector_watch::{EmbedderStage, VectorOrigin, VectorWatch},
    view::{ChunkView, DocumentView},
};
pub(crate) use self::{
    passage::{Passage, PassageKind, Passages, sentences_of},
    passage_form::PassageForm,
    resemblance::{Resemblance, raise},
    search::Query,
    source::hex,
};
use crate::embedder::StaticEmbedder;

/// Documents whose chunks and vectors are in memory at once before they are part of an index.
const BUILT_AT_ONCE: usize = 512;

/// The root of documents that were uploaded one by one.
pub const UPLOADS_ROOT: &str = "uploads";

/// The knowledge base. Clones share it.
#[derive(Clone)]
pub struct Knowledge(Arc<Inner>);

struct Inner {
    shelf: Shelf,
    documents: Arc<PreparedDocuments>,
    embedder: Arc<StaticEmbedder>,
    /// Is told of vectors that are made or read.
    vectors: VectorWatch,
    cascade: Option<Cascade>,
    served: RwLock<Arc<Snapshot>>,
    /// One refresh at a time.
    refreshing: tokio::sync::Mutex<()>,
    /// One deepening at a time, beside refreshes.
    deepening: tokio::sync::Mutex<()>,
}

/// What is served at one moment.
#[derive(Debug, Default)]
struct Snapshot {
    revision: u64,
    collections: BTreeMap<CollectionName, Arc<CollectionIndex>>,
}

/// A collection that is served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CollectionSummary {
    /// Its name.
    pub name: CollectionName,
    /// Documents in it.
    pub documents: usize,
    /// Chunks in it, near-duplicates included.
    pub chunks: usize,
}

/// What a refresh did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refreshed {
    /// The knowledge revision that is served now.
    pub revision: u64,
    /// The collections whose index was made anew.
    pub rebuilt: Vec<CollectionName>,
}

impl Knowledge {
    /// Opens the knowledge base. `dir` is the folder of the index, made where it is missing. What is there is checked;
    /// what is missing, corrupt or out of date is made anew from `documents` before this returns.
    ///
    /// # Errors
    /// [`KnowledgeError`] where documents cannot be read, or an index cannot be written.
    pub async fn open(
        dir: &Path,
        documents: Arc<dyn DocumentStore>,
        embedder: Arc<StaticEmbedder>,
    ) -> Result<Self, KnowledgeError> {
        Self::open_with(dir, documents, embedder, None, VectorWatch::nobody()).await
    }

    /// As [`Self::open`], with a second stage. Its vectors of the chunks are read where they are there, and not waited for where
    /// they are not: searches do without it until [`Self::deepen`] has made them. `vectors` is told of every vector that is computed, and
    /// of those that others have.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub async fn open_with(
        dir: &Path,
        documents: Arc<dyn DocumentStore>,
        embedder: Arc<StaticEmbedder>,
        cascade: Option<Cascade>,
        vectors: VectorWatch,
    ) -> Result<Self, KnowledgeError> {
        let shelf = Shelf::new(dir);
        let opened = {
            let shelf = shelf.clone();
            blocking(move || Ok(shelf.open())).await?
        };
        let knowledge = Self(Arc::new(Inner {
            shelf,
            documents: Arc::new(PreparedDocuments::new(
                documents,
                Arc::clone(&embedder),
                vectors.clone(),
            )),
            embedder,
            vectors,
            cascade,
            served: RwLock::new(Arc::new(opened)),
            refreshing: tokio::sync::Mutex::new(()),
            deepening: tokio::sync::Mutex::new(()),
        }));
        if !knowledge.follows_the_documents().await? {
            tracing::warn!("the index was made from other documents, and is made anew");
            knowledge.serve(Snapshot::default());
        }
        knowledge.refresh().await?;
        if let Some(cascade) = knowledge.0.cascade.clone() {
            let served = knowledge.snapshot();
            let load = move || {
                served.collections.values().for_each(|index| cascade.load(index));
                Ok(())
            };
            blocking(load).await?;
        }
        Ok(knowledge)
    }

    /// Gets what the second stage needs and does not have, for what is served now: it takes 10 to 40 ms a chunk and core where no other
    /// node has made it, or as long as a provider takes, and searches go on meanwhile. Does nothing where there is no second stage.
    ///
    /// # Errors
    /// [`KnowledgeError`] where the transformer or the provider fails or the index cannot be written; searches go on without it. What was made
    /// is kept, and the next call goes on from there.
    pub async fn deepen(&self) -> Result<(), KnowledgeError> {
        let Some(cascade) = &self.0.cascade else {
            return Ok(());
        };
        let _one_at_a_time = self.0.deepening.lock().await;
        let model = cascade.learn_name().await?;
        loop {
            let snapshot = self.snapshot();
            let mut indexes = snapshot.collections.values();
            let shallow = indexes.clone().find(|index| !cascade.has_vectors(index));
            let Some(index) = shallow.or_else(|| indexes.find(|index| !index.is_shared())) else {
                return Ok(());
            };
            if let Err(error) = Deepening::new(self, cascade, &model, index).run().await {
                // An index that was replaced meanwhile is gone from the disk, and wanted by nobody.
                if self.serves(index) {
                    return Err(error);
                }
            }
        }
    }

    /// Notes which makers' parts are in use here, and removes those that were not used by anybody for `unused_for`. Gives how many.
    ///
    /// # Errors
    /// [`KnowledgeError`] where the store fails; some may be removed then.
    pub async fn remove_unused_parts(&self, unused_for: Duration) -> Result<u64, KnowledgeError> {
        let mut makers = Building::makers().to_vec();
        let cascade = self.0.cascade.iter();
        makers.extend(cascade.filter_map(Cascade::name).map(index_parts::vectors_of));
        let makers: Vec<&str> = makers.iter().map(String::as_str).collect();
        Ok(self.0.documents.remove_unused_index_parts(&makers, unused_for).await?)
    }

    /// The documents: what is put there is cut and embedded first.
    #[must_use]
    pub fn documents(&self) -> &PreparedDocuments {
        &self.0.documents
    }

    /// All vectors of the second stage, to be shipped with the documents; none without a second stage, or one that is not known yet.
    #[must_use]
    pub fn transformer_vectors(&self) -> Option<ChunkVectors> {
        let cascade = self.0.cascade.as_ref()?;
        let model = cascade.name()?;
        let mut all = ChunkVectors::new(model);
        for index in self.snapshot().collections.values() {
            all.by_key.extend(index.known_transformer_vectors(model).by_key);
        }
        Some(all)
    }

    /// The collections that are served, by name.
    #[must_use]
    pub fn collections(&self) -> Vec<CollectionSummary> {
        let summary = |index: &Arc<CollectionIndex>| CollectionSummary {
            name: index.collection.clone(),
            documents: index.documents.len(),
            chunks: index.chunks.len(),
        };
        self.snapshot().collections.values().map(summary).collect()
    }

    /// The names of the collections that are served.
    #[must_use]
    pub fn collection_names(&self) -> Vec<CollectionName> {
        self.snapshot().collections.keys().cloned().collect()
    }

    /// The knowledge revision that is served; 0 where there never was a document.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.snapshot().revision
    }

    /// Makes the indexes of all collections that have changed anew, and switches to them at once. Searches under way
    /// end on what they began with.
    ///
    /// # Errors
    /// [`KnowledgeError`] where documents cannot be read or an index cannot be written; what was served is served on.
    pub async fn refresh(&self) -> Result<Refreshed, KnowledgeError> {
        let _one_at_a_time = self.0.refreshing.lock().await;
        let served = self.snapshot();
        let now = self.0.documents.revision().await?;
        let missing = self.0.shelf.missing(&served);
        if now == served.revision && missing.is_empty() {
            return Ok(Refreshed {
                revision: now,
                rebuilt: Vec::new(),
            });
        }
        let since = self.0.documents.since(served.revision).await?;
        let mut touched: Vec<CollectionName> = missing;
        touched.extend(
            since
                .changed
                .iter()
                .map(|document| document.document.collection.clone()),
        );
        touched.extend(since.removed.iter().map(|(_, collection)| collection.clone()));
        touched.sort();
        touched.dedup();
        let all = match (touched.is_empty(), served.revision) {
            (true, _) => Vec::new(),
            (false, 0) => since.changed,
            (false, _) => self.0.documents.since(0).await?.changed,
        };
        let mut built = BTreeMap::new();
        for (name, documents) in building::in_order(all) {
            if touched.contains(&name) {
                let building = self.build(&name, documents).await?;
                built.insert(name, building);
            }
        }
        let shelf = self.0.shelf.clone();
        let (revision, rebuilt) = (since.revision, touched.clone());
        let next = blocking(move || shelf.rebuild(&served, touched, built, revision)).await?;
        self.serve(next);
        Ok(Refreshed { revision, rebuilt })
    }

    /// Ingests a folder into a collection: its documents are then those of the folder, and what an earlier ingestion of
    /// the same folder left is removed. Ends when the documents are durable; [`Self::refresh`] serves them.
    ///
    /// # Errors
    /// [`KnowledgeError`] where the folder or the store fails; single files are reported in the result.
    pub async fn ingest_folder(
        &self,
        path: &Path,
        collection: &CollectionName,
    ) -> Result<IngestReport, KnowledgeError> {
        ingest_folder(self.0.documents.as_ref(), path, collection, &Watch::nobody()).await
    }

    /// Puts files that were sent to us, beside what is there; a file of the same name is replaced.
    ///
    /// # Errors
    /// [`KnowledgeError`] where the store fails; single files are reported in the result.
    pub async fn put_upload(
        &self,
        collection: &CollectionName,
        files: Vec<SourceFile>,
    ) -> Result<IngestReport, KnowledgeError> {
        let collection = collection.clone();
        let parsed = blocking(move || Ok(parse(&collection, UPLOADS_ROOT, files))).await?;
        let ParsedFiles {
            documents,
            converted,
            problems,
            ..
        } = parsed;
        let changes = DocumentChanges {
            put: documents,
            ..DocumentChanges::default()
        };
        let outcome = self.0.documents.change(changes).await?;
        Ok(IngestReport {
            outcome,
            converted,
            problems,
        })
    }

    /// Removes a document; false where there was none of that id.
    ///
    /// # Errors
    /// [`KnowledgeError`] where the store fails.
    pub async fn delete(&self, document: DocumentId) -> Result<bool, KnowledgeError> {
        let changes = DocumentChanges {
            remove: vec![document],
            ..DocumentChanges::default()
        };
        Ok(self.0.documents.change(changes).await?.removed > 0)
    }

    /// The last `limit` documents that are wanted, or the last of them before `before`.
    ///
    /// # Errors
    /// [`KnowledgeError`] where the store fails.
    pub async fn list(
        &self,
        wanted: &DocumentFilter,
        limit: usize,
        before: Option<DocumentId>,
    ) -> Result<DocumentPage, KnowledgeError> {
        Ok(self.0.documents.list(wanted, limit, before).await?)
    }

    /// Takes documents into an index: what was made of them before is read, and what is missing of it is made and kept.
    async fn build(&self, name: &CollectionName, documents: Vec<Document>) -> Result<Building, KnowledgeError> {
        let makers = Building::makers();
        let makers: Vec<&str> = makers.iter().map(String::as_str).collect();
        let mut building = Building::new(name);
        let mut documents = documents.into_iter();
        loop {
            let page: Vec<Document> = documents.by_ref().take(BUILT_AT_ONCE).collect();
            if page.is_empty() {
                return Ok(building);
            }
            let ids: Vec<DocumentId> = page.iter().map(|document| document.id).collect();
            let kept = self.0.documents.index_parts(&ids, &makers).await?;
            let (embedder, watch) = (Arc::clone(&self.0.embedder), self.0.vectors.clone());
            let add = move || {
                let made = building.add(page, kept, &embedder, &watch);
                Ok((building, made))
            };
            let (with_page, made) = blocking(add).await?;
            building = with_page;
            if let Err(error) = self.keep(made).await {
                // The index does not need it.
                let error = &error as &(dyn std::error::Error + 'static);
                tracing::warn!(collection = %name, error, "chunks and vectors cannot be kept for other nodes");
            }
        }
    }

    async fn keep(&self, made: Vec<IndexPart>) -> Result<(), DocumentStoreError> {
        if made.is_empty() {
            return Ok(());
        }
        self.0.documents.keep_index_parts(made).await
    }

    /// Whether this index is one of those that are served.
    fn serves(&self, index: &Arc<CollectionIndex>) -> bool {
        let snapshot = self.snapshot();
        snapshot.collections.values().any(|served| Arc::ptr_eq(served, index))
    }

    /// The documents at a path, of one collection or of all, the one that was changed last first. There are several where several
    /// folders were ingested.
    ///
    /// # Errors
    /// [`KnowledgeError`] where the store fails.
    pub async fn at_path(
        &self,
        collection: Option<&CollectionName>,
        path: &str,
    ) -> Result<Vec<DocumentSummary>, KnowledgeError> {
        Ok(self.0.documents.at_path(collection, path).await?)
    }

    /// A document with its text, and where in it each chunk stands; none where there is no such document.
    ///
    /// # Errors
    /// [`KnowledgeError`] where the store fails.
    pub async fn document(&self, id: DocumentId) -> Result<Option<DocumentView>, KnowledgeError> {
        match self.0.documents.read(id).await? {
            Some((summary, content)) => blocking(move || Ok(Some(DocumentView::new(summary, content)))).await,
            None => Ok(None),
        }
    }

    /// The collections that there are, by name, whether they are served already or not.
    ///
    /// # Errors
    /// [`KnowledgeError`] where the store fails.
    pub async fn stored_collections(&self) -> Result<Vec<StoredCollection>, KnowledgeError> {
        Ok(self.0.documents.collections().await?)
    }

    fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.0.served.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn serve(&self, snapshot: Snapshot) {
        *self.0.served.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(snapshot);
    }

    /// Whether the index that was opened belongs to these documents: what the last revision changed must be in it.
    async fn follows_the_documents(&self) -> Result<bool, KnowledgeError> {
        let served = self.snapshot();
        if served.revision == 0 {
            return Ok(true);
        }
        if self.0.documents.revision().await? < served.revision {
            return Ok(false);
        }
        let last = self.0.documents.since(served.revision - 1).await?;
        let indexed = |document: &Document| {
            served
                .collections
                .get(&document.document.collection)
                .is_none_or(|index| index.documents.contains(&(document.id, document.revision)))
        };
        Ok(last
            .changed
            .iter()
            .filter(|document| document.revision == served.revision)
            .all(indexed))
    }
}

impl std::fmt::Debug for Knowledge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Knowledge")
            .field("served", &self.snapshot())
            .finish_non_exhaustive()
    }
}

/// Runs work that blocks or computes for long where that harms nobody.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, KnowledgeError> + Send + 'static,
) -> Result<T, KnowledgeError> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or(Err(KnowledgeError::BrokenOff))
}
