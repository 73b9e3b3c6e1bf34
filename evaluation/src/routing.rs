//! Whether the right agent is chosen, and whether confidence means something.

use std::{collections::BTreeMap, sync::Arc};

use orchestratai_agents::routing::{Case, Router};
use orchestratai_shared::{AgentId, Intent, Message, MessageId, MessageRole, SessionId, Timestamp};

use crate::{
    Utterance, UtteranceKind,
    calibration::{self, Judged},
};

/// A message with the decision that was made.
#[derive(Debug, Clone)]
pub struct Routed<'a> {
    /// The message.
    pub utterance: &'a Utterance,
    /// Who was chosen.
    pub agent: AgentId,
    /// What it was taken to want.
    pub intent: Intent,
    /// How sure that was, 0 to 1.
    pub confidence: f64,
    /// All who were considered, in their order.
    pub candidates: Vec<AgentId>,
    /// The specialists of its concerns, where several were found.
    pub concerns: Vec<AgentId>,
    /// What kind of direct answer it was to have, where the orchestrator was chosen.
    pub case: Option<Case>,
}

impl Routed<'_> {
    /// Whether the main concern's agent was chosen.
    #[must_use]
    pub fn is_right(&self) -> bool {
        self.utterance.agents.first() == Some(&self.agent)
    }

    /// Its confidence against whether it is right.
    #[must_use]
    pub fn judged(&self) -> Judged {
        Judged {
            confidence: self.confidence,
            is_right: self.is_right(),
        }
    }

    /// Whether the agents of all concerns, and nobody else, stand in front of the candidates.
    #[must_use]
    pub fn names_all(&self) -> bool {
        let wanted = &self.utterance.agents;
        let in_front = self.candidates.get(..wanted.len()).unwrap_or_default();
        wanted.iter().all(|agent| in_front.contains(agent))
            && (wanted.len() == 1 || self.concerns.len() == wanted.len())
    }
}

/// Routes each message after what its user said before. What was answered is not known; who answered is: whom the router chose.
#[must_use]
pub fn route<'a>(router: &Router, utterances: &'a [Utterance]) -> Vec<Routed<'a>> {
    let decide = |utterance: &'a Utterance| {
        let history = history(router, &utterance.after);
        let decision = router.route_after(&utterance.message, &history);
        Routed {
            utterance,
            agent: decision.agent,
            intent: decision.intent,
            confidence: decision.confidence.get(),
            candidates: decision
                .candidates
                .into_iter()
                .map(|candidate| candidate.agent)
                .collect(),
            concerns: decision.concerns.into_iter().map(|concern| concern.agent).collect(),
            case: router.case(&utterance.message, &history),
        }
    };
    utterances.iter().map(decide).collect()
}

/// A transcript of what the user said, each answered, in no words, by whom the router chooses.
#[must_use]
pub fn history(router: &Router, after: &[String]) -> Vec<Arc<Message>> {
    let session_id = SessionId::new();
    let mut history: Vec<Arc<Message>> = Vec::new();
    for said in after {
        let agent = router.route_after(said, &history).agent;
        let message = |role, content: &str, agent| {
            Arc::new(Message {
                id: MessageId::new(),
                role,
                content: content.to_owned(),
                agent,
                confidence: None,
                timestamp: Timestamp::now(),
                session_id,
            })
        };
        history.push(message(MessageRole::User, said, None));
        history.push(message(MessageRole::Assistant, "", Some(agent)));
    }
    history
}

/// The share of the messages whose intent was found, of those where the set says it. What wants to be something else is a question
/// about the assistant, as the orchestrator's file has it, whatever the set says.
#[must_use]
pub fn intent_accuracy(routed: &[Routed<'_>]) -> f64 {
    let wanted = |case: &Routed<'_>| match case.utterance.kind {
        UtteranceKind::Injection => Some(Intent::MetaQuestion),
        UtteranceKind::Plain
        | UtteranceKind::Typo
        | UtteranceKind::Several
        | UtteranceKind::Greeting
        | UtteranceKind::Greeted
        | UtteranceKind::Meta
        | UtteranceKind::Vague
        | UtteranceKind::OutOfScope
        | UtteranceKind::OtherLanguage
        | UtteranceKind::FollowUp => case.utterance.intent,
    };
    let labelled: Vec<bool> = routed
        .iter()
        .filter_map(|case| Some(wanted(case)? == case.intent))
        .collect();
    share(labelled.iter().filter(|is_right| **is_right).count(), labelled.len())
}

/// The share of the injections that were recognised as such.
#[must_use]
pub fn injections_recognised(routed: &[Routed<'_>]) -> f64 {
    let injections: Vec<&Routed<'_>> = routed
        .iter()
        .filter(|case| case.utterance.kind == UtteranceKind::Injection)
        .collect();
    let recognised = injections
        .iter()
        .filter(|case| case.case == Some(Case::Injection))
        .count();
    share(recognised, injections.len())
}

/// How often each agent was chosen where another, or the same, was right: by the right one, then by the chosen one.
#[must_use]
pub fn confusion(routed: &[Routed<'_>]) -> BTreeMap<AgentId, BTreeMap<AgentId, usize>> {
    let mut confusion: BTreeMap<AgentId, BTreeMap<AgentId, usize>> = BTreeMap::new();
    for case in routed {
        if let Some(right) = case.utterance.agents.first() {
            *confusion
                .entry(right.clone())
                .or_default()
                .entry(case.agent.clone())
                .or_default() += 1;
        }
    }
    confusion
}

/// The mean of the agents' F1: of one agent, the harmonic mean of its precision and its recall.
#[must_use]
pub fn macro_f1(routed: &[Routed<'_>]) -> f64 {
    let confusion = confusion(routed);
    let agents: Vec<&AgentId> = confusion.keys().collect();
    let count = |right: &AgentId, chosen: &AgentId| {
        let of_right = confusion.get(right).and_then(|chosen_of| chosen_of.get(chosen));
        of_right.copied().unwrap_or_default()
    };
    let f1 = |agent: &AgentId| {
        let hits = count(agent, agent);
        let right: usize = confusion[agent].values().sum();
        let chosen: usize = agents.iter().map(|other| count(other, agent)).sum();
        share(2 * hits, right + chosen)
    };
    let sum: f64 = agents.iter().map(|agent| f1(agent)).sum();
    #[expect(clippy::cast_precision_loss, reason = "there are a handful of agents")]
    let mean = sum / agents.len().max(1) as f64;
    mean
}

/// The share that is right among the surest `share_of_all` of the decisions.
#[must_use]
pub fn selective_accuracy(routed: &[Routed<'_>], share_of_all: f64) -> f64 {
    let mut surest: Vec<&Routed<'_>> = routed.iter().collect();
    surest.sort_by(|a, b| b.confidence.total_cmp(&a.confidence));
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a share of a small number"
    )]
    let kept = (routed.len() as f64 * share_of_all).round() as usize;
    surest.truncate(kept);
    share(surest.iter().filter(|case| case.is_right()).count(), surest.len())
}

/// How far confidence is from the share that is right; see [`calibration::calibration_error`].
#[must_use]
pub fn calibration_error(routed: &[Routed<'_>]) -> f64 {
    let judged: Vec<Judged> = routed.iter().map(Routed::judged).collect();
    calibration::calibration_error(&judged)
}

fn share(part: usize, whole: usize) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a set is small")]
    let share = part as f64 / whole.max(1) as f64;
    share
}
