//! What is on record of a turn's calls, read back.

use std::sync::Arc;

use orchestratai_shared::{
    AgentId, Event, EventBody,
    command::Decision,
    event::{ToolCall as CallEvent, ToolCallStatus},
};
use serde_json::Value;

use super::{
    colleague::{ASK, Answered},
    escalation::{self, ESCALATE},
    remembering::{FORGET_FACT, Noted, REMEMBER_FACT},
    search::SEARCH_KNOWLEDGE,
    sources::{Found, Source},
};
use crate::{language::ToolCall, turn::ApprovalWanted};

/// One call and how far it has come.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Entry {
    pub(super) round: u32,
    /// Its place in that round, from 0.
    pub(super) place: u32,
    /// As the model wants it; with what a person has put in place of it, once they have.
    pub(super) call: ToolCall,
    /// What a person, or the time limit, has decided, and why.
    pub(super) decided: Option<(Decision, Option<String>)>,
    pub(super) station: Station,
    /// What a person has to decide before it can go on.
    pub(super) asks: Vec<ApprovalWanted>,
    /// Why it cannot be made, whatever its tool is: what the model is told. On record it is the result.
    pub(super) refused: Option<String>,
    pub(super) result: Option<CallResult>,
}

/// How far a call without a result has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Station {
    /// The model wants it.
    Wanted,
    /// It is on record as begun, and is about to be made.
    Begun,
    /// It is being made.
    UnderWay,
    /// The agent that was asked waits for a person to decide on [`Entry::asks`].
    Waiting,
    /// It had begun when the turn was cut off: nobody knows whether it was made.
    CutOff,
}

/// What the model is told of a call.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct CallResult {
    pub(super) content: String,
    pub(super) is_error: bool,
    /// The sources that it has found.
    pub(super) sources: Vec<Source>,
    /// Whether an answer can stand on it without a number behind it.
    pub(super) carries: bool,
}

impl Station {
    /// Whether it takes up room among the calls that are made at once.
    pub(super) fn is_open(self) -> bool {
        match self {
            Self::Begun | Self::UnderWay => true,
            Self::Wanted | Self::CutOff | Self::Waiting => false,
        }
    }
}

impl Entry {
    pub(super) fn new(round: u32, place: u32, call: ToolCall) -> Self {
        Self {
            round,
            place,
            call,
            decided: None,
            station: Station::Wanted,
            asks: Vec::new(),
            refused: None,
            result: None,
        }
    }
}

/// The calls on record, in the order in which they were wanted; those of `agent` alone, where one is given, and of those that were made
/// because another agent was asked, those alone that were made `within` that call.
pub(super) fn read(past: &[Arc<Event>], agent: Option<&AgentId>, within: Option<&str>) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    // Which request for approval is of which call.
    let mut asked = Vec::new();
    let is_own = |by: Option<&AgentId>| agent.is_none_or(|agent| by == Some(agent));
    for event in past {
        match &event.body {
            EventBody::ToolCall(event) if is_own(event.agent.as_ref()) && event.within.as_deref() == within => {
                let entry = entry(
                    &mut entries,
                    (event.round, event.place),
                    &event.call_id,
                    &event.tool,
                    event.signature.as_ref(),
                );
                entry.call.arguments = event.arguments.clone();
                match event.status {
                    ToolCallStatus::Started => entry.station = Station::CutOff,
                    ToolCallStatus::Succeeded | ToolCallStatus::Failed => {
                        entry.result = Some(result(event));
                    }
                }
            }
            EventBody::ApprovalRequested(request) if is_own(request.agent.as_ref()) && within.is_none() => {
                let Some(call_id) = &request.call_id else { continue };
                let entry = entry(
                    &mut entries,
                    (request.round, request.place),
                    call_id,
                    &request.tool,
                    request.signature.as_ref(),
                );
                entry.call.arguments = request.arguments.clone();
                asked.push((request.approval_id, call_id.as_str()));
            }
            EventBody::ApprovalResolved(resolved) => {
                let of = asked.iter().find(|(id, _)| *id == resolved.approval_id);
                let entry = of.and_then(|(_, call_id)| entries.iter_mut().find(|entry| entry.call.id == *call_id));
                let Some(entry) = entry else { continue };
                if let Some(arguments) = &resolved.arguments {
                    entry.call.arguments = arguments.clone();
                }
                entry.decided = Some((resolved.decision, resolved.reason.clone()));
            }
            EventBody::ToolCall(_)
            | EventBody::ApprovalRequested(_)
            | EventBody::MessageAccepted(_)
            | EventBody::RetrievalLog(_)
            | EventBody::AgentStatus(_)
            | EventBody::Handoff(_)
            | EventBody::MessageCompleted(_)
            | EventBody::TurnFailed(_)
            | EventBody::TurnCancelled(_) => {}
        }
    }
    // Whoever had to wait for a person is on record behind those that had not.
    entries.sort_by_key(|entry| (entry.round, entry.place));
    entries
}

/// The numbers of the sources that these calls have found.
pub(super) fn numbers(entries: &[Entry]) -> impl Iterator<Item = u32> + '_ {
    let results = entries.iter().filter_map(|entry| entry.result.as_ref());
    results.flat_map(|result| result.sources.iter().map(|source| source.number))
}

fn entry<'a>(
    entries: &'a mut Vec<Entry>,
    (round, place): (Option<u32>, Option<u32>),
    call_id: &str,
    tool: &str,
    signature: Option<&String>,
) -> &'a mut Entry {
    let at = entries.iter().position(|entry| entry.call.id == call_id);
    let at = at.unwrap_or_else(|| {
        let call = ToolCall {
            id: call_id.to_owned(),
            name: tool.to_owned(),
            arguments: Value::Null,
            signature: signature.cloned(),
        };
        // Each for itself, where nobody has said what was called together.
        let round = round.unwrap_or_else(|| entries.last().map_or(1, |last| last.round + 1));
        // In the order of the record, where nobody has said in which they were wanted.
        let behind = entries.last().filter(|last| last.round == round);
        let place = place.unwrap_or_else(|| behind.map_or(0, |last| last.place.saturating_add(1)));
        entries.push(Entry::new(round, place, call));
        entries.len() - 1
    });
    &mut entries[at]
}

/// What the model was told of a call that has ended.
fn result(event: &CallEvent) -> CallResult {
    let on_record = event.result.as_ref();
    if event.status == ToolCallStatus::Failed {
        return CallResult::failed(content(on_record));
    }
    if event.tool == SEARCH_KNOWLEDGE {
        return Found::on_record(on_record).into();
    }
    if event.tool == ESCALATE {
        return CallResult::asked_for();
    }
    if [REMEMBER_FACT, FORGET_FACT].contains(&event.tool.as_str())
        && let Some(noted) = Noted::on_record(on_record)
    {
        return noted.into();
    }
    if event.tool.starts_with(ASK)
        && let Some(answered) = Answered::on_record(on_record)
    {
        return answered.into();
    }
    CallResult::given(content(on_record))
}

fn content(result: Option<&Value>) -> String {
    match result {
        None => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(data) => data.to_string(),
    }
}

impl CallResult {
    /// What a tool gave back.
    pub(super) fn given(content: String) -> Self {
        Self {
            content,
            is_error: false,
            sources: Vec::new(),
            carries: true,
        }
    }

    /// Why there is nothing.
    pub(super) fn failed(words: String) -> Self {
        Self {
            is_error: true,
            carries: false,
            ..Self::given(words)
        }
    }

    /// That a person was asked for, which answers nothing.
    pub(super) fn asked_for() -> Self {
        Self {
            carries: false,
            ..Self::given(escalation::ASKED.into())
        }
    }
}

impl From<Found> for CallResult {
    /// What stands in a source is cited or is not said.
    fn from(found: Found) -> Self {
        Self {
            content: found.told(),
            is_error: false,
            sources: found.sources,
            carries: false,
        }
    }
}

impl From<Noted> for CallResult {
    /// That something is kept answers nothing.
    fn from(noted: Noted) -> Self {
        Self {
            carries: false,
            ..Self::given(noted.told())
        }
    }
}

impl From<Answered> for CallResult {
    fn from(answered: Answered) -> Self {
        Self {
            content: answered.told(),
            is_error: false,
            carries: answered.is_answer(),
            sources: answered.sources,
        }
    }
}
