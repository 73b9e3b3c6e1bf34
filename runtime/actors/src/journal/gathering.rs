//! What waits for the next commit.

use std::sync::{Mutex, MutexGuard, PoisonError};

use orchestratai_telemetry::{Live, Mailbox, Metrics};

use super::Append;
use crate::admission::Admission;

/// Writes that go into one commit at most: it bounds how long a commit takes, and so how long the next one waits.
const WRITES_PER_COMMIT_MAX: usize = 512;
/// From so many turns under way on, a commit waits for more than one write. At half of what the machine can do there are a tenth
/// as many, and nobody waits.
const SIBLINGS_MIN: usize = 64;
/// One write for each so many turns under way is enough to begin.
const SIBLINGS_PER_WRITE: usize = 8;

/// What waits for the next commit. It stands beside the writer's mailbox, so that who adds to what gathers anyway need not wake the
/// writer's thread.
pub(super) struct Gathering {
    gathered: Mutex<Gathered>,
    admission: Admission,
    metrics: Metrics,
}

#[derive(Default)]
struct Gathered {
    waiting: Vec<(Append, Live)>,
    /// Whether the writer knows that something waits.
    is_known: bool,
}

impl Gathering {
    pub(super) fn new(admission: Admission, metrics: Metrics) -> Self {
        Self {
            gathered: Mutex::default(),
            admission,
            metrics,
        }
    }

    /// Adds a write. Gives whether the writer must be told.
    #[must_use]
    pub(super) fn add(&self, append: Append) -> bool {
        let enough = self.enough();
        let mut gathered = self.gathered();
        let counted = self.metrics.queued(Mailbox::JournalWriter);
        gathered.waiting.push((append, counted));
        let was_known = std::mem::replace(&mut gathered.is_known, true);
        !was_known || gathered.waiting.len() == enough
    }

    /// Whether a commit should begin now.
    pub(super) fn is_enough(&self) -> bool {
        let enough = self.enough();
        self.gathered().waiting.len() >= enough
    }

    /// Takes what goes into the next commit.
    pub(super) fn take(&self) -> Vec<Append> {
        let mut gathered = self.gathered();
        let count = gathered.waiting.len().min(WRITES_PER_COMMIT_MAX);
        gathered.waiting.drain(..count).map(|(append, _)| append).collect()
    }

    /// Whether nothing waits; then the writer wants to be told of the next write.
    pub(super) fn is_over(&self) -> bool {
        let mut gathered = self.gathered();
        gathered.is_known = !gathered.waiting.is_empty();
        !gathered.is_known
    }

    /// The writer is gone: nobody is to wait for it, and the next one wants to be told of its first write.
    pub(super) fn abandon(&self) {
        let abandoned = std::mem::take(&mut *self.gathered());
        // Outside of the lock, since each tells that it has failed.
        drop(abandoned);
    }

    /// How many writes should be in a commit.
    fn enough(&self) -> usize {
        match self.admission.in_flight() {
            few if few < SIBLINGS_MIN => 1,
            many => (many / SIBLINGS_PER_WRITE).min(WRITES_PER_COMMIT_MAX),
        }
    }

    fn gathered(&self) -> MutexGuard<'_, Gathered> {
        // Nothing panics while it is held.
        self.gathered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
