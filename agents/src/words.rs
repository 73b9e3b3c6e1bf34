//! The words of a text as the index knows them: letters and digits, lower case, without stop words, stemmed.

use std::{cell::RefCell, sync::LazyLock};

use rustc_hash::{FxHashMap, FxHashSet};

use tantivy::tokenizer::{
    Language, LowerCaser, RemoveLongFilter, SimpleTokenizer, Stemmer, StopWordFilter, TextAnalyzer, Token,
};

/// Words that say nothing about the subject. Negations are among them: what they turn around is for others to see.
pub(crate) const STOP_WORDS: [&str; 56] = [
    "a", "an", "the", "is", "are", "was", "were", "be", "been", "do", "does", "did", "can", "could", "i", "me", "my",
    "we", "our", "you", "your", "it", "its", "this", "that", "of", "to", "in", "on", "at", "for", "from", "by", "with",
    "and", "or", "not", "no", "if", "as", "so", "what", "which", "who", "when", "where", "how", "why", "will", "would",
    "should", "there", "have", "has", "had", "am",
];

/// A word of so many bytes is no word.
const WORD_BYTES_MAX: usize = 40;

/// So many words are remembered with what the analyser makes of them, in each thread: a megabyte at most.
const REMEMBERED_MAX: usize = 8_192;

/// The analyser of the index and of every question to it; the two must be the same.
pub(crate) fn analyzer() -> TextAnalyzer {
    // What this cuts a text at, `for_each_word` must as well.
    TextAnalyzer::builder(SimpleTokenizer::default())
        .filter(RemoveLongFilter::limit(WORD_BYTES_MAX))
        .filter(LowerCaser)
        .filter(StopWordFilter::remove(STOP_WORDS.map(str::to_owned)))
        .filter(Stemmer::new(Language::English))
        .build()
}

thread_local! {
    // An analyser keeps buffers and wants `&mut`; making one for each text costs more than analysing a question.
    static WORDS: RefCell<Words> = RefCell::new(Words {
        analyzer: analyzer(),
        remembered: FxHashMap::default(),
    });
}

/// What the analyser makes of single words. The words of a question are looked at from several sides, and people use the same few
/// thousand: finding one costs a tenth of stemming it.
struct Words {
    analyzer: TextAnalyzer,
    /// By word as it was written: its stem; none for a word that says nothing.
    remembered: FxHashMap<Box<str>, Option<Box<str>>>,
}

impl Words {
    fn analysed(&mut self, word: &str) -> Option<&str> {
        // The analyser leaves them out, and documents have them of any length.
        if word.len() >= WORD_BYTES_MAX {
            return None;
        }
        if !self.remembered.contains_key(word) {
            if self.remembered.len() >= REMEMBERED_MAX {
                self.remembered.clear();
            }
            let mut stem = None;
            let mut keep = |token: &Token| stem = Some(token.text.as_str().into());
            self.analyzer.token_stream(word).process(&mut keep);
            self.remembered.insert(word.into(), stem);
        }
        self.remembered[word].as_deref()
    }
}

/// Calls `each` with the words of `text`, in order.
pub(crate) fn for_each_word(text: &str, mut each: impl FnMut(&str)) {
    let written = text
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty());
    WORDS.with_borrow_mut(|words| written.for_each(|word| words.analysed(word).into_iter().for_each(&mut each)));
}

/// The words of `text` without repeats, in the order of their first use.
pub(crate) fn distinct_words(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for_each_word(text, |word| {
        if !words.iter().any(|known| known == word) {
            words.push(word.to_owned());
        }
    });
    words
}

/// Whether a word in lower case says nothing about the subject.
pub(crate) fn is_stop_word(word: &str) -> bool {
    static WORDS: LazyLock<FxHashSet<&str>> = LazyLock::new(|| STOP_WORDS.into_iter().collect());
    WORDS.contains(word)
}

/// A number that stands for a word; two words share one only by a rare accident.
pub(crate) fn word_number(word: &str) -> u32 {
    // FNV-1a, folded: fixed for all time, unlike the hashers of the standard library.
    let hash = word.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    (hash ^ (hash >> 32)) as u32
}

/// The numbers of the words of `text`, sorted, without repeats.
pub(crate) fn word_numbers(text: &str) -> Vec<u32> {
    let mut numbers = Vec::new();
    for_each_word(text, |word| numbers.push(word_number(word)));
    numbers.sort_unstable();
    numbers.dedup();
    numbers
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn words_are_lowered_stemmed_and_without_stop_words() {
        assert_eq!(
            distinct_words("How do I rotate my API keys, and rotating it?"),
            ["rotat", "api", "key"]
        );
        assert_eq!(distinct_words(&"x".repeat(60)), Vec::<String>::new());
        assert_eq!(distinct_words("LF-4293"), ["lf", "4293"]);
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let long = "x".repeat(100_000);
        for_each_word(&long, |_| panic!("it is no word"));
        WORDS.with_borrow(|words| assert!(!words.remembered.contains_key(long.as_str())));
        let many: Vec<String> = (0..REMEMBERED_MAX + 5).map(|number| format!("word{number}")).collect();
        for_each_word(&many.join(" "), |_| {});
        WORDS.with_borrow(|words| assert!(words.remembered.len() <= REMEMBERED_MAX));
    }

    proptest! {
        /// The index is made by the analyser itself, and a question must find what is in it.
        #[test]
        fn words_are_those_of_the_analyser(text in "([a-zA-Z]{1,12}|\\PC{0,6}|[a-z]{38,43}|[ .'’_-])*") {
            for _ in 0..2 {
                let mut found = Vec::new();
                for_each_word(&text, |word| found.push(word.to_owned()));
                let mut wanted = Vec::new();
                analyzer().token_stream(&text).process(&mut |token| wanted.push(token.text.clone()));
                prop_assert_eq!(found, wanted);
            }
        }
    }
}
