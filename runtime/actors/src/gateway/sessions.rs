//! Sessions as a list, what people call them, and whole sessions to take away.
//!
//! All of it is read from and written to the database, so any node does it for every session.

use std::time::Duration;

use orchestratai_shared::{ErrorCode, SessionId, SessionSummary, SessionTitle};
use orchestratai_store::{
    DEFAULT_ORGANIZATION, ExportFormat, SessionExport, SessionList, SessionPlace, SessionQuery, StoreError,
};
use tokio::time::timeout;

use super::{Gateway, unreadable, unwritable};
use crate::refusal::Refusal;

/// How long a search waits for those before it. One goes on at a time: it reads every message there is.
const SEARCH_PATIENCE: Duration = Duration::from_secs(5);

impl Gateway {
    /// Sessions, the latest activity first; with `text`, those whose title or messages hold it.
    ///
    /// # Errors
    /// [`Refusal`] where the store cannot be read, `after` is no session, or too many searches are under way.
    pub async fn sessions(
        &self,
        limit: usize,
        after: Option<SessionPlace>,
        text: Option<String>,
    ) -> Result<SessionList, Refusal> {
        let _turn = match &text {
            Some(_) => Some(
                timeout(SEARCH_PATIENCE, self.inner.searches.acquire())
                    .await
                    .map_err(|_elapsed| {
                        Refusal::overloaded("Too many searches are under way.", Duration::from_secs(2))
                    })?,
            ),
            None => None,
        };
        let query = SessionQuery {
            organization: DEFAULT_ORGANIZATION.to_owned(),
            limit,
            after,
            text,
        };
        let list = self.inner.store.sessions(&query).await;
        list.map_err(|error| unreadable(&error))
    }

    /// A session as it stands in the list; `None` where there is none.
    ///
    /// # Errors
    /// [`Refusal`] where the store cannot be read.
    pub async fn session_summary(&self, id: SessionId) -> Result<Option<SessionSummary>, Refusal> {
        let summary = self.inner.store.session_summary(id).await;
        summary.map_err(|error| unreadable(&error))
    }

    /// Gives a session a title, or takes it away, and gives the session; `None` where there is none.
    ///
    /// # Errors
    /// [`Refusal`] where the store cannot be written.
    pub async fn set_session_title(
        &self,
        id: SessionId,
        title: Option<&SessionTitle>,
    ) -> Result<Option<SessionSummary>, Refusal> {
        let is_there = self.inner.store.set_session_title(id, title).await;
        match is_there.map_err(|error| unwritten(&error))? {
            true => self.session_summary(id).await,
            false => Ok(None),
        }
    }

    /// Begins to export a session; `None` where there is none.
    ///
    /// # Errors
    /// [`Refusal`] where the store cannot be read.
    pub async fn export_session(&self, id: SessionId, format: ExportFormat) -> Result<Option<SessionExport>, Refusal> {
        let export = self.inner.store.export_session(id, format).await;
        export.map_err(|error| unreadable(&error))
    }
}

/// Refuses what cannot be written at present, or at all.
pub(super) fn unwritten(error: &StoreError) -> Refusal {
    tracing::error!(error = %error, source = ?std::error::Error::source(error), "the store cannot be written");
    match error.is_retryable() {
        true => unwritable(),
        false => Refusal::new(ErrorCode::InternalError, "The store cannot be written."),
    }
}
