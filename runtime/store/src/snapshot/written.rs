//! What became of snapshots that were to be written.

use std::sync::Arc;

use crate::StoreError;

/// What became of a batch, by number of snapshots.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Written {
    /// Those that are kept now.
    pub written: u64,
    /// Those that were older than what was there.
    pub stale: u64,
    /// Those that are longer than is kept.
    pub too_long: u64,
}

/// Why snapshots cannot be read or written. The sessions themselves are not touched by it.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SnapshotError {
    /// Redis is away, or does not answer in time.
    #[error("Redis is away: {0}")]
    Away(Arc<str>),
    /// Redis has refused what it was asked.
    #[error("Redis refused: {0}")]
    Refused(Arc<str>),
    /// The database failed.
    #[error(transparent)]
    Store(Arc<StoreError>),
}

impl From<StoreError> for SnapshotError {
    fn from(error: StoreError) -> Self {
        Self::Store(Arc::new(error))
    }
}
