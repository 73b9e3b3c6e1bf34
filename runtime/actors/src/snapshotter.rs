//! Snapshots of the sessions of one shard, written behind them: a session says once that it has changed, and is asked for its
//! state when its turn to be written comes. So a busy session costs one message and one write for each interval, whatever
//! it does meanwhile, and what is kept for one that waits is its address.
//!
//! No session waits for any of this, and none depends on it: what is not written is in the journal.
//!
//! - [`keeper`]: where snapshots are kept, as the shard sees it;
//! - `tally`: what is dirty, for whoever measures.

pub mod keeper;
pub(crate) mod tally;

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    panic::AssertUnwindSafe,
    sync::Arc,
    time::{Duration, Instant},
};

use actix::{Actor, ActorFutureExt, AsyncContext, Context, Handler, Message, Recipient, WrapFuture};
use futures_util::FutureExt;
use orchestratai_shared::SessionId;
use orchestratai_store::{Snapshot, SnapshotError, Written};
use orchestratai_telemetry::{Metrics, SnapshotWriteOutcome};
use tokio::sync::oneshot;

use keeper::SnapshotKeeper;
use tally::Tally;

/// How the snapshots of sessions are kept.
#[derive(Clone)]
pub struct Snapshots {
    /// Where.
    pub keeper: Arc<dyn SnapshotKeeper>,
    /// How long after its first change a session that lives on is written; `None`: only when it leaves memory, and when the
    /// server stops.
    pub write_after: Option<Duration>,
}

/// Writes the snapshots of one shard's sessions.
pub(crate) struct Snapshotter {
    snapshots: Snapshots,
    metrics: Metrics,
    tally: Arc<Tally>,
    /// Live sessions that have changed.
    dirty: HashMap<SessionId, DirtySession>,
    /// When they said so, in that order; what has become of one since, `dirty` says.
    said: VecDeque<(Instant, SessionId)>,
    /// States that are to be written, one for each session.
    waiting: HashMap<SessionId, Waiting>,
    /// In the order in which they came; of one that came again the first place counts.
    order: VecDeque<SessionId>,
    /// Sessions whose snapshots are to be removed.
    erased: BTreeSet<SessionId>,
    state: State,
    /// Those who wait until all that waits is written, or cannot be.
    flushing: Vec<oneshot::Sender<()>>,
}

struct DirtySession {
    since: Instant,
    session: Recipient<Capture>,
    is_asked: bool,
}

struct Waiting {
    since: Instant,
    snapshot: Arc<Snapshot>,
}

/// What the snapshotter does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Resting,
    /// It lets more come in before it writes.
    Gathering,
    Writing {
        /// Snapshots in the batch.
        count: usize,
        /// Since when the oldest of them is dirty.
        since: Instant,
    },
}

/// Most snapshots that are written at once.
const BATCH_MAX: usize = 128;
/// Most states that wait where they cannot be written: those of sessions that have left memory, some 5 KB each. The oldest is
/// given up, which costs its session a longer read when it comes back.
const WAITING_MAX: usize = 1_024;
/// How long more is let come in before a batch is written.
const GATHERING: Duration = Duration::from_millis(5);

/// A live session has changed since it was captured last. It says so once.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Dirty {
    pub(crate) session_id: SessionId,
    /// Whom to ask for the state.
    pub(crate) session: Recipient<Capture>,
}

/// To a session: give your state, as soon as all of it is durable. Answered by [`Captured`].
#[derive(Debug, Clone, Message)]
#[rtype(result = "()")]
pub(crate) struct Capture {
    /// Dropped when it has been given, or there is nothing new.
    pub(crate) asker: Option<Arc<FlushGuard>>,
}

/// The state of a session. What was dirty about it is in here.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Captured(pub(crate) Box<Snapshot>);

/// A session was erased.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct Erased(pub(crate) SessionId);

/// Writes all that waits. Answered when it is written or cannot be.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct WriteAll(pub(crate) oneshot::Sender<()>);

/// Tells when the last of many has dropped it.
#[derive(Debug)]
pub(crate) struct FlushGuard(Option<oneshot::Sender<()>>);

impl FlushGuard {
    pub(crate) fn new(done: oneshot::Sender<()>) -> Arc<Self> {
        Arc::new(Self(Some(done)))
    }
}

impl Drop for FlushGuard {
    fn drop(&mut self) {
        if let Some(done) = self.0.take() {
            // Whoever waited may have given up.
            let _ = done.send(());
        }
    }
}

impl Snapshotter {
    pub(crate) fn new(snapshots: Snapshots, metrics: Metrics, tally: Arc<Tally>) -> Self {
        Self {
            snapshots,
            metrics,
            tally,
            dirty: HashMap::new(),
            said: VecDeque::new(),
            waiting: HashMap::new(),
            order: VecDeque::new(),
            erased: BTreeSet::new(),
            state: State::Resting,
            flushing: Vec::new(),
        }
    }

    /// Asks those for their states whose time has come, where they can be written, and tries again what could not be.
    fn look(&mut self, ctx: &mut Context<Self>) {
        // Who has ended without a word, as by a panic, starts anew from the journal and will say so itself.
        self.dirty
            .retain(|_, dirty| !dirty.is_asked || dirty.session.connected());
        if self.snapshots.keeper.trouble().is_none() {
            self.ask_those_due();
            self.gather(ctx);
        }
        self.count();
    }

    fn ask_those_due(&mut self) {
        let Some(after) = self.snapshots.write_after else {
            return;
        };
        let now = Instant::now();
        let mut asked = 0;
        while asked < BATCH_MAX
            && let Some((since, session_id)) = self.said.pop_front_if(|(since, _)| now - *since >= after)
        {
            let Some(dirty) = self.dirty.get_mut(&session_id) else {
                continue;
            };
            if dirty.since == since && !dirty.is_asked {
                dirty.is_asked = true;
                asked += 1;
                // One whose mailbox is full is as busy as can be; it is asked the next time.
                if dirty.session.try_send(Capture { asker: None }).is_err() {
                    dirty.is_asked = false;
                    dirty.since = now;
                    self.said.push_back((now, session_id));
                }
            }
        }
    }

    /// Begins to let come in what is written together, where something is to be written.
    fn gather(&mut self, ctx: &mut Context<Self>) {
        let has_work = !self.waiting.is_empty() || !self.erased.is_empty();
        if self.state == State::Resting && has_work {
            self.state = State::Gathering;
            ctx.run_later(GATHERING, Self::write);
        }
        if self.state == State::Resting {
            self.end_flush();
        }
    }

    fn write(&mut self, ctx: &mut Context<Self>) {
        let removed: Vec<SessionId> = self.erased.iter().copied().take(BATCH_MAX).collect();
        let mut since = Instant::now();
        let mut batch = Vec::new();
        while batch.len() < BATCH_MAX
            && let Some(session_id) = self.order.pop_front()
        {
            if let Some(waiting) = self.waiting.remove(&session_id) {
                since = since.min(waiting.since);
                batch.push((session_id, waiting));
            }
        }
        self.state = State::Writing {
            count: batch.len(),
            since,
        };
        let keeper = Arc::clone(&self.snapshots.keeper);
        let snapshots: Vec<Arc<Snapshot>> = batch.iter().map(|(_, it)| Arc::clone(&it.snapshot)).collect();
        let to_remove = removed.clone();
        let began = Instant::now();
        let work = async move {
            // First: of a session that has begun anew a snapshot may be among those that follow.
            if !to_remove.is_empty() {
                keeper.remove(&to_remove).await?;
            }
            match snapshots.is_empty() {
                true => Ok(Written::default()),
                false => keeper.write(snapshots).await,
            }
        };
        // A panic below must not end the actor, which every session holds.
        let work = AssertUnwindSafe(work).catch_unwind();
        ctx.spawn(work.into_actor(self).map(move |outcome, snapshotter, ctx| {
            let refused = |_panic| Err(SnapshotError::Refused("it panicked".into()));
            snapshotter.wrote(outcome.unwrap_or_else(refused), &removed, batch, began, ctx);
        }));
    }

    fn wrote(
        &mut self,
        outcome: Result<Written, SnapshotError>,
        removed: &[SessionId],
        batch: Vec<(SessionId, Waiting)>,
        began: Instant,
        ctx: &mut Context<Self>,
    ) {
        self.state = State::Resting;
        let backend = self.snapshots.keeper.backend();
        let count = batch.len() as u64;
        match outcome {
            Ok(written) => {
                for id in removed {
                    self.erased.remove(id);
                }
                if count > 0 {
                    self.metrics.snapshot_write_took(backend, began.elapsed());
                }
                let refused = count.saturating_sub(written.written + written.stale + written.too_long);
                for (outcome, number) in [
                    (SnapshotWriteOutcome::Written, written.written),
                    (SnapshotWriteOutcome::Stale, written.stale),
                    (SnapshotWriteOutcome::Dropped, written.too_long),
                    (SnapshotWriteOutcome::Failed, refused),
                ] {
                    self.metrics.snapshots_written(backend, outcome, number);
                }
                self.gather(ctx);
            }
            Err(error) => {
                self.metrics
                    .snapshots_written(backend, SnapshotWriteOutcome::Failed, count);
                match &error {
                    // That it is away is told by whoever keeps the connection, once.
                    SnapshotError::Away(_) => {}
                    SnapshotError::Refused(_) | SnapshotError::Store(_) => {
                        tracing::warn!(error = %error, snapshots = count, "snapshots could not be written");
                    }
                }
                // What is refused would be refused again; the rest is tried when it is looked at the next time.
                if !matches!(error, SnapshotError::Refused(_)) {
                    for (session_id, waiting) in batch.into_iter().rev() {
                        if !self.erased.contains(&session_id) && !self.waiting.contains_key(&session_id) {
                            self.order.push_front(session_id);
                            self.waiting.insert(session_id, waiting);
                        }
                    }
                }
                self.end_flush();
            }
        }
        self.count();
    }

    /// Tells those who wait that there is no more to wait for.
    fn end_flush(&mut self) {
        for done in self.flushing.drain(..) {
            // Whoever waited may have given up.
            let _ = done.send(());
        }
    }

    fn count(&self) {
        let (in_batch, batch_since) = match self.state {
            State::Writing { count, since } if count > 0 => (count, Some(since)),
            State::Writing { .. } | State::Resting | State::Gathering => (0, None),
        };
        let oldest = self.dirty.values().map(|dirty| dirty.since);
        let oldest = oldest.chain(self.waiting.values().map(|waiting| waiting.since));
        let oldest = oldest.chain(batch_since).min();
        self.tally.set(self.dirty.len() + self.waiting.len() + in_batch, oldest);
    }
}

impl Actor for Snapshotter {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        let every = self
            .snapshots
            .write_after
            .map_or(Duration::from_secs(1), |after| after / 8);
        let every = every.clamp(Duration::from_millis(20), Duration::from_secs(1));
        ctx.run_interval(every, Self::look);
    }
}

impl Handler<Dirty> for Snapshotter {
    type Result = ();

    fn handle(&mut self, Dirty { session_id, session }: Dirty, _: &mut Self::Context) {
        let since = Instant::now();
        let dirty = DirtySession {
            since,
            session,
            is_asked: false,
        };
        self.dirty.insert(session_id, dirty);
        self.said.push_back((since, session_id));
    }
}

impl Handler<Captured> for Snapshotter {
    type Result = ();

    fn handle(&mut self, Captured(snapshot): Captured, ctx: &mut Self::Context) {
        let session_id = snapshot.session.id;
        let since = self.dirty.remove(&session_id).map(|dirty| dirty.since);
        let before = self.waiting.get(&session_id).map(|waiting| waiting.since);
        let waiting = Waiting {
            since: before.or(since).unwrap_or_else(Instant::now),
            snapshot: Arc::from(snapshot),
        };
        if self.waiting.insert(session_id, waiting).is_none() {
            self.order.push_back(session_id);
        }
        while self.waiting.len() > WAITING_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            if self.waiting.remove(&oldest).is_some() {
                let backend = self.snapshots.keeper.backend();
                self.metrics
                    .snapshots_written(backend, SnapshotWriteOutcome::Dropped, 1);
            }
        }
        if self.snapshots.keeper.trouble().is_none() {
            self.gather(ctx);
        }
    }
}

impl Handler<Erased> for Snapshotter {
    type Result = ();

    fn handle(&mut self, Erased(session_id): Erased, ctx: &mut Self::Context) {
        self.dirty.remove(&session_id);
        if self.waiting.remove(&session_id).is_some() {
            self.order.retain(|waiting| *waiting != session_id);
        }
        self.erased.insert(session_id);
        if self.snapshots.keeper.trouble().is_none() {
            self.gather(ctx);
        }
    }
}

impl Handler<WriteAll> for Snapshotter {
    type Result = ();

    fn handle(&mut self, WriteAll(done): WriteAll, ctx: &mut Self::Context) {
        self.flushing.push(done);
        match self.snapshots.keeper.trouble() {
            None => self.gather(ctx),
            Some(_) => self.end_flush(),
        }
    }
}
