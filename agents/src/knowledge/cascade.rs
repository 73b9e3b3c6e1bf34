//! The second stage of search: a transformer that is asked where the first stage is unsure.
//!
//! Its vectors of the chunks are made once, at ingestion; what a question costs is its own embedding and a few hundred dot
//! products. A question waits for it for a bounded time, and is else answered by what the first stage found.

use std::{fmt, sync::Arc, time::Duration};

use super::{
    chunk_vectors::{ChunkVectors, TextKey},
    index::CollectionIndex,
    progress::Watch,
};
use crate::embedder::{NotEmbedded, QuantisedVector, SecondStage};

/// The second stage of search.
#[derive(Clone)]
pub struct Cascade {
    stage: SecondStage,
    wait_max: Duration,
    shipped: Arc<[ChunkVectors]>,
    observe: Arc<dyn Fn(&SecondStageUse) + Send + Sync>,
    watch: Watch,
}

impl fmt::Debug for Cascade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Cascade");
        shown.field("stage", &self.stage).field("wait_max", &self.wait_max);
        shown.finish_non_exhaustive()
    }
}

/// When the second stage is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AskSecondStage {
    /// Where the first stage is unsure.
    WhereUnsure,
    /// For every question: to measure by.
    Always,
    /// For none: to measure by.
    Never,
}

/// What the second stage had to do with a search.
#[derive(Debug, Clone)]
pub enum SecondStageUse {
    /// There is none, or its vectors of the chunks are not made yet.
    Absent,
    /// The first stage was sure.
    NotNeeded,
    /// It ranked what was found.
    Ranked {
        /// How long its embedding of the question took, waiting included.
        took: Duration,
    },
    /// It was asked and gave nothing; what was found is what the first stage found.
    Missed(NotEmbedded),
}

impl Cascade {
    /// A second stage whose answers are waited for `wait_max` at most. `shipped` are vectors that need not be made, such as
    /// those that come with the demo; those of another model are passed over.
    #[must_use]
    pub fn new(stage: SecondStage, wait_max: Duration, shipped: Vec<ChunkVectors>) -> Self {
        Self {
            stage,
            wait_max,
            shipped: shipped.into(),
            observe: Arc::new(|_| ()),
            watch: Watch::nobody(),
        }
    }

    /// Tells `observe` of every search what the second stage had to do with it: for metrics.
    #[must_use]
    pub fn observed(mut self, observe: impl Fn(&SecondStageUse) + Send + Sync + 'static) -> Self {
        self.observe = Arc::new(observe);
        self
    }

    /// Tells `watch` how far the transformer is with reading chunks.
    #[must_use]
    pub fn watched(mut self, watch: Watch) -> Self {
        self.watch = watch;
        self
    }

    /// Is told how far the transformer is.
    pub(super) fn watch(&self) -> &Watch {
        &self.watch
    }

    pub(super) fn tell(&self, used: &SecondStageUse) {
        (self.observe)(used);
    }

    /// The transformer.
    #[must_use]
    pub fn stage(&self) -> &SecondStage {
        &self.stage
    }

    /// The transformer's embedding of a question, waited for so long and no longer.
    pub(super) async fn embed(&self, question: &str) -> Result<Vec<f32>, NotEmbedded> {
        self.stage.embed(question, self.wait_max).await
    }

    /// Whether the index has this transformer's vectors of all its chunks.
    pub(super) fn has_vectors(&self, index: &CollectionIndex) -> bool {
        let vectors = index.transformer();
        vectors.is_some_and(|vectors| vectors.model == self.stage.name())
    }

    /// Serves the vectors that stand beside an index, if all are there.
    pub(super) fn load(&self, index: &CollectionIndex) {
        index.serve_transformer_vectors(&index.known_transformer_vectors(self.stage.name()));
    }

    /// Of the vectors that need not be made, that of this text.
    pub(super) fn shipped(&self, key: &TextKey) -> Option<&QuantisedVector> {
        let of_this_model = self.shipped.iter().filter(|vectors| vectors.model == self.stage.name());
        of_this_model.filter_map(|vectors| vectors.by_key.get(key)).next()
    }
}
