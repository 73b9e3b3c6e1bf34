//! Whether two questions whose vectors are near really ask the same.
//!
//! Static vectors see neither negation nor order, and "Team plan" lies near "Business plan". So the questions must have
//! the same question word, the same words of polarity and direction, the same numbers, and the same named things; and of
//! every other word that only one of them has, the other must have one that means nearly the same.

use std::fmt;

use super::lexicon::{Meaning, meaning};
use crate::{
    embedder::{Embedder, cosine},
    words::STOP_WORDS,
};

/// From this cosine of their vectors on, two single words mean nearly the same.
const SYNONYMS: f32 = 0.6;

/// What a question must have in common with another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Facets {
    asks: Asks,
    /// Sides of [`Meaning::Side`] in order: what is imported after an export is not exported after an import.
    polarity: Vec<&'static str>,
    /// In order: "from 2 to 5" is not "from 5 to 2".
    numbers: Vec<String>,
    /// Words with a capital inside of a sentence, or in code; in lower case.
    names: Vec<String>,
    /// The other words that say something, in lower case.
    words: Vec<String>,
    /// Sides, names, numbers and other words in their order.
    order: Vec<String>,
    /// What stands behind a word of direction, such as `to` and `EU`; nothing stands behind one at the end.
    bound: Vec<(&'static str, String)>,
}

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asks {
    How,
    Amount,
    Duration,
    Frequency,
    Thing,
    Time,
    Place,
    Person,
    Reason,
    YesOrNo,
    Unsaid,
}

/// Wherein two questions differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Difference {
    Asks,
    Polarity,
    Numbers,
    Names,
    Word(String),
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Asks => f.write_str("what it asks for"),
            Self::Polarity => f.write_str("polarity or direction"),
            Self::Numbers => f.write_str("a number"),
            Self::Names => f.write_str("a name"),
            Self::Word(word) => write!(f, "the word “{word}”"),
        }
    }
}

impl Facets {
    pub(super) fn of(question: &str) -> Self {
        let tokens = tokens(question);
        let mut facets = Self {
            asks: asks(&tokens),
            polarity: vec![],
            numbers: vec![],
            names: vec![],
            words: vec![],
            order: vec![],
            bound: bound(&tokens),
        };
        for (at, token) in tokens.iter().enumerate() {
            let word = token.lower.as_str();
            match meaning(word) {
                Some(Meaning::Side(side)) => facets.polarity.push(side),
                Some(Meaning::Number(number)) => facets.numbers.push(number.to_owned()),
                Some(Meaning::Filler) => {}
                None if word.bytes().any(|byte| byte.is_ascii_digit()) => facets.numbers.push(word.replace(',', "")),
                None if STOP_WORDS.contains(&word) => {}
                None if token.is_name && at > 0 => facets.names.push(word.to_owned()),
                None => facets.words.push(word.to_owned()),
            }
            match meaning(word) {
                Some(Meaning::Side(said) | Meaning::Number(said)) => facets.order.push(said.to_owned()),
                None if !STOP_WORDS.contains(&word) => facets.order.push(word.to_owned()),
                Some(Meaning::Filler) | None => {}
            }
        }
        facets.polarity.dedup();
        facets
    }

    /// The first difference that matters; none where both ask the same.
    pub(super) fn differ(&self, other: &Self, embedder: &Embedder) -> Option<Difference> {
        if self.asks != other.asks {
            return Some(Difference::Asks);
        }
        if self.polarity != other.polarity {
            return Some(Difference::Polarity);
        }
        if self.numbers != other.numbers {
            return Some(Difference::Numbers);
        }
        if !self.has_names_of(other) || !other.has_names_of(self) {
            return Some(Difference::Names);
        }
        if self.is_turned_round(other) {
            return Some(Difference::Polarity);
        }
        let ours = self.words_missing_in(other);
        let theirs = other.words_missing_in(self);
        let lonely = ours
            .iter()
            .find(|word| !has_synonym(word, &theirs, embedder))
            .or_else(|| theirs.iter().find(|word| !has_synonym(word, &ours, embedder)));
        lonely.map(|word| Difference::Word((*word).to_owned()))
    }

    /// Whether the same things stand in other places: what comes from where the other goes to, who becomes what the other was.
    fn is_turned_round(&self, other: &Self) -> bool {
        let named = |facets: &Self, word: &str| {
            let all = facets.names.iter().chain(&facets.words).chain(&facets.numbers);
            all.into_iter().any(|known| is_same_word(known, word))
        };
        let bound_elsewhere = self.bound.iter().any(|(direction, word)| {
            other.bound.iter().any(|(others_direction, others_word)| {
                let is_same = is_same_word(word, others_word);
                let are_swapped = named(self, others_word) && named(other, word);
                (direction != others_direction && is_same && !other.bound.contains(&(*direction, word.clone())))
                    || (direction == others_direction && !is_same && are_swapped)
            })
        });
        let has_same_names =
            self.names.len() == other.names.len() && self.names.iter().all(|name| other.names.contains(name));
        bound_elsewhere || (has_same_names && self.names != other.names) || self.is_reordered(other)
    }

    /// Whether the words that both have stand in another order, by more than one word in another place: a passive moves the verb,
    /// but an admin who removes an owner is no owner who removes an admin.
    fn is_reordered(&self, other: &Self) -> bool {
        let shared = |of: &Self, with: &Self| -> Vec<String> {
            let is_shared = |word: &&String| with.order.iter().any(|known| is_same_word(known, word));
            of.order.iter().filter(is_shared).cloned().collect()
        };
        let without = |all: &[String], word: &str| -> Vec<String> {
            all.iter().filter(|other| !is_same_word(other, word)).cloned().collect()
        };
        let (ours, theirs) = (shared(self, other), shared(other, self));
        let one_moved = || {
            let mut words = ours.iter();
            words.any(|word| are_same_words(&without(&ours, word), &without(&theirs, word)))
        };
        !are_same_words(&ours, &theirs) && (ours.len() < 2 || !one_moved())
    }

    /// Whether each name of `other` is here too, capital or not.
    fn has_names_of(&self, other: &Self) -> bool {
        other
            .names
            .iter()
            .all(|name| self.names.contains(name) || self.words.contains(name))
    }

    fn words_missing_in<'a>(&'a self, other: &Self) -> Vec<&'a str> {
        let has = |word: &str| {
            other
                .names
                .iter()
                .chain(&other.words)
                .any(|known| is_same_word(known, word))
        };
        self.words
            .iter()
            .map(String::as_str)
            .filter(|word| !has(word))
            .collect()
    }
}

/// Whether a question begins like the continuation of another, or points at something that it does not name.
pub(super) fn is_follow_up(question: &str) -> bool {
    const OPENERS: &str = "and but also then so or ok okay yes no";
    const POINTERS: &str = "it its that this these those they them their there one ones same former latter other instead \
                            again above he she else";
    let is_one_of = |list: &str, word: &str| list.split_ascii_whitespace().any(|known| known == word);
    let words: Vec<String> = tokens(question).into_iter().map(|token| token.lower).collect();
    let opens = words.first().is_some_and(|first| is_one_of(OPENERS, first))
        || matches!(words.as_slice(), [first, second, ..] if matches!(first.as_str(), "what" | "how") && second == "about");
    opens || words.len() < 3 || words.iter().any(|word| is_one_of(POINTERS, word))
}

struct Token {
    lower: String,
    is_name: bool,
}

fn tokens(question: &str) -> Vec<Token> {
    let plain = question.replace(['\'', '’'], "");
    plain
        .split(|c: char| !(c.is_alphanumeric() || matches!(c, '.' | ',' | '_' | '$' | '%' | '€')))
        .map(|word| word.trim_matches(|c: char| !c.is_alphanumeric() && c != '$' && c != '%' && c != '€'))
        .filter(|word| !word.is_empty())
        .map(|word| Token {
            lower: word.to_lowercase(),
            is_name: word.chars().any(char::is_uppercase) || word.contains('_') || word.contains('.'),
        })
        .collect()
}

/// What stands behind each word of direction.
fn bound(tokens: &[Token]) -> Vec<(&'static str, String)> {
    let direction = |token: &Token| match token.lower.as_str() {
        "from" | "out" => Some("from"),
        "to" | "into" => Some("to"),
        "by" => Some("by"),
        _ => None,
    };
    let next = |at: usize| {
        let said = tokens[at..]
            .iter()
            .find(|token| !STOP_WORDS.contains(&token.lower.as_str()));
        said.map(|token| token.lower.clone()).unwrap_or_default()
    };
    (tokens.iter().enumerate())
        .filter_map(|(at, token)| Some((direction(token)?, next(at + 1))))
        .collect()
}

fn asks(tokens: &[Token]) -> Asks {
    let word = |at: usize| tokens.get(at).map_or("", |token| token.lower.as_str());
    for at in 0..tokens.len() {
        let asked = match (word(at), word(at + 1)) {
            ("how", "much" | "many" | "large" | "big" | "expensive") => Asks::Amount,
            ("how", "long" | "soon" | "fast" | "quickly") => Asks::Duration,
            ("how", "often" | "frequently") => Asks::Frequency,
            ("how" | "hows", _) => Asks::How,
            // "What does it cost" is "how much is it".
            ("what" | "whats", _) if tokens.iter().any(|token| is_price(&token.lower)) => Asks::Amount,
            ("what" | "which" | "whats", _) => Asks::Thing,
            ("when", _) => Asks::Time,
            ("where", _) => Asks::Place,
            ("who" | "whom" | "whose", _) => Asks::Person,
            ("why", _) => Asks::Reason,
            (_, _) => continue,
        };
        return asked;
    }
    let openers = "can could do does did is are was were may will would should has have am";
    if openers.split(' ').any(|opener| opener == word(0)) {
        Asks::YesOrNo
    } else {
        Asks::Unsaid
    }
}

fn is_price(word: &str) -> bool {
    matches!(word, "cost" | "costs" | "price" | "prices")
}

/// Singular and plural, and the forms of a verb.
fn is_same_word(a: &str, b: &str) -> bool {
    let stem = |word: &str| {
        let mut stem = None;
        crate::words::for_each_word(word, |word| stem = Some(word.to_owned()));
        stem.unwrap_or_else(|| word.to_owned())
    };
    a == b || stem(a) == stem(b)
}

fn are_same_words(a: &[String], b: &[String]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| is_same_word(a, b))
}

fn has_synonym(word: &str, others: &[&str], embedder: &Embedder) -> bool {
    if others.is_empty() {
        return false;
    }
    let vector = embedder.embed(word);
    others
        .iter()
        .any(|other| cosine(&embedder.embed(other), &vector) >= SYNONYMS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::embedder;

    #[test]
    fn questions_that_ask_the_same_agree() {
        for (a, b) in [
            ("How do I rotate my API key?", "how can I rotate my api keys"),
            ("How do I enable SSO?", "How do I turn on SSO?"),
            ("What does the Team plan cost?", "How much does the Team plan cost?"),
            (
                "How do I move my data to the EU?",
                "How can I move our data into the EU?",
            ),
            (
                "What does the Team plan cost?",
                "Please tell me what the team plan costs",
            ),
            (
                "How do I cancel my subscription?",
                "How can I cancel the subscription, please?",
            ),
        ] {
            assert_eq!(Facets::of(a).differ(&Facets::of(b), embedder()), None, "{a} / {b}");
        }
    }

    #[test]
    fn questions_that_only_look_alike_differ() {
        for (a, b) in [
            ("How do I turn on SSO?", "How do I turn off SSO?"),
            ("Can I get a refund after 14 days?", "Can I get a refund after 30 days?"),
            ("What does the Team plan cost?", "What does the Business plan cost?"),
            ("what does the team plan cost", "what does the business plan cost"),
            ("How do I add a seat?", "How do I remove a seat?"),
            ("Is my data encrypted?", "Is my data not encrypted?"),
            ("How long are events kept?", "Where are events kept?"),
            ("How do I rotate an API key?", "How do I rotate a webhook secret?"),
            ("What is the monthly price?", "What is the annual price?"),
            ("Move from 2 to 5 seats", "Move from 5 to 2 seats"),
            ("How do I delete a workspace?", "How do I undo deleting a workspace?"),
            ("Do you charge VAT?", "Did you charge VAT?"),
            (
                "How do I move data from the EU to the US?",
                "How do I move data from the US to the EU?",
            ),
            ("Does the sender see the receiver?", "Does the receiver see the sender?"),
            (
                "Is the old plan above the Team plan?",
                "Is the Team plan above the old plan?",
            ),
            ("Can an admin remove an owner?", "Can an owner remove an admin?"),
            ("Where do notices to Acme go?", "Where do notices from Acme go?"),
            (
                "Which addresses do you connect to?",
                "Which addresses do you connect from?",
            ),
            (
                "What happens to a Viewer who becomes an Editor?",
                "What happens to an Editor who becomes a Viewer?",
            ),
            ("What does the Team plan cost?", "What does the Team plan include?"),
        ] {
            assert!(Facets::of(a).differ(&Facets::of(b), embedder()).is_some(), "{a} / {b}");
            assert!(Facets::of(b).differ(&Facets::of(a), embedder()).is_some(), "{b} / {a}");
        }
    }

    #[test]
    fn follow_ups_are_told_from_questions_that_stand_alone() {
        for follow_up in [
            "And for the annual plan?",
            "What about Team?",
            "How long does it take?",
            "why?",
            "Is that all?",
        ] {
            assert!(is_follow_up(follow_up), "{follow_up}");
        }
        for alone in ["How do I rotate my API key?", "What does the Team plan cost per year?"] {
            assert!(!is_follow_up(alone), "{alone}");
        }
    }
}
