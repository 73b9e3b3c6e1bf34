//! What can go wrong with the knowledge base.

use std::{io, path::PathBuf, sync::Arc};

use super::{CollectionName, DocumentStoreError};
use crate::embedder::{ProvidedError, TransformerError};

/// Why the knowledge base cannot do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum KnowledgeError {
    /// The documents cannot be read or written.
    #[error(transparent)]
    Documents(#[from] DocumentStoreError),
    /// An index file cannot be read or written.
    #[error("the index file {} cannot be read or written", .path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// What stands on disk is not what was written there. The index is made anew from the documents.
    #[error("the index of {collection} is corrupt: {reason}")]
    Corrupt {
        /// The collection.
        collection: CollectionName,
        /// What does not fit.
        reason: String,
    },
    /// The full-text index failed.
    #[error("the full-text index of {collection} failed")]
    FullText {
        /// The collection.
        collection: CollectionName,
        /// The reason it gives.
        #[source]
        source: Box<tantivy::TantivyError>,
    },
    /// The folder to ingest cannot be read.
    #[error("the folder {} cannot be ingested: {reason}", .path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// The transformer cannot be loaded, or fails on a chunk.
    #[error("the transformer cannot embed the chunks")]
    Transformer(#[source] Arc<TransformerError>),
    /// The provider's model gives no vectors of the chunks; asking again later may do.
    #[error("{model} cannot embed the chunks")]
    Provided {
        /// What the model is called.
        model: Arc<str>,
        /// Why not.
        #[source]
        source: ProvidedError,
    },
    /// Work that was handed to another thread ended without a result.
    #[error("the work on the index was broken off")]
    BrokenOff,
}
