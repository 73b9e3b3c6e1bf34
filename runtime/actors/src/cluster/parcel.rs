//! What exchanges say to each other: one line of JSON each. Frames and events are embedded as they are, byte by byte.

use std::{sync::Arc, time::Duration};

use bytestring::ByteString;
use orchestratai_shared::{
    ChatSession, ClientMessageId, Event, Failure, LiveSession, MessageId, SessionId, TurnId, UserMessage,
    event::TurnCancelled,
};
use orchestratai_telemetry::{OverviewPart, TraceParent};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::{
    CancelRefusal, CloseReason, Frame, Publish, Refusal,
    agent::board::AgentCount,
    gateway::Accepted,
    session::{
        core::Recorded,
        messages::{PersonAnswer, PersonRequest},
    },
};

/// What one exchange says to another.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Parcel {
    /// A sign of life, with what the node's agents have done.
    Hello { agents: Vec<AgentCount> },
    /// Something is lost of what was said: everything that is under way between the two is given up.
    Reset,
    /// Asks something of a session. Answered by [`Parcel::Answer`] with the same number.
    Ask {
        n: u64,
        session_id: SessionId,
        create: bool,
        question: Question,
    },
    /// Answers.
    Answer { n: u64, answer: Answer },
    /// From a subscriber to its session.
    Say { subscription: u64, word: Word },
    /// From a session to a subscriber.
    Publish { subscription: u64, published: Published },
    /// What a subscriber has said by that number was accepted or refused.
    Settled { n: u64 },
    /// Asks for the sessions in progress, so many at most. Answered by [`Parcel::Surveyed`] with the same number.
    Survey { n: u64, limit: usize },
    /// Tells of them, and how many there are.
    Surveyed {
        n: u64,
        total: usize,
        sessions: Vec<LiveSession>,
    },
    /// Asks what was counted in the time up to now, by stretches of `step`. Answered by [`Parcel::Measured`] with the same number.
    Measure { n: u64, window: Duration, step: Duration },
    /// Tells what was counted.
    Measured { n: u64, part: Box<OverviewPart> },
}

/// What can be asked of a session: commands without those to whom they are answered.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Question {
    Submit {
        client_message_id: ClientMessageId,
        said: UserMessage,
        request_id: Arc<str>,
        trace: Option<TraceParent>,
        /// Whether the end of the turn is waited for: a second answer tells of it.
        with_end: bool,
    },
    Cancel {
        turn_id: Option<TurnId>,
    },
    Subscribe {
        subscription: u64,
        after_seq: Option<u64>,
        epoch: Option<String>,
        is_fresh: bool,
    },
    AwaitTurn {
        turn_id: TurnId,
    },
    Describe,
    Erase,
    Person(PersonRequest),
}

/// What a subscriber says.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Word {
    Submit {
        n: u64,
        client_message_id: ClientMessageId,
        said: UserMessage,
        request_id: Arc<str>,
        trace: Option<TraceParent>,
    },
    Cancel {
        turn_id: Option<TurnId>,
    },
    Credit(usize),
    Alive,
    Leave,
}

/// What is answered.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Answer {
    Submitted(Result<WireAccepted, WireRefusal>),
    /// The end of a turn, with all its events; none where there is no such turn.
    Ended(Option<Vec<Box<RawValue>>>),
    Cancelled(Result<TurnCancelled, WireCancelRefusal>),
    Subscribed,
    Described(ChatSession),
    Erased(Result<(), WireRefusal>),
    Person(Result<PersonAnswer, WireRefusal>),
    /// It cannot be asked.
    Refused(WireRefusal),
    /// There is no such session.
    NoSession,
    /// It is not this node's, or not any more.
    NotHere,
    /// It ended before it answered.
    Unanswered,
}

/// What a session publishes.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Published {
    Frames(Vec<WireFrame>),
    Ping,
    Close(WireCloseReason),
    Gone,
    Unanswered(ClientMessageId),
    /// The transport is to be cut.
    Cut,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct WireFrame {
    seq: Option<u64>,
    text: Box<RawValue>,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) enum WireCloseReason {
    Draining,
    TooSlow,
    Erased,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct WireAccepted {
    turn_id: TurnId,
    message_id: MessageId,
    seq: u64,
    repeated: bool,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct WireRefusal {
    failure: Failure,
    retry_after_ms: Option<u64>,
    turn_id: Option<TurnId>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) enum WireCancelRefusal {
    Unknown,
    Ended,
    Refused(WireRefusal),
}

impl Parcel {
    /// As it is sent.
    pub(super) fn to_line(&self) -> String {
        serde_json::to_string(self).expect("a parcel has string keys only")
    }

    /// As it was sent.
    ///
    /// # Errors
    /// Where another version has sent what this one does not know.
    pub(super) fn read(line: &str) -> serde_json::Result<Self> {
        serde_json::from_str(line)
    }
}

impl Published {
    /// As it crosses to another node. A frame that is no JSON is none of ours, and left out.
    pub(super) fn of(publish: Publish) -> Self {
        match publish {
            Publish::Frames(frames) => Self::Frames(frames.iter().filter_map(WireFrame::of).collect()),
            Publish::Ping => Self::Ping,
            Publish::Close(reason) => Self::Close(match reason {
                CloseReason::Draining => WireCloseReason::Draining,
                CloseReason::TooSlow => WireCloseReason::TooSlow,
                CloseReason::Erased => WireCloseReason::Erased,
            }),
            Publish::Gone => Self::Gone,
            Publish::Unanswered(client_message_id) => Self::Unanswered(client_message_id),
        }
    }

    /// As a subscriber gets it; none where it is to be cut.
    pub(super) fn into_publish(self) -> Option<Publish> {
        Some(match self {
            Self::Frames(frames) => Publish::Frames(frames.into_iter().map(WireFrame::into_frame).collect()),
            Self::Ping => Publish::Ping,
            Self::Close(reason) => Publish::Close(match reason {
                WireCloseReason::Draining => CloseReason::Draining,
                WireCloseReason::TooSlow => CloseReason::TooSlow,
                WireCloseReason::Erased => CloseReason::Erased,
            }),
            Self::Gone => Publish::Gone,
            Self::Unanswered(client_message_id) => Publish::Unanswered(client_message_id),
            Self::Cut => return None,
        })
    }
}

impl WireFrame {
    fn of(frame: &Frame) -> Option<Self> {
        Some(Self {
            seq: frame.seq,
            text: raw(&frame.text)?,
        })
    }

    fn into_frame(self) -> Frame {
        Frame {
            seq: self.seq,
            text: text(&self.text),
        }
    }
}

/// The events of a turn as they cross to another node.
pub(super) fn to_raw(events: &[Recorded]) -> Vec<Box<RawValue>> {
    events.iter().filter_map(|recorded| raw(&recorded.text)).collect()
}

/// Reads them back; `None` where one of them cannot be read.
pub(super) fn from_raw(events: &[Box<RawValue>]) -> Option<Vec<Recorded>> {
    let recorded = |raw: &RawValue| {
        let event: Event = serde_json::from_str(raw.get()).ok()?;
        Some(Recorded {
            event: Arc::new(event),
            text: text(raw),
        })
    };
    events.iter().map(|raw| recorded(raw)).collect()
}

fn raw(text: &str) -> Option<Box<RawValue>> {
    RawValue::from_string(text.to_owned()).ok()
}

fn text(raw: &RawValue) -> ByteString {
    ByteString::from(raw.get())
}

impl From<Accepted> for WireAccepted {
    fn from(accepted: Accepted) -> Self {
        let Accepted {
            turn_id,
            message_id,
            seq,
            repeated,
        } = accepted;
        Self {
            turn_id,
            message_id,
            seq,
            repeated,
        }
    }
}

impl From<WireAccepted> for Accepted {
    fn from(accepted: WireAccepted) -> Self {
        let WireAccepted {
            turn_id,
            message_id,
            seq,
            repeated,
        } = accepted;
        Self {
            turn_id,
            message_id,
            seq,
            repeated,
        }
    }
}

impl From<Refusal> for WireRefusal {
    fn from(refusal: Refusal) -> Self {
        Self {
            failure: refusal.failure,
            retry_after_ms: refusal
                .retry_after
                .map(|after| u64::try_from(after.as_millis()).unwrap_or(u64::MAX)),
            turn_id: refusal.turn_id,
        }
    }
}

impl From<WireRefusal> for Refusal {
    fn from(refusal: WireRefusal) -> Self {
        Self {
            failure: refusal.failure,
            retry_after: refusal.retry_after_ms.map(Duration::from_millis),
            turn_id: refusal.turn_id,
        }
    }
}

impl From<CancelRefusal> for WireCancelRefusal {
    fn from(refusal: CancelRefusal) -> Self {
        match refusal {
            CancelRefusal::Unknown => Self::Unknown,
            CancelRefusal::Ended => Self::Ended,
            CancelRefusal::Refused(refusal) => Self::Refused(refusal.into()),
        }
    }
}

impl From<WireCancelRefusal> for CancelRefusal {
    fn from(refusal: WireCancelRefusal) -> Self {
        match refusal {
            WireCancelRefusal::Unknown => Self::Unknown,
            WireCancelRefusal::Ended => Self::Ended,
            WireCancelRefusal::Refused(refusal) => Self::Refused(refusal.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use orchestratai_shared::ErrorCode;

    use super::*;

    #[test]
    fn frames_cross_byte_by_byte_and_a_line_is_one_line() {
        let text = r#"{"type":"message_delta","data":{"delta":"a\nb \u0000 ü","x":1.50,"n":12345678901234567890}}"#;
        let frames = vec![
            Frame {
                seq: Some(7),
                text: text.into(),
            },
            Frame {
                seq: None,
                text: "{}".into(),
            },
        ];
        let published = Published::of(Publish::Frames(frames.clone()));
        let line = Parcel::Publish {
            subscription: 3,
            published,
        }
        .to_line();
        assert!(!line.contains('\n'), "{line}");
        let Parcel::Publish {
            subscription,
            published,
        } = Parcel::read(&line).unwrap()
        else {
            panic!("{line}");
        };
        assert_eq!(
            (subscription, published.into_publish()),
            (3, Some(Publish::Frames(frames)))
        );
    }

    #[test]
    fn refusals_cross_whole() {
        let refusal = Refusal::overloaded("There is no room.", Duration::from_millis(1_500)).of_turn(TurnId::new());
        let line = Parcel::Answer {
            n: 1,
            answer: Answer::Submitted(Err(refusal.clone().into())),
        }
        .to_line();
        let Parcel::Answer {
            answer: Answer::Submitted(Err(read)),
            ..
        } = Parcel::read(&line).unwrap()
        else {
            panic!("{line}");
        };
        assert_eq!(Refusal::from(read), refusal);
        let refusal = CancelRefusal::Refused(Refusal::new(ErrorCode::NotFound, "No."));
        assert_eq!(CancelRefusal::from(WireCancelRefusal::from(refusal.clone())), refusal);
        assert!(Parcel::read(r#"{"Later":1}"#).is_err());
    }
}
