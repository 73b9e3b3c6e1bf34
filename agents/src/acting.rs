//! An agent that acts: what it may call in a turn, what it has called, and what happens next.
//!
//! A call goes through these stations, each on record before the next: wanted by the model; where its tool asks for that, put to a
//! person and decided; started; ended with a result. Where the turn is cut off between two of them, or waits for a decision, it is
//! begun anew with what is on record ([`TurnRequest::past`]): calls that have ended are told to the model as if it had just made them,
//! and one that has begun is made again only where that leaves nothing twice ([`Effect`]). So no call is lost, and none is made twice.
//!
//! What the model wants at once is done at once, a few calls at a time, each on record before it is made. What has to wait for a person,
//! or gives the turn away, comes last: so nothing is under way when a turn pauses. The model is told of all in the order in which it
//! wanted them.
//!
//! Calls of tools that the client has of its own come behind all that: the turn ends with them. Where it pauses or is cut off before, they
//! are on no record, and the model asks for them again if it still wants them.

mod client;
mod colleague;
mod doer;
mod escalation;
mod hand_off;
mod making;
mod record;
mod remembering;
mod search;
mod sources;
mod unreadable;

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use orchestratai_shared::{
    AgentId, ClientCall, EventBody,
    command::Decision,
    event::{ToolCall as CallEvent, ToolCallStatus},
};
use serde_json::Value;
use sha2::{Digest, Sha256};

pub(crate) use self::{
    client::told,
    making::{GIVEN_MAX, Made, Surroundings},
    remembering::Remembering,
    sources::{Source, neutral, write_source},
    unreadable::within_levels,
};
pub use self::{
    client::{called_by_itself, is_reserved},
    colleague::Colleague,
    doer::BuiltIn,
    escalation::ESCALATE,
    hand_off::HAND_OFF,
    remembering::{FORGET_FACT, REMEMBER_FACT},
    search::{KnowledgeSearch, SEARCH_KNOWLEDGE},
};
use self::{
    doer::Doer,
    making::Call,
    record::{CallResult, Entry, Station},
};
use crate::{
    definition::AgentDefinition,
    knowledge::hex,
    language::{ChatMessage, ToolCall, ToolOffer},
    tool::Effect,
    tool_box::Taken,
    turn::{ApprovalWanted, Pause, TurnRequest},
};

/// How often a model may call tools in a turn. The next time it is told that it may not, and after that it is not asked again.
const ROUNDS_MAX: u32 = 8;
/// How often an agent may that another one has asked.
const ROUNDS_OF_COLLEAGUES_MAX: u32 = 4;
/// How many calls of one round are made; the model is told that the others were too many.
const CALLS_OF_A_ROUND_MAX: usize = 16;
/// How many tools a model is offered at once: providers refuse a request with more.
pub(crate) const OFFERS_MAX: usize = 128;
/// How many calls are under way at once.
const UNDER_WAY_MAX: usize = 4;

/// What an agent may do in one turn, and what it has done.
pub struct Acting {
    doers: Vec<Doer>,
    /// Whom it may hand the turn to, with what each is for.
    others: Vec<(AgentId, String)>,
    /// What the client has of its own.
    client: Vec<ToolOffer>,
    /// The names of its tools that the model is not offered, since they are too many.
    left_out: Vec<String>,
    /// What was called in turns before this one that have ended so, as the model has to be told of it.
    before: Vec<ChatMessage>,
    agent: AgentId,
    /// The call by which it was asked, where another agent has asked it.
    within: Option<String>,
    request: TurnRequest,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    entries: Vec<Entry>,
    /// What the model has said beside the calls of a round.
    said: HashMap<u32, String>,
    /// The highest number that a source has which a call has found; 0 where none has.
    numbers_max: u32,
    /// How many sources were on record at the start.
    numbers_on_record: usize,
}

/// What the model is told of a call that may have had an effect.
const CUT_OFF: &str =
    "It was cut off while this was being done. Whether it was done is not known, and it was not done again.";

/// What happens next.
pub(crate) enum Next {
    /// These are to be recorded, and then it is asked again.
    Record(Vec<CallEvent>),
    /// These are on record as begun, and are to be made beside what is under way.
    Make(Vec<Call>),
    /// What is under way is to be waited for.
    Wait,
    /// The turn pauses.
    Pause(Pause),
}

/// What is due of a call that has not ended.
enum Due {
    /// It ends without being made, with these words.
    Settle(String),
    /// It is recorded as begun, as soon as there is room.
    Begin,
    /// It is made, as soon as there is room.
    Make(Doer),
    /// It is under way.
    Wait,
    /// It waits for somebody else, once all others have ended.
    Pause(Pause),
    /// It is the client's, once all others have ended.
    Client,
}

impl Acting {
    /// What `agent` may do in the turn of `request`: search by `search`, keep and forget by `remembering`, ask `colleagues`; `None` where that
    /// is nothing, and nothing is on record.
    #[must_use]
    pub(crate) fn new(
        agent: &AgentDefinition,
        purpose_of: impl Fn(&AgentId) -> String,
        taken: Taken,
        search: Option<KnowledgeSearch>,
        remembering: Option<Remembering>,
        colleagues: Vec<Colleague>,
        request: &TurnRequest,
    ) -> Option<Self> {
        let can_pause = request.part.is_none();
        let has_had_it = |id: &AgentId| {
            request.past.iter().any(
                |event| matches!(&event.body, EventBody::Handoff(handoff) if handoff.from == *id || handoff.to == *id),
            )
        };
        let asker = request.part.as_ref().and_then(|part| part.asker.as_ref());
        let within = asker.map(|asker| asker.call_id.clone());
        let of_agent = request.part.as_ref().map(|_| &agent.id);
        let entries = record::read(&request.past, of_agent, within.as_deref());
        let tools = (taken.tools.into_iter()).filter(|tool| can_pause || tool.approval().is_none());
        let tools: Vec<Doer> = tools.map(Doer::Tool).collect();
        let tools_count = tools.len();
        let search = search.map(|search| Doer::Search(Arc::new(search)));
        let escalation = (taken.built_in.contains(&BuiltIn::Escalate)).then(|| Doer::Escalation(escalation::offer()));
        let remembering = remembering.map(Arc::new);
        let remember = (remembering.clone()).filter(|_| taken.built_in.contains(&BuiltIn::RememberFact));
        let forget = remembering.filter(|_| taken.built_in.contains(&BuiltIn::ForgetFact));
        let colleagues = colleagues
            .into_iter()
            .map(|colleague| Doer::Colleague(Arc::new(colleague)));
        let mut doers: Vec<Doer> = (tools.into_iter())
            .chain(search)
            .chain(escalation)
            .chain(remember.map(Doer::Remember))
            .chain(forget.map(Doer::Forget))
            .chain(colleagues)
            .collect();
        let is_own = |name: &str| doers.iter().any(|doer| doer.offer().name == name);
        let from_client = request.client.tools.as_ref().filter(|_| can_pause);
        let mut client = from_client.map_or_else(Vec::new, |tools| client::offers(tools, is_own));
        // Where a client's tool has to be called, nothing else may be.
        let is_open = !from_client.is_some_and(|tools| tools.must_call) || client.is_empty();
        let others: Vec<(AgentId, String)> = (agent.hand_offs.iter())
            .filter(|id| is_open && can_pause && !has_had_it(id))
            .map(|id| (id.clone(), purpose_of(id)))
            .collect();
        let built_in = doers.len() - tools_count + usize::from(!others.is_empty());
        if is_open {
            client.truncate(OFFERS_MAX.saturating_sub(built_in));
        }
        let room = OFFERS_MAX.saturating_sub(built_in + client.len()).min(tools_count);
        let left_out = doers.drain(room..tools_count).map(|doer| doer.offer().name.clone());
        let left_out: Vec<String> = left_out.filter(|_| is_open).collect();
        let acting = Self {
            doers: if is_open { doers } else { Vec::new() },
            others,
            client,
            left_out,
            before: told(&request.client.called),
            agent: agent.id.clone(),
            within,
            request: request.clone(),
            state: Mutex::new(State {
                numbers_max: record::numbers(&entries).max().unwrap_or(0),
                numbers_on_record: record::numbers(&entries).count(),
                entries,
                said: HashMap::new(),
            }),
        };
        let can_call = !acting.doers.is_empty() || !acting.others.is_empty() || !acting.client.is_empty();
        let has_called = !acting.before.is_empty() || !acting.state().entries.is_empty();
        (can_call || has_called).then_some(acting)
    }

    /// What the model is offered.
    pub(crate) fn offers(&self) -> Vec<ToolOffer> {
        let doers = self.doers.iter().map(|doer| doer.offer().clone());
        let hand_off = (!self.others.is_empty()).then(|| hand_off::offer(&self.others));
        doers.chain(hand_off).chain(self.client.iter().cloned()).collect()
    }

    /// The names of its tools that the model is not offered, since they are too many; the last by name.
    pub(crate) fn left_out(&self) -> &[String] {
        &self.left_out
    }

    /// Whether the model has to call something: what the client has said.
    pub(crate) fn must_call(&self) -> bool {
        let tools = self.request.client.tools.as_ref();
        !self.client.is_empty() && tools.is_some_and(|tools| tools.must_call)
    }

    /// Whether the model may call no more than one thing at once: what the client has said.
    pub(crate) fn calls_one_at_once(&self) -> bool {
        let tools = self.request.client.tools.as_ref();
        !self.client.is_empty() && tools.is_some_and(|tools| tools.one_at_once)
    }

    /// Whether a call is of a tool of the client.
    pub(crate) fn is_of_client(&self, call: &ToolCall) -> bool {
        self.client.iter().any(|offer| offer.name == call.name)
    }

    /// The names of the client's tools that the model is not offered, since the agent has others that are called so, or they are too many.
    pub(crate) fn not_offered(&self) -> Vec<&str> {
        let tools = self.request.client.tools.iter().flat_map(|tools| &tools.tools);
        let is_offered = |name: &str| self.client.iter().any(|offer| offer.name == name);
        let names = tools.map(|tool| tool.name.as_str());
        names.filter(|name| !is_offered(name)).collect()
    }

    /// The calls that have ended, as the model has to be told of them, oldest first.
    pub(crate) fn messages(&self) -> Vec<ChatMessage> {
        let state = self.state();
        let mut messages = self.before.clone();
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

    /// Whether a call has given something back that an answer can stand on without a number behind it.
    pub(crate) fn has_result(&self) -> bool {
        let gave = |message: &ChatMessage| match message {
            ChatMessage::ToolResult { content, is_error, .. } => !is_error && !content.trim().is_empty(),
            ChatMessage::Instruction(_) | ChatMessage::User(_) | ChatMessage::Assistant { .. } => false,
        };
        let state = self.state();
        let mut results = state.entries.iter().filter_map(|entry| entry.result.as_ref());
        results.any(|result| result.carries) || self.before.iter().any(gave)
    }

    /// The sources that were found by calls.
    pub(crate) fn sources(&self) -> Vec<Source> {
        let state = self.state();
        let results = state.entries.iter().filter_map(|entry| entry.result.as_ref());
        results.flat_map(|result| result.sources.iter().cloned()).collect()
    }

    /// How many sources it can be given: the numbers from there on belong to what calls have found.
    pub(crate) fn given_max(&self) -> Option<usize> {
        let first = self.sources().iter().map(|source| source.number).min()?;
        usize::try_from(first).ok()?.checked_sub(1)
    }

    /// Whether sources are on record of a run that was cut off, and this one has found nothing yet.
    pub(crate) fn goes_on(&self) -> bool {
        let state = self.state();
        let found = record::numbers(&state.entries).count();
        found > 0 && found == state.numbers_on_record
    }

    /// Whether anything was called, or a client's tool might have been.
    pub(crate) fn has_acted(&self) -> bool {
        self.request.client.has_any() || !self.state().entries.is_empty()
    }

    /// Whether the model is asked again after calls.
    pub(crate) fn may_go_on(&self) -> bool {
        self.round() <= self.rounds_max()
    }

    fn rounds_max(&self) -> u32 {
        match self.within {
            None => ROUNDS_MAX,
            Some(_) => ROUNDS_OF_COLLEAGUES_MAX,
        }
    }

    /// Takes in what the model wants called, and what it has said before that.
    pub(crate) fn want(&self, said: &str, calls: Vec<ToolCall>) {
        let round = self.round() + 1;
        let before: HashSet<String> = client::ids(&self.request.client.called);
        let mut state = self.state();
        if !said.is_empty() {
            state.said.insert(round, said.to_owned());
        }
        for (place, mut call) in calls.into_iter().enumerate() {
            // Some providers count their calls anew in each answer, or do not name them, and on record each has a name of its own.
            if let Some(within) = &self.within {
                call.id = nested_id(within, &call.id, round, place);
            } else if self.request.part.is_some() || call.id.is_empty() {
                call.id = nested_id(self.agent.as_str(), &call.id, round, place);
            } else if before.contains(&call.id) || state.entries.iter().any(|entry| entry.call.id == call.id) {
                call.id = format!("{}-{round}-{place}", call.id);
            }
            let is_of_client = self.is_of_client(&call);
            // A client gets the arguments as they were written, and says itself what it makes of them.
            let refused = match is_of_client {
                true => None,
                false => unreadable::refused(&mut call),
            };
            // With a client's call the turn ends, whichever round that is.
            let is_too_late = !is_of_client && round > self.rounds_max();
            let is_too_many = !is_of_client && place >= CALLS_OF_A_ROUND_MAX;
            let mut entry = Entry::new(round, u32::try_from(place).unwrap_or(u32::MAX), call);
            entry.refused = match refused {
                _ if is_too_late => Some("No more calls can be made. Answer with what there is.".into()),
                _ if is_too_many => Some(format!(
                    "At most {CALLS_OF_A_ROUND_MAX} calls can be made at once. This one was not made."
                )),
                refused => refused,
            };
            state.entries.push(entry);
        }
    }

    /// What happens next; `None` where nothing is left to do and the model is to be asked again.
    pub(crate) fn next(&self) -> Option<Next> {
        let mut state = self.state();
        let is_open = |entry: &&Entry| entry.result.is_none() && entry.station.is_open();
        let mut open = state.entries.iter().filter(is_open).count();
        let (mut recorded, mut made, mut pause, mut waits) = (Vec::new(), Vec::new(), None, false);
        let mut of_client = Vec::new();
        for entry in state.entries.iter_mut().filter(|entry| entry.result.is_none()) {
            match self.due(entry) {
                Due::Settle(words) => {
                    recorded.push(CallEvent {
                        result: Some(Value::String(words.clone())),
                        ..self.event(entry, ToolCallStatus::Failed)
                    });
                    entry.result = Some(CallResult::failed(words));
                }
                Due::Begin if open < UNDER_WAY_MAX => {
                    recorded.push(self.event(entry, ToolCallStatus::Started));
                    entry.station = Station::Begun;
                    open += 1;
                }
                Due::Make(doer) if entry.station.is_open() => made.push((entry, doer)),
                Due::Make(doer) if open < UNDER_WAY_MAX => {
                    made.push((entry, doer));
                    open += 1;
                }
                Due::Begin | Due::Make(_) | Due::Wait => waits = true,
                Due::Pause(wanted) => {
                    pause = Some(match (pause.take(), wanted) {
                        // All that is wanted at once is decided at once.
                        (Some(Pause::Approval(mut known)), Pause::Approval(more)) => {
                            for wanted in more {
                                if !known.iter().any(|known| asks_the_same(known, &wanted)) {
                                    known.push(wanted);
                                }
                            }
                            Pause::Approval(known)
                        }
                        // What waits for a person has begun: it comes before the turn is given away.
                        (Some(Pause::HandOff { .. }), approval @ Pause::Approval(_)) => approval,
                        (Some(first), _) => first,
                        (None, wanted) => wanted,
                    });
                }
                Due::Client => of_client.push(entry),
            }
        }
        if !recorded.is_empty() {
            return Some(Next::Record(recorded));
        }
        if !made.is_empty() {
            return Some(Next::Make(
                made.into_iter().map(|(entry, doer)| Call::of(entry, doer)).collect(),
            ));
        }
        if waits {
            return Some(Next::Wait);
        }
        let calls = || self.client_calls(&of_client);
        pause.or_else(calls).map(Next::Pause)
    }

    /// The calls with which the turn ends, if there are any.
    fn client_calls(&self, wanted: &[&mut Entry]) -> Option<Pause> {
        let most = match self.calls_one_at_once() {
            true => 1,
            false => ClientCall::COUNT_MAX,
        };
        let call = |(n, entry): (usize, &&mut Entry)| ClientCall {
            call_id: ClientCall::id_of(self.request.turn_id, n),
            tool: entry.call.name.clone(),
            arguments: entry.call.arguments.clone(),
            round: entry.round,
            place: entry.place,
            signature: entry.call.signature.clone(),
        };
        let calls: Vec<ClientCall> = wanted.iter().take(most).enumerate().map(call).collect();
        (!calls.is_empty()).then(|| Pause::ClientCalls {
            calls,
            citations: Vec::new(),
        })
    }

    fn due(&self, entry: &Entry) -> Due {
        if let Some(words) = &entry.refused {
            return Due::Settle(words.clone());
        }
        let arguments = &entry.call.arguments;
        if entry.call.name == HAND_OFF && !self.others.is_empty() {
            return hand_off::wanted(arguments, &self.others).map_or_else(Due::Settle, Due::Pause);
        }
        if self.is_of_client(&entry.call) {
            return Due::Client;
        }
        let doer = self.doers.iter().find(|doer| doer.offer().name == entry.call.name);
        let Some(doer) = doer.cloned() else {
            return due_without_its_tool(entry);
        };
        match entry.station {
            Station::Wanted => {}
            Station::CutOff if doer.effect() == Effect::Every => return Due::Settle(CUT_OFF.into()),
            Station::Begun | Station::CutOff => return Due::Make(doer),
            Station::UnderWay => return Due::Wait,
            Station::Waiting => return Due::Pause(Pause::Approval(entry.asks.clone())),
        }
        if let Err(error) = doer.check(arguments) {
            return Due::Settle(format!("Not called: {error}."));
        }
        match (doer.approval(), &entry.decided) {
            (Some(rule), None) => Due::Pause(Pause::Approval(vec![ApprovalWanted {
                call_id: Some(entry.call.id.clone()),
                round: Some(entry.round),
                place: Some(entry.place),
                signature: entry.call.signature.clone(),
                tool: entry.call.name.clone(),
                arguments: arguments.clone(),
                rule: rule.clone(),
            }])),
            (_, Some((Decision::Rejected, reason))) => Due::Settle(not_approved(reason.as_deref())),
            (None, _) | (Some(_), Some((Decision::Approved, _))) => Due::Begin,
        }
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
            place: Some(entry.place),
            within: self.within.clone(),
            signature: entry.call.signature.clone(),
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

/// What is due of a call whose tool is not there for whoever goes on with the turn: its source is away, or another agent has the turn now.
fn due_without_its_tool(entry: &Entry) -> Due {
    let words = match (entry.station, &entry.decided) {
        (Station::Waiting, _) => return Due::Pause(Pause::Approval(entry.asks.clone())),
        (Station::UnderWay, _) => return Due::Wait,
        (Station::Begun | Station::CutOff, _) => CUT_OFF.to_owned(),
        (Station::Wanted, Some((Decision::Rejected, reason))) => not_approved(reason.as_deref()),
        (Station::Wanted, Some((Decision::Approved, _))) => {
            "This was approved, but its tool is not there just now. It was not done.".into()
        }
        (Station::Wanted, None) => "There is no such tool.".into(),
    };
    Due::Settle(words)
}

fn not_approved(reason: Option<&str>) -> String {
    let reason = reason.map(|reason| format!(": {reason}")).unwrap_or_default();
    format!("This was not approved{reason}. It was not done.")
}

/// Whether two that wait ask a person about the same budget: that is decided once in a turn.
fn asks_the_same(one: &ApprovalWanted, other: &ApprovalWanted) -> bool {
    let budget = |wanted: &ApprovalWanted| wanted.arguments.get("budget").cloned();
    let is_of_no_call = one.call_id.is_none() && other.call_id.is_none();
    is_of_no_call && one.tool == other.tool && budget(one) == budget(other)
}

/// Names a call of an agent that was asked, or that answers a part of the message: two that are at work in one turn know nothing of each
/// other's, and whom they ask is known by their calls. `within` is the call by which it was asked, or the agent of the part. It is short,
/// since providers take no long ones.
fn nested_id(within: &str, id: &str, round: u32, place: usize) -> String {
    let digest = Sha256::digest(format!("{within}\n{id}\n{round}\n{place}"));
    format!("call_{}", &hex(&digest)[..24])
}

#[cfg(test)]
mod tests;
