//! Compares a message with the example utterances of all agents and gives each agent a calibrated probability.
//!
//! For each agent two numbers are computed: how near its nearest examples are (a smooth maximum of the cosines), and
//! how many of its whole-word keywords the message uses. A multinomial logistic regression over these, with weights that
//! all specialists share, turns them into probabilities. Its weights are fitted at the start, on the examples, each
//! compared with all others but itself (leave-one-out), which is what calibrates them; a pull towards fixed starting
//! values keeps them sane where there are few examples. The fit is deterministic.

use std::collections::HashMap;

use orchestratai_shared::Intent;

use super::{Case, message::words};
use crate::{
    definition::{Catalog, Example},
    embedder::{Embedder, cosine},
    words::for_each_word,
};

/// How sharply the smooth maximum prefers the nearest example, on the scale of a cosine.
const SHARPNESS: f32 = 0.06;
/// How many of the nearest examples of an agent count.
const NEAREST: usize = 4;
/// Steps of gradient descent; the fit is done long before.
const FIT_STEPS: usize = 120;
/// Weights before the fit: of nearness, of keywords, of the absence of any keyword for the orchestrator, and its bias.
const START: Weights = Weights([16.0, 2.5, 1.0, 0.0]);
/// How strongly the fit is pulled back to [`START`].
const PULL: f32 = 0.002;

/// One example utterance.
#[derive(Debug)]
struct Known {
    text: String,
    vector: Vec<f32>,
    /// Index into the catalog's agents.
    agent: usize,
    intent: Intent,
    case: Option<Case>,
}

/// What was learnt from the examples.
#[derive(Debug)]
pub(crate) struct Classifier {
    agents: usize,
    known: Vec<Known>,
    /// The agents that a keyword speaks for, by the word's stem.
    keywords: HashMap<String, Vec<usize>>,
    /// What most examples of each agent want.
    usual_intents: Vec<Intent>,
    weights: Weights,
}

/// What the classifier says about one message.
#[derive(Debug)]
pub(crate) struct Verdict {
    /// Probabilities by index of the agent; they add up to 1.
    pub(crate) probabilities: Vec<f32>,
    /// Nearness of all examples, by index.
    nearness: Vec<f32>,
    /// Keywords used, by index of the agent.
    pub(crate) keywords: Vec<Vec<String>>,
}

/// The nearest example of an agent.
pub(crate) struct Nearest<'a> {
    pub(crate) text: &'a str,
    pub(crate) cosine: f32,
    pub(crate) case: Option<Case>,
}

#[derive(Debug, Clone, Copy)]
struct Weights([f32; 4]);

/// What is known of one agent for one message: nearness, keywords, and for the orchestrator what speaks for it.
type Features = [f32; 4];

impl Classifier {
    /// Learns from the examples of the catalog; the orchestrator is agent 0.
    pub(crate) fn new(catalog: &Catalog, embedder: &Embedder) -> Self {
        let mut known = Vec::new();
        let mut keywords: HashMap<String, Vec<usize>> = HashMap::new();
        let mut usual_intents = Vec::new();
        for (index, agent) in catalog.agents().iter().enumerate() {
            usual_intents.push(usual_intent(&agent.examples));
            known.extend(agent.examples.iter().map(|example| Known {
                text: example.text.clone(),
                vector: embedder.embed(&example.text),
                agent: index,
                intent: example.intent,
                case: example.case,
            }));
            for keyword in &agent.keywords {
                let agents = keywords.entry(stem(keyword)).or_default();
                if !agents.contains(&index) {
                    agents.push(index);
                }
            }
        }
        let mut classifier = Self {
            agents: catalog.agents().len(),
            known,
            keywords,
            usual_intents,
            weights: START,
        };
        classifier.weights = classifier.fit();
        classifier
    }

    /// Judges one message.
    pub(crate) fn judge(&self, message: &str, vector: &[f32]) -> Verdict {
        let nearness: Vec<f32> = self.known.iter().map(|known| cosine(&known.vector, vector)).collect();
        let keywords = self.keywords_in(message);
        let features = self.features(&nearness, &keywords, None);
        Verdict {
            probabilities: self.weights.probabilities(&features),
            nearness,
            keywords,
        }
    }

    /// The nearest example of an agent; none where it has no examples.
    pub(crate) fn nearest(&self, verdict: &Verdict, agent: usize) -> Option<Nearest<'_>> {
        let (at, cosine) = self.nearest_first(verdict, agent).next()?;
        let known = &self.known[at];
        Some(Nearest {
            text: &known.text,
            cosine,
            case: known.case,
        })
    }

    /// What messages like this one want of the agent, as its nearest examples say.
    pub(crate) fn intent(&self, verdict: &Verdict, agent: usize) -> Option<Intent> {
        let mut votes: Vec<(Intent, f32)> = Vec::new();
        for (at, cosine) in self.nearest_first(verdict, agent).take(NEAREST) {
            let vote = (cosine / SHARPNESS).exp();
            let intent = self.known[at].intent;
            match votes.iter_mut().find(|(known, _)| *known == intent) {
                Some((_, sum)) => *sum += vote,
                None => votes.push((intent, vote)),
            }
        }
        votes
            .into_iter()
            .max_by(|a, b| a.1.total_cmp(&b.1))
            .map(|(intent, _)| intent)
    }

    /// The kind of direct answer that messages like this one need, as the nearest examples of the agent say.
    pub(crate) fn case(&self, verdict: &Verdict, agent: usize) -> Option<Case> {
        let mut votes: Vec<(Case, f32)> = Vec::new();
        for (at, cosine) in self.nearest_first(verdict, agent).take(NEAREST) {
            let Some(case) = self.known[at].case else { continue };
            let vote = (cosine / SHARPNESS).exp();
            match votes.iter_mut().find(|(known, _)| *known == case) {
                Some((_, sum)) => *sum += vote,
                None => votes.push((case, vote)),
            }
        }
        votes
            .into_iter()
            .max_by(|a, b| a.1.total_cmp(&b.1))
            .map(|(case, _)| case)
    }

    /// What most examples of the agent want.
    pub(crate) fn usual_intent(&self, agent: usize) -> Intent {
        self.usual_intents[agent]
    }

    /// The cosine of the nearest example of all.
    pub(crate) fn nearest_of_all(&self, verdict: &Verdict) -> f32 {
        verdict.nearness.iter().copied().fold(0.0, f32::max)
    }

    fn nearest_first<'a>(&'a self, verdict: &'a Verdict, agent: usize) -> impl Iterator<Item = (usize, f32)> + 'a {
        let mut own: Vec<(usize, f32)> = verdict
            .nearness
            .iter()
            .copied()
            .enumerate()
            .filter(|(at, _)| self.known[*at].agent == agent)
            .collect();
        own.sort_by(|a, b| b.1.total_cmp(&a.1));
        own.into_iter()
    }

    fn keywords_in(&self, message: &str) -> Vec<Vec<String>> {
        let mut found = vec![Vec::new(); self.agents];
        for word in words(message) {
            for &agent in self.keywords.get(&stem(&word)).into_iter().flatten() {
                if !found[agent].contains(&word) {
                    found[agent].push(word.clone());
                }
            }
        }
        found
    }

    /// `left_out` is the example that is compared with all others.
    fn features(&self, nearness: &[f32], keywords: &[Vec<String>], left_out: Option<usize>) -> Vec<Features> {
        let mut best = vec![[f32::NEG_INFINITY; NEAREST]; self.agents];
        for (at, (known, &cosine)) in self.known.iter().zip(nearness).enumerate() {
            let best = &mut best[known.agent];
            if Some(at) == left_out || cosine <= best[NEAREST - 1] {
                continue;
            }
            // Keeps the nearest few in order, the nearest first.
            let place = best.iter().position(|other| cosine > *other).unwrap_or(NEAREST - 1);
            best[place..].rotate_right(1);
            best[place] = cosine;
        }
        let no_keyword = keywords.iter().all(Vec::is_empty);
        let mut features = Vec::with_capacity(self.agents);
        for (agent, (best, keywords)) in best.iter().zip(keywords).enumerate() {
            let sum: f32 = best.iter().map(|cosine| (cosine / SHARPNESS).exp()).sum();
            let nearness = SHARPNESS * (sum / NEAREST as f32).max(1.0).ln();
            // One keyword says half of what many say.
            let keywords = 1.0 - 0.5_f32.powi(i32::try_from(keywords.len()).unwrap_or(i32::MAX));
            let orchestrator = agent == 0;
            features.push([
                nearness,
                keywords,
                if orchestrator && no_keyword { 1.0 } else { 0.0 },
                if orchestrator { 1.0 } else { 0.0 },
            ]);
        }
        features
    }

    fn fit(&self) -> Weights {
        let samples: Vec<(Vec<Features>, usize)> = self
            .known
            .iter()
            .enumerate()
            .map(|(at, known)| {
                let nearness: Vec<f32> = self
                    .known
                    .iter()
                    .map(|other| cosine(&other.vector, &known.vector))
                    .collect();
                (
                    self.features(&nearness, &self.keywords_in(&known.text), Some(at)),
                    known.agent,
                )
            })
            .collect();
        let mut counts = vec![0.0_f32; self.agents];
        for (_, agent) in &samples {
            counts[*agent] += 1.0;
        }
        let mut weights = START;
        // Nearness moves in hundredths, the other features in whole numbers: each gets a step of its own size.
        const RATES: [f32; 4] = [40.0, 4.0, 4.0, 4.0];
        for _ in 0..FIT_STEPS {
            let mut gradient = [0.0_f32; 4];
            for (features, agent) in &samples {
                // Each agent counts the same, however many examples it has.
                let share = 1.0 / (counts[*agent] * self.agents as f32);
                let probabilities = weights.probabilities(features);
                for (candidate, (features, probability)) in features.iter().zip(&probabilities).enumerate() {
                    let error = probability - if candidate == *agent { 1.0 } else { 0.0 };
                    for (sum, feature) in gradient.iter_mut().zip(features) {
                        *sum += share * error * feature;
                    }
                }
            }
            for (at, weight) in weights.0.iter_mut().enumerate() {
                *weight -= RATES[at] * (gradient[at] + PULL * (*weight - START.0[at]) / RATES[at]);
            }
        }
        weights
    }
}

impl Weights {
    fn probabilities(&self, features: &[Features]) -> Vec<f32> {
        let score = |features: &Features| {
            features
                .iter()
                .zip(&self.0)
                .map(|(feature, weight)| feature * weight)
                .sum()
        };
        let scores: Vec<f32> = features.iter().map(score).collect();
        let highest = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let mut probabilities: Vec<f32> = scores.iter().map(|score| (score - highest).exp()).collect();
        let sum: f32 = probabilities.iter().sum();
        probabilities.iter_mut().for_each(|probability| *probability /= sum);
        probabilities
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
