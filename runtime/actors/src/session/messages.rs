//! The vocabulary of a session: what it can be asked and told.

use std::sync::Arc;

use actix::{Message, Recipient};
use orchestratai_agents::{
    routing::RoutingDecision,
    turn::{Answer, Pause, Step, Usage},
};
use orchestratai_shared::{
    AgentId, ApprovalId, ChatSession, ClientMessageId, Failure, LiveSession, MessageContent, PersonInCharge, SessionId,
    TurnId, UserMessage,
    command::Decision,
    event::{ApprovalResolved, TurnCancelled},
};
use orchestratai_telemetry::TraceParent;
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::{
    core::{Awaited, Recorded, Run, RunRequest, Said},
    subscriber::ConnectionId,
    turn::Receipt,
};
use crate::{
    admission::TurnPermit,
    publish::{Cut, Publish},
    refusal::{CancelRefusal, Refusal},
};

/// What comes from outside. A reply that is dropped unanswered means that the session actor ended first: whoever asked
/// asks its successor, which is safe, since every command is idempotent.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) enum Command {
    /// Takes a user message as a new turn.
    Submit(Submit),
    /// Stops a turn.
    Cancel {
        /// Which; the one at the head where it is left out.
        turn_id: Option<TurnId>,
        /// Whom to answer.
        reply: CancelReply,
    },
    /// Begins to follow the session.
    Subscribe(Subscribe),
    /// Follows it no more.
    Leave(ConnectionId),
    /// Bytes have been handed to the socket.
    Credit(ConnectionId, usize),
    /// The client has given a sign of life.
    Alive(ConnectionId),
    /// Waits for the end of an open turn. Answered with `None` where no open turn has that id.
    AwaitTurn {
        /// Which.
        turn_id: TurnId,
        /// Given the turn's events, all of them, after its end is durable.
        reply: EndWaiter,
    },
    /// Says what the session's totals are.
    Describe {
        /// Given the totals.
        reply: oneshot::Sender<ChatSession>,
    },
    /// Erases the session: stops what runs, removes all it has, closes its subscribers.
    Erase {
        /// Answered after the commit.
        reply: oneshot::Sender<Result<(), Refusal>>,
    },
    /// A person who has the session, or wants it, asks for something.
    Person {
        /// What.
        request: PersonRequest,
        /// Answered after the commit.
        reply: PersonReply,
    },
}

impl Command {
    /// Whether the answer depends on what the session knows.
    pub(crate) fn asks_for_state(&self) -> bool {
        match self {
            Self::Submit(_)
            | Self::Cancel { .. }
            | Self::Subscribe(_)
            | Self::AwaitTurn { .. }
            | Self::Describe { .. }
            | Self::Erase { .. }
            | Self::Person { .. } => true,
            Self::Leave(_) | Self::Credit(..) | Self::Alive(_) => false,
        }
    }
}

/// What a person can ask of a session.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum PersonRequest {
    /// To have it.
    TakeOver {
        name: String,
        reason: Option<String>,
        /// Whether an answer that agents are at is withdrawn.
        interrupt: bool,
    },
    /// To say something in it.
    Say {
        client_message_id: ClientMessageId,
        content: MessageContent,
        /// The turn that it answers; without one the oldest that waits.
        turn_id: Option<TurnId>,
    },
    /// To decide on what an agent wants to do.
    Decide {
        approval_id: ApprovalId,
        decision: Decision,
        /// What the tool is to be given instead.
        arguments: Option<serde_json::Value>,
        /// Who decides.
        by: String,
        reason: Option<String>,
    },
    /// To give it back.
    Release {
        name: Option<String>,
        reason: Option<String>,
    },
    /// Whether the turn of a message waits for a person, and for whom.
    Waits { client_message_id: ClientMessageId },
}

/// What a person is answered.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum PersonAnswer {
    /// Who has the session.
    InCharge(Option<PersonInCharge>),
    /// What was said, and where it stands.
    Said(Said),
    /// What was decided.
    Decided(ApprovalResolved),
    /// The turn that waits, and for whose word, if it does.
    Waits(Option<(TurnId, Awaited)>),
}

/// Whom a person's request is answered to.
pub(crate) type PersonReply = oneshot::Sender<Result<PersonAnswer, Refusal>>;

/// Takes a user message as a new turn. Answered after the commit, never before.
pub(crate) struct Submit {
    /// The idempotency key: the same key is accepted once.
    pub(crate) client_message_id: ClientMessageId,
    /// What is said.
    pub(crate) said: UserMessage,
    /// Names the request that brought it.
    pub(crate) request_id: Arc<str>,
    /// The span that the turn continues.
    pub(crate) trace: Option<TraceParent>,
    /// Room for one more turn in this process, given back when the turn ends.
    pub(crate) permit: TurnPermit,
    /// Whom to answer.
    pub(crate) reply: SubmitReply,
    /// Whom to give the turn's events to after its end is durable; after `reply` is answered, so that one who waits for this one
    /// is woken once. Dropped where that is not to be: the submission is refused, or repeats an earlier one.
    pub(crate) end: Option<EndWaiter>,
}

/// Somebody who waits for the end of a turn, and is given its events; none where there is no such turn.
pub(crate) type EndWaiter = oneshot::Sender<Option<Vec<Recorded>>>;

/// Whom a submission is answered to.
pub(crate) enum SubmitReply {
    /// Somebody who waits.
    Caller(oneshot::Sender<Result<crate::gateway::Accepted, Refusal>>),
    /// A subscriber: it gets `message_accepted` like all others, and a refusal as an `error` frame.
    Subscriber(Claim),
}

/// What a subscriber has said and has no answer to. Dropped without one, as by a session that ends before it has looked at
/// it, the subscriber is told: neither an acceptance nor a refusal would come any more.
pub(crate) struct Claim {
    connection: ConnectionId,
    client_message_id: ClientMessageId,
    subscriber: Option<Recipient<Publish>>,
    /// Dropped with the claim, which tells whoever has passed it on for another node.
    _settled: Option<oneshot::Sender<()>>,
}

impl Claim {
    pub(crate) fn new(
        connection: ConnectionId,
        client_message_id: ClientMessageId,
        subscriber: Recipient<Publish>,
    ) -> Self {
        Self {
            connection,
            client_message_id,
            subscriber: Some(subscriber),
            _settled: None,
        }
    }

    /// The same, with somebody who hears of its end, however that comes, by a drop.
    pub(crate) fn telling(mut self, settled: oneshot::Sender<()>) -> Self {
        self._settled = Some(settled);
        self
    }

    /// It is answered. Gives the subscriber.
    pub(crate) fn answered(mut self) -> ConnectionId {
        self.subscriber = None;
        self.connection
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if let Some(subscriber) = self.subscriber.take() {
            #[expect(
                clippy::disallowed_methods,
                reason = "once for each message, and turns are bounded by permits"
            )]
            subscriber.do_send(Publish::Unanswered(self.client_message_id));
        }
    }
}

/// Whom a cancellation is answered to.
pub(crate) enum CancelReply {
    /// Somebody who waits.
    Caller(oneshot::Sender<Result<TurnCancelled, CancelRefusal>>),
    /// A subscriber: it gets `turn_cancelled` like all others, and a refusal as an `error` frame.
    Subscriber(ConnectionId),
}

/// Begins to follow the session.
pub(crate) struct Subscribe {
    /// Names the subscriber.
    pub(crate) connection: ConnectionId,
    /// The last `seq` that the client has.
    pub(crate) after_seq: Option<u64>,
    /// The epoch that the client knows.
    pub(crate) epoch: Option<String>,
    /// Whether `after_seq` was just read from this journal.
    pub(crate) is_fresh: bool,
    /// Where to publish; kept, and the only handle that the session uses.
    pub(crate) subscriber: Recipient<Publish>,
    /// How to cut the transport.
    pub(crate) cut: Option<Arc<dyn Cut>>,
    /// Whether it is a client of another node, which stays where this one stops.
    pub(crate) is_relayed: bool,
    /// Given the session's own address, on which the subscriber keeps its one handle.
    pub(crate) reply: oneshot::Sender<Recipient<Command>>,
}

/// From the journal writer: what became of the one append of this session that was under way.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct Committed(pub(crate) Result<(), crate::journal::CommitFailed>);

/// From the orchestrator: how routing has ended.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct Routed {
    /// The run that was asked for.
    pub(crate) run: Run,
    /// How.
    pub(crate) end: RoutingEnd,
}

/// How routing ends.
#[derive(Debug)]
pub(crate) enum RoutingEnd {
    /// By itself.
    Decided {
        /// The decision and the chosen agent's fallbacks, or why nobody can answer.
        decision: Result<(RoutingDecision, Vec<AgentId>), Failure>,
        /// Where a language model was asked: what that has come to.
        advice: Option<Advice>,
    },
    /// It was stopped while a language model was asked.
    Stopped(Receipt),
}

/// What asking a language model who answers has come to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Advice {
    /// What it has used.
    pub(crate) used: Usage,
    /// Whether it did not decide.
    pub(crate) is_missed: bool,
}

/// From an agent: what it did since the last report, in order.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct AgentReport {
    /// Its run.
    pub(crate) run: Run,
    /// The part of the message that it answers, from 0; 0 where one agent answers all of it.
    pub(crate) part: usize,
    /// The steps it took.
    pub(crate) steps: Vec<Step>,
    /// How the part ended, after these steps; only where several agents answer.
    pub(crate) part_end: Option<Result<(), Failure>>,
    /// How the run ended, in the last report.
    pub(crate) end: Option<RunEnd>,
}

/// How a run ended.
#[derive(Debug)]
pub(crate) enum RunEnd {
    /// By itself.
    Finished(Result<Answer, Failed>),
    /// Without an answer, and the turn goes on; with what it has used.
    Paused(Pause, Usage),
    /// It was stopped.
    Stopped(Receipt),
}

/// Why a run has no answer.
#[derive(Debug, Clone)]
pub(crate) struct Failed {
    pub(crate) failure: Failure,
    /// What it has used all the same.
    pub(crate) used: Usage,
}

/// To the orchestrator: who answers this? Answered by [`Routed`].
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct Route {
    /// The question.
    pub(crate) request: RunRequest,
    /// The transcript before the message, oldest first; the last few messages of it.
    pub(crate) history: Vec<Arc<orchestratai_shared::Message>>,
    /// The turn's span; the decision is a child of it.
    pub(crate) span: tracing::Span,
    /// Who pays where a language model is asked: whose session it is.
    pub(crate) organization: Arc<str>,
    /// Whose it is there, where that is known.
    pub(crate) user: Option<Arc<str>>,
    /// The session's id.
    pub(crate) session_id: SessionId,
    /// Cancelled when nobody wants to know any more.
    pub(crate) stop: CancellationToken,
    /// Whom to answer.
    pub(crate) session: Recipient<Routed>,
}

/// From the sweep: look after subscribers and time limits, and end yourself if nobody needs you.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub(crate) struct Sweep {
    /// Sessions that have been idle for this long end themselves.
    pub(crate) idle_after: std::time::Duration,
}

/// From the registry of a node that is about to stop, for another node: the session leaves its place to that one, if nothing of
/// it is under way; else it takes the command.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Yield(pub(crate) Command);

/// From the registry: how is it with the session, for people who look on?
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct Look(pub(crate) oneshot::Sender<LiveSession>);

/// From the registry: what was owned by the node that this one was before may be another's now. A session of that node ends
/// itself, whatever is under way.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub(crate) struct Abandon;

/// From the gateway: the server stops. Tells subscribers to come back later; with `close`, closes them.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub(crate) struct Drain {
    /// Whether subscribers are closed now.
    pub(crate) close: bool,
    /// When clients may come back.
    pub(crate) reconnect_after: std::time::Duration,
}
