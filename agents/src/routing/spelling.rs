//! Puts misspelt words right, by the words of the examples and of the knowledge base.

use std::collections::HashMap;

use crate::embedder::StaticEmbedder;

/// A shorter word has too many neighbours, a longer one is no word.
const LETTERS: std::ops::RangeInclusive<usize> = 3..=24;
/// From this many letters on two mistakes are forgiven, below one.
const LONG: usize = 6;
/// In one message at most this many words are looked up.
const LOOKUPS_MAX: usize = 16;

/// Words with how often they were seen, in lower case and of ASCII letters alone.
#[derive(Debug, Default, Clone)]
pub(super) struct Spelling {
    counts: HashMap<String, u32>,
    /// The same words by first letter and length.
    by_shape: HashMap<(u8, usize), Vec<String>>,
}

impl Spelling {
    /// Takes in the words of a text.
    pub(super) fn add(&mut self, text: &str) {
        for word in text.split(|c: char| !c.is_alphabetic()) {
            if word.len() < 2 || !word.is_ascii() {
                continue;
            }
            let word = word.to_ascii_lowercase();
            if let Some(count) = self.counts.get_mut(&word) {
                *count += 1;
                continue;
            }
            let shape = (word.as_bytes()[0], word.len());
            self.by_shape.entry(shape).or_default().push(word.clone());
            self.counts.insert(word, 1);
        }
    }

    /// Whether a word in lower case was seen.
    pub(super) fn has(&self, word: &str) -> bool {
        self.counts.contains_key(word)
    }

    /// The text with its misspelt words put right: those that neither we nor the embedder know, and that are one or two
    /// mistakes (a letter too many, missing, wrong, or two changed round) from a word we have seen.
    pub(super) fn corrected(&self, text: &str, embedder: &StaticEmbedder) -> String {
        // Letters beyond ASCII are mostly those of another language, whose words are strange to us and yet right.
        if text.chars().any(|c| c.is_alphabetic() && !c.is_ascii()) {
            return text.to_owned();
        }
        let mut out = String::with_capacity(text.len());
        let mut lookups = 0;
        let mut rest = text;
        while let Some(begin) = rest.find(char::is_alphabetic) {
            out.push_str(&rest[..begin]);
            rest = &rest[begin..];
            let end = rest.find(|c: char| !c.is_alphabetic()).unwrap_or(rest.len());
            let word = &rest[..end];
            rest = &rest[end..];
            let lower = word.to_ascii_lowercase();
            let strange =
                word.is_ascii() && LETTERS.contains(&word.len()) && !self.has(&lower) && !embedder.has_word(&lower);
            if strange && lookups < LOOKUPS_MAX {
                lookups += 1;
                out.push_str(self.nearest(&lower).unwrap_or(word));
            } else {
                out.push_str(word);
            }
        }
        out.push_str(rest);
        out
    }

    /// The nearest word within reach; of those equally near the one seen most.
    fn nearest(&self, word: &str) -> Option<&str> {
        let reach = if word.len() < LONG { 1 } else { 2 };
        let letters = word.as_bytes();
        let mut best: Option<((usize, std::cmp::Reverse<u32>), &str)> = None;
        for length in word.len().saturating_sub(reach)..=word.len() + reach {
            // The first letter is seldom wrong, but may have changed places with the second.
            for (first, changed_round) in [(letters[0], false), (letters[1], true)] {
                if changed_round && first == letters[0] {
                    continue;
                }
                for known in self.by_shape.get(&(first, length)).into_iter().flatten() {
                    if changed_round && known.as_bytes().get(1) != Some(&letters[0]) {
                        continue;
                    }
                    let distance = strsim::osa_distance(word, known);
                    let rank = (distance, std::cmp::Reverse(self.counts[known]));
                    if distance <= reach && best.as_ref().is_none_or(|(other, _)| rank < *other) {
                        best = Some((rank, known));
                    }
                }
            }
        }
        best.map(|(_, known)| known)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::embedder;

    #[test]
    fn misspelt_words_are_put_right_and_others_stay() {
        let mut spelling = Spelling::default();
        spelling.add("please cancel the subscription and return the invoice");
        let corrected = |text| spelling.corrected(text, embedder());
        assert_eq!(
            corrected("plaese cancle my subscripton!"),
            "please cancel my subscription!"
        );
        assert_eq!(corrected("nivoice"), "invoice");
        // Known to the embedder, though near a word of ours.
        assert_eq!(
            corrected("voice cancer Größe 你好 LF-4293"),
            "voice cancer Größe 你好 LF-4293"
        );
        assert_eq!(corrected(""), "");
    }
}
