//! How submissions and cancellations are answered.

use super::*;
use crate::{gateway::unreadable, session::messages::PersonReply};

/// Whom a core's reply goes to.
pub(super) enum ReplySink {
    Submit {
        reply: SubmitReply,
        client_message_id: ClientMessageId,
        permit: TurnPermit,
        received: Instant,
        end: Option<EndWaiter>,
    },
    Cancel(CancelReply),
    Person(PersonReply),
}

impl Session {
    pub(super) fn expect_reply(&mut self, sink: ReplySink) -> ReplyTo {
        self.reply_count += 1;
        let to = ReplyTo(self.reply_count);
        self.replies.insert(to, sink);
        to
    }

    pub(super) fn reply(&mut self, to: ReplyTo, reply: Reply, ctx: &mut Context<Self>) {
        match self.replies.remove(&to) {
            Some(ReplySink::Submit {
                reply: sink,
                client_message_id,
                permit,
                received,
                end,
            }) => {
                if let Reply::Accepted { turn_id, .. } = &reply {
                    self.waiting_for_end.entry(*turn_id).or_default().extend(end);
                    self.permits.insert(*turn_id, permit.of(*turn_id, self.id()));
                    self.clocks.insert(
                        *turn_id,
                        TurnClock {
                            received,
                            has_spoken: false,
                        },
                    );
                    self.shard.metrics.first_event(received.elapsed());
                }
                self.reply_to_submit(sink, client_message_id, reply, ctx);
            }
            Some(ReplySink::Cancel(sink)) => self.reply_to_cancel(sink, reply),
            Some(ReplySink::Person(sink)) => self.reply_to_person(sink, reply, ctx),
            None => {}
        }
    }

    pub(super) fn reply_to_submit(
        &mut self,
        sink: SubmitReply,
        client_message_id: ClientMessageId,
        reply: Reply,
        ctx: &mut Context<Self>,
    ) {
        match reply {
            Reply::Accepted {
                turn_id,
                message_id,
                seq,
            } => {
                match sink {
                    SubmitReply::Caller(caller) => {
                        let _ = caller.send(Ok(Accepted {
                            turn_id,
                            message_id,
                            seq,
                            repeated: false,
                        }));
                    }
                    // It gets the event.
                    SubmitReply::Subscriber(claim) => {
                        claim.answered();
                    }
                }
            }
            Reply::Repeated {
                content,
                key,
                client_message_id,
            } => {
                let (store, session_id) = (self.shard.store.clone(), self.id());
                let read = async move {
                    let accepted = store.event_at(session_id, key.accepted_seq).await?;
                    let ended = match key.ended_seq {
                        Some(seq) => store.event_at(session_id, seq).await?,
                        None => None,
                    };
                    Ok::<_, StoreError>((accepted, ended))
                };
                ctx.spawn(read.into_actor(self).map(move |found, session, _| {
                    let frames = found.map(|(accepted, ended)| accepted.into_iter().chain(ended).collect::<Vec<_>>());
                    session.reply_to_repeat(sink, client_message_id, content.as_str(), key, frames);
                }));
            }
            Reply::Refused(refusal) => {
                let is_conflict = refusal.failure.code == ErrorCode::Conflict;
                let reason = if is_conflict {
                    RefusalReason::DoubleTexting
                } else {
                    RefusalReason::Queue
                };
                self.shard.metrics.admission_refused(reason);
                self.refuse(sink, client_message_id, refusal);
            }
            Reply::Cancelled(_)
            | Reply::Ended
            | Reply::NoOpenTurn
            | Reply::InCharge(_)
            | Reply::Said(_)
            | Reply::Decided(_) => {}
        }
    }

    pub(super) fn reply_to_repeat(
        &mut self,
        sink: SubmitReply,
        client_message_id: ClientMessageId,
        content: &str,
        key: Key,
        events: Result<Vec<StoredFrame>, StoreError>,
    ) {
        let events = match events {
            Ok(events) => events,
            Err(error) => {
                tracing::warn!(session.id = %self.id(), "a repeated message could not be looked up");
                return self.refuse(sink, client_message_id, unreadable(&error));
            }
        };
        let first = events
            .first()
            .and_then(|frame| serde_json::from_str::<Event>(&frame.text).ok());
        let accepted = match first.map(|event| event.body) {
            Some(EventBody::MessageAccepted(accepted)) => accepted,
            // A person has said something under this id.
            Some(EventBody::MessageCompleted(_)) => return self.refuse(sink, client_message_id, used_otherwise(key)),
            Some(_) | None => {
                let refusal = Refusal::new(
                    ErrorCode::InternalError,
                    "The first acceptance of this message is not to be found.",
                );
                return self.refuse(sink, client_message_id, refusal);
            }
        };
        if accepted.message.content != content {
            return self.refuse(sink, client_message_id, used_otherwise(key));
        }
        match sink {
            SubmitReply::Caller(caller) => {
                let message_id = accepted.message.id;
                let accepted = Accepted {
                    turn_id: key.turn_id,
                    message_id,
                    seq: key.accepted_seq,
                    repeated: true,
                };
                let _ = caller.send(Ok(accepted));
            }
            SubmitReply::Subscriber(claim) => {
                let connection = claim.answered();
                // What it has not been sent yet reaches it in its turn; told now it would look like a gap.
                let sent_seq = self.subscribers.get(&connection).map_or(0, Subscriber::sent_seq);
                let known = events.into_iter().filter(|frame| frame.seq <= sent_seq);
                let frames = known
                    .map(|frame| Frame {
                        seq: Some(frame.seq),
                        text: frame.text,
                    })
                    .collect();
                self.tell(connection, frames);
            }
        }
    }

    pub(super) fn refuse(&mut self, sink: SubmitReply, client_message_id: ClientMessageId, refusal: Refusal) {
        match sink {
            SubmitReply::Caller(caller) => drop(caller.send(Err(refusal))),
            SubmitReply::Subscriber(claim) => {
                self.tell_refusal(claim.answered(), refusal, Some(client_message_id));
            }
        }
    }

    pub(super) fn reply_to_cancel(&mut self, sink: CancelReply, reply: Reply) {
        let answer = match reply {
            Reply::Cancelled(receipt) => Ok(receipt),
            Reply::Ended => Err(CancelRefusal::Ended),
            Reply::Refused(refusal) => Err(CancelRefusal::Refused(refusal)),
            Reply::NoOpenTurn
            | Reply::Accepted { .. }
            | Reply::Repeated { .. }
            | Reply::InCharge(_)
            | Reply::Said(_)
            | Reply::Decided(_) => Err(CancelRefusal::Unknown),
        };
        match sink {
            CancelReply::Caller(caller) => drop(caller.send(answer)),
            CancelReply::Subscriber(connection) => {
                let refusal = match answer {
                    // The receipt is an event, and reaches this subscriber as such.
                    Ok(_) => return,
                    Err(CancelRefusal::Unknown) => Refusal::new(ErrorCode::NotFound, "No such turn is under way."),
                    Err(CancelRefusal::Ended) => Refusal::new(ErrorCode::Conflict, "The turn has ended."),
                    Err(CancelRefusal::Refused(refusal)) => refusal,
                };
                self.tell_refusal(connection, refusal, None);
            }
        }
    }

    pub(super) fn tell_refusal(
        &mut self,
        to: ConnectionId,
        refusal: Refusal,
        client_message_id: Option<ClientMessageId>,
    ) {
        let failure = refusal.failure;
        let error = ErrorSignal {
            code: failure.code,
            message: failure.message,
            retryable: failure.retryable,
            client_message_id,
        };
        let frame = signal(self.id(), SignalBody::Error(error));
        self.tell(to, vec![frame]);
    }

    pub(super) fn tell(&mut self, to: ConnectionId, frames: Vec<Frame>) {
        if let Some(subscriber) = self.subscribers.get_mut(&to)
            && !subscriber.tell(frames)
        {
            // It stays until it goes or is cut off: forgotten, it would wait for ever for what is said.
            subscriber.give_up(Instant::now());
        }
    }
}

/// Its idempotency key was taken by another message.
pub(super) fn used_otherwise(key: Key) -> Refusal {
    let words = "This clientMessageId has been used for another message of this session.";
    Refusal::new(ErrorCode::Conflict, words).of_turn(key.turn_id)
}
