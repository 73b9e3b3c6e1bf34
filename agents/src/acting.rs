//! An agent that acts: what it may call in a turn, what it has called, and what happens next.
//!
//! A call goes through these stations, each on record before the next: wanted by the model; where its tool asks for that, put to a
//! person and decided; started; ended with a result. Where the turn is cut off between two of them, or waits for a decision, it is
//! begun anew with what is on record ([`TurnRequest::past`]): calls that have ended are told to the model as if it had just made them,
//! and one that has begun is made again only where that leaves nothing twice ([`Effect`]). So no call is lost, and none is made twice.
//!
//! The calls of a turn are made one after the other, in the order in which the model wants them.

mod record;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use orchestratai_shared::{
    AgentId, EventBody,
    command::Decision,
    event::{ToolCall as CallEvent, ToolCallStatus},
};
use serde_json::{Value, json};

use self::record::{CallResult, Entry, Station};
use crate::{
    definition::AgentDefinition,
    language::{ChatMessage, ToolCall, ToolOffer},
    tool::{Effect, Invocation, Tool, ToolError},
    tool_box::Taken,
    turn::{ApprovalWanted, Pause, TurnRequest},
};

/// How often a model may call tools in a turn. The next time it is told that it may not, and after that it is not asked again.
const ROUNDS_MAX: u32 = 8;
/// How many calls of one round are made; the model is told that the others were too many.
const CALLS_OF_A_ROUND_MAX: usize = 16;
/// Characters of the reason for a hand-off.
const REASON_CHARACTERS_MAX: usize = 500;
/// The built-in tool by which an agent gives the turn to another.
pub const HAND_OFF: &str = "hand_off";

/// What an agent may do in one turn, and what it has done.
pub struct Acting {
    tools: Vec<Arc<dyn Tool>>,
    /// Whom it may hand the turn to, with what each is for.
    others: Vec<(AgentId, String)>,
    agent: AgentId,
    request: TurnRequest,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    entries: Vec<Entry>,
    /// What the model has said beside the calls of a round.
    said: HashMap<u32, String>,
}

/// What happens next.
pub(crate) enum Next {
    /// This is to be recorded, and then asked for again.
    Record(Box<CallEvent>),
    /// This call is on record as begun, and is to be made.
    Make(Call),
    /// The turn pauses.
    Pause(Pause),
}

/// A call that is to be made.
pub(crate) struct Call {
    tool: Arc<dyn Tool>,
    round: u32,
    call: ToolCall,
}

impl Acting {
    /// What `agent` may do in the turn of `request`; `None` where that is nothing, and nothing is on record.
    #[must_use]
    pub fn new(
        agent: &AgentDefinition,
        purpose_of: impl Fn(&AgentId) -> String,
        taken: Taken,
        request: &TurnRequest,
    ) -> Option<Self> {
        let can_pause = request.part.is_none();
        let has_had_it = |id: &AgentId| {
            request.past.iter().any(
                |event| matches!(&event.body, EventBody::Handoff(handoff) if handoff.from == *id || handoff.to == *id),
            )
        };
        let entries = record::read(&request.past, request.part.as_ref().map(|_| &agent.id));
        let acting = Self {
            tools: (taken.tools.into_iter())
                .filter(|tool| can_pause || tool.approval().is_none())
                .collect(),
            others: (agent.hand_offs.iter())
                .filter(|id| can_pause && !has_had_it(id))
                .map(|id| (id.clone(), purpose_of(id)))
                .collect(),
            agent: agent.id.clone(),
            request: request.clone(),
            state: Mutex::new(State {
                entries,
                said: HashMap::new(),
            }),
        };
        let has_any = !acting.tools.is_empty() || !acting.others.is_empty() || !acting.state().entries.is_empty();
        has_any.then_some(acting)
    }

    /// What the model is offered.
    pub(crate) fn offers(&self) -> Vec<ToolOffer> {
        let tools = self.tools.iter().map(|tool| tool.offer().clone());
        let hand_off = (!self.others.is_empty()).then(|| self.hand_off_offer());
        tools.chain(hand_off).collect()
    }

    /// The calls that have ended, as the model has to be told of them, oldest first.
    pub(crate) fn messages(&self) -> Vec<ChatMessage> {
        let state = self.state();
        let mut messages = Vec::new();
        let ended: Vec<&Entry> = (state.entries.iter()).filter(|entry| entry.result.is_some()).collect();
        for round in ended.chunk_by(|a, b| a.round == b.round) {
            messages.push(ChatMessage::Assistant {
                text: round
                    .first()
                    .and_then(|entry| state.said.get(&entry.round))
                    .cloned()
                    .unwrap_or_default(),
                calls: round.iter().map(|entry| entry.call.clone()).collect(),
            });
            for entry in round {
                let Some(result) = &entry.result else { continue };
                messages.push(ChatMessage::ToolResult {
                    call_id: entry.call.id.clone(),
                    tool: entry.call.name.clone(),
                    content: result.content.clone(),
                    is_error: result.is_error,
                });
            }
        }
        messages
    }

    /// Whether a call has given something back.
    pub(crate) fn has_result(&self) -> bool {
        let state = self.state();
        let mut results = state.entries.iter().filter_map(|entry| entry.result.as_ref());
        results.any(|result| !result.is_error)
    }

    /// Whether anything was called.
    pub(crate) fn has_acted(&self) -> bool {
        !self.state().entries.is_empty()
    }

    /// Whether the model is asked again after calls.
    pub(crate) fn may_go_on(&self) -> bool {
        self.round() <= ROUNDS_MAX
    }

    /// Takes in what the model wants called, and what it has said before that.
    pub(crate) fn want(&self, said: &str, calls: Vec<ToolCall>) {
        let round = self.round() + 1;
        let mut state = self.state();
        if !said.is_empty() {
            state.said.insert(round, said.to_owned());
        }
        for (place, mut call) in calls.into_iter().enumerate() {
            // Some providers count their calls anew in each answer, and on record each has a name of its own.
            if state.entries.iter().any(|entry| entry.call.id == call.id) {
                call.id = format!("{}-{round}-{place}", call.id);
            }
            let mut entry = Entry::new(round, call);
            if round > ROUNDS_MAX {
                entry.result = Some(failed("No more calls can be made. Answer with what there is.".into()));
            } else if place >= CALLS_OF_A_ROUND_MAX {
                entry.result = Some(failed(format!(
                    "At most {CALLS_OF_A_ROUND_MAX} calls can be made at once. This one was not made."
                )));
            }
            state.entries.push(entry);
        }
    }

    /// What happens next; `None` where nothing is left to do and the model is to be asked again.
    pub(crate) fn next(&self) -> Option<Next> {
        let entry = (self.state().entries.iter())
            .find(|entry| entry.result.is_none())?
            .clone();
        if entry.call.name == HAND_OFF && !self.others.is_empty() {
            return Some(match self.hand_off(&entry.call.arguments) {
                Ok(pause) => Next::Pause(pause),
                Err(words) => self.settled(&entry, words),
            });
        }
        let tool = self.tools.iter().find(|tool| tool.offer().name == entry.call.name);
        let Some(tool) = tool.cloned() else {
            return Some(self.settled(&entry, "There is no such tool.".into()));
        };
        match entry.station {
            Station::Wanted => {}
            Station::CutOff if tool.effect() == Effect::Every => {
                let words = "It was cut off while this was being done. Whether it was done is not known, and it was not done again.";
                return Some(self.settled(&entry, words.into()));
            }
            Station::Begun | Station::CutOff => {
                return Some(Next::Make(Call {
                    tool,
                    round: entry.round,
                    call: entry.call,
                }));
            }
        }
        if let Err(error) = tool.check(&entry.call.arguments) {
            return Some(self.settled(&entry, format!("Not called: {error}.")));
        }
        match (tool.approval(), &entry.decided) {
            (Some(rule), None) => Some(Next::Pause(Pause::Approval(Box::new(ApprovalWanted {
                call_id: entry.call.id.clone(),
                round: entry.round,
                signature: entry.call.signature.clone(),
                tool: entry.call.name.clone(),
                arguments: entry.call.arguments.clone(),
                rule: rule.clone(),
            })))),
            (_, Some((Decision::Rejected, reason))) => {
                let reason = reason
                    .as_deref()
                    .map(|reason| format!(": {reason}"))
                    .unwrap_or_default();
                Some(self.settled(&entry, format!("This was not approved{reason}. It was not done.")))
            }
            (None, _) | (Some(_), Some((Decision::Approved, _))) => {
                self.note(&entry.call.id, |entry| entry.station = Station::Begun);
                Some(Next::Record(Box::new(self.event(&entry, ToolCallStatus::Started))))
            }
        }
    }

    /// Makes a call. Gives what is to be recorded of it.
    pub(crate) async fn make_call(&self, call: Call) -> Box<CallEvent> {
        let begun = Instant::now();
        let invocation = Invocation {
            call_id: &call.call.id,
            arguments: &call.call.arguments,
            session_id: self.request.session_id,
            turn_id: self.request.turn_id,
            organization: &self.request.organization,
        };
        let outcome = call.tool.call(&invocation).await;
        let (result, data) = match outcome {
            Ok(output) => {
                let data = output
                    .structured
                    .unwrap_or_else(|| Value::String(output.content.clone()));
                let result = CallResult {
                    content: output.content,
                    is_error: false,
                };
                (result, data)
            }
            Err(error) => {
                let result = failed(words(&error));
                let data = Value::String(result.content.clone());
                (result, data)
            }
        };
        let status = if result.is_error {
            ToolCallStatus::Failed
        } else {
            ToolCallStatus::Succeeded
        };
        let entry = Entry::new(call.round, call.call);
        self.note(&entry.call.id, |entry| entry.result = Some(result));
        Box::new(CallEvent {
            duration_ms: Some(u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX)),
            result: Some(data),
            ..self.event(&entry, status)
        })
    }

    /// A call that ends without having been made.
    fn settled(&self, entry: &Entry, words: String) -> Next {
        let event = CallEvent {
            result: Some(Value::String(words.clone())),
            ..self.event(entry, ToolCallStatus::Failed)
        };
        self.note(&entry.call.id, |entry| entry.result = Some(failed(words)));
        Next::Record(Box::new(event))
    }

    fn event(&self, entry: &Entry, status: ToolCallStatus) -> CallEvent {
        CallEvent {
            call_id: entry.call.id.clone(),
            tool: entry.call.name.clone(),
            arguments: entry.call.arguments.clone(),
            status,
            duration_ms: None,
            result: None,
            agent: Some(self.agent.clone()),
            round: Some(entry.round),
            signature: entry.call.signature.clone(),
        }
    }

    fn hand_off_offer(&self) -> ToolOffer {
        let ids: Vec<&str> = self.others.iter().map(|(id, _)| id.as_str()).collect();
        let purposes: Vec<String> = (self.others.iter())
            .map(|(id, purpose)| format!("{id}: {purpose}"))
            .collect();
        ToolOffer {
            name: HAND_OFF.into(),
            description: format!(
                "Lets another agent answer in your place, where the question is its concern and not yours. {}",
                purposes.join("; ")
            ),
            parameters: json!({
                "type": "object",
                "properties": {
                    "to": {"type": "string", "enum": ids, "description": "Which agent."},
                    "reason": {"type": "string", "description": "Why, and what the other should know. The user sees it."},
                },
                "required": ["to", "reason"],
                "additionalProperties": false,
            }),
        }
    }

    fn hand_off(&self, arguments: &Value) -> Result<Pause, String> {
        let text = |key: &str| arguments.get(key).and_then(Value::as_str);
        let to = text("to").and_then(|to| self.others.iter().find(|(id, _)| id.as_str() == to));
        match (to, text("reason")) {
            (Some((to, _)), Some(reason)) => Ok(Pause::HandOff {
                to: to.clone(),
                reason: reason.chars().take(REASON_CHARACTERS_MAX).collect(),
            }),
            (None, _) => Err("Not handed off: `to` must be one of the agents named.".into()),
            (Some(_), None) => Err("Not handed off: `reason` must be a text.".into()),
        }
    }

    fn round(&self) -> u32 {
        self.state().entries.last().map_or(0, |last| last.round)
    }

    fn note(&self, call_id: &str, change: impl FnOnce(&mut Entry)) {
        if let Some(entry) = (self.state().entries.iter_mut()).find(|entry| entry.call.id == call_id) {
            change(entry);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it is held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn failed(words: String) -> CallResult {
    CallResult {
        content: words,
        is_error: true,
    }
}

fn words(error: &ToolError) -> String {
    match error {
        ToolError::TimedOut(_) => format!("Stopped: {error}. It may have been done all the same."),
        ToolError::Arguments(_) | ToolError::Failed(_) | ToolError::Unavailable(_) => format!("Failed: {error}."),
    }
}

#[cfg(test)]
mod tests;
