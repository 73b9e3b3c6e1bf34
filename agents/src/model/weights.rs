//! What passages and answers are judged by: three logistic regressions, fitted to the part to develop on of the labelled questions and,
//! for what has no answer, of the messages out of scope.
//!
//! By `evaluation/fit_answers.py`, over what the search of both stages found. On questions that the weights were not fitted to, an
//! answering passage is among the first 1, 3 and 7 for 0.54, 0.71 and 0.82 of the answerable ones; where 0.05 of these are refused, so
//! are 0.74 of the others, and of what is answered 0.81 is right with a calibration error of 0.06. How they are fitted anew stands in
//! `evaluation/README.md`.

use super::features::{AnswerFeatures, PassageFeatures};

/// Of the features of a passage, in their order.
const PASSAGE: PassageFeatures = [
    2.208,  // cosine
    -1.814, // cosine_behind_best
    -0.224, // overlap_behind_best
    0.464,  // overlap_with_headings
    -1.620, // neighbours_overlap
    1.675,  // chunk_rank
    -3.819, // chunk_behind_best
    -2.803, // said_behind_best
    -2.857, // said_with_headings_behind_best
    2.429,  // said_with_headings
    0.591,  // number_wanted
    0.321,  // number_of_its_kind
    0.767,  // verdict_wanted
    1.930,  // code_wanted
    -2.040, // code_unwanted
    1.730,  // table_wanted
    1.770,  // table_unwanted
    1.857,  // steps_wanted
    -0.522, // steps_unwanted
    -1.512, // introduces
    0.396,  // place
];
const PASSAGE_BIAS: f32 = -4.474;
/// Of the features of an answer, in their order: whether the knowledge base has an answer at all.
const ANSWERABLE: AnswerFeatures = [
    0.266,  // best_log_odds
    4.466,  // spread
    2.634,  // words
    0.874,  // weakest
    1.045,  // lead
    3.373,  // said_by_all
    -0.913, // unknown_name
];
const ANSWERABLE_BIAS: f32 = -6.307;
/// Of the same: whether the answer that was made is right.
const RIGHT: AnswerFeatures = [
    0.331,  // best_log_odds
    5.216,  // spread
    1.285,  // words
    1.202,  // weakest
    4.809,  // lead
    2.167,  // said_by_all
    -0.768, // unknown_name
];
const RIGHT_BIAS: f32 = -4.169;

/// The log odds that a passage has the answer.
pub(super) fn passage_log_odds(features: &PassageFeatures) -> f32 {
    weighed(features, &PASSAGE) + PASSAGE_BIAS
}

/// How probable it is that the knowledge base has an answer, 0 to 1.
pub(super) fn answerable_probability(features: &AnswerFeatures) -> f64 {
    probability(weighed(features, &ANSWERABLE) + ANSWERABLE_BIAS)
}

/// How probable it is that the answer is right, 0 to 1.
pub(super) fn right_probability(features: &AnswerFeatures) -> f64 {
    probability(weighed(features, &RIGHT) + RIGHT_BIAS)
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
