//! Which passages an answer is made of.

use super::{features::Seen, weights::probability};

/// Passages in an answer, besides those that introduce or continue one.
const PASSAGES_MAX: usize = 8;
/// An answer is not continued beyond this many bytes.
const ANSWER_BYTES_MAX: usize = 1_200;
/// A passage this much less probable than the best one is left out.
const LEAST_OF_BEST: f64 = 0.07;
/// Enough is said when this share of what all passages promise together is said.
const ENOUGH: f64 = 0.9;

/// From the most probable passage on, those that promise something more. `text` gives the text of one.
pub(super) fn choose<'a, 'b>(seen: &'b [Seen], text: impl Fn(&Seen) -> &'a str) -> Vec<&'b Seen> {
    let mut candidates: Vec<(f64, &Seen)> = seen.iter().map(|seen| (probability(seen.log_odds), seen)).collect();
    // Stable: of equals the one whose chunk was found first.
    candidates.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    let promised: f64 = candidates.iter().map(|(probability, _)| probability).sum();
    let best = candidates.first().map_or(0.0, |(probability, _)| *probability);
    let mut chosen: Vec<&Seen> = Vec::new();
    let (mut bytes, mut said) = (0, 0.0);
    for (probability, candidate) in candidates {
        if chosen.len() == PASSAGES_MAX || probability < best * LEAST_OF_BEST || said >= promised * ENOUGH {
            break;
        }
        let own = text(candidate);
        let repeats = chosen.iter().any(|other| text(other) == own);
        if repeats || (!chosen.is_empty() && bytes + own.len() > ANSWER_BYTES_MAX) {
            continue;
        }
        bytes += own.len();
        said += probability;
        chosen.push(candidate);
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::features::PASSAGE_NAMES;

    fn chosen(log_odds: &[f32], texts: &[&str]) -> Vec<usize> {
        let seen: Vec<Seen> = (0..)
            .zip(log_odds)
            .map(|(place, log_odds)| Seen {
                chunk: 0,
                place,
                features: [0.0; PASSAGE_NAMES.len()],
                log_odds: *log_odds,
            })
            .collect();
        choose(&seen, |seen| texts[seen.place])
            .iter()
            .map(|seen| seen.place)
            .collect()
    }

    #[test]
    fn what_is_chosen_promises_enough_repeats_nothing_and_is_bounded() {
        assert_eq!(chosen(&[], &[]), Vec::<usize>::new());
        // One that is sure leaves nothing to the others.
        assert_eq!(chosen(&[-5.0, 4.0, -5.0], &["a", "b", "c"]), [1]);
        assert_eq!(chosen(&[0.0, 0.1, 0.0], &["a", "b", "a"]), [1, 0]);
        let long = "x".repeat(1_000);
        assert_eq!(chosen(&[0.2, 0.1, 0.0], &[&long, &"y".repeat(300), "z"]), [0, 2]);
        let many: Vec<String> = (0..20).map(|number| number.to_string()).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert_eq!(chosen(&[0.0; 20], &many).len(), PASSAGES_MAX);
    }
}
