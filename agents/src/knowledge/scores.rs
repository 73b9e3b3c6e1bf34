//! What each ranker says of a chunk, and how much each of them counts.
//!
//! All scores are on one absolute scale. The weights are those with the best recall and reciprocal rank over the labelled
//! questions to develop on (`docs/evaluation.md`); around these values neither changes by more than a few questions.

use serde::Serialize;

/// Weights by which the best of the first stage are found, of which the passages are read.
pub(super) const ROUGH: Weights = Weights {
    cosine: 1.0,
    passage: 0.0,
    said: 0.0,
    document: 0.0,
    transformer: 0.0,
    bm25: 0.5,
    shift: 0.0,
};
/// Weights of the first stage. What counts is how they stand to each other; their sum and the shift give the best scores of questions
/// the mean and the spread that those by [`ROUGH`] have, so that both stages and all thresholds speak of one scale.
pub(super) const FIRST: Weights = Weights {
    cosine: 0.2,
    passage: 0.1,
    said: 0.44,
    document: 0.3,
    transformer: 0.0,
    // The words themselves count in what is said and, for the document, in the rough score.
    bm25: 0.0,
    shift: 0.07,
};
/// Weights by which the best of the second stage are found.
pub(super) const ROUGH_SECOND: Weights = Weights {
    cosine: 0.3,
    passage: 0.0,
    said: 0.0,
    document: 0.0,
    transformer: 0.7,
    bm25: 0.4,
    shift: 0.12,
};
/// Weights of the second stage, on the scale of the first.
pub(super) const SECOND: Weights = Weights {
    cosine: 0.0,
    passage: 0.06,
    said: 0.39,
    document: 0.0,
    transformer: 0.62,
    bm25: 0.11,
    shift: 0.09,
};
/// The fused score at which a chunk is as likely to answer as not, and how quickly that changes around it. Set by hand
/// between the best scores of questions with and without an answer (`tests/it/questions.rs`), not fitted.
const SIMILARITY_MIDDLE: f32 = 0.62;
const SIMILARITY_WIDTH: f32 = 0.11;

/// How much each ranker counts.
pub(super) struct Weights {
    cosine: f32,
    passage: f32,
    said: f32,
    document: f32,
    transformer: f32,
    bm25: f32,
    shift: f32,
}

impl Weights {
    /// All of it as one number.
    pub(super) fn fuse(&self, scores: &Scores) -> f32 {
        let bm25 = scores.bm25_share();
        self.cosine * scores.cosine
            + self.passage * scores.passage.unwrap_or(scores.cosine)
            + self.said * scores.said.unwrap_or_default()
            + self.document * scores.document.unwrap_or_default()
            + self.transformer * scores.transformer.unwrap_or_default()
            + self.bm25 * bm25
            + self.shift
    }
}

/// What each ranker says of a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Scores {
    /// Cosine of the embeddings of question and chunk, -1 to 1.
    pub cosine: f32,
    /// BM25 of the question's words, 0 or more.
    pub bm25: f32,
    /// The largest BM25 that the question can reach.
    pub bm25_reachable: f32,
    /// Cosine of the embeddings of question and nearest passage, -1 to 1; none for chunks whose passages were not read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub passage: Option<f32>,
    /// The share of the question's words, each by its inverse document frequency and its term weight, that the chunk says in these or
    /// related words, 0 to 1; none for chunks whose passages were not read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub said: Option<f32>,
    /// The rough score, `cosine + 0.5 * bm25 / bm25_reachable`, of the chunk of its document where that is highest: its own, or another's
    /// that is about the same. None for chunks whose passages the first stage did not read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub document: Option<f32>,
    /// Cosine of the transformer's embeddings of question and chunk, -1 to 1, or that of a provider's model, on the transformer's scale; none
    /// where neither was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transformer: Option<f32>,
    /// The others as one number; chunks are ranked by it. `0.44 * said + 0.3 * document + 0.2 * cosine + 0.1 * passage + 0.07`,
    /// or with the transformer `0.62 * transformer + 0.39 * said + 0.11 * bm25 / bm25_reachable +
    /// 0.06 * passage + 0.09`.
    pub fused: f32,
}

impl Scores {
    /// BM25 as a share of what the question can reach, 0 to 1.
    fn bm25_share(&self) -> f32 {
        // Where no word is known there is nothing to reach.
        if self.bm25_reachable > 0.0 {
            self.bm25 / self.bm25_reachable
        } else {
            0.0
        }
    }

    /// How near the chunk is to the question, 0 to 1: a logistic function of the fused score, so that it ranks the same,
    /// 0.5 where a chunk is as likely to answer as not.
    #[must_use]
    pub fn similarity(&self) -> f64 {
        let steps = f64::from((self.fused - SIMILARITY_MIDDLE) / SIMILARITY_WIDTH);
        // Three places: more would pretend to know more, and lengthen every event.
        ((1.0 / (1.0 + (-steps).exp())) * 1_000.0).round() / 1_000.0
    }
}
