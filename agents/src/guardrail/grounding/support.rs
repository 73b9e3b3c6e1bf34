//! Whether a source says what one sentence says.
//!
//! A logistic regression over three figures: how much of what its words say stands in the source, as the same words or near ones; how near
//! it is in meaning to a sentence of the source, or two or three in a row; and in how many of its clauses a negation stands that
//! the nearest clause of the source has not, or the other way round. It is fitted on the part to develop on of
//! `evaluation/sets/grounding`; how it does on the part to decide by stands in `docs/adr/0032-guardrails-judge-by-form-and-say-so.md`.
//!
//! Words are embedded here, and not looked up in the embedder's tables: these keep what they are asked for, and have room for the words of
//! documents and questions, not for all that models and tools may write.

use std::collections::BTreeSet;

use rustc_hash::{FxHashMap, FxHashSet};

use super::{
    Given,
    statement::{self, Statement},
    stems,
};
use crate::{
    embedder::{StaticEmbedder, cosine},
    knowledge::sentences_of,
    routing,
    words::is_stop_word,
};

/// The logarithm of the odds that a source says what a sentence says is this
const BIAS: f32 = -4.32;
/// and this for all that its words say,
const WORDS: f32 = 3.82;
/// for the same meaning,
const MEANING: f32 = 3.17;
/// and where every clause is turned round.
const TURNED: f32 = -2.05;

/// Below this cosine two words have nothing to do with each other.
const UNRELATED: f32 = 0.3;
/// A word weighs this much at least.
const WEIGHT_MIN: f32 = 0.5;
/// Sentences in a row that a sentence may sum up.
const ROW_MAX: usize = 3;
/// Of a clause less of which stands in any clause of the source, nobody knows whether it is turned round.
const SAME_CLAUSE: f32 = 0.5;

const NEGATIONS: &[&str] = &[
    "not", "no", "never", "cannot", "cant", "dont", "doesnt", "isnt", "arent", "wont", "nothing", "nobody", "none",
    "neither", "nor", "without",
];
/// What clauses begin with.
const CONJUNCTIONS: &[&str] = &[
    " but ",
    " so ",
    " because ",
    " since ",
    " unless ",
    " until ",
    " if ",
    " when ",
    " which ",
    " instead of ",
];

/// The words of a text that say something, without repeats.
#[derive(Default)]
struct Words {
    places: FxHashMap<String, usize>,
    vectors: Vec<Vec<f32>>,
}

impl Words {
    /// Takes in the words of a text. Gives their places, without repeats.
    fn take(&mut self, text: &str, embedder: &StaticEmbedder) -> Vec<usize> {
        let mut places = Vec::new();
        for word in text.split(|letter: char| !letter.is_alphanumeric()) {
            let word = word.to_lowercase();
            if !word.contains(char::is_alphabetic) || is_stop_word(&word) {
                continue;
            }
            let place = *self.places.entry(word).or_insert_with_key(|word| {
                self.vectors.push(embedder.embed(word));
                self.vectors.len() - 1
            });
            if !places.contains(&place) {
                places.push(place);
            }
        }
        places
    }
}

/// The clauses of a sentence, roughly.
fn clauses(sentence: &str) -> Vec<&str> {
    let mut clauses: Vec<&str> = sentence.split([',', ';', ':', '(', ')']).collect();
    for conjunction in CONJUNCTIONS {
        clauses = clauses
            .into_iter()
            .flat_map(|clause| clause.split(conjunction))
            .collect();
    }
    clauses
}

/// A clause of a source or of a sentence, its words by their places.
struct Clause {
    words: Vec<usize>,
    bytes: usize,
    is_negated: bool,
}

impl Clause {
    fn all_of(sentence: &str, words: &mut Words, embedder: &StaticEmbedder) -> Vec<Self> {
        let all = clauses(sentence).into_iter().map(|clause| Self {
            words: words.take(clause, embedder),
            bytes: clause.len(),
            is_negated: (routing::words(clause).iter()).any(|word| NEGATIONS.contains(&word.as_str())),
        });
        all.filter(|clause| !clause.words.is_empty()).collect()
    }
}

/// A source as it is compared.
pub(super) struct Source {
    stems: FxHashSet<String>,
    numbers: BTreeSet<String>,
    words: Words,
    /// Of its sentences, one and several in a row.
    meanings: Vec<Vec<f32>>,
    clauses: Vec<Clause>,
}

impl Source {
    pub(super) fn new(given: &Given, embedder: &StaticEmbedder) -> Self {
        let whole = format!("{}\n{}", given.headings, given.text);
        let has_words = |text: &&str| text.contains(char::is_alphabetic);
        let sentences: Vec<&str> = sentences_of(&given.text).into_iter().filter(has_words).collect();
        let rows = (1..=ROW_MAX).flat_map(|row| sentences.windows(row));
        let mut words = Words::default();
        words.take(&whole, embedder);
        let clauses = sentences
            .iter()
            .flat_map(|sentence| Clause::all_of(sentence, &mut words, embedder))
            .collect();
        Self {
            stems: stems(&whole),
            numbers: statement::numbers(&whole),
            meanings: rows.map(|row| embedder.embed(&row.join(" "))).collect(),
            clauses,
            words,
        }
    }
}

/// A sentence as it is compared.
pub(super) struct Judged {
    numbers: BTreeSet<String>,
    /// The stems of its names that the question has not.
    names: FxHashSet<String>,
    words: Words,
    /// What each word weighs.
    weights: Vec<f32>,
    meaning: Vec<f32>,
    clauses: Vec<Clause>,
}

/// A sentence held against a source.
pub(super) struct Held<'a> {
    source: &'a Source,
    /// By word of the sentence and word of the source: how near they are, 0 to 1.
    near: Vec<Vec<f32>>,
    meaning: f32,
}

impl Judged {
    pub(super) fn new(statement: &Statement, asked: &FxHashSet<String>, embedder: &StaticEmbedder) -> Self {
        let text = statement.text.as_str();
        let mut words = Words::default();
        words.take(text, embedder);
        let clauses = Clause::all_of(text, &mut words, embedder);
        let mut weights = vec![WEIGHT_MIN; words.vectors.len()];
        for (word, place) in &words.places {
            weights[*place] = embedder.term_weight(word).max(WEIGHT_MIN);
        }
        let names = statement.names().into_iter().flat_map(stems);
        Self {
            numbers: statement::numbers(text),
            names: names.filter(|stem| !asked.contains(stem)).collect(),
            words,
            weights,
            meaning: embedder.embed(text),
            clauses,
        }
    }

    pub(super) fn hold_against<'a>(&self, source: &'a Source) -> Held<'a> {
        let near = |vector: &Vec<f32>, other: &Vec<f32>| {
            ((cosine(vector, other) - UNRELATED) / (1.0 - UNRELATED)).clamp(0.0, 1.0)
        };
        let mut rows: Vec<Vec<f32>> = (self.words.vectors.iter())
            .map(|word| source.words.vectors.iter().map(|other| near(word, other)).collect())
            .collect();
        // A word that the embedder does not know is near to itself all the same.
        for (word, place) in &self.words.places {
            if let Some(other) = source.words.places.get(word) {
                rows[*place][*other] = 1.0;
            }
        }
        let meanings = source.meanings.iter().map(|other| cosine(&self.meaning, other));
        Held {
            source,
            near: rows,
            meaning: meanings.fold(0.0, f32::max),
        }
    }

    /// How likely the sources against which it was held, taken together, say so, 0 to 1.
    pub(super) fn likelihood(&self, held: &[&Held<'_>]) -> f32 {
        if self.has_figures(held) {
            (1.0 + (-self.log_odds(held)).exp()).recip()
        } else {
            0.0
        }
    }

    /// Whether its numbers and names stand there.
    pub(super) fn has_figures(&self, held: &[&Held<'_>]) -> bool {
        let has_number = |number: &String| held.iter().any(|held| held.source.numbers.contains(number));
        let has_name = |stem: &String| held.iter().any(|held| held.source.stems.contains(stem));
        self.numbers.iter().all(has_number) && self.names.iter().all(has_name)
    }

    fn log_odds(&self, held: &[&Held<'_>]) -> f32 {
        let [words, meaning, turned] = self.figures(held);
        BIAS + WORDS * words + MEANING * meaning + TURNED * turned
    }

    /// What the regression is over, each 0 to 1.
    pub(super) fn figures(&self, held: &[&Held<'_>]) -> [f32; 3] {
        let all: Vec<usize> = (0..self.weights.len()).collect();
        let words = self.standing(&all, |word| {
            let nearest = held.iter().flat_map(|held| &held.near[word]);
            nearest.copied().fold(0.0, f32::max)
        });
        let meaning = held.iter().map(|held| held.meaning).fold(0.0, f32::max);
        let turned = self
            .clauses
            .iter()
            .filter(|clause| self.is_turned(clause, held))
            .count();
        [words, meaning, turned as f32 / self.clauses.len().max(1) as f32]
    }

    /// Whether the clause of a source that says most of what `clause` says is negated and it is not, or the other way round.
    fn is_turned(&self, clause: &Clause, held: &[&Held<'_>]) -> bool {
        let others = held
            .iter()
            .flat_map(|held| held.source.clauses.iter().map(move |other| (held, other)));
        let said = others.map(|(held, other)| {
            let share = self.standing(&clause.words, |word| {
                let nearest = other.words.iter().map(|place| held.near[word][*place]);
                nearest.fold(0.0, f32::max)
            });
            ((share * 100.0).round() as u32, other)
        });
        // Of equals the shorter one, which says less of other things.
        let nearest = said.reduce(|a, b| {
            let is_nearer = b.0 > a.0 || b.0 == a.0 && b.1.bytes < a.1.bytes;
            if is_nearer { b } else { a }
        });
        nearest
            .is_some_and(|(share, other)| share as f32 > SAME_CLAUSE * 100.0 && other.is_negated != clause.is_negated)
    }

    /// How much of what these words say stands among others, 0 to 1.
    fn standing(&self, words: &[usize], nearest: impl Fn(usize) -> f32) -> f32 {
        let all: f32 = words.iter().map(|word| self.weights[*word]).sum();
        let found: f32 = words.iter().map(|word| self.weights[*word] * nearest(*word)).sum();
        if all > 0.0 { found / all } else { 0.0 }
    }
}
