//! What people think of answers. It is no part of the journal: any node writes it, for every session.

use std::collections::HashMap;

use orchestratai_shared::{AgentId, Feedback, MessageId, MessageRole, Rating, SessionId, Timestamp};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseTransaction, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
    entity::prelude::TextUuid,
    sea_query::{LockType, OnConflict},
};

use crate::{
    Page, Store, StoreError, dialect,
    entity::{feedback, message, session},
    rows::{ROWS_MAX, insert, storable, text, time},
    statements::role_text,
    transaction,
};

/// Feedback that was stored.
#[derive(Debug, Clone, PartialEq)]
pub struct FeedbackGiven {
    /// It.
    pub feedback: Feedback,
    /// Whose answer it is about.
    pub agent: Option<AgentId>,
    /// Whether the rating is another one than before, or the first.
    pub is_news: bool,
}

impl Store {
    /// Stores what somebody thinks of an answer, in place of what was there; none where the session has no such answer.
    ///
    /// # Errors
    /// [`StoreError`] where it cannot be written.
    pub async fn put_feedback(
        &self,
        session_id: SessionId,
        message_id: MessageId,
        rating: Rating,
        reason: Option<String>,
    ) -> Result<Option<FeedbackGiven>, StoreError> {
        self.settle(session_id).await?;
        let writing = transaction::begin(self.writer()).await?;
        let feedback = Feedback {
            message_id,
            rating,
            reason: reason.map(|reason| storable(writing.transaction.get_database_backend(), reason)),
            at: Timestamp::now(),
        };
        let put = put(&writing.transaction, session_id, feedback).await;
        let given = writing.end(put).await?;
        self.committed(0, false);
        Ok(given)
    }

    /// Removes what was thought of an answer; whether there was anything.
    ///
    /// # Errors
    /// [`StoreError`] where it cannot be written.
    pub async fn remove_feedback(&self, session_id: SessionId, message_id: MessageId) -> Result<bool, StoreError> {
        let writing = transaction::begin(self.writer()).await?;
        let removed = feedback::Entity::delete_by_id(TextUuid(message_id.0))
            .filter(feedback::Column::SessionId.eq(TextUuid(session_id.0)))
            .exec(&writing.transaction)
            .await;
        let removed = writing.end(removed.map_err(StoreError::from)).await?.rows_affected > 0;
        self.committed(0, removed);
        Ok(removed)
    }

    /// The last `limit` messages' feedback of a session, or of the last before the message `before`, in the order of the messages.
    /// Empty where there is no such session.
    ///
    /// # Errors
    /// [`StoreError::UnknownCursor`] where the session has no message `before`; else where the database cannot be read.
    pub async fn feedback(
        &self,
        session_id: SessionId,
        limit: usize,
        before: Option<MessageId>,
    ) -> Result<Page<Feedback>, StoreError> {
        self.settle(session_id).await?;
        let reader = self.read().await?;
        let of_session = feedback::Column::SessionId.eq(TextUuid(session_id.0));
        let mut select = feedback::Entity::find().filter(of_session);
        if let Some(before) = before {
            message_of(&reader, session_id, before)
                .await?
                .ok_or(StoreError::UnknownCursor)?;
            select = select.filter(feedback::Column::MessageId.lt(TextUuid(before.0)));
        }
        let mut rows = select
            .order_by_desc(feedback::Column::MessageId)
            .limit(limit as u64 + 1)
            .all(&reader)
            .await?;
        reader.commit().await?;
        let has_more = rows.len() > limit;
        rows.truncate(limit);
        let items = rows.into_iter().rev().map(read).collect::<Result<_, _>>()?;
        Ok(Page { items, has_more })
    }
}

/// The first `limit` messages' feedback of a session after the message `after`.
pub(crate) async fn feedback_after(
    reader: &impl ConnectionTrait,
    session_id: SessionId,
    after: Option<MessageId>,
    limit: usize,
) -> Result<Vec<Feedback>, StoreError> {
    let mut select = feedback::Entity::find().filter(feedback::Column::SessionId.eq(TextUuid(session_id.0)));
    if let Some(after) = after {
        select = select.filter(feedback::Column::MessageId.gt(TextUuid(after.0)));
    }
    let rows = select
        .order_by_asc(feedback::Column::MessageId)
        .limit(limit as u64)
        .all(reader)
        .await?;
    rows.into_iter().map(read).collect()
}

/// What is thought of these messages.
pub(crate) async fn feedback_on(
    reader: &impl ConnectionTrait,
    messages: &[MessageId],
) -> Result<HashMap<MessageId, Feedback>, StoreError> {
    let mut found = HashMap::new();
    for ids in messages.chunks(ROWS_MAX) {
        let rows = feedback::Entity::find()
            .filter(feedback::Column::MessageId.is_in(ids.iter().map(|id| TextUuid(id.0))))
            .all(reader)
            .await?;
        for row in rows {
            found.insert(MessageId(row.message_id.0), read(row)?);
        }
    }
    Ok(found)
}

async fn put(
    transaction: &DatabaseTransaction,
    session_id: SessionId,
    feedback: Feedback,
) -> Result<Option<FeedbackGiven>, StoreError> {
    // Whoever erases the session waits, so that nothing is left of it; whoever writes to it does not.
    let session = session::Entity::find_by_id(TextUuid(session_id.0))
        .lock(LockType::KeyShare)
        .one(transaction)
        .await?;
    let message = message_of(transaction, session_id, feedback.message_id).await?;
    let answer = message.filter(|message| message.role == role_text(MessageRole::Assistant));
    let (Some(session), Some(message)) = (session, answer) else {
        return Ok(None);
    };
    let agent = message.agent.as_deref().map(AgentId::parse).transpose();
    let agent = agent.map_err(|error| unreadable(error.into()))?;
    let id = TextUuid(feedback.message_id.0);
    let before = feedback::Entity::find_by_id(id).one(transaction).await?;
    let columns = [
        feedback::Column::MessageId,
        feedback::Column::SessionId,
        feedback::Column::Rating,
        feedback::Column::Reason,
        feedback::Column::At,
        feedback::Column::OrganizationId,
    ];
    let row = [
        text(feedback.message_id.0),
        text(session_id.0),
        feedback.rating.as_str().into(),
        feedback.reason.clone().into(),
        time(feedback.at),
        session.organization_id.into(),
    ];
    let replace = OnConflict::column(feedback::Column::MessageId)
        .update_columns([feedback::Column::Rating, feedback::Column::Reason, feedback::Column::At])
        .to_owned();
    let backend = transaction.get_database_backend();
    let statements = insert(backend, feedback::Entity, &columns, [row], Some(&replace));
    dialect::execute_all(transaction, statements).await?;
    Ok(Some(FeedbackGiven {
        is_news: before.is_none_or(|before| before.rating != feedback.rating.as_str()),
        feedback,
        agent,
    }))
}

async fn message_of(
    reader: &impl ConnectionTrait,
    session_id: SessionId,
    id: MessageId,
) -> Result<Option<message::Model>, StoreError> {
    let message = message::Entity::find_by_id(TextUuid(id.0))
        .filter(message::Column::SessionId.eq(TextUuid(session_id.0)))
        .one(reader)
        .await?;
    Ok(message)
}

fn read(row: feedback::Model) -> Result<Feedback, StoreError> {
    Ok(Feedback {
        message_id: MessageId(row.message_id.0),
        rating: match row.rating.as_str() {
            "up" => Rating::Up,
            "down" => Rating::Down,
            other => return Err(unreadable(format!("its rating is `{other}`").into())),
        },
        reason: row.reason,
        at: row.at.into(),
    })
}

fn unreadable(source: Box<dyn std::error::Error + Send + Sync>) -> StoreError {
    StoreError::Unreadable {
        what: "feedback",
        source,
    }
}
