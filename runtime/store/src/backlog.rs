//! What was committed and is not in the database yet, and who waits for it to be there.

use std::{
    collections::{HashMap, VecDeque, hash_map::Entry},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use orchestratai_shared::{SessionId, TurnId};
use tokio::{
    sync::{Notify, watch},
    time::{Instant, sleep_until, timeout_at},
};

use crate::{StoreError, StoredFrame, Write};

/// What has gathered is applied when the oldest of it has waited for so long, or when somebody asks for it.
const LINGER: Duration = Duration::from_millis(50);
/// Or when it has grown to this: some 130 turns.
const ENOUGH_BYTES: usize = 1 << 20;
/// Bytes of records that go into one transaction at most, but one record at least.
const BATCH_BYTES_MAX: usize = 4 << 20;

/// What was committed and is not in the database yet.
#[derive(Debug)]
pub(crate) struct Backlog {
    state: Mutex<State>,
    progress: watch::Sender<Progress>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Waiting>,
    bytes: usize,
    since: Option<Instant>,
    /// What is being applied: its bytes, and when the oldest of it was committed.
    taken: Option<(usize, Instant)>,
    /// What is not applied, by session.
    of: HashMap<SessionId, Unapplied>,
    /// Position of the last record.
    last: u64,
    /// Up to where somebody waits.
    wanted: u64,
    /// Attempts to apply that have begun.
    attempts: u64,
    /// Sessions of which something was set aside, since it was asked last.
    set_aside: Vec<SessionId>,
    /// The sessions of turns whose acceptance is not applied.
    turns: HashMap<TurnId, SessionId>,
    /// Erasures that were committed.
    erasures: u64,
}

/// What is not applied of one session.
#[derive(Debug, Default)]
struct Unapplied {
    /// Its events, oldest first, each with the position of its record. They share their memory with the records.
    frames: VecDeque<(u64, StoredFrame)>,
    /// Position of the last record that says something of the session.
    last: u64,
    /// Whether it begins in there.
    begins: bool,
    /// Whether it is erased in there, so that its events are not those of the database and these.
    is_erased: bool,
}

/// A record that is not applied.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) position: u64,
    pub(crate) writes: Vec<Write>,
    pub(crate) bytes: usize,
    pub(crate) committed: Instant,
}

/// How far the database is behind what was committed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ApplyLag {
    /// Bytes of commit log that are not in the database yet.
    pub bytes: usize,
    /// How long ago the oldest of that was committed.
    pub age: Duration,
}

/// How far the database has been written.
#[derive(Debug, Clone, Default)]
struct Progress {
    applied: u64,
    /// The last attempt, where it failed, and why.
    failed: Option<(u64, Arc<StoreError>)>,
}

impl Backlog {
    /// An empty one behind a database that has been written up to `applied`.
    pub(crate) fn new(applied: u64) -> Self {
        let progress = Progress {
            applied,
            ..Progress::default()
        };
        let state = State {
            last: applied,
            ..State::default()
        };
        Self {
            state: Mutex::new(state),
            progress: watch::Sender::new(progress),
            changed: Notify::new(),
        }
    }

    /// Adds a record that is in the log.
    pub(crate) fn push(&self, record: Waiting) {
        let mut state = self.state();
        for write in &record.writes {
            let unapplied = state.of.entry(write.session_id()).or_default();
            unapplied.last = record.position;
            match write {
                Write::Append(append) => {
                    let frames = append.entries.iter().map(|entry| StoredFrame {
                        seq: entry.event.seq,
                        text: entry.frame.clone(),
                    });
                    unapplied.frames.extend(frames.map(|frame| (record.position, frame)));
                }
                Write::CreateSession { .. } => unapplied.begins = true,
                Write::EraseSession { .. } => {
                    unapplied.is_erased = true;
                    state.erasures += 1;
                }
            }
            let accepted = write.accepted_turns().map(|turn_id| (turn_id, write.session_id()));
            state.turns.extend(accepted);
        }
        state.last = record.position;
        let before = state.bytes;
        state.bytes += record.bytes;
        let is_enough = before < ENOUGH_BYTES && state.bytes >= ENOUGH_BYTES;
        let is_first = state.since.is_none();
        state.since.get_or_insert_with(Instant::now);
        state.waiting.push_back(record);
        drop(state);
        if is_first || is_enough {
            self.changed.notify_one();
        }
    }

    /// Up to where the database has been written.
    pub(crate) fn applied_position(&self) -> u64 {
        self.progress.borrow().applied
    }

    /// The session of a turn, where the database may not have the turn yet.
    pub(crate) fn session_of(&self, turn: TurnId) -> Option<SessionId> {
        self.state().turns.get(&turn).copied()
    }

    /// How many erasures were committed. As long as the number stays the same, no session has begun anew.
    pub(crate) fn erasures(&self) -> u64 {
        self.state().erasures
    }

    /// Whether the database has all that was committed of a session.
    pub(crate) fn is_applied(&self, id: SessionId) -> bool {
        !self.state().of.contains_key(&id)
    }

    /// Sessions of which something was set aside since this was asked last.
    pub(crate) fn take_set_aside(&self) -> Vec<SessionId> {
        std::mem::take(&mut self.state().set_aside)
    }

    /// How far the database is behind.
    pub(crate) fn lag(&self) -> ApplyLag {
        let state = self.state();
        let (taken_bytes, taken_at) = state.taken.unzip();
        let oldest = taken_at.or_else(|| state.waiting.front().map(|record| record.committed));
        ApplyLag {
            bytes: state.bytes + taken_bytes.unwrap_or_default(),
            age: oldest.map(|oldest| oldest.elapsed()).unwrap_or_default(),
        }
    }

    /// Why what is here cannot be applied at present.
    pub(crate) fn failure(&self) -> Option<Arc<StoreError>> {
        self.progress
            .borrow()
            .failed
            .as_ref()
            .map(|(_, error)| Arc::clone(error))
    }

    /// Waits until the database has all that was committed of a session up to now.
    ///
    /// # Errors
    /// Why it cannot be brought there at present.
    pub(crate) async fn settle(&self, id: SessionId) -> Result<(), StoreError> {
        let position = self.state().of.get(&id).map(|unapplied| unapplied.last);
        match position {
            Some(position) => self.applied(position).await,
            None => Ok(()),
        }
    }

    /// The events of a session that the database may not have yet, oldest first: those that it has not are among them,
    /// and nothing else is needed to know the session's events; where they begin with the first one, not even the database.
    /// None where they do not suffice: then the database must be waited for.
    pub(crate) fn frames(&self, id: SessionId) -> Option<Vec<StoredFrame>> {
        let state = self.state();
        let Some(unapplied) = state.of.get(&id) else {
            return Some(Vec::new());
        };
        let has_first = unapplied.frames.front().is_some_and(|(_, frame)| frame.seq == 1);
        let suffices = !unapplied.is_erased && (has_first || !unapplied.begins);
        suffices.then(|| unapplied.frames.iter().map(|(_, frame)| frame.clone()).collect())
    }

    /// Waits until the database has all that was committed up to now.
    ///
    /// # Errors
    /// Why it cannot be brought there at present.
    pub(crate) async fn settle_all(&self) -> Result<(), StoreError> {
        let position = self.state().last;
        self.applied(position).await
    }

    /// Waits until the database has been written up to `position`.
    ///
    /// # Errors
    /// Why it cannot be written at present.
    pub(crate) async fn applied(&self, position: u64) -> Result<(), StoreError> {
        let mut progress = self.progress.subscribe();
        if progress.borrow().applied >= position {
            return Ok(());
        }
        let begun = {
            let mut state = self.state();
            state.wanted = state.wanted.max(position);
            state.attempts
        };
        self.changed.notify_one();
        // Only an attempt that begins from now on tells whether it can be done now.
        let failed_since = |progress: &Progress| {
            let failed = progress.failed.as_ref().filter(|(attempt, _)| *attempt > begun);
            failed.map(|(_, error)| Arc::clone(error))
        };
        let ended = progress
            .wait_for(|progress| progress.applied >= position || failed_since(progress).is_some())
            .await;
        match ended {
            Ok(progress) if progress.applied < position => {
                failed_since(&progress).map_or(Ok(()), |error| Err(StoreError::NotApplied(error)))
            }
            // The other end lives as long as this does.
            Ok(_) | Err(_) => Ok(()),
        }
    }

    /// Waits until there is something that should be applied now, and takes it.
    pub(crate) async fn take(&self) -> Vec<Waiting> {
        loop {
            let until = match self.state().due() {
                Due::Now => break,
                Due::At(then) => Some(then),
                Due::Never => None,
            };
            match until {
                Some(then) => drop(timeout_at(then, self.changed.notified()).await),
                None => self.changed.notified().await,
            }
        }
        let mut state = self.state();
        state.attempts += 1;
        let mut taken = Vec::new();
        let mut bytes = 0;
        while let Some(record) = state
            .waiting
            .pop_front_if(|record| bytes == 0 || bytes + record.bytes <= BATCH_BYTES_MAX)
        {
            bytes += record.bytes;
            taken.push(record);
        }
        state.bytes -= bytes;
        state.taken = taken.first().map(|record: &Waiting| (bytes, record.committed));
        state.since = state.since.filter(|_| !state.waiting.is_empty());
        taken
    }

    /// Takes note that the database has these records, but for the writes of the sessions that were set aside.
    pub(crate) fn took(&self, taken: &[Waiting], set_aside: Vec<SessionId>) {
        let Some(applied) = taken.last().map(|record| record.position) else {
            return;
        };
        let mut state = self.state();
        state.taken = None;
        for turn_id in taken
            .iter()
            .flat_map(|record| &record.writes)
            .flat_map(Write::accepted_turns)
        {
            state.turns.remove(&turn_id);
        }
        for id in taken.iter().flat_map(|record| &record.writes).map(Write::session_id) {
            if let Entry::Occupied(mut unapplied) = state.of.entry(id) {
                if unapplied.get().last <= applied {
                    unapplied.remove();
                } else {
                    let frames = &mut unapplied.get_mut().frames;
                    frames.drain(..frames.partition_point(|(position, _)| *position <= applied));
                }
            }
        }
        state.set_aside.extend(set_aside);
        drop(state);
        self.progress.send_modify(|progress| {
            progress.applied = applied;
            progress.failed = None;
        });
    }

    /// Takes back what could not be applied, and waits until it should be tried again.
    pub(crate) async fn failed(&self, taken: Vec<Waiting>, error: StoreError) {
        let attempt = {
            let mut state = self.state();
            state.taken = None;
            state.bytes += taken.iter().map(|record| record.bytes).sum::<usize>();
            state.since.get_or_insert_with(Instant::now);
            for record in taken.into_iter().rev() {
                state.waiting.push_front(record);
            }
            state.attempts
        };
        self.progress
            .send_modify(|progress| progress.failed = Some((attempt, Arc::new(error))));
        // Somebody who asks does not wait for the next attempt, but there are not more of them than the disk can bear.
        sleep_until(Instant::now() + RETRY_AT_LEAST).await;
        let _ = timeout_at(Instant::now() + RETRY_AFTER, self.changed.notified()).await;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing in here panics half-way through a change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Time between attempts to apply what could not be applied, at least and at most.
const RETRY_AT_LEAST: Duration = Duration::from_millis(20);
const RETRY_AFTER: Duration = Duration::from_millis(500);

enum Due {
    Now,
    At(Instant),
    Never,
}

impl State {
    fn due(&self) -> Due {
        let (Some(first), Some(since)) = (self.waiting.front(), self.since) else {
            return Due::Never;
        };
        let then = since + LINGER;
        if self.wanted >= first.position || self.bytes >= ENOUGH_BYTES || then <= Instant::now() {
            Due::Now
        } else {
            Due::At(then)
        }
    }
}
