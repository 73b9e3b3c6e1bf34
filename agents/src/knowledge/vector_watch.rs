//! Who hears of vectors that are made, and of those that need not be.

use std::{fmt, sync::Arc};

/// Which embedder's vectors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EmbedderStage {
    /// The static table's.
    First,
    /// The transformer's, or those of the provider's model in its place.
    Second,
}

/// Where vectors of chunks came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum VectorOrigin {
    /// They were computed here.
    Embedded,
    /// They were read from where documents are kept: somebody had computed them before.
    Read,
}

/// Is told of vectors of chunks, on whichever thread gets them. Clones tell the same.
#[derive(Clone)]
pub struct VectorWatch(Arc<dyn Fn(EmbedderStage, VectorOrigin, usize) + Send + Sync>);

impl VectorWatch {
    /// Tells `tell` how many vectors there were, which must not block.
    pub fn new(tell: impl Fn(EmbedderStage, VectorOrigin, usize) + Send + Sync + 'static) -> Self {
        Self(Arc::new(tell))
    }

    /// Tells nobody.
    #[must_use]
    pub fn nobody() -> Self {
        Self::new(|_, _, _| ())
    }

    pub(super) fn tell(&self, stage: EmbedderStage, origin: VectorOrigin, vectors: usize) {
        if vectors > 0 {
            (self.0)(stage, origin, vectors);
        }
    }
}

impl fmt::Debug for VectorWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("VectorWatch")
    }
}
