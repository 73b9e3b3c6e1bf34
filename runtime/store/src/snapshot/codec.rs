//! A snapshot as the fields that stores keep: what people and dashboards look for, each by itself, and the rest as one JSON
//! text, with a version and a checksum.

use std::{borrow::Cow, sync::Arc};

use bytestring::ByteString;
use orchestratai_shared::{ChatSession, ClientMessageId, Message, Timestamp, TurnId};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{EventMark, OpenTurnFrames, Snapshot};
use crate::AcceptedKey;

/// The version of `state` that this build writes, and the only one that it reads: a snapshot is worth less than the code that
/// would translate an old one.
pub const VERSION: u32 = 1;

/// A longer state is not kept: to read it would cost more than to read the journal. Some 40,000 turns.
pub const STATE_BYTES_MAX: usize = 4 << 20;

/// A snapshot as it is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct SnapshotFields {
    /// The session with its totals.
    pub session: ChatSession,
    /// The `seq` of the last event that is part of it.
    pub last_seq: u64,
    /// The rest, as JSON.
    pub state: String,
}

/// Why a snapshot cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotUnreadable {
    /// It lacks a field, or has one that is not what it should be.
    #[error("its field `{0}` is missing or not what it should be")]
    Field(&'static str),
    /// It was written by another version.
    #[error("its state is of version {0}, and this build reads {VERSION}")]
    Version(u32),
    /// Its state is not what this version writes.
    #[error("its state is not what this version writes")]
    State(#[source] serde_json::Error),
    /// Something in it has changed since it was written.
    #[error("its checksum does not fit")]
    Checksum,
    /// It is too long to be kept.
    #[error("its state has {0} bytes, and {STATE_BYTES_MAX} are kept at most")]
    TooLong(usize),
}

impl SnapshotFields {
    /// A snapshot as it is kept. A few microseconds, and some for each message and each idempotency key in it.
    ///
    /// # Errors
    /// [`SnapshotUnreadable::TooLong`] where it is not worth keeping.
    pub fn encode(snapshot: &Snapshot) -> Result<Self, SnapshotUnreadable> {
        let open_turns = snapshot.open_turns.iter().map(|turn| {
            let events = turn.frames.iter().map(|frame| serde_json::from_str(frame));
            Ok(OpenTurnBody {
                turn_id: turn.turn_id,
                events: events.collect::<Result<_, _>>()?,
            })
        });
        let body = Body {
            organization: Cow::Borrowed(&snapshot.organization),
            last_event: snapshot.last_event,
            keys: snapshot.keys.iter().map(KeyBody::from).collect(),
            open_turns: open_turns
                .collect::<Result<_, _>>()
                .map_err(SnapshotUnreadable::State)?,
            transcript: Cow::Borrowed(&snapshot.transcript),
        };
        let body = serde_json::to_string(&body).map_err(SnapshotUnreadable::State)?;
        if body.len() > STATE_BYTES_MAX {
            return Err(SnapshotUnreadable::TooLong(body.len()));
        }
        let head = head(&snapshot.epoch, snapshot.erased_through);
        let checksum = checksum(&head, &snapshot.session, snapshot.last_seq, &body);
        Ok(Self {
            session: ChatSession {
                total_cost: micro_dollars(snapshot.session.total_cost) as f64 / 1e6,
                ..snapshot.session.clone()
            },
            last_seq: snapshot.last_seq,
            state: format!("{head}\"checksum\":\"{checksum:08x}\",\"body\":{body}}}"),
        })
    }

    /// Reads it.
    ///
    /// # Errors
    /// [`SnapshotUnreadable`] where anything in it is not as it was written.
    pub fn decode(&self) -> Result<Snapshot, SnapshotUnreadable> {
        let Version { version } = serde_json::from_str(&self.state).map_err(SnapshotUnreadable::State)?;
        if version != VERSION {
            return Err(SnapshotUnreadable::Version(version));
        }
        let state: State<'_> = serde_json::from_str(&self.state).map_err(SnapshotUnreadable::State)?;
        let head = head(&state.epoch, state.erased_through);
        let body = state.body.get();
        let expected = checksum(&head, &self.session, self.last_seq, body);
        if u32::from_str_radix(&state.checksum, 16) != Ok(expected) {
            return Err(SnapshotUnreadable::Checksum);
        }
        let body: Body<'_> = serde_json::from_str(body).map_err(SnapshotUnreadable::State)?;
        let open_turns = body.open_turns.into_iter().map(|turn| OpenTurnFrames {
            turn_id: turn.turn_id,
            frames: turn.events.iter().map(|event| ByteString::from(event.get())).collect(),
        });
        Ok(Snapshot {
            epoch: state.epoch.into(),
            session: self.session.clone(),
            organization: body.organization.into(),
            last_seq: self.last_seq,
            last_event: body.last_event,
            erased_through: state.erased_through,
            keys: body.keys.iter().map(AcceptedKey::from).collect(),
            open_turns: open_turns.collect(),
            transcript: body.transcript.into_owned(),
        })
    }
}

/// What a state begins with. It is by this text that a store knows of which journal, and of which life of a session, the
/// snapshot is that it has, without reading the rest.
#[must_use]
pub fn head(epoch: &str, erased_through: u64) -> String {
    format!("{}{erased_through},", head_of_epoch(epoch))
}

/// What the states of all snapshots of one journal begin with; a number and a comma follow.
#[must_use]
pub fn head_of_epoch(epoch: &str) -> String {
    // An epoch is ours, and a UUID; as JSON it would be the same text.
    format!(
        "{{\"version\":{VERSION},\"epoch\":{},\"erasedThrough\":",
        serde_json::Value::from(epoch)
    )
}

/// The checksum of all that a snapshot says. It finds damage, not ill will: who can write to the store is trusted.
fn checksum(head: &str, session: &ChatSession, last_seq: u64, body: &str) -> u32 {
    let fields = format!(
        "{}\n{}\n{}\n{}\n{}\n{}\n{}\n{last_seq}\n",
        session.id,
        serde_json::Value::from(session.user_id.as_deref()),
        session.start_time,
        session.last_activity,
        session.total_tokens,
        micro_dollars(session.total_cost),
        session.message_count,
    );
    let mut hasher = crc32fast::Hasher::new();
    for text in [head, &fields, body] {
        hasher.update(text.as_bytes());
    }
    hasher.finalize()
}

/// A cost as the database keeps it, to six decimals: binary fractions add up to a little more or less.
#[expect(clippy::cast_possible_truncation, reason = "the column holds ten digits")]
pub(crate) fn micro_dollars(cost: f64) -> i64 {
    (cost * 1e6).round() as i64
}

#[derive(Deserialize)]
struct Version {
    version: u32,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct State<'a> {
    epoch: Cow<'a, str>,
    erased_through: u64,
    checksum: Cow<'a, str>,
    #[serde(borrow)]
    body: &'a RawValue,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    organization: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    last_event: Option<EventMark>,
    keys: Vec<KeyBody>,
    #[serde(borrow)]
    open_turns: Vec<OpenTurnBody<'a>>,
    transcript: Cow<'a, [Arc<Message>]>,
}

/// Key, turn, `seq` of the acceptance, `seq` of the end. A list, since a long session has many.
#[derive(Serialize, Deserialize)]
struct KeyBody(ClientMessageId, TurnId, u64, Option<u64>);

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct OpenTurnBody<'a> {
    turn_id: TurnId,
    #[serde(borrow)]
    events: Vec<&'a RawValue>,
}

impl From<&AcceptedKey> for KeyBody {
    fn from(key: &AcceptedKey) -> Self {
        Self(key.client_message_id, key.turn_id, key.accepted_seq, key.ended_seq)
    }
}

impl From<&KeyBody> for AcceptedKey {
    fn from(KeyBody(client_message_id, turn_id, accepted_seq, ended_seq): &KeyBody) -> Self {
        Self {
            client_message_id: *client_message_id,
            turn_id: *turn_id,
            accepted_seq: *accepted_seq,
            ended_seq: *ended_seq,
        }
    }
}

/// A point in time as it was written into a text field.
pub(crate) fn parse_time(text: &str) -> Option<Timestamp> {
    serde_json::from_value(serde_json::Value::from(text)).ok()
}
