//! When a session says that it has changed, and what it gives for its snapshot.

use actix::Recipient;
use orchestratai_store::{EventMark, OpenTurnFrames, Rehydrated, Snapshot, SnapshotUse};

use super::*;
use crate::snapshotter::{Capture, Captured, Dirty, Erased, FlushGuard};

/// What there is to know about the session's snapshot.
#[derive(Debug)]
pub(super) struct SnapshotState {
    /// The last event that is in it.
    captured_seq: u64,
    /// The last event of all.
    last_event: Option<EventMark>,
    /// Whether it was said that the session has changed.
    is_told: bool,
    /// Whether the state is to be given as soon as all of it is durable.
    is_wanted: bool,
    /// Those who wait for it to be given.
    askers: Vec<Arc<FlushGuard>>,
}

impl SnapshotState {
    pub(super) fn of(rehydrated: &Rehydrated) -> Self {
        let behind = match rehydrated.snapshot {
            SnapshotUse::Used { behind } => behind,
            // Without the mark of its last event no snapshot can be taken; the next event brings one.
            SnapshotUse::Absent | SnapshotUse::Stale(_) | SnapshotUse::Unreadable => 0,
        };
        Self {
            captured_seq: rehydrated.record.last_seq - behind,
            last_event: rehydrated.last_event,
            is_told: false,
            is_wanted: false,
            askers: Vec::new(),
        }
    }

    /// Takes note of an event.
    pub(super) fn recorded(&mut self, event: &Event) {
        self.last_event = Some(EventMark::of(event));
    }
}

impl Session {
    /// After each commit: gives the state where it is waited for, or says that there is something new.
    pub(super) fn note_commit(&mut self, ctx: &Context<Self>) {
        if self.snapshot.is_wanted {
            self.give_state();
            return;
        }
        if self.snapshot.is_told {
            return;
        }
        if let Some(snapshots) = &self.shard.snapshots
            && snapshots.writes_live_sessions()
        {
            self.snapshot.is_told = true;
            let session: Recipient<Capture> = ctx.address().recipient();
            #[expect(clippy::disallowed_methods, reason = "once for each snapshot that is written")]
            snapshots.snapshotter().do_send(Dirty {
                session_id: self.totals.id,
                session,
            });
        }
    }

    /// Gives the state if all of it is durable; it stays wanted where it is not.
    pub(super) fn give_state(&mut self) {
        let Some(snapshots) = &self.shard.snapshots else { return };
        if !self.is_settled() {
            return;
        }
        if let Some(snapshot) = self.capture() {
            #[expect(clippy::disallowed_methods, reason = "one for each time that it was asked for")]
            snapshots.snapshotter().do_send(Captured(Box::new(snapshot)));
        }
        self.snapshot.captured_seq = self.core.committed_seq();
        (self.snapshot.is_told, self.snapshot.is_wanted) = (false, false);
        self.snapshot.askers.clear();
    }

    /// Says that the session was erased.
    pub(super) fn tell_erased(&self) {
        if let Some(snapshots) = &self.shard.snapshots {
            #[expect(clippy::disallowed_methods, reason = "once in a session's life")]
            snapshots.snapshotter().do_send(Erased(self.id()));
        }
    }

    /// Whether all that this actor believes is durable. A snapshot of what is not could outlive it.
    fn is_settled(&self) -> bool {
        self.appending.is_none() && self.unsent.is_empty() && self.core.is_settled()
    }

    /// The state, if there is anything new in it.
    fn capture(&self) -> Option<Snapshot> {
        let last_seq = self.core.committed_seq();
        if last_seq == self.snapshot.captured_seq || self.is_over {
            return None;
        }
        let mut keys: Vec<_> = self.core.keys().collect();
        keys.sort_unstable_by_key(|key| key.accepted_seq);
        let open_turns = self.core.open_turn_events().map(|(turn_id, events)| OpenTurnFrames {
            turn_id,
            frames: events.iter().map(|recorded| recorded.text.clone()).collect(),
        });
        Some(Snapshot {
            epoch: self.shard.store.epoch().into(),
            session: self.totals.clone(),
            organization: Arc::clone(&self.organization),
            last_seq,
            last_event: Some(self.snapshot.last_event?),
            erased_through: self.erased_through,
            keys,
            open_turns: open_turns.collect(),
            transcript: self.transcript.clone(),
        })
    }
}

impl Handler<Capture> for Session {
    type Result = ();

    fn handle(&mut self, Capture { asker }: Capture, _: &mut Self::Context) {
        self.snapshot.is_wanted = true;
        self.snapshot.askers.extend(asker);
        self.give_state();
    }
}
