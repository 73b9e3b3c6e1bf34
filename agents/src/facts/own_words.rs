//! Whether a person has said something themselves, by the words of it.
//!
//! A fact is theirs where all of its words stand in one statement of theirs, or in a few that follow each other in one message: in which they
//! speak of themselves or want something remembered, not in a question, with the same numbers, and turned around where the statement is. That
//! is a rule about words and not about meaning: what it lets through is made of what they have said. It may still put that together in
//! another way than they did.

use std::collections::BTreeSet;

use orchestratai_shared::MessageRole;
use sha2::{Digest, Sha256};

use crate::{knowledge::hex, turn::TurnRequest, words::is_stop_word};

/// So many statements in a row may make up a fact.
const ROW_MAX: usize = 3;
/// Two forms of a word begin with as many letters, at least, and differ in as many behind that, at most.
const STEM_MIN: usize = 4;
const ENDING_MAX: usize = 2;

/// By which a fact speaks of whose it is.
const FRAME: &[&str] = &[
    "user", "users", "customer", "person", "client", "they", "their", "them", "he", "she", "his", "her", "says",
    "said", "mine", "am", "nutzer", "nutzerin", "benutzer", "kunde", "kundin", "er", "sie", "ihr", "sein", "seine",
    "ihre", "ist", "hat", "bin", "habe", "ich", "mein", "meine", "der", "die", "das", "den", "dem", "ein", "eine",
    "einen", "und",
];

const NEGATIONS: &[&str] = &[
    "not", "no", "never", "cannot", "cant", "dont", "doesnt", "didnt", "isnt", "arent", "wasnt", "wont", "havent",
    "hasnt", "without", "neither", "nor", "nobody", "nothing", "longer", "nicht", "kein", "keine", "keinen", "keinem",
    "keiner", "nie", "niemals", "ohne", "nichts",
];

/// What questions begin with, also where no mark ends them.
const ASKING: &[&str] = &[
    "what", "how", "why", "when", "where", "which", "who", "whose", "can", "could", "would", "should", "do", "does",
    "did", "is", "are", "may", "if", "was", "wie", "warum", "wann", "wo", "welche", "welcher", "welches", "wer",
    "kann", "darf", "ist", "sind", "gibt", "wenn", "falls",
];

/// By which people speak of themselves. Words to look for, such as `enterprise plan price`, are no statement of anybody.
const SELF: &[&str] = &[
    "i", "im", "ive", "me", "my", "mine", "myself", "we", "weve", "us", "our", "ours", "ich", "mich", "mir", "mein",
    "meine", "meinem", "meinen", "meiner", "wir", "uns", "unser", "unsere", "unserem", "unseren", "unserer", "je",
    "moi", "mon", "ma", "mes", "nous", "notre", "nos", "yo", "mi", "mis", "nosotros", "nuestro", "nuestra", "io",
    "mio", "mia", "noi", "nostro", "nostra", "eu", "meu", "minha", "nosso", "nossa",
];

/// Asks for something to be kept; what stands beside it is said, be it as a question.
const REMEMBERING: &[&str] = &[
    "remember", "note", "mind", "merk", "merke", "merken", "notier", "notiere",
];

const FORGETTING: &[&str] = &[
    "forget",
    "erase",
    "delete",
    "remove",
    "unlearn",
    "vergiss",
    "vergessen",
    "lösche",
    "löschen",
    "entferne",
];

/// A message of the person, as far as it is looked at.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SaidMessage {
    /// All of its words.
    words: Vec<String>,
    /// The words of each statement, in order; none for what is no statement, which keeps its neighbours apart.
    statements: Vec<Option<Vec<String>>>,
}

impl SaidMessage {
    pub(crate) fn new(text: &str) -> Self {
        Self {
            words: words(text),
            statements: sentences(text).map(statement).collect(),
        }
    }

    /// What the person says in a turn, and has said before it in the session as far as that is known.
    pub(super) fn of(request: &TurnRequest) -> Vec<Self> {
        let before = request
            .history
            .iter()
            .filter(|message| message.role == MessageRole::User);
        let before = before.map(|message| message.content.as_str());
        before.chain([request.message.as_str()]).map(Self::new).collect()
    }
}

/// Whether all that a fact says stands in what the person has stated.
pub(super) fn is_own(fact: &str, said: &[SaidMessage]) -> bool {
    let words = words(fact);
    let telling: Vec<&String> = words.iter().filter(|word| is_telling(word)).collect();
    !telling.is_empty() && said.iter().any(|message| states(message, &telling, is_turned(&words)))
}

/// Whether one word of the fact that says something stands in the message.
pub(super) fn shares_words(fact: &str, message: &SaidMessage) -> bool {
    let words = words(fact);
    let mut telling = words.iter().filter(|word| is_telling(word));
    telling.any(|word| message.words.iter().any(|said| is_same(word, said)))
}

/// Whether the message wants something forgotten.
pub(super) fn is_forgetting(message: &SaidMessage) -> bool {
    message.words.iter().any(|word| FORGETTING.contains(&word.as_str()))
}

/// The same for texts with the same words that say something, in whatever order and with or without an `s` at their end, and the same
/// negation: 64 hexadecimal digits.
pub(crate) fn digest(text: &str) -> String {
    let words = words(text);
    let telling: BTreeSet<&str> = (words.iter().filter(|word| is_telling(word)))
        .map(|word| singular(word))
        .collect();
    let mut sum = Sha256::new();
    for word in telling {
        sum.update(word.as_bytes());
        sum.update([0]);
    }
    sum.update([u8::from(is_turned(&words))]);
    hex(&sum.finalize())
}

/// Whether a few statements in a row of the person about themselves have all these words, and a negation where the fact has one.
fn states(message: &SaidMessage, telling: &[&String], is_turned_fact: bool) -> bool {
    let mut rows = message.statements.split(Option::is_none);
    rows.any(|row| {
        let row: Vec<&Vec<String>> = row.iter().flatten().collect();
        (1..=ROW_MAX.min(row.len())).any(|length| {
            row.windows(length).any(|together| {
                let has = |word: &&String| {
                    together
                        .iter()
                        .any(|words| words.iter().any(|said| is_same(word, said)))
                };
                let is_turned_row = together.iter().any(|words| is_turned(words));
                let is_own = together.iter().any(|words| speaks_of_self(words));
                is_own && is_turned_row == is_turned_fact && telling.iter().all(has)
            })
        })
    })
}

/// The words of a statement; none where it is a question.
fn statement(sentence: &str) -> Option<Vec<String>> {
    let words = words(sentence);
    let is_kept = words.iter().any(|word| REMEMBERING.contains(&word.as_str()));
    let asks = sentence.trim_end().ends_with(['?', '？'])
        || words.first().is_some_and(|first| ASKING.contains(&first.as_str()));
    (is_kept || !asks).then_some(words)
}

/// Sentences, roughly: what ends with a mark before white space, or with its line. A mark stays with what it ends.
fn sentences(text: &str) -> impl Iterator<Item = &str> {
    text.lines().flat_map(|line| {
        let mut ends = Vec::new();
        let mut letters = line.char_indices().peekable();
        while let Some((at, letter)) = letters.next() {
            let is_last = letters.peek().is_none_or(|(_, next)| next.is_whitespace());
            if matches!(letter, '.' | '!' | '?' | '…' | '。' | '？' | '！') && is_last {
                ends.push(at + letter.len_utf8());
            }
        }
        ends.push(line.len());
        let mut from = 0;
        ends.into_iter()
            .map(move |end| &line[std::mem::replace(&mut from, end)..end])
            .filter(|sentence| !sentence.trim().is_empty())
    })
}

/// The words of a text, in lower case; an apostrophe is left out of its word.
fn words(text: &str) -> Vec<String> {
    let plain: String = text.chars().filter(|c| !matches!(c, '\'' | '’')).collect();
    let lower = plain.to_lowercase();
    let words = lower
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty());
    words.map(str::to_owned).collect()
}

fn is_telling(word: &str) -> bool {
    !is_stop_word(word) && !FRAME.contains(&word) && !NEGATIONS.contains(&word)
}

fn speaks_of_self(words: &[String]) -> bool {
    let mut words = words.iter().map(String::as_str);
    words.any(|word| SELF.contains(&word) || REMEMBERING.contains(&word))
}

fn is_turned(words: &[String]) -> bool {
    words.iter().any(|word| NEGATIONS.contains(&word.as_str()))
}

/// A word without the `s` of a plural or of somebody else: who uses something says that they use it.
fn singular(word: &str) -> &str {
    let has_form = word.chars().all(char::is_alphabetic) && word.chars().count() > 3;
    let form = word.strip_suffix('s').filter(|_| has_form);
    form.unwrap_or(word)
}

/// Whether two words are the same, or forms of one. Numbers have no forms.
fn is_same(one: &str, other: &str) -> bool {
    if singular(one) == singular(other) {
        return true;
    }
    if !(one.chars().all(char::is_alphabetic) && other.chars().all(char::is_alphabetic)) {
        return false;
    }
    let alike = one.chars().zip(other.chars()).take_while(|(a, b)| a == b).count();
    let behind = one.chars().count().max(other.chars().count()) - alike;
    alike >= STEM_MIN && behind <= ENDING_MAX
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_says_the_same_has_one_digest() {
        let same = [
            "I prefer short answers.",
            "prefer answers  SHORT",
            "The user prefers short, short answers!",
        ];
        for other in same {
            assert_eq!(digest(same[0]), digest(other), "{other}");
        }
        for other in [
            "I prefer long answers.",
            "I do not prefer short answers.",
            "I prefer 2 short answers.",
        ] {
            assert_ne!(digest(same[0]), digest(other), "{other}");
        }
        assert_eq!(digest(same[0]).len(), 64);
    }

    #[test]
    fn forms_of_a_word_are_one_word_and_numbers_are_not() {
        for (one, other) in [
            ("prefer", "prefers"),
            ("use", "uses"),
            ("nutze", "nutzt"),
            ("team", "teams"),
            ("x", "x"),
        ] {
            assert!(is_same(one, other), "{one} {other}");
        }
        for (one, other) in [
            ("4000", "40000"),
            ("plan", "planning"),
            ("pro", "prod"),
            ("legal", "illegal"),
            ("v2", "v3"),
        ] {
            assert!(!is_same(one, other), "{one} {other}");
        }
    }

    /// Why facts are the same by their words and not by what they mean: two that contradict each other are nearer than two ways to say one.
    #[test]
    fn vectors_do_not_tell_what_is_the_same() {
        let embedder = crate::testing::embedder();
        let near = |one: &str, other: &str| crate::embedder::cosine(&embedder.embed(one), &embedder.embed(other));
        let contrary = near("I use the Team plan", "I use the Enterprise plan");
        let same = near("Please keep it brief", "I prefer short answers");
        assert!(contrary > same, "{contrary} {same}");
    }

    #[test]
    fn a_question_keeps_what_stands_around_it_apart() {
        let said = SaidMessage::new("I use Okta. What is SSO? We are twelve people");
        let shapes: Vec<bool> = said.statements.iter().map(Option::is_some).collect();
        assert_eq!(shapes, [true, false, true]);
        assert!(is_own("I use Okta", std::slice::from_ref(&said)));
        assert!(!is_own("We are twelve people who use Okta", &[said]));
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in "\\PC{0,80}", fact in "\\PC{0,40}") {
            let said = SaidMessage::new(&text);
            let _ = (is_own(&fact, &[said]), digest(&fact));
        }

        /// Whatever a person states, they have said.
        #[test]
        fn a_statement_is_the_persons_own(words in proptest::collection::vec("[b-z]{3,9}", 2..8)) {
            let text = format!("I say {}.", words.join(" "));
            let has_question = REMEMBERING.iter().chain(ASKING).any(|word| text.to_lowercase().contains(word));
            prop_assume!(!has_question && words.iter().any(|word| is_telling(word)));
            prop_assert!(is_own(&text, &[SaidMessage::new(&text)]));
        }
    }
}
