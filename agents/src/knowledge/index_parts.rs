//! What is made of a document for the index, and the trait through which it is kept: one node makes it, all others read it.

use std::{collections::BTreeSet, time::Duration};

use async_trait::async_trait;

use super::{DocumentId, DocumentStoreError};

/// What cuts documents into chunks: the number changes whenever the same document would be cut differently.
pub(crate) const CHUNKER: &str = "chunks@1";
/// Changes whenever an embedder of the same name would make another vector of the same text.
const VECTORS_REVISION: u32 = 1;

/// The name under which the vectors of an embedder are kept.
pub(crate) fn vectors_of(embedder: &str) -> String {
    format!("{embedder}@{VECTORS_REVISION}")
}

/// What one maker, a chunker or an embedder, has made of a document.
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

/// What was made of a document that is put.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewIndexPart {
    /// The place of the document among those that are put with it.
    pub document: usize,
    /// What made it, with its version.
    pub maker: String,
    /// It, in its maker's format.
    pub body: Vec<u8>,
}

/// Keeps what is made of documents. It goes with the content of its document; a part of another content than the present one is never
/// given. A store need not keep any: then every node makes its own.
#[async_trait]
pub trait IndexPartStore: Send + Sync {
    /// What these makers have made of these documents as they are now.
    ///
    /// # Errors
    /// [`DocumentStoreError`] where the store cannot be read.
    async fn index_parts(&self, _: &[DocumentId], _makers: &[&str]) -> Result<Vec<IndexPart>, DocumentStoreError> {
        Ok(Vec::new())
    }

    /// The documents of which this maker has made nothing as they are now.
    ///
    /// # Errors
    /// [`DocumentStoreError`] where the store cannot be read.
    async fn documents_without_part(&self, _maker: &str) -> Result<BTreeSet<DocumentId>, DocumentStoreError> {
        Ok(BTreeSet::new())
    }

    /// Keeps parts, in place of those before; none of a document that is not at that revision any more.
    ///
    /// # Errors
    /// [`DocumentStoreError`] where the store cannot be written; some may be kept then.
    async fn keep_index_parts(&self, _: Vec<IndexPart>) -> Result<(), DocumentStoreError> {
        Ok(())
    }

    /// Which of these documents nobody else makes parts of just now for this maker; nobody else is told so for `_lasts`, or until they
    /// are kept. It spares work; that two make the same harms nothing.
    ///
    /// # Errors
    /// [`DocumentStoreError`] where the store cannot be written.
    async fn claim_index_parts(
        &self,
        documents: &[DocumentId],
        _maker: &str,
        _lasts: Duration,
    ) -> Result<BTreeSet<DocumentId>, DocumentStoreError> {
        Ok(documents.iter().copied().collect())
    }

    /// Notes that these makers are in use, and removes the parts of others that were not in use for so long. Gives how many.
    ///
    /// # Errors
    /// [`DocumentStoreError`] where the store cannot be written; some may be removed then.
    async fn remove_unused_index_parts(
        &self,
        _makers: &[&str],
        _unused_for: Duration,
    ) -> Result<u64, DocumentStoreError> {
        Ok(0)
    }
}
