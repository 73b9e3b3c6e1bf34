//! All that a session needs to go on where it was.

use std::sync::Arc;

use orchestratai_shared::{ChatSession, ClientMessageId, Event, Message, PersonInCharge, SessionId, Timestamp, TurnId};

use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
    entity::prelude::{DateTimeUtc, TextUuid},
};

use crate::{
    Store, StoreError,
    entity::{erased_session, session, turn, unsigned},
    events, page,
    snapshot::rehydrate::Candidate,
    takeover,
};

/// What is known of a session, read at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct SessionRecord {
    /// The session with its totals.
    pub session: ChatSession,
    /// Whose it is.
    pub organization: Arc<str>,
    /// The `seq` of its last event; 0 where it has none.
    pub last_seq: u64,
    /// Every idempotency key that it has taken, of users and of persons in the agents' place, oldest first.
    pub keys: Vec<AcceptedKey>,
    /// Its turns that have not ended, oldest first.
    pub open_turns: Vec<OpenTurn>,
    /// Who has taken it over.
    pub person: Option<PersonInCharge>,
    /// The last messages of its transcript, newest last.
    pub transcript: Vec<Message>,
    /// The `seq` up to which an erased earlier session of the same id went; 0 where there was none.
    pub erased_through: u64,
}

/// An idempotency key that was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AcceptedKey {
    /// The key.
    pub client_message_id: ClientMessageId,
    /// The turn it became.
    pub turn_id: TurnId,
    /// `seq` of its `message_accepted`.
    pub accepted_seq: u64,
    /// `seq` of its terminal event, if it has ended.
    pub ended_seq: Option<u64>,
}

/// A turn that has not ended.
#[derive(Debug, Clone, PartialEq)]
pub struct OpenTurn {
    /// The turn.
    pub turn_id: TurnId,
    /// Its events so far; the first is its `message_accepted`.
    pub events: Vec<Event>,
}

impl Store {
    /// The session with its totals, or none.
    ///
    /// # Errors
    /// [`StoreError`] where the database cannot be read.
    pub async fn session(&self, id: SessionId) -> Result<Option<ChatSession>, StoreError> {
        self.settle(id).await?;
        Ok(session::Entity::find_by_id(TextUuid(id.0))
            .one(self.readers())
            .await?
            .map(chat_session))
    }

    /// All that the session needs to go on where it was, read at one moment, or none where there is no such session.
    /// `transcript` is how many messages of the transcript to read at most.
    ///
    /// # Errors
    /// [`StoreError`] where the database cannot be read.
    pub async fn rehydrate(&self, id: SessionId, transcript: usize) -> Result<Option<SessionRecord>, StoreError> {
        let rehydrated = self.rehydrate_from(id, transcript, Candidate::Absent).await?;
        Ok(rehydrated.map(|rehydrated| rehydrated.record))
    }

    /// The `seq` up to which an erased session of this id went; 0 where there was none.
    ///
    /// # Errors
    /// [`StoreError`] where the database cannot be read.
    pub async fn erased_through(&self, id: SessionId) -> Result<u64, StoreError> {
        self.settle(id).await?;
        erased_through(self.readers(), id).await
    }

    /// Sessions that were erased at `since` or later. A session of the same id may have begun anew.
    ///
    /// # Errors
    /// [`StoreError`] where the database cannot be read.
    pub async fn erased_since(&self, since: Timestamp) -> Result<Vec<SessionId>, StoreError> {
        self.settle_all().await?;
        let ids: Vec<TextUuid> = erased_session::Entity::find()
            .select_only()
            .column(erased_session::Column::SessionId)
            .filter(erased_session::Column::ErasedAt.gte(DateTimeUtc::from(since)))
            .into_tuple()
            .all(self.readers())
            .await?;
        Ok(ids.into_iter().map(|id| SessionId(id.0)).collect())
    }

    /// Sessions with turns that have not ended: those to take up again after a crash.
    ///
    /// # Errors
    /// [`StoreError`] where the database cannot be read.
    pub async fn sessions_with_open_turns(&self) -> Result<Vec<SessionId>, StoreError> {
        self.settle_all().await?;
        let ids: Vec<TextUuid> = turn::Entity::find()
            .select_only()
            .column(turn::Column::SessionId)
            .distinct()
            .filter(turn::Column::EndedSeq.is_null())
            .order_by_asc(turn::Column::SessionId)
            .into_tuple()
            .all(self.readers())
            .await?;
        Ok(ids.into_iter().map(|id| SessionId(id.0)).collect())
    }
}

/// What the tables say of a session in one row each.
pub(crate) struct Head {
    pub(crate) session: ChatSession,
    pub(crate) organization: Arc<str>,
    pub(crate) last_seq: u64,
    pub(crate) erased_through: u64,
    pub(crate) person: Option<PersonInCharge>,
}

/// The head of a session, or none where there is no such session.
pub(crate) async fn head(reader: &impl ConnectionTrait, id: SessionId) -> Result<Option<Head>, StoreError> {
    let Some(row) = session::Entity::find_by_id(TextUuid(id.0)).one(reader).await? else {
        return Ok(None);
    };
    Ok(Some(Head {
        organization: row.organization_id.as_str().into(),
        last_seq: unsigned(row.last_seq),
        session: chat_session(row),
        erased_through: erased_through(reader, id).await?,
        person: takeover::find(reader, id).await?,
    }))
}

/// All that is known of a session, without a snapshot.
pub(crate) async fn in_full(
    reader: &impl ConnectionTrait,
    head: Head,
    transcript: usize,
) -> Result<SessionRecord, StoreError> {
    let id = head.session.id;
    let turns = turn::Entity::find()
        .filter(turn::Column::SessionId.eq(TextUuid(id.0)))
        .order_by_asc(turn::Column::AcceptedSeq)
        .all(reader)
        .await?;
    let mut keys: Vec<AcceptedKey> = turns.iter().map(accepted_key).collect();
    let open_turns = open_turns(reader, id, &keys).await?;
    keys.extend(takeover::reply_keys(reader, id).await?);
    keys.sort_unstable_by_key(|key| key.accepted_seq);
    let transcript = page::last_messages(reader, id, transcript, None).await?.items;
    Ok(SessionRecord {
        session: head.session,
        organization: head.organization,
        last_seq: head.last_seq,
        keys,
        open_turns,
        person: head.person,
        transcript,
        erased_through: head.erased_through,
    })
}

async fn erased_through(reader: &impl ConnectionTrait, id: SessionId) -> Result<u64, StoreError> {
    let tombstone = erased_session::Entity::find_by_id(TextUuid(id.0)).one(reader).await?;
    Ok(tombstone.map_or(0, |row| unsigned(row.erased_through)))
}

/// The events of all open turns. They are in one stretch of the journal, from the first open turn's acceptance to the end.
async fn open_turns(
    reader: &impl ConnectionTrait,
    id: SessionId,
    keys: &[AcceptedKey],
) -> Result<Vec<OpenTurn>, StoreError> {
    let mut open: Vec<OpenTurn> = keys
        .iter()
        .filter(|key| key.ended_seq.is_none())
        .map(|key| OpenTurn {
            turn_id: key.turn_id,
            events: Vec::new(),
        })
        .collect();
    let Some(first) = keys.iter().find(|key| key.ended_seq.is_none()) else {
        return Ok(open);
    };
    for event in events::range(reader, id, first.accepted_seq, None).await? {
        if let Some(turn) = open.iter_mut().find(|turn| Some(turn.turn_id) == event.turn_id) {
            turn.events.push(event);
        }
    }
    Ok(open)
}

fn accepted_key(row: &turn::Model) -> AcceptedKey {
    AcceptedKey {
        client_message_id: ClientMessageId(row.client_message_id.0),
        turn_id: TurnId(row.id.0),
        accepted_seq: unsigned(row.accepted_seq),
        ended_seq: row.ended_seq.map(unsigned),
    }
}

pub(crate) fn chat_session(row: session::Model) -> ChatSession {
    ChatSession {
        id: SessionId(row.id.0),
        user_id: row.user_id,
        start_time: row.start_time.into(),
        last_activity: row.last_activity.into(),
        total_tokens: unsigned(row.total_tokens),
        // Binary fractions add up to a little more or less; the column has six decimals.
        total_cost: (row.total_cost * 1e6).round() / 1e6,
        message_count: unsigned(row.message_count),
    }
}
