//! What passages and answers are judged by: two logistic regressions, fitted to the part to develop on of the labelled questions and,
//! for what has no answer, of the messages out of scope.
//!
//! By `evaluation/fit_answers.py`, over what the search of both stages found. On questions that the weights were not fitted to, an
//! answering passage is among the first 1, 3 and 7 for 0.50, 0.67 and 0.75 of the answerable ones, and of what is answered 0.82 is
//! right with a calibration error of 0.07; refused are 0.19 of the answerable ones and 0.74 of the others. How they are fitted anew
//! stands in `evaluation/README.md`.

use super::features::{AnswerFeatures, PassageFeatures};

/// Of the features of a passage, in their order.
const PASSAGE: PassageFeatures = [
    2.121,  // cosine
    -2.203, // cosine_behind_best
    -1.472, // overlap_behind_best
    1.708,  // overlap_with_headings
    -1.252, // neighbours_overlap
    1.527,  // chunk_rank
    -3.707, // chunk_behind_best
    -3.763, // said_behind_best
    2.090,  // said_with_headings
    0.529,  // number_wanted
    0.419,  // number_of_its_kind
    0.598,  // verdict_wanted
    2.347,  // code_wanted
    -1.733, // code_unwanted
    2.228,  // table_wanted
    1.837,  // table_unwanted
    -1.387, // introduces
    0.205,  // place
];
const PASSAGE_BIAS: f32 = -4.467;
/// Of the features of an answer, in their order.
const ANSWER: AnswerFeatures = [
    0.365,  // best_log_odds
    1.616,  // best_fused
    3.920,  // spread
    -0.572, // unknown
    1.274,  // words
    2.037,  // weakest
    4.476,  // lead
];
const ANSWER_BIAS: f32 = -3.810;

/// The log odds that a passage has the answer.
pub(super) fn passage_log_odds(features: &PassageFeatures) -> f32 {
    weighed(features, &PASSAGE) + PASSAGE_BIAS
}

/// How probable it is that the answer is right, 0 to 1.
pub(super) fn answer_probability(features: &AnswerFeatures) -> f64 {
    probability(weighed(features, &ANSWER) + ANSWER_BIAS)
}

/// From log odds to a probability.
pub(super) fn probability(log_odds: f32) -> f64 {
    1.0 / (1.0 + f64::from(-log_odds).exp())
}

fn weighed(features: &[f32], weights: &[f32]) -> f32 {
    features
        .iter()
        .zip(weights)
        .map(|(feature, weight)| feature * weight)
        .sum()
}
