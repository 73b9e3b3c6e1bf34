//! What routing's weights are fitted on: features of labelled messages, one JSON object to a line for `evaluation/fit_routing.py` and
//! `evaluation/fit_injections.py`.

use std::{path::Path, sync::Arc};

use orchestratai_agents::{
    StaticEmbedder,
    definition::Catalog,
    routing::{Case, Features, KnowledgeEvidence, Router},
};
use serde::{Deserialize, Serialize};

use crate::{Evaluation, SetError, UtteranceKind, routing::history, set::lines};

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
    embedder: &Arc<StaticEmbedder>,
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

/// A message that is an attempt to change the assistant's rules, or an honest one that may look like it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Suspicion {
    /// Whether it is an attempt.
    pub attempt: bool,
    /// What it has in common with others.
    pub family: String,
    /// What is said.
    pub message: String,
}

/// One of them with what the detector sees.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct InjectionSample {
    /// Whether it is an attempt.
    pub attempt: bool,
    /// Its family: `develop` for the cases of the part to develop on, `example` for what the agents' files have.
    pub family: String,
    /// What is said.
    pub message: String,
    /// Whether a phrase or a pattern finds it before the detector is asked.
    pub is_listed: bool,
    /// Names of the features.
    pub names: Vec<String>,
    /// By name.
    pub features: Vec<f32>,
    /// Its embedding.
    pub meaning: Vec<f32>,
}

/// The samples of the detector of attempts: the messages of a file that were written for it, what the agents' files have as examples,
/// and the cases, of which those that are attempts are for judging alone.
///
/// # Errors
/// [`SetError`] where the file is missing or a line is no message.
pub fn injection_samples(
    router: &Router,
    catalog: &Catalog,
    cases: &Evaluation,
    file: &Path,
) -> Result<Vec<InjectionSample>, SetError> {
    let suspicion = |attempt: bool, family: &str, message: &str| Suspicion {
        attempt,
        family: family.into(),
        message: message.into(),
    };
    let mut all: Vec<Suspicion> = lines(file)?;
    for example in catalog.agents().iter().flat_map(|agent| &agent.examples) {
        all.push(suspicion(
            example.case == Some(Case::Injection),
            "example",
            &example.text,
        ));
    }
    for utterance in &cases.utterances {
        let is_attempt = utterance.kind == UtteranceKind::Injection;
        all.push(suspicion(is_attempt, "develop", &utterance.message));
    }
    let questions = cases.questions.iter().map(|question| &question.question);
    let asked_again = cases.pairs.iter().flat_map(|pair| [&pair.first, &pair.second]);
    all.extend(
        questions
            .chain(asked_again)
            .map(|asked| suspicion(false, "develop", asked)),
    );
    let samples = all.into_iter().map(|suspicion| {
        let seen = router.injection_features(&suspicion.message);
        let (names, features) = seen.named.into_iter().unzip();
        InjectionSample {
            attempt: suspicion.attempt,
            family: suspicion.family,
            message: suspicion.message,
            is_listed: seen.is_listed,
            names,
            features,
            meaning: seen.meaning,
        }
    });
    Ok(samples.collect())
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
