//! One session from outside: its journal, its client, and what each turn was promised.

use super::*;

/// One session: its core while it lives, its journal, its client, its agents' runs.
pub(super) struct SimSession {
    pub(super) id: SessionId,
    pub(super) core: Option<SessionCore>,
    pub(super) policy: Policy,
    pub(super) journal: Vec<Arc<Event>>,
    pub(super) unsent: Vec<JournalEntry>,
    /// Handed to the writer, and not durable yet.
    pub(super) appending: Option<Vec<JournalEntry>>,
    /// Durable, and the session has not been told.
    pub(super) unacknowledged: Option<u64>,
    pub(super) client: Client,
    /// What was said, by key; the number of messages is small.
    pub(super) said: Vec<(ClientMessageId, MessageContent)>,
    /// And what persons said.
    pub(super) said_by_person: Vec<(ClientMessageId, MessageContent)>,
    /// Runs that the orchestrator or an agent works at.
    pub(super) routes: Vec<Run>,
    pub(super) runs: BTreeMap<RunOrder, Script>,
    /// Steps of calls that agents wait for: under which `seq` each is on record.
    pub(super) calls: Vec<(u64, Durable)>,
    pub(super) reply_count: u64,
    pub(super) waiting: HashMap<ReplyTo, Waiting>,
    /// What each accepted turn promised, and what became of it.
    pub(super) turns: BTreeMap<TurnId, TurnLedger>,
    /// For each answer, by its turn and how often it had been withdrawn: up to which byte what must have been published.
    pub(super) wanted: HashMap<(TurnId, u32), Vec<(usize, u64)>>,
    /// The last `seq` that the core has given out in this life.
    pub(super) recorded_seq: u64,
}

pub(super) type RunOrder = (TurnId, u32, u32);

pub(super) enum Waiting {
    Submit,
    Cancel(TurnId),
    TakeOver,
    Say(ClientMessageId),
    Release,
    Decide,
}

#[derive(Debug, Default)]
pub(super) struct TurnLedger {
    pub(super) begun: u32,
    /// How often it was given back by a person.
    pub(super) given_back: u32,
    pub(super) ended: bool,
    pub(super) cancel_asked: bool,
    /// It was routed, and no agent has begun.
    pub(super) is_routed: bool,
    /// What had been withdrawn and said when the stop was asked for: nothing beyond may leave.
    pub(super) said_at_cancel: Option<(u32, usize)>,
    /// What the agent has said since it was last withdrawn, as far as the core took it.
    pub(super) said: String,
    /// How often that was withdrawn in this attempt.
    pub(super) withdrawn: u32,
}

impl TurnLedger {
    pub(super) fn withdraw(&mut self) {
        self.withdrawn += u32::from(!self.said.is_empty());
        self.said.clear();
    }
}

impl SimSession {
    pub(super) fn new(index: u128, policy: Policy) -> Self {
        Self {
            id: SessionId(Uuid::from_u128(index + 1)),
            core: None,
            policy,
            journal: Vec::new(),
            unsent: Vec::new(),
            appending: None,
            unacknowledged: None,
            client: Client::default(),
            said: Vec::new(),
            said_by_person: Vec::new(),
            routes: Vec::new(),
            runs: BTreeMap::new(),
            calls: Vec::new(),
            reply_count: 0,
            waiting: HashMap::new(),
            turns: BTreeMap::new(),
            wanted: HashMap::new(),
            recorded_seq: 0,
        }
    }

    /// The process, or this actor, is gone, with all it knew.
    pub(super) fn lose_memory(&mut self) {
        self.core = None;
        self.unsent.clear();
        self.routes.clear();
        self.runs.clear();
        self.calls.clear();
        self.waiting.clear();
        self.wanted.clear();
        for ledger in self.turns.values_mut() {
            // Whoever asked for the stop had no receipt, and asks again if it still matters.
            (ledger.cancel_asked, ledger.said_at_cancel) = (false, None);
            // The answer begins anew.
            (ledger.said, ledger.withdrawn, ledger.is_routed) = (String::new(), 0, false);
        }
    }

    /// Whoever waits to make a call may go on once that is durable, and not before; `told` says up to where the core has been told so.
    pub(super) fn check_calls(&mut self, told: u64) -> Checked {
        let durable = self.journal.len() as u64;
        let mut waiting = Vec::new();
        for (seq, step) in self.calls.drain(..) {
            let goes_on = step.wait().now_or_never().is_some();
            match goes_on {
                true if seq > durable => return Err(Violation::CalledBeforeCommit { seq }),
                false if seq <= told => return Err(Violation::CallHeldBack { seq }),
                true => {}
                false => waiting.push((seq, step)),
            }
        }
        self.calls = waiting;
        Ok(())
    }

    /// Makes entries durable, all or none; the journal refuses what does not go on where it ends.
    pub(super) fn store(&mut self, entries: Vec<JournalEntry>) -> Checked {
        for entry in entries {
            let ends = entry.event.turn_id.filter(|_| entry.event.body.is_terminal());
            if let Some(turn) = ends {
                let ledger = self.turns.entry(turn).or_default();
                if std::mem::replace(&mut ledger.ended, true) {
                    return Err(Violation::EndedTwice { turn });
                }
            }
            let expected = self.journal.len() as u64 + 1;
            if entry.event.seq != expected {
                return Err(Violation::SeqBroken {
                    expected,
                    found: entry.event.seq,
                });
            }
            if let Some(key) = key_of(&entry.event)
                && self.journal.iter().any(|event| key_of(event) == Some(key))
            {
                return Err(Violation::AcceptedTwice { key });
            }
            self.journal.push(entry.event);
        }
        Ok(())
    }

    /// What the store would tell a new core.
    pub(super) fn recovered(&self) -> Recovered {
        let mut open: Vec<Vec<Event>> = Vec::new();
        let mut keys: Vec<(ClientMessageId, Key)> = Vec::new();
        for event in &self.journal {
            let Some(turn_id) = event.turn_id else { continue };
            if let Some(client_message_id) = key_of(event) {
                let key = Key {
                    turn_id,
                    accepted_seq: event.seq,
                    ended_seq: None,
                };
                keys.push((client_message_id, key));
            }
            if matches!(event.body, EventBody::MessageAccepted(_)) {
                open.push(Vec::new());
            }
            if event.body.is_terminal() {
                open.retain(|events| events.first().is_some_and(|first| first.turn_id != Some(turn_id)));
                keys.iter_mut()
                    .filter(|(_, key)| key.turn_id == turn_id)
                    .for_each(|(_, key)| key.ended_seq = Some(event.seq));
                continue;
            }
            let of_turn = open
                .iter_mut()
                .find(|events| events.first().is_none_or(|first| first.turn_id == Some(turn_id)));
            if let Some(events) = of_turn {
                events.push((**event).clone());
            }
        }
        Recovered {
            last_seq: self.journal.len() as u64,
            keys,
            open_turns: open,
            person: self.person(),
        }
    }

    /// Who has the session by its journal.
    pub(super) fn person(&self) -> Option<PersonInCharge> {
        let handoffs = self.journal.iter().rev().filter(|event| event.turn_id.is_none());
        let last = handoffs.filter_map(|event| {
            let EventBody::Handoff(handoff) = &event.body else {
                return None;
            };
            Some((handoff, event.at))
        });
        let (handoff, since) = last.take(1).next()?;
        let name = handoff.by.clone().expect("it is known who");
        handoff.to.is_person().then_some(PersonInCharge { name, since })
    }

    pub(super) fn is_persons(&self) -> bool {
        self.person().is_some()
    }

    pub(super) fn publish_event(&mut self, seq: u64) -> Checked {
        match self.journal.iter().find(|event| event.seq == seq).cloned() {
            Some(event) => {
                if let EventBody::MessageCompleted(completed) = &event.body
                    && completed.client_message_id.is_none()
                    // Where a turn ends with calls of the client's tools, there may have been no word before.
                    && self.client.answer(completed.message.id).unwrap_or_default() != completed.message.content.as_str()
                {
                    let turn = event.turn_id.expect("what ends is a turn");
                    return Err(Violation::AnswerDiffers { turn });
                }
                self.client.take_event(&event)
            }
            None => Err(Violation::PublishedBeforeCommit { seq }),
        }
    }

    pub(super) fn publish(&mut self, item: &Outgoing) -> Checked {
        if let Some(seq) = item.frame.seq {
            return self.publish_event(seq);
        }
        let signal: Signal = serde_json::from_str(&item.frame.text).expect("a signal is JSON");
        if let (OutgoingKind::Delta(mark), Some(turn_id)) = (item.kind, signal.turn_id) {
            let said_at_cancel = self.turns.get(&turn_id).and_then(|ledger| ledger.said_at_cancel);
            if said_at_cancel.is_some_and(|said| (mark.withdrawn, mark.bytes) > said) {
                return Err(Violation::SpokeAfterItsEnd { turn: turn_id });
            }
            let wanted = self.wanted.get(&(turn_id, mark.withdrawn)).into_iter().flatten();
            // What was said up to this byte was said after these events.
            let wanted = wanted
                .filter(|(end, _)| *end <= mark.bytes)
                .map(|(_, seq)| *seq)
                .max()
                .unwrap_or(0);
            if wanted > self.client.last_seq {
                return Err(Violation::DeltaBeforeItsStep {
                    wanted,
                    seen: self.client.last_seq,
                });
            }
        }
        self.client.take_signal(&signal)
    }

    pub(super) fn expect_reply(&mut self, waiting: Waiting) -> ReplyTo {
        self.reply_count += 1;
        let to = ReplyTo(self.reply_count);
        self.waiting.insert(to, waiting);
        to
    }

    pub(super) fn take_reply(&mut self, to: ReplyTo, reply: &Reply) {
        match (self.waiting.remove(&to), reply) {
            (Some(Waiting::Submit), Reply::Accepted { seq, .. }) => {
                assert!(
                    *seq <= self.journal.len() as u64,
                    "an acceptance was confirmed before its commit"
                );
            }
            (Some(Waiting::Submit), Reply::Repeated { key, .. }) => {
                let journal = self.journal.len() as u64;
                assert!(key.accepted_seq <= journal && key.ended_seq.is_none_or(|seq| seq <= journal));
            }
            (Some(Waiting::Submit | Waiting::TakeOver | Waiting::Say(_)), Reply::Refused(_)) => {}
            (Some(Waiting::TakeOver), Reply::InCharge(Some(_))) => {
                let is_taken =
                    |event: &Arc<Event>| matches!(&event.body, EventBody::Handoff(handoff) if handoff.to.is_person());
                assert!(self.journal.iter().any(is_taken), "taken over before the commit");
            }
            (Some(Waiting::Release), Reply::InCharge(None)) => {}
            (Some(Waiting::Say(key)), Reply::Said(said)) => {
                let event = self.journal.iter().find(|event| event.seq == said.seq);
                assert_eq!(
                    event.and_then(|event| key_of(event)),
                    Some(key),
                    "said before the commit"
                );
            }
            (Some(Waiting::Say(_)), Reply::Repeated { key, .. }) => {
                assert!(key.accepted_seq <= self.journal.len() as u64);
            }
            (Some(Waiting::Decide), Reply::Decided(resolved)) => {
                let is_it =
                    |event: &Arc<Event>| matches!(&event.body, EventBody::ApprovalResolved(known) if known == resolved);
                assert!(self.journal.iter().any(is_it), "decided before the commit");
            }
            (Some(Waiting::Decide), Reply::Refused(_)) => {}
            (Some(Waiting::Cancel(turn_id)), Reply::Cancelled(_)) => {
                assert!(
                    self.turns.get(&turn_id).is_some_and(|ledger| ledger.ended),
                    "a receipt before the commit"
                );
            }
            (Some(Waiting::Cancel(_)), Reply::Ended | Reply::NoOpenTurn) => {}
            (Some(_), other) => panic!("an answer that does not fit: {other:?}"),
            (None, other) => panic!("answered twice: {other:?}"),
        }
    }

    /// What these turns have asked to be decided, as far as that is durable.
    pub(super) fn asked_for_approval(&self, turns: &[TurnId]) -> Vec<(TurnId, ApprovalId)> {
        let asked = self.journal.iter().filter_map(|event| {
            let EventBody::ApprovalRequested(request) = &event.body else {
                return None;
            };
            Some((event.turn_id?, request.approval_id))
        });
        asked.filter(|(turn_id, _)| turns.contains(turn_id)).collect()
    }

    pub(super) fn begin(&mut self, run: Run) -> Checked {
        let ledger = self.turns.entry(run.turn_id).or_default();
        ledger.begun += 1;
        if ledger.cancel_asked || ledger.ended {
            return Err(Violation::SpokeAfterItsEnd { turn: run.turn_id });
        }
        ledger.is_routed = true;
        if ledger.begun > ATTEMPTS_MAX + ledger.given_back {
            return Err(Violation::BegunTooOften {
                turn: run.turn_id,
                times: ledger.begun,
            });
        }
        let recorded = self.journal.iter().any(|event| {
            if let EventBody::RetrievalLog(log) = &event.body
                && let LogData::Routing(analysis) = &log.data
            {
                return event.turn_id == Some(run.turn_id) && analysis.attempt == Some(run.attempt);
            }
            false
        });
        if run.attempt > 1 && !recorded {
            return Err(Violation::UnrecordedAttempt { turn: run.turn_id });
        }
        Ok(())
    }

    pub(super) fn rests(&self) -> bool {
        self.core.as_ref().is_some_and(SessionCore::is_idle)
            && self.appending.is_none()
            && self.unacknowledged.is_none()
            && self.unsent.is_empty()
    }
}

/// The idempotency key that an event has taken.
pub(super) fn key_of(event: &Event) -> Option<ClientMessageId> {
    if let EventBody::MessageAccepted(accepted) = &event.body {
        return Some(accepted.client_message_id);
    }
    let EventBody::MessageCompleted(completed) = &event.body else {
        return None;
    };
    completed.client_message_id
}
