//! What is dirty in one shard, for whoever measures.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// How many sessions of a shard have changed since their last snapshot, and since when the oldest of them.
#[derive(Debug, Default)]
pub(crate) struct Tally(Mutex<(usize, Option<Instant>)>);

impl Tally {
    pub(crate) fn set(&self, dirty: usize, oldest: Option<Instant>) {
        *self.lock() = (dirty, oldest);
    }

    /// How many are dirty, and for how long the oldest.
    pub(crate) fn get(&self) -> (usize, Duration) {
        let (dirty, oldest) = *self.lock();
        (dirty, oldest.map(|oldest| oldest.elapsed()).unwrap_or_default())
    }

    fn lock(&self) -> MutexGuard<'_, (usize, Option<Instant>)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
