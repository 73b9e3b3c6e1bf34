//! What routing's weights are fitted on: features of labelled messages, one JSON object to a line for `evaluation/fit_routing.py`.

use std::sync::Arc;

use orchestratai_agents::{
    Embedder,
    definition::Catalog,
    routing::{Features, KnowledgeEvidence, Router},
};
use serde::Serialize;

use crate::{Evaluation, UtteranceKind, routing::history};

/// How many examples each specialist of a new house has.
const EXAMPLES_OF_A_NEW_HOUSE: usize = 3;

/// One labelled message.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Sample {
    /// `case`, `question`, `example` or `new_house`.
    pub source: &'static str,
    /// The index of the agent that it is for, in the order of the catalog: the orchestrator is 0.
    pub agent: usize,
    /// By specialist.
    pub specialists: Vec<Vec<f32>>,
    /// Whether it is for a specialist at all.
    pub gate: Vec<f32>,
}

/// The samples of a part: its messages but for injections, which rules find; its questions, which are for the agent that reads the
/// document of the answer; and the agents' examples, each compared with all others.
#[must_use]
pub fn samples(router: &Router, catalog: &Catalog, cases: &Evaluation) -> Vec<Sample> {
    let mut samples = labelled(router, catalog, cases);
    for (agent, features) in router.example_features() {
        samples.push(sample("example", agent, &features));
    }
    samples
}

/// The samples of a house that has but a few examples, no keywords, and a part of the documents.
#[must_use]
pub fn samples_of_a_new_house(
    catalog: &Catalog,
    embedder: &Arc<Embedder>,
    evidence: &KnowledgeEvidence,
    cases: &Evaluation,
) -> Vec<Sample> {
    let router = Router::with_examples(catalog, Arc::clone(embedder), EXAMPLES_OF_A_NEW_HOUSE);
    router.learn(evidence);
    let mut samples = labelled(&router, catalog, cases);
    for sample in &mut samples {
        sample.source = "new_house";
    }
    samples
}

fn sample(source: &'static str, agent: usize, features: &Features) -> Sample {
    Sample {
        source,
        agent,
        specialists: features.specialists.iter().map(|of_one| of_one.to_vec()).collect(),
        gate: features.gate.to_vec(),
    }
}

fn labelled(router: &Router, catalog: &Catalog, cases: &Evaluation) -> Vec<Sample> {
    let agents = catalog.agents();
    let mut samples = Vec::new();
    let mut add = |source, agent: Option<usize>, features: Features| {
        samples.extend(agent.map(|agent| sample(source, agent, &features)));
    };
    for utterance in &cases.utterances {
        // Who should answer a message of several concerns is a question of its parts.
        if utterance.kind == UtteranceKind::Injection || utterance.agents.len() > 1 {
            continue;
        }
        let right = utterance.agents.first();
        let agent = agents.iter().position(|agent| Some(&agent.id) == right);
        let history = history(router, &utterance.after);
        add("case", agent, router.features(&utterance.message, &history));
    }
    for question in &cases.questions {
        let Some(gold) = question.gold.first() else { continue };
        let collection = gold.source.split('/').next().unwrap_or_default();
        let reads = |agent: &orchestratai_agents::definition::AgentDefinition| {
            agent.collections.iter().any(|name| name.as_str() == collection)
        };
        let history = history(router, &question.after);
        add(
            "question",
            agents.iter().position(reads),
            router.features(&question.question, &history),
        );
    }
    samples
}
