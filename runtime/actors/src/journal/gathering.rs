//! What waits for the next commit.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use orchestratai_telemetry::{Live, Mailbox, Metrics};

use super::Append;
use crate::admission::Admission;

/// Writes that go into one commit at most: it bounds how long a commit takes, and so how long the next one waits.
const WRITES_PER_COMMIT_MAX: usize = 512;
/// From so many turns under way on, a commit waits for more than one write. At half of what the machine can do there are a tenth
/// as many, and nobody waits.
const SIBLINGS_MIN: usize = 64;
/// One write for each so many turns under way is enough to begin.
const SIBLINGS_PER_WRITE: usize = 4;
/// So long a write waits at most for others to gather: a small part of what a turn takes among so many.
pub(super) const GATHERING_MAX: Duration = Duration::from_millis(5);
/// It waits only where at least so many come in that time. Many turns that each wait for somebody else write little.
const WORTH_WAITING_FOR: u32 = 8;

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
    pace: Pace,
}

/// How quickly writes come, measured over one stretch of time after the other.
struct Pace {
    since: Instant,
    writes: u32,
    is_fast: bool,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            since: Instant::now(),
            writes: 0,
            is_fast: false,
        }
    }
}

impl Pace {
    /// As long as one is measured at least.
    const STRETCH: Duration = Duration::from_millis(50);

    /// Counts writes that came before `now`.
    fn count(&mut self, writes: usize, now: Instant) {
        self.writes = self.writes.saturating_add(u32::try_from(writes).unwrap_or(u32::MAX));
        let took = now.saturating_duration_since(self.since);
        if took >= Self::STRETCH {
            self.is_fast = GATHERING_MAX.saturating_mul(self.writes) >= took.saturating_mul(WORTH_WAITING_FOR);
            (self.since, self.writes) = (now, 0);
        }
    }
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
        let mut gathered = self.gathered();
        let enough = enough(self.admission.in_flight(), gathered.pace.is_fast);
        let counted = self.metrics.queued(Mailbox::JournalWriter);
        gathered.waiting.push((append, counted));
        let was_known = std::mem::replace(&mut gathered.is_known, true);
        !was_known || gathered.waiting.len() == enough
    }

    /// Whether a commit should begin now.
    pub(super) fn is_enough(&self) -> bool {
        let gathered = self.gathered();
        gathered.waiting.len() >= enough(self.admission.in_flight(), gathered.pace.is_fast)
    }

    /// Takes what goes into the next commit.
    pub(super) fn take(&self) -> Vec<Append> {
        let mut gathered = self.gathered();
        let count = gathered.waiting.len().min(WRITES_PER_COMMIT_MAX);
        gathered.pace.count(count, Instant::now());
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

    fn gathered(&self) -> MutexGuard<'_, Gathered> {
        // Nothing panics while it is held.
        self.gathered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How many writes should be in a commit.
fn enough(turns_under_way: usize, is_fast: bool) -> usize {
    if is_fast && turns_under_way >= SIBLINGS_MIN {
        (turns_under_way / SIBLINGS_PER_WRITE).min(WRITES_PER_COMMIT_MAX)
    } else {
        1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_gather_only_where_many_turns_write_much() {
        assert_eq!((enough(10, true), enough(200, false)), (1, 1));
        assert_eq!(
            (enough(64, true), enough(256, true), enough(9_999, true)),
            (16, 64, 512)
        );
    }

    #[test]
    fn the_pace_is_that_of_the_last_stretch() {
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let mut pace = Pace {
            since: start,
            ..Pace::default()
        };
        // Nothing is known before a stretch is over.
        pace.count(500, at(49));
        assert!(!pace.is_fast);
        pace.count(0, at(50));
        assert!(pace.is_fast);
        // Eight in 5 ms are enough, and fewer are not.
        pace.count(80, at(100));
        assert!(pace.is_fast);
        pace.count(79, at(150));
        assert!(!pace.is_fast);
        // What comes after a long rest is not fast by what is counted with it.
        pace.count(500, at(9_000));
        assert!(!pace.is_fast);
    }
}
