//! A question taken apart: what it asks for, and the words, names, numbers and directions that it is about.

use super::{
    asks::{self, Asks},
    lexicon::{Meaning, PHRASAL_VERBS, meaning},
    thesaurus::stem,
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
    /// Its verbs that say little, each once.
    pub(super) light: Vec<&'static str>,
    pub(super) tokens: Vec<Token>,
}

/// Who does what the question is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Subject {
    Asker,
    Asked,
    Other,
}

/// Something that a question is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Item {
    /// In lower case.
    pub(super) word: String,
    pub(super) stem: String,
    pub(super) kind: Kind,
    /// Its place among the tokens.
    pub(super) at: usize,
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
        let tokens = without_phrasal_verbs(tokens(text));
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
                "switch" if has(&["on", "off"]) => continue,
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
            items.push(Item {
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
        let is_past = asks != Asks::Outcome
            && (words[start..]
                .iter()
                .any(|word| matches!(*word, "was" | "were" | "did" | "had"))
                || (start..words.len()).any(|at| (matches!(words[at], "has" | "have") && participle(at)) || spoke(at)));
        let is_past = is_past || has(&["happened"]);
        let subject = words.iter().enumerate().find_map(|(at, word)| match *word {
            "i" | "we" => Some(Subject::Asker),
            // Where one who serves is asked, it is the asker who does something.
            "you" if said[at] => Some(Subject::Asker),
            "you" => Some(Subject::Asked),
            _ => None,
        });
        Self {
            asks,
            subject: subject.unwrap_or(Subject::Other),
            is_past,
            is_of_service: words
                .iter()
                .enumerate()
                .any(|(at, word)| *word == "you" && said[at] && asks == Asks::Can),
            is_future: has(&["will", "shall"]),
            is_habitual: has(&["do", "does"]),
            looks: has(&["see", "view", "find", "look"]),
            bound: bound(&tokens, &items),
            items,
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

fn bound(tokens: &[Token], items: &[Item]) -> Vec<(&'static str, Option<usize>)> {
    let direction = |token: &Token| match token.lower.as_str() {
        "from" | "out" => Some("from"),
        "to" | "into" | "onto" => Some("to"),
        "by" => Some("by"),
        "against" => Some("against"),
        _ => None,
    };
    (tokens.iter().enumerate())
        .filter_map(|(at, token)| {
            let direction = direction(token)?;
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

fn without_phrasal_verbs(tokens: Vec<Token>) -> Vec<Token> {
    let mut joined: Vec<Token> = Vec::with_capacity(tokens.len());
    for token in tokens {
        if let Some(last) = joined.last_mut() {
            let stem = stem(&last.lower);
            let one = PHRASAL_VERBS
                .iter()
                .find(|(verb, particle, _)| stem == *verb && token.lower == *particle);
            if let Some((_, _, verb)) = one {
                last.lower = (*verb).to_owned();
                continue;
            }
        }
        joined.push(token);
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
