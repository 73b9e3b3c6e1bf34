//! Snapshots: what a session needs to go on, kept where it can be had without the journal being read from its start.
//!
//! A snapshot is never the truth. It is a place in the journal together with what the journal says up to there; whoever
//! starts a session from one reads the rest of the journal behind it. Where anything about it does not fit the journal it is
//! left alone, and the journal is read as if there were none: a snapshot that is lost, old, damaged or another session's costs
//! time and nothing else.
//!
//! In reading order:
//! - [`codec`]: a snapshot as the fields that stores keep;
//! - [`fold`]: what events make of what is known of a session, pure;
//! - [`rehydrate`]: a session from a snapshot and the journal;
//! - [`written`]: what became of snapshots that were to be written;
//! - [`embedded`], [`redis`]: where snapshots are kept.

pub mod codec;
pub mod embedded;
pub mod fold;
pub mod redis;
pub mod rehydrate;
pub mod written;

use std::sync::Arc;

use bytestring::ByteString;
use orchestratai_shared::{ChatSession, Event, Message, Timestamp, TurnId};

use crate::{AcceptedKey, OpenTurn, SessionRecord, StoreError, frames};

/// What is known of a session at one place in its journal.
#[derive(Debug, Clone, PartialEq)]
pub struct Snapshot {
    /// Names the journal's lineage.
    pub epoch: Arc<str>,
    /// The session with its totals.
    pub session: ChatSession,
    /// Whose it is.
    pub organization: Arc<str>,
    /// The `seq` of the last event that is part of it. That event is durable: a snapshot that knew more than the journal could
    /// be taken for one of events that come to bear the same numbers.
    pub last_seq: u64,
    /// Which event that is; none where `last_seq` is 0.
    pub last_event: Option<EventMark>,
    /// The `seq` up to which an erased earlier session of the same id went.
    pub erased_through: u64,
    /// Every idempotency key that it has taken, oldest first.
    pub keys: Vec<AcceptedKey>,
    /// Its turns that have not ended, oldest first.
    pub open_turns: Vec<OpenTurnFrames>,
    /// The last messages of its transcript, newest last; as many as are kept in memory.
    pub transcript: Vec<Arc<Message>>,
}

/// Tells an event from any other that bears the same number: after a loss of power, or a restored backup, a journal may go on
/// with other events than those that it had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EventMark {
    /// Its turn, whose id is made only once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub turn_id: Option<TurnId>,
    /// When it happened.
    pub at: Timestamp,
}

impl EventMark {
    /// The mark of an event.
    #[must_use]
    pub fn of(event: &Event) -> Self {
        Self {
            turn_id: event.turn_id,
            at: event.at,
        }
    }
}

/// A turn that has not ended, with its events as the journal keeps them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenTurnFrames {
    /// The turn.
    pub turn_id: TurnId,
    /// Its events so far, each a JSON object; the first is its `message_accepted`.
    pub frames: Vec<ByteString>,
}

impl Snapshot {
    /// As what is known of the session.
    ///
    /// # Errors
    /// [`StoreError::Unreadable`] where this version does not understand an event in it.
    pub(crate) fn into_record(self) -> Result<SessionRecord, StoreError> {
        let open_turns = self.open_turns.into_iter().map(|turn| {
            let events = turn.frames.iter().map(|frame| serde_json::from_str(frame));
            Ok(OpenTurn {
                turn_id: turn.turn_id,
                events: events.collect::<Result<_, _>>().map_err(frames::unreadable)?,
            })
        });
        Ok(SessionRecord {
            session: self.session,
            organization: self.organization,
            last_seq: self.last_seq,
            keys: self.keys,
            open_turns: open_turns.collect::<Result<_, StoreError>>()?,
            // It is no part of a snapshot: it is read with the session's totals, which is where it stands.
            person: None,
            transcript: self.transcript.into_iter().map(Arc::unwrap_or_clone).collect(),
            erased_through: self.erased_through,
        })
    }
}
