//! Who does what to whom, as far as small words and the voice of a verb say.

use super::{
    asks::{HOLDS, is_one_of},
    question::Item,
    thesaurus::is_irregular,
};

/// What is done by whom: "graded by teachers"; or held by what: "included in the plan".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Passive {
    /// What is done, as a place in the question's items.
    pub(super) verb: usize,
    /// Who does it, as a place there.
    pub(super) doer: usize,
}

impl Passive {
    /// By the place of the participle among the words; none where it, or who does it, is not among the items.
    pub(super) fn at(participle: usize, items: &[Item]) -> Option<Self> {
        Some(Self {
            verb: items.iter().position(|item| item.at == participle)?,
            doer: items.iter().position(|item| item.at > participle + 1)?,
        })
    }
}

/// Whether a word looks like the participle of a verb: "graded", "sent".
pub(super) fn is_participle(word: &&str) -> bool {
    word.ends_with("ed") || is_irregular(word)
}

/// Whether something "is done", in the passive voice of what happens as a rule or has happened.
pub(super) fn is_done(words: &[&str]) -> bool {
    let verb = words
        .iter()
        .position(|word| matches!(*word, "is" | "are" | "was" | "were"));
    verb.is_some_and(|verb| words[verb + 1..].iter().any(is_participle))
}

/// The place of what is done "by" somebody, in the passive voice. What is included stands in what includes it.
pub(super) fn done_by(words: &[&str]) -> Option<usize> {
    words.windows(2).position(|two| match two[1] {
        "by" => is_participle(&two[0]),
        "in" | "within" => matches!(two[0], "included" | "contained"),
        _ => false,
    })
}

/// What stands behind a word of direction, as a place in `items`; none where nothing does.
pub(super) fn bound(words: &[&str], said: &[bool], items: &[Item]) -> Vec<(&'static str, Option<usize>)> {
    let direction = |word: &str| match word {
        "from" | "out" => Some("from"),
        "to" | "into" | "onto" => Some("to"),
        "by" => Some("by"),
        "against" => Some("against"),
        _ => None,
    };
    (words.iter().enumerate())
        .filter_map(|(at, word)| {
            let direction = (!said[at]).then(|| direction(word)).flatten()?;
            let next = items.iter().position(|item| item.at > at);
            Some((direction, next))
        })
        .collect()
}

/// What has or needs something, as a place in a question's items.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Holder {
    /// It is the subject: "does the hotel have a pool".
    Subject(usize),
    /// It is the place or the purpose: "is there a pool at the hotel".
    Place(usize),
}

impl Holder {
    /// In a question that begins at `start`, by the words that are `said`.
    pub(super) fn of(words: &[&str], start: usize, said: &[bool], items: &[Item]) -> Option<Self> {
        let find = |is_wanted: &dyn Fn(usize) -> bool| (start..words.len()).find(|at| is_wanted(*at));
        let is_question = matches!(words.get(start), Some(&("do" | "does" | "is" | "are")));
        if let Some(verb) = find(&|at| said[at] && is_one_of(HOLDS, words[at]))
            && let Some(subject) = items.iter().rposition(|item| item.at < verb)
        {
            return is_question.then_some(Self::Subject(subject));
        }
        let before = find(&|at| matches!(words[at], "at" | "in" | "on" | "for" | "with"))?;
        let place = items.iter().position(|item| item.at > before)?;
        is_question.then_some(Self::Place(place))
    }

    /// Its place in the items.
    pub(super) fn item(self) -> usize {
        match self {
            Self::Subject(item) | Self::Place(item) => item,
        }
    }
}
