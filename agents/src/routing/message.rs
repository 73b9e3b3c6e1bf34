//! A message taken apart: its words, what it says after a greeting, its concerns, and whether it is complex.

use std::{borrow::Cow, sync::LazyLock};

use crate::phrases::Phrases;

/// A word of a message. Short ones, which nearly all are, need no memory of their own: a message is taken apart several times.
pub(crate) type Word = compact_str::CompactString;

/// Words that greet or are polite, and say nothing about what a message wants.
const PLEASANTRIES: &[&str] = &[
    "hi",
    "hello",
    "hey",
    "hiya",
    "howdy",
    "greetings",
    "good",
    "morning",
    "afternoon",
    "evening",
    "day",
    "dear",
    "team",
    "there",
    "all",
    "everyone",
    "everybody",
    "folks",
    "guys",
    "support",
    "sir",
    "madam",
    "please",
    "thanks",
    "thank",
    "you",
    "hola",
    "bonjour",
    "hallo",
    "guten",
    "tag",
    "moin",
    "ciao",
    "servus",
    "again",
];

/// Words that open a greeting; only after one of them are the others taken for pleasantries.
const OPENERS: &[&str] = &[
    "hi",
    "hello",
    "hey",
    "hiya",
    "howdy",
    "greetings",
    "good",
    "dear",
    "thanks",
    "thank",
    "hola",
    "bonjour",
    "hallo",
    "guten",
    "moin",
    "ciao",
    "servus",
];

/// Phrases of small talk that may follow a greeting.
const SMALL_TALK: &[&str] = &[
    "how are you doing today",
    "how are you doing",
    "how are you today",
    "how are you",
    "how is it going",
    "hows it going",
    "hope you are well",
    "i hope you are well",
    "hope you are doing well",
    "i hope you are doing well",
    "nice to meet you",
    "quick question",
    "i have a quick question",
    "i have a question",
    "sorry to bother you",
    "for your help",
    "for the quick answer",
    "for your answer",
    "in advance",
    "so much",
    "very much",
    "a lot",
];

/// At most this many concerns are looked at.
const CONCERNS_MAX: usize = 8;
/// A shorter part says nothing by itself.
const CONCERN_WORDS_MIN: usize = 3;

/// The words of a text: letters and digits of any script, in lower case, without apostrophes.
pub(crate) fn words(text: &str) -> Vec<Word> {
    let apostrophes = ['\'', '’'];
    let plain = if text.contains(apostrophes) {
        Cow::Owned(text.replace(apostrophes, ""))
    } else {
        Cow::Borrowed(text)
    };
    plain
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(lowered)
        .collect()
}

fn lowered(word: &str) -> Word {
    if word.is_ascii() {
        let mut word = Word::new(word);
        word.make_ascii_lowercase();
        word
    } else {
        word.to_lowercase().into()
    }
}

/// How many [`words`] a text has.
fn word_count(text: &str) -> usize {
    // An apostrophe parts no words, and is none.
    text.split(|c: char| !c.is_alphanumeric() && !matches!(c, '\'' | '’'))
        .filter(|word| word.contains(char::is_alphanumeric))
        .count()
}

/// What a message says after its greeting, as a part of the message; empty where it says nothing more.
pub(crate) fn after_greeting(message: &str) -> &str {
    let mut rest = skip_marks(message);
    let mut greeted = false;
    loop {
        let word = leading_word(rest);
        let lower = word.to_lowercase();
        let opens = OPENERS.contains(&lower.as_str()) && (lower != "good" || next_is_time_of_day(&rest[word.len()..]));
        if !word.is_empty() && (opens || greeted && PLEASANTRIES.contains(&lower.as_str())) {
            greeted = true;
            rest = skip_marks(&rest[word.len()..]);
            continue;
        }
        if greeted && let Some(length) = SMALL_TALK.iter().find_map(|phrase| leading_phrase(rest, phrase)) {
            rest = skip_marks(&rest[length..]);
            continue;
        }
        return if greeted { rest } else { message.trim() };
    }
}

/// The parts of a message that may be concerns of their own: its sentences, and the parts of a sentence between commas, "and", "also"
/// and the like. The whole message where it has but one.
pub(crate) fn concerns(message: &str) -> Vec<&str> {
    let mut concerns = Vec::new();
    for sentence in message
        .split_inclusive(['?', '!', ';', '\n'])
        .flat_map(split_at_full_stops)
    {
        split_at_conjunctions(sentence, &mut concerns);
    }
    // A fragment of a word or two says nothing by itself.
    concerns.retain(|part| word_count(part) >= CONCERN_WORDS_MIN);
    concerns.truncate(CONCERNS_MAX);
    if concerns.len() < 2 { vec![message] } else { concerns }
}

/// Whether a message speaks of "you".
pub(crate) fn addresses_the_assistant(message: &str) -> bool {
    let is_you = |word: &Word| matches!(word.as_str(), "you" | "your" | "youre" | "yours" | "yourself");
    words(message).iter().any(is_you)
}

/// Whether a part of a message asks or requests, and does not only tell.
pub(crate) fn asks(part: &str) -> bool {
    const BEGINNINGS: &[&str] = &[
        "how", "what", "whats", "which", "who", "whom", "whose", "when", "where", "why", "can", "could", "do", "does",
        "did", "is", "are", "will", "would", "should", "may", "must", "has", "have", "please", "show", "tell", "send",
        "give", "explain", "help",
    ];
    part.trim_end().ends_with('?')
        || words(part)
            .first()
            .is_some_and(|first| BEGINNINGS.contains(&first.as_str()))
}

/// Whether a message asks for several things, a comparison or a procedure with conditions.
pub(crate) fn is_complex(message: &str) -> bool {
    static SIGNS: LazyLock<Phrases> = LazyLock::new(|| Phrases::new(SIGN_LIST.iter().copied()));
    const SIGN_LIST: &[&str] = &[
        "compare",
        "comparison",
        "difference between",
        "step by step",
        "in which order",
        "pros and cons",
        "trade off",
        "advantages and",
        "as well as",
        "on the one hand",
        "versus",
        "in detail",
        "walk me through",
        "explain how",
    ];
    let words = words(message);
    let questions = message.split('?').skip(1).filter(|after| !after.is_empty()).count()
        + usize::from(message.trim_end().ends_with('?'));
    let asked = words
        .iter()
        .filter(|word| {
            matches!(
                word.as_str(),
                "how" | "what" | "which" | "when" | "where" | "why" | "who"
            )
        })
        .count();
    questions >= 2
        || SIGNS.any_in(&words)
        || (words.len() >= 20 && asked >= 2)
        || (words.len() >= 12 && asked >= 2 && words.iter().any(|word| word == "and"))
}

fn split_at_full_stops(text: &str) -> impl Iterator<Item = &str> {
    text.split(". ")
}

fn split_at_conjunctions<'a>(sentence: &'a str, concerns: &mut Vec<&'a str>) {
    const JOINS: &[&str] = &[
        ", and also ",
        " and also ",
        ", and ",
        " and ",
        ", also ",
        " also, ",
        ", plus ",
        " plus ",
        ", but ",
        " but ",
        ", then ",
        ", while ",
        ", ",
        ": ",
    ];
    let lower = sentence.to_ascii_lowercase();
    for join in JOINS {
        for (at, _) in lower.match_indices(join) {
            // `to_ascii_lowercase` keeps byte offsets.
            let (left, right) = (&sentence[..at], &sentence[at + join.len()..]);
            if word_count(left) >= CONCERN_WORDS_MIN && word_count(right) >= CONCERN_WORDS_MIN {
                split_at_conjunctions(left, concerns);
                split_at_conjunctions(right, concerns);
                return;
            }
        }
    }
    concerns.push(sentence.trim());
}

fn skip_marks(text: &str) -> &str {
    text.trim_start_matches(|c: char| !c.is_alphanumeric() && c != '"' && c != '`')
}

fn leading_word(text: &str) -> &str {
    let end = text.find(|c: char| !c.is_alphanumeric()).unwrap_or(text.len());
    &text[..end]
}

fn next_is_time_of_day(rest: &str) -> bool {
    let next = leading_word(skip_marks(rest)).to_lowercase();
    ["morning", "afternoon", "evening", "day"].contains(&next.as_str())
}

/// The bytes of `text` that `phrase` takes up at its start, whatever marks stand between the words.
fn leading_phrase(text: &str, phrase: &str) -> Option<usize> {
    let mut rest = text;
    for wanted in phrase.split(' ') {
        rest = skip_marks(rest);
        // "how's" and "I'm" are taken as one word.
        let end = rest
            .find(|c: char| !c.is_alphanumeric() && c != '\'' && c != '’')
            .unwrap_or(rest.len());
        if rest[..end].replace(['\'', '’'], "").to_lowercase() != wanted {
            return None;
        }
        rest = &rest[end..];
    }
    Some(text.len() - rest.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_greeting_before_a_question_does_not_count() {
        for (message, rest) in [
            ("Hi, how do I rotate my key?", "how do I rotate my key?"),
            ("Hello there! Good morning. What does it cost?", "What does it cost?"),
            ("hey, how are you? my payment failed", "my payment failed"),
            ("Thanks a lot! And where are the logs?", "And where are the logs?"),
            ("Good plans cost how much?", "Good plans cost how much?"),
            ("Hi", ""),
            ("hello!!! 👋", ""),
            ("Good evening, dear support team", ""),
            ("你好", "你好"),
        ] {
            assert_eq!(after_greeting(message), rest, "{message}");
        }
    }

    #[test]
    fn concerns_are_told_apart_and_one_concern_stays_whole() {
        assert_eq!(
            concerns("My invoice is wrong and the API returns an error"),
            ["My invoice is wrong", "the API returns an error"]
        );
        assert_eq!(
            concerns("How do I rotate keys and secrets?"),
            ["How do I rotate keys and secrets?"]
        );
        assert_eq!(concerns("I was charged twice. Where is my data stored?").len(), 2);
        assert_eq!(concerns("hm"), ["hm"]);
    }

    #[test]
    fn several_questions_make_a_message_complex() {
        assert!(is_complex("What is X? And what is Y?"));
        assert!(is_complex("Compare the Team and the Business plan"));
        assert!(!is_complex("How do I rotate my API key?"));
    }
}
