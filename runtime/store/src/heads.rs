//! Where each session's journal ends, so that a batch can be checked before it goes into the commit log: what stands there
//! will be applied. Pure but for what it is told of the database.

use std::collections::{HashMap, HashSet};

use orchestratai_shared::{ClientMessageId, SessionId, TurnId, event::EventBody};

use crate::{Append, CommitError, JournalEntry, Write, takeover::is_unasked};

/// The end of one session's journal.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Head {
    /// The `seq` of its last event; 0 where there is none.
    pub(crate) last_seq: u64,
    /// Turns that have not ended.
    pub(crate) open: Vec<TurnId>,
    /// Every idempotency key that it has taken.
    pub(crate) keys: HashSet<ClientMessageId>,
}

/// The ends of the journals of those sessions that were written to of late.
#[derive(Debug, Default)]
pub(crate) struct Heads {
    known: HashMap<SessionId, Known>,
    /// Batches that were taken up.
    batches: u64,
    /// Idempotency keys that are known, of all sessions.
    keys: usize,
}

/// What is known of a session.
#[derive(Debug)]
struct Known {
    /// None: it does not exist.
    head: Option<Head>,
    /// The batch that last said something of it.
    used: u64,
}

/// What a batch makes of the heads that it touches.
#[derive(Debug)]
pub(crate) struct Staged(HashMap<SessionId, Option<Draft>>);

/// A batch that was looked through.
#[derive(Debug)]
pub(crate) struct Checked {
    /// What it makes of the heads without the writes that are refused.
    pub(crate) staged: Staged,
    /// Writes that contradict the journal, each with its place in the batch.
    pub(crate) refused: Vec<(usize, CommitError)>,
}

/// What a batch makes of one head.
#[derive(Debug, Default, Clone)]
struct Draft {
    /// Whether the session began in the batch.
    is_new: bool,
    last_seq: u64,
    open: Vec<TurnId>,
    /// The keys that the batch adds. Those from before are not copied: a long session has many.
    keys: Vec<ClientMessageId>,
}

impl Heads {
    /// With more sessions than this, or more keys, those that were not written to for longest are forgotten.
    const KNOWN_MAX: usize = 4_096;
    const KEYS_MAX: usize = 1 << 18;

    /// The sessions of a batch whose heads are not known.
    pub(crate) fn unknown(&self, writes: &[Write]) -> Vec<SessionId> {
        let mut unknown: Vec<SessionId> = (writes.iter().map(Write::session_id))
            .filter(|id| !self.known.contains_key(id))
            .collect();
        unknown.sort_unstable();
        unknown.dedup();
        unknown
    }

    /// Takes up what the database says of sessions that have nothing in the log that is not applied. Those of `ids` that
    /// have no head do not exist.
    pub(crate) fn learn(&mut self, ids: &[SessionId], mut heads: HashMap<SessionId, Head>) {
        for id in ids {
            let head = heads.remove(id);
            self.keys += head.as_ref().map_or(0, |head| head.keys.len());
            let used = self.batches;
            self.known.insert(*id, Known { head, used });
        }
    }

    /// Checks a batch, all sessions of which are known. It is taken up by [`Heads::advance`] once it is in the log.
    pub(crate) fn check(&self, writes: &[Write]) -> Checked {
        let mut staged = HashMap::new();
        let mut refused = Vec::new();
        for (place, write) in writes.iter().enumerate() {
            let id = write.session_id();
            let known = self.known.get(&id).and_then(|known| known.head.as_ref());
            let draft = staged.entry(id).or_insert_with(|| known.map(Draft::of));
            match write {
                Write::CreateSession { .. } => {
                    draft.get_or_insert_with(|| Draft {
                        is_new: true,
                        ..Draft::default()
                    });
                }
                Write::EraseSession { .. } => *draft = None,
                Write::Append(append) if append.entries.is_empty() => {}
                Write::Append(append) => {
                    let Some(before) = draft.as_mut() else {
                        refused.push((place, CommitError::UnknownSession { session_id: id }));
                        continue;
                    };
                    let keys = known.filter(|_| !before.is_new).map(|head| &head.keys);
                    let mut after = before.clone();
                    match after.append(append, keys) {
                        Ok(()) => *before = after,
                        Err(error) => refused.push((place, error)),
                    }
                }
            }
        }
        Checked {
            staged: Staged(staged),
            refused,
        }
    }

    /// Takes up a batch that is in the log. `is_applied` tells whether nothing of a session is left to apply: only such a
    /// one may be forgotten, and asked of the database again.
    pub(crate) fn advance(&mut self, Staged(staged): Staged, is_applied: impl Fn(SessionId) -> bool) {
        self.batches += 1;
        for (id, draft) in staged {
            let used = self.batches;
            let known = self.known.entry(id).or_insert(Known { head: None, used });
            known.used = used;
            let before = known.head.as_ref().map_or(0, |head| head.keys.len());
            match draft {
                None => known.head = None,
                Some(draft) => {
                    if draft.is_new {
                        known.head = None;
                    }
                    let head = known.head.get_or_insert_default();
                    head.last_seq = draft.last_seq;
                    head.open = draft.open;
                    head.keys.extend(draft.keys);
                }
            }
            let after = known.head.as_ref().map_or(0, |head| head.keys.len());
            self.keys = (self.keys + after).saturating_sub(before);
        }
        if self.known.len() > Self::KNOWN_MAX || self.keys > Self::KEYS_MAX {
            self.forget_half(is_applied);
        }
    }

    /// Forgets a session, which is then asked of the database again.
    pub(crate) fn forget(&mut self, id: SessionId) {
        let known = self.known.remove(&id).and_then(|known| known.head);
        self.keys = self.keys.saturating_sub(known.map_or(0, |head| head.keys.len()));
    }

    fn forget_half(&mut self, is_applied: impl Fn(SessionId) -> bool) {
        let mut used: Vec<u64> = self.known.values().map(|known| known.used).collect();
        let middle = used.len() / 2;
        let (_, median, _) = used.select_nth_unstable(middle);
        let median = *median;
        self.known.retain(|id, known| known.used > median || !is_applied(*id));
        let keys = |known: &Known| known.head.as_ref().map_or(0, |head| head.keys.len());
        self.keys = self.known.values().map(keys).sum();
    }
}

impl Draft {
    fn of(head: &Head) -> Self {
        Self {
            is_new: false,
            last_seq: head.last_seq,
            open: head.open.clone(),
            keys: Vec::new(),
        }
    }

    /// Takes up what an append adds; `before` are the keys from before the batch.
    fn append(
        &mut self,
        Append { session_id, entries }: &Append,
        before: Option<&HashSet<ClientMessageId>>,
    ) -> Result<(), CommitError> {
        for entry in entries {
            well_formed(*session_id, entry)?;
            let event = &entry.event;
            if event.seq != self.last_seq + 1 {
                return Err(CommitError::OutOfOrder {
                    session_id: *session_id,
                    expected: self.last_seq + 1,
                    found: event.seq,
                });
            }
            self.last_seq = event.seq;
            let Some(turn_id) = event.turn_id else { continue };
            if let EventBody::MessageAccepted(accepted) = &event.body {
                self.take_key(*session_id, accepted.client_message_id, before)?;
                self.open.push(turn_id);
            } else if event.body.is_terminal() {
                if let EventBody::MessageCompleted(completed) = &event.body
                    && let Some(client_message_id) = completed.client_message_id
                {
                    self.take_key(*session_id, client_message_id, before)?;
                    if is_unasked(turn_id, completed) {
                        continue;
                    }
                }
                let open = self.open.iter().position(|open| *open == turn_id);
                self.open.remove(open.ok_or(CommitError::TurnNotOpen { turn_id })?);
            }
        }
        Ok(())
    }
}

impl Draft {
    /// Takes up an idempotency key, if it is free.
    fn take_key(
        &mut self,
        session_id: SessionId,
        client_message_id: ClientMessageId,
        before: Option<&HashSet<ClientMessageId>>,
    ) -> Result<(), CommitError> {
        let is_taken = |keys: &HashSet<ClientMessageId>| keys.contains(&client_message_id);
        if self.keys.contains(&client_message_id) || before.is_some_and(is_taken) {
            return Err(CommitError::KeyTaken {
                session_id,
                client_message_id,
            });
        }
        self.keys.push(client_message_id);
        Ok(())
    }
}

/// Sees that an entry does not contradict itself.
fn well_formed(session_id: SessionId, entry: &JournalEntry) -> Result<(), CommitError> {
    let event = &entry.event;
    let malformed = |reason| CommitError::Malformed {
        session_id,
        seq: event.seq,
        reason,
    };
    if event.session_id != session_id {
        return Err(malformed("belongs to another session"));
    }
    if !(entry.frame.starts_with('{') && entry.frame.ends_with('}')) {
        return Err(malformed("has a frame that is no JSON object"));
    }
    let message = match &event.body {
        EventBody::MessageAccepted(accepted) => Some(&accepted.message),
        EventBody::MessageCompleted(completed) => Some(&completed.message),
        EventBody::TurnCancelled(_) => entry.kept.as_ref(),
        EventBody::TurnFailed(_)
        | EventBody::RetrievalLog(_)
        | EventBody::AgentStatus(_)
        | EventBody::Handoff(_)
        | EventBody::ToolCall(_)
        | EventBody::ApprovalRequested(_)
        | EventBody::ApprovalResolved(_) => None,
    };
    if message.is_some_and(|message| message.session_id != session_id) {
        return Err(malformed("has a message of another session"));
    }
    let is_end = matches!(event.body, EventBody::MessageAccepted(_)) || event.body.is_terminal();
    if is_end && event.turn_id.is_none() {
        return Err(malformed("names no turn"));
    }
    Ok(())
}
