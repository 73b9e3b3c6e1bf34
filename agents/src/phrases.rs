//! Phrases that are looked for in the words of a text.

use rustc_hash::FxHashMap;

use crate::routing::Word;

/// A list of phrases, each of plain words in lower case with one space between them.
#[derive(Debug)]
pub(crate) struct Phrases {
    /// By first word: the rest, the place in the list, and the whole.
    by_first: FxHashMap<&'static str, Vec<Phrase>>,
}

#[derive(Debug)]
struct Phrase {
    rest: Vec<&'static str>,
    place: usize,
    whole: &'static str,
}

impl Phrases {
    pub(crate) fn new(phrases: impl IntoIterator<Item = &'static str>) -> Self {
        let mut by_first: FxHashMap<&'static str, Vec<Phrase>> = FxHashMap::default();
        for (place, whole) in phrases.into_iter().enumerate() {
            let mut words = whole.split(' ');
            let first = words.next().unwrap_or_default();
            let rest = words.collect();
            by_first.entry(first).or_default().push(Phrase { rest, place, whole });
        }
        Self { by_first }
    }

    /// The first phrase of the list that stands in a text of these words.
    pub(crate) fn first_in(&self, words: &[Word]) -> Option<&'static str> {
        let begun = (0..words.len()).filter_map(|at| self.first_at(&words[at..]));
        begun.min_by_key(|phrase| phrase.place).map(|phrase| phrase.whole)
    }

    /// The first phrase of the list that a text of these words begins with.
    fn first_at(&self, words: &[Word]) -> Option<&Phrase> {
        let (first, after) = words.split_first()?;
        let stands = |phrase: &&Phrase| {
            after.len() >= phrase.rest.len() && phrase.rest.iter().zip(after).all(|(wanted, word)| wanted == word)
        };
        let phrases = self.by_first.get(first.as_str())?;
        phrases.iter().filter(stands).min_by_key(|phrase| phrase.place)
    }

    /// Whether any of them stands in a text of these words.
    pub(crate) fn any_in(&self, words: &[Word]) -> bool {
        self.first_in(words).is_some()
    }

    /// Whether a text of these words begins with any of them.
    pub(crate) fn begins(&self, words: &[Word]) -> bool {
        self.first_at(words).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phrase_stands_as_a_whole_and_the_first_of_the_list_is_told() {
        let phrases = Phrases::new(["how long", "long", "how long is"]);
        let first = |text: &str| {
            let words: Vec<Word> = text.split(' ').map(Word::from).collect();
            phrases.first_in(&words)
        };
        assert_eq!(first("and how long is it"), Some("how long"));
        assert_eq!(first("a long time"), Some("long"));
        assert_eq!(first("longer than how"), None);
        assert_eq!(first("how"), None);
        assert!(!phrases.any_in(&[]));
        let words = ["so", "long"].map(Word::from);
        assert!(!phrases.begins(&words) && phrases.begins(&words[1..]) && !phrases.begins(&[]));
    }
}
