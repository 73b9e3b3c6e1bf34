//! The second stage of search: a transformer that is asked where the first stage is unsure.
//!
//! Its vectors of the chunks are made once, at ingestion; what a question costs is its own embedding and a few hundred dot
//! products. A question waits for it for a bounded time, and is else answered by what the first stage found.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    KnowledgeError,
    index::CollectionIndex,
    progress::{Counter, Watch, Work},
    transformer_vectors::{TextKey, TransformerVectors},
};
use crate::embedder::{NotEmbedded, QuantisedVector, SecondStage};

/// Chunks that are embedded before what is there is written: so much is lost at most where ingestion is broken off.
const BATCH: usize = 256;
/// Chunks after which progress is told: about a second's.
const STEP: usize = 64;
/// How often progress is logged.
const PROGRESS_EVERY: Duration = Duration::from_secs(10);

/// The second stage of search.
#[derive(Clone)]
pub struct Cascade {
    stage: SecondStage,
    wait_max: Duration,
    shipped: Arc<[TransformerVectors]>,
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
    pub fn new(stage: SecondStage, wait_max: Duration, shipped: Vec<TransformerVectors>) -> Self {
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

    /// Makes the vectors that an index lacks, and serves them. Blocks for 10 to 40 ms a chunk and core; what is there already is
    /// not made again.
    ///
    /// # Errors
    /// [`KnowledgeError::Transformer`], and [`KnowledgeError::Io`] where they cannot be written.
    pub(super) fn deepen(&self, index: &CollectionIndex) -> Result<(), KnowledgeError> {
        let began = Instant::now();
        let mut vectors = index.known_transformer_vectors(self.stage.name());
        let known = vectors.by_key.len();
        let (mut missing, mut wanted): (Vec<(TextKey, String)>, usize) = (Vec::new(), 0);
        for (key, text) in index.transformer_texts() {
            wanted += 1;
            if vectors.by_key.contains_key(&key) {
                continue;
            }
            match self.shipped(&key) {
                Some(vector) => drop(vectors.by_key.insert(key, vector.clone())),
                None => missing.push((key, text)),
            }
        }
        let (mut done, mut told) = (0_usize, Instant::now());
        let counter = (!missing.is_empty()).then(|| Counter::begin(&self.watch, Work::Chunks, missing.len()));
        for batch in missing.chunks(BATCH) {
            for step in batch.chunks(STEP) {
                let texts: Vec<&str> = step.iter().map(|(_, text)| text.as_str()).collect();
                let made = self.stage.embed_all(&texts).map_err(KnowledgeError::Transformer)?;
                let keys = step.iter().map(|(key, _)| *key);
                let made = made.iter().map(|vector| QuantisedVector::new(vector));
                vectors.by_key.extend(keys.zip(made));
                counter.iter().for_each(|counter| counter.add(step.len()));
            }
            done += batch.len();
            index.write_transformer_vectors(&vectors)?;
            if told.elapsed() >= PROGRESS_EVERY {
                told = Instant::now();
                let rest = began.elapsed().mul_f64((missing.len() - done) as f64 / done as f64);
                tracing::info!(
                    collection = %index.collection,
                    done,
                    of = missing.len(),
                    remaining_s = rest.as_secs(),
                    "the transformer reads chunks"
                );
            }
        }
        if missing.is_empty() && vectors.by_key.len() != known {
            index.write_transformer_vectors(&vectors)?;
        }
        index.serve_transformer_vectors(&vectors);
        tracing::debug!(
            collection = %index.collection,
            chunks = wanted,
            made = missing.len(),
            took_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
            "the transformer's vectors are served"
        );
        Ok(())
    }

    fn shipped(&self, key: &TextKey) -> Option<&QuantisedVector> {
        let of_this_model = self.shipped.iter().filter(|vectors| vectors.model == self.stage.name());
        of_this_model.filter_map(|vectors| vectors.by_key.get(key)).next()
    }
}
