//! How a history breaks a promise.

use orchestratai_shared::{ClientMessageId, TurnId};

/// A promise that was broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Violation {
    /// A durable event reached a client before the journal had it.
    PublishedBeforeCommit { seq: u64 },
    /// The journal's numbers have a gap or a repeat.
    SeqBroken { expected: u64, found: u64 },
    /// A turn has ended twice.
    EndedTwice { turn: TurnId },
    /// An accepted turn never ended.
    NeverEnded { turn: TurnId },
    /// A tool was called before that was on record.
    CalledBeforeCommit { seq: u64 },
    /// That a call is on record was not told to the agent that waits to make it.
    CallHeldBack { seq: u64 },
    /// One key was accepted twice.
    AcceptedTwice { key: ClientMessageId },
    /// A delta left before an event that was made earlier.
    DeltaBeforeItsStep { wanted: u64, seen: u64 },
    /// A turn said something after it was told to stop, or after its end.
    SpokeAfterItsEnd { turn: TurnId },
    /// Agents began a turn although a person has the session.
    AgentsRanDespitePerson { turn: TurnId },
    /// A turn was begun more often than is allowed.
    BegunTooOften { turn: TurnId, times: u32 },
    /// A client has other durable events than the journal.
    ClientDiffers { client: usize, at: usize },
    /// The answer is not what the agent said.
    AnswerDiffers { turn: TurnId },
    /// A delta does not go on where the one before ended.
    DeltaOutOfPlace { offset: u64, expected: usize },
    /// A new attempt was begun before its record was durable.
    UnrecordedAttempt { turn: TurnId },
    /// Somebody who asked has no answer, and will not have one.
    NeverAnswered { reply_to: u64 },
    /// The history did not come to rest.
    Restless,
}
