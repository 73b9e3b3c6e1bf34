//! Documents, and the trait through which they are kept.

use std::collections::HashMap;

use async_trait::async_trait;
use orchestratai_shared::Timestamp;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::{CollectionName, IndexPartStore, NewIndexPart};

/// Names a document, for as long as it stays at its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DocumentId(pub Uuid);

/// A document to put at its place, which is collection, root and path.
#[derive(Debug, Clone, PartialEq)]
pub struct NewDocument {
    /// The collection.
    pub collection: CollectionName,
    /// The folder that was ingested, or another name for where it came from.
    pub root: String,
    /// Its path relative to the root, with forward slashes.
    pub path: String,
    /// Its title.
    pub title: String,
    /// Its text, without front matter.
    pub content: String,
    /// Its front matter.
    pub front_matter: Map<String, Value>,
    /// SHA-256 of the file that it was read from, in hexadecimal digits.
    pub content_hash: String,
}

/// A document that is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// Its id.
    pub id: DocumentId,
    /// What was put.
    pub document: NewDocument,
    /// The knowledge revision that changed it last.
    pub revision: u64,
}

/// A document without its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentSummary {
    /// Its id.
    pub id: DocumentId,
    /// The collection.
    pub collection: CollectionName,
    /// Where it came from.
    pub root: String,
    /// Its path relative to the root.
    pub path: String,
    /// Its title.
    pub title: String,
    /// The knowledge revision that changed it last.
    pub revision: u64,
    /// When it first came.
    pub created_at: Timestamp,
    /// When it was changed last.
    pub updated_at: Timestamp,
}

/// A change of documents, made as a whole.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct DocumentChanges {
    /// Documents to put at their places. One whose hash is the one that is kept is left as it is.
    pub put: Vec<NewDocument>,
    /// Documents to remove; one that is not there is no error.
    pub remove: Vec<DocumentId>,
    /// A collection and a root whose documents are to be those in `put` and `keep` and no others: what else is there is removed.
    pub replace_root: Option<(CollectionName, String)>,
    /// Paths below that root whose documents stay as they are, and count as unchanged; one that is not there is no error.
    pub keep: Vec<String>,
    /// What was made of documents in `put` already. Those of a document that turns out to be there as it is are passed over.
    pub parts: Vec<NewIndexPart>,
}

/// What a change came to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ChangeOutcome {
    /// The knowledge revision now; as before where nothing was changed.
    pub revision: u64,
    /// The ids of the documents put, in the order given, and after them those of the documents kept.
    pub ids: Vec<DocumentId>,
    /// How many are new.
    pub added: usize,
    /// How many were there with another content.
    pub updated: usize,
    /// How many were there as they are.
    pub unchanged: usize,
    /// How many were removed.
    pub removed: usize,
}

/// What has changed since a revision.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct DocumentsSince {
    /// The knowledge revision that this leads to.
    pub revision: u64,
    /// Documents added or changed.
    pub changed: Vec<Document>,
    /// Documents removed, with their collections.
    pub removed: Vec<(DocumentId, CollectionName)>,
}

/// A page of a list that is read from its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentPage {
    /// Oldest first, newest last.
    pub items: Vec<DocumentSummary>,
    /// Whether there are older ones than the first of `items`.
    pub has_more: bool,
}

/// A collection as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredCollection {
    /// Its name.
    pub name: CollectionName,
    /// Documents in it.
    pub documents: usize,
    /// When one of them was changed last.
    pub updated_at: Timestamp,
}

/// Which documents of a list are wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DocumentFilter {
    /// Those of this collection; of all where it is left out.
    pub collection: Option<CollectionName>,
    /// Those whose title or path holds this text, without regard to case.
    pub holding: Option<String>,
}

/// Keeps the documents of one organization: they are the truth, and every index is made from them.
#[async_trait]
pub trait DocumentStore: IndexPartStore {
    /// The knowledge revision: a number that rises with every change; 0 where there never was one.
    ///
    /// # Errors
    /// [`DocumentStoreError`] where the store cannot be read.
    async fn revision(&self) -> Result<u64, DocumentStoreError>;

    /// What has changed after `revision`; with 0, all documents.
    ///
    /// # Errors
    /// [`DocumentStoreError`] where the store cannot be read.
    async fn since(&self, revision: u64) -> Result<DocumentsSince, DocumentStoreError>;

    /// The content hashes of the documents of a root of a collection, by path.
    ///
    /// # Errors
    /// [`DocumentStoreError`] where the store cannot be read.
    async fn content_hashes(
        &self,
        collection: &CollectionName,
        root: &str,
    ) -> Result<HashMap<String, String>, DocumentStoreError>;

    /// Makes a change, all or nothing; durable when it returns.
    ///
    /// # Errors
    /// [`DocumentStoreError`] where the store cannot be written; nothing is changed then.
    async fn change(&self, changes: DocumentChanges) -> Result<ChangeOutcome, DocumentStoreError>;

    /// The last `limit` documents that are wanted, or the last of them before `before`.
    ///
    /// # Errors
    /// [`DocumentStoreError`] where the store cannot be read.
    async fn list(
        &self,
        wanted: &DocumentFilter,
        limit: usize,
        before: Option<DocumentId>,
    ) -> Result<DocumentPage, DocumentStoreError>;

    /// The documents at a path, of one collection or of all, the one that was changed last first.
    ///
    /// # Errors
    /// [`DocumentStoreError`] where the store cannot be read.
    async fn at_path(
        &self,
        collection: Option<&CollectionName>,
        path: &str,
    ) -> Result<Vec<DocumentSummary>, DocumentStoreError>;

    /// A document with its text, or none.
    ///
    /// # Errors
    /// [`DocumentStoreError`] where the store cannot be read.
    async fn read(&self, id: DocumentId) -> Result<Option<(DocumentSummary, String)>, DocumentStoreError>;

    /// The collections that have documents, by name.
    ///
    /// # Errors
    /// [`DocumentStoreError`] where the store cannot be read.
    async fn collections(&self) -> Result<Vec<StoredCollection>, DocumentStoreError>;
}

/// The store of documents failed.
#[derive(Debug, thiserror::Error)]
#[error("the store of documents failed")]
pub struct DocumentStoreError(#[source] Box<dyn std::error::Error + Send + Sync>);

impl DocumentStoreError {
    /// Wraps the store's own error.
    pub fn new(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self(cause.into())
    }
}
