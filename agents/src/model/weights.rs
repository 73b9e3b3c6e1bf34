//! What passages and answers are judged by: two logistic regressions, fitted to the part to develop on of the labelled questions and,
//! for what has no answer, of the messages out of scope.
//!
//! By `evaluation/fit_answers.py`, over what the search of both stages found. On questions that the weights were not fitted to, an
//! answering passage is among the first 1, 3 and 7 for 0.52, 0.69 and 0.77 of the answerable ones, and of what is answered 0.81 is
//! right with a calibration error of 0.06; refused are 0.15 of the answerable ones and 0.67 of the others. How they are fitted anew
//! stands in `evaluation/README.md`.

use super::features::{AnswerFeatures, PassageFeatures};

/// Of the features of a passage, in their order.
const PASSAGE: PassageFeatures = [
    1.755,  // cosine
    -2.810, // cosine_behind_best
    -1.158, // overlap_behind_best
    -0.485, // overlap_with_headings
    -1.391, // neighbours_overlap
    1.669,  // chunk_rank
    -3.680, // chunk_behind_best
    -3.944, // said_behind_best
    3.747,  // said_with_headings
    0.517,  // number_wanted
    0.375,  // number_of_its_kind
    0.770,  // verdict_wanted
    2.167,  // code_wanted
    -1.889, // code_unwanted
    2.070,  // table_wanted
    1.748,  // table_unwanted
    -1.391, // introduces
    0.420,  // place
];
const PASSAGE_BIAS: f32 = -4.375;
/// Of the features of an answer, in their order.
const ANSWER: AnswerFeatures = [
    0.379,  // best_log_odds
    1.757,  // best_fused
    2.907,  // spread
    -0.800, // unknown
    1.323,  // words
    1.370,  // weakest
    5.074,  // lead
];
const ANSWER_BIAS: f32 = -3.577;

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
