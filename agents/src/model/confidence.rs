//! Whether an answer is given, and how sure it is.
//!
//! These are two questions. Whether the knowledge base has an answer decides whether one is given: who asks in words of their own is
//! served by passages beside the right one, and can see where they stand, but not by a refusal of what is there. Whether the answer is
//! right is its confidence, which [`ANSWERS`] bounds: from there on an answer is one, below it says that there is none.

use super::{features::AnswerFeatures, weights};

/// Below this confidence there is no answer.
pub(super) const ANSWERS: f64 = 0.5;
/// The confidence of a refusal is no higher.
const REFUSED_MAX: f64 = ANSWERS - 0.01;
/// An answer is given where it is at least so probable that the knowledge base has one: of the questions to develop on some 0.05 of those
/// that have an answer are then refused.
const ANSWERABLE_MIN: f64 = 0.68;

/// The confidence of an answer, 0 to 1: at least [`ANSWERS`] where it is given, and less where it is refused.
pub(super) fn confidence(answer: &AnswerFeatures) -> f64 {
    bounded(
        weights::answerable_probability(answer),
        weights::right_probability(answer),
    )
}

fn bounded(answerable: f64, right: f64) -> f64 {
    if answerable >= ANSWERABLE_MIN {
        right.max(ANSWERS)
    } else {
        right.min(REFUSED_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_given_where_there_is_one_and_is_as_sure_as_it_is_right() {
        for (answerable, right, expected) in [
            (0.9, 0.8, 0.8),
            (0.9, 0.3, ANSWERS),
            (0.3, 0.8, REFUSED_MAX),
            (0.3, 0.2, 0.2),
            (ANSWERABLE_MIN, 1.0, 1.0),
            (f64::NAN, 1.0, REFUSED_MAX),
        ] {
            assert_eq!(bounded(answerable, right), expected, "{answerable}, {right}");
        }
    }
}
