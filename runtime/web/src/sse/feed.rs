//! What a session says → the events of one turn's stream. Pure: no clock, no socket, no session.

use std::ops::ControlFlow;

use orchestratai_shared::{
    AgentId, ChatMetrics, Citation, ClientCall, Confidence, ErrorCode, Failure, Incomplete, MessageId, TurnId,
};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::position::{Partial, Position};
use crate::{
    error::ApiError,
    ready::Ready,
    rest::chat::{cancelled, erased},
};

/// Writes the events of a turn's stream, in the words of one kind of client. `at` is the position behind the event.
pub(crate) trait Teller {
    /// Whether the stream is over as soon as its client is gone, and not only when there would be something to send.
    fn ends_with_its_client(&self) -> bool {
        false
    }

    /// What the stream begins with.
    fn begin(&mut self, out: &mut Vec<u8>);

    /// A step, or the status of an agent, by the type and the data that it has in the journal.
    fn step(&mut self, at: &Position, kind: &str, data: &RawValue, out: &mut Vec<u8>);

    /// The turn waits for a person's word from here on, or another agent was given it: what was said so far is no answer.
    fn waits(&mut self) {}

    /// More of the answer.
    fn chunk(&mut self, at: &Position, content: &str, out: &mut Vec<u8>);

    /// What came of the answer is withdrawn. A client that cannot be told so follows the turn no further.
    fn withdrawn(&mut self, at: &Position, reset: Reset, out: &mut Vec<u8>) -> ControlFlow<()>;

    /// The turn has its answer.
    fn completed(&mut self, at: &Position, completed: Completed, logs: &[Box<RawValue>], out: &mut Vec<u8>);

    /// The turn, or its stream, ends without one.
    fn failed(&mut self, at: &Position, error: &ApiError, out: &mut Vec<u8>);
}

/// Reads frames of a session and has the events of one turn written, each with the position behind it.
///
/// Of the answer's text, whose frames may come twice or not at all, it writes every byte once and in order: what is missing
/// when the turn ends, it takes from the whole answer.
#[derive(Debug)]
pub(crate) struct Feed<T> {
    teller: T,
    turn_id: TurnId,
    /// The client has the durable events up to here.
    resumed_seq: u64,
    /// The last durable event that was read, of this turn or another.
    seen_seq: u64,
    at: Position,
    /// An answer so far that waits for the durable events before it.
    held: Option<Held>,
    logs: Vec<Box<RawValue>>,
    has_ended: bool,
}

#[derive(Debug)]
struct Held {
    until_seq: u64,
    /// `None`: the turn has no answer yet, or none any more.
    message_id: Option<MessageId>,
    content: String,
}

/// A frame, with its data as it stands there.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Frame<'a> {
    r#type: &'a str,
    seq: Option<u64>,
    turn_id: Option<TurnId>,
    #[serde(borrow)]
    data: &'a RawValue,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Delta {
    message_id: MessageId,
    offset: usize,
    delta: String,
}

/// What came of an answer is withdrawn.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Reset {
    pub(crate) message_id: MessageId,
    pub(crate) reason: String,
}

/// A turn's end, as far as streams tell of it.
#[derive(Deserialize)]
pub(crate) struct Completed {
    pub(crate) message: CompletedMessage,
    pub(crate) metrics: ChatMetrics,
    #[serde(default)]
    pub(crate) citations: Vec<Citation>,
    /// The calls of the client's own tools with which it ended.
    #[serde(default)]
    pub(crate) calls: Vec<ClientCall>,
    /// Why it is not whole, where it is not.
    #[serde(default)]
    pub(crate) incomplete: Option<Incomplete>,
}

/// The answer.
#[derive(Deserialize)]
pub(crate) struct CompletedMessage {
    id: MessageId,
    pub(crate) content: String,
    pub(crate) agent: Option<AgentId>,
    pub(crate) confidence: Option<Confidence>,
}

#[derive(Deserialize)]
struct GivenOver {
    /// The person who has the turn now; `None` between agents.
    #[serde(default)]
    by: Option<String>,
}

#[derive(Deserialize)]
struct Failed {
    error: Failure,
}

/// Why an answer is withdrawn where nobody has said it.
const RESTARTED: &str = "the answer was started anew";

impl<T: Teller> Feed<T> {
    /// Reads from behind `accepted_seq`, which is the turn's `message_accepted`, and has `teller` write from `resumed` on.
    pub(super) fn new(turn_id: TurnId, accepted_seq: u64, resumed: Option<Position>, teller: T) -> Self {
        let at = resumed
            .filter(|position| position.seq >= accepted_seq)
            .unwrap_or(Position {
                seq: accepted_seq,
                partial: None,
            });
        Self {
            teller,
            turn_id,
            resumed_seq: at.seq,
            seen_seq: accepted_seq,
            at,
            held: None,
            logs: Vec::new(),
            has_ended: false,
        }
    }

    /// As the teller says.
    pub(super) fn ends_with_its_client(&self) -> bool {
        self.teller.ends_with_its_client()
    }

    /// Appends what the stream begins with.
    pub(super) fn begin_stream(&mut self, out: &mut Vec<u8>) {
        self.teller.begin(out);
    }

    /// Whether the turn has ended, and its stream with it.
    pub(super) fn has_ended(&self) -> bool {
        self.has_ended
    }

    /// Reads one frame, and appends what it leads to. A frame that cannot be read, or of another turn, leads to nothing.
    pub(super) fn read(&mut self, text: &str, out: &mut Vec<u8>) {
        let Ok(frame) = serde_json::from_str::<Frame<'_>>(text) else {
            return;
        };
        if self.has_ended {
            return;
        }
        if frame.r#type == "session_ready" {
            return self.begin(text, out);
        }
        let is_ours = frame.turn_id == Some(self.turn_id);
        match frame.seq {
            Some(seq) if seq > self.seen_seq => {
                self.seen_seq = seq;
                if is_ours {
                    self.durable(seq, frame.r#type, frame.data, out);
                }
                self.release(out);
            }
            Some(_) => {}
            None if is_ours => self.transient(frame.r#type, frame.data.get(), out),
            None => {}
        }
    }

    /// Says that the stream ends before the turn.
    pub(super) fn break_off(&mut self, error: &ApiError, out: &mut Vec<u8>) {
        self.has_ended = true;
        self.teller.failed(&self.at, error, out);
    }

    /// A subscription begins. The answer so far belongs behind the durable events that are still to come.
    fn begin(&mut self, text: &str, out: &mut Vec<u8>) {
        let Some(ready) = Ready::read(text) else { return };
        if !ready.recovered {
            // The turn was in the journal: it can be missing only because its session is another now.
            return self.break_off(&erased(), out);
        }
        if self.resumed_seq > ready.last_seq {
            // We never gave such a position. Taken as it is, it would hide the turn's end, and the stream would have none.
            self.resumed_seq = self.seen_seq;
            self.at = Position {
                seq: self.seen_seq,
                partial: None,
            };
        }
        let turn = ready.turn.filter(|turn| turn.id == self.turn_id);
        self.held = turn.map(|turn| Held {
            until_seq: ready.last_seq,
            message_id: turn.message_id,
            content: turn.content,
        });
        self.release(out);
    }

    fn release(&mut self, out: &mut Vec<u8>) {
        let Some(held) = self.held.take_if(|held| held.until_seq <= self.seen_seq) else {
            return;
        };
        if let Some(message_id) = held.message_id.or(self.at.partial.map(|partial| partial.message_id)) {
            self.join_whole(message_id, &held.content, out);
        }
    }

    fn durable(&mut self, seq: u64, kind: &str, data: &RawValue, out: &mut Vec<u8>) {
        if kind == "retrieval_log" {
            self.logs.push(data.to_owned());
        }
        if seq <= self.resumed_seq {
            return;
        }
        // Only what is written moves the client's position, and what is written has it behind itself.
        match kind {
            "retrieval_log" | "agent_status" => {
                self.at.seq = seq;
                self.teller.step(&self.at, kind, data, out);
            }
            "approval_requested" => self.teller.waits(),
            // Where a person takes the turn over, its answer is theirs.
            "handoff" if serde_json::from_str::<GivenOver>(data.get()).is_ok_and(|given| given.by.is_none()) => {
                self.teller.waits();
            }
            "message_completed" => {
                if let Ok(completed) = serde_json::from_str::<Completed>(data.get()) {
                    self.complete(seq, completed, out);
                }
            }
            "turn_failed" => {
                if let Ok(failed) = serde_json::from_str::<Failed>(data.get()) {
                    self.at.seq = seq;
                    self.break_off(&failed.error.into(), out);
                }
            }
            "turn_cancelled" => {
                self.at.seq = seq;
                self.break_off(&cancelled(), out);
            }
            _ => {}
        }
    }

    fn transient(&mut self, kind: &str, data: &str, out: &mut Vec<u8>) {
        match kind {
            "message_delta" => {
                if let Ok(delta) = serde_json::from_str::<Delta>(data) {
                    self.join(delta.message_id, delta.offset, &delta.delta, out);
                }
            }
            "message_reset" => {
                self.held = None;
                if let Ok(reset) = serde_json::from_str::<Reset>(data) {
                    self.reset(reset.message_id, reset.reason, out);
                }
            }
            _ => {}
        }
    }

    /// Joins the whole of an answer, as far as there is one, to what the client has. What it has of something else is
    /// withdrawn.
    fn join_whole(&mut self, message_id: MessageId, answer: &str, out: &mut Vec<u8>) {
        let fits = |partial: Partial| partial.bytes == 0 || partial.begins(message_id, answer);
        if !self.at.partial.is_none_or(fits) {
            self.reset(message_id, RESTARTED.into(), out);
        }
        self.join(message_id, 0, answer, out);
    }

    /// Joins a part of an answer to what the client has: what it has is left out, what does not reach it waits for the end.
    fn join(&mut self, message_id: MessageId, offset: usize, part: &str, out: &mut Vec<u8>) {
        if self.at.partial.is_some_and(|partial| partial.message_id != message_id) {
            self.reset(message_id, RESTARTED.into(), out);
        }
        let had = self.at.partial.unwrap_or(Partial::none_of(message_id));
        let missing = had.bytes.checked_sub(offset).and_then(|from| part.get(from..));
        if self.has_ended {
            return;
        }
        if let Some(missing) = missing.filter(|missing| !missing.is_empty()) {
            self.at.partial = Some(had.and(missing));
            self.teller.chunk(&self.at, missing, out);
        }
    }

    fn reset(&mut self, message_id: MessageId, reason: String, out: &mut Vec<u8>) {
        let had_some = self.at.partial.is_some_and(|partial| partial.bytes > 0);
        self.at.partial = Some(Partial::none_of(message_id));
        if had_some {
            let told = self.teller.withdrawn(&self.at, Reset { message_id, reason }, out);
            self.has_ended |= told.is_break();
        }
    }

    fn complete(&mut self, seq: u64, completed: Completed, out: &mut Vec<u8>) {
        self.join_whole(completed.message.id, &completed.message.content, out);
        if self.has_ended {
            return;
        }
        self.at.seq = seq;
        self.has_ended = true;
        self.teller.completed(&self.at, completed, &self.logs, out);
    }
}

/// Says that the server stops before the turn has ended, to a client that cannot come back by itself.
pub(super) fn interrupted() -> ApiError {
    ApiError::new(
        ErrorCode::Overloaded,
        "The stream was interrupted. The turn goes on: GET /api/chat/stream/ with the id in X-Turn-Id follows it.",
    )
}

#[cfg(test)]
mod tests;
