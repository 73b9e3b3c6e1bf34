//! Turns, from acceptance to end.

use orchestratai_shared::{ClientMessageId, Event, SessionId, Timestamp, TurnId};

use sea_orm::{EntityTrait, entity::prelude::TextUuid};

use crate::{
    Store, StoreError,
    entity::{turn, unsigned},
    events,
};

/// A turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TurnRow {
    /// Its id.
    pub id: TurnId,
    /// The session it belongs to.
    pub session_id: SessionId,
    /// The idempotency key that it came with.
    pub client_message_id: ClientMessageId,
    /// `seq` of its `message_accepted`.
    pub accepted_seq: u64,
    /// `seq` of its terminal event, if it has ended.
    pub ended_seq: Option<u64>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
}

impl Store {
    /// A turn, or none.
    ///
    /// # Errors
    /// [`StoreError`] where the database cannot be read.
    pub async fn turn(&self, id: TurnId) -> Result<Option<TurnRow>, StoreError> {
        let read = || turn::Entity::find_by_id(TextUuid(id.0)).one(self.readers());
        // What is not applied of others does not matter, and would have to be waited for.
        let unapplied = self.journal().and_then(|journal| journal.backlog.session_of(id));
        if let Some(session_id) = unapplied {
            self.settle(session_id).await?;
        }
        let mut row = read().await?;
        if let Some(found) = &row {
            // Its end may be what is not applied yet.
            let session_id = SessionId(found.session_id.0);
            if self
                .journal()
                .is_some_and(|journal| !journal.backlog.is_applied(session_id))
            {
                self.settle(session_id).await?;
                row = read().await?;
            }
        }
        Ok(row.map(TurnRow::from))
    }

    /// The durable events of a turn, in order: from its `message_accepted` to its terminal event, or to the last so far.
    ///
    /// # Errors
    /// [`StoreError`] where the database cannot be read.
    pub async fn turn_events(&self, turn: &TurnRow) -> Result<Vec<Event>, StoreError> {
        self.settle(turn.session_id).await?;
        let reader = self.read().await?;
        let mut events = events::range(&reader, turn.session_id, turn.accepted_seq, turn.ended_seq).await?;
        reader.commit().await?;
        events.retain(|event| event.turn_id == Some(turn.id));
        Ok(events)
    }
}

impl From<turn::Model> for TurnRow {
    fn from(row: turn::Model) -> Self {
        Self {
            id: TurnId(row.id.0),
            session_id: SessionId(row.session_id.0),
            client_message_id: ClientMessageId(row.client_message_id.0),
            accepted_seq: unsigned(row.accepted_seq),
            ended_seq: row.ended_seq.map(unsigned),
            ended_at: row.ended_at.map(Timestamp::from),
        }
    }
}
