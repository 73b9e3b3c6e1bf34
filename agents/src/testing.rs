//! What several tests share.

use std::sync::{Arc, OnceLock};

use crate::embedder::Embedder;

/// The compiled-in table, read once for all tests.
pub(crate) fn embedder() -> &'static Arc<Embedder> {
    static EMBEDDER: OnceLock<Arc<Embedder>> = OnceLock::new();
    EMBEDDER.get_or_init(|| Arc::new(Embedder::embedded()))
}
