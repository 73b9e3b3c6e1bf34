//! Asking a person whether a turn may go beyond a budget.
//!
//! It is asked for as a tool is that wants approval: the request and the decision are on record, and the turn is begun anew with both. So the
//! question outlives a restart, and no budget is asked for twice in a turn. Nothing is held meanwhile.

use std::{sync::Arc, time::Duration};

use orchestratai_shared::{Event, EventBody, command::Decision};
use serde_json::json;

use super::Amount;
use crate::{
    tool::ApprovalRule,
    turn::{ApprovalWanted, Pause},
};

/// What stands in the place of a tool where a person is asked.
pub const EXCEED_BUDGET: &str = "exceed_budget";

/// What a person is to decide on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BudgetQuestion {
    /// The budget's name.
    pub budget: String,
    /// Why they are asked; for people.
    pub reason: String,
    /// The most tokens that the request can take.
    pub tokens: u64,
    /// The most that they can cost, in billionths of USD, where their price is known.
    pub usd_nanos: Option<u64>,
    /// How long they may take.
    pub within: Duration,
}

impl BudgetQuestion {
    /// The turn waits for the answer.
    pub(crate) fn pause(self) -> Pause {
        let mut arguments = json!({"budget": self.budget, "tokensAtMost": self.tokens});
        if let Some(usd_nanos) = self.usd_nanos {
            arguments["usdAtMost"] = json!(Amount { tokens: 0, usd_nanos }.usd());
        }
        Pause::Approval(vec![ApprovalWanted {
            // The model has not called anything.
            call_id: None,
            round: None,
            place: None,
            signature: None,
            tool: EXCEED_BUDGET.into(),
            arguments,
            rule: ApprovalRule {
                reason: self.reason,
                within: self.within,
                otherwise_approved: false,
            },
        }])
    }
}

/// What was decided on budgets in a turn, by their names.
pub(crate) fn decisions(past: &[Arc<Event>]) -> Vec<(Arc<str>, Decision)> {
    let (mut asked, mut decided) = (Vec::new(), Vec::new());
    for event in past {
        match &event.body {
            EventBody::ApprovalRequested(request) if request.tool == EXCEED_BUDGET && request.call_id.is_none() => {
                let budget = request.arguments.get("budget").and_then(|name| name.as_str());
                asked.extend(budget.map(|name| (request.approval_id, Arc::<str>::from(name))));
            }
            // For what was asked, whatever a person has put in the place of the arguments.
            EventBody::ApprovalResolved(resolved) => {
                let of = asked.iter().find(|(id, _)| *id == resolved.approval_id);
                decided.extend(of.map(|(_, budget)| (Arc::clone(budget), resolved.decision)));
            }
            EventBody::ApprovalRequested(_)
            | EventBody::ToolCall(_)
            | EventBody::MessageAccepted(_)
            | EventBody::RetrievalLog(_)
            | EventBody::AgentStatus(_)
            | EventBody::Handoff(_)
            | EventBody::MessageCompleted(_)
            | EventBody::TurnFailed(_)
            | EventBody::TurnCancelled(_) => {}
        }
    }
    decided
}
