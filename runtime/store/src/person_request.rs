//! Sessions in which an agent has asked for a person: rows that come of what events say, and who waits.

use std::collections::{BTreeMap, HashMap};

use orchestratai_shared::{AgentId, ChatSession, Event, PersonWanted, SessionId};
use sea_orm::{
    ColumnTrait, DatabaseTransaction, DbBackend, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Statement,
    entity::prelude::TextUuid,
    sea_query::{Expr, ExprTrait, OnConflict, Query},
};

use crate::{
    Store, StoreError,
    entity::{person_request, session},
    record::chat_session,
    rows::{ROWS_MAX, insert, storable, text, time},
    takeover::change_of_hands,
};

/// What a batch makes of requests for a person, by the sessions that it says something of.
#[derive(Debug, Default)]
pub(crate) struct RequestRows(BTreeMap<SessionId, Change>);

#[derive(Debug, Default)]
struct Change {
    /// Whether a person has come: no earlier request stands any more.
    has_come: bool,
    /// Whether one is wanted after the batch.
    wanted: Option<PersonWanted>,
}

impl RequestRows {
    /// Takes note of an event.
    pub(crate) fn take(&mut self, event: &Event) {
        if let Some(mut wanted) = PersonWanted::by(event) {
            let change = self.0.entry(event.session_id).or_default();
            if let Some(before) = &change.wanted {
                wanted.since = before.since;
            }
            change.wanted = Some(wanted);
        }
        if let Some(Some(_)) = change_of_hands(event) {
            let change = self.0.entry(event.session_id).or_default();
            *change = Change {
                has_come: true,
                wanted: None,
            };
        }
    }

    /// Whether there is nothing to write.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The statements that write it. `organizations` holds every session of it.
    pub(crate) fn statements(self, backend: DbBackend, organizations: &HashMap<SessionId, String>) -> Vec<Statement> {
        let mut statements = Vec::new();
        let gone: Vec<SessionId> = (self.0.iter())
            .filter(|(_, change)| change.has_come)
            .map(|(id, _)| *id)
            .collect();
        for gone in gone.chunks(ROWS_MAX) {
            let ids = gone.iter().map(|id| text(id.0));
            let delete = Query::delete()
                .from_table(person_request::Entity)
                .and_where(Expr::col(person_request::Column::SessionId).is_in(ids))
                .to_owned();
            statements.push(backend.build(&delete));
        }
        let columns = [
            person_request::Column::SessionId,
            person_request::Column::Agent,
            person_request::Column::Reason,
            person_request::Column::Since,
            person_request::Column::OrganizationId,
        ];
        let present = self.0.into_iter().filter_map(|(id, change)| {
            let PersonWanted { agent, reason, since } = change.wanted?;
            Some([
                text(id.0),
                agent.map(|agent| agent.as_str().to_owned()).into(),
                storable(backend, reason).into(),
                time(since),
                organizations[&id].as_str().into(),
            ])
        });
        // Who has waited since the first request goes on waiting since then.
        let replace = OnConflict::column(person_request::Column::SessionId)
            .update_columns([person_request::Column::Agent, person_request::Column::Reason])
            .to_owned();
        statements.extend(insert(
            backend,
            person_request::Entity,
            &columns,
            present,
            Some(&replace),
        ));
        statements
    }
}

impl Store {
    /// Sessions in which a person is wanted, so many at most, those first that have waited longest. It does not wait for what was
    /// committed just now.
    ///
    /// # Errors
    /// [`StoreError`] where the database cannot be read.
    pub async fn person_requests(&self, limit: usize) -> Result<Vec<(ChatSession, PersonWanted)>, StoreError> {
        let requests = person_request::Entity::find()
            .order_by_asc(person_request::Column::Since)
            .order_by_asc(person_request::Column::SessionId)
            .limit(limit as u64)
            .all(self.readers())
            .await?;
        if requests.is_empty() {
            return Ok(Vec::new());
        }
        let ids = requests.iter().map(|request| request.session_id);
        let sessions = session::Entity::find()
            .filter(session::Column::Id.is_in(ids))
            .all(self.readers())
            .await?;
        let mut sessions: HashMap<TextUuid, session::Model> =
            sessions.into_iter().map(|session| (session.id, session)).collect();
        let with_session = |request: person_request::Model| {
            let session = chat_session(sessions.remove(&request.session_id)?);
            let wanted = PersonWanted {
                agent: request.agent.and_then(|agent| AgentId::parse(&agent).ok()),
                reason: request.reason,
                since: request.since.into(),
            };
            Some((session, wanted))
        };
        Ok(requests.into_iter().filter_map(with_session).collect())
    }
}

/// Removes what there is of a session.
pub(crate) async fn erase(transaction: &DatabaseTransaction, id: SessionId) -> Result<(), StoreError> {
    person_request::Entity::delete_by_id(TextUuid(id.0))
        .exec(transaction)
        .await?;
    Ok(())
}
