//! What several tests share.

use std::sync::{Arc, OnceLock};

use crate::{
    embedder::{QuantisedVector, StaticEmbedder},
    knowledge::{Query, SearchResult, SecondStageUse},
};

/// The compiled-in table, read once for all tests.
pub(crate) fn embedder() -> &'static Arc<StaticEmbedder> {
    static EMBEDDER: OnceLock<Arc<StaticEmbedder>> = OnceLock::new();
    EMBEDDER.get_or_init(|| Arc::new(StaticEmbedder::embedded()))
}

/// A search that found nothing.
pub(crate) fn nothing_found() -> SearchResult {
    SearchResult {
        chunks: Vec::new(),
        collections: Vec::new(),
        revision: 0,
        took: std::time::Duration::ZERO,
        second_stage: SecondStageUse::Absent,
        corrections: Vec::new(),
        from_conversation: Vec::new(),
        query: Arc::new(Query {
            vector: QuantisedVector::new(&[]),
            words: Vec::new(),
            unknown_words: 0,
            said: 0.0,
        }),
    }
}
