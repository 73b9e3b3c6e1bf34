//! A question taken apart: what it asks for, and the words, names, numbers and directions that it is about.

use super::{
    asks::{self, Asks},
    lexicon::{Meaning, meaning},
    measures::bound_asked,
    roles::{Holder, Passive, bound, done_by, is_done, is_participle},
    thesaurus::stem,
    tokens::{Token, tokens, without_phrases},
};
use crate::words::STOP_WORDS;

/// A question taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Question {
    pub(super) asks: Asks,
    /// Whom it speaks of first.
    pub(super) subject: Subject,
    pub(super) is_past: bool,
    pub(super) is_future: bool,
    /// Whether it asks what is done as a rule.
    pub(super) is_habitual: bool,
    /// Whether it asks where or how to look at something.
    pub(super) looks: bool,
    /// Whether it asks if one who serves takes or offers something.
    pub(super) is_of_service: bool,
    /// What it is about, in order.
    pub(super) items: Vec<Item>,
    /// From which of `items` on it is asked; what stands before is only told.
    asked_from: usize,
    /// What stands behind a word of direction, as a place in `items`; nothing stands behind one at the end.
    pub(super) bound: Vec<(&'static str, Option<usize>)>,
    /// What has or needs what it is about.
    pub(super) holder: Option<Holder>,
    /// Whether it asks with "does" for whom or what something is done to; none where another verb helps it.
    pub(super) asks_for_object: Option<bool>,
    /// Whether something is done "by" somebody.
    pub(super) names_doer: bool,
    /// Whether it asks where, when or why something is done, by one who is not said: "where are tickets sold".
    pub(super) is_served: bool,
    /// By whom, where both are among `items`.
    pub(super) passive: Option<Passive>,
    /// Its verbs that say little, each once.
    pub(super) light: Vec<&'static str>,
    pub(super) tokens: Vec<Token>,
}

/// Who does what the question is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Subject {
    Asker,
    Asked,
    /// Somebody else, to the asker: "how does support reach me".
    OtherToAsker,
    Other,
}

/// Said of what one needs.
pub(super) const REQUIRED: &str = "required";

/// Something that a question is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Item {
    /// In lower case.
    pub(super) word: String,
    pub(super) stem: String,
    pub(super) kind: Kind,
    pub(super) role: Role,
    /// Whether it is not said, but meant: "how large can it be" asks for the most. It may be without a fellow.
    pub(super) is_implied: bool,
    /// Its place among the tokens.
    pub(super) at: usize,
}

/// What a word is in its question, as far as the word before it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Verb,
    Noun,
    Unclear,
}

/// What kind of thing an item is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    /// It turns a meaning round, or says when, which way or how far.
    Side(&'static str),
    /// A number, as digits.
    Number(String),
    /// It has a capital inside of a sentence, or is code.
    Name,
    Word,
}

impl Question {
    pub(super) fn of(text: &str) -> Self {
        let tokens = without_phrases(&tokens(text));
        let words: Vec<&str> = tokens.iter().map(|token| token.lower.as_str()).collect();
        let mut said = vec![false; words.len()];
        let (asks, start) = asks::find(&words, &mut said);
        let has = |list: &[&str]| words.iter().any(|word| list.contains(word));
        let turns = has(&[
            "turn",
            "turned",
            "turning",
            "turns",
            "switch",
            "switched",
            "switching",
            "toggle",
        ]);
        let (mut items, mut light) = (Vec::new(), Vec::new());
        for (at, token) in tokens.iter().enumerate() {
            let word = token.lower.as_str();
            if said[at] {
                continue;
            }
            let is_side = match word {
                "on" | "off" => word == "off" || turns || at + 1 == words.len(),
                // "Set up", "sign up": no direction.
                "up" => {
                    at > 0
                        && matches!(
                            words[at - 1],
                            "go" | "goes" | "going" | "went" | "move" | "scale" | "scaling" | "turn"
                        )
                }
                "switch" | "switched" | "switching" if has(&["on", "off"]) => continue,
                _ => true,
            };
            let bound_asked = bound_asked(asks, word);
            let meaning = bound_asked.map(Meaning::Side).or_else(|| meaning(word));
            // Said of something it is more than a verb: "which courses are required" is not "which courses are there".
            let is_said_of = at > 0 && matches!(words[at - 1], "is" | "are" | "be" | "been");
            let meaning = meaning.filter(|_| !(is_said_of && word == REQUIRED));
            let kind = match (word, meaning) {
                ("on", _) if is_side => Kind::Side("on"),
                ("off", _) if is_side => Kind::Side("off"),
                (_, Some(Meaning::Side(_))) if !is_side => continue,
                (_, Some(Meaning::Side(side))) => Kind::Side(side),
                (_, Some(Meaning::Number(number))) => Kind::Number(number.to_owned()),
                (_, Some(Meaning::Light(verb))) => {
                    light.push(verb);
                    continue;
                }
                (_, Some(Meaning::Filler)) => continue,
                _ if word.bytes().any(|byte| byte.is_ascii_digit()) => Kind::Number(word.replace(',', "")),
                ("take" | "takes", _) if asks == Asks::Duration => continue,
                _ if STOP_WORDS.contains(&word) => continue,
                _ if at > 0 && token.has_capital => Kind::Name,
                _ => Kind::Word,
            };
            let role = match at.checked_sub(1).map(|before| words[before]) {
                Some("i" | "we" | "you") => Role::Verb,
                Some("a" | "an" | "the" | "my" | "our" | "your" | "this") => Role::Noun,
                // "Who approves" it, and "by whom are approvers" reported.
                Some("who") => Role::Verb,
                Some("is" | "are" | "was" | "were")
                    if asks == Asks::Person && has(&["whom"]) && !is_participle(&word) =>
                {
                    Role::Noun
                }
                _ => Role::Unclear,
            };
            items.push(Item {
                role,
                word: word.to_owned(),
                stem: stem(word),
                kind,
                is_implied: bound_asked == Some("most"),
                at,
            });
        }
        light.sort_unstable();
        light.dedup();
        let participle = |at: usize| {
            let words = words[at + 1..].iter().take(3);
            words
                .take_while(|word| **word != "to")
                .any(|word| word.ends_with("ed") || matches!(*word, "been" | "gone" | "become"))
        };
        let spoke = |at: usize| {
            matches!(words[at], "i" | "we" | "you" | "they" | "he" | "she")
                && (at == 0 || !matches!(words[at - 1], "am" | "are"))
                && words
                    .get(at + 1)
                    .is_some_and(|next| next.len() > 4 && next.ends_with("ed"))
        };
        // What may happen is told in the past as well: "my card was declined, what happens now?"
        let was = |at: usize| {
            // Not that of a clause: "an order that was sent".
            let is_clause = at > 0 && matches!(words[at - 1], "that" | "which");
            matches!(words[at], "was" | "were" | "did" | "had") && !is_clause
        };
        // Where nothing is asked but why, it is asked of what was told.
        let spoken_from = if items.iter().any(|item| item.at >= start) {
            start
        } else {
            0
        };
        let is_past = asks != Asks::Outcome
            && (spoken_from..words.len())
                .any(|at| was(at) || (matches!(words[at], "has" | "have") && participle(at)) || spoke(at));
        let is_past = is_past || has(&["happened"]);
        let subject = words.iter().enumerate().find_map(|(at, word)| match *word {
            "i" | "we" => Some(Subject::Asker),
            // Where one who serves is asked, it is the asker who does something.
            "you" if said[at] => Some(Subject::Asker),
            "you" => Some(Subject::Asked),
            _ => None,
        });
        let is_to_asker = (0..words.len()).any(|at| matches!(words[at], "me" | "us") && !said[at]);
        const HELPERS: &[&str] = &[
            "is", "are", "was", "were", "be", "been", "can", "could", "may", "might", "must", "should", "will",
            "would", "has", "have", "had",
        ];
        let asks_for_object = match &words[start..] {
            after if after.iter().any(|word| matches!(*word, "do" | "does" | "did")) => Some(true),
            after if after.iter().any(|word| HELPERS.contains(word)) => None,
            _ => Some(false),
        };
        let done_by = done_by(&words);
        Self {
            asks,
            subject: subject.unwrap_or(if is_to_asker {
                Subject::OtherToAsker
            } else {
                Subject::Other
            }),
            is_past,
            is_of_service: words
                .iter()
                .enumerate()
                .any(|(at, word)| *word == "you" && said[at] && asks == Asks::Can),
            is_future: has(&["will", "shall"]),
            is_habitual: has(&["do", "does"]),
            looks: has(&["see", "view", "find", "look"]),
            bound: bound(&words, &said, &items),
            holder: Holder::of(&words, start, &said, &items),
            passive: done_by.and_then(|at| Passive::at(at, &items)),
            asked_from: items.partition_point(|item| item.at < start),
            items,
            asks_for_object,
            is_served: matches!(
                asks,
                Asks::Place | Asks::Time | Asks::Hour | Asks::Day | Asks::Duration | Asks::Frequency | Asks::Reason
            ) && !has(&["be", "been"])
                && is_done(&words[start..]),
            names_doer: done_by.is_some(),
            light,
            tokens,
        }
    }
}

impl Question {
    /// Whether one of two of its items is told, and the other asked.
    pub(super) fn divides(&self, one: usize, other: usize) -> bool {
        (one < self.asked_from) != (other < self.asked_from)
    }

    /// Whether another has the same words in the same order.
    pub(super) fn has_words_of(&self, other: &Self) -> bool {
        !self.tokens.is_empty()
            && self.tokens.len() == other.tokens.len()
            && self.tokens.iter().zip(&other.tokens).all(|(a, b)| a.lower == b.lower)
    }
}

/// The words of a question in lower case, without marks: the same for questions that differ in nothing else.
pub(super) fn words_of(question: &str) -> String {
    let tokens = without_phrases(&tokens(question));
    let words: Vec<&str> = tokens.iter().map(|token| token.lower.as_str()).collect();
    words.join(" ")
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

#[cfg(test)]
mod tests {
    use super::*;

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
