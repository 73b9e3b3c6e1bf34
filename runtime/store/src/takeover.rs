//! Sessions that a person has: what events say of it, and the rows that come of it. Read with the session's head, written in the
//! transaction of its events.

use std::collections::{BTreeMap, HashMap};

use orchestratai_shared::{
    ClientMessageId, Event, EventBody, PersonInCharge, SessionId, TurnId, event::MessageCompleted,
};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseTransaction, DbBackend, EntityTrait, QueryFilter, Statement,
    entity::prelude::TextUuid,
    sea_query::{Expr, ExprTrait, OnConflict, Query},
};

use crate::{
    AcceptedKey, StoreError, dialect,
    entity::{person_reply, takeover, unsigned},
    person_request::{self, RequestRows},
    rows::{ROWS_MAX, insert, number, storable, text, time},
};

/// What a batch makes of persons in charge, and what they say in it.
#[derive(Debug, Default)]
pub(crate) struct PersonRows {
    /// Who has a session after the batch, of those sessions that have changed hands in it.
    in_charge: BTreeMap<SessionId, Option<PersonInCharge>>,
    replies: Vec<ReplyRow>,
    requests: RequestRows,
}

/// What a person has said to a turn.
#[derive(Debug)]
struct ReplyRow {
    session_id: SessionId,
    client_message_id: ClientMessageId,
    turn_id: TurnId,
    seq: u64,
}

/// What an event says of who has its session: a person, or the agents again; none where it says nothing of it. Only the session as
/// a whole changes hands so: an event that belongs to a turn speaks of that.
pub(crate) fn change_of_hands(event: &Event) -> Option<Option<PersonInCharge>> {
    let EventBody::Handoff(handoff) = &event.body else {
        return None;
    };
    if event.turn_id.is_some() {
        return None;
    }
    if handoff.to.is_person() {
        let name = handoff.by.clone().unwrap_or_default();
        let since = event.at;
        return Some(Some(PersonInCharge { name, since }));
    }
    handoff.from.is_person().then_some(None)
}

/// Whether a person has said this of their own accord: a turn that begins and ends with it, and bears its id.
pub(crate) fn is_unasked(turn_id: TurnId, completed: &MessageCompleted) -> bool {
    completed.client_message_id.is_some() && completed.message.id.0 == turn_id.0
}

impl PersonRows {
    /// Takes note of an event.
    pub(crate) fn take(&mut self, event: &Event) {
        if let Some(person) = change_of_hands(event) {
            self.in_charge.insert(event.session_id, person);
        }
        self.requests.take(event);
        if let (EventBody::MessageCompleted(completed), Some(turn_id)) = (&event.body, event.turn_id)
            && let Some(client_message_id) = completed.client_message_id
            && !is_unasked(turn_id, completed)
        {
            self.replies.push(ReplyRow {
                session_id: event.session_id,
                client_message_id,
                turn_id,
                seq: event.seq,
            });
        }
    }

    /// Whether there is nothing to write.
    pub(crate) fn is_empty(&self) -> bool {
        self.in_charge.is_empty() && self.replies.is_empty() && self.requests.is_empty()
    }

    /// The statements that write it. `organizations` holds every session of it.
    pub(crate) fn statements(self, backend: DbBackend, organizations: &HashMap<SessionId, String>) -> Vec<Statement> {
        let organization = |session_id: &SessionId| -> Expr { organizations[session_id].as_str().into() };
        let mut statements = Vec::new();
        let (present, gone): (Vec<_>, Vec<_>) = (self.in_charge.into_iter()).partition(|(_, person)| person.is_some());
        for gone in gone.chunks(ROWS_MAX) {
            let ids = gone.iter().map(|(id, _)| text(id.0));
            let delete = Query::delete()
                .from_table(takeover::Entity)
                .and_where(Expr::col(takeover::Column::SessionId).is_in(ids))
                .to_owned();
            statements.push(backend.build(&delete));
        }
        let columns = [
            takeover::Column::SessionId,
            takeover::Column::Name,
            takeover::Column::Since,
            takeover::Column::OrganizationId,
        ];
        let present = present.into_iter().filter_map(|(id, person)| {
            let PersonInCharge { name, since } = person?;
            Some([
                text(id.0),
                storable(backend, name).into(),
                time(since),
                organization(&id),
            ])
        });
        let replace = OnConflict::column(takeover::Column::SessionId)
            .update_columns([takeover::Column::Name, takeover::Column::Since])
            .to_owned();
        statements.extend(insert(backend, takeover::Entity, &columns, present, Some(&replace)));
        let columns = [
            person_reply::Column::SessionId,
            person_reply::Column::ClientMessageId,
            person_reply::Column::TurnId,
            person_reply::Column::Seq,
            person_reply::Column::OrganizationId,
        ];
        let replies = self.replies.into_iter().map(|reply| {
            [
                text(reply.session_id.0),
                text(reply.client_message_id.0),
                text(reply.turn_id.0),
                number(reply.seq),
                organization(&reply.session_id),
            ]
        });
        statements.extend(insert(backend, person_reply::Entity, &columns, replies, None));
        statements.extend(self.requests.statements(backend, organizations));
        statements
    }
}

/// Writes it.
pub(crate) async fn write(
    transaction: &DatabaseTransaction,
    rows: PersonRows,
    organizations: &HashMap<SessionId, String>,
) -> Result<(), StoreError> {
    if !rows.is_empty() {
        let statements = rows.statements(transaction.get_database_backend(), organizations);
        dialect::execute_all(transaction, statements).await?;
    }
    Ok(())
}

/// Who has a session.
pub(crate) async fn find(reader: &impl ConnectionTrait, id: SessionId) -> Result<Option<PersonInCharge>, StoreError> {
    let row = takeover::Entity::find_by_id(TextUuid(id.0)).one(reader).await?;
    Ok(row.map(|row| PersonInCharge {
        name: row.name,
        since: row.since.into(),
    }))
}

/// The keys of what persons have said to a session's turns.
pub(crate) async fn reply_keys(reader: &impl ConnectionTrait, id: SessionId) -> Result<Vec<AcceptedKey>, StoreError> {
    let rows = person_reply::Entity::find()
        .filter(person_reply::Column::SessionId.eq(TextUuid(id.0)))
        .all(reader)
        .await?;
    let key = |row: person_reply::Model| AcceptedKey {
        client_message_id: ClientMessageId(row.client_message_id.0),
        turn_id: TurnId(row.turn_id.0),
        accepted_seq: unsigned(row.seq),
        ended_seq: Some(unsigned(row.seq)),
    };
    Ok(rows.into_iter().map(key).collect())
}

/// Removes what there is of a session.
pub(crate) async fn erase(transaction: &DatabaseTransaction, id: SessionId) -> Result<(), StoreError> {
    takeover::Entity::delete_by_id(TextUuid(id.0)).exec(transaction).await?;
    person_reply::Entity::delete_many()
        .filter(person_reply::Column::SessionId.eq(TextUuid(id.0)))
        .exec(transaction)
        .await?;
    person_request::erase(transaction, id).await
}
