//! A question taken apart: what it asks for, and the words, names, numbers and directions that it is about.

use std::sync::LazyLock;

use rustc_hash::FxHashMap;

use super::{
    asks::{self, Asks},
    lexicon::{Meaning, PHRASES, meaning},
    thesaurus::{is_irregular, stem},
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
    /// What stands behind a word of direction, as a place in `items`; nothing stands behind one at the end.
    pub(super) bound: Vec<(&'static str, Option<usize>)>,
    /// Whether it asks with "does" for whom or what something is done to; none where another verb helps it.
    pub(super) asks_for_object: Option<bool>,
    /// Whether something is done "by" somebody.
    pub(super) names_doer: bool,
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

/// Something that a question is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Item {
    /// In lower case.
    pub(super) word: String,
    pub(super) stem: String,
    pub(super) kind: Kind,
    pub(super) role: Role,
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

/// A word as it stands in the question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) lower: String,
    pub(super) has_capital: bool,
    /// Whether it ends with `'s`, so that the next word does not belong to it.
    pub(super) owns: bool,
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
            let kind = match (word, meaning(word)) {
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
                _ if STOP_WORDS.contains(&word) => continue,
                _ if at > 0 && token.has_capital => Kind::Name,
                _ => Kind::Word,
            };
            let role = match at.checked_sub(1).map(|before| words[before]) {
                Some("i" | "we" | "you") => Role::Verb,
                Some("a" | "an" | "the" | "my" | "our" | "your" | "this") => Role::Noun,
                _ => Role::Unclear,
            };
            items.push(Item {
                role,
                word: word.to_owned(),
                stem: stem(word),
                kind,
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
        let is_past = asks != Asks::Outcome
            && (start..words.len())
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
            bound: bound(&tokens, &said, &items),
            items,
            asks_for_object,
            names_doer: words
                .windows(2)
                .any(|two| two[1] == "by" && (two[0].ends_with("ed") || is_irregular(two[0]))),
            light,
            tokens,
        }
    }
}

impl Question {
    /// Its words in lower case, without marks: the same for questions that differ in nothing else.
    pub(super) fn text(&self) -> String {
        let words: Vec<&str> = self.tokens.iter().map(|token| token.lower.as_str()).collect();
        words.join(" ")
    }

    /// Whether another has the same words in the same order.
    pub(super) fn has_words_of(&self, other: &Self) -> bool {
        !self.tokens.is_empty()
            && self.tokens.len() == other.tokens.len()
            && self.tokens.iter().zip(&other.tokens).all(|(a, b)| a.lower == b.lower)
    }
}

fn bound(tokens: &[Token], said: &[bool], items: &[Item]) -> Vec<(&'static str, Option<usize>)> {
    let direction = |token: &Token| match token.lower.as_str() {
        "from" | "out" => Some("from"),
        "to" | "into" | "onto" => Some("to"),
        "by" => Some("by"),
        "against" => Some("against"),
        _ => None,
    };
    (tokens.iter().enumerate())
        .filter_map(|(at, token)| {
            let direction = (!said[at]).then(|| direction(token)).flatten()?;
            let next = items.iter().position(|item| item.at > at);
            Some((direction, next))
        })
        .collect()
}

/// The words of a text; what is drawn together with an apostrophe is taken apart.
pub(super) fn tokens(text: &str) -> Vec<Token> {
    let plain = text.replace('’', "'");
    let mut tokens = Vec::new();
    let words = plain
        .split(|c: char| !(c.is_alphanumeric() || matches!(c, '.' | ',' | '_' | '$' | '%' | '€' | '£' | '\'')))
        .map(|word| word.trim_matches(|c: char| !c.is_alphanumeric() && !matches!(c, '$' | '%' | '€' | '£')))
        .filter(|word| !word.is_empty());
    for word in words {
        let has_capital = word.chars().any(char::is_uppercase) || word.contains('_') || word.contains('.');
        let lower = word.to_lowercase();
        let mut push = |lower: &str, owns: bool| {
            tokens.push(Token {
                lower: lower.replace('\'', ""),
                has_capital,
                owns,
            });
        };
        if let Some((first, second)) = apart(&lower) {
            push(first, false);
            push(second, false);
        } else if let Some(owner) = lower.strip_suffix("'s") {
            push(owner, true);
        } else {
            push(&lower, lower.ends_with('\''));
        }
    }
    tokens
}

/// Says in one word what is said in several.
fn without_phrases(tokens: &[Token]) -> Vec<Token> {
    /// By its first word: the words behind that, and what they are said in.
    type ByHead = FxHashMap<&'static str, Vec<(Vec<&'static str>, &'static str)>>;
    static BY_HEAD: LazyLock<ByHead> = LazyLock::new(|| {
        let mut by_head = ByHead::default();
        for (phrase, word) in PHRASES {
            let mut words = phrase.split(' ');
            let head = words.next().unwrap_or_default();
            by_head.entry(head).or_default().push((words.collect(), *word));
        }
        by_head
    });
    let mut joined: Vec<Token> = Vec::with_capacity(tokens.len());
    let mut rest = tokens;
    while let [first, behind @ ..] = rest {
        let stands = |(follow, _): &&(Vec<&str>, &str)| {
            follow.len() <= behind.len() && follow.iter().zip(behind).all(|(word, token)| *word == token.lower)
        };
        let begun_with = |head: &str| BY_HEAD.get(head)?.iter().find(stands);
        let found = begun_with(&first.lower).or_else(|| begun_with(&stem(&first.lower)));
        let (follow, word) = found.map_or((0, first.lower.as_str()), |(follow, word)| (follow.len(), *word));
        joined.push(Token {
            lower: word.to_owned(),
            ..first.clone()
        });
        rest = &behind[follow..];
    }
    joined
}

/// The two words that are drawn together into one.
fn apart(word: &str) -> Option<(&str, &str)> {
    Some(match word {
        "can't" | "cant" | "cannot" => ("can", "not"),
        "won't" | "wont" => ("will", "not"),
        "dont" => ("do", "not"),
        "doesnt" => ("does", "not"),
        "didnt" => ("did", "not"),
        "isnt" => ("is", "not"),
        "arent" => ("are", "not"),
        "whats" => ("what", "is"),
        "hows" => ("how", "is"),
        "im" => ("i", "am"),
        _ => {
            if let Some(verb) = word.strip_suffix("n't") {
                return Some((verb, "not"));
            }
            let (first, second) = word.split_once('\'')?;
            let second = match second {
                "re" => "are",
                "ll" => "will",
                "ve" => "have",
                "d" => "would",
                "m" => "am",
                "s" if matches!(
                    first,
                    "what" | "how" | "where" | "who" | "when" | "that" | "it" | "there" | "let"
                ) =>
                {
                    "is"
                }
                _ => return None,
            };
            (first, second)
        }
    })
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
