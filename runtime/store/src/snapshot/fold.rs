//! What events make of what is known of a session. Pure.

use std::collections::HashMap;

use orchestratai_shared::{Event, EventBody, Message};

use crate::{
    AcceptedKey, OpenTurn, SessionRecord,
    takeover::{change_of_hands, is_unasked},
};

/// Events do not follow what is known of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("seq {seq} {reason}")]
pub struct DoesNotFollow {
    /// The `seq` of the event that does not.
    pub seq: u64,
    /// What is wrong with it.
    pub reason: &'static str,
}

impl SessionRecord {
    /// Takes up events that follow its last one, in order. `kept` holds the partial answers that `turn_cancelled` events among
    /// them have kept, by the `seq` of the event, which does not hold the text itself; `window` is how many messages of the
    /// transcript are kept.
    ///
    /// # Errors
    /// [`DoesNotFollow`] where an event contradicts what came before it; the record is of no use then.
    pub fn fold(
        &mut self,
        events: impl IntoIterator<Item = Event>,
        kept: &HashMap<u64, Message>,
        window: usize,
    ) -> Result<(), DoesNotFollow> {
        for event in events {
            self.take(event, kept)?;
        }
        let excess = self.transcript.len().saturating_sub(window);
        self.transcript.drain(..excess);
        Ok(())
    }

    fn take(&mut self, event: Event, kept: &HashMap<u64, Message>) -> Result<(), DoesNotFollow> {
        let seq = event.seq;
        let wrong = |reason| DoesNotFollow { seq, reason };
        if seq != self.last_seq + 1 {
            return Err(wrong("is not the next one"));
        }
        self.last_seq = seq;
        self.session.last_activity = event.at;
        if let Some(person) = change_of_hands(&event) {
            self.person = person;
        }
        let message = match &event.body {
            EventBody::MessageAccepted(accepted) => Some(accepted.message.clone()),
            EventBody::MessageCompleted(completed) => {
                self.session.total_tokens += completed.metrics.tokens_used;
                self.session.total_cost += completed.metrics.cost;
                Some(completed.message.clone())
            }
            EventBody::TurnCancelled(cancelled) => {
                self.session.total_tokens += cancelled.tokens_billed;
                let message = kept.get(&seq);
                if message.map(|message| message.id) != cancelled.message_id {
                    return Err(wrong("keeps a partial answer that is not in the transcript"));
                }
                message.cloned()
            }
            EventBody::TurnFailed(_)
            | EventBody::RetrievalLog(_)
            | EventBody::AgentStatus(_)
            | EventBody::Handoff(_)
            | EventBody::ToolCall(_)
            | EventBody::ApprovalRequested(_)
            | EventBody::ApprovalResolved(_) => None,
        };
        if let Some(message) = message {
            self.session.message_count += 1;
            self.transcript.push(message);
        }
        let Some(turn_id) = event.turn_id else { return Ok(()) };
        if let EventBody::MessageAccepted(accepted) = &event.body {
            self.keys.push(AcceptedKey {
                client_message_id: accepted.client_message_id,
                turn_id,
                accepted_seq: seq,
                ended_seq: None,
            });
            self.open_turns.push(OpenTurn {
                turn_id,
                events: vec![event],
            });
            return Ok(());
        }
        if let EventBody::MessageCompleted(completed) = &event.body
            && let Some(client_message_id) = completed.client_message_id
        {
            self.keys.push(AcceptedKey {
                client_message_id,
                turn_id,
                accepted_seq: seq,
                ended_seq: Some(seq),
            });
            if is_unasked(turn_id, completed) {
                return Ok(());
            }
        }
        let open = self.open_turns.iter().position(|turn| turn.turn_id == turn_id);
        if event.body.is_terminal() {
            let open = open.ok_or(wrong("ends a turn that is not open"))?;
            self.open_turns.remove(open);
            // The turn that ends is as a rule the last one.
            let is_its = |key: &&mut AcceptedKey| key.turn_id == turn_id && key.accepted_seq != seq;
            let key = self.keys.iter_mut().rev().find(is_its);
            key.ok_or(wrong("ends a turn that was never accepted"))?.ended_seq = Some(seq);
        } else if let Some(open) = open {
            self.open_turns[open].events.push(event);
        }
        Ok(())
    }
}
