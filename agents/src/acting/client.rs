//! The tools that a client has of its own. An agent's model is offered them beside the agent's tools; where it wants some called, the turn
//! ends with these calls, the client makes them, and another turn goes on with what came back.
//!
//! What came back is what others wrote, as the results of the agent's own tools are, and is told and screened like these.

use std::collections::HashSet;

use orchestratai_shared::{AnsweredCall, ClientTool, ClientTools, ContextMessage, Event, MessageRole};

use super::{
    colleague::ASK,
    doer::BuiltIn,
    hand_off::HAND_OFF,
    record::{self, Entry},
    search::SEARCH_KNOWLEDGE,
};
use crate::language::{ChatMessage, ToolCall, ToolOffer};

/// Whether no client's tool can have a name: what is built in is told apart by it.
#[must_use]
pub fn is_reserved(name: &str) -> bool {
    name == HAND_OFF || BuiltIn::is_reserved(name)
}

/// How the model is offered a client's tools. One that is called as what the agent has itself is not offered: the agent's own stands.
pub(super) fn offers(tools: &ClientTools, own: impl Fn(&str) -> bool) -> Vec<ToolOffer> {
    let offer = |tool: &ClientTool| ToolOffer {
        name: tool.name.clone(),
        description: tool.description.clone(),
        parameters: tool.parameters.clone(),
    };
    let tools = tools.tools.iter();
    tools
        .filter(|tool| !is_reserved(&tool.name) && !own(&tool.name))
        .map(offer)
        .collect()
}

/// What was said and called, as a model has to be told of it; what is blank and has called nothing is left out.
pub(crate) fn told(conversation: &[ContextMessage]) -> Vec<ChatMessage> {
    let mut messages = Vec::with_capacity(conversation.len());
    for said in conversation {
        if said.is_blank() && said.calls.is_empty() {
            continue;
        }
        match said.role {
            MessageRole::User => messages.push(ChatMessage::User(said.content.clone())),
            MessageRole::Assistant => messages.push(ChatMessage::Assistant {
                text: said.content.clone(),
                calls: said.calls.iter().map(call).collect(),
            }),
        }
        messages.extend(said.calls.iter().map(|call| ChatMessage::ToolResult {
            call_id: call.call_id.clone(),
            tool: call.tool.clone(),
            content: call.result.clone(),
            is_error: call.failed,
        }));
    }
    messages
}

fn call(made: &AnsweredCall) -> ToolCall {
    ToolCall {
        id: made.call_id.clone(),
        name: made.tool.clone(),
        arguments: made.arguments.clone(),
        signature: made.signature.clone(),
    }
}

/// What an agent has called by itself in a turn that ended with calls of a client's tools, round by round, each with its number: who goes on
/// has to know, lest it do that once more. What only looks up is left out: that is looked up again, and its sources have the numbers of
/// their turn.
#[must_use]
pub fn called_by_itself(events: &[std::sync::Arc<Event>]) -> Vec<(u32, Vec<(u32, AnsweredCall)>)> {
    let looks_up = |name: &str| name.starts_with(ASK) || name == SEARCH_KNOWLEDGE || name == HAND_OFF;
    let entries = record::read(events, None, None);
    let made: Vec<&Entry> = (entries.iter())
        .filter(|entry| entry.result.is_some() && !looks_up(&entry.call.name))
        .collect();
    let answered = |entry: &&Entry| {
        let result = entry.result.as_ref()?;
        let call = AnsweredCall {
            call_id: entry.call.id.clone(),
            tool: entry.call.name.clone(),
            arguments: entry.call.arguments.clone(),
            result: result.content.clone(),
            failed: result.is_error,
            signature: entry.call.signature.clone(),
        };
        Some((entry.place, call))
    };
    let rounds = made.chunk_by(|a, b| a.round == b.round);
    let of_round = |round: &[&Entry]| Some((round.first()?.round, round.iter().filter_map(answered).collect()));
    rounds.filter_map(of_round).collect()
}

/// The names of calls in a conversation.
pub(super) fn ids(conversation: &[ContextMessage]) -> HashSet<String> {
    let calls = conversation.iter().flat_map(|said| &said.calls);
    calls.map(|call| call.call_id.clone()).collect()
}
