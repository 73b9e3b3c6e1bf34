//! A batch of writes as the rows that it makes, worked out before the write lock is taken. Pure.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use orchestratai_shared::{ChatSession, ClientMessageId, Message, SessionId, Timestamp, TurnId, event::EventBody};

use crate::{Append, CommitError, JournalEntry, Write, frames};

/// A step of a batch. Steps are taken in order; an erasure stands between rows because it must not reach those after it.
#[derive(Debug)]
pub(crate) enum Step {
    /// Rows to write.
    Rows(Box<Rows>),
    /// A session to erase.
    Erase(SessionId),
}

/// Rows of many writes, by table, so that each table takes one statement.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    pub(crate) created: Vec<(ChatSession, Arc<str>)>,
    /// In the order of ids, which is the order of the index that they are looked up in.
    pub(crate) changed: BTreeMap<SessionId, SessionChange>,
    pub(crate) journal: Vec<JournalRow>,
    pub(crate) messages: Vec<MessageRow>,
    pub(crate) accepted: Vec<AcceptedTurn>,
    /// Ends of turns that an earlier batch accepted.
    pub(crate) ended: Vec<EndedTurn>,
    accepted_at: HashMap<TurnId, usize>,
}

/// What a batch adds to a session.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SessionChange {
    pub(crate) first_seq: u64,
    pub(crate) last_seq: u64,
    pub(crate) last_activity: Timestamp,
    pub(crate) tokens: u64,
    pub(crate) cost: f64,
    pub(crate) messages: u64,
}

/// The events of one append.
#[derive(Debug)]
pub(crate) struct JournalRow {
    pub(crate) session_id: SessionId,
    pub(crate) seq: u64,
    pub(crate) last_seq: u64,
    pub(crate) at: Timestamp,
    pub(crate) payload: String,
}

/// A message for the transcript.
#[derive(Debug)]
pub(crate) struct MessageRow {
    pub(crate) message: Message,
    pub(crate) seq: u64,
}

/// A turn that begins, and may have ended already.
#[derive(Debug)]
pub(crate) struct AcceptedTurn {
    pub(crate) id: TurnId,
    pub(crate) session_id: SessionId,
    pub(crate) client_message_id: ClientMessageId,
    pub(crate) accepted_seq: u64,
    pub(crate) ended: Option<(u64, Timestamp)>,
}

/// The end of a turn.
#[derive(Debug)]
pub(crate) struct EndedTurn {
    pub(crate) id: TurnId,
    pub(crate) session_id: SessionId,
    pub(crate) seq: u64,
    pub(crate) at: Timestamp,
}

/// Works out the steps of a batch.
pub(crate) fn steps(writes: Vec<Write>) -> Result<Vec<Step>, CommitError> {
    let mut steps = Vec::new();
    let mut rows = Rows::default();
    for write in writes {
        match write {
            Write::CreateSession { session, organization } => rows.created.push((session, organization)),
            Write::Append(append) => rows.append(append)?,
            Write::EraseSession { session_id } => {
                steps.extend(std::mem::take(&mut rows).into_step());
                steps.push(Step::Erase(session_id));
            }
        }
    }
    steps.extend(rows.into_step());
    Ok(steps)
}

impl Rows {
    fn into_step(self) -> Option<Step> {
        (!self.created.is_empty() || !self.journal.is_empty()).then(|| Step::Rows(Box::new(self)))
    }

    fn append(&mut self, Append { session_id, entries }: Append) -> Result<(), CommitError> {
        let (Some(first), Some(last)) = (entries.first(), entries.last()) else {
            return Ok(());
        };
        let row = JournalRow {
            session_id,
            seq: first.event.seq,
            last_seq: last.event.seq,
            at: first.event.at,
            payload: frames::join(entries.iter().map(|entry| &*entry.frame)),
        };
        let change = self.changed.entry(session_id).or_insert_with(|| SessionChange {
            first_seq: row.seq,
            last_seq: row.seq.saturating_sub(1),
            last_activity: row.at,
            tokens: 0,
            cost: 0.0,
            messages: 0,
        });
        for entry in &entries {
            change.follow(session_id, entry)?;
        }
        self.journal.push(row);
        for entry in entries {
            self.read_models(session_id, entry)?;
        }
        Ok(())
    }

    /// Adds what the read models take from one entry. Its messages belong to the session.
    fn read_models(&mut self, session_id: SessionId, entry: JournalEntry) -> Result<(), CommitError> {
        let JournalEntry { event, frame: _, kept } = entry;
        let seq = event.seq;
        let malformed = |reason| CommitError::Malformed {
            session_id,
            seq,
            reason,
        };
        let message = |message: &Message| {
            let message = message.clone();
            let is_own = message.session_id == session_id;
            is_own
                .then_some(MessageRow { message, seq })
                .ok_or_else(|| malformed("has a message of another session"))
        };
        let turn_id = || event.turn_id.ok_or_else(|| malformed("names no turn"));
        match &event.body {
            EventBody::MessageAccepted(accepted) => {
                let id = turn_id()?;
                let client_message_id = accepted.client_message_id;
                if self.accepted_at.insert(id, self.accepted.len()).is_some() {
                    return Err(malformed("accepts a turn that the same batch has accepted before"));
                }
                self.accepted.push(AcceptedTurn {
                    id,
                    session_id,
                    client_message_id,
                    accepted_seq: seq,
                    ended: None,
                });
                self.messages.push(message(&accepted.message)?);
            }
            EventBody::MessageCompleted(completed) => {
                self.end(turn_id()?, session_id, seq, event.at)?;
                self.messages.push(message(&completed.message)?);
            }
            EventBody::TurnCancelled(_) => {
                self.end(turn_id()?, session_id, seq, event.at)?;
                if let Some(kept) = kept {
                    self.messages.push(message(&kept)?);
                }
            }
            EventBody::TurnFailed(_) => self.end(turn_id()?, session_id, seq, event.at)?,
            EventBody::RetrievalLog(_)
            | EventBody::AgentStatus(_)
            | EventBody::Handoff(_)
            | EventBody::ToolCall(_)
            | EventBody::ApprovalRequested(_)
            | EventBody::ApprovalResolved(_) => {}
        }
        Ok(())
    }

    fn end(&mut self, id: TurnId, session_id: SessionId, seq: u64, at: Timestamp) -> Result<(), CommitError> {
        match self.accepted_at.get(&id) {
            Some(&index) => {
                let turn = &mut self.accepted[index];
                if turn.ended.is_some() || turn.session_id != session_id {
                    return Err(CommitError::TurnNotOpen { turn_ids: vec![id] });
                }
                turn.ended = Some((seq, at));
            }
            None => self.ended.push(EndedTurn {
                id,
                session_id,
                seq,
                at,
            }),
        }
        Ok(())
    }
}

impl SessionChange {
    /// Takes up the next entry of the session, which must follow the last.
    fn follow(&mut self, session_id: SessionId, entry: &JournalEntry) -> Result<(), CommitError> {
        let event = &entry.event;
        let malformed = |reason| CommitError::Malformed {
            session_id,
            seq: event.seq,
            reason,
        };
        if event.session_id != session_id {
            return Err(malformed("belongs to another session"));
        }
        if event.seq != self.last_seq + 1 || event.seq == 0 {
            return Err(CommitError::OutOfOrder {
                session_id,
                expected: self.last_seq + 1,
                found: event.seq,
            });
        }
        if !(entry.frame.starts_with('{') && entry.frame.ends_with('}')) {
            return Err(malformed("has a frame that is no JSON object"));
        }
        self.last_seq = event.seq;
        self.last_activity = event.at;
        match &event.body {
            EventBody::MessageAccepted(_) => self.messages += 1,
            EventBody::MessageCompleted(completed) => {
                self.messages += 1;
                self.tokens += completed.metrics.tokens_used;
                self.cost += completed.metrics.cost;
            }
            EventBody::TurnCancelled(cancelled) => {
                self.messages += u64::from(entry.kept.is_some());
                self.tokens += cancelled.tokens_billed;
            }
            EventBody::TurnFailed(_)
            | EventBody::RetrievalLog(_)
            | EventBody::AgentStatus(_)
            | EventBody::Handoff(_)
            | EventBody::ToolCall(_)
            | EventBody::ApprovalRequested(_)
            | EventBody::ApprovalResolved(_) => {}
        }
        Ok(())
    }
}
