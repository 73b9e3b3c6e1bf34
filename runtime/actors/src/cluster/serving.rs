//! What other nodes ask of sessions of this one.

use actix::{Actor, ActorFutureExt, Addr, AsyncContext, Context, Recipient, WrapFuture, dev::SendError};
use orchestratai_shared::SessionId;
use orchestratai_store::NodeId;
use tokio::sync::oneshot;

use super::{
    asking::refusal_frame,
    bridge::{Bridge, Over, SubscriptionId},
    exchange::Exchange,
    parcel::{Answer, Parcel, Published, Question, WireAccepted, WireCancelRefusal, WireRefusal, Word, to_raw},
};
use crate::{
    Publish, Refusal,
    registry::{Declined, Dispatch, Origin},
    session::{
        core::Recorded,
        messages::{CancelReply, Claim, Command, PersonAnswer, Submit, SubmitReply, Subscribe},
        subscriber::ConnectionId,
    },
};

/// A subscription of another node to a session of this one.
pub(super) struct Served {
    session_id: SessionId,
    connection: ConnectionId,
    session: Recipient<Command>,
    bridge: Addr<Bridge>,
}

impl Drop for Served {
    fn drop(&mut self) {
        #[expect(clippy::disallowed_methods, reason = "twice in a subscription's life")]
        {
            self.session.do_send(Command::Leave(self.connection));
            self.bridge.do_send(Over);
        }
    }
}

/// An answer that is still to come.
type Pending<T> = oneshot::Receiver<T>;

impl Exchange {
    /// Asks a session for another node, and answers that.
    pub(super) fn serve(
        &mut self,
        from: NodeId,
        n: u64,
        session_id: SessionId,
        create: bool,
        question: Question,
        ctx: &mut Context<Self>,
    ) {
        let (declined, why) = oneshot::channel();
        let (command, outcome) = match self.command_of(from, question, ctx) {
            Ok(asked) => asked,
            Err(refusal) => return self.answer(from, n, Answer::Refused(refusal.into()), ctx),
        };
        let dispatch = Dispatch {
            session_id,
            create: create.into(),
            command,
            declined,
            origin: Origin::Peer,
        };
        let sent = self.shard(session_id).dispatch.try_send(dispatch);
        if let Err(error) = sent {
            let words = match error {
                SendError::Full(_) => "The server has more to do than it can take.",
                SendError::Closed(_) => "The session cannot be reached just now.",
            };
            let refusal = Refusal::overloaded(words, std::time::Duration::from_secs(1));
            return self.answer(from, n, Answer::Refused(refusal.into()), ctx);
        }
        let breaks = self.breaks(from);
        match outcome {
            Outcome::Submitted(answer, end) => {
                let answered = async move {
                    or_declined(answer.await, why, |outcome| {
                        Answer::Submitted(outcome.map(WireAccepted::from).map_err(WireRefusal::from))
                    })
                };
                ctx.spawn(answered.into_actor(self).map(move |answer, exchange, ctx| {
                    let is_accepted = matches!(answer, Answer::Submitted(Ok(_)));
                    exchange.answer(from, n, answer, ctx);
                    if let Some(end) = end.filter(|_| is_accepted) {
                        exchange.answer_at_end(from, n, end, ctx);
                    }
                }));
            }
            Outcome::Ended(end) => {
                let answered = async move { or_declined(end.await, why, ended) };
                self.answer_later(from, n, answered, ctx);
            }
            Outcome::Cancelled(answer) => {
                let answered = async move {
                    or_declined(answer.await, why, |outcome| {
                        Answer::Cancelled(outcome.map_err(WireCancelRefusal::from))
                    })
                };
                self.answer_later(from, n, answered, ctx);
            }
            Outcome::Described(answer) => {
                let answered = async move { or_declined(answer.await, why, Answer::Described) };
                self.answer_later(from, n, answered, ctx);
            }
            Outcome::Erased(answer) => {
                let answered = async move {
                    or_declined(answer.await, why, |outcome| {
                        Answer::Erased(outcome.map_err(WireRefusal::from))
                    })
                };
                self.answer_later(from, n, answered, ctx);
            }
            Outcome::Person(answer) => {
                let answered = async move {
                    or_declined(answer.await, why, |outcome| {
                        Answer::Person(outcome.map_err(WireRefusal::from))
                    })
                };
                self.answer_later(from, n, answered, ctx);
            }
            Outcome::Subscribed {
                subscription,
                connection,
                bridge,
                answer,
            } => {
                let id = (from, subscription);
                ctx.spawn(answer.into_actor(self).map(move |answer, exchange, ctx| {
                    let session = match answer {
                        Ok(session) => session,
                        Err(gone) => {
                            let answer = or_declined::<()>(Err(gone), why, |()| Answer::Unanswered);
                            return exchange.answer(from, n, answer, ctx);
                        }
                    };
                    let served = Served {
                        session_id,
                        connection,
                        session,
                        bridge,
                    };
                    // Where all was given up meanwhile, or the session has ended again: dropped, it leaves the session.
                    if exchange.breaks(from) != breaks || !served.session.connected() {
                        return exchange.answer(from, n, Answer::Unanswered, ctx);
                    }
                    exchange.served.insert(id, served);
                    exchange.set_relayed();
                    exchange.answer(from, n, Answer::Subscribed, ctx);
                }));
            }
        }
    }

    /// The question as a command, and what its answer is waited for by.
    fn command_of(
        &mut self,
        from: NodeId,
        question: Question,
        ctx: &Context<Self>,
    ) -> Result<(Command, Outcome), Refusal> {
        Ok(match question {
            Question::Submit {
                client_message_id,
                said,
                request_id,
                trace,
                with_end,
            } => {
                let (reply, answer) = oneshot::channel();
                let (end, ended) = oneshot::channel();
                let submit = Submit {
                    client_message_id,
                    said,
                    request_id,
                    trace,
                    permit: self.parts.admission.admit()?,
                    reply: SubmitReply::Caller(reply),
                    end: with_end.then_some(end),
                };
                let ended = with_end.then_some(ended);
                (Command::Submit(submit), Outcome::Submitted(answer, ended))
            }
            Question::Cancel { turn_id } => {
                let (reply, answer) = oneshot::channel();
                let reply = CancelReply::Caller(reply);
                (Command::Cancel { turn_id, reply }, Outcome::Cancelled(answer))
            }
            Question::Subscribe {
                subscription,
                after_seq,
                epoch,
                is_fresh,
            } => {
                let (reply, answer) = oneshot::channel();
                let connection = ConnectionId(self.next_connection());
                let bridge = Bridge::new((from, subscription), ctx.address());
                let cut = bridge.cut();
                let bridge = bridge.start();
                let subscribe = Subscribe {
                    connection,
                    after_seq,
                    epoch,
                    is_fresh,
                    subscriber: bridge.clone().recipient(),
                    cut: Some(cut),
                    is_relayed: true,
                    reply,
                };
                let outcome = Outcome::Subscribed {
                    subscription,
                    connection,
                    bridge,
                    answer,
                };
                (Command::Subscribe(subscribe), outcome)
            }
            Question::AwaitTurn { turn_id } => {
                let (reply, answer) = oneshot::channel();
                (Command::AwaitTurn { turn_id, reply }, Outcome::Ended(answer))
            }
            Question::Describe => {
                let (reply, answer) = oneshot::channel();
                (Command::Describe { reply }, Outcome::Described(answer))
            }
            Question::Erase => {
                let (reply, answer) = oneshot::channel();
                (Command::Erase { reply }, Outcome::Erased(answer))
            }
            Question::Person(request) => {
                let (reply, answer) = oneshot::channel();
                (Command::Person { request, reply }, Outcome::Person(answer))
            }
        })
    }

    fn answer(&self, to: NodeId, n: u64, answer: Answer, ctx: &Context<Self>) {
        self.send(to, &Parcel::Answer { n, answer }, ctx);
    }

    fn answer_later(
        &self,
        to: NodeId,
        n: u64,
        answer: impl Future<Output = Answer> + 'static,
        ctx: &mut Context<Self>,
    ) {
        ctx.spawn(
            answer
                .into_actor(self)
                .map(move |answer, exchange, ctx| exchange.answer(to, n, answer, ctx)),
        );
    }

    /// Tells of the end of a turn, once it has ended.
    fn answer_at_end(&self, to: NodeId, n: u64, end: Pending<Option<Vec<Recorded>>>, ctx: &mut Context<Self>) {
        let answer = async move {
            // Without it the other node looks for the turn itself.
            ended(end.await.ok().flatten())
        };
        self.answer_later(to, n, answer, ctx);
    }

    /// A subscriber on another node says something to its session.
    pub(super) fn pass_on(&mut self, id: SubscriptionId, word: Word, ctx: &mut Context<Self>) {
        let Some(served) = self.served.get(&id) else {
            // All was given up here; where the other node does not know it yet, it subscribes anew.
            if !matches!(word, Word::Leave) {
                let (node, subscription) = id;
                let published = Published::Gone;
                self.send(
                    node,
                    &Parcel::Publish {
                        subscription,
                        published,
                    },
                    ctx,
                );
            }
            return;
        };
        let connection = served.connection;
        let command = match word {
            Word::Submit {
                n,
                client_message_id,
                said,
                request_id,
                trace,
            } => {
                let permit = match self.parts.admission.admit() {
                    Ok(permit) => permit,
                    Err(refusal) => {
                        let frame = refusal_frame(served.session_id, client_message_id, refusal);
                        return self.refuse(id, n, frame, ctx);
                    }
                };
                let (settled, is_settled) = oneshot::channel::<()>();
                let subscriber = served.bridge.clone().recipient();
                let claim = Claim::new(connection, client_message_id, subscriber).telling(settled);
                let answered = async move {
                    // Dropped or sent, it is over.
                    let _ = is_settled.await;
                };
                ctx.spawn(answered.into_actor(self).map(move |(), exchange, ctx| {
                    exchange.send(id.0, &Parcel::Settled { n }, ctx);
                }));
                Command::Submit(Submit {
                    client_message_id,
                    said,
                    request_id,
                    trace,
                    permit,
                    reply: SubmitReply::Subscriber(claim),
                    end: None,
                })
            }
            Word::Cancel { turn_id } => Command::Cancel {
                turn_id,
                reply: CancelReply::Subscriber(connection),
            },
            Word::Credit(bytes) => Command::Credit(connection, bytes),
            Word::Alive => Command::Alive(connection),
            Word::Leave => {
                self.served.remove(&id);
                return self.set_relayed();
            }
        };
        #[expect(
            clippy::disallowed_methods,
            reason = "messages are bounded by permits, credits by what was published"
        )]
        served.session.do_send(command);
    }

    fn refuse(&self, (node, subscription): SubscriptionId, n: u64, frame: crate::Frame, ctx: &Context<Self>) {
        let published = Published::of(Publish::Frames(vec![frame]));
        let publish = Parcel::Publish {
            subscription,
            published,
        };
        self.send(node, &publish, ctx);
        self.send(node, &Parcel::Settled { n }, ctx);
    }

    /// Leaves the sessions that a node follows.
    pub(super) fn stop_serving(&mut self, node: NodeId) {
        self.served.retain(|(follower, _), _| *follower != node);
    }
}

/// What the answer to a question is waited for by.
enum Outcome {
    Submitted(
        Pending<Result<crate::gateway::Accepted, Refusal>>,
        Option<Pending<Option<Vec<Recorded>>>>,
    ),
    Ended(Pending<Option<Vec<Recorded>>>),
    Cancelled(Pending<Result<orchestratai_shared::event::TurnCancelled, crate::CancelRefusal>>),
    Subscribed {
        subscription: u64,
        connection: ConnectionId,
        bridge: Addr<Bridge>,
        answer: Pending<Recipient<Command>>,
    },
    Described(Pending<orchestratai_shared::ChatSession>),
    Erased(Pending<Result<(), Refusal>>),
    Person(Pending<Result<PersonAnswer, Refusal>>),
}

fn ended(events: Option<Vec<Recorded>>) -> Answer {
    Answer::Ended(events.map(|events| to_raw(&events)))
}

/// The answer, or why there is none.
fn or_declined<T>(
    answer: Result<T, oneshot::error::RecvError>,
    mut why: oneshot::Receiver<Declined>,
    of: impl FnOnce(T) -> Answer,
) -> Answer {
    match (answer, why.try_recv()) {
        (Ok(answer), _) => of(answer),
        (Err(_), Ok(Declined::Refused(refusal))) => Answer::Refused(refusal.into()),
        (Err(_), Ok(Declined::Unknown)) => Answer::NoSession,
        (Err(_), Ok(Declined::Elsewhere)) => Answer::NotHere,
        (Err(_), Err(_)) => Answer::Unanswered,
    }
}
