//! A session from a snapshot and the journal behind it, or from the journal alone.

use std::collections::HashMap;

use orchestratai_shared::{Event, EventBody, Message, SessionId};
use sea_orm::DatabaseTransaction;

use super::{EventMark, Snapshot, codec::SnapshotFields, embedded, fold::DoesNotFollow};
use crate::{
    SessionRecord, Store, StoreError, events, page,
    record::{self, Head},
    snapshot::codec::SnapshotUnreadable,
};

/// With more events behind a snapshot than this the journal is read as if there were none: what a snapshot spares is worth
/// less then than what the events cost.
pub const TAIL_EVENTS_MAX: u64 = 512;

/// A snapshot that a session may be started from.
#[derive(Debug, Clone, Default)]
pub enum Candidate {
    /// There is none.
    #[default]
    Absent,
    /// This one.
    Given(Box<SnapshotFields>),
    /// There was something that is no snapshot.
    Unreadable(&'static str),
    /// The one in the database, if there is one; it is read together with the journal.
    Embedded,
}

/// What is known of a session, and what the snapshot was good for.
#[derive(Debug, Clone, PartialEq)]
pub struct Rehydrated {
    /// What is known; the same whatever the snapshot was.
    pub record: SessionRecord,
    /// What the snapshot was good for.
    pub snapshot: SnapshotUse,
    /// The mark of the session's last event, where that was read on the way.
    pub last_event: Option<EventMark>,
}

/// What a snapshot was good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SnapshotUse {
    /// There was none.
    Absent,
    /// The session was started from it.
    Used {
        /// Events of the journal that came after it.
        behind: u64,
    },
    /// It does not fit the journal, or is too far behind it.
    Stale(Staleness),
    /// It cannot be read.
    Unreadable,
}

/// Why a snapshot was left alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Staleness {
    /// It is of another journal, or of an erased earlier session of the same id.
    #[error("it is of another journal, or of an erased session of the same id")]
    OtherLineage,
    /// It knows more than the journal.
    #[error("it knows more than the journal")]
    Beyond,
    /// The journal goes on for too long behind it.
    #[error("the journal goes on for too long behind it")]
    FarBehind,
    /// The journal has another event where it ends.
    #[error("the journal has another event where it ends")]
    OtherEvent,
    /// It holds fewer messages than are wanted.
    #[error("it holds fewer messages than are wanted")]
    ShortWindow,
    /// With the events behind it it does not give what the read models say.
    #[error("it contradicts the read models")]
    Contradicts,
}

impl Store {
    /// All that the session needs to go on where it was, read at one moment, or none where there is no such session: from the
    /// candidate and the events behind it where it fits the journal, else from the journal alone. What is known of the session
    /// is the same in both cases. `transcript` is how many messages of the transcript to read at most.
    ///
    /// # Errors
    /// [`StoreError`] where the database cannot be read. A candidate that is not what it should be is no error.
    pub async fn rehydrate_from(
        &self,
        id: SessionId,
        transcript: usize,
        candidate: Candidate,
    ) -> Result<Option<Rehydrated>, StoreError> {
        self.settle(id).await?;
        let reader = self.read().await?;
        let Some(head) = record::head(&reader, id).await? else {
            return Ok(None);
        };
        let snapshot = match candidate {
            Candidate::Absent => Err(SnapshotUse::Absent),
            Candidate::Unreadable(field) => Err(unreadable(id, &SnapshotUnreadable::Field(field))),
            Candidate::Given(fields) => decoded(id, &fields),
            Candidate::Embedded => match embedded::find(&reader, id).await? {
                Some(fields) => decoded(id, &fields),
                None => Err(SnapshotUse::Absent),
            },
        };
        let used = match snapshot {
            Ok(snapshot) => self.behind_snapshot(&reader, &head, *snapshot, transcript).await?,
            Err(not_used) => Err(not_used),
        };
        let (record, snapshot, last_event) = match used {
            Ok((record, behind, last_event)) => (record, SnapshotUse::Used { behind }, last_event),
            Err(not_used) => (record::in_full(&reader, head, transcript).await?, not_used, None),
        };
        reader.commit().await?;
        if let SnapshotUse::Stale(staleness) = snapshot {
            tracing::debug!(session.id = %id, reason = %staleness, "a snapshot is left alone");
        }
        Ok(Some(Rehydrated {
            record,
            snapshot,
            last_event,
        }))
    }

    /// What is known of the session by a snapshot and the events behind it, with the number of these; or why not.
    async fn behind_snapshot(
        &self,
        reader: &DatabaseTransaction,
        head: &Head,
        snapshot: Snapshot,
        transcript: usize,
    ) -> Result<Result<(SessionRecord, u64, Option<EventMark>), SnapshotUse>, StoreError> {
        let behind = match place(&snapshot, self.epoch(), head) {
            Ok(behind) => behind,
            Err(staleness) => return Ok(Err(SnapshotUse::Stale(staleness))),
        };
        let (id, last_seq, mark) = (snapshot.session.id, snapshot.last_seq, snapshot.last_event);
        // With the last event that it knows, by which it is seen whether it is of this journal at all.
        let tail = match events::range(reader, id, Ord::max(last_seq, 1), None).await {
            Ok(tail) => tail,
            // A full read may have no need of the event that this version does not understand.
            Err(StoreError::Unreadable { .. }) => return Ok(Err(SnapshotUse::Unreadable)),
            Err(error) => return Err(error),
        };
        let mut tail = tail.into_iter().peekable();
        let known = tail.next_if(|event| event.seq == last_seq);
        if known.as_ref().map(EventMark::of) != mark {
            return Ok(Err(SnapshotUse::Stale(Staleness::OtherEvent)));
        }
        let tail: Vec<Event> = tail.collect();
        let last_event = tail.last().map(EventMark::of).or(mark);
        let kept = kept_answers(reader, id, &tail).await?;
        let Ok(record) = snapshot.into_record() else {
            return Ok(Err(SnapshotUse::Unreadable));
        };
        let record = goes_on(record, tail, &kept, transcript, head);
        Ok(record
            .map(|record| (record, behind, last_event))
            .map_err(SnapshotUse::Stale))
    }
}

fn decoded(id: SessionId, fields: &SnapshotFields) -> Result<Box<Snapshot>, SnapshotUse> {
    fields.decode().map(Box::new).map_err(|error| unreadable(id, &error))
}

fn unreadable(id: SessionId, error: &SnapshotUnreadable) -> SnapshotUse {
    tracing::warn!(
        session.id = %id,
        error = error as &dyn std::error::Error,
        "a snapshot cannot be read; the journal is read instead"
    );
    SnapshotUse::Unreadable
}

/// How many events the journal has behind a snapshot that may be of it.
fn place(snapshot: &Snapshot, epoch: &str, head: &Head) -> Result<u64, Staleness> {
    let is_of_it = *snapshot.epoch == *epoch
        && snapshot.session.id == head.session.id
        && snapshot.session.start_time == head.session.start_time
        && *snapshot.organization == *head.organization
        && snapshot.erased_through == head.erased_through;
    if !is_of_it {
        return Err(Staleness::OtherLineage);
    }
    match head.last_seq.checked_sub(snapshot.last_seq) {
        None => Err(Staleness::Beyond),
        Some(behind) if behind > TAIL_EVENTS_MAX => Err(Staleness::FarBehind),
        Some(behind) => Ok(behind),
    }
}

/// The partial answers that the cancellations among these events have kept. The events do not hold them.
async fn kept_answers(
    reader: &DatabaseTransaction,
    id: SessionId,
    tail: &[Event],
) -> Result<HashMap<u64, Message>, StoreError> {
    let cancelled = tail.iter().filter_map(|event| match &event.body {
        EventBody::TurnCancelled(cancelled) => cancelled.message_id.map(|_| event.seq),
        EventBody::MessageAccepted(_)
        | EventBody::RetrievalLog(_)
        | EventBody::AgentStatus(_)
        | EventBody::Handoff(_)
        | EventBody::ToolCall(_)
        | EventBody::ApprovalRequested(_)
        | EventBody::ApprovalResolved(_)
        | EventBody::MessageCompleted(_)
        | EventBody::TurnFailed(_) => None,
    });
    page::messages_at(reader, id, &cancelled.collect::<Vec<_>>()).await
}

/// Takes up the events behind a snapshot, and holds what comes of it against what the read models say.
fn goes_on(
    mut record: SessionRecord,
    tail: Vec<Event>,
    kept: &HashMap<u64, Message>,
    window: usize,
    head: &Head,
) -> Result<SessionRecord, Staleness> {
    record
        .fold(tail, kept, window)
        .map_err(|DoesNotFollow { .. }| Staleness::Contradicts)?;
    let session = &record.session;
    let totals_fit = record.last_seq == head.last_seq
        && session.user_id == head.session.user_id
        && session.total_tokens == head.session.total_tokens
        && session.message_count == head.session.message_count;
    if !totals_fit {
        return Err(Staleness::Contradicts);
    }
    if (record.transcript.len() as u64) < head.session.message_count.min(window as u64) {
        return Err(Staleness::ShortWindow);
    }
    // As the database has it: what it costs is summed up there, and rounded as its engine does.
    record.session = head.session.clone();
    record.person = head.person.clone();
    Ok(record)
}
