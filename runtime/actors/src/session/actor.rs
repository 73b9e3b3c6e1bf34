//! The session actor: performs what the core decides, and keeps the session's subscribers.

mod approvals;
mod erasure;
mod following;
mod handlers;
mod looked_at;
mod person;
mod reply;
mod snapshots;
mod spans;

use std::{
    collections::{HashMap, HashSet},
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use actix::{Actor, ActorContext, ActorFutureExt, Addr, AsyncContext, Context, Handler, WrapFuture};
use orchestratai_agents::turn::{FromClient, TurnRequest};
use orchestratai_shared::{
    AgentId, ApprovalId, ChatSession, ClientCall, ClientMessageId, ErrorCode, Event, EventBody,
    Message as TranscriptMessage, MessageId, MessageRole, SessionId, Signal, SignalBody, Timestamp, TurnId,
    UserMessage,
    event::{ErrorSignal, Lagging, ServerDraining, SessionReady},
};
use orchestratai_store::{Append as JournalAppend, JournalEntry, NodeId, Rehydrated, StoreError, StoredFrame, Write};
use orchestratai_telemetry::{Live, PersonWaitOutcome, RefusalReason, SlowConsumerAction, TurnOutcome};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::{
    core::{
        Context as CoreContext, Effect, EndedTurn, Input, Key, Recovered, Reply, ReplyTo, Run, RunRequest, SessionCore,
    },
    face::Face,
    messages::{
        Abandon, Advice, AgentReport, CancelReply, Command, Committed, Drain, EndWaiter, Route, Routed, RoutingEnd,
        RunEnd, Submit, SubmitReply, Subscribe, Sweep, Yield,
    },
    outbox::{Outgoing, OutgoingKind, signal_frame},
    subscriber::{ConnectionId, Health, Subscriber},
};
use crate::{
    admission::TurnPermit,
    agent::RunTurn,
    gateway::Accepted,
    journal::{Append, AppendReply, CommitFailed},
    orchestrator::Dispatch,
    publish::{CloseReason, Frame},
    refusal::{CancelRefusal, Refusal},
    registry::{SessionEnded, SessionRegistry},
    shard::Shard,
};

use reply::ReplySink;
use snapshots::SnapshotState;
use spans::Appending;

/// One live session.
pub(crate) struct Session {
    core: SessionCore,
    face: Face,
    shard: Rc<Shard>,
    registry: Addr<SessionRegistry>,
    /// The node that owns it, where there are several.
    node: Option<NodeId>,
    totals: ChatSession,
    organization: Arc<str>,
    /// The last messages, oldest first, as agents are shown them.
    transcript: Vec<Arc<TranscriptMessage>>,
    /// Where an earlier session of this id ended when it was erased.
    erased_through: u64,
    /// What the first start has still to perform.
    first_effects: Vec<Effect>,
    subscribers: HashMap<ConnectionId, Subscriber>,
    replies: HashMap<ReplyTo, ReplySink>,
    reply_count: u64,
    /// Recorded while an append was under way; it goes into the next.
    unsent: Vec<JournalEntry>,
    /// The append that is under way.
    appending: Option<Appending>,
    permits: HashMap<TurnId, TurnPermit>,
    stops: HashMap<Run, CancellationToken>,
    waiting_for_end: HashMap<TurnId, Vec<EndWaiter>>,
    /// Who waits for the session's erasure, once somebody has asked for it.
    erasing: Vec<oneshot::Sender<Result<(), Refusal>>>,
    /// When the message of an open turn came in, and whether its first token has left.
    clocks: HashMap<TurnId, TurnClock>,
    spans: HashMap<TurnId, tracing::Span>,
    snapshot: SnapshotState,
    /// Counts it among those that a person has.
    with_person: Option<Live>,
    /// The requests for approval that wait, since when.
    approvals: HashMap<ApprovalId, (Timestamp, Live)>,
    last_used: Instant,
    is_over: bool,
    _counted: Live,
}

/// When a message came in, and whether the first word of its answer has left.
struct TurnClock {
    received: Instant,
    has_spoken: bool,
}

/// Bytes and events of one page for a subscriber that catches up.
const PAGE_EVENTS_MAX: usize = 256;

impl Session {
    /// Starts the session from what is known of it, as that node's. Gives what can be seen of it from outside, too.
    pub(crate) fn start_from(
        rehydrated: Rehydrated,
        node: Option<NodeId>,
        shard: Rc<Shard>,
        registry: Addr<SessionRegistry>,
    ) -> (Addr<Self>, Face) {
        let snapshot = SnapshotState::of(&rehydrated);
        let record = rehydrated.record;
        let recovered = Recovered {
            last_seq: record.last_seq,
            keys: record
                .keys
                .iter()
                .map(|key| (key.client_message_id, Key::from(key)))
                .collect(),
            open_turns: record.open_turns.into_iter().map(|turn| turn.events).collect(),
            person: record.person,
        };
        let (core, first_effects) =
            with_context(|ctx| SessionCore::recover(record.session.id, shard.settings.policy(), recovered, ctx));
        let permits = core
            .turns_of_agents()
            .map(|turn_id| (turn_id, shard.admission.admit_promised().of(turn_id, record.session.id)))
            .collect();
        // What waits for a person goes on waiting: it is no attempt.
        let is_resumed = core.open_turns() > 0 && core.person().is_none();
        shard.metrics.turns_resumed(usize::from(is_resumed));
        let counted = shard.metrics.session_live();
        let face = Face::new(core.open_turns() > 0, record.session.last_activity);
        let mut session = Self {
            core,
            face: face.clone(),
            shard,
            registry,
            node,
            totals: record.session,
            organization: record.organization,
            transcript: record.transcript.into_iter().map(Arc::new).collect(),
            erased_through: record.erased_through,
            first_effects,
            subscribers: HashMap::new(),
            replies: HashMap::new(),
            reply_count: 0,
            unsent: Vec::new(),
            appending: None,
            permits,
            stops: HashMap::new(),
            waiting_for_end: HashMap::new(),
            erasing: Vec::new(),
            clocks: HashMap::new(),
            spans: HashMap::new(),
            snapshot,
            with_person: None,
            approvals: HashMap::new(),
            last_used: Instant::now(),
            is_over: false,
            _counted: counted,
        };
        session.count_open_approvals();
        (session.start(), face)
    }

    fn id(&self) -> SessionId {
        self.totals.id
    }

    fn handle_input(&mut self, input: Input, ctx: &mut Context<Self>) {
        let effects = with_context(|core_ctx| self.core.handle(input, core_ctx));
        self.perform(effects, ctx);
    }

    fn perform(&mut self, effects: Vec<Effect>, ctx: &mut Context<Self>) {
        for effect in effects {
            match effect {
                Effect::Append(entries) => self.append(entries),
                Effect::Publish(outgoing) => self.publish(&outgoing, ctx),
                Effect::Reply(to, reply) => self.reply(to, reply, ctx),
                Effect::Route(request) => {
                    let stop = CancellationToken::new();
                    self.stops.insert(request.run, stop.clone());
                    let route = Route {
                        organization: Arc::clone(&self.organization),
                        user: self.totals.user_id.as_deref().map(Arc::from),
                        session_id: self.id(),
                        stop,
                        history: self.history(&request.said, None),
                        span: self.span_of(request.run.turn_id),
                        request,
                        session: ctx.address().recipient(),
                    };
                    #[expect(
                        clippy::disallowed_methods,
                        reason = "one question for each turn, and turns are bounded by permits"
                    )]
                    self.shard.orchestrator().do_send(route);
                }
                Effect::RunAgent { agent, mut request } => {
                    let concerns = std::mem::take(&mut request.concerns);
                    // Who answers a part of a message is shown all of it.
                    let whole = (!concerns.is_empty()).then_some(request.run.turn_id);
                    let history = self.history(&request.said, whole);
                    let run = self.run_turn(request, history, ctx);
                    #[expect(
                        clippy::disallowed_methods,
                        reason = "one message for each run, and turns are bounded by permits"
                    )]
                    self.shard.orchestrator().do_send(Dispatch { agent, concerns, run });
                }
                Effect::StopAgent(run) => {
                    if let Some(stop) = self.stops.get(&run) {
                        stop.cancel();
                    }
                }
                Effect::Waits(turn_id) => self.turn_waits(turn_id),
                Effect::GoesOn(turn_id) => self.turn_goes_on(turn_id),
                Effect::Tell(durable) => durable.tell(),
                Effect::WaitEnded {
                    turn_id,
                    waited_ms,
                    end,
                } => self.wait_ended(turn_id, waited_ms, end),
                Effect::TurnEnded(ended) => self.turn_ended(ended),
            }
        }
        self.send_unsent(ctx);
        self.count_person();
        self.show_face();
        if !self.erasing.is_empty() {
            self.erase_when_idle(ctx);
        }
    }

    /// What was said before a turn: first what its message brings along from elsewhere, then what the session has; no message that
    /// waits for its answer, its own and later ones among them, but that of the turn `with`.
    fn history(&self, said: &UserMessage, with: Option<TurnId>) -> Vec<Arc<TranscriptMessage>> {
        let spoken = said.context.iter().filter(|message| !message.is_blank());
        let from_elsewhere = spoken.map(|message| {
            Arc::new(TranscriptMessage {
                id: MessageId::new(),
                role: message.role,
                content: message.content.clone(),
                agent: None,
                confidence: None,
                timestamp: self.totals.start_time,
                session_id: self.id(),
            })
        });
        let is_shown = |message: &&Arc<TranscriptMessage>| {
            let turn = self.core.turn_of_message(message.id);
            turn.is_none() || turn == with
        };
        let mut own: Vec<_> = self.transcript.iter().filter(is_shown).cloned().collect();
        leave_out_asked_again(&mut own, said);
        from_elsewhere.chain(own).collect()
    }

    fn run_turn(&mut self, request: RunRequest, history: Vec<Arc<TranscriptMessage>>, ctx: &Context<Self>) -> RunTurn {
        let stop = CancellationToken::new();
        self.stops.insert(request.run, stop.clone());
        let client = FromClient::from(&request.said);
        let turn = TurnRequest {
            session_id: self.id(),
            turn_id: request.run.turn_id,
            message: request.said.content,
            // What has begun to act is not answered by what another turn was answered.
            fresh: request.said.fresh || !request.past.is_empty(),
            intent: request.intent,
            history,
            organization: Arc::clone(&self.organization),
            user: self.totals.user_id.as_deref().map(Arc::from),
            past: request.past,
            part: None,
            client,
        };
        RunTurn {
            span: self.span_of(request.run.turn_id),
            run: request.run,
            part: 0,
            request: turn,
            stop,
            session: ctx.address().recipient(),
        }
    }

    fn append(&mut self, entries: Vec<JournalEntry>) {
        for entry in &entries {
            self.count(&entry.event, entry.kept.as_ref());
            self.count_approval(&entry.event);
        }
        if let Some(last) = entries.last() {
            self.snapshot.recorded(&last.event);
        }
        self.unsent.extend(entries);
    }

    /// Hands on what was recorded, one append at a time: so the writer's queue holds at most one for each session, and
    /// all that is recorded during one commit goes into one row of the next.
    fn send_unsent(&mut self, ctx: &Context<Self>) {
        if self.appending.is_some() {
            return;
        }
        self.appending = self.begin_append(&self.unsent);
        if self.appending.is_none() {
            return;
        }
        let entries = std::mem::take(&mut self.unsent);
        let write = Write::Append(JournalAppend {
            session_id: self.id(),
            entries,
        });
        let reply = AppendReply::session(ctx.address().recipient());
        self.shard.journal.append(Append { write, reply });
    }

    /// Keeps the totals and the transcript as the store will have them.
    fn count(&mut self, event: &Event, kept: Option<&TranscriptMessage>) {
        let message = match &event.body {
            EventBody::MessageAccepted(accepted) => Some(&accepted.message),
            EventBody::MessageCompleted(completed) => {
                self.totals.total_tokens += completed.metrics.tokens_used;
                self.totals.total_cost += completed.metrics.cost;
                Some(&completed.message)
            }
            EventBody::TurnCancelled(cancelled) => {
                self.totals.total_tokens += cancelled.tokens_billed;
                kept
            }
            EventBody::Handoff(handoff) => {
                if event.turn_id.is_none() && handoff.to.is_person() {
                    self.shard.metrics.person_took_over();
                }
                None
            }
            EventBody::TurnFailed(_)
            | EventBody::RetrievalLog(_)
            | EventBody::AgentStatus(_)
            | EventBody::ToolCall(_)
            | EventBody::ApprovalRequested(_)
            | EventBody::ApprovalResolved(_) => None,
        };
        self.totals.last_activity = event.at;
        if let Some(message) = message {
            self.totals.message_count += 1;
            self.transcript.push(Arc::new(message.clone()));
            let excess = self
                .transcript
                .len()
                .saturating_sub(self.shard.settings.transcript_messages);
            self.transcript.drain(..excess);
        }
    }

    fn turn_ended(&mut self, ended: EndedTurn) {
        self.permits.remove(&ended.turn_id);
        self.stops.retain(|run, _| run.turn_id != ended.turn_id);
        self.last_used = Instant::now();
        let (outcome, code) = match ended.events.last().map(|recorded| &recorded.event.body) {
            Some(EventBody::MessageCompleted(_)) => (TurnOutcome::Completed, None),
            Some(EventBody::TurnCancelled(_)) => (TurnOutcome::Cancelled, None),
            Some(EventBody::TurnFailed(failed)) => (TurnOutcome::Failed, Some(failed.error.code)),
            Some(_) | None => (TurnOutcome::Failed, None),
        };
        let clock = self.clocks.remove(&ended.turn_id);
        let turn = self.span_of(ended.turn_id);
        let duration = clock.map_or(Duration::from_millis(ended.duration_ms), |clock| {
            clock.received.elapsed()
        });
        // A turn that ended before anybody was chosen was the orchestrator's.
        let agent = ended.agent.unwrap_or_else(AgentId::orchestrator);
        match self.shard.board.tally(&agent) {
            Some(tally) => tally.metrics().turn_ended(outcome, duration),
            None if agent.is_person() => self.shard.metrics.turn_ended_by_person(outcome),
            None => {}
        }
        let took_ms = duration.as_secs_f64() * 1e3;
        turn.in_scope(|| tracing::info!(agent.id = %agent, outcome = outcome.name(), took_ms, "a turn ended"));
        self.end_span(ended.turn_id, &agent, outcome, code);
        for waiting in self.waiting_for_end.remove(&ended.turn_id).into_iter().flatten() {
            let _ = waiting.send(Some(ended.events.clone()));
        }
    }
}

impl Actor for Session {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        let effects = std::mem::take(&mut self.first_effects);
        self.perform(effects, ctx);
    }
}

impl Drop for Session {
    /// However the session ended, by itself or by a panic: subscribers come back to its successor, and a turn that it
    /// left open is taken up again.
    fn drop(&mut self) {
        for (_, stop) in self.stops.drain() {
            stop.cancel();
        }
        for (_, subscriber) in self.subscribers.drain() {
            subscriber.abandon();
        }
        let unfinished = !self.is_over && self.core.open_turns() > 0;
        #[expect(clippy::disallowed_methods, reason = "once in a session's life")]
        self.registry.do_send(SessionEnded {
            session_id: self.totals.id,
            unfinished,
        });
    }
}

impl From<&orchestratai_store::AcceptedKey> for Key {
    fn from(key: &orchestratai_store::AcceptedKey) -> Self {
        Self {
            turn_id: key.turn_id,
            accepted_seq: key.accepted_seq,
            ended_seq: key.ended_seq,
        }
    }
}

/// Takes the end of a transcript off that a message says again: each turn that ended with calls of the client's tools was asked the same, and the
/// turn that goes on with what came back would find its own question in front of itself. As many as there were such turns: who says
/// "continue" twice has said it twice.
fn leave_out_asked_again(own: &mut Vec<Arc<TranscriptMessage>>, said: &UserMessage) {
    let calls = said.called.iter().flat_map(|message| &message.calls);
    let turns: HashSet<TurnId> = calls.filter_map(|call| ClientCall::turn_of(&call.call_id)).collect();
    let asked = said.content.as_str();
    for _ in turns {
        match own.iter().rposition(|message| message.role == MessageRole::User) {
            Some(at) if own[at].content == asked => own.truncate(at),
            Some(_) | None => return,
        }
    }
}

fn with_context<T>(work: impl FnOnce(&mut CoreContext<'_>) -> T) -> T {
    work(&mut CoreContext {
        now: Timestamp::now(),
        new_id: &mut uuid::Uuid::now_v7,
    })
}

fn signal(session_id: SessionId, body: SignalBody) -> Frame {
    signal_frame(&Signal {
        session_id,
        turn_id: None,
        at: Timestamp::now(),
        body,
    })
}
