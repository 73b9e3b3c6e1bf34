//! What is stored of a session, read past its actor.

use orchestratai_shared::{ChatSession, LogId, Message, MessageId, RetrievalLog, SessionId};
use orchestratai_store::{EventsPage, Page};

use super::{Gateway, unreadable};
use crate::refusal::Refusal;

/// Bytes of one page of events; a page of the longest events there are is shorter than was asked for.
const EVENTS_BYTES_MAX: usize = 8 << 20;

impl Gateway {
    /// A session with its totals; `None` where there is none.
    ///
    /// # Errors
    /// [`Refusal`] where the store cannot be read.
    pub async fn session(&self, id: SessionId) -> Result<Option<ChatSession>, Refusal> {
        self.inner.store.session(id).await.map_err(|error| unreadable(&error))
    }

    /// A page of a session's transcript, newest last; `None` where there is no such session.
    ///
    /// # Errors
    /// [`Refusal`] where the store cannot be read, or `before` is no message of this session.
    pub async fn messages(
        &self,
        id: SessionId,
        limit: usize,
        before: Option<MessageId>,
    ) -> Result<Option<Page<Message>>, Refusal> {
        if self.session(id).await?.is_none() {
            return Ok(None);
        }
        self.inner
            .store
            .messages(id, limit, before)
            .await
            .map(Some)
            .map_err(|error| unreadable(&error))
    }

    /// A page of a session's retrieval logs, newest last; `None` where there is no such session.
    ///
    /// # Errors
    /// [`Refusal`] where the store cannot be read, or `before` is no log of this session.
    pub async fn logs(
        &self,
        id: SessionId,
        limit: usize,
        before: Option<LogId>,
    ) -> Result<Option<Page<RetrievalLog>>, Refusal> {
        if self.session(id).await?.is_none() {
            return Ok(None);
        }
        self.inner
            .store
            .logs(id, limit, before)
            .await
            .map(Some)
            .map_err(|error| unreadable(&error))
    }

    /// Durable events after `after_seq`, oldest first, as the journal keeps them, at most `limit` and some 8 MiB of them; `None`
    /// where there is no such session.
    ///
    /// # Errors
    /// [`Refusal`] where the store cannot be read.
    pub async fn events(&self, id: SessionId, after_seq: u64, limit: usize) -> Result<Option<EventsPage>, Refusal> {
        self.inner
            .store
            .events_after(id, after_seq, limit, EVENTS_BYTES_MAX)
            .await
            .map_err(|error| unreadable(&error))
    }
}
