//! What a person who has the session, or wants it, asks of it.

use orchestratai_shared::MessageContent;

use super::{reply::used_otherwise, *};
use crate::{
    gateway::unreadable,
    session::{
        core::{Decide, Release, Said, Say, TakeOver, WaitEnd},
        messages::{PersonAnswer, PersonReply, PersonRequest},
    },
};

impl Session {
    pub(super) fn person_asks(&mut self, request: PersonRequest, reply: PersonReply, ctx: &mut Context<Self>) {
        self.last_used = Instant::now();
        if let PersonRequest::Waits { client_message_id } = request {
            let waits = self.core.awaited_by(client_message_id);
            return drop(reply.send(Ok(PersonAnswer::Waits(waits))));
        }
        if !self.erasing.is_empty() {
            // Whoever asks asks again, and is told by the drop to do so.
            return;
        }
        let reply_to = self.expect_reply(ReplySink::Person(reply));
        let input = match request {
            PersonRequest::TakeOver {
                name,
                reason,
                interrupt,
            } => Input::TakeOver(TakeOver {
                name,
                reason,
                interrupt,
                reply_to,
            }),
            PersonRequest::Say {
                client_message_id,
                content,
                turn_id,
            } => Input::Say(Say {
                client_message_id,
                content,
                turn_id,
                reply_to,
            }),
            PersonRequest::Decide {
                approval_id,
                decision,
                arguments,
                by,
                reason,
            } => Input::Decide(Decide {
                approval_id,
                decision,
                arguments,
                by,
                reason,
                reply_to,
            }),
            PersonRequest::Release { name, reason } => Input::Release(Release { name, reason, reply_to }),
            PersonRequest::Waits { .. } => return,
        };
        self.handle_input(input, ctx);
    }

    pub(super) fn reply_to_person(&mut self, sink: PersonReply, reply: Reply, ctx: &mut Context<Self>) {
        let answer = match reply {
            Reply::InCharge(person) => Ok(PersonAnswer::InCharge(person)),
            Reply::Said(said) => Ok(PersonAnswer::Said(said)),
            Reply::Decided(resolved) => Ok(PersonAnswer::Decided(resolved)),
            Reply::Refused(refusal) => Err(refusal),
            Reply::Repeated { content, key, .. } => return self.repeat_to_person(sink, content, key, ctx),
            // These are answers to users.
            Reply::Accepted { .. } | Reply::Cancelled(_) | Reply::Ended | Reply::NoOpenTurn => return,
        };
        let _ = sink.send(answer);
    }

    /// What was said under the same key before, if it was the same.
    fn repeat_to_person(&mut self, sink: PersonReply, content: MessageContent, key: Key, ctx: &mut Context<Self>) {
        let (store, session_id) = (self.shard.store.clone(), self.id());
        let read = async move {
            let frame = store.event_at(session_id, key.accepted_seq).await;
            let frame = frame.map_err(|error| unreadable(&error))?;
            let event = frame.and_then(|frame| serde_json::from_str::<Event>(&frame.text).ok());
            match event.map(|event| event.body) {
                Some(EventBody::MessageCompleted(completed)) if completed.message.content == content.as_str() => {
                    Ok(PersonAnswer::Said(Said {
                        turn_id: key.turn_id,
                        message: completed.message,
                        seq: key.accepted_seq,
                        repeated: true,
                    }))
                }
                Some(_) | None => Err(used_otherwise(key)),
            }
        };
        ctx.spawn(read.into_actor(self).map(move |answer, _, _| drop(sink.send(answer))));
    }

    /// A turn waits for the person: it takes no room among those that agents work at, and no stop of the server waits for it.
    pub(super) fn turn_waits(&mut self, turn_id: TurnId) {
        self.permits.remove(&turn_id);
    }

    /// A turn waits for the person no more.
    pub(super) fn wait_ended(&mut self, turn_id: TurnId, waited_ms: u64, end: WaitEnd) {
        let outcome = match end {
            WaitEnd::Replied => PersonWaitOutcome::Replied,
            WaitEnd::HandedBack => PersonWaitOutcome::HandedBack,
            WaitEnd::Expired => PersonWaitOutcome::Expired,
            WaitEnd::Cancelled => PersonWaitOutcome::Cancelled,
        };
        self.shard
            .metrics
            .person_waited(outcome, Duration::from_millis(waited_ms));
        match end {
            WaitEnd::HandedBack | WaitEnd::Expired => self.turn_goes_on(turn_id),
            WaitEnd::Replied | WaitEnd::Cancelled => {}
        }
    }

    /// A turn that has waited for somebody's word is the agents' again.
    pub(super) fn turn_goes_on(&mut self, turn_id: TurnId) {
        let permit = self.shard.admission.admit_promised().of(turn_id, self.id());
        self.permits.insert(turn_id, permit);
        // What agents take is told apart from what a person has taken.
        self.clocks.insert(
            turn_id,
            TurnClock {
                received: Instant::now(),
                has_spoken: false,
            },
        );
    }

    /// Counts the session among those that a person has, while one does.
    pub(super) fn count_person(&mut self) {
        match (self.core.person(), &self.with_person) {
            (Some(_), None) => self.with_person = Some(self.shard.metrics.session_with_person()),
            (None, Some(_)) => self.with_person = None,
            (Some(_), Some(_)) | (None, None) => {}
        }
    }
}
