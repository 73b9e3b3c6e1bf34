//! How sure an answer of a language model is that cites what it was given.
//!
//! An answer that its sources bear out is as sure as the best of them is near to the question. Each sentence that they do not bear out takes
//! its share of that away; an answer of which less than half is borne out is none that anybody should rely on.

use super::confidence::ANSWERS;

/// Below this share of support an answer is none.
const SUPPORTED_MIN: f64 = 0.5;
/// The confidence of an answer that is not borne out is no higher.
const UNSUPPORTED_MAX: f64 = ANSWERS - 0.01;

/// The confidence, 0 to 1. `nearest` is the similarity of the nearest of the cited sources, `supported` the share of the answer that the
/// sources bear out; where that was not measured, nothing is taken away.
pub(super) fn confidence(nearest: f64, supported: Option<f64>) -> f64 {
    match supported {
        None => ANSWERS + nearest * (1.0 - ANSWERS),
        Some(supported) if supported >= SUPPORTED_MIN => ANSWERS + nearest * supported * (1.0 - ANSWERS),
        Some(supported) => UNSUPPORTED_MAX * supported / SUPPORTED_MIN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_borne_out_counts_and_less_than_half_is_no_answer() {
        for (nearest, supported, expected) in [
            (0.8, None, 0.9),
            (0.8, Some(1.0), 0.9),
            (0.8, Some(0.75), 0.8),
            (0.0, Some(0.5), 0.5),
            (1.0, Some(0.25), 0.245),
            (1.0, Some(0.0), 0.0),
        ] {
            let found = confidence(nearest, supported);
            assert!((found - expected).abs() < 1e-9, "{nearest}, {supported:?}: {found}");
        }
        assert!(confidence(1.0, Some(0.499)) < ANSWERS);
    }
}
