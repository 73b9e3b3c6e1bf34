//! What the first frame of a subscription tells about the past and the turn in progress.

use orchestratai_shared::{MessageId, TurnId};
use serde::Deserialize;

/// The data of a `session_ready`, as far as a follower needs it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Ready {
    /// The last durable event of the session.
    pub(crate) last_seq: u64,
    /// Whether what follows is all that was missed.
    pub(crate) recovered: bool,
    /// The turn in progress.
    pub(crate) turn: Option<ReadyTurn>,
}

/// A turn in progress.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ReadyTurn {
    pub(crate) id: TurnId,
    pub(crate) message_id: Option<MessageId>,
    /// The answer so far.
    pub(crate) content: String,
}

impl Ready {
    /// Reads a whole frame; `None` where it is no `session_ready`.
    pub(crate) fn read(frame: &str) -> Option<Self> {
        #[derive(Deserialize)]
        struct Frame {
            data: Ready,
        }
        serde_json::from_str::<Frame>(frame).ok().map(|frame| frame.data)
    }
}
