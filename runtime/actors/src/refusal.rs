//! Why something was not done.

use std::time::Duration;

use orchestratai_shared::{ErrorCode, Failure, TurnId};

/// A refusal: what the client is told, and when it may come back.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{failure}")]
pub struct Refusal {
    /// Code and message.
    pub failure: Failure,
    /// When the same request may succeed; for `Retry-After`.
    pub retry_after: Option<Duration>,
    /// The turn that it is about.
    pub turn_id: Option<TurnId>,
}

impl Refusal {
    /// A refusal by its code.
    #[must_use]
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            failure: Failure::new(code, message),
            retry_after: None,
            turn_id: None,
        }
    }

    /// There is no room just now.
    #[must_use]
    pub fn overloaded(message: impl Into<String>, retry_after: Duration) -> Self {
        Self {
            failure: Failure::new(ErrorCode::Overloaded, message),
            retry_after: Some(retry_after),
            turn_id: None,
        }
    }

    /// The same about a turn.
    #[must_use]
    pub fn of_turn(self, turn_id: TurnId) -> Self {
        Self {
            turn_id: Some(turn_id),
            ..self
        }
    }
}

/// Why a turn was not cancelled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CancelRefusal {
    /// There is no such turn.
    #[error("there is no such turn")]
    Unknown,
    /// It has ended already.
    #[error("the turn has ended")]
    Ended,
    /// It could not be asked.
    #[error(transparent)]
    Refused(#[from] Refusal),
}
