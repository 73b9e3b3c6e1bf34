//! Gives each agent a calibrated probability for a message.
//!
//! Two questions are asked. *Is it for a specialist at all?* is a logistic regression over how near the message is to examples of
//! the orchestrator, to those of specialists and to the knowledge base. *For which one?* is a multinomial logistic regression
//! over features of each specialist, with weights that all of them share: whoever is added later needs no fitting. See
//! [`super::weights`] for where the weights come from.

use std::sync::Arc;

use super::{
    evidence::{Evidence, Finding, KnowledgeEvidence},
    message::{Word, words},
    spelling::Spelling,
    utterances::{Likeness, Utterances},
    weights::{self, GATE_FEATURES, GateFeatures, SpecialistFeature, SpecialistFeatures},
};
use crate::{
    definition::Catalog,
    embedder::{QuantisedVector, StaticEmbedder},
};

/// What was learnt from examples and knowledge base.
#[derive(Debug)]
pub(super) struct Classifier {
    pub(super) utterances: Arc<Utterances>,
    pub(super) evidence: Evidence,
    spelling: Spelling,
    agents: usize,
}

/// What the classifier says about one message.
#[derive(Debug)]
pub(super) struct Verdict {
    /// The words of the message, with those that were misspelt put right.
    pub(super) said: Vec<Word>,
    /// Probabilities by index of the agent; they add up to 1. The orchestrator is agent 0.
    pub(super) probabilities: Vec<f32>,
    /// By specialist, the first is agent 1.
    pub(super) features: Vec<SpecialistFeatures>,
    pub(super) gate: GateFeatures,
    pub(super) likeness: Likeness,
    pub(super) finding: Finding,
}

/// What the conversation says about a message that leans on it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Prior {
    /// The specialist who answered last.
    pub(super) agent: usize,
}

impl Classifier {
    pub(super) fn new(
        utterances: Arc<Utterances>,
        evidence: &KnowledgeEvidence,
        catalog: &Catalog,
        embedder: &StaticEmbedder,
    ) -> Self {
        let mut spelling = Spelling::default();
        utterances.texts().for_each(|text| spelling.add(text));
        let agents = catalog.agents();
        agents
            .iter()
            .flat_map(|agent| &agent.keywords)
            .for_each(|keyword| spelling.add(keyword));
        for passage in evidence.collections.iter().flat_map(|collection| &collection.passages) {
            spelling.add(&passage.heading);
            spelling.add(&passage.text);
        }
        Self {
            utterances,
            evidence: Evidence::new(evidence, catalog, embedder),
            spelling,
            agents: agents.len(),
        }
    }

    /// Judges one message. `left_out` is an example that is not compared with.
    pub(super) fn judge(
        &self,
        message: &str,
        embedder: &StaticEmbedder,
        prior: Option<Prior>,
        left_out: Option<usize>,
    ) -> Verdict {
        let text = self.spelling.corrected(message, embedder);
        let vector = QuantisedVector::new(&embedder.embed(&text));
        let said = words(&text);
        let likeness = self.utterances.compare(&said, &vector, left_out);
        let finding = self.evidence.find(&text, &vector);
        let features = self.specialist_features(&likeness, &finding);
        let gate = self.gate_features(&text, &said, &likeness, &finding, &features, embedder);
        let probabilities = weights::probabilities(&features, &gate, prior.map(|prior| prior.agent - 1));
        Verdict {
            said,
            probabilities,
            features,
            gate,
            likeness,
            finding,
        }
    }

    fn specialist_features(&self, likeness: &Likeness, finding: &Finding) -> Vec<SpecialistFeatures> {
        use SpecialistFeature as F;
        let specialists = 1..self.agents;
        let mut features: Vec<SpecialistFeatures> = Vec::with_capacity(self.agents);
        for agent in specialists.clone() {
            // One keyword says half of what many say.
            let keywords = 1.0 - 0.5_f32.powi(i32::try_from(likeness.keywords[agent].len()).unwrap_or(i32::MAX));
            let mut of_agent = [0.0; F::COUNT];
            of_agent[F::Passage as usize] = finding.passage[agent];
            of_agent[F::Heading as usize] = finding.heading[agent];
            of_agent[F::Bm25 as usize] = finding.bm25[agent];
            of_agent[F::Words as usize] = finding.log_odds[agent];
            of_agent[F::ExampleWords as usize] = likeness.log_odds[agent];
            of_agent[F::Keywords as usize] = keywords;
            of_agent[F::Meaning as usize] = likeness.meaning[agent];
            of_agent[F::Letters as usize] = likeness.letters[agent];
            features.push(of_agent);
        }
        // Who has no examples, or reads nothing, is taken for an average one: what is not known speaks for nobody.
        let mut fill = |of: &[F], has: &dyn Fn(usize) -> bool| {
            let known: Vec<usize> = specialists.clone().filter(|agent| has(*agent)).collect();
            for feature in of {
                let at = *feature as usize;
                let sum: f32 = known.iter().map(|agent| features[agent - 1][at]).sum();
                let mean = sum / known.len().max(1) as f32;
                for agent in specialists.clone().filter(|agent| !has(*agent)) {
                    features[agent - 1][at] = mean;
                }
            }
        };
        fill(&[F::Passage, F::Heading, F::Bm25, F::Words], &|agent| {
            self.evidence.is_read_by(agent)
        });
        fill(&[F::ExampleWords, F::Meaning, F::Letters], &|agent| {
            self.utterances.has_examples(agent)
        });
        features
    }

    fn gate_features(
        &self,
        message: &str,
        said: &[Word],
        likeness: &Likeness,
        finding: &Finding,
        features: &[SpecialistFeatures],
        embedder: &StaticEmbedder,
    ) -> GateFeatures {
        use SpecialistFeature as F;
        let best = |feature: F| {
            let values = features.iter().map(|of_agent| of_agent[feature as usize]);
            values.fold(f32::NEG_INFINITY, f32::max).max(-10.0)
        };
        let addresses_us = said
            .iter()
            .any(|word| matches!(word.as_str(), "you" | "your" | "we" | "our" | "us"));
        let knows = !self.evidence.is_empty() && self.understands(said, embedder);
        let or_typical = |value: f32, typical: f32| if knows { value } else { typical };
        // That a message is near none of few examples says little.
        let (examples, keywords) = self.utterances.richness();
        let drawn = |value: f32, typical: f32, richness: f32| value.max(typical + richness * (value - typical));
        let values: [f32; GATE_FEATURES] = [
            likeness.own_meaning,
            drawn(best(F::Meaning), weights::TYPICAL_MEANING, examples),
            likeness.letters[0],
            drawn(best(F::Letters), weights::TYPICAL_LETTERS, examples),
            or_typical(best(F::Passage), weights::TYPICAL_PASSAGE),
            or_typical(best(F::Heading), weights::TYPICAL_HEADING),
            or_typical(best(F::Bm25), weights::TYPICAL_BM25),
            drawn(best(F::Keywords), weights::TYPICAL_KEYWORDS, keywords),
            or_typical(finding.coverage, weights::TYPICAL_COVERAGE),
            1.0 / (1 + finding.words) as f32,
            examples * (likeness.log_odds[0] - best(F::ExampleWords)),
            if knows { self.strange_names(message) } else { 0.0 },
            f32::from(u8::from(addresses_us)),
            or_typical(finding.known_words, weights::TYPICAL_KNOWN_WORDS),
            (1.0 + said.len() as f32).ln(),
            f32::from(u8::from(finding.words == 0)),
            likeness.out_of_scope,
            // What is out of scope elsewhere is not so where the documents speak of it.
            likeness.out_of_scope * or_typical(best(F::Bm25), weights::TYPICAL_BM25),
        ];
        values
    }

    /// Whether at least half of the words are ones that the knowledge base or the embedder has: else the message is in another
    /// language, and that it is far from the documents says nothing.
    fn understands(&self, words: &[Word], embedder: &StaticEmbedder) -> bool {
        let understood = |word: &&Word| {
            word.chars().any(char::is_numeric) || embedder.has_word(word) || self.evidence.has_word(word)
        };
        2 * words.iter().filter(understood).count() >= words.len()
    }

    /// Names in the middle of a sentence that the knowledge base does not have; two at most.
    fn strange_names(&self, text: &str) -> f32 {
        let tokens = text.split(|c: char| !c.is_alphabetic()).filter(|word| !word.is_empty());
        let names = tokens.skip(1).filter(|word| {
            word.chars().next().is_some_and(char::is_uppercase) && word.len() > 1 && !self.evidence.has_word(word)
        });
        names.take(2).count() as f32
    }
}
