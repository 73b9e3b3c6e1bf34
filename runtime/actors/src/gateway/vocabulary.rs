//! What is brought in, and what becomes of it.

use std::sync::Arc;

use actix::Recipient;
use orchestratai_shared::{ClientMessageId, MessageId, SessionId, TurnId, UserMessage};
use orchestratai_telemetry::TraceParent;

use crate::{
    publish::{Cut, Publish},
    session::core::{Awaited, Recorded},
};

/// A user's message on its way in.
#[derive(Debug, Clone)]
pub struct Submission {
    /// The session; created where it is unknown.
    pub session_id: SessionId,
    /// The idempotency key.
    pub client_message_id: ClientMessageId,
    /// What is said.
    pub said: UserMessage,
    /// Names the request that brought it, in the logs and the trace.
    pub request_id: Arc<str>,
    /// The span that the turn continues; without one its trace begins with it.
    pub trace: Option<TraceParent>,
}

/// What became of a submission, after its commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Accepted {
    /// The turn that answers it.
    pub turn_id: TurnId,
    /// The user's message in the transcript.
    pub message_id: MessageId,
    /// The `seq` of `message_accepted`.
    pub seq: u64,
    /// Whether the same key had been accepted before; nothing was appended then.
    pub repeated: bool,
}

/// What became of a message whose end was waited for.
#[derive(Debug, Clone, PartialEq)]
pub enum Conversed {
    /// Its turn has ended with these events; none where its session was erased meanwhile.
    Ended(Accepted, Option<TurnRecord>),
    /// Its turn waits for a person, and has done so for as long as an agent may take.
    Waits(TurnId, Awaited),
}

/// Everything durable that a turn said.
#[derive(Debug, Clone, PartialEq)]
pub struct TurnRecord {
    /// The session.
    pub session_id: SessionId,
    /// The turn.
    pub turn_id: TurnId,
    /// Its events in order, from `message_accepted` to the terminal one.
    pub events: Vec<Recorded>,
}

/// A wish to follow a session.
pub struct Subscription {
    /// Which; a new one where it is left out. Created where it is unknown.
    pub session_id: Option<SessionId>,
    /// The last `seq` that the client has; without it nothing of the past is sent.
    pub after_seq: Option<u64>,
    /// The epoch that the client knows; checked only where it is given.
    pub epoch: Option<String>,
    /// Whether `after_seq` was just read from the journal: so it is no number of an erased session of the same id.
    pub is_fresh: bool,
    /// Where to publish.
    pub subscriber: Recipient<Publish>,
    /// How to cut the transport.
    pub cut: Option<Arc<dyn Cut>>,
}
