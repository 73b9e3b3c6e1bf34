//! What this node asks of sessions of other nodes.

use std::time::{Duration, Instant};

use actix::{Actor, Context, Recipient};
use orchestratai_shared::{ChatSession, SessionId, event::TurnCancelled};
use orchestratai_store::NodeId;
use tokio::sync::oneshot;

use super::{
    exchange::Exchange,
    following::Followed,
    link::DistantSession,
    parcel::{Answer, Parcel, Published, Question, Word, from_raw},
    way::Forward,
};
use crate::{
    CancelRefusal, Refusal,
    gateway::Accepted,
    registry::{Declined, Moved},
    session::{
        messages::{CancelReply, Claim, Command, EndWaiter, PersonReply, Submit, SubmitReply, Subscribe},
        outbox::signal_frame,
    },
};

/// Something that was asked of a session of another node.
pub(super) struct Asked {
    node: NodeId,
    session_id: SessionId,
    /// When it was asked.
    since: Instant,
    /// Whom to tell where it cannot be asked; nobody any more once there was an answer.
    declined: Option<oneshot::Sender<Declined>>,
    waiting: Waiting,
}

/// How long an answer is waited for that needs what is in memory or a read, and one that needs a commit.
const READ_MAX: Duration = Duration::from_secs(10);
const COMMIT_MAX: Duration = Duration::from_secs(30);

impl Asked {
    /// Whether its answer can be expected no more, for whatever reason.
    fn is_overdue(&self) -> bool {
        let limit = match self.waiting {
            // A turn takes as long as it takes.
            Waiting::Ended(_) => return false,
            Waiting::Subscribed(..) | Waiting::Described(_) => READ_MAX,
            Waiting::Submitted(..)
            | Waiting::Cancelled(_)
            | Waiting::Erased(_)
            | Waiting::Settled(_)
            | Waiting::Person(_) => COMMIT_MAX,
        };
        self.since.elapsed() > limit
    }
}

/// Who waits for what. Dropped unanswered, it is asked again.
enum Waiting {
    Submitted(oneshot::Sender<Result<Accepted, Refusal>>, Option<EndWaiter>),
    Ended(EndWaiter),
    Cancelled(oneshot::Sender<Result<TurnCancelled, CancelRefusal>>),
    Subscribed(u64, oneshot::Sender<Recipient<Command>>),
    Described(oneshot::Sender<ChatSession>),
    Erased(oneshot::Sender<Result<(), Refusal>>),
    Person(PersonReply),
    /// A subscriber, for its message to be settled.
    Settled(Claim),
}

impl Exchange {
    /// Asks a session of another node.
    pub(super) fn ask(&mut self, forward: Forward, ctx: &mut Context<Self>) {
        let Forward {
            node,
            session_id,
            create,
            command,
            declined,
        } = forward;
        if !self.reaches(node) {
            let words = "The node that has the session cannot be reached just now.";
            let refusal = Refusal::overloaded(words, Duration::from_secs(1));
            let _ = declined.send(Declined::Refused(refusal));
            return;
        }
        let n = self.number();
        let Some((question, waiting)) = self.question_of(n, node, session_id, command) else {
            return;
        };
        let asked = Asked {
            node,
            session_id,
            since: Instant::now(),
            declined: Some(declined),
            waiting,
        };
        self.asked.insert(n, asked);
        let parcel = Parcel::Ask {
            n,
            session_id,
            create,
            question,
        };
        self.send(node, &parcel, ctx);
    }

    /// What is asked, and who waits for it; none where nobody does.
    fn question_of(
        &mut self,
        n: u64,
        node: NodeId,
        session_id: SessionId,
        command: Command,
    ) -> Option<(Question, Waiting)> {
        Some(match command {
            Command::Submit(Submit {
                client_message_id,
                said,
                request_id,
                trace,
                reply: SubmitReply::Caller(reply),
                end,
                // The owner has a permit of its own for the turn.
                permit: _,
            }) => {
                let question = Question::Submit {
                    client_message_id,
                    said,
                    request_id,
                    trace,
                    with_end: end.is_some(),
                };
                (question, Waiting::Submitted(reply, end))
            }
            Command::Cancel {
                turn_id,
                reply: CancelReply::Caller(reply),
            } => (Question::Cancel { turn_id }, Waiting::Cancelled(reply)),
            Command::Subscribe(Subscribe {
                after_seq,
                epoch,
                is_fresh,
                subscriber,
                cut,
                reply,
                connection: _,
                is_relayed: _,
            }) => {
                let followed = Followed::new(node, session_id, subscriber, cut);
                self.followed.insert(n, followed);
                let question = Question::Subscribe {
                    subscription: n,
                    after_seq,
                    epoch,
                    is_fresh,
                };
                (question, Waiting::Subscribed(n, reply))
            }
            Command::AwaitTurn { turn_id, reply } => (Question::AwaitTurn { turn_id }, Waiting::Ended(reply)),
            Command::Describe { reply } => (Question::Describe, Waiting::Described(reply)),
            Command::Erase { reply } => (Question::Erase, Waiting::Erased(reply)),
            Command::Person { request, reply } => (Question::Person(request), Waiting::Person(reply)),
            // These come from subscribers, who speak to their session themselves.
            Command::Submit(Submit {
                reply: SubmitReply::Subscriber(_),
                ..
            })
            | Command::Cancel {
                reply: CancelReply::Subscriber(_),
                ..
            }
            | Command::Leave(_)
            | Command::Credit(..)
            | Command::Alive(_) => return None,
        })
    }

    /// An answer has come.
    pub(super) fn answered(&mut self, from: NodeId, n: u64, answer: Answer, ctx: &mut Context<Self>) {
        let Some(mut asked) = self.asked.remove(&n).filter(|asked| asked.node == from) else {
            return;
        };
        let declined = match answer {
            Answer::Refused(refusal) => Declined::Refused(refusal.into()),
            Answer::NoSession => Declined::Unknown,
            Answer::NotHere => {
                #[expect(
                    clippy::disallowed_methods,
                    reason = "once for each question that came to the wrong node"
                )]
                self.shard(asked.session_id)
                    .moved
                    .do_send(Moved::One(asked.session_id, from));
                Declined::Elsewhere
            }
            Answer::Unanswered => return self.forget_subscription(&asked),
            Answer::Submitted(_)
            | Answer::Ended(_)
            | Answer::Cancelled(_)
            | Answer::Subscribed
            | Answer::Described(_)
            | Answer::Erased(_)
            | Answer::Person(_) => return self.give(n, asked, answer, ctx),
        };
        self.forget_subscription(&asked);
        if let Some(sender) = asked.declined.take() {
            let _ = sender.send(declined);
        }
    }

    fn give(&mut self, n: u64, mut asked: Asked, answer: Answer, ctx: &mut Context<Self>) {
        match (asked.waiting, answer) {
            (Waiting::Submitted(reply, end), Answer::Submitted(outcome)) => {
                let outcome = outcome.map(Accepted::from).map_err(Refusal::from);
                if let Some(end) = end.filter(|_| outcome.is_ok()) {
                    asked.declined = None;
                    asked.waiting = Waiting::Ended(end);
                    self.asked.insert(n, asked);
                }
                // Whoever asked may be gone by now; the same below.
                let _ = reply.send(outcome);
            }
            (Waiting::Ended(reply), Answer::Ended(events)) => {
                // What cannot be read here is read from the journal.
                let _ = reply.send(events.and_then(|events| from_raw(&events)));
            }
            (Waiting::Cancelled(reply), Answer::Cancelled(outcome)) => {
                let _ = reply.send(outcome.map_err(CancelRefusal::from));
            }
            (Waiting::Subscribed(subscription, reply), Answer::Subscribed) => {
                let Some(followed) = self.followed.get_mut(&subscription) else {
                    return;
                };
                let link = DistantSession::new(subscription, actix::AsyncContext::address(ctx)).start();
                let early = followed.taken(link.clone());
                if reply.send(link.recipient()).is_err() {
                    return self.leave(subscription, ctx);
                }
                early.into_iter().for_each(|publish| followed.publish(publish));
                if followed.is_over() {
                    self.followed.remove(&subscription);
                }
            }
            (Waiting::Described(reply), Answer::Described(session)) => {
                let _ = reply.send(session);
            }
            (Waiting::Erased(reply), Answer::Erased(outcome)) => {
                let _ = reply.send(outcome.map_err(Refusal::from));
            }
            (Waiting::Person(reply), Answer::Person(outcome)) => {
                let _ = reply.send(outcome.map_err(Refusal::from));
            }
            (_, _) => tracing::warn!(node.id = %asked.node, "another node answers what was not asked"),
        }
    }

    fn forget_subscription(&mut self, asked: &Asked) {
        if let Waiting::Subscribed(subscription, _) = &asked.waiting {
            self.followed.remove(subscription);
        }
    }

    /// A subscriber says something to its session.
    pub(super) fn say(&mut self, subscription: u64, command: Command, ctx: &mut Context<Self>) {
        let Some(followed) = self.followed.get(&subscription) else {
            // It was told that the session is gone; its message is told to be lost by the drop.
            return;
        };
        let (node, session_id) = (followed.node, followed.session_id);
        let word = match command {
            Command::Submit(Submit {
                client_message_id,
                said,
                request_id,
                trace,
                reply: SubmitReply::Subscriber(claim),
                ..
            }) => {
                let n = self.number();
                let asked = Asked {
                    node,
                    session_id,
                    since: Instant::now(),
                    declined: None,
                    waiting: Waiting::Settled(claim),
                };
                self.asked.insert(n, asked);
                Word::Submit {
                    n,
                    client_message_id,
                    said,
                    request_id,
                    trace,
                }
            }
            Command::Cancel { turn_id, .. } => Word::Cancel { turn_id },
            Command::Credit(_, bytes) => Word::Credit(bytes),
            Command::Alive(_) => Word::Alive,
            Command::Leave(_) => return self.leave(subscription, ctx),
            // Nothing else is said by a link.
            Command::Submit(_)
            | Command::Subscribe(_)
            | Command::AwaitTurn { .. }
            | Command::Describe { .. }
            | Command::Erase { .. }
            | Command::Person { .. } => return,
        };
        self.send(node, &Parcel::Say { subscription, word }, ctx);
    }

    fn leave(&mut self, subscription: u64, ctx: &Context<Self>) {
        if let Some(mut followed) = self.followed.remove(&subscription) {
            followed.end();
            let word = Word::Leave;
            self.send(followed.node, &Parcel::Say { subscription, word }, ctx);
        }
    }

    /// A session of another node publishes something for a subscriber of this one.
    pub(super) fn published(&mut self, from: NodeId, subscription: u64, published: Published, ctx: &Context<Self>) {
        let followed = self.followed.get_mut(&subscription);
        let Some(followed) = followed.filter(|followed| followed.node == from) else {
            // The question for it crossed with the news that all was given up. Nobody follows it.
            let word = Word::Leave;
            return self.send(from, &Parcel::Say { subscription, word }, ctx);
        };
        let Some(publish) = published.into_publish() else {
            return followed.cut();
        };
        followed.publish(publish);
        if followed.is_over() {
            self.followed.remove(&subscription);
        }
    }

    /// What a subscriber has said was accepted or refused.
    pub(super) fn settled(&mut self, from: NodeId, n: u64) {
        let asked = self.asked.remove(&n).filter(|asked| asked.node == from);
        if let Some(Asked {
            waiting: Waiting::Settled(claim),
            ..
        }) = asked
        {
            claim.answered();
        }
    }

    /// Drops what was not answered in time: it is asked again.
    pub(super) fn stop_waiting(&mut self) {
        let overdue: Vec<u64> = (self.asked.iter())
            .filter(|(_, asked)| asked.is_overdue())
            .map(|(n, _)| *n)
            .collect();
        for n in overdue {
            if let Some(asked) = self.asked.remove(&n) {
                tracing::warn!(node.id = %asked.node, session.id = %asked.session_id, "another node does not answer");
                self.forget_subscription(&asked);
            }
        }
    }

    /// Drops what was asked of a node: it is asked again. Its subscribers subscribe anew.
    pub(super) fn stop_asking(&mut self, node: NodeId) {
        // Who has said something is told first that it is lost, before the way it was said on is gone.
        self.asked.retain(|_, asked| asked.node != node);
        self.followed.retain(|_, followed| followed.node != node);
    }
}

/// What a subscriber is told that has said something which cannot be taken in.
pub(super) fn refusal_frame(
    session_id: SessionId,
    client_message_id: orchestratai_shared::ClientMessageId,
    refusal: Refusal,
) -> crate::Frame {
    let failure = refusal.failure;
    let error = orchestratai_shared::event::ErrorSignal {
        code: failure.code,
        message: failure.message,
        retryable: failure.retryable,
        client_message_id: Some(client_message_id),
    };
    signal_frame(&orchestratai_shared::Signal {
        session_id,
        turn_id: None,
        at: orchestratai_shared::Timestamp::now(),
        body: orchestratai_shared::SignalBody::Error(error),
    })
}
