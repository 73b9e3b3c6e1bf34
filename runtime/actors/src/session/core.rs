//! What a session decides, as a pure function of what happened to it: no clock, no I/O, no actor.
//!
//! It numbers the durable events, keeps the idempotency keys and the queue of turns, and holds back whatever may not
//! leave before a commit. The actor around it performs the [`Effect`]s in order. After a crash a new core is made from
//! the journal by [`SessionCore::recover`].

mod approval;
mod open_turn;
mod parts;
mod person;
mod record;
mod submission;
mod vocabulary;

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use bytestring::ByteString;
use orchestratai_agents::{
    joint::PARTS_MAX,
    routing::{Concern, RoutingDecision},
    turn::{Answer, ApprovalWanted, Durable, Pause, Step, Usage},
};
use orchestratai_shared::{
    AgentId, AgentStatus, ApprovalId, CacheStatus, ChatMetrics, ClientCall, ClientMessageId, Confidence, ErrorCode,
    Event, EventBody, Failure, Intent, LogData, LogId, LogStatus, Message, MessageContent, MessageId, MessageRole,
    PersonInCharge, QueryAnalysis, RetrievalLog, SessionId, Timestamp, TurnId, UserMessage,
    command::Decision,
    event::{
        AgentStatusChanged, ApprovalRequested, ApprovalResolved, MessageAccepted, MessageCompleted, Spent,
        TurnCancelled, TurnFailed, TurnInProgress, TurnPhase,
    },
};
use orchestratai_store::{AcceptedKey, JournalEntry};
use uuid::Uuid;

use super::{
    outbox::{self, Outbox, Outgoing, PublishedAnswer},
    turn::{Receipt, TurnEffect, TurnInput, TurnState},
};
use crate::refusal::Refusal;
pub(crate) use approval::outcome_of;
use open_turn::{PartialAnswer, Turn};
use person::Person;
pub use vocabulary::{
    Awaited, Context, Decide, DoubleTexting, Effect, EndedTurn, Head, Input, Key, Policy, Recorded, Recovered, Release,
    Reply, ReplyTo, Run, RunRequest, Said, Say, TakeOver, WaitEnd,
};

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
    /// What was decided in turns that have ended, the newest last, each with its `seq`.
    decisions: VecDeque<(u64, ApprovalResolved)>,
    keys: HashMap<ClientMessageId, Key>,
    person: Option<Person>,
    /// Agents begin nothing before this `seq` is durable, by which the session was last given back to them.
    agents_from: u64,
    outbox: Outbox,
    /// Answers that wait for a commit: the `seq`, whom, what.
    replies: Vec<(u64, ReplyTo, Reply)>,
    /// Who is told of a commit: the `seq`, whom.
    told: Vec<(u64, Durable)>,
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
            decisions: VecDeque::new(),
            keys: HashMap::new(),
            person: None,
            agents_from: 0,
            outbox: Outbox::default(),
            replies: Vec::new(),
            told: Vec::new(),
            unappended: Vec::new(),
        }
    }

    /// A core from the journal. The oldest open turn was cut off: it is taken up again, or given up after
    /// [`Policy::attempts_max`] attempts. Those behind it had not begun. Where a person has the session, nothing is taken up: what
    /// is open waits for them, as long as before.
    pub fn recover(id: SessionId, policy: Policy, recovered: Recovered, ctx: &mut Context<'_>) -> (Self, Vec<Effect>) {
        let mut core = Self::new(id, policy);
        core.last_seq = recovered.last_seq;
        core.committed_seq = recovered.last_seq;
        core.keys = recovered.keys.into_iter().collect();
        core.turns = recovered
            .open_turns
            .into_iter()
            .filter_map(|events| Turn::recover(events, recovered.person.is_some(), ctx.now))
            .collect();
        core.person = recovered.person.map(|in_charge| Person { in_charge });
        let has_head_at_work = (core.turns.front()).is_some_and(|head| !head.state.waits_for_word());
        if core.person.is_none() && has_head_at_work {
            core.take_up_head(ctx);
        }
        let effects = core.advance(ctx);
        (core, effects)
    }

    /// Takes one step.
    pub fn handle(&mut self, input: Input, ctx: &mut Context<'_>) -> Vec<Effect> {
        let mut effects = Vec::new();
        match input {
            Input::Submit {
                client_message_id,
                said,
                reply_to,
            } => {
                self.submit(client_message_id, said, reply_to, ctx, &mut effects);
            }
            Input::Cancel { turn_id, reply_to } => self.cancel(turn_id, reply_to, ctx, &mut effects),
            Input::TakeOver(take_over) => self.take_over(take_over, ctx, &mut effects),
            Input::Say(say) => self.say(say, ctx, &mut effects),
            Input::Decide(decide) => self.decide(decide, ctx, &mut effects),
            Input::Release(release) => self.release(release, ctx, &mut effects),
            Input::Committed { through } => self.committed_seq = self.committed_seq.max(through.min(self.last_seq)),
            Input::Advised { run, used, is_missed } => {
                if let Some(at) = self.position(run) {
                    let turn = &mut self.turns[at];
                    turn.used = turn.used.plus(used);
                    turn.lacks_advice = is_missed;
                }
            }
            Input::Routed { run, decision } => {
                let input = match decision {
                    Ok((decision, fallbacks)) => TurnInput::Routed { decision, fallbacks },
                    Err(failure) => TurnInput::RoutingFailed(failure),
                };
                if let Some(at) = self.position(run) {
                    self.step(at, input, ctx, &mut effects);
                }
            }
            Input::Steps { run, part, steps } => {
                for step in steps {
                    self.progress(run, part, step, ctx, &mut effects);
                }
            }
            Input::PartEnded { run, part, outcome } => {
                if let Some(at) = self.working_at(run) {
                    self.record_part_ended(at, part, outcome, ctx);
                    effects.extend(self.take_unappended());
                }
            }
            Input::Paused { run, pause, used } => self.pause(run, pause, used, ctx, &mut effects),
            Input::Finished { run, outcome, lost } => self.finish(run, outcome, lost, ctx, &mut effects),
            Input::Stopped { run, receipt } => {
                if let Some(at) = self.position(run) {
                    self.step(at, TurnInput::Stopped(receipt), ctx, &mut effects);
                } else if let Some(turn) =
                    (self.turns.iter_mut()).find(|turn| turn.id == run.turn_id && turn.state == TurnState::WithPerson)
                {
                    // A person has taken the turn over while it was at work: its price is not known here, its tokens are.
                    turn.used.tokens = turn.used.tokens.saturating_add(receipt.tokens_billed);
                    turn.used.unpriced_tokens = turn.used.unpriced_tokens.saturating_add(receipt.tokens_billed);
                }
            }
            Input::Tick { run_max } => {
                self.expire(run_max, ctx, &mut effects);
                self.expire_approvals(ctx, &mut effects);
                self.expire_person(ctx, &mut effects);
            }
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

    /// Whether all that was recorded is durable.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.committed_seq == self.last_seq && self.unappended.is_empty()
    }

    /// The idempotency keys that it has taken, in no order.
    pub fn keys(&self) -> impl Iterator<Item = AcceptedKey> + '_ {
        self.keys.iter().map(|(client_message_id, key)| AcceptedKey {
            client_message_id: *client_message_id,
            turn_id: key.turn_id,
            accepted_seq: key.accepted_seq,
            ended_seq: key.ended_seq,
        })
    }

    /// The turns that have not ended, oldest first, with their events so far.
    pub fn open_turn_events(&self) -> impl Iterator<Item = (TurnId, &[Recorded])> + '_ {
        let open = self.turns.iter().filter(|turn| turn.ended_seq.is_none());
        open.map(|turn| (turn.id, turn.events.as_slice()))
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

    /// The oldest turn that has not ended, if its acceptance is durable.
    #[must_use]
    pub fn head(&self) -> Option<Head<'_>> {
        let turn = self
            .turns
            .iter()
            .find(|turn| !turn.state.is_terminal() && turn.begins_after <= self.committed_seq)?;
        let (phase, agent) = match &turn.state {
            TurnState::Accepted => (TurnPhase::Accepted, None),
            TurnState::Routing => (TurnPhase::Routing, None),
            TurnState::Running { agent, .. } | TurnState::Stopping { agent: Some(agent) } => {
                (TurnPhase::Running, Some(agent.clone()))
            }
            TurnState::Stopping { agent: None } => (TurnPhase::Routing, None),
            TurnState::AwaitingApproval { agent, .. } => (TurnPhase::AwaitingApproval, Some(agent.clone())),
            TurnState::WithPerson => (TurnPhase::Running, Some(AgentId::person())),
            TurnState::Completed | TurnState::Failed | TurnState::Cancelled => return None,
        };
        Some(Head {
            turn_id: turn.id,
            phase,
            agent,
            message: &turn.message,
        })
    }

    /// The turn in progress, with as much of its answer as has been published.
    #[must_use]
    pub fn turn_in_progress(&self) -> Option<TurnInProgress> {
        let Head {
            turn_id, phase, agent, ..
        } = self.head()?;
        let published = self
            .answer_in_progress()
            .filter(|answer| answer.turn_id == turn_id && !answer.text.is_empty());
        let message_id = published.map(|answer| answer.mark.message_id);
        let content = published.map(|answer| answer.text.clone()).unwrap_or_default();
        Some(TurnInProgress {
            id: turn_id,
            state: phase,
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

    /// Whether a turn is open: it has not ended, or its end is not durable yet.
    #[must_use]
    pub fn is_open(&self, turn_id: TurnId) -> bool {
        self.turns.iter().any(|turn| turn.id == turn_id)
    }

    /// Where an open turn stands, and its current run.
    #[must_use]
    pub fn turn(&self, turn_id: TurnId) -> Option<(&TurnState, Run)> {
        self.turns
            .iter()
            .find(|turn| turn.id == turn_id)
            .map(|turn| (&turn.state, turn.run()))
    }

    /// Where the turn of this very run is, if what its agents do is kept.
    fn working_at(&self, run: Run) -> Option<usize> {
        let at = self.position(run)?;
        let (_, effects) = self.turns[at].state.step(TurnInput::Progressed).ok()?;
        effects.contains(&TurnEffect::Keep).then_some(at)
    }

    fn progress(&mut self, run: Run, part: usize, step: Step, ctx: &mut Context<'_>, effects: &mut Vec<Effect>) {
        let Some(at) = self.working_at(run) else { return };
        match step {
            Step::Log {
                agent,
                title,
                status,
                data,
            } => {
                let agent = agent.or_else(|| self.turns[at].agent_of_part(part).cloned());
                self.record_log(at, agent, title, status, data, ctx);
            }
            Step::Delta(text) => self.extend_answer(at, &text, ctx),
            Step::Reset { reason } => self.withdraw_answer(at, &reason),
            Step::ToolCall { call, durable } => {
                self.record(at, EventBody::ToolCall(*call), ctx);
                self.told.push((self.last_seq, durable));
            }
        }
        effects.extend(self.take_unappended());
    }

    fn finish(
        &mut self,
        run: Run,
        outcome: Result<Answer, Failure>,
        lost: Usage,
        ctx: &mut Context<'_>,
        effects: &mut Vec<Effect>,
    ) {
        let Some(at) = self.position(run) else { return };
        let turn = &mut self.turns[at];
        let is_stopping = matches!(turn.state, TurnState::Stopping { .. });
        // Another agent may answer yet, or nobody: what was used is the turn's all the same.
        turn.used = match &outcome {
            Ok(answer) if is_stopping || turn.answer.text.is_empty() => turn.used.plus(answer.usage),
            Ok(_) | Err(_) => turn.used.plus(lost),
        };
        match outcome {
            Ok(_) if self.turns[at].answer.text.is_empty() => {
                let empty = Failure::new(ErrorCode::InternalError, "The agent gave an empty answer.");
                self.step(at, TurnInput::AgentFailed(empty), ctx, effects);
            }
            Ok(answer) => self.complete(at, &answer, Vec::new(), ctx, effects),
            Err(failure) => self.step(at, TurnInput::AgentFailed(failure), ctx, effects),
        }
    }

    /// A turn has its answer, or what its client is to call.
    fn complete(
        &mut self,
        at: usize,
        answer: &Answer,
        calls: Vec<ClientCall>,
        ctx: &mut Context<'_>,
        effects: &mut Vec<Effect>,
    ) {
        let Ok((next, turn_effects)) = self.turns[at].state.step(TurnInput::Finished) else {
            return;
        };
        self.turns[at].state = next;
        for effect in turn_effects {
            if let TurnEffect::RecordCompleted(agent) = effect {
                self.record_completed(at, agent, answer, calls.clone(), ctx);
            } else {
                self.perform(at, effect, ctx, effects);
            }
        }
    }

    fn expire(&mut self, run_max: Duration, ctx: &mut Context<'_>, effects: &mut Vec<Effect>) {
        for at in 0..self.turns.len() {
            let turn = &self.turns[at];
            let limit = match turn.state {
                TurnState::Routing | TurnState::Running { .. } => run_max,
                // Whoever is at it drops what it has open as soon as it hears of the stop; that takes no time worth naming.
                TurnState::Stopping { .. } => Duration::from_secs(2),
                TurnState::Accepted
                | TurnState::AwaitingApproval { .. }
                | TurnState::WithPerson
                | TurnState::Completed
                | TurnState::Failed
                | TurnState::Cancelled => continue,
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
        let end = WaitEnd::by(&input);
        // An input that cannot happen now is late or repeated: it changes nothing.
        let Ok((next, turn_effects)) = self.turns[at].state.step(input) else {
            return;
        };
        let turn = &mut self.turns[at];
        let waited = std::mem::replace(&mut turn.state, next) == TurnState::WithPerson;
        turn.waiting_since = ctx.now;
        if let Some(Person { in_charge }) = self.person.as_ref().filter(|_| waited) {
            effects.push(Effect::WaitEnded {
                turn_id: turn.id,
                waited_ms: ctx.now.millis_since(turn.waits_since(in_charge)),
                end,
            });
        }
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
                self.record_active(at, &agent, ctx);
                effects.extend(self.take_unappended());
                effects.push(Effect::RunAgent {
                    agent,
                    request: self.turns[at].request(),
                });
            }
            TurnEffect::RecordHandOff { from, to, reason } => self.record_hand_off(at, from, to, reason, ctx),
            TurnEffect::RecordApprovalDropped => self.drop_approval(at, ctx),
            TurnEffect::StopAgent => effects.push(Effect::StopAgent(self.turns[at].run())),
            TurnEffect::RecordFailed(error) => self.end(at, EventBody::TurnFailed(TurnFailed { error }), None, ctx),
            TurnEffect::RecordCancelled(receipt) => self.record_cancelled(at, receipt, ctx),
            TurnEffect::Withdraw => self.withdraw(at, ctx),
            TurnEffect::RecordWithPerson => {
                self.record_with_person(at, ctx);
                effects.push(Effect::Waits(self.turns[at].id));
            }
            // These come with what somebody gave: `progress`, `pause`, `decide`, `finish`, `say` and `hand_back` perform them.
            TurnEffect::Keep
            | TurnEffect::RecordApprovalRequested
            | TurnEffect::RecordApprovalResolved
            | TurnEffect::RecordCompleted(_)
            | TurnEffect::RecordReply
            | TurnEffect::RecordHandedBack => {}
        }
    }

    /// Begins what may begin, and gives out what may leave.
    fn advance(&mut self, ctx: &mut Context<'_>) -> Vec<Effect> {
        let mut effects = self.take_unappended();
        let committed = self.committed_seq;
        for (_, reply_to, reply) in self.replies.extract_if(.., |(seq, ..)| *seq <= committed) {
            effects.push(Effect::Reply(reply_to, Self::as_of(reply, &self.keys, committed)));
        }
        let told = self.told.extract_if(.., |(seq, _)| *seq <= committed);
        effects.extend(told.map(|(_, durable)| Effect::Tell(durable)));
        let published = self.outbox.release(committed, self.id, ctx.now);
        if !published.is_empty() {
            effects.push(Effect::Publish(published));
        }
        self.let_go_of_ended(&mut effects, ctx.now);
        if self.person.is_some() {
            for at in 0..self.turns.len() {
                if self.turns[at].state == TurnState::Accepted && self.turns[at].begins_after <= committed {
                    self.step(at, TurnInput::BeginWithPerson, ctx, &mut effects);
                }
            }
            effects.extend(self.take_unappended());
        } else if self.agents_from <= committed
            && (self.turns.front())
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
            self.keep_decisions(&turn);
            let reply = turn
                .events
                .iter()
                .rev()
                .find_map(|recorded| match &recorded.event.body {
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
                events: turn.events,
            }));
        }
    }
}

#[cfg(test)]
mod tests;
