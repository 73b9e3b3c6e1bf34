//! What a session has to say and may not say yet: everything leaves in the order in which it was made, and a durable
//! event only after its commit. So a delta waits for every event made before it.

use std::{cell::RefCell, collections::VecDeque};

use bytestring::ByteString;
use orchestratai_shared::{
    Event, MessageId, SessionId, Signal, SignalBody, Timestamp, TurnId,
    event::{MessageDelta, MessageReset},
};

use crate::publish::Frame;

/// What the buffer for serialising keeps of its room at most.
const WRITTEN_BYTES_MAX: usize = 64 << 10;

/// Something that may leave now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// As it goes to the clients.
    pub frame: Frame,
    /// The turn it belongs to.
    pub turn_id: Option<TurnId>,
    /// What it is.
    pub kind: OutgoingKind,
}

/// What a frame is, for those who treat them differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutgoingKind {
    /// A durable event, by its `type`.
    Event(&'static str),
    /// More of the answer, up to this mark.
    Delta(AnswerMark),
    /// The answer is withdrawn; it begins anew from this mark.
    Reset(AnswerMark),
}

/// How far somebody is with an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AnswerMark {
    /// The answer.
    pub message_id: MessageId,
    /// How often it had been withdrawn.
    pub withdrawn: u32,
    /// Up to where, in UTF-8 bytes.
    pub bytes: usize,
}

#[derive(Debug)]
enum Held {
    Event {
        frame: Frame,
        turn_id: Option<TurnId>,
        kind: &'static str,
        is_terminal: bool,
    },
    Delta {
        turn_id: TurnId,
        message_id: MessageId,
        offset: usize,
        text: String,
    },
    Reset {
        turn_id: TurnId,
        message_id: MessageId,
        reason: String,
    },
}

/// The queue of what has been made and not left yet.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    held: VecDeque<Held>,
    /// The answer in progress, as far as it has left.
    published: Option<PublishedAnswer>,
}

/// An answer in progress, as far as it has left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishedAnswer {
    /// The turn that it belongs to.
    pub turn_id: TurnId,
    /// How far it is.
    pub mark: AnswerMark,
    /// The text up to there.
    pub text: String,
}

impl Outbox {
    /// Takes in a durable event, serialised once for the journal and all subscribers; gives the text back.
    pub(super) fn hold_event(&mut self, event: &Event) -> ByteString {
        let text = to_text(event);
        self.held.push_back(Held::Event {
            frame: Frame {
                seq: Some(event.seq),
                text: text.clone(),
            },
            turn_id: event.turn_id,
            kind: event.body.kind(),
            is_terminal: event.body.is_terminal(),
        });
        text
    }

    /// Takes in more of an answer. What waits together leaves together, in one frame.
    pub(super) fn hold_delta(&mut self, turn_id: TurnId, message_id: MessageId, offset: usize, text: &str) {
        if let Some(Held::Delta {
            message_id: last_id,
            text: last_text,
            ..
        }) = self.held.back_mut()
            && *last_id == message_id
        {
            last_text.push_str(text);
            return;
        }
        self.held.push_back(Held::Delta {
            turn_id,
            message_id,
            offset,
            text: text.to_owned(),
        });
    }

    /// Takes in that an answer is withdrawn.
    pub(super) fn hold_reset(&mut self, turn_id: TurnId, message_id: MessageId, reason: &str) {
        self.held.push_back(Held::Reset {
            turn_id,
            message_id,
            reason: reason.to_owned(),
        });
    }

    /// Gives out, in order, what may leave once everything up to `committed_seq` is durable.
    pub(super) fn release(&mut self, committed_seq: u64, session_id: SessionId, now: Timestamp) -> Vec<Outgoing> {
        let mut released = Vec::new();
        while let Some(held) = self.held.pop_front() {
            match held {
                Held::Event {
                    frame,
                    turn_id,
                    kind,
                    is_terminal,
                } if frame.seq.is_some_and(|seq| seq <= committed_seq) => {
                    // While a person has the session turns may end beside one that an agent is at.
                    let is_its = |answer: &PublishedAnswer| Some(answer.turn_id) == turn_id;
                    if is_terminal && self.published.as_ref().is_some_and(is_its) {
                        self.published = None;
                    }
                    released.push(Outgoing {
                        frame,
                        turn_id,
                        kind: OutgoingKind::Event(kind),
                    });
                }
                Held::Event { .. } => {
                    self.held.push_front(held);
                    break;
                }
                Held::Delta {
                    turn_id,
                    message_id,
                    offset,
                    text,
                } => {
                    let answer = self.answer(turn_id, message_id);
                    answer.text.push_str(&text);
                    answer.mark.bytes = answer.text.len();
                    let kind = OutgoingKind::Delta(answer.mark);
                    let frame = delta_frame(session_id, turn_id, message_id, offset, text, now);
                    released.push(Outgoing {
                        frame,
                        turn_id: Some(turn_id),
                        kind,
                    });
                }
                Held::Reset {
                    turn_id,
                    message_id,
                    reason,
                } => {
                    let answer = self.answer(turn_id, message_id);
                    answer.text.clear();
                    answer.mark.bytes = 0;
                    answer.mark.withdrawn += 1;
                    let kind = OutgoingKind::Reset(answer.mark);
                    let frame = reset_frame(session_id, turn_id, message_id, reason, now);
                    released.push(Outgoing {
                        frame,
                        turn_id: Some(turn_id),
                        kind,
                    });
                }
            }
        }
        released
    }

    /// The answer in progress, as far as it has left.
    pub(super) fn published_answer(&self) -> Option<&PublishedAnswer> {
        self.published.as_ref()
    }

    fn answer(&mut self, turn_id: TurnId, message_id: MessageId) -> &mut PublishedAnswer {
        if self
            .published
            .as_ref()
            .is_some_and(|answer| answer.mark.message_id != message_id)
        {
            self.published = None;
        }
        self.published.get_or_insert_with(|| PublishedAnswer {
            turn_id,
            mark: AnswerMark {
                message_id,
                withdrawn: 0,
                bytes: 0,
            },
            text: String::new(),
        })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.held.is_empty()
    }
}

/// A `message_delta` as it goes to the clients.
pub(super) fn delta_frame(
    session_id: SessionId,
    turn_id: TurnId,
    message_id: MessageId,
    offset: usize,
    delta: String,
    now: Timestamp,
) -> Frame {
    let body = SignalBody::MessageDelta(MessageDelta {
        message_id,
        offset: offset as u64,
        delta,
    });
    signal_frame(&Signal {
        session_id,
        turn_id: Some(turn_id),
        at: now,
        body,
    })
}

/// A `message_reset` as it goes to the clients.
pub(super) fn reset_frame(
    session_id: SessionId,
    turn_id: TurnId,
    message_id: MessageId,
    reason: String,
    now: Timestamp,
) -> Frame {
    let body = SignalBody::MessageReset(MessageReset { message_id, reason });
    signal_frame(&Signal {
        session_id,
        turn_id: Some(turn_id),
        at: now,
        body,
    })
}

/// A transient signal as it goes to the clients.
pub(crate) fn signal_frame(signal: &Signal) -> Frame {
    Frame {
        seq: None,
        text: to_text(signal),
    }
}

/// Serialises through a buffer that stays: a text that grows as it is written moves several times, and keeps more than it needs.
pub(super) fn to_text(value: &impl serde::Serialize) -> ByteString {
    thread_local! {
        static WRITTEN: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    }
    WRITTEN.with_borrow_mut(|written| {
        written.clear();
        written.shrink_to(WRITTEN_BYTES_MAX);
        serde_json::to_writer(&mut *written, value)
            .expect("events hold nothing that JSON cannot: no map keys but strings");
        let text = str::from_utf8(written).expect("JSON is UTF-8");
        ByteString::from(text)
    })
}
