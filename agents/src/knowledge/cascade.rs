//! The second stage of search: a transformer that is asked where the first stage is unsure, or a provider's model that is asked
//! for every question.
//!
//! Its vectors of the chunks are made once, at ingestion; what a question costs is its own embedding and a few hundred dot
//! products, or as many as there are chunks. A question waits for it for a bounded time, and is else answered by what the first stage found.
//!
//! Vectors bear the name of who made them, and are used by nobody else.

use std::{fmt, sync::Arc, time::Duration};

use super::{
    KnowledgeError, blocking,
    chunk_vectors::{ChunkVectors, TextKey},
    index::CollectionIndex,
    progress::Watch,
};
use crate::{
    embedder::{NotEmbedded, ProvidedEmbedder, ProvidedError, QuantisedVector, Scale, SecondStage},
    turn::Payer,
};

/// The second stage of search.
#[derive(Clone)]
pub struct Cascade {
    stage: Stage,
    wait_max: Duration,
    shipped: Arc<[ChunkVectors]>,
    observe: Arc<dyn Fn(&SecondStageUse) + Send + Sync>,
    watch: Watch,
}

/// What is asked in the second stage.
#[derive(Debug, Clone)]
enum Stage {
    Transformer(SecondStage),
    Provided(ProvidedEmbedder),
}

/// A question as the second stage sees it.
pub(super) struct Asked {
    /// Who says so: no vector of another name is compared with it.
    pub(super) model: String,
    pub(super) vector: QuantisedVector,
    /// Brings its cosines to the scale of the transformer; none where they are on it.
    pub(super) scale: Option<Scale>,
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
    Missed(Missed),
}

/// Why the second stage gave nothing.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Missed {
    /// The transformer did not.
    #[error(transparent)]
    Transformer(#[from] NotEmbedded),
    /// The provider did not.
    #[error("{model}: {reason}")]
    Provided {
        /// What its model is called.
        model: Arc<str>,
        /// Why not.
        reason: ProvidedError,
    },
}

impl SecondStageUse {
    /// Why it gave nothing, where it was asked.
    #[must_use]
    pub fn missed(&self) -> Option<&Missed> {
        match self {
            Self::Missed(missed) => Some(missed),
            Self::Absent | Self::NotNeeded | Self::Ranked { .. } => None,
        }
    }

    /// Whether a provider's model could not be asked, so that what was found may not be the best that there is. Where the transformer was not
    /// there it had only been asked since the first stage was unsure.
    #[must_use]
    pub fn has_missed_provider(&self) -> bool {
        match self {
            Self::Missed(Missed::Provided { .. }) => true,
            Self::Missed(Missed::Transformer(_)) | Self::Absent | Self::NotNeeded | Self::Ranked { .. } => false,
        }
    }
}

impl Cascade {
    /// A second stage whose answers are waited for `wait_max` at most. `shipped` are vectors that need not be made, such as
    /// those that come with the demo; those of another model are passed over.
    #[must_use]
    pub fn new(stage: SecondStage, wait_max: Duration, shipped: Vec<ChunkVectors>) -> Self {
        Self::of(Stage::Transformer(stage), wait_max, shipped)
    }

    /// A provider's model in the place of the transformer, whose vector of a question is waited for `wait_max` at most. It is asked for every
    /// question, and of all chunks: the languages and the words that it knows are those of its maker.
    #[must_use]
    pub fn provided(embedder: ProvidedEmbedder, wait_max: Duration) -> Self {
        Self::of(Stage::Provided(embedder), wait_max, Vec::new())
    }

    fn of(stage: Stage, wait_max: Duration, shipped: Vec<ChunkVectors>) -> Self {
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

    /// Names whose vectors it uses; none while a provider's model has not said yet what they are.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        match &self.stage {
            Stage::Transformer(stage) => Some(stage.name()),
            Stage::Provided(embedder) => embedder.learnt().map(|learnt| learnt.name.as_str()),
        }
    }

    /// Whether a provider's model is asked, which is so for every question and of all chunks.
    pub(super) fn is_provided(&self) -> bool {
        match &self.stage {
            Stage::Transformer(_) => false,
            Stage::Provided(_) => true,
        }
    }

    /// [`Self::name`], found out where it is not known yet.
    ///
    /// # Errors
    /// [`KnowledgeError::Provided`].
    pub(super) async fn learn_name(&self) -> Result<String, KnowledgeError> {
        match &self.stage {
            Stage::Transformer(stage) => Ok(stage.name().to_owned()),
            Stage::Provided(embedder) => {
                let learnt = embedder.learn().await.map_err(|error| failed(embedder, error))?;
                Ok(learnt.name.clone())
            }
        }
    }

    /// A question as this stage sees it, waited for so long and no longer.
    pub(super) async fn embed(&self, question: &str, payer: Option<&Payer<'_>>) -> Result<Asked, Missed> {
        match &self.stage {
            Stage::Transformer(stage) => {
                let vector = stage.embed(question, self.wait_max).await?;
                Ok(Asked {
                    model: stage.name().to_owned(),
                    vector: QuantisedVector::new(&vector),
                    scale: None,
                })
            }
            Stage::Provided(embedder) => {
                let vector = embedder.embed_question(question, self.wait_max, payer).await;
                let vector = vector.map_err(|reason| missed_by(embedder, reason))?;
                let learnt = embedder
                    .learnt()
                    .ok_or_else(|| missed_by(embedder, ProvidedError::NotReady))?;
                Ok(Asked {
                    model: learnt.name.clone(),
                    vector: QuantisedVector::new(&vector),
                    scale: Some(learnt.scale),
                })
            }
        }
    }

    /// What a search has of it while an index lacks its vectors.
    pub(super) fn without_vectors(&self) -> SecondStageUse {
        match &self.stage {
            Stage::Transformer(_) => SecondStageUse::Absent,
            Stage::Provided(embedder) => SecondStageUse::Missed(missed_by(embedder, ProvidedError::NotReady)),
        }
    }

    /// The vectors of the texts of chunks, in their order.
    ///
    /// # Errors
    /// [`KnowledgeError::Transformer`] and [`KnowledgeError::Provided`].
    pub(super) async fn embed_chunks(&self, texts: Vec<String>) -> Result<Vec<QuantisedVector>, KnowledgeError> {
        let quantised = |vectors: Vec<Vec<f32>>| {
            let vectors = vectors.iter();
            vectors.map(|vector| QuantisedVector::new(vector)).collect()
        };
        match &self.stage {
            Stage::Transformer(stage) => {
                let stage = stage.clone();
                let embed = move || {
                    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
                    let vectors = stage.embed_all(&texts).map_err(KnowledgeError::Transformer)?;
                    Ok(quantised(vectors))
                };
                blocking(embed).await
            }
            Stage::Provided(embedder) => {
                let vectors = embedder.embed_passages(&texts).await;
                Ok(quantised(vectors.map_err(|error| failed(embedder, error))?))
            }
        }
    }

    /// Whether the index has this stage's vectors of all its chunks.
    pub(super) fn has_vectors(&self, index: &CollectionIndex) -> bool {
        let vectors = index.transformer();
        vectors.is_some_and(|vectors| Some(vectors.model.as_str()) == self.name())
    }

    /// Serves the vectors that stand beside an index, if all are there.
    pub(super) fn load(&self, index: &CollectionIndex) {
        if let Some(name) = self.name() {
            index.serve_transformer_vectors(&index.known_transformer_vectors(name));
        }
    }

    /// Of the vectors that need not be made, that of this text.
    pub(super) fn shipped(&self, key: &TextKey) -> Option<&QuantisedVector> {
        let of_this_model = self
            .shipped
            .iter()
            .filter(|vectors| Some(vectors.model.as_str()) == self.name());
        of_this_model.filter_map(|vectors| vectors.by_key.get(key)).next()
    }
}

fn missed_by(embedder: &ProvidedEmbedder, reason: ProvidedError) -> Missed {
    Missed::Provided {
        model: Arc::clone(embedder.name()),
        reason,
    }
}

fn failed(embedder: &ProvidedEmbedder, source: ProvidedError) -> KnowledgeError {
    KnowledgeError::Provided {
        model: Arc::clone(embedder.name()),
        source,
    }
}
