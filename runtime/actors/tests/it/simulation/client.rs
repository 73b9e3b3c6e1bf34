//! A client as the simulation has it: keeps what it was sent, and checks that it fits.

use std::{collections::HashMap, sync::Arc};

use orchestratai_shared::{Event, MessageId, Signal, SignalBody, TurnId};

use super::violation::Violation;

/// Follows one session over all its reconnects.
#[derive(Debug, Default)]
pub(crate) struct Client {
    /// The last durable event it has.
    pub(crate) last_seq: u64,
    /// The durable events it has, in the order in which they came.
    pub(crate) seen: Vec<u64>,
    /// The partial answers it has.
    answers: HashMap<MessageId, String>,
    /// Turns whose end it has seen.
    ended: Vec<TurnId>,
}

impl Client {
    /// Takes a durable event, live or from the journal.
    pub(crate) fn take_event(&mut self, event: &Arc<Event>) -> Result<(), Violation> {
        self.seen.push(event.seq);
        self.last_seq = event.seq;
        if let Some(turn) = event.turn_id {
            if self.ended.contains(&turn) {
                return Err(Violation::SpokeAfterItsEnd { turn });
            }
            if event.body.is_terminal() {
                self.ended.push(turn);
            }
        }
        Ok(())
    }

    /// Takes a transient signal.
    pub(crate) fn take_signal(&mut self, signal: &Signal) -> Result<(), Violation> {
        if let Some(turn) = signal.turn_id.filter(|turn| self.ended.contains(turn)) {
            return Err(Violation::SpokeAfterItsEnd { turn });
        }
        match &signal.body {
            SignalBody::MessageDelta(delta) => {
                let text = self.answers.entry(delta.message_id).or_default();
                if delta.offset != text.len() as u64 {
                    return Err(Violation::DeltaOutOfPlace {
                        offset: delta.offset,
                        expected: text.len(),
                    });
                }
                text.push_str(&delta.delta);
            }
            SignalBody::MessageReset(reset) => {
                self.answers.insert(reset.message_id, String::new());
            }
            SignalBody::SessionReady(_)
            | SignalBody::Pong(_)
            | SignalBody::Lagging(_)
            | SignalBody::ServerDraining(_)
            | SignalBody::Error(_) => {}
        }
        Ok(())
    }

    /// What it has of an answer.
    pub(crate) fn answer(&self, message_id: MessageId) -> Option<&str> {
        self.answers.get(&message_id).map(String::as_str)
    }
}
