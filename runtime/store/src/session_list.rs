//! Sessions as a list, the latest activity first, and what people call them.

use std::collections::HashMap;

use orchestratai_shared::{AgentId, ChatSession, SessionId, SessionState, SessionSummary, SessionTitle, Timestamp};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
    entity::prelude::{DateTimeUtc, TextUuid},
    sea_query::{Alias, Expr, ExprTrait, Func, Order, Query, SelectStatement},
};

use crate::{
    Store, StoreError, dialect,
    entity::{message, session, takeover, turn},
    record::chat_session,
    rows::{ROWS_MAX, hour, text},
    transaction,
};

/// Which sessions to list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionQuery {
    /// Whose.
    pub organization: String,
    /// How many at most, 1 or more.
    pub limit: usize,
    /// Only what comes after this place.
    pub after: Option<SessionPlace>,
    /// Only those whose title or messages hold this text, without regard to case.
    pub text: Option<String>,
}

/// A session's place in the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionPlace {
    /// The session.
    pub id: SessionId,
    /// Its last activity when it was listed, so that the place stays while the session goes on; as it is now where it is left out.
    pub last_activity: Option<Timestamp>,
}

/// Sessions of a list, the latest activity first.
#[derive(Debug, Clone, PartialEq)]
pub struct SessionList {
    /// The sessions.
    pub sessions: Vec<SessionSummary>,
    /// Whether there are more after the last of them.
    pub has_more: bool,
}

/// Sessions whose messages are looked through by one statement. A search holds a connection for no longer.
const SEARCHED_AT_ONCE: usize = 256;
/// Characters of a preview.
const PREVIEW_CHARACTERS: usize = 160;

impl Store {
    /// Sessions, the latest activity first. To look for a text costs a look at the messages of all sessions that come before the
    /// last one found.
    ///
    /// # Errors
    /// [`StoreError::UnknownCursor`] where there is no session to go on after; else where the database cannot be read.
    pub async fn sessions(&self, query: &SessionQuery) -> Result<SessionList, StoreError> {
        self.settle_all().await?;
        let mut place = match query.after {
            Some(after) => Some(self.place(after).await?),
            None => None,
        };
        let mut found = Vec::new();
        let mut has_more = false;
        loop {
            let wanted = query.limit - found.len() + 1;
            let at_once = match query.text {
                Some(_) => Ord::max(wanted, SEARCHED_AT_ONCE),
                None => wanted,
            };
            let reader = self.read().await?;
            let rows = in_order(&query.organization, place, at_once).all(&reader).await?;
            let is_last = rows.len() < at_once;
            place = rows.last().map(|row| (row.last_activity, row.id)).or(place);
            let mut matching = match &query.text {
                Some(text) => holding(&reader, rows, text).await?,
                None => rows,
            };
            has_more |= matching.len() >= wanted;
            matching.truncate(wanted - 1);
            found.extend(summaries(&reader, matching).await?);
            reader.commit().await?;
            if is_last || has_more {
                let sessions = found;
                return Ok(SessionList { sessions, has_more });
            }
        }
    }

    /// A session as it stands in a list, or none where there is no such session.
    ///
    /// # Errors
    /// [`StoreError`] where the database cannot be read.
    pub async fn session_summary(&self, id: SessionId) -> Result<Option<SessionSummary>, StoreError> {
        self.settle(id).await?;
        let reader = self.read().await?;
        let row = session::Entity::find_by_id(TextUuid(id.0)).all(&reader).await?;
        let summary = summaries(&reader, row).await?.pop();
        reader.commit().await?;
        Ok(summary)
    }

    /// Gives a session a title, or takes it away; whether there is such a session. It is no event of the session, so any node may
    /// do it.
    ///
    /// # Errors
    /// [`StoreError`] where it cannot be written.
    pub async fn set_session_title(&self, id: SessionId, title: Option<&SessionTitle>) -> Result<bool, StoreError> {
        self.settle(id).await?;
        let writing = transaction::begin(self.writer()).await?;
        let changed = session::Entity::update_many()
            .col_expr(
                session::Column::Title,
                title.map(|title| title.as_str().to_owned()).into(),
            )
            .filter(session::Column::Id.eq(TextUuid(id.0)))
            .exec(&writing.transaction)
            .await;
        let changed = writing.end(changed.map_err(StoreError::from)).await?;
        self.committed(0, false);
        Ok(changed.rows_affected > 0)
    }

    async fn place(
        &self,
        SessionPlace { id, last_activity }: SessionPlace,
    ) -> Result<(DateTimeUtc, TextUuid), StoreError> {
        let at = match last_activity {
            Some(at) => at.into(),
            None => session::Entity::find_by_id(TextUuid(id.0))
                .select_only()
                .column(session::Column::LastActivity)
                .into_tuple::<DateTimeUtc>()
                .one(self.readers())
                .await?
                .ok_or(StoreError::UnknownCursor)?,
        };
        Ok((at, TextUuid(id.0)))
    }
}

/// The rows of the list after a place. The index has the hours in order, and only what is within an hour is sorted.
fn in_order(
    organization: &str,
    after: Option<(DateTimeUtc, TextUuid)>,
    limit: usize,
) -> sea_orm::Select<session::Entity> {
    let mut select = session::Entity::find().filter(session::Column::OrganizationId.eq(organization));
    if let Some((at, id)) = after {
        let later_in_the_list = Condition::any()
            .add(session::Column::LastActivity.lt(at))
            .add(session::Column::LastActivity.eq(at).and(session::Column::Id.lt(id)));
        select = select
            .filter(session::Column::ActiveHour.lte(hour(at.into())))
            .filter(later_in_the_list);
    }
    select
        .order_by_desc(session::Column::ActiveHour)
        .order_by_desc(session::Column::LastActivity)
        .order_by_desc(session::Column::Id)
        .limit(limit as u64)
}

/// Those of these sessions whose title or messages hold a text.
async fn holding(
    reader: &impl ConnectionTrait,
    rows: Vec<session::Model>,
    searched: &str,
) -> Result<Vec<session::Model>, StoreError> {
    let backend = reader.get_database_backend();
    let mut holding = Vec::new();
    let mut rows = rows.into_iter().peekable();
    while rows.peek().is_some() {
        let chunk: Vec<session::Model> = rows.by_ref().take(ROWS_MAX).collect();
        let in_messages = of_session(message::Entity, message::Column::SessionId)
            .expr(Expr::val(1))
            .and_where(dialect::holds(
                backend,
                Expr::col((message::Entity, message::Column::Content)),
                searched,
            ))
            .to_owned();
        let in_title = dialect::holds(backend, Expr::col((session::Entity, session::Column::Title)), searched);
        let select = Query::select()
            .column((session::Entity, session::Column::Id))
            .from(session::Entity)
            .and_where(Expr::col((session::Entity, session::Column::Id)).is_in(chunk.iter().map(|row| text(row.id.0))))
            .and_where(in_title.or(Expr::exists(in_messages)))
            .to_owned();
        let mut ids = std::collections::HashSet::new();
        for row in reader.query_all(&select).await? {
            ids.insert(row.try_get_by_index::<TextUuid>(0)?);
        }
        holding.extend(chunk.into_iter().filter(|row| ids.contains(&row.id)));
    }
    Ok(holding)
}

/// What the list says of a session beside its row.
#[derive(Default)]
struct Details {
    preview: Option<String>,
    agent: Option<String>,
    is_running: bool,
    is_persons: bool,
}

/// These sessions as they stand in a list, in the order of their rows.
async fn summaries(
    reader: &impl ConnectionTrait,
    rows: Vec<session::Model>,
) -> Result<Vec<SessionSummary>, StoreError> {
    let mut details: HashMap<TextUuid, Details> = HashMap::with_capacity(rows.len());
    for chunk in rows.chunks(ROWS_MAX) {
        let said_by = |role: &str| {
            of_session(message::Entity, message::Column::SessionId)
                .and_where(Expr::col((message::Entity, message::Column::Role)).eq(role))
                .limit(1)
                .to_owned()
        };
        let begin = Func::cust(Alias::new("substr")).args([
            Expr::col((message::Entity, message::Column::Content)),
            Expr::val(1),
            // White space is taken together afterwards.
            Expr::val(i32::try_from(4 * PREVIEW_CHARACTERS).unwrap_or(i32::MAX)),
        ]);
        let first = said_by("user")
            .expr(begin)
            .order_by((message::Entity, message::Column::Seq), Order::Asc)
            .to_owned();
        let last = said_by("assistant")
            .column((message::Entity, message::Column::Agent))
            .order_by((message::Entity, message::Column::Seq), Order::Desc)
            .to_owned();
        let open = of_session(turn::Entity, turn::Column::SessionId)
            .expr(Expr::val(1))
            .and_where(Expr::col((turn::Entity, turn::Column::EndedSeq)).is_null())
            .to_owned();
        let taken_over = of_session(takeover::Entity, takeover::Column::SessionId)
            .expr(Expr::val(1))
            .to_owned();
        let select = Query::select()
            .column((session::Entity, session::Column::Id))
            .expr(Expr::SubQuery(None, Box::new(first.into())))
            .expr(Expr::SubQuery(None, Box::new(last.into())))
            .expr(Expr::exists(open))
            .expr(Expr::exists(taken_over))
            .from(session::Entity)
            .and_where(Expr::col((session::Entity, session::Column::Id)).is_in(chunk.iter().map(|row| text(row.id.0))))
            .to_owned();
        for row in reader.query_all(&select).await? {
            let found = Details {
                preview: row.try_get_by_index(1)?,
                agent: row.try_get_by_index(2)?,
                is_running: row.try_get_by_index(3)?,
                is_persons: row.try_get_by_index(4)?,
            };
            details.insert(row.try_get_by_index(0)?, found);
        }
    }
    rows.into_iter()
        .map(|row| {
            let found = details.remove(&row.id).unwrap_or_default();
            summary(row, found)
        })
        .collect()
}

fn summary(mut row: session::Model, details: Details) -> Result<SessionSummary, StoreError> {
    let unreadable = |source| StoreError::Unreadable {
        what: "session",
        source,
    };
    let title = row.title.take().map(|title| SessionTitle::parse(&title)).transpose();
    let agent = details.agent.map(|agent| AgentId::parse(&agent)).transpose();
    let session: ChatSession = chat_session(row);
    Ok(SessionSummary {
        session,
        title: title.map_err(|error| unreadable(error.into()))?,
        preview: details
            .preview
            .map(|text| preview(&text))
            .filter(|text| !text.is_empty()),
        state: match (details.is_persons, details.is_running) {
            (true, _) => SessionState::Person,
            (false, true) => SessionState::Running,
            (false, false) => SessionState::Idle,
        },
        agent: agent.map_err(|error| unreadable(error.into()))?,
    })
}

/// The begin of a text, on one line.
fn preview(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(PREVIEW_CHARACTERS) {
        None => line,
        Some((end, _)) => format!("{}…", line[..end].trim_end()),
    }
}

/// What a table has of the session in the statement around.
fn of_session<T, C>(table: T, session_id: C) -> SelectStatement
where
    T: EntityTrait + Copy,
    C: ColumnTrait,
{
    Query::select()
        .from(table)
        .and_where(Expr::col((table, session_id)).equals((session::Entity, session::Column::Id)))
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_preview_is_one_line_and_not_cut_inside_a_character() {
        assert_eq!(preview("How do I\n\n rotate\ta key? "), "How do I rotate a key?");
        let long = preview(&"é".repeat(500));
        assert_eq!(long, format!("{}…", "é".repeat(PREVIEW_CHARACTERS)));
        assert_eq!(preview(" \n"), "");
    }
}
