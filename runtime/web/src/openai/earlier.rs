//! What agents have done by themselves in turns that ended with calls of the client's tools. The client knows nothing of that; who goes on has to.
//!
//! The name of each such call says which turn has ended with it, so that nothing is kept for this but the journal.

use std::{collections::BTreeMap, sync::Arc};

use orchestratai_actors::{Gateway, TurnRecord};
use orchestratai_agents::acting;
use orchestratai_shared::{
    AgentId, AnsweredCall, ClientCall, ContextMessage, Event, EventBody, MessageRole, TurnId, UserMessage,
};

use super::conversation::within_room;
use crate::error::ApiError;

/// The same message with what agents have called by themselves before they asked for what the client has called. Where it is for whoever
/// answers, it is for the agent that has asked for the last of these calls: another one would know nothing of what they were for.
///
/// # Errors
/// Where the journal cannot be read: without it something might be done twice.
pub(super) async fn remembered(gateway: &Gateway, said: UserMessage) -> Result<UserMessage, ApiError> {
    let turn_of = |said: &ContextMessage| ClientCall::turn_of(&said.calls.first()?.call_id);
    let turns: Vec<Option<TurnId>> = said.called.iter().map(turn_of).collect();
    if turns.iter().flatten().next().is_none() {
        return Ok(said);
    }
    // All of them, which the number of calls behind a message bounds: what is forgotten might be done twice.
    let mut called = Vec::with_capacity(said.called.len());
    let mut caller = None;
    for (message, turn) in said.called.iter().zip(turns) {
        let record = match turn {
            Some(turn) => record_of(gateway, turn).await?,
            None => None,
        };
        match record.and_then(|record| joined(message, &record)) {
            Some(Joined { agent, messages }) => {
                called.extend(messages);
                caller = agent;
            }
            None => called.push(message.clone()),
        }
    }
    Ok(within_room(UserMessage {
        called: called.into(),
        addressee: said.addressee.or(caller),
        ..said
    }))
}

/// A turn that has ended; one that has not is none that a client has heard the end of.
async fn record_of(gateway: &Gateway, turn: TurnId) -> Result<Option<TurnRecord>, ApiError> {
    match gateway.find_turn(turn).await? {
        Some(row) if row.ended_seq.is_some() => Ok(gateway.turn_record(turn).await?),
        Some(_) | None => Ok(None),
    }
}

/// A message of the client with what its turn has on record.
struct Joined {
    /// The agent that has wanted its calls.
    agent: Option<AgentId>,
    /// Round by round, the last of which is that of the client's calls.
    messages: Vec<ContextMessage>,
}

/// Joins a message of the client with what its turn has on record. `None` where any of its calls is none that the turn has ended with: who
/// knows the name of a turn is not told what it has done.
fn joined(message: &ContextMessage, record: &TurnRecord) -> Option<Joined> {
    let events: Vec<Arc<Event>> = (record.events.iter().map(|recorded| Arc::clone(&recorded.event))).collect();
    let completed = events.iter().find_map(|event| match &event.body {
        EventBody::MessageCompleted(completed) => Some(completed),
        EventBody::MessageAccepted(_)
        | EventBody::RetrievalLog(_)
        | EventBody::AgentStatus(_)
        | EventBody::Handoff(_)
        | EventBody::ToolCall(_)
        | EventBody::ApprovalRequested(_)
        | EventBody::ApprovalResolved(_)
        | EventBody::TurnFailed(_)
        | EventBody::TurnCancelled(_) => None,
    });
    let wanted = completed?.calls.as_slice();
    let last = wanted.first()?.round;
    let is_wanted = |call: &AnsweredCall| {
        let mut same = wanted.iter().filter(|known| known.call_id == call.call_id);
        same.any(|known| known.tool == call.tool)
    };
    if !message.calls.iter().all(is_wanted) {
        return None;
    }
    let mut rounds: BTreeMap<u32, Vec<(u32, AnsweredCall)>> = acting::called_by_itself(&events).into_iter().collect();
    let mut of_last = rounds.remove(&last).unwrap_or_default();
    for call in &message.calls {
        let known = wanted.iter().find(|known| known.call_id == call.call_id);
        let call = AnsweredCall {
            signature: known.and_then(|known| known.signature.clone()),
            ..call.clone()
        };
        of_last.push((known.map_or(u32::MAX, |known| known.place), call));
    }
    of_last.sort_by_key(|(place, _)| *place);
    let said = |content: &str, calls: Vec<(u32, AnsweredCall)>| ContextMessage {
        calls: calls.into_iter().map(|(_, call)| call).collect(),
        ..ContextMessage::new(MessageRole::Assistant, content)
    };
    let before = rounds.into_iter().filter(|(round, _)| *round < last);
    let before = before.map(|(_, calls)| said("", calls));
    Some(Joined {
        agent: completed?.message.agent.clone(),
        messages: before.chain([said(&message.content, of_last)]).collect(),
    })
}
