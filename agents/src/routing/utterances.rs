//! The example utterances and keywords of all agents, ready to be compared with messages.

use std::{collections::HashSet, ops::Range};

use orchestratai_shared::Intent;
use rustc_hash::FxHashMap;

use super::{
    Case,
    letters::LetterRuns,
    message::{Word, words},
    near::SmoothMax,
};
use crate::{
    definition::{Catalog, Example},
    embedder::{QuantisedMatrix, QuantisedVector, StaticEmbedder},
    words::for_each_word,
};

/// How many of the nearest examples of an agent count, by meaning and by letters.
const NEAREST: usize = 4;
const NEAREST_BY_LETTERS: usize = 2;
/// How sharply nearer examples outvote those further away, on the scale of a cosine.
const VOTE_SHARPNESS: f32 = 0.06;
/// The share of a word among an agent's examples is drawn towards its share in all by this many examples.
const DRAWN_BY: f32 = 2.0;

/// With so many examples of each specialist, half is known of what people say to them.
const RICH_FROM: f32 = 20.0;

/// One example utterance.
#[derive(Debug)]
struct Known {
    text: String,
    words: HashSet<Word>,
    /// Index into the catalog's agents.
    agent: usize,
    intent: Intent,
}

/// The examples and keywords of all agents.
#[derive(Debug)]
pub(super) struct Utterances {
    /// Those of one agent stand together.
    known: Vec<Known>,
    /// By agent: where its examples stand.
    of_agent: Vec<Range<usize>>,
    /// The vector of each example, and the kind of direct answer that it needs: what every message is compared with stands close
    /// together in memory.
    vectors: QuantisedMatrix,
    cases: Vec<Option<Case>>,
    /// Examples and keywords by agent.
    counts: Vec<f32>,
    keyword_counts: Vec<f32>,
    letters: LetterRuns,
    /// By word: how many examples of each agent have it.
    words: FxHashMap<Word, Vec<f32>>,
    /// The agents that a keyword speaks for, by the word's stem.
    keywords: FxHashMap<String, Vec<usize>>,
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
    pub(super) keywords: Vec<Vec<Word>>,
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
    pub(super) fn new(catalog: &Catalog, embedder: &StaticEmbedder, examples_max: usize) -> Self {
        let agents = catalog.agents();
        let mut made = Self {
            known: Vec::new(),
            of_agent: Vec::new(),
            vectors: QuantisedMatrix::default(),
            cases: Vec::new(),
            counts: vec![0.0; agents.len()],
            keyword_counts: vec![0.0; agents.len()],
            letters: LetterRuns::default(),
            words: FxHashMap::default(),
            keywords: FxHashMap::default(),
            usual_intents: agents.iter().map(|agent| usual_intent(&agent.examples)).collect(),
        };
        for (index, agent) in agents.iter().enumerate() {
            let taken = if index == 0 {
                agent.examples.len()
            } else {
                agent.examples.len().min(examples_max)
            };
            // At even distances, so that few still stand for all.
            let examples = (0..taken).map(|number| &agent.examples[number * agent.examples.len() / taken]);
            let first = made.known.len();
            for example in examples {
                made.take_in(example, index, embedder);
            }
            made.of_agent.push(first..made.known.len());
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
        made.letters = LetterRuns::new(made.texts());
        made
    }

    fn take_in(&mut self, example: &Example, agent: usize, embedder: &StaticEmbedder) {
        let words: HashSet<Word> = words(&example.text).into_iter().collect();
        for word in &words {
            let counts = self
                .words
                .entry(word.clone())
                .or_insert_with(|| vec![0.0; self.counts.len()]);
            counts[agent] += 1.0;
        }
        self.counts[agent] += 1.0;
        self.vectors.push(&embedder.embed(&example.text));
        self.cases.push(example.case);
        self.known.push(Known {
            text: example.text.clone(),
            words,
            agent,
            intent: example.intent,
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

    /// Compares a message of these words with all examples, but for `left_out`.
    pub(super) fn compare(&self, said: &[Word], vector: &QuantisedVector, left_out: Option<usize>) -> Likeness {
        let by_letters = self.letters.cosines(said);
        let mut nearness = self.vectors.cosines(vector);
        let (mut own, mut out_of_scope) = (SmoothMax::new(NEAREST), SmoothMax::new(NEAREST));
        let (mut meaning, mut letters) = (Vec::new(), Vec::new());
        for (agent, examples) in self.of_agent.iter().enumerate() {
            let (mut nearest, mut nearest_by_letters) = (SmoothMax::new(NEAREST), SmoothMax::new(NEAREST_BY_LETTERS));
            for at in examples.clone() {
                if left_out == Some(at) {
                    nearness[at] = 0.0;
                    continue;
                }
                let near = nearness[at];
                nearest.add(near);
                nearest_by_letters.add(by_letters[at]);
                match self.cases[at] {
                    Some(Case::OutOfScope) => out_of_scope.add(near),
                    Some(_) if agent == 0 => own.add(near),
                    Some(_) | None => {}
                }
                nearness[at] = near.max(by_letters[at]);
            }
            meaning.push(nearest.value());
            letters.push(nearest_by_letters.value());
        }
        let mut distinct: Vec<&Word> = said.iter().collect();
        distinct.sort_unstable();
        distinct.dedup();
        Likeness {
            meaning,
            own_meaning: own.value(),
            out_of_scope: out_of_scope.value(),
            letters,
            log_odds: self.log_odds(&distinct, left_out),
            keywords: self.keywords_in(said),
            nearness,
        }
    }

    /// By agent: how much more frequent the message's words are in its examples than on average (naive Bayes), bounded.
    fn log_odds(&self, distinct: &[&Word], left_out: Option<usize>) -> Vec<f32> {
        let all: f32 = self.counts.iter().sum();
        let mut sums = vec![0.0_f32; self.counts.len()];
        for &word in distinct {
            let Some(counts) = self.words.get(word) else { continue };
            let left_out = left_out
                .map(|at| &self.known[at])
                .filter(|known| known.words.contains(word));
            let without: Option<Vec<f32>> = left_out.map(|known| {
                let mut counts = counts.clone();
                counts[known.agent] -= 1.0;
                counts
            });
            let counts = without.as_ref().unwrap_or(counts);
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

    fn keywords_in(&self, said: &[Word]) -> Vec<Vec<Word>> {
        let mut found = vec![Vec::new(); self.counts.len()];
        for word in said {
            for &agent in self.keywords.get(&stem(word)).into_iter().flatten() {
                if !found[agent].contains(word) {
                    found[agent].push(word.clone());
                }
            }
        }
        found
    }

    /// The nearest example of an agent; none where it has no examples.
    pub(super) fn nearest(&self, likeness: &Likeness, agent: usize) -> Option<Nearest<'_>> {
        let (at, likeness) = self.nearest_first(likeness, agent).first().copied()?;
        Some(Nearest {
            text: &self.known[at].text,
            likeness,
            case: self.cases[at],
        })
    }

    /// What messages like this one want of the agent, as its nearest examples say.
    pub(super) fn intent(&self, likeness: &Likeness, agent: usize) -> Option<Intent> {
        self.vote(likeness, agent, |at| Some(self.known[at].intent))
    }

    /// The kind of direct answer that messages like this one need, as the nearest examples of the agent say.
    pub(super) fn case(&self, likeness: &Likeness, agent: usize) -> Option<Case> {
        self.vote(likeness, agent, |at| self.cases[at])
    }

    /// What most examples of the agent want.
    pub(super) fn usual_intent(&self, agent: usize) -> Intent {
        self.usual_intents[agent]
    }

    fn vote<T: PartialEq + Copy>(
        &self,
        likeness: &Likeness,
        agent: usize,
        of: impl Fn(usize) -> Option<T>,
    ) -> Option<T> {
        let mut votes: Vec<(T, f32)> = Vec::new();
        for (at, near) in self.nearest_first(likeness, agent) {
            let Some(choice) = of(at) else { continue };
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
        let mut nearest: Vec<(usize, f32)> = Vec::with_capacity(NEAREST + 1);
        for at in self.of_agent[agent].clone() {
            let near = likeness.nearness[at];
            let is_full = nearest.len() == NEAREST;
            if is_full && nearest.last().is_some_and(|(_, last)| near <= *last) {
                continue;
            }
            let place = nearest.partition_point(|(_, other)| *other >= near);
            nearest.insert(place, (at, near));
            nearest.truncate(NEAREST);
        }
        nearest
    }
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
