//! The turns that an agent has had, over all sessions.

use orchestratai_shared::{
    AgentId, AgentStatus, AgentTurn, Event, EventBody, SessionId, Timestamp, TurnId, TurnOutcome,
    event::{MessageAccepted, TurnCancelled, TurnFailed},
};
use sea_orm::{
    ColumnTrait, Condition, DatabaseTransaction, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
    entity::prelude::TextUuid,
};

use crate::{
    Page, Store, StoreError,
    entity::{turn, unsigned},
    events,
};

/// Turns without an answer that one call looks into, to see whose they were.
const LOOKED_INTO_MAX: usize = 500;
/// Turns that are read by one statement.
const TURNS_AT_ONCE: u64 = 128;

impl Store {
    /// The last `limit` turns of an organization that this agent has had and that have ended, or the last before `before`, in the order
    /// in which they were accepted. Of a turn that several agents answered, it is the agent of its first concern.
    ///
    /// Whose a turn was that has no answer stands in its events alone: where there are many of those, of other agents, a page may
    /// have fewer turns, and say that there are more.
    ///
    /// # Errors
    /// [`StoreError::UnknownCursor`] where there is no turn `before`; else where the database cannot be read.
    pub async fn turns_of_agent(
        &self,
        organization: &str,
        agent: &AgentId,
        limit: usize,
        before: Option<TurnId>,
    ) -> Result<Page<AgentTurn>, StoreError> {
        self.settle_all().await?;
        let reader = self.read().await?;
        let of_organization = turn::Column::OrganizationId.eq(organization);
        if let Some(before) = before {
            turn::Entity::find_by_id(TextUuid(before.0))
                .filter(of_organization.clone())
                .one(&reader)
                .await?
                .ok_or(StoreError::UnknownCursor)?;
        }
        let mut before = before.map(|before| TextUuid(before.0));
        // Newest first, one more than asked for.
        let mut items = Vec::new();
        let mut looked_into = 0;
        let has_more = 'turns: loop {
            let may_be_of_agent = Condition::any()
                .add(turn::Column::Agent.eq(agent.as_str()))
                .add(turn::Column::Agent.is_null());
            let mut select = turn::Entity::find()
                .filter(of_organization.clone())
                .filter(turn::Column::EndedSeq.is_not_null())
                .filter(may_be_of_agent);
            if let Some(before) = before {
                select = select.filter(turn::Column::Id.lt(before));
            }
            let rows = select
                .order_by_desc(turn::Column::Id)
                .limit(TURNS_AT_ONCE)
                .all(&reader)
                .await?;
            let is_last = (rows.len() as u64) < TURNS_AT_ONCE;
            before = rows.last().map(|row| row.id).or(before);
            for row in rows {
                if row.agent.is_none() {
                    looked_into += 1;
                    if looked_into > LOOKED_INTO_MAX {
                        break 'turns true;
                    }
                }
                items.extend(read(&reader, row, agent).await?);
                if items.len() > limit {
                    items.truncate(limit);
                    break 'turns true;
                }
            }
            if is_last {
                break false;
            }
        };
        reader.commit().await?;
        items.reverse();
        Ok(Page { items, has_more })
    }
}

/// The turn as the history of `agent` shows it; none where it was another's.
async fn read(
    reader: &DatabaseTransaction,
    row: turn::Model,
    agent: &AgentId,
) -> Result<Option<AgentTurn>, StoreError> {
    let (id, session_id) = (TurnId(row.id.0), SessionId(row.session_id.0));
    let Some(ended_seq) = row.ended_seq.map(unsigned) else {
        return Ok(None);
    };
    let mut events = events::range_without_logs(reader, session_id, unsigned(row.accepted_seq), ended_seq).await?;
    events.retain(|event| event.turn_id == Some(id));
    let is_of_agent = row.agent.is_some() || last_active(&events).as_ref() == Some(agent);
    let (Some(first), Some(last)) = (events.first(), events.last()) else {
        return Ok(None);
    };
    let EventBody::MessageAccepted(accepted) = &first.body else {
        return Ok(None);
    };
    Ok(is_of_agent.then(|| shown(id, session_id, accepted, last)))
}

/// Who worked at a turn last.
fn last_active(events: &[Event]) -> Option<AgentId> {
    let active = events.iter().rev().find_map(|event| match &event.body {
        EventBody::AgentStatus(changed) if changed.status == AgentStatus::Active => Some(&changed.agent),
        EventBody::AgentStatus(_)
        | EventBody::MessageAccepted(_)
        | EventBody::RetrievalLog(_)
        | EventBody::Handoff(_)
        | EventBody::ToolCall(_)
        | EventBody::ApprovalRequested(_)
        | EventBody::ApprovalResolved(_)
        | EventBody::MessageCompleted(_)
        | EventBody::TurnFailed(_)
        | EventBody::TurnCancelled(_) => None,
    });
    // Before anybody does, the turn is with the orchestrator.
    Some(active.cloned().unwrap_or_else(AgentId::orchestrator))
}

fn shown(id: TurnId, session_id: SessionId, accepted: &MessageAccepted, end: &Event) -> AgentTurn {
    let started_at: Timestamp = accepted.message.timestamp;
    let turn = AgentTurn {
        turn_id: id,
        session_id,
        question: accepted.message.content.clone(),
        outcome: TurnOutcome::Failed,
        confidence: None,
        latency_ms: end.at.millis_since(started_at),
        tokens_used: 0,
        cost: None,
        cache_status: None,
        started_at,
        error: None,
    };
    match &end.body {
        EventBody::MessageCompleted(completed) => AgentTurn {
            outcome: TurnOutcome::Completed,
            confidence: completed.message.confidence,
            tokens_used: completed.metrics.tokens_used,
            cost: Some(completed.metrics.cost),
            cache_status: Some(completed.metrics.cache_status),
            ..turn
        },
        EventBody::TurnCancelled(TurnCancelled { tokens_billed, .. }) => AgentTurn {
            outcome: TurnOutcome::Cancelled,
            tokens_used: *tokens_billed,
            ..turn
        },
        EventBody::TurnFailed(TurnFailed { error }) => AgentTurn {
            error: Some(error.clone()),
            ..turn
        },
        EventBody::MessageAccepted(_)
        | EventBody::RetrievalLog(_)
        | EventBody::AgentStatus(_)
        | EventBody::Handoff(_)
        | EventBody::ToolCall(_)
        | EventBody::ApprovalRequested(_)
        | EventBody::ApprovalResolved(_) => turn,
    }
}
