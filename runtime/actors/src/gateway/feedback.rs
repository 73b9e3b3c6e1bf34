//! What people think of answers.

use orchestratai_shared::{Feedback, MessageId, Rating, SessionId};
use orchestratai_store::{FeedbackGiven, Page};

use super::{Gateway, sessions::unwritten, unreadable};
use crate::refusal::Refusal;

impl Gateway {
    /// Stores what somebody thinks of an answer, in place of what was there; `None` where the session has no such answer.
    ///
    /// # Errors
    /// [`Refusal`] where the store cannot be written.
    pub async fn put_feedback(
        &self,
        session_id: SessionId,
        message_id: MessageId,
        rating: Rating,
        reason: Option<String>,
    ) -> Result<Option<FeedbackGiven>, Refusal> {
        let store = &self.inner.store;
        let put = store.put_feedback(session_id, message_id, rating, reason).await;
        put.map_err(|error| unwritten(&error))
    }

    /// Removes what was thought of an answer; whether there was anything.
    ///
    /// # Errors
    /// [`Refusal`] where the store cannot be written.
    pub async fn remove_feedback(&self, session_id: SessionId, message_id: MessageId) -> Result<bool, Refusal> {
        let removed = self.inner.store.remove_feedback(session_id, message_id).await;
        removed.map_err(|error| unwritten(&error))
    }

    /// A page of a session's feedback, in the order of the messages, newest last; `None` where there is no such session.
    ///
    /// # Errors
    /// [`Refusal`] where the store cannot be read, or `before` is no message of this session.
    pub async fn feedback(
        &self,
        id: SessionId,
        limit: usize,
        before: Option<MessageId>,
    ) -> Result<Option<Page<Feedback>>, Refusal> {
        if self.session(id).await?.is_none() {
            return Ok(None);
        }
        let page = self.inner.store.feedback(id, limit, before).await;
        page.map(Some).map_err(|error| unreadable(&error))
    }
}
