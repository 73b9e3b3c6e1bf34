//! What can be written.

use std::sync::Arc;

use bytestring::ByteString;
use orchestratai_shared::{ChatSession, Event, EventBody, Message, SessionId, TurnId};

use crate::takeover::is_unasked;

/// One write. A batch of them is applied in order and as a whole by [`Store::commit`](crate::Store::commit).
#[derive(Debug, Clone)]
pub enum Write {
    /// Makes a session, with `seq` 0. One that exists is left as it is.
    CreateSession {
        /// The session; its totals are taken as they are.
        session: ChatSession,
        /// Whose it is.
        organization: Arc<str>,
    },
    /// Appends events to the journal of a session that exists, or is made earlier in the batch.
    Append(Append),
    /// Erases a session: journal, messages, turns and totals. What is left is its id with the `seq` up to which it went. A
    /// session that does not exist is no error.
    EraseSession {
        /// The session.
        session_id: SessionId,
    },
}

impl Write {
    /// The session that it is about.
    #[must_use]
    pub fn session_id(&self) -> SessionId {
        match self {
            Self::CreateSession { session, .. } => session.id,
            Self::Append(append) => append.session_id,
            Self::EraseSession { session_id } => *session_id,
        }
    }

    /// The turns that begin in it.
    pub(crate) fn accepted_turns(&self) -> impl Iterator<Item = TurnId> {
        let entries = match self {
            Self::Append(append) => append.entries.as_slice(),
            Self::CreateSession { .. } | Self::EraseSession { .. } => &[],
        };
        entries.iter().filter_map(|entry| {
            let turn_id = entry.event.turn_id?;
            let begins = match &entry.event.body {
                EventBody::MessageAccepted(_) => true,
                EventBody::MessageCompleted(completed) => is_unasked(turn_id, completed),
                EventBody::RetrievalLog(_)
                | EventBody::AgentStatus(_)
                | EventBody::Handoff(_)
                | EventBody::ToolCall(_)
                | EventBody::ApprovalRequested(_)
                | EventBody::ApprovalResolved(_)
                | EventBody::TurnFailed(_)
                | EventBody::TurnCancelled(_) => false,
            };
            begins.then_some(turn_id)
        })
    }

    /// Whether it belongs to no turn that is under way: somebody waits for it who can ask again.
    pub(crate) fn is_new(&self) -> bool {
        match self {
            Self::CreateSession { .. } | Self::EraseSession { .. } => true,
            Self::Append(append) => {
                let is_acceptance = |entry: &JournalEntry| matches!(entry.event.body, EventBody::MessageAccepted(_));
                append.entries.iter().all(is_acceptance)
            }
        }
    }

    /// Whether nothing is to be done.
    pub(crate) fn says_nothing(&self) -> bool {
        matches!(self, Self::Append(append) if append.entries.is_empty())
    }

    /// Whether it erases a session.
    pub(crate) fn is_erasure(&self) -> bool {
        matches!(self, Self::EraseSession { .. })
    }
}

/// Events for the journal of one session. They share a row of the journal, and become durable together.
#[derive(Debug, Clone)]
pub struct Append {
    /// The session.
    pub session_id: SessionId,
    /// The events in order: the first one's `seq` follows the last of the session, each further one the one before. An
    /// append without entries is nothing.
    pub entries: Vec<JournalEntry>,
}

/// One event for the journal.
#[derive(Debug, Clone)]
pub struct JournalEntry {
    /// The event.
    pub event: Arc<Event>,
    /// Its exact text on the wire, which every replay sends again byte by byte: one JSON object.
    pub frame: ByteString,
    /// The partial answer that a `turn_cancelled` keeps in the transcript.
    pub kept: Option<Message>,
}
