//! Where two sources say different things of the same.
//!
//! Two sentences of different documents differ where nearly all their words are the same and a number of the same unit is not. That
//! is strict on purpose: a difference that is none would make people doubt what is right.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::{knowledge::FoundChunk, words::for_each_word};

/// The least share of the words of both sentences together that both have (Jaccard, 1901).
const SAME_WORDS: f64 = 0.7;
/// The least number of them.
const SAME_WORDS_MIN: usize = 3;

/// Whether two sentences with these words, as numbers, sorted, may be about the same.
pub(super) fn may_differ(a: &[u32], b: &[u32]) -> bool {
    a.iter().filter(|word| b.binary_search(word).is_ok()).count() >= SAME_WORDS_MIN
}

/// What is compared of a sentence.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Statement {
    /// Its words without numbers and units.
    words: Vec<String>,
    /// Words with a capital letter inside of the sentence: what it is about, such as the name of a plan.
    names: Vec<String>,
    /// Its numbers by what they count.
    numbers: BTreeMap<String, Vec<String>>,
}

impl Statement {
    /// Reads a sentence.
    pub(super) fn of(sentence: &str) -> Self {
        let mut statement = Self::default();
        let mut tokens = sentence.split_whitespace().peekable();
        let mut is_first = true;
        while let Some(token) = tokens.next() {
            // What stands behind a comma is not what the number counts.
            let ends_phrase = token.ends_with([',', ';', ':', '.', ')']);
            let is_part = |c: char| c.is_alphanumeric() || "$€£%.,".contains(c);
            let token = token.trim_matches(|c: char| !is_part(c)).trim_end_matches(['.', ',']);
            if token.bytes().any(|byte| byte.is_ascii_digit()) && !token.chars().any(char::is_alphabetic) {
                let sign = token.chars().find(|c| "$€£%".contains(*c));
                let unit = match sign {
                    Some(sign) => sign.to_string(),
                    None if ends_phrase => String::new(),
                    None => tokens.peek().map(|next| stems(next).concat()).unwrap_or_default(),
                };
                let value: String = token.chars().filter(|c| c.is_ascii_digit() || *c == '.').collect();
                statement.numbers.entry(unit).or_default().push(value);
            } else {
                let begins_large = token.chars().next().is_some_and(char::is_uppercase);
                if begins_large && !is_first {
                    statement.names.push(token.to_lowercase());
                }
                statement.words.extend(stems(token));
            }
            is_first = false;
        }
        for list in [&mut statement.words, &mut statement.names] {
            list.sort();
            list.dedup();
        }
        statement
    }

    /// Whether both are about the same, and the numbers of one unit have nothing in common.
    pub(super) fn differs_from(&self, other: &Self) -> bool {
        let shared = self.words.iter().filter(|word| other.words.contains(word)).count();
        let all = self.words.len() + other.words.len() - shared;
        let is_same_subject = shared >= SAME_WORDS_MIN && shared as f64 >= SAME_WORDS * all as f64;
        let differs = |(unit, own): (&String, &Vec<String>)| {
            let others = other.numbers.get(unit);
            others.is_some_and(|others| !unit.is_empty() && own.iter().all(|value| !others.contains(value)))
        };
        is_same_subject && self.names == other.names && self.numbers.iter().any(differs)
    }
}

fn stems(text: &str) -> Vec<String> {
    let mut stems = Vec::new();
    for_each_word(text, |word| stems.push(word.to_owned()));
    stems
}

/// The day on which a document was last changed, as its front matter says: `updated` or `date`, as `YYYY-MM-DD`.
pub(super) fn day(found: &FoundChunk) -> Option<&str> {
    let front_matter = &found.chunk.origin.front_matter;
    let day = ["updated", "date"].iter().find_map(|key| front_matter.get(*key));
    day.and_then(Value::as_str).filter(|day| is_day(day))
}

/// Whether a text is of the form `YYYY-MM-DD`.
pub(super) fn is_day(text: &str) -> bool {
    let mut parts = text.split('-');
    let mut has = |length: usize| {
        parts
            .next()
            .is_some_and(|part| part.len() == length && part.bytes().all(|byte| byte.is_ascii_digit()))
    };
    has(4) && has(2) && has(2) && parts.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn differ(a: &str, b: &str) -> bool {
        let (a, b) = (Statement::of(a), Statement::of(b));
        assert_eq!(a.differs_from(&b), b.differs_from(&a));
        a.differs_from(&b)
    }

    #[test]
    fn the_same_with_another_number_is_a_difference_and_something_else_is_none() {
        for (a, b) in [
            ("Events are kept for 30 days.", "Events are kept for 90 days."),
            (
                "A seat on Team costs $49 a month.",
                "One seat on Team costs $59 a month.",
            ),
            (
                "The discount for registered charities is **30%**.",
                "Registered charities have a discount of 40%.",
            ),
        ] {
            assert!(differ(a, b), "{a} {b}");
        }
        for (a, b) in [
            ("Events are kept for 30 days.", "Events are kept for 30 days."),
            ("Events are kept for 30 days.", "Invoices are kept for 90 days."),
            (
                "The plan Team has 20 dashboards.",
                "The plan Business has 50 dashboards.",
            ),
            (
                "Events are kept for 30 days.",
                "Events are kept for as long as the plan says.",
            ),
            ("A key is valid for 24 hours.", "A key of 2 parts is valid."),
            ("Step 1 of the set-up takes long.", "Step 2 of the set-up takes long."),
            (
                "The Team plan costs $119 a month or $1,190 a year.",
                "An annual plan also costs ten months for a year: an extra Team seat costs $100 a year instead of $10 a month.",
            ),
            (
                "Starter has 3 dashboards, Team 20 and Business 100; Enterprise has no limit.",
                "Starter has 2 connections, Team 10 and Business 50; Enterprise has no limit.",
            ),
            ("", ""),
        ] {
            assert!(!differ(a, b), "{a} {b}");
        }
    }

    #[test]
    fn a_day_is_four_two_and_two_digits() {
        assert!(is_day("2026-04-21"));
        for text in ["", "2026", "2026-4-21", "2026-04-21T10:00:00Z", "20x6-04-21"] {
            assert!(!is_day(text), "{text}");
        }
    }
}
