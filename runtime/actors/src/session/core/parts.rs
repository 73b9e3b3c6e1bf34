//! A turn that several agents answer together: what is recorded of their parts.

use std::fmt::Write as _;

use super::*;

/// The title of a decision's routing step, and its reasoning, which says who answers what.
pub(super) fn routed(decision: &RoutingDecision) -> (String, String) {
    let mut reasoning = decision.reasoning.clone();
    let Some((last, others)) = decision.concerns.split_last().filter(|(_, others)| !others.is_empty()) else {
        return (format!("Routed to {}", decision.agent), reasoning);
    };
    for concern in &decision.concerns {
        let _ = write!(reasoning, " “{}” is for {}.", concern.text, concern.agent);
    }
    let names: Vec<&str> = others.iter().map(|concern| concern.agent.as_str()).collect();
    (format!("Routed to {} and {}", names.join(", "), last.agent), reasoning)
}

impl SessionCore {
    /// An agent begins, and with it those of the other parts; the first is the one whose turn it is.
    pub(super) fn record_active(&mut self, at: usize, agent: &AgentId, ctx: &mut Context<'_>) {
        self.record_status(at, agent.clone(), AgentStatus::Active, ctx);
        let concerns = self.turns[at].concerns.iter().take(PARTS_MAX);
        let others: Vec<AgentId> = concerns.map(|concern| concern.agent.clone()).collect();
        for other in others.into_iter().filter(|other| other != agent) {
            self.record_status(at, other, AgentStatus::Active, ctx);
        }
    }

    /// One of several agents is done with its part. That it has no answer is no fallback: the other parts stand.
    pub(super) fn record_part_ended(
        &mut self,
        at: usize,
        part: usize,
        outcome: Result<(), Failure>,
        ctx: &mut Context<'_>,
    ) {
        let Some(agent) = self.turns[at].agent_of_part(part).cloned() else {
            return;
        };
        let Err(failure) = outcome else {
            return self.record_status(at, agent, AgentStatus::Complete, ctx);
        };
        let analysis = QueryAnalysis {
            intent: self.turns[at].intent,
            confidence: Confidence::new(0.0),
            target_agent: agent.clone(),
            reasoning: format!(
                "{agent} could not answer its part of the message ({}).",
                failure.message
            ),
            attempt: None,
        };
        let title = format!("No answer from {agent}");
        let data = LogData::Routing(analysis);
        self.record_log(at, Some(agent.clone()), title, LogStatus::Warning, data, ctx);
        self.record_status(at, agent, AgentStatus::Idle, ctx);
    }
}
