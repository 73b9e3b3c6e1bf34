//! What the server tells: durable events, which the journal keeps, and transient signals, which it does not.

use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer, ser::SerializeStruct};

use crate::{
    agent::{Agent, AgentStatus},
    client_tools::{ClientCall, ClientTools},
    command::Decision,
    error::{ErrorCode, Failure},
    id::{AgentId, ApprovalId, ClientMessageId, MessageId, SessionId, TurnId},
    message::{Citation, Incomplete, Message},
    retrieval::RetrievalLog,
    session::{ChatMetrics, ChatSession},
    time::Timestamp,
    user_message::{self, ContextMessage},
};

/// Declares an enum of wire bodies: each variant has a `type` on the wire and its own struct as `data`.
macro_rules! bodies {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident($data:ty) = $kind:tt,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Deserialize, utoipa::ToSchema)]
        #[cfg_attr(test, derive(ts_rs::TS, Serialize))]
        #[serde(tag = "type", content = "data")]
        pub enum $name {
            $($(#[$vdoc])* #[serde(rename = $kind)] $variant($data),)+
        }

        impl $name {
            /// Every `type` that this enum has on the wire.
            pub const KINDS: &'static [&'static str] = &[$($kind),+];

            /// Its `type` on the wire.
            #[must_use]
            pub fn kind(&self) -> &'static str {
                match self {
                    $(Self::$variant(_) => $kind,)+
                }
            }

            fn serialize_data<S: SerializeStruct>(&self, frame: &mut S) -> Result<(), S::Error> {
                match self {
                    $(Self::$variant(data) => frame.serialize_field("data", data),)+
                }
            }
        }
    };
}

bodies! {
    /// What a durable event says.
    EventBody {
        /// A user's message was taken in, and will be answered.
        MessageAccepted(MessageAccepted) = "message_accepted",
        /// A step of the turn.
        RetrievalLog(RetrievalLog) = "retrieval_log",
        /// An agent's status changed.
        AgentStatus(AgentStatusChanged) = "agent_status",
        /// One agent gave the turn to another, or a person has the session, or has given it back.
        Handoff(Handoff) = "handoff",
        /// A tool was called.
        ToolCall(ToolCall) = "tool_call",
        /// A person is asked to decide.
        ApprovalRequested(ApprovalRequested) = "approval_requested",
        /// A person, or the time limit, has decided.
        ApprovalResolved(ApprovalResolved) = "approval_resolved",
        /// The turn ended with an answer.
        MessageCompleted(MessageCompleted) = "message_completed",
        /// The turn ended without one.
        TurnFailed(TurnFailed) = "turn_failed",
        /// The turn was stopped.
        TurnCancelled(TurnCancelled) = "turn_cancelled",
    }
}

bodies! {
    /// What a transient signal says.
    SignalBody {
        /// The first frame of every subscription.
        SessionReady(Box<SessionReady>) = "session_ready",
        /// The partial answer is withdrawn.
        MessageReset(MessageReset) = "message_reset",
        /// More of the answer.
        MessageDelta(MessageDelta) = "message_delta",
        /// The answer to `ping`.
        Pong(Pong) = "pong",
        /// The client could not keep up and is now sent what it missed.
        Lagging(Lagging) = "lagging",
        /// The server is about to stop.
        ServerDraining(ServerDraining) = "server_draining",
        /// A frame was refused; the connection stays.
        Error(ErrorSignal) = "error",
    }
}

impl EventBody {
    /// Whether this ends its turn.
    #[must_use]
    pub fn is_terminal(&self) -> bool {
        match self {
            Self::MessageCompleted(_) | Self::TurnFailed(_) | Self::TurnCancelled(_) => true,
            Self::MessageAccepted(_)
            | Self::RetrievalLog(_)
            | Self::AgentStatus(_)
            | Self::Handoff(_)
            | Self::ToolCall(_)
            | Self::ApprovalRequested(_)
            | Self::ApprovalResolved(_) => false,
        }
    }
}

impl MessageCompleted {
    /// Whether the answer says that the knowledge base has none: a specialist's, with a confidence below 0.5. The orchestrator's own
    /// answers are not taken from there.
    #[must_use]
    pub fn found_nothing(&self) -> bool {
        const ANSWERS: f64 = 0.5;
        let is_specialist = (self.message.agent.as_ref()).is_some_and(|agent| agent.as_str() != AgentId::ORCHESTRATOR);
        is_specialist
            && self
                .message
                .confidence
                .is_some_and(|confidence| confidence.get() < ANSWERS)
    }
}

/// A durable event: numbered 1, 2, 3 … in its session, and published only after its commit.
#[derive(Debug, Clone, PartialEq, utoipa::ToSchema)]
#[schema(as = DurableEvent)]
pub struct Event {
    /// Its place in the session's journal, from 1.
    pub seq: u64,
    /// The session.
    pub session_id: SessionId,
    /// The turn it belongs to.
    pub turn_id: Option<TurnId>,
    /// When it happened.
    pub at: Timestamp,
    /// What it says: `type` and `data` on the wire.
    pub body: EventBody,
}

/// A transient signal: has no number and is not kept.
#[derive(Debug, Clone, PartialEq, utoipa::ToSchema)]
#[schema(as = TransientSignal)]
pub struct Signal {
    /// The session.
    pub session_id: SessionId,
    /// The turn it belongs to.
    pub turn_id: Option<TurnId>,
    /// When it was made.
    pub at: Timestamp,
    /// What it says: `type` and `data` on the wire.
    pub body: SignalBody,
}

impl Serialize for Event {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut frame = serializer.serialize_struct("Event", 5 + usize::from(self.turn_id.is_some()))?;
        frame.serialize_field("type", self.body.kind())?;
        frame.serialize_field("seq", &self.seq)?;
        serialize_place(&mut frame, self.session_id, self.turn_id, self.at)?;
        self.body.serialize_data(&mut frame)?;
        frame.end()
    }
}

/// The `data` of a durable event's text, byte by byte, where the text was made by serialising an [`Event`]: so what is in it need not
/// be serialised again. `None` where it was not.
#[must_use]
pub fn data_of(text: &str) -> Option<&str> {
    // Before it stand only words of ours, numbers, ids and a time: none of them has this in it.
    let (_, data) = text.split_once(r#","data":"#)?;
    data.strip_suffix('}')
}

impl Serialize for Signal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut frame = serializer.serialize_struct("Signal", 4 + usize::from(self.turn_id.is_some()))?;
        frame.serialize_field("type", self.body.kind())?;
        serialize_place(&mut frame, self.session_id, self.turn_id, self.at)?;
        self.body.serialize_data(&mut frame)?;
        frame.end()
    }
}

fn serialize_place<S: SerializeStruct>(
    frame: &mut S,
    session_id: SessionId,
    turn_id: Option<TurnId>,
    at: Timestamp,
) -> Result<(), S::Error> {
    frame.serialize_field("sessionId", &session_id)?;
    match turn_id {
        Some(turn_id) => frame.serialize_field("turnId", &turn_id)?,
        None => frame.skip_field("turnId")?,
    }
    frame.serialize_field("at", &at)
}

/// The parts of a frame around its body.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope<B> {
    seq: Option<u64>,
    session_id: SessionId,
    turn_id: Option<TurnId>,
    at: Timestamp,
    #[serde(flatten)]
    body: B,
}

impl<'de> Deserialize<'de> for Event {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Envelope {
            seq,
            session_id,
            turn_id,
            at,
            body,
        } = Envelope::deserialize(deserializer)?;
        let seq = seq.ok_or_else(|| serde::de::Error::missing_field("seq"))?;
        Ok(Self {
            seq,
            session_id,
            turn_id,
            at,
            body,
        })
    }
}

impl<'de> Deserialize<'de> for Signal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Envelope {
            seq: _,
            session_id,
            turn_id,
            at,
            body,
        } = Envelope::deserialize(deserializer)?;
        Ok(Self {
            session_id,
            turn_id,
            at,
            body,
        })
    }
}

/// Declares the `data` of one frame type, with the derives that all of them share.
macro_rules! data {
    ($($(#[$doc:meta])* $name:ident { $($(#[$fdoc:meta])* $field:ident: $ty:ty,)* })+) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
        #[cfg_attr(test, derive(ts_rs::TS))]
        #[serde(rename_all = "camelCase")]
        pub struct $name {
            $($(#[$fdoc])* pub $field: $ty,)*
        }
    )+};
}

data! {
    /// A user's message was taken in.
    MessageAccepted {
        /// The message as the transcript keeps it.
        message: Message,
        /// The idempotency key that it came with.
        client_message_id: ClientMessageId,
        /// Whether the semantic cache is passed by; left out where it is not.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        #[cfg_attr(test, ts(optional, as = "Option<bool>"))]
        fresh: bool,
        /// The agent that it was meant for; left out where routing was to decide.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(test, ts(optional))]
        addressee: Option<AgentId>,
        /// What was said before it elsewhere than in this session, oldest first; left out where that is nothing.
        #[serde(default, skip_serializing_if = "user_message::is_empty")]
        #[cfg_attr(test, ts(optional, as = "Option<Vec<ContextMessage>>"))]
        #[schema(value_type = Vec<ContextMessage>, required = false)]
        context: Arc<[ContextMessage]>,
        /// The client's own tools that may be called for it; left out where there are none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(test, ts(optional, as = "Option<ClientTools>"))]
        #[schema(value_type = Option<ClientTools>)]
        client_tools: Option<Arc<ClientTools>>,
        /// What was called for it in earlier turns that ended with calls of the client's tools; left out where that is nothing.
        #[serde(default, skip_serializing_if = "user_message::is_empty")]
        #[cfg_attr(test, ts(optional, as = "Option<Vec<ContextMessage>>"))]
        #[schema(value_type = Vec<ContextMessage>, required = false)]
        called: Arc<[ContextMessage]>,
    }

    /// An agent's status changed.
    AgentStatusChanged {
        /// Which agent.
        agent: AgentId,
        /// Its status now.
        status: AgentStatus,
    }

    /// One agent gave the turn to another, or, of no turn, the session was given to a person, or back by one.
    Handoff {
        /// Who gave it.
        from: AgentId,
        /// Who has it now.
        to: AgentId,
        /// Why, for people.
        reason: String,
        /// The name of the person who has taken it over or given it back, as it was given; left out between agents.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(test, ts(optional))]
        by: Option<String>,
        /// What the turn has used by then; left out where that is nothing.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(test, ts(optional))]
        spent: Option<Spent>,
    }

    /// What a turn has used of language models by then.
    Spent {
        /// Tokens, as providers reported them.
        #[cfg_attr(test, ts(type = "number"))]
        tokens_used: u64,
        /// Those of them that models were sent; left out in what was written before they were told apart.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(test, ts(optional, type = "number"))]
        prompt_tokens: Option<u64>,
        /// Their price in USD, as far as it is known.
        cost: f64,
        /// Those of them whose price is not known; left out where there are none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(test, ts(optional, type = "number"))]
        unpriced_tokens: Option<u64>,
    }

    /// A tool was called.
    ToolCall {
        /// Names the call; the same for its start and its end.
        call_id: String,
        /// The tool.
        tool: String,
        /// What it was given: an object, or a text where the model has written anything else, cut to what is kept of it; no tool was called then.
        #[cfg_attr(test, ts(type = "unknown"))]
        arguments: serde_json::Value,
        /// Where the call stands.
        status: ToolCallStatus,
        /// How long it took, in milliseconds; left out while it runs.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(test, ts(optional, type = "number"))]
        duration_ms: Option<u64>,
        /// What it gave back; left out while it runs.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(test, ts(optional, type = "unknown"))]
        result: Option<serde_json::Value>,
        /// The agent that called it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(test, ts(optional))]
        agent: Option<AgentId>,
        /// What was called together, by one word of the model, has the same number, from 1 in each turn.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(test, ts(optional))]
        round: Option<u32>,
        /// Its place among what was called together, from 0.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(test, ts(optional))]
        place: Option<u32>,
        /// The call by which another agent was asked, which has made this one; left out where the turn's own agent has.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(test, ts(optional))]
        within: Option<String>,
        /// What the model's provider wants to see again with the call, unread.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(test, ts(optional))]
        signature: Option<String>,
    }

    /// A person is asked to decide.
    ApprovalRequested {
        /// Names the request.
        approval_id: ApprovalId,
        /// The tool that waits.
        tool: String,
        /// What it would be given.
        #[cfg_attr(test, ts(type = "unknown"))]
        arguments: serde_json::Value,
        /// Why it needs a decision, for people.
        reason: String,
        /// When it is decided without anybody.
        expires_at: Timestamp,
        /// What is decided then; rejected where it is left out.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(test, ts(optional))]
        otherwise: Option<Decision>,
        /// The call that waits, as `tool_call` names it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(test, ts(optional))]
        call_id: Option<String>,
        /// The agent that wants to call it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(test, ts(optional))]
        agent: Option<AgentId>,
        /// What was called together has the same number.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(test, ts(optional))]
        round: Option<u32>,
        /// Its place among what was called together, from 0.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(test, ts(optional))]
        place: Option<u32>,
        /// What the model's provider wants to see again with the call, unread.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(test, ts(optional))]
        signature: Option<String>,
        /// What the turn has used by then; left out where that is nothing.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(test, ts(optional))]
        spent: Option<Spent>,
    }

    /// A request for approval was decided.
    ApprovalResolved {
        /// Names the request.
        approval_id: ApprovalId,
        /// What was decided.
        decision: Decision,
        /// Who decided.
        by: String,
        /// Why, for people.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(test, ts(optional))]
        reason: Option<String>,
        /// What the tool is given in place of what the agent wanted; left out where that stands.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(test, ts(optional, type = "unknown"))]
        arguments: Option<serde_json::Value>,
    }

    /// The turn ended with an answer, or with calls of the client's own tools. What a person says of their own accord is a turn of its own, which no `message_accepted` began
    /// and whose id is the message's.
    MessageCompleted {
        /// The answer as the transcript keeps it.
        message: Message,
        /// What it took.
        metrics: ChatMetrics,
        /// What its `[n]` stand for.
        citations: Vec<Citation>,
        /// The idempotency key that a person's message came with; left out where an agent answered.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(test, ts(optional))]
        client_message_id: Option<ClientMessageId>,
        /// The calls of the client's own tools with which the turn ended in place of an answer; the message is what was said beside
        /// them, often nothing. Left out where there are none.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        #[cfg_attr(test, ts(optional, as = "Option<Vec<ClientCall>>"))]
        #[schema(required = false)]
        calls: Vec<ClientCall>,
        /// Why the answer is not whole; left out where it is.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(test, ts(optional))]
        incomplete: Option<Incomplete>,
    }

    /// The turn ended without an answer.
    TurnFailed {
        /// Why.
        error: Failure,
    }

    /// The turn was stopped; the receipt.
    TurnCancelled {
        /// The message that keeps the partial answer; left out where nothing was kept.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(test, ts(optional))]
        message_id: Option<MessageId>,
        /// Length of the partial answer that was kept, in UTF-8 bytes.
        #[cfg_attr(test, ts(type = "number"))]
        kept: u64,
        /// From the request to stop until the upstream was closed, in milliseconds; left out where none was open.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(test, ts(optional, type = "number"))]
        upstream_closed_ms: Option<u64>,
        /// Tokens that the provider bills all the same.
        #[cfg_attr(test, ts(type = "number"))]
        tokens_billed: u64,
    }

    /// The first frame of every subscription.
    SessionReady {
        /// The session.
        session: ChatSession,
        /// The agents.
        agents: Vec<Agent>,
        /// Names the journal's lineage; it changes only when a backup is restored.
        epoch: String,
        /// The last durable event of the session; 0 where there is none.
        #[cfg_attr(test, ts(type = "number"))]
        last_seq: u64,
        /// Whether what follows is all that the client missed; if not, it drops what it has and reads anew.
        recovered: bool,
        /// The turn in progress.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(test, ts(optional))]
        turn: Option<TurnInProgress>,
    }

    /// A turn that has not ended, with the answer so far.
    TurnInProgress {
        /// The turn.
        id: TurnId,
        /// Where it stands.
        state: TurnPhase,
        /// Who answers; left out until that is decided.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(test, ts(optional))]
        agent: Option<AgentId>,
        /// The answer's message id; left out until its first word.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(test, ts(optional))]
        message_id: Option<MessageId>,
        /// The answer so far; the next `message_delta` begins at its length in bytes.
        content: String,
    }

    /// The partial answer is withdrawn; the next delta has offset 0.
    MessageReset {
        /// The answer's message id.
        message_id: MessageId,
        /// Why, for people.
        reason: String,
    }

    /// More of the answer.
    MessageDelta {
        /// The answer's message id.
        message_id: MessageId,
        /// Where `delta` begins, in UTF-8 bytes of the answer.
        #[cfg_attr(test, ts(type = "number"))]
        offset: u64,
        /// The text.
        delta: String,
    }

    /// The answer to `ping`.
    Pong {}

    /// The client could not keep up.
    Lagging {
        /// Durable events that it is behind.
        #[cfg_attr(test, ts(type = "number"))]
        missed: u64,
    }

    /// The server is about to stop.
    ServerDraining {
        /// When to come back, in milliseconds.
        #[cfg_attr(test, ts(type = "number"))]
        reconnect_after_ms: u64,
    }

    /// A frame was refused.
    ErrorSignal {
        /// The code.
        code: ErrorCode,
        /// What is wrong.
        message: String,
        /// Whether the same frame may succeed later.
        retryable: bool,
        /// The message that was refused, where it was one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(test, ts(optional))]
        client_message_id: Option<ClientMessageId>,
    }
}

/// Where a tool call stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum ToolCallStatus {
    /// It runs.
    Started,
    /// It gave a result.
    Succeeded,
    /// It gave an error.
    Failed,
}

/// Where a turn that has not ended stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum TurnPhase {
    /// Taken in; waits for the turn before it or for its commit.
    Accepted,
    /// Being routed.
    Routing,
    /// An agent works on it.
    Running,
    /// Waits for a person's decision.
    AwaitingApproval,
}
