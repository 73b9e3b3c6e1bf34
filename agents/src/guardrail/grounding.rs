//! Whether the sources say what an answer says, sentence by sentence.
//!
//! A sentence is held against the sources that it cites, or against each where it cites none. Its numbers must stand there, and so must its
//! names unless the question brought them; of all else it is judged how likely the source says so ([`support`]). That is no proof: a
//! sentence may turn around what its source says in the same words.
//!
//! What tools gave back is data, and what is said of data has other words: it bears out what cites something as well, and a sentence that cites
//! nothing is not measured where there is any. Nor is an answer in another language than English, which is all that the embedder reads. What
//! the person has said of themselves bears out what is said of them.

#[cfg(test)]
mod labelled;
mod statement;
mod support;

use rustc_hash::FxHashSet;

use self::{
    statement::{Statement, statements},
    support::{Held, Judged, Source},
};
use super::screening::told;
use crate::{embedder::StaticEmbedder, words::for_each_word};

/// Where the embedder knows a smaller share of an answer's words, it is in another language.
const KNOWN_MIN: f32 = 0.75;
/// From this likelihood on a sentence is supported.
const SUPPORTED: f32 = 0.5;
/// Below this one it counts for nothing; between the two in part, since nobody knows.
const UNSUPPORTED: f32 = 0.2;
/// Sentences that a step quotes.
const QUOTED: usize = 3;

/// How far the sources bear out an answer.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Grounding {
    /// Each statement with how likely they do.
    sentences: Vec<(String, f32)>,
}

/// What an answer is held against.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Given {
    /// Who gave it.
    pub(crate) by: GivenBy,
    /// What it is under.
    pub(crate) headings: String,
    /// What it says.
    pub(crate) text: String,
}

/// Who gave something that an answer is held against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum GivenBy {
    /// A source, by whose number the answer cites it.
    Source(u32),
    /// A tool.
    Tool,
    /// The person, who has said it of themselves.
    Person,
}

impl GivenBy {
    /// Whether an answer may stand on it without citing it.
    fn has_no_number(self) -> bool {
        match self {
            Self::Source(_) => false,
            Self::Tool | Self::Person => true,
        }
    }
}

impl Grounding {
    /// How much of the answer they bear out, 0 to 1: the mean of what its sentences count for.
    pub(crate) fn share(&self) -> f64 {
        let worth =
            |(_, likelihood): &(String, f32)| ((likelihood - UNSUPPORTED) / (SUPPORTED - UNSUPPORTED)).clamp(0.0, 1.0);
        let sum: f32 = self.sentences.iter().map(worth).sum();
        f64::from(sum) / self.sentences.len() as f64
    }

    /// Whether all of it is supported.
    pub(crate) fn is_whole(&self) -> bool {
        self.supported() == self.sentences.len()
    }

    fn supported(&self) -> usize {
        let supported = self.sentences.iter().filter(|(_, likelihood)| *likelihood >= SUPPORTED);
        supported.count()
    }

    /// It in words, for people: how many are supported, and which are not.
    pub(crate) fn told(&self) -> String {
        let (supported, all) = (self.supported(), self.sentences.len());
        let mut words = match (supported, all) {
            (1, 1) => "The sources bear out the answer's one sentence".to_owned(),
            (0, 1) => "The sources do not bear out the answer's one sentence".to_owned(),
            _ => format!("The sources bear out {supported} of {all} sentences"),
        };
        let others = self.sentences.iter().filter(|(_, likelihood)| *likelihood < SUPPORTED);
        let quoted: Vec<String> = others
            .take(QUOTED)
            .map(|(text, _)| format!("“{}”", told(text)))
            .collect();
        if !quoted.is_empty() {
            words += &format!("; not: {}", quoted.join(", "));
        }
        match all - supported - quoted.len() {
            0 => words,
            more => words + &format!(" and {more} more"),
        }
    }
}

/// Measures an answer against what it was made from. `question` may bring names. None where there is nothing to measure: no statement, no
/// source, or another language than the embedder reads. O(words of the answer × words of the sources), some milliseconds.
pub(crate) fn measure(answer: &str, question: &str, given: &[Given], embedder: &StaticEmbedder) -> Option<Grounding> {
    let has_data = given.iter().any(|given| given.by == GivenBy::Tool);
    let statements: Vec<Statement> = statements(answer)
        .into_iter()
        .filter(|statement| !has_data || cites_any(statement, given))
        .collect();
    if statements.is_empty() || given.is_empty() || !is_known(&statements, embedder) {
        return None;
    }
    let sources: Vec<Source> = given.iter().map(|given| Source::new(given, embedder)).collect();
    let asked = stems(question);
    let sentences = statements.into_iter().map(|statement| {
        let likelihood = likelihood(&statement, &asked, given, &sources, embedder);
        (statement.text, likelihood)
    });
    Some(Grounding {
        sentences: sentences.collect(),
    })
}

fn is_cited(given: &Given, statement: &Statement) -> bool {
    match given.by {
        GivenBy::Source(number) => statement.cited.contains(&number),
        GivenBy::Tool | GivenBy::Person => false,
    }
}

fn cites_any(statement: &Statement, given: &[Given]) -> bool {
    given.iter().any(|given| is_cited(given, statement))
}

/// How likely the sources say what a statement says.
fn likelihood(
    statement: &Statement,
    asked: &FxHashSet<String>,
    given: &[Given],
    sources: &[Source],
    embedder: &StaticEmbedder,
) -> f32 {
    let cites_any = cites_any(statement, given);
    let judged = Judged::new(statement, asked, embedder);
    let held: Vec<Held<'_>> = (given.iter().zip(sources))
        .filter(|(given, _)| !cites_any || given.by.has_no_number() || is_cited(given, statement))
        .map(|(_, source)| judged.hold_against(source))
        .collect();
    // What cites several may say something of each.
    let together: Vec<&Held<'_>> = held.iter().filter(|_| cites_any).collect();
    let alone = held.iter().map(|held| judged.likelihood(&[held]));
    alone.chain([judged.likelihood(&together)]).fold(0.0, f32::max)
}

fn stems(text: &str) -> FxHashSet<String> {
    let mut stems = FxHashSet::default();
    for_each_word(text, |stem| {
        stems.insert(stem.to_owned());
    });
    stems
}

/// Whether the embedder reads the language of an answer.
fn is_known(statements: &[Statement], embedder: &StaticEmbedder) -> bool {
    let (mut all, mut known) = (0, 0);
    for statement in statements {
        for word in statement.text.split(|letter: char| !letter.is_alphanumeric()) {
            // Names and short words are alike in many languages.
            let is_telling = word.chars().count() > 3
                && word
                    .chars()
                    .all(|letter| letter.is_alphabetic() && letter.is_lowercase());
            if is_telling {
                all += 1;
                known += usize::from(embedder.has_word(word));
            }
        }
    }
    all == 0 || known as f32 >= KNOWN_MIN * all as f32
}
