//! Pages of a session's messages and retrieval logs, newest last.

use std::collections::HashMap;

use orchestratai_shared::{
    AgentId, Confidence, LogId, Message, MessageId, MessageRole, RetrievalLog, SessionId, event::EventBody,
};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, entity::prelude::TextUuid,
};

use crate::{
    Store, StoreError,
    entity::{journal, message, signed, unsigned},
    frames,
    rows::ROWS_MAX,
};

/// A page of a list that is read from its end.
#[derive(Debug, Clone, PartialEq)]
pub struct Page<T> {
    /// Oldest first, newest last.
    pub items: Vec<T>,
    /// Whether there are older ones than the first of `items`.
    pub has_more: bool,
}

impl Store {
    /// The last `limit` messages of a transcript, or the last before the message `before`. Empty where there is no such
    /// session.
    ///
    /// # Errors
    /// [`StoreError::UnknownCursor`] where the session has no message `before`; else where the database cannot be read.
    pub async fn messages(
        &self,
        id: SessionId,
        limit: usize,
        before: Option<MessageId>,
    ) -> Result<Page<Message>, StoreError> {
        self.settle(id).await?;
        let reader = self.read().await?;
        let page = last_messages(&reader, id, limit, before).await?;
        reader.commit().await?;
        Ok(page)
    }

    /// The last `limit` retrieval logs of a session, or the last before the log `before`. Empty where there is no such
    /// session. A page deep in the past costs a look at all that is younger.
    ///
    /// # Errors
    /// [`StoreError::UnknownCursor`] where the session has no log `before`; else where the database cannot be read.
    pub async fn logs(
        &self,
        id: SessionId,
        limit: usize,
        before: Option<LogId>,
    ) -> Result<Page<RetrievalLog>, StoreError> {
        self.settle(id).await?;
        let reader = self.read().await?;
        let page = last_logs(&reader, id, limit, before).await?;
        reader.commit().await?;
        Ok(page)
    }
}

/// The last messages before `before`, or the last of all.
pub(crate) async fn last_messages(
    reader: &impl ConnectionTrait,
    id: SessionId,
    limit: usize,
    before: Option<MessageId>,
) -> Result<Page<Message>, StoreError> {
    let mut select = message::Entity::find().filter(message::Column::SessionId.eq(TextUuid(id.0)));
    if let Some(before) = before {
        let seq = message::Entity::find_by_id(TextUuid(before.0))
            .select_only()
            .column(message::Column::Seq)
            .filter(message::Column::SessionId.eq(TextUuid(id.0)))
            .into_tuple::<i64>()
            .one(reader)
            .await?
            .ok_or(StoreError::UnknownCursor)?;
        select = select.filter(message::Column::Seq.lt(seq));
    }
    let mut rows = select
        .order_by_desc(message::Column::Seq)
        .limit(limit as u64 + 1)
        .all(reader)
        .await?;
    let has_more = rows.len() > limit;
    rows.truncate(limit);
    let items = rows.into_iter().rev().map(read_message).collect::<Result<_, _>>()?;
    Ok(Page { items, has_more })
}

/// The first `limit` messages that were brought by events after `after` and up to `last`, oldest first, each with the `seq` of its
/// event.
pub(crate) async fn messages_after(
    store: &Store,
    id: SessionId,
    after: u64,
    last: u64,
    limit: usize,
) -> Result<Vec<(u64, Message)>, StoreError> {
    let rows = message::Entity::find()
        .filter(message::Column::SessionId.eq(TextUuid(id.0)))
        .filter(message::Column::Seq.gt(signed(after)))
        .filter(message::Column::Seq.lte(signed(last)))
        .order_by_asc(message::Column::Seq)
        .limit(limit as u64)
        .all(store.readers())
        .await?;
    rows.into_iter()
        .map(|row| Ok((unsigned(row.seq), read_message(row)?)))
        .collect()
}

/// The messages that the events with these `seq` have brought, by `seq`.
pub(crate) async fn messages_at(
    reader: &impl ConnectionTrait,
    id: SessionId,
    seqs: &[u64],
) -> Result<HashMap<u64, Message>, StoreError> {
    let mut messages = HashMap::new();
    for seqs in seqs.chunks(ROWS_MAX) {
        let rows = message::Entity::find()
            .filter(message::Column::SessionId.eq(TextUuid(id.0)))
            .filter(message::Column::Seq.is_in(seqs.iter().map(|seq| signed(*seq))))
            .all(reader)
            .await?;
        for row in rows {
            messages.insert(unsigned(row.seq), read_message(row)?);
        }
    }
    Ok(messages)
}

fn read_message(row: message::Model) -> Result<Message, StoreError> {
    let unreadable = |source| StoreError::Unreadable {
        what: "message",
        source,
    };
    let role = match row.role.as_str() {
        "user" => MessageRole::User,
        "assistant" => MessageRole::Assistant,
        other => return Err(unreadable(format!("its role is `{other}`").into())),
    };
    let agent = row.agent.map(|agent| AgentId::parse(&agent)).transpose();
    Ok(Message {
        id: MessageId(row.id.0),
        role,
        content: row.content,
        agent: agent.map_err(|error| unreadable(error.into()))?,
        confidence: row.confidence.map(Confidence::new),
        timestamp: row.created_at.into(),
        session_id: SessionId(row.session_id.0),
    })
}

/// Journal rows read by one statement on the way back. A row of a whole turn holds some four logs.
const ROWS_AT_ONCE: u64 = 16;

async fn last_logs(
    reader: &impl ConnectionTrait,
    id: SessionId,
    limit: usize,
    before: Option<LogId>,
) -> Result<Page<RetrievalLog>, StoreError> {
    // Newest first, one more than asked for.
    let mut logs: Vec<RetrievalLog> = Vec::new();
    let mut is_past_cursor = before.is_none();
    let cursor = before.map(|before| before.to_string());
    let mut below = i64::MAX;
    while logs.len() <= limit {
        let rows = journal::Entity::find()
            .filter(journal::Column::SessionId.eq(TextUuid(id.0)))
            .filter(journal::Column::Seq.lt(below))
            .order_by_desc(journal::Column::Seq)
            .limit(ROWS_AT_ONCE)
            .all(reader)
            .await?;
        let Some(oldest) = rows.last() else { break };
        below = oldest.seq;
        for row in rows {
            // Rows before which the cursor stands need not be parsed.
            let may_hold_cursor = cursor.as_deref().is_some_and(|cursor| row.payload.contains(cursor));
            if !is_past_cursor && !may_hold_cursor {
                continue;
            }
            for frame in frames::slice(unsigned(row.seq), row.payload)?.iter().rev() {
                if !frame.text.contains("\"retrieval_log\"") {
                    continue;
                }
                let EventBody::RetrievalLog(log) = frame.event()?.body else {
                    continue;
                };
                if is_past_cursor {
                    logs.push(log);
                } else {
                    is_past_cursor = Some(log.id) == before;
                }
            }
        }
    }
    if !is_past_cursor {
        return Err(StoreError::UnknownCursor);
    }
    let has_more = logs.len() > limit;
    logs.truncate(limit);
    logs.reverse();
    Ok(Page { items: logs, has_more })
}
