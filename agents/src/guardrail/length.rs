//! An answer that may be no longer than so many characters.
//!
//! What has been said cannot be taken back, so the last part of what is allowed is said in whole sentences only: where the next one would
//! be too long, the answer ends behind the one before.

/// The part of the allowed characters that is said in whole sentences only, as a share: 1 in this many, and no more than the next.
const LAST_PART: usize = 4;
const LAST_PART_MAX: usize = 1_000;
/// Stands where an answer is cut within a sentence.
const CUT: &str = " …";

/// Counts what is said.
#[derive(Debug)]
pub(crate) struct Bounded {
    characters_max: usize,
    said: usize,
    /// What waits for the end of its sentence, and its characters.
    held: String,
    held_characters: usize,
    /// Whether the last that was said ends a sentence.
    at_end: bool,
    is_full: bool,
}

impl Bounded {
    pub(crate) fn new(characters_max: usize) -> Self {
        Self {
            characters_max,
            said: 0,
            held: String::new(),
            held_characters: 0,
            at_end: true,
            is_full: false,
        }
    }

    /// Whether the answer is cut: nothing more is taken.
    pub(crate) fn is_full(&self) -> bool {
        self.is_full
    }

    /// What was given to it, as far as it may be said now.
    pub(crate) fn push(&mut self, piece: String) -> String {
        let free = self.characters_max - (self.characters_max / LAST_PART).min(LAST_PART_MAX);
        let characters = piece.chars().count();
        if self.held.is_empty() && self.said + characters <= free && !self.is_full {
            self.said += characters;
            self.at_end = false;
            return piece;
        }
        let mut out = String::new();
        for letter in piece.chars() {
            if self.is_full {
                break;
            }
            self.held.push(letter);
            self.held_characters += 1;
            if self.said + self.held_characters > self.characters_max {
                self.is_full = true;
                self.held.clear();
                if !self.at_end {
                    out.push_str(CUT);
                }
                break;
            }
            let is_free = self.said + self.held_characters <= free;
            // A full stop in a number or a name ends nothing; that it does is known with the next letter.
            let ends = letter == '\n'
                || letter.is_whitespace() && {
                    let before = self.held.trim_end();
                    before.ends_with(['.', '!', '?', '。', ':', ']', '”', ')'])
                };
            if is_free || ends {
                self.say(&mut out);
                self.at_end = ends;
            }
        }
        out
    }

    /// The answer is complete: what waited is said.
    pub(crate) fn finish(&mut self) -> String {
        let mut out = String::new();
        if !self.is_full {
            self.say(&mut out);
        }
        out
    }

    fn say(&mut self, out: &mut String) {
        out.push_str(&std::mem::take(&mut self.held));
        self.said += std::mem::take(&mut self.held_characters);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn said(characters_max: usize, pieces: impl IntoIterator<Item = String>) -> (String, bool) {
        let mut bounded = Bounded::new(characters_max);
        let mut out: String = pieces.into_iter().map(|piece| bounded.push(piece)).collect();
        out += &bounded.finish();
        (out, bounded.is_full())
    }

    #[test]
    fn an_answer_is_cut_behind_a_sentence_and_only_where_it_is_too_long() {
        let short = "One. Two.".to_owned();
        assert_eq!(said(9, [short.clone()]), (short, false));
        let long = "A sentence of words [1]. ".repeat(10);
        let (cut, is_full) = said(110, long.chars().map(String::from));
        assert!(is_full);
        assert_eq!(cut, "A sentence of words [1]. ".repeat(4));
        let (cut, is_full) = said(100, [format!("Costs 4.5{}", " and more".repeat(20))]);
        assert!(
            is_full && cut.ends_with(CUT) && cut.starts_with("Costs 4.5 and"),
            "{cut}"
        );
    }

    proptest! {
        #[test]
        fn what_is_said_is_the_beginning_of_what_was_given(
            pieces in prop::collection::vec("[a-z .é\n]{0,20}", 0..30), characters_max in 20_usize..200
        ) {
            let whole: String = pieces.concat();
            let (cut, is_full) = said(characters_max, pieces);
            let kept = cut.strip_suffix(CUT).filter(|_| is_full).unwrap_or(&cut);
            prop_assert!(whole.starts_with(kept));
            prop_assert_eq!(is_full, whole.chars().count() > characters_max);
            prop_assert!(kept.chars().count() <= characters_max);
            prop_assert!(is_full || cut == whole);
        }
    }
}
