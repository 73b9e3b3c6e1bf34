//! What is counted of requests for approval: which wait, and for how long each has waited.

use super::*;
use crate::session::core::outcome_of;

impl Session {
    /// Counts what waits in a session that was started from its journal.
    pub(super) fn count_open_approvals(&mut self) {
        let open = self.core.open_turn_events().flat_map(|(_, events)| events);
        let events: Vec<Arc<Event>> = open.map(|recorded| Arc::clone(&recorded.event)).collect();
        for event in events {
            if let EventBody::ApprovalResolved(resolved) = &event.body {
                // It was counted by whoever had the session then.
                self.approvals.remove(&resolved.approval_id);
            } else {
                self.count_approval(&event);
            }
        }
    }

    /// Counts a request, or what has become of it.
    pub(super) fn count_approval(&mut self, event: &Event) {
        match &event.body {
            EventBody::ApprovalRequested(request) => {
                let waits = self.shard.metrics.approval_waits();
                self.approvals.insert(request.approval_id, (event.at, waits));
            }
            EventBody::ApprovalResolved(resolved) => {
                let Some((since, _waited)) = self.approvals.remove(&resolved.approval_id) else {
                    return;
                };
                let waited = Duration::from_millis(event.at.millis_since(since));
                self.shard.metrics.approval_ended(outcome_of(resolved), waited);
            }
            EventBody::MessageAccepted(_)
            | EventBody::RetrievalLog(_)
            | EventBody::AgentStatus(_)
            | EventBody::Handoff(_)
            | EventBody::ToolCall(_)
            | EventBody::MessageCompleted(_)
            | EventBody::TurnFailed(_)
            | EventBody::TurnCancelled(_) => {}
        }
    }
}
