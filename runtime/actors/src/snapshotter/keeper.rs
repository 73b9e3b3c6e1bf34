//! Where snapshots are kept, as sessions see it.

use std::sync::Arc;

use async_trait::async_trait;
use orchestratai_shared::SessionId;
use orchestratai_store::{Candidate, EmbeddedSnapshots, RedisSnapshots, Snapshot, SnapshotError, Written};
use orchestratai_telemetry::SnapshotBackend;

/// Keeps snapshots of sessions.
#[async_trait]
pub trait SnapshotKeeper: Send + Sync {
    /// Which it is, in metrics.
    fn backend(&self) -> SnapshotBackend;

    /// Why it cannot be used at present, if so. Costs next to nothing.
    fn trouble(&self) -> Option<Arc<str>>;

    /// What a session may be started from. Answers within a moment, also where what it asks does not.
    ///
    /// # Errors
    /// [`SnapshotError`] where it cannot be asked.
    async fn candidate(&self, id: SessionId) -> Result<Candidate, SnapshotError>;

    /// Writes snapshots, each of another session. An older one never replaces a newer one.
    ///
    /// # Errors
    /// [`SnapshotError`]; to write all of them again does no harm.
    async fn write(&self, snapshots: Vec<Arc<Snapshot>>) -> Result<Written, SnapshotError>;

    /// Removes the snapshots of sessions.
    ///
    /// # Errors
    /// [`SnapshotError`]; to remove all of them again does no harm.
    async fn remove(&self, ids: &[SessionId]) -> Result<(), SnapshotError>;
}

#[async_trait]
impl SnapshotKeeper for RedisSnapshots {
    fn backend(&self) -> SnapshotBackend {
        SnapshotBackend::Redis
    }

    fn trouble(&self) -> Option<Arc<str>> {
        self.trouble()
    }

    async fn candidate(&self, id: SessionId) -> Result<Candidate, SnapshotError> {
        self.load(id).await
    }

    async fn write(&self, snapshots: Vec<Arc<Snapshot>>) -> Result<Written, SnapshotError> {
        self.write(snapshots).await
    }

    async fn remove(&self, ids: &[SessionId]) -> Result<(), SnapshotError> {
        self.remove(ids).await
    }
}

#[async_trait]
impl SnapshotKeeper for EmbeddedSnapshots {
    fn backend(&self) -> SnapshotBackend {
        SnapshotBackend::Embedded
    }

    fn trouble(&self) -> Option<Arc<str>> {
        None
    }

    async fn candidate(&self, _: SessionId) -> Result<Candidate, SnapshotError> {
        // It is read together with the journal, and only where there is such a session.
        Ok(Candidate::Embedded)
    }

    async fn write(&self, snapshots: Vec<Arc<Snapshot>>) -> Result<Written, SnapshotError> {
        self.write(snapshots).await
    }

    async fn remove(&self, ids: &[SessionId]) -> Result<(), SnapshotError> {
        self.remove(ids).await
    }
}
