//! Which passages an answer is made of.

use super::{features::Seen, weights::probability};

/// Passages in an answer, besides those that introduce or continue one.
const PASSAGES_MAX: usize = 8;
/// An answer is not continued beyond this many bytes.
const ANSWER_BYTES_MAX: usize = 1_200;
/// A passage this much less probable than the best one is left out.
const LEAST_OF_BEST: f64 = 0.07;
/// Enough is said when it is so probable that one of the passages has the answer, were they right or wrong each by itself. From 0.8 down
/// an answer loses the second part of a question that has two.
const ENOUGH: f64 = 0.85;

/// The passages of an answer.
pub(super) struct Choice<'a> {
    /// Those that it says, the most probable first.
    pub(super) chosen: Vec<&'a Seen>,
    /// Those that it would go on with, were not enough said: one of them may say something else of the same.
    pub(super) held_back: Vec<&'a Seen>,
}

/// From the most probable passage on, as many as it takes for the answer to be among them. `text` gives the text of one.
pub(super) fn choose<'a, 'b>(seen: &'b [Seen], text: impl Fn(&Seen) -> &'a str) -> Choice<'b> {
    let mut candidates: Vec<(f64, &Seen)> = seen.iter().map(|seen| (probability(seen.log_odds), seen)).collect();
    // Stable: of equals the one whose chunk was found first.
    candidates.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    let best = candidates.first().map_or(0.0, |(probability, _)| *probability);
    let mut chosen: Vec<&Seen> = Vec::new();
    let mut held_back = Vec::new();
    let (mut bytes, mut all_wrong) = (0, 1.0);
    for (probability, candidate) in candidates {
        if chosen.len() + held_back.len() == PASSAGES_MAX || probability < best * LEAST_OF_BEST {
            break;
        }
        if 1.0 - all_wrong >= ENOUGH {
            held_back.push(candidate);
            continue;
        }
        let own = text(candidate);
        let repeats = chosen.iter().any(|other| text(other) == own);
        if repeats || (!chosen.is_empty() && bytes + own.len() > ANSWER_BYTES_MAX) {
            continue;
        }
        bytes += own.len();
        all_wrong *= 1.0 - probability;
        chosen.push(candidate);
    }
    Choice { chosen, held_back }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::features::PASSAGE_NAMES;

    /// The places of those that are chosen, and of those held back.
    fn choice(log_odds: &[f32], texts: &[&str]) -> [Vec<usize>; 2] {
        let seen: Vec<Seen> = (0..)
            .zip(log_odds)
            .map(|(place, log_odds)| Seen {
                chunk: 0,
                place,
                features: [0.0; PASSAGE_NAMES.len()],
                log_odds: *log_odds,
            })
            .collect();
        let choice = choose(&seen, |seen| texts[seen.place]);
        [choice.chosen, choice.held_back].map(|of| of.iter().map(|seen| seen.place).collect())
    }

    fn chosen(log_odds: &[f32], texts: &[&str]) -> Vec<usize> {
        let [chosen, _] = choice(log_odds, texts);
        chosen
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
        // Three that are right every second time have the answer in 7 of 8 cases.
        let [said, held_back] = choice(&[0.0; 20], &many);
        assert_eq!((said, held_back), (vec![0, 1, 2], vec![3, 4, 5, 6, 7]));
        assert_eq!(chosen(&[-2.0; 20], &many).len(), PASSAGES_MAX);
    }
}
