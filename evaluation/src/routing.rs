//! Whether the right agent is chosen, and whether confidence means something.

use std::collections::BTreeMap;

use orchestratai_agents::routing::Router;
use orchestratai_shared::{AgentId, Intent};

use crate::{
    Utterance,
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
}

/// Routes each message by itself.
#[must_use]
pub fn route<'a>(router: &Router, utterances: &'a [Utterance]) -> Vec<Routed<'a>> {
    let decide = |utterance: &'a Utterance| {
        let decision = router.route(&utterance.message);
        Routed {
            utterance,
            agent: decision.agent,
            intent: decision.intent,
            confidence: decision.confidence.get(),
        }
    };
    utterances.iter().map(decide).collect()
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
