//! Misspelt words of a question are read as the nearest word of the knowledge base.
//!
//! A word counts as misspelt where neither the knowledge base nor the embedding's own vocabulary has it. It is read as the
//! word of the knowledge base with the fewest edits (insert, delete, replace, swap of neighbours), and of these the one that
//! most chunks use. What looks like a name, a code, a path or an address is left alone.

use std::{collections::BTreeMap, ops::Range, sync::OnceLock};

use fst::{Automaton, IntoStreamer, Map, MapBuilder, Streamer};
use levenshtein_automata::{DFA, Distance, LevenshteinAutomatonBuilder};

use crate::{embedder::StaticEmbedder, words::is_stop_word};

/// Shorter words have too many neighbours.
const LETTERS_MIN: usize = 4;
/// Longer ones are not looked up: their automaton grows with them.
const LETTERS_MAX: usize = 24;
/// Words of this many letters may be two edits away from what was meant, shorter ones one.
const LETTERS_FOR_TWO_EDITS: usize = 7;
/// Words that are corrected in one question at most.
const CORRECTIONS_MAX: usize = 8;

/// The words of a collection, as they are written, and how many of its chunks have each.
#[derive(Debug)]
pub(crate) struct Vocabulary(Map<Vec<u8>>);

/// A word of a question that was read as another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Correction {
    /// As it was written.
    pub written: String,
    /// As it was read.
    pub read: String,
}

impl Vocabulary {
    /// The vocabulary of these texts, as bytes.
    pub(crate) fn build<'a>(texts: impl Iterator<Item = &'a str>) -> Vec<u8> {
        let mut uses: BTreeMap<String, (u64, usize)> = BTreeMap::new();
        for (number, text) in texts.enumerate() {
            for range in words(text) {
                let (count, last) = uses.entry(text[range].to_lowercase()).or_insert((0, usize::MAX));
                if *last != number {
                    (*count, *last) = (*count + 1, number);
                }
            }
        }
        let mut builder = MapBuilder::memory();
        for (word, (count, _)) in uses {
            builder
                .insert(word, count)
                .expect("a sorted map gives its keys in order");
        }
        builder.into_inner().expect("memory takes all that is written")
    }

    /// Reads what [`Self::build`] gave; none where it is something else.
    pub(crate) fn from_bytes(bytes: Vec<u8>) -> Option<Self> {
        Map::new(bytes).ok().map(Self)
    }

    fn has(&self, word: &str) -> bool {
        self.0.contains_key(word)
    }

    /// The word within the automaton's distance that is nearest and, of these, most used.
    fn nearest(&self, edits: &DFA) -> Option<Near> {
        let mut best: Option<Near> = None;
        let mut found = self.0.search(edits).into_stream();
        while let Some((word, uses)) = found.next() {
            let state = word
                .iter()
                .fold(edits.start(), |state, byte| edits.accept(&state, *byte));
            let Distance::Exact(distance) = edits.distance(state) else {
                continue;
            };
            if best.as_ref().is_none_or(|best| best.is_worse_than(distance, uses)) {
                best = Some(Near {
                    word: String::from_utf8_lossy(word).into_owned(),
                    distance,
                    uses,
                });
            }
        }
        best
    }
}

struct Near {
    word: String,
    distance: u8,
    uses: u64,
}

impl Near {
    fn is_worse_than(&self, distance: u8, uses: u64) -> bool {
        (distance, std::cmp::Reverse(uses)) < (self.distance, std::cmp::Reverse(self.uses))
    }
}

/// A question with its misspelt words corrected, and what was corrected.
pub(crate) fn correct(
    question: &str,
    vocabularies: &[&Vocabulary],
    embedder: &StaticEmbedder,
) -> (String, Vec<Correction>) {
    let mut corrected = String::with_capacity(question.len());
    let mut corrections: Vec<Correction> = Vec::new();
    let mut copied = 0;
    for range in words(question) {
        let written = &question[range.clone()];
        if corrections.len() == CORRECTIONS_MAX || !may_be_misspelt(question, &range) {
            continue;
        }
        let word = written.to_lowercase();
        if is_stop_word(&word) || vocabularies.iter().any(|known| known.has(&word)) || embedder.has_word(&word) {
            continue;
        }
        let Some(read) = nearest(&word, vocabularies) else {
            continue;
        };
        corrected.push_str(&question[copied..range.start]);
        corrected.push_str(&read);
        copied = range.end;
        corrections.push(Correction {
            written: written.to_owned(),
            read,
        });
    }
    corrected.push_str(&question[copied..]);
    (corrected, corrections)
}

fn nearest(word: &str, vocabularies: &[&Vocabulary]) -> Option<String> {
    static EDITS: OnceLock<[LevenshteinAutomatonBuilder; 2]> = OnceLock::new();
    let [one, two] = EDITS.get_or_init(|| [1, 2].map(|edits| LevenshteinAutomatonBuilder::new(edits, true)));
    let letters = word.chars().count();
    let builder = if letters >= LETTERS_FOR_TWO_EDITS { two } else { one };
    let automaton = builder.build_dfa(word);
    let nearest = vocabularies.iter().filter_map(|known| known.nearest(&automaton));
    let best = nearest.min_by_key(|near| (near.distance, std::cmp::Reverse(near.uses)))?;
    // People miss the first letter of a word rarely, and two edits at once there almost never.
    let same_start = best.word.chars().next() == word.chars().next();
    (best.distance == 1 || same_start).then_some(best.word)
}

/// Runs of letters.
fn words(text: &str) -> impl Iterator<Item = Range<usize>> {
    let mut rest = 0;
    std::iter::from_fn(move || {
        let start = rest + text[rest..].find(char::is_alphabetic)?;
        let end = text[start..]
            .find(|c: char| !c.is_alphabetic())
            .map_or(text.len(), |at| start + at);
        rest = end;
        Some(start..end)
    })
}

/// A word of small letters that stands by itself: not a part of a code, path, address or placeholder.
fn may_be_misspelt(question: &str, range: &Range<usize>) -> bool {
    let word = &question[range.clone()];
    let letters = word.chars().count();
    let joins = |c: char| {
        c.is_numeric()
            || matches!(
                c,
                '_' | '/' | '\\' | '@' | '`' | '$' | '<' | '{' | '=' | '#' | '.' | '-'
            )
    };
    let before = question[..range.start].chars().next_back();
    let mut after = question[range.end..].chars();
    // A full stop joins only where something follows it at once.
    let joined_after = match after.next() {
        Some('.') => after.next().is_some_and(char::is_alphanumeric),
        Some(c) => joins(c),
        None => false,
    };
    let is_name = word.chars().skip(1).any(char::is_uppercase);
    (LETTERS_MIN..=LETTERS_MAX).contains(&letters) && !is_name && !before.is_some_and(joins) && !joined_after
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::embedder;

    fn vocabulary() -> Vocabulary {
        let texts = [
            "Cancel a subscription, or cancel it later. Refundable packages.",
            "Cancel the export of events. The onboarding workshop.",
            "Canals and alerts",
        ];
        Vocabulary::from_bytes(Vocabulary::build(texts.into_iter())).unwrap()
    }

    fn check(question: &str, expected: &str) {
        let (corrected, corrections) = correct(question, &[&vocabulary()], embedder());
        assert_eq!(corrected, expected);
        assert_eq!(corrections.is_empty(), question == expected, "{corrections:?}");
    }

    #[test]
    fn misspelt_words_are_read_as_the_nearest_that_is_known() {
        check("how do i cansel my subscripton?", "how do i cancel my subscription?");
        check(
            "is the onbording pakage refundible",
            "is the onboarding pakage refundable",
        );
        check("exprt evnts, pls", "export events, pls");
        check("Cacnel it", "cancel it");
    }

    #[test]
    fn names_codes_and_known_words_are_left_alone() {
        for question in [
            "a voucher for the canal",
            "lf_exprt and cansel.example and `cansel` and /cansel and cansel2",
            "iCansel",
            "can",
            "xqzvbnm",
            "кансел",
            "",
        ] {
            check(question, question);
        }
    }

    proptest! {
        #[test]
        fn any_text_is_a_question(question in "\\PC{0,80}") {
            let (corrected, corrections) = correct(&question, &[&vocabulary()], embedder());
            prop_assert!(corrections.len() <= CORRECTIONS_MAX);
            prop_assert_eq!(corrections.is_empty(), corrected == question);
        }
    }
}
