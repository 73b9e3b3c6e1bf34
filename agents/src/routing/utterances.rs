//! The example utterances and keywords of all agents, ready to be compared with messages.

use std::collections::{HashMap, HashSet};

use orchestratai_shared::Intent;

use super::{Case, message::words, near::SmoothMax};
use crate::{
    definition::{Catalog, Example},
    embedder::{Embedder, cosine},
    words::for_each_word,
};

/// How many of the nearest examples of an agent count, by meaning and by letters.
const NEAREST: usize = 4;
const NEAREST_BY_LETTERS: usize = 2;
/// How sharply nearer examples outvote those further away, on the scale of a cosine.
const VOTE_SHARPNESS: f32 = 0.06;
/// Runs of letters that are compared.
const RUNS: std::ops::RangeInclusive<usize> = 3..=5;
/// The share of a word among an agent's examples is drawn towards its share in all by this many examples.
const DRAWN_BY: f32 = 2.0;

/// With so many examples of each specialist, half is known of what people say to them.
const RICH_FROM: f32 = 20.0;

/// One example utterance.
#[derive(Debug)]
struct Known {
    text: String,
    vector: Vec<f32>,
    /// The length of its vector of letter runs.
    letters_length: f32,
    words: HashSet<String>,
    /// Index into the catalog's agents.
    agent: usize,
    intent: Intent,
    case: Option<Case>,
}

/// The examples and keywords of all agents.
#[derive(Debug)]
pub(super) struct Utterances {
    known: Vec<Known>,
    /// Examples and keywords by agent.
    counts: Vec<f32>,
    keyword_counts: Vec<f32>,
    /// The examples that have a run of letters, and its weight.
    runs: HashMap<u32, (f32, Vec<u32>)>,
    /// By word: how many examples of each agent have it.
    words: HashMap<String, Vec<f32>>,
    /// The agents that a keyword speaks for, by the word's stem.
    keywords: HashMap<String, Vec<usize>>,
    /// What most examples of each agent want.
    usual_intents: Vec<Intent>,
}

/// What the examples say about one message; by agent where it is a list, 0 for those without examples.
#[derive(Debug)]
pub(super) struct Likeness {
    pub(super) meaning: Vec<f32>,
    pub(super) letters: Vec<f32>,
    /// Of the orchestrator's examples by meaning: those about itself and the conversation, and those of what is out of scope.
    pub(super) own_meaning: f32,
    pub(super) out_of_scope: f32,
    pub(super) log_odds: Vec<f32>,
    pub(super) keywords: Vec<Vec<String>>,
    /// How near each example is, by meaning or by letters, whichever is nearer.
    nearness: Vec<f32>,
}

/// The nearest example of an agent.
pub(super) struct Nearest<'a> {
    pub(super) text: &'a str,
    pub(super) likeness: f32,
    pub(super) case: Option<Case>,
}

impl Utterances {
    /// Of each specialist at most `examples_max`, and keywords only where that is no bound.
    pub(super) fn new(catalog: &Catalog, embedder: &Embedder, examples_max: usize) -> Self {
        let agents = catalog.agents();
        let mut made = Self {
            known: Vec::new(),
            counts: vec![0.0; agents.len()],
            keyword_counts: vec![0.0; agents.len()],
            runs: HashMap::new(),
            words: HashMap::new(),
            keywords: HashMap::new(),
            usual_intents: agents.iter().map(|agent| usual_intent(&agent.examples)).collect(),
        };
        let mut all_runs = Vec::new();
        for (index, agent) in agents.iter().enumerate() {
            let taken = if index == 0 {
                agent.examples.len()
            } else {
                agent.examples.len().min(examples_max)
            };
            // At even distances, so that few still stand for all.
            let examples = (0..taken).map(|number| &agent.examples[number * agent.examples.len() / taken]);
            for example in examples {
                made.take_in(example, index, embedder);
                all_runs.push(letter_runs(&example.text));
            }
            let keywords = if examples_max == usize::MAX {
                agent.keywords.as_slice()
            } else {
                &[]
            };
            made.keyword_counts[index] = keywords.len() as f32;
            for keyword in keywords {
                let agents = made.keywords.entry(stem(keyword)).or_default();
                if !agents.contains(&index) {
                    agents.push(index);
                }
            }
        }
        for (number, runs) in (0_u32..).zip(&all_runs) {
            for run in runs {
                made.runs.entry(*run).or_default().1.push(number);
            }
        }
        let count = made.known.len() as f32;
        for (weight, examples) in made.runs.values_mut() {
            *weight = (count / examples.len() as f32).ln();
        }
        for (known, runs) in made.known.iter_mut().zip(&all_runs) {
            known.letters_length = runs.iter().map(|run| made.runs[run].0.powi(2)).sum::<f32>().sqrt();
        }
        made
    }

    fn take_in(&mut self, example: &Example, agent: usize, embedder: &Embedder) {
        let words: HashSet<String> = words(&example.text).into_iter().collect();
        for word in &words {
            let counts = self
                .words
                .entry(word.clone())
                .or_insert_with(|| vec![0.0; self.counts.len()]);
            counts[agent] += 1.0;
        }
        self.counts[agent] += 1.0;
        self.known.push(Known {
            text: example.text.clone(),
            vector: embedder.embed(&example.text),
            letters_length: 0.0,
            words,
            agent,
            intent: example.intent,
            case: example.case,
        });
    }

    /// Their texts.
    pub(super) fn texts(&self) -> impl Iterator<Item = &str> {
        self.known.iter().map(|known| known.text.as_str())
    }

    /// Texts with the agent's index, for fitting.
    pub(super) fn labelled(&self) -> impl Iterator<Item = (&str, usize)> {
        self.known.iter().map(|known| (known.text.as_str(), known.agent))
    }

    /// How far the specialists' examples, and their keywords, are enough to judge by that a message is near none: 0 where there are
    /// none, towards 1 where there are many.
    pub(super) fn richness(&self) -> (f32, f32) {
        let of = |counts: &[f32]| {
            let mean = counts.iter().skip(1).sum::<f32>() / (counts.len().max(2) - 1) as f32;
            mean / (mean + RICH_FROM)
        };
        (of(&self.counts), of(&self.keyword_counts))
    }

    /// Whether the agent has examples.
    pub(super) fn has_examples(&self, agent: usize) -> bool {
        self.counts[agent] > 0.0
    }

    /// Compares a message with all examples, but for `left_out`.
    pub(super) fn compare(&self, message: &str, vector: &[f32], left_out: Option<usize>) -> Likeness {
        let agents = self.counts.len();
        let mut nearness = self.by_letters(message);
        let mut meaning = vec![SmoothMax::new(NEAREST); agents];
        let mut letters = vec![SmoothMax::new(NEAREST_BY_LETTERS); agents];
        let (mut own, mut out_of_scope) = (SmoothMax::new(NEAREST), SmoothMax::new(NEAREST));
        for (at, known) in self.known.iter().enumerate() {
            if left_out == Some(at) {
                nearness[at] = 0.0;
                continue;
            }
            let near = cosine(&known.vector, vector);
            meaning[known.agent].add(near);
            match known.case {
                Some(Case::OutOfScope) => out_of_scope.add(near),
                Some(_) if known.agent == 0 => own.add(near),
                Some(_) | None => {}
            }
            letters[known.agent].add(nearness[at]);
            nearness[at] = nearness[at].max(near);
        }
        Likeness {
            meaning: meaning.iter().map(SmoothMax::value).collect(),
            own_meaning: own.value(),
            out_of_scope: out_of_scope.value(),
            letters: letters.iter().map(SmoothMax::value).collect(),
            log_odds: self.log_odds(message, left_out),
            keywords: self.keywords_in(message),
            nearness,
        }
    }

    /// For each example the cosine with the message over runs of letters, each weighted by how rare it is: what is misspelt,
    /// and what the embedder has no words for, is still alike.
    fn by_letters(&self, message: &str) -> Vec<f32> {
        let mut products = vec![0.0_f32; self.known.len()];
        let rarest = (self.known.len().max(1) as f32).ln();
        let mut square = 0.0;
        for run in letter_runs(message) {
            let Some((weight, examples)) = self.runs.get(&run) else {
                square += rarest * rarest;
                continue;
            };
            square += weight * weight;
            for example in examples {
                products[*example as usize] += weight * weight;
            }
        }
        let length = square.sqrt();
        for (product, known) in products.iter_mut().zip(&self.known) {
            let lengths = length * known.letters_length;
            *product = if lengths > 0.0 { *product / lengths } else { 0.0 };
        }
        products
    }

    /// By agent: how much more frequent the message's words are in its examples than on average (naive Bayes), bounded.
    fn log_odds(&self, message: &str, left_out: Option<usize>) -> Vec<f32> {
        let all: f32 = self.counts.iter().sum();
        let mut sums = vec![0.0_f32; self.counts.len()];
        let distinct: HashSet<String> = words(message).into_iter().collect();
        for word in &distinct {
            let Some(counts) = self.words.get(word) else { continue };
            let mut counts = counts.clone();
            if let Some(known) = left_out.map(|at| &self.known[at])
                && known.words.contains(word)
            {
                counts[known.agent] -= 1.0;
            }
            let seen: f32 = counts.iter().sum();
            if seen <= 0.0 {
                continue;
            }
            let agents = || (0..counts.len()).filter(|agent| self.has_examples(*agent));
            let share = |agent: usize| (counts[agent] + DRAWN_BY * seen / all) / (self.counts[agent] + DRAWN_BY);
            let mean = agents().map(share).sum::<f32>() / agents().count().max(1) as f32;
            for agent in agents() {
                sums[agent] += (share(agent) / mean).ln();
            }
        }
        sums.into_iter().map(|sum| 2.0 * (sum / 4.0).tanh()).collect()
    }

    fn keywords_in(&self, message: &str) -> Vec<Vec<String>> {
        let mut found = vec![Vec::new(); self.counts.len()];
        for word in words(message) {
            for &agent in self.keywords.get(&stem(&word)).into_iter().flatten() {
                if !found[agent].contains(&word) {
                    found[agent].push(word.clone());
                }
            }
        }
        found
    }

    /// The nearest example of an agent; none where it has no examples.
    pub(super) fn nearest(&self, likeness: &Likeness, agent: usize) -> Option<Nearest<'_>> {
        let (at, near) = self.nearest_first(likeness, agent).first().copied()?;
        let known = &self.known[at];
        Some(Nearest {
            text: &known.text,
            likeness: near,
            case: known.case,
        })
    }

    /// What messages like this one want of the agent, as its nearest examples say.
    pub(super) fn intent(&self, likeness: &Likeness, agent: usize) -> Option<Intent> {
        self.vote(likeness, agent, |known| Some(known.intent))
    }

    /// The kind of direct answer that messages like this one need, as the nearest examples of the agent say.
    pub(super) fn case(&self, likeness: &Likeness, agent: usize) -> Option<Case> {
        self.vote(likeness, agent, |known| known.case)
    }

    /// What most examples of the agent want.
    pub(super) fn usual_intent(&self, agent: usize) -> Intent {
        self.usual_intents[agent]
    }

    fn vote<T: PartialEq + Copy>(
        &self,
        likeness: &Likeness,
        agent: usize,
        of: impl Fn(&Known) -> Option<T>,
    ) -> Option<T> {
        let mut votes: Vec<(T, f32)> = Vec::new();
        for (at, near) in self.nearest_first(likeness, agent) {
            let Some(choice) = of(&self.known[at]) else { continue };
            let vote = (near / VOTE_SHARPNESS).exp();
            match votes.iter_mut().find(|(known, _)| *known == choice) {
                Some((_, sum)) => *sum += vote,
                None => votes.push((choice, vote)),
            }
        }
        let best = votes.into_iter().max_by(|a, b| a.1.total_cmp(&b.1));
        best.map(|(choice, _)| choice)
    }

    /// The nearest few examples of an agent.
    fn nearest_first(&self, likeness: &Likeness, agent: usize) -> Vec<(usize, f32)> {
        let all = likeness.nearness.iter().copied().enumerate();
        let mut own: Vec<(usize, f32)> = all.filter(|(at, _)| self.known[*at].agent == agent).collect();
        own.sort_by(|a, b| b.1.total_cmp(&a.1));
        own.truncate(NEAREST);
        own
    }
}

/// The numbers of all runs of letters in the words of a text, sorted, without repeats. Scripts that are not ASCII say more with
/// fewer characters: of them pairs count too.
fn letter_runs(text: &str) -> Vec<u32> {
    let mut runs = Vec::new();
    for word in words(text) {
        let pairs = !word.is_ascii();
        let letters: Vec<char> = std::iter::once('^').chain(word.chars()).chain(['$']).collect();
        let mut take = |letters: &[char]| runs.push(run_number(letters));
        for length in RUNS {
            letters.windows(length).for_each(&mut take);
        }
        if pairs {
            letters[1..letters.len() - 1].windows(2).for_each(&mut take);
        }
    }
    runs.sort_unstable();
    runs.dedup();
    runs
}

/// A number that stands for a run of letters; two runs share one only by a rare accident.
fn run_number(letters: &[char]) -> u32 {
    // FNV-1a over characters.
    let hash = letters.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, letter| {
        (hash ^ u64::from(u32::from(*letter))).wrapping_mul(0x0100_0000_01b3)
    });
    (hash ^ (hash >> 32)) as u32
}

/// Singular and plural, and the forms of a verb, are one keyword.
fn stem(word: &str) -> String {
    let mut stem = None;
    for_each_word(word, |word| stem = Some(word.to_owned()));
    stem.unwrap_or_else(|| word.to_owned())
}

fn usual_intent(examples: &[Example]) -> Intent {
    let count = |intent: Intent| examples.iter().filter(|example| example.intent == intent).count();
    examples
        .iter()
        .map(|example| example.intent)
        .max_by_key(|intent| count(*intent))
        .unwrap_or(Intent::DomainQuestion)
}
