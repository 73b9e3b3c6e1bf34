//! Which words mean nearly the same, and which the opposite: from WordNet, see `assets/wordnet/README.md`.

use std::{collections::HashSet, sync::LazyLock};

use rustc_hash::FxHashMap;

use super::lexicon::FELLOWS;
use crate::words::{for_each_word, word_number};

const NEAR: &str = include_str!("../../assets/wordnet/near.txt");
const IRREGULAR: &str = include_str!("../../assets/wordnet/irregular.txt");
const OPPOSITE: &str = include_str!("../../assets/wordnet/opposite.txt");

/// Beginnings of words that turn what follows round, as pairs; an empty one stands for the bare word.
const OPPOSED_PREFIXES: &[(&str, &str)] = &[
    ("", "un"),
    ("", "dis"),
    ("", "de"),
    ("", "non"),
    ("", "in"),
    ("", "im"),
    ("", "ir"),
    ("", "mis"),
    ("", "re"),
    ("in", "out"),
    ("in", "ex"),
    ("im", "ex"),
    ("en", "de"),
    ("en", "dis"),
    ("up", "down"),
    ("over", "under"),
    ("pre", "post"),
    ("intra", "inter"),
    ("hyper", "hypo"),
];

/// Pairs of stems, the smaller number first.
struct Pairs(HashSet<(u32, u32)>);

impl Pairs {
    /// Reads lines of a word and its fellows.
    fn read(text: &str) -> Self {
        let mut stems: FxHashMap<&str, u32> = FxHashMap::default();
        let mut number = |word| *stems.entry(word).or_insert_with(|| word_number(&stem(word)));
        let mut pairs = HashSet::new();
        for line in text.lines() {
            let mut words = line.split(' ');
            let Some(first) = words.next() else { continue };
            let first = number(first);
            pairs.extend(words.map(|word| ordered(first, number(word))));
        }
        Self(pairs)
    }

    fn has(&self, a: &str, b: &str) -> bool {
        self.0.contains(&ordered(word_number(a), word_number(b)))
    }
}

fn ordered(a: u32, b: u32) -> (u32, u32) {
    (a.min(b), a.max(b))
}

static REGULAR: LazyLock<FxHashMap<&'static str, &'static str>> = LazyLock::new(|| {
    let forms = |line: &'static str| {
        let mut words = line.split(' ');
        let regular = words.next().unwrap_or_default();
        words.map(move |form| (form, regular))
    };
    IRREGULAR.lines().flat_map(forms).collect()
});

/// Whether a word is an irregular form, such as `kept`.
pub(super) fn is_irregular(word: &str) -> bool {
    REGULAR.contains_key(word)
}

/// The stem of a word in lower case, of its regular form where it is irregular; the word itself where it has none, as a stop
/// word.
pub(super) fn stem(word: &str) -> String {
    let word = REGULAR.get(word).copied().unwrap_or(word);
    let mut stem = None;
    for_each_word(word, |word| stem = Some(word.to_owned()));
    stem.unwrap_or_else(|| word.to_owned())
}

static NEAR_PAIRS: LazyLock<Pairs> = LazyLock::new(|| {
    let mut pairs = Pairs::read(NEAR);
    for class in FELLOWS {
        let class: Vec<u32> = class.split(' ').map(|word| word_number(&stem(word))).collect();
        pairs
            .0
            .extend(class.iter().flat_map(|a| class.iter().map(|b| ordered(*a, *b))));
    }
    pairs
});
static OPPOSITE_PAIRS: LazyLock<Pairs> = LazyLock::new(|| Pairs::read(OPPOSITE));

/// Reads the tables where they were not read yet.
pub(super) fn load() {
    LazyLock::force(&NEAR_PAIRS);
    LazyLock::force(&OPPOSITE_PAIRS);
}

/// Whether two stems belong to words that mean nearly the same.
pub(super) fn are_near(a: &str, b: &str) -> bool {
    NEAR_PAIRS.has(a, b)
}

/// Whether two stems belong to words that mean the opposite of each other, as far as the dictionary or their beginnings say.
pub(super) fn are_opposite(a: &str, b: &str) -> bool {
    OPPOSITE_PAIRS.has(a, b)
        || OPPOSED_PREFIXES.iter().any(|(one, other)| {
            let differ_by = |a: &str, b: &str| {
                let rest = a.strip_prefix(one).zip(b.strip_prefix(other));
                rest.is_some_and(|(a, b)| a.len() >= 3 && a == b)
            };
            differ_by(a, b) || differ_by(b, a)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_near_or_opposite_in_whatever_form_they_stand() {
        let near = |a: &str, b: &str| are_near(&stem(a), &stem(b)) && are_near(&stem(b), &stem(a));
        let opposite = |a: &str, b: &str| are_opposite(&stem(a), &stem(b)) && are_opposite(&stem(b), &stem(a));
        for (a, b) in [("extra", "additional"), ("changing", "switch"), ("pay", "payments")] {
            assert!(near(a, b) && !opposite(a, b), "{a} {b}");
        }
        for (a, b) in [
            ("lengthen", "shortens"),
            ("pausing", "unpause"),
            ("outpatient", "inpatients"),
            ("incoming", "outgoing"),
            ("obligatory", "optional"),
        ] {
            assert!(opposite(a, b) && !near(a, b), "{a} {b}");
        }
        assert!(!near("team", "business") && !opposite("team", "business"));
    }
}
