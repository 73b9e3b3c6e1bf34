//! Documents of the knowledge base. They are the truth; the search index is made from them.
//!
//! Each change raises the knowledge revision by one, in the same transaction, so that whoever holds an index can ask what
//! has changed since. Another process may change documents beside a running server.

mod change;
mod claims;
mod parts;
mod read;
mod unused_parts;

use orchestratai_shared::Timestamp;
use serde_json::{Map, Value};
use uuid::Uuid;

/// Which documents of a list are wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DocumentFilter {
    /// Those of this collection; of all where it is left out.
    pub collection: Option<String>,
    /// Those whose title or path holds this text, without regard to case.
    pub holding: Option<String>,
}

/// Names a document, for as long as it stays at its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DocumentId(pub Uuid);

/// A document to put at its place: organization, collection, root and path.
#[derive(Debug, Clone, PartialEq)]
pub struct NewDocument {
    /// Whose it is.
    pub organization: String,
    /// The collection.
    pub collection: String,
    /// The folder that was ingested, or another name for where it came from.
    pub root: String,
    /// Its path relative to the root.
    pub path: String,
    /// Its title.
    pub title: String,
    /// Its text.
    pub content: String,
    /// Its front matter.
    pub front_matter: Map<String, Value>,
    /// A hash of what it was read from. A document whose hash is the one stored is left as it is.
    pub content_hash: String,
}

/// A document.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// Its id.
    pub id: DocumentId,
    /// What was put.
    pub document: NewDocument,
    /// The knowledge revision that changed it last.
    pub revision: u64,
    /// When it first came.
    pub created_at: Timestamp,
    /// When it was changed last.
    pub updated_at: Timestamp,
}

/// A document without its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentSummary {
    /// Its id.
    pub id: DocumentId,
    /// Whose it is.
    pub organization: String,
    /// The collection.
    pub collection: String,
    /// Where it came from.
    pub root: String,
    /// Its path relative to the root.
    pub path: String,
    /// Its title.
    pub title: String,
    /// A hash of what it was read from.
    pub content_hash: String,
    /// The knowledge revision that changed it last.
    pub revision: u64,
    /// When it first came.
    pub created_at: Timestamp,
    /// When it was changed last.
    pub updated_at: Timestamp,
}

/// A collection: documents that are searched together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredCollection {
    /// Its name.
    pub name: String,
    /// Documents in it, 1 or more.
    pub documents: u64,
    /// When one of them was changed last.
    pub updated_at: Timestamp,
}

/// A change of documents, made as a whole.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct DocumentChanges {
    /// Documents to put at their places.
    pub put: Vec<NewDocument>,
    /// Documents to remove; one that is not there is no error.
    pub remove: Vec<DocumentId>,
    /// A root whose documents are to be those in `put` and `keep` and no others: what else is there is removed.
    pub replace_root: Option<DocumentRoot>,
    /// Paths below that root whose documents stay as they are, and count as unchanged; one that is not there is no error.
    pub keep: Vec<String>,
    /// What was made of documents in `put` already. Those of a document that turns out to be there as it is are passed over.
    pub parts: Vec<NewIndexPart>,
}

/// What was made of a document that is put, for the search index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewIndexPart {
    /// The place of the document in [`DocumentChanges::put`].
    pub document: usize,
    /// What made it, with its version.
    pub maker: String,
    /// It, in its maker's format.
    pub body: Vec<u8>,
}

/// What was made of a document that is stored, for the search index: it can be made again at any time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexPart {
    /// The document.
    pub document: DocumentId,
    /// The knowledge revision that had last changed the document when this was made of it.
    pub revision: u64,
    /// What made it, with its version.
    pub maker: String,
    /// It, in its maker's format.
    pub body: Vec<u8>,
}

/// A root within a collection.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DocumentRoot {
    /// Whose it is.
    pub organization: String,
    /// The collection.
    pub collection: String,
    /// The root.
    pub root: String,
}

/// What a change came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentsChanged {
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
#[derive(Debug, Clone, PartialEq)]
pub struct DocumentsSince {
    /// The knowledge revision that this leads to.
    pub revision: u64,
    /// Documents added or changed, by id.
    pub changed: Vec<Document>,
    /// Documents removed, with their collections.
    pub removed: Vec<(DocumentId, String)>,
}
