//! The words of a question, one by one.

use std::sync::LazyLock;

use rustc_hash::FxHashMap;

use super::{lexicon::PHRASES, thesaurus::stem};

/// A word as it stands in the question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) lower: String,
    pub(super) has_capital: bool,
    /// Whether it ends with `'s`, so that the next word does not belong to it.
    pub(super) owns: bool,
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
pub(super) fn without_phrases(tokens: &[Token]) -> Vec<Token> {
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
