//! Answers without retrieval: greetings, questions about the assistant, and messages that no specialist is for.

use std::sync::Arc;

use async_trait::async_trait;
use orchestratai_shared::{CacheStatus, Confidence, Intent};

use super::{Means, voice::Voice};
use crate::{
    definition::{AgentDefinition, Catalog, DirectTexts},
    routing::{Case, Router},
    turn::{AgentError, Answer, Responder, Steps, TurnRequest, Usage, UsageMeter},
};

/// Answers from the texts of an agent's definition.
pub(super) struct Direct {
    texts: DirectTexts,
    router: Arc<Router>,
}

impl Direct {
    pub(super) fn new(agent: &AgentDefinition, means: &Means) -> Self {
        Self {
            texts: texts(agent, &means.catalog),
            router: Arc::clone(&means.router),
        }
    }
}

#[async_trait]
impl Responder for Direct {
    async fn answer(&self, request: &TurnRequest, steps: &Steps, _meter: &UsageMeter) -> Result<Answer, AgentError> {
        let mut voice = Voice::new(steps);
        // A question that a specialist is for comes here only where that specialist failed.
        let (text, confidence) = match self.router.case(request.message.as_str(), &request.history) {
            // A model has decided that it is for nobody.
            None if request.intent == Intent::SimpleChat => (self.texts.text(Case::Vague), confidence(Case::Vague)),
            None => (self.texts.unavailable.as_str(), 0.0),
            Some(case) => (self.texts.text(case), confidence(case)),
        };
        say(&mut voice, text, confidence).await
    }
}

/// The agent's texts with the specialists filled in; those of the orchestrator where it has none of its own.
pub(super) fn texts(agent: &AgentDefinition, catalog: &Catalog) -> DirectTexts {
    let texts = agent.direct.as_ref().or(catalog.orchestrator().direct.as_ref());
    let texts = texts.expect("an agent that answers directly has texts: its file was checked");
    let names: Vec<&str> = catalog.specialists().map(|agent| agent.name.as_str()).collect();
    let names = match names.as_slice() {
        [] => "the specialists".to_owned(),
        [one] => (*one).to_owned(),
        [others @ .., last] => format!("{} and {last}", others.join(", ")),
    };
    let agents: Vec<String> = catalog
        .specialists()
        .map(|agent| format!("- {}: {}", agent.name, agent.purpose))
        .collect();
    let agents = agents.join("\n");
    let fill = |text: &String| text.replace("{agents}", &agents).replace("{names}", &names);
    DirectTexts {
        greeting: fill(&texts.greeting),
        thanks: fill(&texts.thanks),
        farewell: fill(&texts.farewell),
        about: fill(&texts.about),
        person: fill(&texts.person),
        vague: fill(&texts.vague),
        out_of_scope: fill(&texts.out_of_scope),
        injection: fill(&texts.injection),
        unavailable: fill(&texts.unavailable),
    }
}

/// Says a text, paragraph by paragraph.
pub(super) async fn say(voice: &mut Voice<'_>, text: &str, confidence: f64) -> Result<Answer, AgentError> {
    for piece in text.trim().split_inclusive("\n\n") {
        voice.say(piece.to_owned()).await?;
    }
    Ok(Answer {
        confidence: Confidence::new(confidence),
        citations: Vec::new(),
        usage: Usage::default(),
        cache_status: CacheStatus::None,
        incomplete: None,
    })
}

/// How sure it is that the text is what was wanted; below 0.5 where it is no answer to the message.
fn confidence(case: Case) -> f64 {
    match case {
        Case::Greeting | Case::Thanks | Case::Farewell | Case::About | Case::Injection => 0.95,
        Case::Person => 0.6,
        Case::Vague | Case::OutOfScope => 0.3,
    }
}
