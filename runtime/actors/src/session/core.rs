//! What a session decides, as a pure function of what happened to it: no clock, no I/O, no actor.
//!
//! It numbers the durable events, keeps the idempotency keys and the queue of turns, and holds back whatever may not
//! leave before a commit. The actor around it performs the [`Effect`]s in order. After a crash a new core is made from
//! the journal by [`SessionCore::recover`].

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use orchestratai_agents::{
    routing::RoutingDecision,
    turn::{Answer, Step},
};
use orchestratai_shared::{
    AgentId, AgentStatus, ChatMetrics, ClientMessageId, Confidence, ErrorCode, Event, EventBody, Failure, Intent,
    LogData, LogId, LogStatus, Message, MessageContent, MessageId, MessageRole, QueryAnalysis, RetrievalLog, SessionId,
    Timestamp, TurnId,
    event::{
        AgentStatusChanged, MessageAccepted, MessageCompleted, TurnCancelled, TurnFailed, TurnInProgress, TurnPhase,
    },
};
use orchestratai_store::JournalEntry;
use uuid::Uuid;

use super::{
    outbox::{Outbox, Outgoing, PublishedAnswer},
    turn::{Receipt, TurnEffect, TurnInput, TurnState},
};
use crate::refusal::Refusal;

/// What happens to a message that arrives while a turn runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DoubleTexting {
    /// It waits its turn.
    Enqueue,
    /// It stops the turns before it.
    Interrupt,
    /// It is refused.
    Reject,
}

/// The rules of a session.
#[derive(Debug, Clone, Copy)]
pub struct Policy {
    /// What happens to a message that arrives while a turn runs.
    pub double_texting: DoubleTexting,
    /// Turns that may wait behind the running one.
    pub queue_max: usize,
    /// How often a turn is begun before it is given up, the first time included.
    pub attempts_max: u32,
}

/// The present, and fresh ids: all that a core may know of the world.
pub struct Context<'a> {
    /// The present.
    pub now: Timestamp,
    /// Makes an id that was never made before.
    pub new_id: &'a mut dyn FnMut() -> Uuid,
}

/// Whom to answer; the actor knows what it stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ReplyTo(pub u64);

/// Names one run of one agent, so that what a run says late is told apart from what its successor says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Run {
    /// The turn.
    pub turn_id: TurnId,
    /// Which attempt at the turn, from 1.
    pub attempt: u32,
    /// Which agent of the attempt, from 0: it grows with every fallback.
    pub leg: u32,
}

/// What can happen to a session.
#[derive(Debug, Clone)]
pub enum Input {
    /// A user says something.
    Submit {
        /// The idempotency key.
        client_message_id: ClientMessageId,
        /// What is said.
        content: MessageContent,
        /// Passes by the semantic cache.
        fresh: bool,
        /// Whom to answer.
        reply_to: ReplyTo,
    },
    /// Somebody wants a turn stopped; without an id the one at the head.
    Cancel {
        /// Which.
        turn_id: Option<TurnId>,
        /// Whom to answer.
        reply_to: ReplyTo,
    },
    /// Everything up to `through` is durable.
    Committed {
        /// A `seq`.
        through: u64,
    },
    /// The orchestrator has decided.
    Routed {
        /// The run that was asked for.
        run: Run,
        /// Its decision and the fallbacks of the chosen agent, or why there is none.
        decision: Result<(RoutingDecision, Vec<AgentId>), Failure>,
    },
    /// An agent took steps, in order.
    Steps {
        /// Its run.
        run: Run,
        /// The steps.
        steps: Vec<Step>,
    },
    /// An agent is done.
    Finished {
        /// Its run.
        run: Run,
        /// Its answer, or why there is none.
        outcome: Result<Answer, Failure>,
    },
    /// An agent has stopped as it was told.
    Stopped {
        /// Its run.
        run: Run,
        /// What stopping has cost.
        receipt: Receipt,
    },
    /// Time has passed.
    Tick {
        /// How long a run may take.
        run_max: Duration,
    },
}

/// What the caller does next, in order.
#[derive(Debug)]
pub enum Effect {
    /// Hand these to the journal.
    Append(Vec<JournalEntry>),
    /// Tell these to the subscribers.
    Publish(Vec<Outgoing>),
    /// Answer a submission or a cancellation.
    Reply(ReplyTo, Reply),
    /// Ask the orchestrator who answers.
    Route(RunRequest),
    /// Let an agent work.
    RunAgent {
        /// Which.
        agent: AgentId,
        /// At what.
        request: RunRequest,
    },
    /// Close what a run has open, at once.
    StopAgent(Run),
    /// A turn has ended, and its end is durable.
    TurnEnded(EndedTurn),
}

/// An answer to a submission or a cancellation.
#[derive(Debug, Clone)]
pub enum Reply {
    /// The message is durable, and will be answered.
    Accepted {
        /// The turn that answers it.
        turn_id: TurnId,
        /// The message in the transcript.
        message_id: MessageId,
        /// The `seq` of `message_accepted`.
        seq: u64,
    },
    /// The key has been accepted before, and that is durable.
    Repeated {
        /// The idempotency key.
        client_message_id: ClientMessageId,
        /// What was said now, to be compared with what was said then.
        content: MessageContent,
        /// What is known of that turn.
        key: Key,
    },
    /// It is refused.
    Refused(Refusal),
    /// The turn was stopped.
    Cancelled(TurnCancelled),
    /// The turn has ended otherwise.
    Ended,
    /// No open turn has that id.
    NoOpenTurn,
}

/// What is needed to route a message or to answer it.
#[derive(Debug, Clone)]
pub struct RunRequest {
    /// The run.
    pub run: Run,
    /// What was said.
    pub content: MessageContent,
    /// Passes by the semantic cache.
    pub fresh: bool,
    /// What the message wants, once that is decided.
    pub intent: Intent,
}

/// A turn that has ended.
#[derive(Debug, Clone)]
pub struct EndedTurn {
    /// The turn.
    pub turn_id: TurnId,
    /// The agent that ended it, where one had begun.
    pub agent: Option<AgentId>,
    /// Its durable events since this core knows it, in order.
    pub events: Vec<Arc<Event>>,
    /// Whether `events` begins with `message_accepted`.
    pub is_whole: bool,
    /// From acceptance to the end, in milliseconds.
    pub duration_ms: u64,
}

/// What is known of an accepted message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key {
    /// The turn that answers it.
    pub turn_id: TurnId,
    /// The `seq` of `message_accepted`.
    pub accepted_seq: u64,
    /// The `seq` of the terminal event.
    pub ended_seq: Option<u64>,
}

/// What the journal knows of a session: all that a new core needs.
#[derive(Debug, Clone, Default)]
pub struct Recovered {
    /// The last `seq`.
    pub last_seq: u64,
    /// The idempotency keys.
    pub keys: Vec<(ClientMessageId, Key)>,
    /// The durable events of each turn that has not ended, oldest turn first.
    pub open_turns: Vec<Vec<Event>>,
}

/// A turn that has not ended, or whose end is not durable yet.
#[derive(Debug)]
struct Turn {
    id: TurnId,
    message: Message,
    content: MessageContent,
    client_message_id: ClientMessageId,
    fresh: bool,
    state: TurnState,
    attempt: u32,
    leg: u32,
    intent: Intent,
    /// It begins once this `seq` is durable: its acceptance, or the record of its new attempt.
    begins_after: u64,
    /// When the state last changed to one that waits for somebody else.
    waiting_since: Timestamp,
    answer: PartialAnswer,
    events: Vec<Arc<Event>>,
    is_whole: bool,
    ended_seq: Option<u64>,
    cancels: Vec<ReplyTo>,
}

/// What an agent has said so far.
#[derive(Debug, Default)]
struct PartialAnswer {
    message_id: Option<MessageId>,
    text: String,
}

/// The session's decisions.
#[derive(Debug)]
pub struct SessionCore {
    id: SessionId,
    policy: Policy,
    /// The last `seq` that was given out.
    last_seq: u64,
    /// Up to here all is durable.
    committed_seq: u64,
    turns: VecDeque<Turn>,
    keys: HashMap<ClientMessageId, Key>,
    outbox: Outbox,
    /// Answers that wait for a commit: the `seq`, whom, what.
    replies: Vec<(u64, ReplyTo, Reply)>,
    /// Recorded since the last effect was given out.
    unappended: Vec<JournalEntry>,
}

impl SessionCore {
    /// A core for a session that has no turns yet, or had some and was erased or passivated with none open.
    #[must_use]
    pub fn new(id: SessionId, policy: Policy) -> Self {
        Self {
            id,
            policy,
            last_seq: 0,
            committed_seq: 0,
            turns: VecDeque::new(),
            keys: HashMap::new(),
            outbox: Outbox::default(),
            replies: Vec::new(),
            unappended: Vec::new(),
        }
    }

    /// A core from the journal. The oldest open turn was cut off: it is taken up again, or given up after
    /// [`Policy::attempts_max`] attempts. Those behind it had not begun.
    pub fn recover(id: SessionId, policy: Policy, recovered: Recovered, ctx: &mut Context<'_>) -> (Self, Vec<Effect>) {
        let mut core = Self::new(id, policy);
        core.last_seq = recovered.last_seq;
        core.committed_seq = recovered.last_seq;
        core.keys = recovered.keys.into_iter().collect();
        core.turns = recovered
            .open_turns
            .into_iter()
            .filter_map(|events| Turn::recover(events, ctx.now))
            .collect();
        core.take_up_head(ctx);
        let effects = core.advance(ctx);
        (core, effects)
    }

    /// Takes one step.
    pub fn handle(&mut self, input: Input, ctx: &mut Context<'_>) -> Vec<Effect> {
        let mut effects = Vec::new();
        match input {
            Input::Submit {
                client_message_id,
                content,
                fresh,
                reply_to,
            } => {
                self.submit(client_message_id, content, fresh, reply_to, ctx, &mut effects);
            }
            Input::Cancel { turn_id, reply_to } => self.cancel(turn_id, reply_to, ctx, &mut effects),
            Input::Committed { through } => self.committed_seq = self.committed_seq.max(through.min(self.last_seq)),
            Input::Routed { run, decision } => {
                let input = match decision {
                    Ok((decision, fallbacks)) => TurnInput::Routed { decision, fallbacks },
                    Err(failure) => TurnInput::RoutingFailed(failure),
                };
                if let Some(at) = self.position(run) {
                    self.step(at, input, ctx, &mut effects);
                }
            }
            Input::Steps { run, steps } => {
                for step in steps {
                    self.progress(run, step, ctx, &mut effects);
                }
            }
            Input::Finished { run, outcome } => self.finish(run, outcome, ctx, &mut effects),
            Input::Stopped { run, receipt } => {
                if let Some(at) = self.position(run) {
                    self.step(at, TurnInput::Stopped(receipt), ctx, &mut effects);
                }
            }
            Input::Tick { run_max } => self.expire(run_max, ctx, &mut effects),
        }
        effects.extend(self.advance(ctx));
        effects
    }

    /// The last `seq` that is durable.
    #[must_use]
    pub fn committed_seq(&self) -> u64 {
        self.committed_seq
    }

    /// Whether nothing is going on: no open turn, nothing that waits for a commit.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.turns.is_empty() && self.outbox.is_empty() && self.replies.is_empty()
    }

    /// Whether a turn is open, or its end not durable yet.
    #[must_use]
    pub fn open_turns(&self) -> usize {
        self.turns.len()
    }

    /// Ids of the turns that have not ended, oldest first.
    pub fn open_turn_ids(&self) -> impl Iterator<Item = TurnId> + '_ {
        self.turns.iter().map(|turn| turn.id)
    }

    /// The turn in progress, with as much of its answer as has been published.
    #[must_use]
    pub fn turn_in_progress(&self) -> Option<TurnInProgress> {
        let turn = self
            .turns
            .iter()
            .find(|turn| !turn.state.is_terminal() && turn.begins_after <= self.committed_seq)?;
        let (state, agent) = match &turn.state {
            TurnState::Accepted => (TurnPhase::Accepted, None),
            TurnState::Routing => (TurnPhase::Routing, None),
            TurnState::Running { agent, .. } | TurnState::Stopping { agent } => {
                (TurnPhase::Running, Some(agent.clone()))
            }
            TurnState::Completed | TurnState::Failed | TurnState::Cancelled => return None,
        };
        let published = self
            .answer_in_progress()
            .filter(|answer| answer.turn_id == turn.id && !answer.text.is_empty());
        let message_id = published.map(|answer| answer.mark.message_id);
        let content = published.map(|answer| answer.text.clone()).unwrap_or_default();
        Some(TurnInProgress {
            id: turn.id,
            state,
            agent,
            message_id,
            content,
        })
    }

    /// The answer in progress as far as it has been published.
    #[must_use]
    pub fn answer_in_progress(&self) -> Option<&PublishedAnswer> {
        self.outbox.published_answer()
    }

    /// The events so far of an open turn.
    #[must_use]
    pub fn events_of(&self, turn_id: TurnId) -> Option<&[Arc<Event>]> {
        self.turns
            .iter()
            .find(|turn| turn.id == turn_id)
            .map(|turn| turn.events.as_slice())
    }

    /// Where an open turn stands, and its current run.
    #[must_use]
    pub fn turn(&self, turn_id: TurnId) -> Option<(&TurnState, Run)> {
        self.turns
            .iter()
            .find(|turn| turn.id == turn_id)
            .map(|turn| (&turn.state, turn.run()))
    }

    fn submit(
        &mut self,
        client_message_id: ClientMessageId,
        content: MessageContent,
        fresh: bool,
        reply_to: ReplyTo,
        ctx: &mut Context<'_>,
        effects: &mut Vec<Effect>,
    ) {
        if let Some(key) = self.keys.get(&client_message_id).copied() {
            // The first acceptance may still be on its way to the disk: then this answer waits for it too.
            let repeated = Reply::Repeated {
                client_message_id,
                content,
                key,
            };
            self.replies.push((key.accepted_seq, reply_to, repeated));
            return;
        }
        let open = self.turns.iter().filter(|turn| !turn.state.is_terminal()).count();
        let refusal = match self.policy.double_texting {
            DoubleTexting::Reject if open > 0 => Some(Refusal::new(
                ErrorCode::Conflict,
                "A turn is running, and this session takes one at a time.",
            )),
            DoubleTexting::Enqueue | DoubleTexting::Reject | DoubleTexting::Interrupt
                if self.turns.len() > self.policy.queue_max =>
            {
                Some(Refusal::overloaded(
                    "Too many messages of this session wait for an answer.",
                    Duration::from_secs(1),
                ))
            }
            DoubleTexting::Enqueue | DoubleTexting::Reject | DoubleTexting::Interrupt => None,
        };
        if let Some(refusal) = refusal {
            effects.push(Effect::Reply(reply_to, Reply::Refused(refusal)));
            return;
        }
        if self.policy.double_texting == DoubleTexting::Interrupt {
            for at in 0..self.turns.len() {
                self.step(at, TurnInput::Cancel, ctx, effects);
            }
        }
        self.accept(client_message_id, content, fresh, reply_to, ctx);
    }

    fn accept(
        &mut self,
        client_message_id: ClientMessageId,
        content: MessageContent,
        fresh: bool,
        reply_to: ReplyTo,
        ctx: &mut Context<'_>,
    ) {
        let message = Message {
            id: MessageId((ctx.new_id)()),
            role: MessageRole::User,
            content: content.as_str().to_owned(),
            agent: None,
            confidence: None,
            timestamp: ctx.now,
            session_id: self.id,
        };
        let turn_id = TurnId((ctx.new_id)());
        let seq = self.last_seq + 1;
        let accepted = MessageAccepted {
            message: message.clone(),
            client_message_id,
            fresh,
        };
        let reply = Reply::Accepted {
            turn_id,
            message_id: message.id,
            seq,
        };
        self.turns.push_back(Turn {
            id: turn_id,
            message,
            content,
            client_message_id,
            fresh,
            state: TurnState::Accepted,
            attempt: 1,
            leg: 0,
            intent: Intent::DomainQuestion,
            begins_after: seq,
            waiting_since: ctx.now,
            answer: PartialAnswer::default(),
            events: Vec::with_capacity(10),
            is_whole: true,
            ended_seq: None,
            cancels: Vec::new(),
        });
        self.record(self.turns.len() - 1, EventBody::MessageAccepted(accepted), ctx);
        self.keys.insert(
            client_message_id,
            Key {
                turn_id,
                accepted_seq: seq,
                ended_seq: None,
            },
        );
        self.replies.push((seq, reply_to, reply));
    }

    fn cancel(&mut self, turn_id: Option<TurnId>, reply_to: ReplyTo, ctx: &mut Context<'_>, effects: &mut Vec<Effect>) {
        let at = self.turns.iter().position(|turn| match turn_id {
            Some(turn_id) => turn.id == turn_id,
            None => !turn.state.is_terminal(),
        });
        match at {
            Some(at) => {
                self.turns[at].cancels.push(reply_to);
                self.step(at, TurnInput::Cancel, ctx, effects);
            }
            None => effects.push(Effect::Reply(reply_to, Reply::NoOpenTurn)),
        }
    }

    fn progress(&mut self, run: Run, step: Step, ctx: &mut Context<'_>, effects: &mut Vec<Effect>) {
        let Some(at) = self.position(run) else { return };
        let Ok((_, turn_effects)) = self.turns[at].state.step(TurnInput::Progressed) else {
            return;
        };
        if !turn_effects.contains(&TurnEffect::Keep) {
            return;
        }
        match step {
            Step::Log { title, status, data } => self.record_log(at, title, status, data, ctx),
            Step::Delta(text) => self.extend_answer(at, &text, ctx),
            Step::Reset { reason } => self.withdraw_answer(at, &reason),
        }
        effects.extend(self.take_unappended());
    }

    fn finish(&mut self, run: Run, outcome: Result<Answer, Failure>, ctx: &mut Context<'_>, effects: &mut Vec<Effect>) {
        let Some(at) = self.position(run) else { return };
        match outcome {
            Ok(_) if self.turns[at].answer.text.is_empty() => {
                let empty = Failure::new(ErrorCode::InternalError, "The agent gave an empty answer.");
                self.step(at, TurnInput::AgentFailed(empty), ctx, effects);
            }
            Ok(answer) => {
                let Ok((next, turn_effects)) = self.turns[at].state.step(TurnInput::Finished) else {
                    return;
                };
                self.turns[at].state = next;
                for effect in turn_effects {
                    if let TurnEffect::RecordCompleted(agent) = effect {
                        self.record_completed(at, agent, &answer, ctx);
                    } else {
                        self.perform(at, effect, ctx, effects);
                    }
                }
            }
            Err(failure) => self.step(at, TurnInput::AgentFailed(failure), ctx, effects),
        }
    }

    fn expire(&mut self, run_max: Duration, ctx: &mut Context<'_>, effects: &mut Vec<Effect>) {
        for at in 0..self.turns.len() {
            let turn = &self.turns[at];
            let limit = match turn.state {
                TurnState::Routing | TurnState::Running { .. } => run_max,
                // The agent drops what it has open as soon as it hears of the stop; that takes no time worth naming.
                TurnState::Stopping { .. } => Duration::from_secs(2),
                TurnState::Accepted | TurnState::Completed | TurnState::Failed | TurnState::Cancelled => continue,
            };
            if u128::from(ctx.now.millis_since(turn.waiting_since)) >= limit.as_millis() {
                self.step(at, TurnInput::Expire, ctx, effects);
            }
        }
    }

    /// Where the turn of this very run is; `None` for a run that something newer has replaced.
    fn position(&self, run: Run) -> Option<usize> {
        self.turns
            .iter()
            .position(|turn| turn.id == run.turn_id && turn.attempt == run.attempt && turn.leg == run.leg)
    }

    fn step(&mut self, at: usize, input: TurnInput, ctx: &mut Context<'_>, effects: &mut Vec<Effect>) {
        // An input that cannot happen now is late or repeated: it changes nothing.
        let Ok((next, turn_effects)) = self.turns[at].state.step(input) else {
            return;
        };
        let turn = &mut self.turns[at];
        turn.state = next;
        turn.waiting_since = ctx.now;
        for effect in turn_effects {
            self.perform(at, effect, ctx, effects);
        }
    }

    fn perform(&mut self, at: usize, effect: TurnEffect, ctx: &mut Context<'_>, effects: &mut Vec<Effect>) {
        match effect {
            TurnEffect::Route => effects.push(Effect::Route(self.turns[at].request())),
            TurnEffect::RecordRouting(decision) => self.record_routing(at, decision, ctx),
            TurnEffect::RecordFallback { from, to, failure } => self.record_fallback(at, &from, &to, &failure, ctx),
            TurnEffect::RunAgent(agent) => {
                self.record_status(at, agent.clone(), AgentStatus::Active, ctx);
                effects.extend(self.take_unappended());
                effects.push(Effect::RunAgent {
                    agent,
                    request: self.turns[at].request(),
                });
            }
            TurnEffect::StopAgent => effects.push(Effect::StopAgent(self.turns[at].run())),
            TurnEffect::RecordFailed(error) => self.end(at, EventBody::TurnFailed(TurnFailed { error }), None, ctx),
            TurnEffect::RecordCancelled(receipt) => self.record_cancelled(at, receipt, ctx),
            // These two come with what the agent gave; `progress` and `finish` perform them.
            TurnEffect::Keep | TurnEffect::RecordCompleted(_) => {}
        }
    }

    /// Begins what may begin, and gives out what may leave.
    fn advance(&mut self, ctx: &mut Context<'_>) -> Vec<Effect> {
        let mut effects = self.take_unappended();
        let committed = self.committed_seq;
        for (_, reply_to, reply) in self.replies.extract_if(.., |(seq, ..)| *seq <= committed) {
            effects.push(Effect::Reply(reply_to, Self::as_of(reply, &self.keys, committed)));
        }
        let published = self.outbox.release(committed, self.id, ctx.now);
        if !published.is_empty() {
            effects.push(Effect::Publish(published));
        }
        self.let_go_of_ended(&mut effects, ctx.now);
        if self
            .turns
            .front()
            .is_some_and(|head| head.state == TurnState::Accepted && head.begins_after <= committed)
        {
            self.step(0, TurnInput::Begin, ctx, &mut effects);
            effects.extend(self.take_unappended());
        }
        effects
    }

    /// A repeat tells of the end of its turn only where that is durable.
    fn as_of(reply: Reply, keys: &HashMap<ClientMessageId, Key>, committed_seq: u64) -> Reply {
        let Reply::Repeated {
            client_message_id,
            content,
            key,
        } = reply
        else {
            return reply;
        };
        let mut key = keys.get(&client_message_id).copied().unwrap_or(key);
        key.ended_seq = key.ended_seq.filter(|seq| *seq <= committed_seq);
        Reply::Repeated {
            client_message_id,
            content,
            key,
        }
    }

    fn let_go_of_ended(&mut self, effects: &mut Vec<Effect>, now: Timestamp) {
        let committed = self.committed_seq;
        let mut at = 0;
        while at < self.turns.len() {
            if self.turns[at].ended_seq.is_none_or(|seq| seq > committed) {
                at += 1;
                continue;
            }
            let Some(turn) = self.turns.remove(at) else { return };
            let reply = turn.events.iter().rev().find_map(|event| match &event.body {
                EventBody::TurnCancelled(receipt) => Some(Reply::Cancelled(receipt.clone())),
                EventBody::MessageCompleted(_) | EventBody::TurnFailed(_) => Some(Reply::Ended),
                EventBody::MessageAccepted(_)
                | EventBody::RetrievalLog(_)
                | EventBody::AgentStatus(_)
                | EventBody::Handoff(_)
                | EventBody::ToolCall(_)
                | EventBody::ApprovalRequested(_)
                | EventBody::ApprovalResolved(_) => None,
            });
            let reply = reply.unwrap_or(Reply::Ended);
            effects.extend(
                turn.cancels
                    .iter()
                    .map(|reply_to| Effect::Reply(*reply_to, reply.clone())),
            );
            effects.push(Effect::TurnEnded(EndedTurn {
                turn_id: turn.id,
                agent: turn.last_agent(),
                duration_ms: now.millis_since(turn.message.timestamp),
                is_whole: turn.is_whole,
                events: turn.events,
            }));
        }
    }

    fn take_up_head(&mut self, ctx: &mut Context<'_>) {
        let Some(head) = self.turns.front_mut() else { return };
        head.attempt += 1;
        let (attempt, attempts_max) = (head.attempt, self.policy.attempts_max);
        if attempt > attempts_max {
            let mut effects = Vec::new();
            self.step(0, TurnInput::GiveUp, ctx, &mut effects);
            return;
        }
        let analysis = QueryAnalysis {
            intent: head.intent,
            confidence: Confidence::new(0.0),
            target_agent: AgentId::orchestrator(),
            reasoning: format!(
                "The turn was cut off and is taken up again from its start: attempt {attempt} of {attempts_max}."
            ),
            attempt: Some(attempt),
        };
        let title = format!("Taken up again (attempt {attempt} of {attempts_max})");
        self.record_log(0, title, LogStatus::Warning, LogData::Routing(analysis), ctx);
        self.turns[0].begins_after = self.last_seq;
    }

    fn record_routing(&mut self, at: usize, decision: RoutingDecision, ctx: &mut Context<'_>) {
        self.turns[at].intent = decision.intent;
        let attempt = Some(self.turns[at].attempt).filter(|attempt| *attempt > 1);
        let title = format!("Routed to {}", decision.agent);
        let analysis = QueryAnalysis {
            intent: decision.intent,
            confidence: decision.confidence,
            target_agent: decision.agent,
            reasoning: decision.reasoning,
            attempt,
        };
        self.record_log(at, title, LogStatus::Success, LogData::Routing(analysis), ctx);
        self.record_status(at, AgentId::orchestrator(), AgentStatus::Routing, ctx);
    }

    fn record_fallback(&mut self, at: usize, from: &AgentId, to: &AgentId, failure: &Failure, ctx: &mut Context<'_>) {
        self.turns[at].leg += 1;
        let reasoning = format!("{from} could not answer ({}), so {to} takes over.", failure.message);
        self.withdraw_answer(at, &reasoning);
        let analysis = QueryAnalysis {
            intent: self.turns[at].intent,
            confidence: Confidence::new(0.0),
            target_agent: to.clone(),
            reasoning,
            attempt: None,
        };
        let title = format!("Fell back to {to}");
        self.record_log(at, title, LogStatus::Warning, LogData::Routing(analysis), ctx);
        self.record_status(at, from.clone(), AgentStatus::Idle, ctx);
    }

    fn record_status(&mut self, at: usize, agent: AgentId, status: AgentStatus, ctx: &mut Context<'_>) {
        self.record(at, EventBody::AgentStatus(AgentStatusChanged { agent, status }), ctx);
    }

    fn record_log(&mut self, at: usize, title: String, status: LogStatus, data: LogData, ctx: &mut Context<'_>) {
        let log = RetrievalLog {
            id: LogId((ctx.new_id)()),
            data,
            title,
            timestamp: ctx.now,
            status,
            chunks: None,
            session_id: self.id,
            message_id: self.turns[at].message.id,
        };
        self.record(at, EventBody::RetrievalLog(log), ctx);
    }

    fn record_completed(&mut self, at: usize, agent: AgentId, answer: &Answer, ctx: &mut Context<'_>) {
        self.record_status(at, agent.clone(), AgentStatus::Complete, ctx);
        if agent.as_str() != AgentId::ORCHESTRATOR {
            self.record_status(at, AgentId::orchestrator(), AgentStatus::Complete, ctx);
        }
        let turn = &mut self.turns[at];
        let message = Message {
            id: *turn.answer.message_id.get_or_insert_with(|| MessageId((ctx.new_id)())),
            role: MessageRole::Assistant,
            content: turn.answer.text.clone(),
            agent: Some(agent),
            confidence: Some(answer.confidence),
            timestamp: ctx.now,
            session_id: self.id,
        };
        #[expect(clippy::cast_precision_loss, reason = "a turn of 2^53 milliseconds is not to be had")]
        let metrics = ChatMetrics {
            tokens_used: answer.usage.tokens,
            cost: answer.usage.cost,
            latency: ctx.now.millis_since(turn.message.timestamp) as f64,
            cache_status: answer.cache_status,
        };
        let completed = MessageCompleted {
            message,
            metrics,
            citations: answer.citations.clone(),
        };
        self.end(at, EventBody::MessageCompleted(completed), None, ctx);
    }

    fn record_cancelled(&mut self, at: usize, receipt: Receipt, ctx: &mut Context<'_>) {
        let turn = &mut self.turns[at];
        let text = std::mem::take(&mut turn.answer.text);
        let kept = match turn.answer.message_id {
            Some(id) if !text.is_empty() => Some(Message {
                id,
                role: MessageRole::Assistant,
                content: text,
                agent: turn.last_agent(),
                confidence: None,
                timestamp: ctx.now,
                session_id: self.id,
            }),
            Some(_) | None => None,
        };
        let cancelled = TurnCancelled {
            message_id: kept.as_ref().map(|message| message.id),
            kept: kept.as_ref().map_or(0, |message| message.content.len() as u64),
            upstream_closed_ms: receipt.upstream_closed_ms,
            tokens_billed: receipt.tokens_billed,
        };
        self.end(at, EventBody::TurnCancelled(cancelled), kept, ctx);
    }

    fn end(&mut self, at: usize, body: EventBody, kept: Option<Message>, ctx: &mut Context<'_>) {
        self.record_with(at, body, kept, ctx);
        let seq = self.last_seq;
        let turn = &mut self.turns[at];
        turn.ended_seq = Some(seq);
        if let Some(key) = self.keys.get_mut(&turn.client_message_id) {
            key.ended_seq = Some(seq);
        }
    }

    fn record(&mut self, at: usize, body: EventBody, ctx: &mut Context<'_>) {
        self.record_with(at, body, None, ctx);
    }

    fn record_with(&mut self, at: usize, body: EventBody, kept: Option<Message>, ctx: &mut Context<'_>) {
        self.last_seq += 1;
        let turn = &mut self.turns[at];
        let event = Arc::new(Event {
            seq: self.last_seq,
            session_id: self.id,
            turn_id: Some(turn.id),
            at: ctx.now,
            body,
        });
        let frame = self.outbox.hold_event(&event);
        turn.events.push(Arc::clone(&event));
        self.unappended.push(JournalEntry { event, frame, kept });
    }

    fn take_unappended(&mut self) -> Vec<Effect> {
        if self.unappended.is_empty() {
            vec![]
        } else {
            vec![Effect::Append(std::mem::take(&mut self.unappended))]
        }
    }

    fn extend_answer(&mut self, at: usize, text: &str, ctx: &mut Context<'_>) {
        if text.is_empty() {
            return;
        }
        let turn = &mut self.turns[at];
        let message_id = *turn.answer.message_id.get_or_insert_with(|| MessageId((ctx.new_id)()));
        self.outbox
            .hold_delta(turn.id, message_id, turn.answer.text.len(), text);
        turn.answer.text.push_str(text);
    }

    fn withdraw_answer(&mut self, at: usize, reason: &str) {
        let turn = &mut self.turns[at];
        if let Some(message_id) = turn.answer.message_id.filter(|_| !turn.answer.text.is_empty()) {
            turn.answer.text.clear();
            self.outbox.hold_reset(turn.id, message_id, reason);
        }
    }
}

impl Turn {
    /// An open turn from its durable events; `None` where they do not begin with its acceptance, which no commit allows.
    fn recover(events: Vec<Event>, now: Timestamp) -> Option<Self> {
        let first = events.first()?;
        let EventBody::MessageAccepted(accepted) = &first.body else {
            return None;
        };
        let mut turn = Self {
            id: first.turn_id?,
            message: accepted.message.clone(),
            content: MessageContent::parse(accepted.message.content.as_str()).ok()?,
            client_message_id: accepted.client_message_id,
            fresh: accepted.fresh,
            state: TurnState::Accepted,
            attempt: 1,
            leg: 0,
            intent: Intent::DomainQuestion,
            begins_after: first.seq,
            waiting_since: now,
            answer: PartialAnswer::default(),
            events: Vec::new(),
            is_whole: true,
            ended_seq: None,
            cancels: Vec::new(),
        };
        for event in &events {
            if let EventBody::RetrievalLog(RetrievalLog {
                data: LogData::Routing(analysis),
                ..
            }) = &event.body
            {
                turn.attempt = turn.attempt.max(analysis.attempt.unwrap_or(1));
                turn.intent = analysis.intent;
            }
        }
        turn.events = events.into_iter().map(Arc::new).collect();
        Some(turn)
    }

    fn run(&self) -> Run {
        Run {
            turn_id: self.id,
            attempt: self.attempt,
            leg: self.leg,
        }
    }

    fn request(&self) -> RunRequest {
        RunRequest {
            run: self.run(),
            content: self.content.clone(),
            fresh: self.fresh,
            intent: self.intent,
        }
    }

    /// The agent that last became active.
    fn last_agent(&self) -> Option<AgentId> {
        self.events.iter().rev().find_map(|event| match &event.body {
            EventBody::AgentStatus(changed) if changed.status == AgentStatus::Active => Some(changed.agent.clone()),
            EventBody::AgentStatus(_)
            | EventBody::MessageAccepted(_)
            | EventBody::RetrievalLog(_)
            | EventBody::Handoff(_)
            | EventBody::ToolCall(_)
            | EventBody::ApprovalRequested(_)
            | EventBody::ApprovalResolved(_)
            | EventBody::MessageCompleted(_)
            | EventBody::TurnFailed(_)
            | EventBody::TurnCancelled(_) => None,
        })
    }
}
