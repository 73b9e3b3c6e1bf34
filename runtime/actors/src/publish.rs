//! What a session tells a subscriber, and how a subscriber that stands still is cut off.

use actix::Message;
use bytestring::ByteString;
use orchestratai_shared::ClientMessageId;

/// One frame as it goes to the client, serialised once for all subscribers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Its place in the journal; `None` for a transient signal.
    pub seq: Option<u64>,
    /// The JSON text.
    pub text: ByteString,
}

impl Frame {
    /// Its length in bytes: what it takes from the subscriber's credits.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.text.len()
    }
}

/// From a session to one subscriber: always by `try_send` on one kept handle, and within the subscriber's credits.
#[derive(Debug, Clone, PartialEq, Eq, Message)]
#[rtype(result = "()")]
pub enum Publish {
    /// Frames, in order. Their bytes are taken from the credits; the subscriber gives them back with
    /// [`crate::SessionLink::credit`] once it has handed them to its socket.
    Frames(Vec<Frame>),
    /// Send a sign of life, and answer [`crate::SessionLink::alive`] when the client gives one back.
    Ping,
    /// Close, and subscribe no more.
    Close(CloseReason),
    /// The session actor is gone: subscribe anew, with the last `seq` that was seen.
    Gone,
    /// A message that this subscriber has sent was lost with its session before it was accepted or refused.
    Unanswered(ClientMessageId),
}

/// Why a subscription is closed from the server's side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CloseReason {
    /// The server stops.
    Draining,
    /// The client took nothing in for too long.
    TooSlow,
    /// The session was erased.
    Erased,
}

impl CloseReason {
    /// The WebSocket close code.
    #[must_use]
    pub fn code(self) -> u16 {
        match self {
            Self::Draining => 4000,
            Self::TooSlow => 4008,
            Self::Erased => 1000,
        }
    }

    /// The reason in words.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::Draining => "the server is draining",
            Self::TooSlow => "too slow: nothing was taken in for too long",
            Self::Erased => "the session was erased",
        }
    }
}

/// Cuts the transport of a subscriber that no longer moves, from outside its own actor, which may be frozen.
pub trait Cut: Send + Sync {
    /// Ends the transport at once, in both directions. Called at most once; does not block.
    fn cut(&self);
}
