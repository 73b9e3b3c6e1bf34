//! A store of documents that is given with every document what the index will be made from.
//!
//! Chunks and static vectors are durable in the same moment as their document, so whoever sees the one has the other.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use rayon::prelude::*;

use super::{
    ChangeOutcome, CollectionName, DocumentChanges, DocumentFilter, DocumentId, DocumentPage, DocumentStore,
    DocumentStoreError, DocumentSummary, DocumentsSince, IndexPart, IndexPartStore, NewDocument, NewIndexPart,
    StoredCollection, blocking,
    prepared::{Kept, Prepared, Source},
    vector_watch::{EmbedderStage, VectorOrigin, VectorWatch},
};
use crate::embedder::StaticEmbedder;

/// Documents that are cut and embedded before they are put.
#[derive(Clone)]
pub struct PreparedDocuments {
    documents: Arc<dyn DocumentStore>,
    embedder: Arc<StaticEmbedder>,
    watch: VectorWatch,
}

impl PreparedDocuments {
    /// Puts into `documents`; `watch` is told of vectors.
    #[must_use]
    pub fn new(documents: Arc<dyn DocumentStore>, embedder: Arc<StaticEmbedder>, watch: VectorWatch) -> Self {
        Self {
            documents,
            embedder,
            watch,
        }
    }

    /// The places of those documents that are new or have another content than the one that is kept.
    async fn changed(&self, put: &[NewDocument]) -> Result<Vec<usize>, DocumentStoreError> {
        let roots: BTreeSet<(&CollectionName, &str)> =
            put.iter().map(|new| (&new.collection, new.root.as_str())).collect();
        let mut known: HashMap<(&CollectionName, &str), HashMap<String, String>> = HashMap::new();
        for (collection, root) in roots {
            let hashes = self.documents.content_hashes(collection, root).await?;
            known.insert((collection, root), hashes);
        }
        let is_known = |new: &NewDocument| {
            let hashes = known.get(&(&new.collection, new.root.as_str()));
            hashes.and_then(|hashes| hashes.get(&new.path)) == Some(&new.content_hash)
        };
        let changed = put.iter().enumerate().filter(|(_, new)| !is_known(new));
        Ok(changed.map(|(at, _)| at).collect())
    }
}

/// What there is to make of these documents.
fn parts(
    put: &[NewDocument],
    changed: Vec<usize>,
    embedder: &StaticEmbedder,
    watch: &VectorWatch,
) -> Vec<NewIndexPart> {
    let prepare = |at: usize| {
        let new = &put[at];
        let source = Source {
            path: &new.path,
            title: &new.title,
            content: &new.content,
        };
        let prepared = Prepared::new(source, Kept::default(), embedder);
        watch.tell(EmbedderStage::First, VectorOrigin::Embedded, prepared.embedded);
        let part = move |(maker, body)| NewIndexPart {
            document: at,
            maker,
            body,
        };
        prepared.made.into_iter().map(part).collect::<Vec<_>>()
    };
    changed.into_par_iter().flat_map_iter(prepare).collect()
}

#[async_trait]
impl DocumentStore for PreparedDocuments {
    async fn revision(&self) -> Result<u64, DocumentStoreError> {
        self.documents.revision().await
    }

    async fn since(&self, revision: u64) -> Result<DocumentsSince, DocumentStoreError> {
        self.documents.since(revision).await
    }

    async fn content_hashes(
        &self,
        collection: &CollectionName,
        root: &str,
    ) -> Result<HashMap<String, String>, DocumentStoreError> {
        self.documents.content_hashes(collection, root).await
    }

    async fn change(&self, mut changes: DocumentChanges) -> Result<ChangeOutcome, DocumentStoreError> {
        let changed = self.changed(&changes.put).await?;
        if !changed.is_empty() {
            let (embedder, watch) = (Arc::clone(&self.embedder), self.watch.clone());
            let prepare = move || {
                changes.parts = parts(&changes.put, changed, &embedder, &watch);
                Ok(changes)
            };
            changes = blocking(prepare).await.map_err(DocumentStoreError::new)?;
        }
        self.documents.change(changes).await
    }

    async fn list(
        &self,
        wanted: &DocumentFilter,
        limit: usize,
        before: Option<DocumentId>,
    ) -> Result<DocumentPage, DocumentStoreError> {
        self.documents.list(wanted, limit, before).await
    }

    async fn at_path(
        &self,
        collection: Option<&CollectionName>,
        path: &str,
    ) -> Result<Vec<DocumentSummary>, DocumentStoreError> {
        self.documents.at_path(collection, path).await
    }

    async fn read(&self, id: DocumentId) -> Result<Option<(DocumentSummary, String)>, DocumentStoreError> {
        self.documents.read(id).await
    }

    async fn collections(&self) -> Result<Vec<StoredCollection>, DocumentStoreError> {
        self.documents.collections().await
    }
}

#[async_trait]
impl IndexPartStore for PreparedDocuments {
    async fn index_parts(
        &self,
        documents: &[DocumentId],
        makers: &[&str],
    ) -> Result<Vec<IndexPart>, DocumentStoreError> {
        self.documents.index_parts(documents, makers).await
    }

    async fn documents_without_part(&self, maker: &str) -> Result<BTreeSet<DocumentId>, DocumentStoreError> {
        self.documents.documents_without_part(maker).await
    }

    async fn keep_index_parts(&self, parts: Vec<IndexPart>) -> Result<(), DocumentStoreError> {
        self.documents.keep_index_parts(parts).await
    }

    async fn claim_index_parts(
        &self,
        documents: &[DocumentId],
        maker: &str,
        lasts: Duration,
    ) -> Result<BTreeSet<DocumentId>, DocumentStoreError> {
        self.documents.claim_index_parts(documents, maker, lasts).await
    }

    async fn remove_unused_index_parts(
        &self,
        makers: &[&str],
        unused_for: Duration,
    ) -> Result<u64, DocumentStoreError> {
        self.documents.remove_unused_index_parts(makers, unused_for).await
    }
}
