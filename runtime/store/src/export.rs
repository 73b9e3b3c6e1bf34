//! A whole session as one document, piece by piece, so that a long one is never in memory as a whole.

mod json;
mod markdown;

use orchestratai_shared::{SessionId, SessionSummary};

use crate::{Store, StoreError, StoredFrame};

/// What a session is written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExportFormat {
    /// One JSON object: the session, its messages, its retrieval logs, its events byte by byte.
    Json,
    /// What was said, for people.
    Markdown,
}

/// A session on its way out, as it was when that began.
#[derive(Debug)]
pub struct SessionExport {
    store: Store,
    summary: SessionSummary,
    /// The session's last event when the export began; what comes later is not in it.
    last_seq: u64,
    progress: Progress,
}

/// How far it has come.
#[derive(Debug)]
enum Progress {
    Json(json::Part),
    Markdown(markdown::Part),
    Done,
}

/// Entries and bytes that are read at once.
const PAGE: usize = 256;
const PAGE_BYTES: usize = 1 << 20;

impl Store {
    /// Begins to export a session; none where there is no such session.
    ///
    /// # Errors
    /// [`StoreError`] where the database cannot be read.
    pub async fn export_session(
        &self,
        id: SessionId,
        format: ExportFormat,
    ) -> Result<Option<SessionExport>, StoreError> {
        let Some(summary) = self.session_summary(id).await? else {
            return Ok(None);
        };
        let last_seq = self.events_after(id, 0, 1, 1).await?.map_or(0, |page| page.last_seq);
        Ok(Some(SessionExport {
            store: self.clone(),
            summary,
            last_seq,
            progress: match format {
                ExportFormat::Json => Progress::Json(json::Part::Session),
                ExportFormat::Markdown => Progress::Markdown(markdown::Part::Head),
            },
        }))
    }
}

impl SessionExport {
    /// The next piece of text, or none at the end.
    ///
    /// # Errors
    /// [`StoreError`] where the database cannot be read, or the session was erased meanwhile; what was given is no whole
    /// document then.
    pub async fn next(&mut self) -> Result<Option<String>, StoreError> {
        let (piece, progress) = match std::mem::replace(&mut self.progress, Progress::Done) {
            Progress::Json(part) => self.json(part).await?,
            Progress::Markdown(part) => self.markdown(part).await?,
            Progress::Done => return Ok(None),
        };
        self.progress = progress;
        Ok(Some(piece))
    }

    fn id(&self) -> SessionId {
        self.summary.session.id
    }

    /// Events that the export has after `after`, oldest first; none at its end.
    async fn events(&self, after: u64) -> Result<Vec<StoredFrame>, StoreError> {
        if after >= self.last_seq {
            return Ok(Vec::new());
        }
        let page = self.store.events_after(self.id(), after, PAGE, PAGE_BYTES).await?;
        let mut frames = page.map(|page| page.frames).unwrap_or_default();
        frames.retain(|frame| frame.seq <= self.last_seq);
        if frames.is_empty() {
            return Err(StoreError::Unreadable {
                what: "session",
                source: "it was erased meanwhile".into(),
            });
        }
        Ok(frames)
    }
}
