//! The journal, snapshots and Redis; and the actors on the way there.

use super::*;

impl Metrics {
    /// A message is queued for an actor for as long as the answer is kept.
    pub fn queued(&self, mailbox: Mailbox) -> Live {
        Live::enter(self.0.mailbox_depth.get(mailbox))
    }

    /// An actor was started anew after a panic or a stop.
    pub fn actor_restarted(&self, kind: ActorKind) {
        self.0.actor_restarts.get(kind).inc();
    }

    /// A group commit of `events` is durable after `duration`.
    pub fn journal_committed(&self, duration: Duration, events: usize) {
        self.0.journal_commit_duration.observe(duration.as_secs_f64());
        #[expect(clippy::cast_precision_loss, reason = "a batch is far below 2^52 events")]
        self.0.journal_commit_batch.observe(events as f64);
    }

    /// A group commit has failed.
    pub fn journal_commit_failed(&self) {
        self.0.journal_commit_failures.inc();
    }

    /// So many bytes are committed and not in the database yet, the oldest of them for `age`.
    pub fn journal_unapplied(&self, bytes: usize, age: Duration) {
        self.0.journal_unapplied.set(i64::try_from(bytes).unwrap_or(i64::MAX));
        self.0.journal_apply_lag.set(age.as_secs_f64());
    }

    /// So many snapshots have met this end.
    pub fn snapshots_written(&self, backend: SnapshotBackend, outcome: SnapshotWriteOutcome, count: u64) {
        if count > 0 {
            let labels = [backend.name(), outcome.name()];
            self.0.snapshot_writes.with_label_values(&labels).inc_by(count);
        }
    }

    /// A batch of snapshots was written in `took`.
    pub fn snapshot_write_took(&self, backend: SnapshotBackend, took: Duration) {
        self.0.snapshot_write_duration.get(backend).observe(took.as_secs_f64());
    }

    /// A session was started, for which its snapshot was good for this.
    pub fn snapshot_loaded(&self, outcome: SnapshotLoadOutcome) {
        self.0.snapshot_loads.get(outcome).inc();
    }

    /// So many sessions have changed since their last snapshot, the oldest of them for `lag`.
    pub fn snapshots_dirty(&self, sessions: usize, lag: Duration) {
        self.0.snapshots_dirty.set(i64::try_from(sessions).unwrap_or(i64::MAX));
        self.0.snapshots_lag.set(lag.as_secs_f64());
    }

    /// Redis is connected, or is not any more.
    pub fn redis_up(&self, is_up: bool) {
        self.0.redis_up.set(i64::from(is_up));
    }

    /// Redis is connected again.
    pub fn redis_reconnected(&self) {
        self.0.redis_reconnects.inc();
    }
}
