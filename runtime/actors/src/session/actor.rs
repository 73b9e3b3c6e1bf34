//! The session actor: performs what the core decides, and keeps the session's subscribers.

use std::{
    collections::HashMap,
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use actix::{Actor, ActorContext, ActorFutureExt, Addr, AsyncContext, Context, Handler, WrapFuture};
use orchestratai_agents::turn::TurnRequest;
use orchestratai_shared::{
    AgentId, ChatSession, ClientMessageId, ErrorCode, Event, EventBody, Message as TranscriptMessage, SessionId,
    Signal, SignalBody, Timestamp, TurnId,
    event::{ErrorSignal, Lagging, ServerDraining, SessionReady},
};
use orchestratai_store::{Append as JournalAppend, JournalEntry, SessionRecord, StoreError, StoredFrame, Write};
use orchestratai_telemetry::{Live, RefusalReason, SlowConsumerAction, TurnOutcome};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::{
    core::{
        Context as CoreContext, Effect, EndedTurn, Input, Key, Recovered, Reply, ReplyTo, Run, RunRequest, SessionCore,
    },
    messages::{
        AgentReport, CancelReply, Command, Committed, Drain, Route, Routed, RunEnd, Submit, SubmitReply, Subscribe,
        Sweep,
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

/// One live session.
pub(crate) struct Session {
    core: SessionCore,
    shard: Rc<Shard>,
    registry: Addr<SessionRegistry>,
    totals: ChatSession,
    organization: Arc<str>,
    /// The last messages, oldest first, as agents are shown them.
    transcript: Vec<TranscriptMessage>,
    /// Where an earlier session of this id ended when it was erased.
    erased_through: u64,
    /// What the first start has still to perform.
    first_effects: Vec<Effect>,
    subscribers: HashMap<ConnectionId, Subscriber>,
    replies: HashMap<ReplyTo, ReplySink>,
    reply_count: u64,
    /// Recorded while an append was under way; it goes into the next.
    unsent: Vec<JournalEntry>,
    /// The last `seq` of the append that is under way.
    appending: Option<u64>,
    permits: HashMap<TurnId, TurnPermit>,
    stops: HashMap<Run, CancellationToken>,
    waiting_for_end: HashMap<TurnId, Vec<EndWaiter>>,
    erasing: Option<oneshot::Sender<Result<(), Refusal>>>,
    /// When the message of an open turn came in, and whether its first token has left.
    clocks: HashMap<TurnId, TurnClock>,
    last_used: Instant,
    is_over: bool,
    _counted: Live,
}

/// Somebody who waits for the end of a turn, and is given its events.
type EndWaiter = oneshot::Sender<Option<Vec<Arc<Event>>>>;

/// When a message came in, and whether the first word of its answer has left.
struct TurnClock {
    received: Instant,
    has_spoken: bool,
}

/// Whom a core's reply goes to.
enum ReplySink {
    Submit {
        reply: SubmitReply,
        client_message_id: ClientMessageId,
        permit: TurnPermit,
        received: Instant,
    },
    Cancel(CancelReply),
}

/// Bytes and events of one page for a subscriber that catches up.
const PAGE_EVENTS_MAX: usize = 256;

impl Session {
    /// Starts the session that the journal knows as `record`.
    pub(crate) fn start_from(record: SessionRecord, shard: Rc<Shard>, registry: Addr<SessionRegistry>) -> Addr<Self> {
        let recovered = Recovered {
            last_seq: record.last_seq,
            keys: record
                .keys
                .iter()
                .map(|key| (key.client_message_id, Key::from(key)))
                .collect(),
            open_turns: record.open_turns.into_iter().map(|turn| turn.events).collect(),
        };
        let (core, first_effects) =
            with_context(|ctx| SessionCore::recover(record.session.id, shard.settings.policy(), recovered, ctx));
        let permits = core
            .open_turn_ids()
            .map(|turn_id| (turn_id, shard.admission.admit_promised()))
            .collect();
        shard.metrics.turns_resumed(core.open_turns().min(1));
        let counted = shard.metrics.session_live();
        Self {
            core,
            shard,
            registry,
            totals: record.session,
            organization: record.organization,
            transcript: record.transcript,
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
            erasing: None,
            clocks: HashMap::new(),
            last_used: Instant::now(),
            is_over: false,
            _counted: counted,
        }
        .start()
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
                    let route = Route {
                        request,
                        session: ctx.address().recipient(),
                    };
                    #[expect(
                        clippy::disallowed_methods,
                        reason = "one question for each turn, and turns are bounded by permits"
                    )]
                    self.shard.orchestrator.do_send(route);
                }
                Effect::RunAgent { agent, request } => {
                    let run = self.run_turn(request, ctx);
                    #[expect(
                        clippy::disallowed_methods,
                        reason = "one message for each run, and turns are bounded by permits"
                    )]
                    self.shard.orchestrator.do_send(Dispatch { agent, run });
                }
                Effect::StopAgent(run) => {
                    if let Some(stop) = self.stops.get(&run) {
                        stop.cancel();
                    }
                }
                Effect::TurnEnded(ended) => self.turn_ended(ended),
            }
        }
        self.send_unsent(ctx);
        if self.erasing.is_some() {
            self.erase_when_idle(ctx);
        }
    }

    fn run_turn(&mut self, request: RunRequest, ctx: &Context<Self>) -> RunTurn {
        let stop = CancellationToken::new();
        self.stops.insert(request.run, stop.clone());
        let turn = TurnRequest {
            session_id: self.id(),
            turn_id: request.run.turn_id,
            message: request.content,
            fresh: request.fresh,
            intent: request.intent,
            history: self.transcript.clone(),
            organization: Arc::clone(&self.organization),
        };
        RunTurn {
            run: request.run,
            request: turn,
            stop,
            session: ctx.address().recipient(),
        }
    }

    fn append(&mut self, entries: Vec<JournalEntry>) {
        for entry in &entries {
            self.count(&entry.event, entry.kept.as_ref());
        }
        self.unsent.extend(entries);
    }

    /// Hands on what was recorded, one append at a time: so the writer's queue holds at most one for each session, and
    /// all that is recorded during one commit goes into one row of the next.
    fn send_unsent(&mut self, ctx: &Context<Self>) {
        if self.appending.is_some() {
            return;
        }
        let Some(last) = self.unsent.last() else { return };
        self.appending = Some(last.event.seq);
        let entries = std::mem::take(&mut self.unsent);
        let write = Write::Append(JournalAppend {
            session_id: self.id(),
            entries,
        });
        let reply = AppendReply::Session(ctx.address().recipient());
        #[expect(
            clippy::disallowed_methods,
            reason = "one append under way for each session, and sessions are bounded"
        )]
        self.shard.journal.do_send(Append { write, reply });
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
            EventBody::TurnCancelled(_) => kept,
            EventBody::TurnFailed(_)
            | EventBody::RetrievalLog(_)
            | EventBody::AgentStatus(_)
            | EventBody::Handoff(_)
            | EventBody::ToolCall(_)
            | EventBody::ApprovalRequested(_)
            | EventBody::ApprovalResolved(_) => None,
        };
        self.totals.last_activity = event.at;
        if let Some(message) = message {
            self.totals.message_count += 1;
            self.transcript.push(message.clone());
            let excess = self
                .transcript
                .len()
                .saturating_sub(self.shard.settings.transcript_messages);
            self.transcript.drain(..excess);
        }
    }

    fn publish(&mut self, outgoing: &[Outgoing], ctx: &mut Context<Self>) {
        for item in outgoing {
            let kind = match item.kind {
                OutgoingKind::Event(kind) => kind,
                OutgoingKind::Delta(_) => {
                    self.spoke(item.turn_id);
                    "message_delta"
                }
                OutgoingKind::Reset(_) => "message_reset",
            };
            self.shard.metrics.event_published(kind);
        }
        let mut fell_behind = Vec::new();
        for (id, subscriber) in &mut self.subscribers {
            if subscriber.publish(outgoing) {
                fell_behind.push(*id);
            }
        }
        for id in fell_behind {
            self.shard.metrics.slow_consumer(SlowConsumerAction::Lagging);
            self.catch_up(id, ctx);
        }
    }

    /// Lets a subscriber that is behind read on, or go live if it is behind no more.
    fn catch_up(&mut self, id: ConnectionId, ctx: &mut Context<Self>) {
        let (session_id, committed) = (self.id(), self.core.committed_seq());
        let Some(subscriber) = self.subscribers.get_mut(&id) else {
            return;
        };
        if !subscriber.wants_page() {
            return;
        }
        let after_seq = subscriber.sent_seq();
        if subscriber.take_lagging() {
            let missed = committed.saturating_sub(after_seq);
            subscriber.tell(vec![signal(session_id, SignalBody::Lagging(Lagging { missed }))]);
        }
        if after_seq >= committed {
            subscriber.go_live(session_id, self.core.answer_in_progress(), Timestamp::now());
            return;
        }
        let (store, bytes_max) = (self.shard.store.clone(), self.shard.settings.subscriber_window_bytes);
        let read = async move {
            store
                .events_after(session_id, after_seq, PAGE_EVENTS_MAX, bytes_max)
                .await
        };
        ctx.spawn(read.into_actor(self).map(move |page, session, ctx| {
            let committed = session.core.committed_seq();
            let Some(subscriber) = session.subscribers.get_mut(&id) else { return };
            match page {
                Ok(page) => {
                    // The store may be ahead of what this session knows to be durable; that is published in its turn.
                    let frames = page.map(|page| page.frames).unwrap_or_default();
                    let known = frames.into_iter().filter(|frame| frame.seq <= committed);
                    subscriber.catch_up(known.map(|frame| Frame { seq: Some(frame.seq), text: frame.text }).collect());
                    session.catch_up(id, ctx);
                }
                Err(error) => {
                    tracing::error!(session.id = %session_id, error = %error, "events could not be read; tried again soon");
                    subscriber.reading_ended();
                }
            }
        }));
    }

    fn spoke(&mut self, turn_id: Option<TurnId>) {
        if let Some(clock) = turn_id.and_then(|turn_id| self.clocks.get_mut(&turn_id))
            && !std::mem::replace(&mut clock.has_spoken, true)
        {
            self.shard.metrics.first_token(clock.received.elapsed());
        }
    }

    fn expect_reply(&mut self, sink: ReplySink) -> ReplyTo {
        self.reply_count += 1;
        let to = ReplyTo(self.reply_count);
        self.replies.insert(to, sink);
        to
    }

    fn reply(&mut self, to: ReplyTo, reply: Reply, ctx: &mut Context<Self>) {
        match self.replies.remove(&to) {
            Some(ReplySink::Submit {
                reply: sink,
                client_message_id,
                permit,
                received,
            }) => {
                if let Reply::Accepted { turn_id, .. } = &reply {
                    self.permits.insert(*turn_id, permit);
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
            None => {}
        }
    }

    fn reply_to_submit(
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
                if let SubmitReply::Caller(caller) = sink {
                    let _ = caller.send(Ok(Accepted {
                        turn_id,
                        message_id,
                        seq,
                        repeated: false,
                    }));
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
            Reply::Cancelled(_) | Reply::Ended | Reply::NoOpenTurn => {}
        }
    }

    fn reply_to_repeat(
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
                tracing::error!(session.id = %self.id(), error = %error, "a repeated message could not be looked up");
                let refusal = Refusal::new(ErrorCode::InternalError, "The journal cannot be read just now.");
                return self.refuse(sink, client_message_id, refusal);
            }
        };
        let first = events
            .first()
            .and_then(|frame| serde_json::from_str::<Event>(&frame.text).ok());
        let accepted = match first.map(|event| event.body) {
            Some(EventBody::MessageAccepted(accepted)) => accepted,
            Some(_) | None => {
                let refusal = Refusal::new(
                    ErrorCode::InternalError,
                    "The first acceptance of this message is not to be found.",
                );
                return self.refuse(sink, client_message_id, refusal);
            }
        };
        if accepted.message.content != content {
            let conflict = "This clientMessageId has been used for another message of this session.";
            return self.refuse(sink, client_message_id, Refusal::new(ErrorCode::Conflict, conflict));
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
            SubmitReply::Subscriber(connection) => {
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

    fn refuse(&mut self, sink: SubmitReply, client_message_id: ClientMessageId, refusal: Refusal) {
        match sink {
            SubmitReply::Caller(caller) => drop(caller.send(Err(refusal))),
            SubmitReply::Subscriber(connection) => self.tell_refusal(connection, refusal, Some(client_message_id)),
        }
    }

    fn reply_to_cancel(&mut self, sink: CancelReply, reply: Reply) {
        let answer = match reply {
            Reply::Cancelled(receipt) => Ok(receipt),
            Reply::Ended => Err(CancelRefusal::Ended),
            Reply::Refused(refusal) => Err(CancelRefusal::Refused(refusal)),
            Reply::NoOpenTurn | Reply::Accepted { .. } | Reply::Repeated { .. } => Err(CancelRefusal::Unknown),
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

    fn tell_refusal(&mut self, to: ConnectionId, refusal: Refusal, client_message_id: Option<ClientMessageId>) {
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

    fn tell(&mut self, to: ConnectionId, frames: Vec<Frame>) {
        if let Some(subscriber) = self.subscribers.get_mut(&to)
            && !subscriber.tell(frames)
        {
            subscriber.close(CloseReason::TooSlow);
            self.subscribers.remove(&to);
        }
    }

    fn turn_ended(&mut self, ended: EndedTurn) {
        self.permits.remove(&ended.turn_id);
        self.stops.retain(|run, _| run.turn_id != ended.turn_id);
        self.last_used = Instant::now();
        let outcome = match ended.events.last().map(|event| &event.body) {
            Some(EventBody::MessageCompleted(_)) => TurnOutcome::Completed,
            Some(EventBody::TurnCancelled(_)) => TurnOutcome::Cancelled,
            Some(_) | None => TurnOutcome::Failed,
        };
        let clock = self.clocks.remove(&ended.turn_id);
        let duration = clock.map_or(Duration::from_millis(ended.duration_ms), |clock| {
            clock.received.elapsed()
        });
        // A turn that ended before anybody was chosen was the orchestrator's.
        let agent = ended.agent.unwrap_or_else(AgentId::orchestrator);
        if let Some(tally) = self.shard.board.tally(&agent) {
            tally.metrics().turn_ended(outcome, duration);
        }
        tracing::debug!(session.id = %self.id(), turn.id = %ended.turn_id, agent.id = %agent, ?outcome, ?duration, "a turn ended");
        for waiting in self.waiting_for_end.remove(&ended.turn_id).into_iter().flatten() {
            let _ = waiting.send(Some(ended.events.clone()));
        }
    }

    fn subscribe(&mut self, subscribe: Subscribe, ctx: &mut Context<Self>) {
        let committed = self.core.committed_seq();
        let knows_epoch = subscribe
            .epoch
            .as_deref()
            .is_none_or(|epoch| epoch == self.shard.store.epoch());
        let recovered = match subscribe.after_seq {
            None => true,
            Some(0) => knows_epoch,
            // A number from before the session was erased would fit the new one by chance only.
            Some(after_seq) => knows_epoch && after_seq <= committed && after_seq > self.erased_through,
        };
        let sent_seq = match subscribe.after_seq {
            Some(after_seq) if recovered => after_seq,
            Some(_) | None => committed,
        };
        let ready = SessionReady {
            session: self.totals.clone(),
            agents: self.shard.agents(),
            epoch: self.shard.store.epoch().to_owned(),
            last_seq: committed,
            recovered,
            turn: self.core.turn_in_progress(),
        };
        let answer = self.core.answer_in_progress().map(|answer| answer.mark);
        let limits = self.shard.settings.subscriber_limits();
        let mut subscriber = Subscriber::new(subscribe.subscriber, subscribe.cut, limits, sent_seq, answer);
        subscriber.tell(vec![signal(self.id(), SignalBody::SessionReady(Box::new(ready)))]);
        self.last_used = Instant::now();
        self.subscribers.insert(subscribe.connection, subscriber);
        if subscribe.reply.send(ctx.address().recipient()).is_err() {
            self.subscribers.remove(&subscribe.connection);
            return;
        }
        self.catch_up(subscribe.connection, ctx);
    }

    fn begin_erasing(&mut self, reply: oneshot::Sender<Result<(), Refusal>>, ctx: &mut Context<Self>) {
        self.erasing = Some(reply);
        let open: Vec<TurnId> = self.core.open_turn_ids().collect();
        for turn_id in open {
            let (ignored, _) = oneshot::channel();
            let reply_to = self.expect_reply(ReplySink::Cancel(CancelReply::Caller(ignored)));
            self.handle_input(
                Input::Cancel {
                    turn_id: Some(turn_id),
                    reply_to,
                },
                ctx,
            );
        }
        self.erase_when_idle(ctx);
    }

    /// Writes the erasure once every turn has its receipt, and ends the session with it.
    fn erase_when_idle(&mut self, ctx: &mut Context<Self>) {
        if self.is_over || !self.core.is_idle() || self.appending.is_some() || !self.unsent.is_empty() {
            return;
        }
        let Some(reply) = self.erasing.take() else { return };
        self.is_over = true;
        let (sender, committed) = oneshot::channel();
        let append = Append {
            write: Write::EraseSession { session_id: self.id() },
            reply: AppendReply::Caller(sender),
        };
        #[expect(clippy::disallowed_methods, reason = "once in a session's life")]
        self.shard.journal.do_send(append);
        ctx.wait(committed.into_actor(self).map(move |outcome, session, ctx| {
            let outcome = match outcome {
                Ok(Ok(())) => Ok(()),
                Ok(Err(_)) | Err(_) => Err(Refusal::new(
                    ErrorCode::InternalError,
                    "The session cannot be erased just now.",
                )),
            };
            for (_, subscriber) in session.subscribers.drain() {
                subscriber.close(CloseReason::Erased);
            }
            let _ = reply.send(outcome);
            ctx.stop();
        }));
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

impl Handler<Command> for Session {
    type Result = ();

    fn handle(&mut self, command: Command, ctx: &mut Self::Context) {
        match command {
            Command::Submit(Submit {
                client_message_id,
                content,
                fresh,
                permit,
                reply,
            }) => {
                self.last_used = Instant::now();
                if self.erasing.is_some() {
                    return self.refuse(
                        reply,
                        client_message_id,
                        Refusal::new(ErrorCode::NotFound, "The session is being erased."),
                    );
                }
                let sink = ReplySink::Submit {
                    reply,
                    client_message_id,
                    permit,
                    received: Instant::now(),
                };
                let reply_to = self.expect_reply(sink);
                self.handle_input(
                    Input::Submit {
                        client_message_id,
                        content,
                        fresh,
                        reply_to,
                    },
                    ctx,
                );
            }
            Command::Cancel { turn_id, reply } => {
                let reply_to = self.expect_reply(ReplySink::Cancel(reply));
                self.handle_input(Input::Cancel { turn_id, reply_to }, ctx);
            }
            Command::Subscribe(subscribe) => self.subscribe(subscribe, ctx),
            Command::Leave(connection) => {
                self.subscribers.remove(&connection);
                self.last_used = Instant::now();
            }
            Command::Credit(connection, bytes) => {
                if let Some(subscriber) = self.subscribers.get_mut(&connection) {
                    subscriber.credit(bytes, Instant::now());
                    self.catch_up(connection, ctx);
                }
            }
            Command::Alive(connection) => {
                if let Some(subscriber) = self.subscribers.get_mut(&connection) {
                    subscriber.alive(Instant::now());
                }
            }
            Command::AwaitTurn { turn_id, reply } => {
                if self.core.events_of(turn_id).is_some() {
                    self.waiting_for_end.entry(turn_id).or_default().push(reply);
                } else {
                    let _ = reply.send(None);
                }
            }
            Command::Describe { reply } => drop(reply.send(self.totals.clone())),
            Command::Erase { reply } => self.begin_erasing(reply, ctx),
        }
    }
}

impl Handler<Committed> for Session {
    type Result = ();

    fn handle(&mut self, Committed(outcome): Committed, ctx: &mut Self::Context) {
        match outcome {
            Ok(()) => {
                if let Some(through) = self.appending.take() {
                    self.handle_input(Input::Committed { through }, ctx);
                }
            }
            Err(CommitFailed { reason }) => {
                // What is stored is the truth, and this actor now believes more than that: its successor starts from it.
                tracing::error!(session.id = %self.id(), error = %reason, "the session starts anew from its journal");
                let unavailable =
                    || Refusal::overloaded("The journal cannot be written just now.", Duration::from_secs(1));
                let waiting: Vec<_> = self.replies.drain().map(|(_, sink)| sink).collect();
                for sink in waiting {
                    match sink {
                        ReplySink::Submit {
                            reply,
                            client_message_id,
                            ..
                        } => {
                            self.refuse(reply, client_message_id, unavailable());
                        }
                        ReplySink::Cancel(reply) => self.reply_to_cancel(reply, Reply::Refused(unavailable())),
                    }
                }
                ctx.stop();
            }
        }
    }
}

impl Handler<Routed> for Session {
    type Result = ();

    fn handle(&mut self, routed: Routed, ctx: &mut Self::Context) {
        self.handle_input(
            Input::Routed {
                run: routed.run,
                decision: routed.decision,
            },
            ctx,
        );
    }
}

impl Handler<AgentReport> for Session {
    type Result = ();

    fn handle(&mut self, report: AgentReport, ctx: &mut Self::Context) {
        let AgentReport { run, steps, end } = report;
        // One pass over steps and end, so that all of it goes into one append.
        let effects = with_context(|core_ctx| {
            let mut effects = Vec::new();
            if !steps.is_empty() {
                effects.extend(self.core.handle(Input::Steps { run, steps }, core_ctx));
            }
            match end {
                Some(RunEnd::Finished(outcome)) => {
                    effects.extend(self.core.handle(Input::Finished { run, outcome }, core_ctx));
                }
                Some(RunEnd::Stopped(receipt)) => {
                    effects.extend(self.core.handle(Input::Stopped { run, receipt }, core_ctx));
                }
                None => {}
            }
            effects
        });
        self.perform(effects, ctx);
    }
}

impl Handler<Sweep> for Session {
    type Result = ();

    fn handle(&mut self, sweep: Sweep, ctx: &mut Self::Context) {
        self.handle_input(
            Input::Tick {
                run_max: self.shard.settings.turn_max,
            },
            ctx,
        );
        let now = Instant::now();
        let gone: Vec<_> = (self.subscribers.iter_mut())
            .filter_map(|(id, subscriber)| (subscriber.check(now) == Health::Gone).then_some(*id))
            .collect();
        for id in gone {
            self.shard.metrics.slow_consumer(SlowConsumerAction::Cut);
            self.subscribers.remove(&id);
        }
        let behind: Vec<_> = self.subscribers.keys().copied().collect();
        for id in behind {
            self.catch_up(id, ctx);
        }
        let unused = self.subscribers.is_empty() && self.core.is_idle() && self.waiting_for_end.is_empty();
        let busy = self.appending.is_some() || self.erasing.is_some() || !self.replies.is_empty();
        if unused && !busy && now - self.last_used >= sweep.idle_after {
            self.shard.metrics.session_passivated();
            self.is_over = true;
            ctx.stop();
        }
    }
}

impl Handler<Drain> for Session {
    type Result = ();

    fn handle(&mut self, drain: Drain, _: &mut Self::Context) {
        if drain.close {
            for (_, subscriber) in self.subscribers.drain() {
                subscriber.close(CloseReason::Draining);
            }
            return;
        }
        let reconnect_after_ms = u64::try_from(drain.reconnect_after.as_millis()).unwrap_or(u64::MAX);
        let frame = signal(
            self.id(),
            SignalBody::ServerDraining(ServerDraining { reconnect_after_ms }),
        );
        for subscriber in self.subscribers.values_mut() {
            subscriber.tell(vec![frame.clone()]);
        }
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
