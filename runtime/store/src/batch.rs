//! Writes as the rows that they make, worked out before the write lock is taken. Pure. What contradicts itself was refused
//! before it came here, by [`heads`](crate::heads).

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use bytestring::ByteString;
use orchestratai_shared::{
    AgentId, ChatSession, ClientMessageId, Confidence, Event, Message, SessionId, Timestamp, TurnId, event::EventBody,
};

use crate::{
    Append, JournalEntry, Write, frames,
    takeover::{PersonRows, is_unasked},
};

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
    /// Who has which session, and what persons say.
    pub(crate) persons: PersonRows,
    /// Turns whose answer says that nothing was found.
    pub(crate) unanswered: Vec<UnansweredTurn>,
    accepted_at: HashMap<TurnId, usize>,
    /// The last row of each session in `journal`.
    row_of: HashMap<SessionId, usize>,
}

/// A row of the journal takes up further appends of its session until its payload has so many bytes. A row costs an entry in
/// the index, and on average half a page that stays empty; a long one is read whole for any of its events.
const ROW_BYTES_ENOUGH: usize = 16 << 10;

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

/// The events of appends that follow each other.
#[derive(Debug)]
pub(crate) struct JournalRow {
    pub(crate) session_id: SessionId,
    pub(crate) seq: u64,
    pub(crate) last_seq: u64,
    pub(crate) at: Timestamp,
    frames: Vec<ByteString>,
    bytes: usize,
}

impl JournalRow {
    /// The frames as the journal keeps them.
    pub(crate) fn payload(&self) -> String {
        frames::join(self.frames.iter().map(|frame| &**frame))
    }

    fn hold(&mut self, frame: ByteString) {
        self.bytes += frame.len();
        self.frames.push(frame);
    }
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
    pub(crate) ended: Option<TurnEnd>,
}

/// The end of a turn.
#[derive(Debug)]
pub(crate) struct EndedTurn {
    pub(crate) id: TurnId,
    pub(crate) session_id: SessionId,
    pub(crate) end: TurnEnd,
}

/// How a turn has ended.
#[derive(Debug)]
pub(crate) struct TurnEnd {
    pub(crate) seq: u64,
    pub(crate) at: Timestamp,
    /// Whose answer ended it.
    pub(crate) agent: Option<AgentId>,
}

/// A turn whose answer says that nothing was found.
#[derive(Debug)]
pub(crate) struct UnansweredTurn {
    pub(crate) id: TurnId,
    pub(crate) session_id: SessionId,
    pub(crate) agent: AgentId,
    pub(crate) confidence: Confidence,
}

/// Works out the steps of writes.
pub(crate) fn steps(writes: impl IntoIterator<Item = Write>) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut rows = Rows::default();
    for write in writes {
        match write {
            Write::CreateSession { session, organization } => rows.created.push((session, organization)),
            Write::Append(append) => rows.append(append),
            Write::EraseSession { session_id } => {
                steps.extend(std::mem::take(&mut rows).into_step());
                steps.push(Step::Erase(session_id));
            }
        }
    }
    steps.extend(rows.into_step());
    steps
}

impl Rows {
    fn into_step(self) -> Option<Step> {
        (!self.created.is_empty() || !self.journal.is_empty()).then(|| Step::Rows(Box::new(self)))
    }

    fn append(&mut self, Append { session_id, entries }: Append) {
        let (Some(first), Some(last)) = (entries.first(), entries.last()) else {
            return;
        };
        let (seq, last_seq, at) = (first.event.seq, last.event.seq, first.event.at);
        let row_before = self.row_of.get(&session_id).copied();
        let goes_on = |row: &JournalRow| row.last_seq + 1 == seq && row.bytes < ROW_BYTES_ENOUGH;
        let row = match row_before.filter(|index| goes_on(&self.journal[*index])) {
            Some(index) => index,
            None => {
                let index = self.journal.len();
                self.row_of.insert(session_id, index);
                self.journal.push(JournalRow {
                    session_id,
                    seq,
                    last_seq,
                    at,
                    frames: Vec::new(),
                    bytes: 0,
                });
                index
            }
        };
        self.journal[row].last_seq = last_seq;
        let change = self.changed.entry(session_id).or_insert_with(|| SessionChange {
            first_seq: seq,
            last_seq,
            last_activity: at,
            tokens: 0,
            cost: 0.0,
            messages: 0,
        });
        change.last_seq = last_seq;
        for entry in &entries {
            change.take(entry);
        }
        for JournalEntry { event, frame, kept } in entries {
            self.journal[row].hold(frame);
            self.read_models(session_id, &event, kept);
        }
    }

    /// Adds what the read models take from one entry.
    fn read_models(&mut self, session_id: SessionId, event: &Event, kept: Option<Message>) {
        let (seq, at) = (event.seq, event.at);
        self.persons.take(event);
        let Some(turn_id) = event.turn_id else { return };
        let message = match &event.body {
            EventBody::MessageAccepted(accepted) => {
                self.accepted_at.insert(turn_id, self.accepted.len());
                self.accepted.push(AcceptedTurn {
                    id: turn_id,
                    session_id,
                    client_message_id: accepted.client_message_id,
                    accepted_seq: seq,
                    ended: None,
                });
                Some(accepted.message.clone())
            }
            EventBody::MessageCompleted(completed) => {
                let message = &completed.message;
                let agent = message.agent.clone();
                if completed.found_nothing()
                    && let (Some(agent), Some(confidence)) = (&agent, message.confidence)
                {
                    self.unanswered.push(UnansweredTurn {
                        id: turn_id,
                        session_id,
                        agent: agent.clone(),
                        confidence,
                    });
                }
                match completed.client_message_id.filter(|_| is_unasked(turn_id, completed)) {
                    Some(client_message_id) => self.accepted.push(AcceptedTurn {
                        id: turn_id,
                        session_id,
                        client_message_id,
                        accepted_seq: seq,
                        ended: Some(TurnEnd { seq, at, agent }),
                    }),
                    None => self.end(turn_id, session_id, TurnEnd { seq, at, agent }),
                }
                Some(message.clone())
            }
            EventBody::TurnCancelled(_) => {
                let agent = kept.as_ref().and_then(|message| message.agent.clone());
                self.end(turn_id, session_id, TurnEnd { seq, at, agent });
                kept
            }
            EventBody::TurnFailed(_) => {
                let agent = None;
                self.end(turn_id, session_id, TurnEnd { seq, at, agent });
                None
            }
            EventBody::RetrievalLog(_)
            | EventBody::AgentStatus(_)
            | EventBody::Handoff(_)
            | EventBody::ToolCall(_)
            | EventBody::ApprovalRequested(_)
            | EventBody::ApprovalResolved(_) => None,
        };
        self.messages.extend(message.map(|message| MessageRow { message, seq }));
    }

    fn end(&mut self, id: TurnId, session_id: SessionId, end: TurnEnd) {
        match self.accepted_at.get(&id) {
            Some(&index) => self.accepted[index].ended = Some(end),
            None => self.ended.push(EndedTurn { id, session_id, end }),
        }
    }
}

impl SessionChange {
    /// Adds what an entry adds to the session's totals.
    fn take(&mut self, entry: &JournalEntry) {
        self.last_activity = entry.event.at;
        match &entry.event.body {
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
    }
}
