//! What shows that a message leans on what was said before.

use std::sync::LazyLock;

use crate::{
    phrases::Phrases,
    routing::Word,
    words::{distinct_words, is_stop_word},
};

/// What shows that a message leans.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leaning {
    /// It goes on with "and" or "what about".
    Continues,
    /// It has a pronoun for something that it does not name.
    Pronoun,
    /// It compares with something that it does not name.
    Compares,
    /// It is a fragment without a verb.
    Fragment,
    /// It is a question with hardly a subject. It may still stand alone.
    Thin,
}

/// A longer message says what it is about.
const WORDS_MAX: usize = 14;
/// A message that goes on may have this many words with a meaning.
const CONTINUES_MAX: usize = 4;
const FRAGMENT_WORDS_MAX: usize = 6;
const COMPARES_MAX: usize = 3;
const THIN_MAX: usize = 2;

/// How it goes on.
static CONTINUES: LazyLock<Phrases> = LazyLock::new(|| Phrases::new(CONTINUES_LIST.iter().copied()));
const CONTINUES_LIST: &[&str] = &[
    "and",
    "or",
    "but",
    "so",
    "what about",
    "how about",
    "what if",
    "then",
    "also",
    "even",
    "same",
    "only",
    "plus",
    "why not",
    "und",
    "et",
    "y",
    "e",
    "en",
];
const PRONOUNS: &[&str] = &[
    "it", "its", "they", "them", "their", "this", "that", "these", "those", "he", "she", "him", "her", "one", "ones",
];
/// With one of these behind it, a demonstrative is a time and not a thing.
const TIMES: &[&str] = &[
    "morning",
    "afternoon",
    "evening",
    "week",
    "month",
    "year",
    "day",
    "time",
    "quarter",
    "summer",
    "winter",
];
/// "Is it possible to", "how long does it take to": the pronoun stands for what follows.
static EMPTY_SUBJECTS: LazyLock<Phrases> = LazyLock::new(|| Phrases::new(EMPTY_SUBJECT_LIST.iter().copied()));
const EMPTY_SUBJECT_LIST: &[&str] = &[
    "is it possible",
    "is it allowed",
    "is it safe",
    "is it ok",
    "is it okay",
    "is it normal",
    "is it true",
    "is it better",
    "does it take to",
    "does it cost to",
    "would it be possible",
    "it is possible",
    "is it necessary",
    "does it matter",
    "it says",
    "it seems",
    "it looks like",
];
const DETERMINERS: &[&str] = &[
    "my", "our", "your", "the", "a", "an", "his", "some", "any", "every", "each", "all", "no",
];
/// Degrees, which say of a noun behind them how it is to be.
const DEGREES: &[&str] = &[
    "cheaper", "faster", "slower", "bigger", "larger", "smaller", "longer", "shorter", "higher", "lower", "newer",
    "older", "better", "earlier", "later", "more", "less", "fewer",
];
/// What says only that it is not the same.
const OTHERS: &[&str] = &["another", "other", "else", "instead", "too", "afterwards"];
/// Whom or what something is for, of or on is told behind one of these.
const RELATIONS: &[&str] = &["for", "of", "on"];
const VERBS: &[&str] = &[
    "is", "are", "was", "were", "do", "does", "did", "can", "could", "will", "would", "should", "has", "have", "had",
    "may", "must", "am", "be", "get", "got", "want", "need",
];
/// What is said by itself.
const COURTESIES: &[&str] = &[
    "thanks", "thank", "hello", "hi", "hey", "bye", "goodbye", "morning", "evening", "please", "ok", "okay", "yes",
    "no",
];

/// What shows that `message` leans on what was said before; none where it can stand alone.
pub(super) fn of(message: &str) -> Option<Leaning> {
    let words = super::super::routing::words(message);
    if words.is_empty() || words.len() > WORDS_MAX {
        return None;
    }
    let subjects = distinct_words(message).len();
    let courtesy = COURTESIES.contains(&words[0].as_str());
    let goes_on = CONTINUES.begins(&words);
    if goes_on && subjects <= CONTINUES_MAX {
        return Some(Leaning::Continues);
    }
    if refers_back(&words) {
        return Some(Leaning::Pronoun);
    }
    if compares(&words) && subjects <= COMPARES_MAX && !words.iter().any(|word| word == "than") {
        return Some(Leaning::Compares);
    }
    if courtesy {
        return None;
    }
    let has_verb = words.iter().any(|word| VERBS.contains(&word.as_str()));
    if !has_verb && words.len() <= FRAGMENT_WORDS_MAX && subjects <= 2 && message.trim_end().ends_with('?') {
        return Some(Leaning::Fragment);
    }
    let asks = message.trim_end().ends_with('?') || VERBS.contains(&words[0].as_str());
    // "My invoice" is a thing of its own.
    let possesses = words.iter().any(|word| matches!(word.as_str(), "my" | "our" | "your"));
    (asks && has_verb && !possesses && subjects <= THIN_MAX).then_some(Leaning::Thin)
}

/// Whether a comparison has something that is not named. "Is there a cheaper one?" has; "is there cheaper pricing for charities?" says of
/// what it asks and for whom, so the comparison is with what all others have.
fn compares(words: &[Word]) -> bool {
    let is = |list: &[&str], at: usize| words.get(at).is_some_and(|word| list.contains(&word.as_str()));
    let names = |at: usize| {
        words.get(at).is_some_and(|word| !is_stop_word(word)) && !is(PRONOUNS, at) && !is(VERBS, at) && !is(DEGREES, at)
    };
    let is_told_closer = |at: usize| {
        let relation = (at + 2..words.len()).find(|at| is(RELATIONS, *at));
        names(at + 1) && relation.is_some_and(|relation| (relation + 1..words.len()).any(names))
    };
    (0..words.len()).any(|at| is(OTHERS, at) || (is(DEGREES, at) && !is_told_closer(at)))
}

/// Whether there is a pronoun without anything before it that it could stand for.
fn refers_back(words: &[Word]) -> bool {
    if EMPTY_SUBJECTS.any_in(words) {
        return false;
    }
    let is = |list: &[&str], at: usize| words.get(at).is_some_and(|word| list.contains(&word.as_str()));
    let says_something = |at: usize| words.get(at).is_some_and(|word| !is_stop_word(word));
    for at in 0..words.len() {
        if !is(PRONOUNS, at) {
            continue;
        }
        let demonstrative = matches!(words[at].as_str(), "this" | "that" | "these" | "those");
        if demonstrative && (is(TIMES, at + 1) || words[at] == "that" && joins(words, at)) {
            continue;
        }
        if words[at] == "one" && says_something(at + 1) {
            continue;
        }
        // "My card expired, how do I replace it?"
        let named = (1..at).any(|before| is(DETERMINERS, before - 1) && says_something(before))
            || (0..at).filter(|before| says_something(*before)).count() >= 3;
        if !named {
            return true;
        }
    }
    false
}

/// "An email that says", "so that it": the word joins clauses and stands for nothing.
fn joins(words: &[Word], at: usize) -> bool {
    let before = at.checked_sub(1).map(|before| words[before].as_str());
    let stands = [
        "is", "was", "does", "about", "for", "with", "of", "do", "like", "change", "at", "in", "to", "have", "and",
        "if", "how",
    ];
    before.is_some_and(|word| !stands.contains(&word)) && at + 1 < words.len()
}
