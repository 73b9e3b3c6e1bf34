//! Faults that are planted between the core and its world, to prove that the simulation finds them.

use std::sync::Arc;

use orchestratai_actors::session::{
    core::{Effect, Recovered},
    outbox::OutgoingKind,
};
use orchestratai_shared::{EventBody, LogData};

use super::violation::Violation;

/// A mistake that a session could make.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum PlantedFault {
    PublishBeforeCommit,
    SkippedSeq,
    DoubleTerminalEvent,
    ForgottenQueuedTurn,
    LostIdempotencyKey,
    DeltaBeforeItsStep,
    AnswerAfterCancel,
    RetryWithoutBound,
    ForgottenPerson,
    CallBeforeCommit,
}

impl PlantedFault {
    pub(crate) const ALL: [Self; 10] = [
        Self::PublishBeforeCommit,
        Self::SkippedSeq,
        Self::DoubleTerminalEvent,
        Self::ForgottenQueuedTurn,
        Self::LostIdempotencyKey,
        Self::DeltaBeforeItsStep,
        Self::AnswerAfterCancel,
        Self::RetryWithoutBound,
        Self::ForgottenPerson,
        Self::CallBeforeCommit,
    ];

    /// Whether this is the violation that the fault must be found as.
    pub(crate) fn shows_as(self, violation: &Violation) -> bool {
        match self {
            Self::PublishBeforeCommit => matches!(violation, Violation::PublishedBeforeCommit { .. }),
            Self::SkippedSeq => matches!(violation, Violation::SeqBroken { .. }),
            Self::DoubleTerminalEvent => matches!(violation, Violation::EndedTwice { .. }),
            Self::ForgottenQueuedTurn => matches!(violation, Violation::NeverEnded { .. }),
            Self::LostIdempotencyKey => matches!(violation, Violation::AcceptedTwice { .. }),
            Self::DeltaBeforeItsStep => matches!(violation, Violation::DeltaBeforeItsStep { .. }),
            Self::AnswerAfterCancel => matches!(violation, Violation::SpokeAfterItsEnd { .. }),
            Self::RetryWithoutBound => matches!(violation, Violation::BegunTooOften { .. }),
            Self::ForgottenPerson => matches!(violation, Violation::AgentsRanDespitePerson { .. }),
            Self::CallBeforeCommit => matches!(violation, Violation::CalledBeforeCommit { .. }),
        }
    }

    /// Spoils what a core is recovered from.
    pub(crate) fn spoil_recovery(self, recovered: &mut Recovered) {
        match self {
            Self::ForgottenQueuedTurn => recovered.open_turns.truncate(1),
            Self::LostIdempotencyKey => recovered.keys.clear(),
            Self::ForgottenPerson => recovered.person = None,
            Self::RetryWithoutBound => {
                for event in recovered.open_turns.iter_mut().flatten() {
                    if let EventBody::RetrievalLog(log) = &mut event.body
                        && let LogData::Routing(analysis) = &mut log.data
                    {
                        analysis.attempt = None;
                    }
                }
            }
            Self::PublishBeforeCommit
            | Self::SkippedSeq
            | Self::DoubleTerminalEvent
            | Self::DeltaBeforeItsStep
            | Self::AnswerAfterCancel
            | Self::CallBeforeCommit => {}
        }
    }

    /// Spoils what a core wants done.
    pub(crate) fn spoil_effect(self, effect: &mut Effect) {
        match (self, effect) {
            (Self::SkippedSeq, Effect::Append(entries)) => {
                if let Some(last) = entries.last_mut().filter(|entry| entry.event.seq > 5) {
                    let mut event = (*last.event).clone();
                    event.seq += 1;
                    last.event = Arc::new(event);
                }
            }
            (Self::DoubleTerminalEvent, Effect::Append(entries)) => {
                if let Some(last) = entries.last().filter(|entry| entry.event.body.is_terminal()).cloned() {
                    let mut event = (*last.event).clone();
                    event.seq += 1;
                    entries.push(orchestratai_store::JournalEntry {
                        event: Arc::new(event),
                        ..last
                    });
                }
            }
            (Self::DeltaBeforeItsStep, Effect::Publish(outgoing)) => {
                let delta = outgoing
                    .iter()
                    .position(|item| matches!(item.kind, OutgoingKind::Delta(_)));
                if let Some(at) = delta.filter(|at| *at > 0) {
                    outgoing.swap(at, at - 1);
                }
            }
            (_, _) => {}
        }
    }
}
