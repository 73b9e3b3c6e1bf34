//! A turn that waits for somebody's decision on what an agent wants to do, and one that an agent gives to another.
//!
//! What is asked and what is decided is on record; the agent that goes on then is told of both ([`Turn::past`]). What an agent wants at
//! once is asked at once, and each of it is decided by itself. Where nobody decides in time, that is decided which the request says. A decision on something that is decided already is a conflict, unless it is the
//! same.

use orchestratai_shared::event::Handoff;
use orchestratai_telemetry::ApprovalOutcome;

use super::*;

/// How often a turn may be given from one agent to another. Who has had it does not get it again.
const HAND_OFFS_MAX: usize = 4;
/// Decisions of ended turns that a session in memory still knows.
const DECISIONS_KEPT_MAX: usize = 32;
/// Who has decided where nobody did in time.
const TIME_LIMIT: &str = "time limit";
/// Why a request is resolved that nobody has to decide on any more.
const NOT_ASKED_FOR: &str = "It is not asked for any more.";

/// What became of a request for approval.
pub(crate) fn outcome_of(resolved: &ApprovalResolved) -> ApprovalOutcome {
    if resolved.by == TIME_LIMIT {
        return ApprovalOutcome::Expired;
    }
    if resolved.reason.as_deref() == Some(NOT_ASKED_FOR) {
        return ApprovalOutcome::Dropped;
    }
    match resolved.decision {
        Decision::Approved => ApprovalOutcome::Approved,
        Decision::Rejected => ApprovalOutcome::Rejected,
    }
}

/// What was decided in a turn, with the `seq` of each.
fn decisions_of(turn: &Turn) -> impl Iterator<Item = (u64, ApprovalResolved)> + '_ {
    turn.events.iter().filter_map(|recorded| match &recorded.event.body {
        EventBody::ApprovalResolved(resolved) => Some((recorded.event.seq, resolved.clone())),
        EventBody::MessageAccepted(_)
        | EventBody::RetrievalLog(_)
        | EventBody::AgentStatus(_)
        | EventBody::Handoff(_)
        | EventBody::ToolCall(_)
        | EventBody::ApprovalRequested(_)
        | EventBody::MessageCompleted(_)
        | EventBody::TurnFailed(_)
        | EventBody::TurnCancelled(_) => None,
    })
}

impl SessionCore {
    /// An agent stops without an answer.
    pub(super) fn pause(
        &mut self,
        run: Run,
        pause: Pause,
        used: Usage,
        ctx: &mut Context<'_>,
        effects: &mut Vec<Effect>,
    ) {
        let Some(at) = self.position(run) else { return };
        if matches!(
            self.turns[at].state,
            TurnState::Running { .. } | TurnState::Stopping { .. }
        ) {
            self.turns[at].used = self.turns[at].used.plus(used);
        }
        match pause {
            Pause::ClientCalls { calls, citations } => {
                // It has used what was just added up, and no more.
                let answer = Answer {
                    confidence: Confidence::new(0.0),
                    citations,
                    usage: Usage::default(),
                    cache_status: CacheStatus::None,
                    incomplete: None,
                };
                self.complete(at, &answer, calls, ctx, effects);
            }
            Pause::Approval(wanted) => {
                let Ok((next, turn_effects)) = self.turns[at].state.step(TurnInput::AwaitApproval) else {
                    return;
                };
                self.turns[at].state = next;
                for effect in turn_effects {
                    if effect == TurnEffect::RecordApprovalRequested {
                        for wanted in &wanted {
                            self.record_approval_requested(at, wanted, ctx);
                        }
                        effects.extend(self.take_unappended());
                        effects.push(Effect::Waits(self.turns[at].id));
                    } else {
                        self.perform(at, effect, ctx, effects);
                    }
                }
            }
            Pause::HandOff { to, reason } => {
                let input = if self.turns[at].may_be_given_to(&to) {
                    TurnInput::HandOff { to, reason }
                } else {
                    let words = format!("The agents give the question to each other in a circle: {to} has had it.");
                    TurnInput::AgentFailed(Failure::new(ErrorCode::InternalError, words))
                };
                self.step(at, input, ctx, effects);
            }
        }
    }

    fn record_approval_requested(&mut self, at: usize, wanted: &ApprovalWanted, ctx: &mut Context<'_>) {
        let TurnState::AwaitingApproval { agent, .. } = &self.turns[at].state else {
            return;
        };
        let within = i64::try_from(wanted.rule.within.as_millis()).unwrap_or(i64::MAX);
        let request = ApprovalRequested {
            approval_id: ApprovalId((ctx.new_id)()),
            tool: wanted.tool.clone(),
            arguments: wanted.arguments.clone(),
            reason: wanted.rule.reason.clone(),
            expires_at: Timestamp::from_millis(ctx.now.as_millis().saturating_add(within)),
            otherwise: wanted.rule.otherwise_approved.then_some(Decision::Approved),
            call_id: wanted.call_id.clone(),
            agent: Some(agent.clone()),
            round: wanted.round,
            place: wanted.place,
            signature: wanted.signature.clone(),
            spent: self.turns[at].spent(),
        };
        self.turns[at].approvals.push(request.clone());
        self.record(at, EventBody::ApprovalRequested(request), ctx);
    }

    /// Somebody decides.
    pub(super) fn decide(&mut self, decide: Decide, ctx: &mut Context<'_>, effects: &mut Vec<Effect>) {
        let Decide {
            approval_id,
            decision,
            arguments,
            by,
            reason,
            reply_to,
        } = decide;
        let waits = |turn: &Turn| {
            let mut requests = turn.approvals.iter();
            requests.any(|request| request.approval_id == approval_id)
        };
        let resolved = ApprovalResolved {
            approval_id,
            decision,
            by,
            reason,
            arguments: arguments.filter(|_| decision == Decision::Approved),
        };
        if let Some(at) = self.turns.iter().position(waits) {
            self.record_decision(at, resolved.clone(), ctx, effects);
            return self.replies.push((self.last_seq, reply_to, Reply::Decided(resolved)));
        }
        let reply = match self.decided(approval_id) {
            // Said twice.
            Some((seq, known)) if known.decision == decision && known.by == resolved.by => {
                return self.replies.push((seq, reply_to, Reply::Decided(known)));
            }
            Some((_, known)) => {
                let words = format!("It has been decided by {}.", known.by);
                Reply::Refused(Refusal::new(ErrorCode::Conflict, words))
            }
            None => {
                let words = format!("No approval {approval_id} waits for a decision.");
                Reply::Refused(Refusal::new(ErrorCode::NotFound, words))
            }
        };
        effects.push(Effect::Reply(reply_to, reply));
    }

    /// On how many requests of a turn nobody has decided yet.
    #[must_use]
    pub fn decisions_awaited(&self, turn_id: TurnId) -> usize {
        let turn = self.turns.iter().find(|turn| turn.id == turn_id);
        turn.map_or(0, |turn| turn.approvals.len())
    }

    fn decided(&self, approval_id: ApprovalId) -> Option<(u64, ApprovalResolved)> {
        let ended = self.decisions.iter().cloned();
        let mut all = self.turns.iter().flat_map(decisions_of).chain(ended);
        all.find(|(_, resolved)| resolved.approval_id == approval_id)
    }

    /// Keeps what was decided in a turn that has ended: who has not heard the answer, since a connection or a node was lost, decides once more.
    pub(super) fn keep_decisions(&mut self, turn: &Turn) {
        self.decisions.extend(decisions_of(turn));
        let beyond = self.decisions.len().saturating_sub(DECISIONS_KEPT_MAX);
        self.decisions.drain(..beyond);
    }

    fn record_decision(
        &mut self,
        at: usize,
        resolved: ApprovalResolved,
        ctx: &mut Context<'_>,
        effects: &mut Vec<Effect>,
    ) {
        let is_open = |request: &ApprovalRequested| request.approval_id != resolved.approval_id;
        let is_last = !self.turns[at].approvals.iter().any(is_open);
        let input = match is_last {
            true => TurnInput::Decided,
            false => TurnInput::DecidedInPart,
        };
        let Ok((next, turn_effects)) = self.turns[at].state.step(input) else {
            return;
        };
        let turn = &mut self.turns[at];
        turn.approvals.retain(is_open);
        (turn.state, turn.waiting_since) = (next, ctx.now);
        if is_last {
            // Its agent begins anew: what the run before says late is not this one's.
            turn.leg += 1;
            effects.push(Effect::GoesOn(turn.id));
        }
        for effect in turn_effects {
            if effect == TurnEffect::RecordApprovalResolved {
                if is_last {
                    self.withdraw_answer(at, "The agent goes on after a decision.");
                }
                self.record(at, EventBody::ApprovalResolved(resolved.clone()), ctx);
            } else {
                self.perform(at, effect, ctx, effects);
            }
        }
    }

    /// Decides what nobody has decided in time.
    pub(super) fn expire_approvals(&mut self, ctx: &mut Context<'_>, effects: &mut Vec<Effect>) {
        for at in 0..self.turns.len() {
            let expired = |request: &&ApprovalRequested| request.expires_at <= ctx.now;
            let expired: Vec<ApprovalResolved> = (self.turns[at].approvals.iter().filter(expired))
                .map(|request| ApprovalResolved {
                    approval_id: request.approval_id,
                    decision: request.otherwise.unwrap_or(Decision::Rejected),
                    by: TIME_LIMIT.to_owned(),
                    reason: Some("Nobody has decided in time.".to_owned()),
                    arguments: None,
                })
                .collect();
            for resolved in expired {
                self.record_decision(at, resolved, ctx, effects);
            }
        }
    }

    /// Nobody need decide any more: the turn is stopped, or a person's.
    pub(super) fn drop_approval(&mut self, at: usize, ctx: &mut Context<'_>) {
        let by = match &self.person {
            Some(person) => person.in_charge.name.clone(),
            None => "cancel".to_owned(),
        };
        for request in std::mem::take(&mut self.turns[at].approvals) {
            let resolved = ApprovalResolved {
                approval_id: request.approval_id,
                decision: Decision::Rejected,
                by: by.clone(),
                reason: Some(NOT_ASKED_FOR.to_owned()),
                arguments: None,
            };
            self.record(at, EventBody::ApprovalResolved(resolved), ctx);
        }
    }

    pub(super) fn record_hand_off(
        &mut self,
        at: usize,
        from: AgentId,
        to: AgentId,
        reason: String,
        ctx: &mut Context<'_>,
    ) {
        let turn = &mut self.turns[at];
        let spent = turn.spent();
        turn.leg += 1;
        turn.handed_to = Some(to.clone());
        turn.concerns.clear();
        self.record_status(at, from.clone(), AgentStatus::Idle, ctx);
        let said_why = reason.clone();
        let handoff = Handoff {
            from,
            to,
            reason,
            by: None,
            spent,
        };
        self.record(at, EventBody::Handoff(handoff), ctx);
        // Behind the event, so that who reads both knows why.
        self.withdraw_answer(at, &said_why);
    }
}

impl Turn {
    /// What it has used by now, as it stands on record.
    fn spent(&self) -> Option<Spent> {
        (self.used.tokens > 0).then_some(Spent {
            tokens_used: self.used.tokens,
            prompt_tokens: Some(self.used.prompt_tokens),
            cost: self.used.cost,
            unpriced_tokens: self.used.unpriced(),
        })
    }

    fn recover_used(&mut self, spent: Option<&Spent>) {
        if let Some(spent) = spent {
            self.used = Usage {
                tokens: spent.tokens_used,
                // A turn that waits since they were not told apart.
                prompt_tokens: spent.prompt_tokens.unwrap_or(0),
                cost: spent.cost,
                unpriced_tokens: spent.unpriced_tokens.unwrap_or(0),
            };
        }
    }

    /// What it has done so far that an agent has to know.
    pub(super) fn past(&self) -> Vec<Arc<Event>> {
        let counts = |recorded: &&Recorded| match &recorded.event.body {
            EventBody::ToolCall(_)
            | EventBody::ApprovalRequested(_)
            | EventBody::ApprovalResolved(_)
            | EventBody::Handoff(_) => true,
            EventBody::MessageAccepted(_)
            | EventBody::RetrievalLog(_)
            | EventBody::AgentStatus(_)
            | EventBody::MessageCompleted(_)
            | EventBody::TurnFailed(_)
            | EventBody::TurnCancelled(_) => false,
        };
        let past = self.events.iter().filter(counts);
        past.map(|recorded| Arc::clone(&recorded.event)).collect()
    }

    /// Whether another agent may give it to this one: it has not had it.
    fn may_be_given_to(&self, to: &AgentId) -> bool {
        let (mut count, mut has_had_it) = (0, false);
        for recorded in &self.events {
            if let EventBody::Handoff(handoff) = &recorded.event.body {
                count += 1;
                has_had_it |= handoff.from == *to || handoff.to == *to;
            }
        }
        count < HAND_OFFS_MAX && !has_had_it
    }

    /// Finds out from its events whether it waits for a decision, and who was given it.
    pub(super) fn recover_waiting(&mut self) {
        let mut agent = AgentId::orchestrator();
        for event in self.past() {
            match &event.body {
                EventBody::ApprovalRequested(request) => {
                    agent = request.agent.clone().unwrap_or_else(AgentId::orchestrator);
                    self.approvals.push(request.clone());
                    self.recover_used(request.spent.as_ref());
                }
                EventBody::ApprovalResolved(resolved) => {
                    self.approvals
                        .retain(|request| request.approval_id != resolved.approval_id);
                }
                EventBody::Handoff(handoff) => {
                    if !handoff.to.is_person() {
                        self.handed_to = Some(handoff.to.clone());
                    }
                    self.recover_used(handoff.spent.as_ref());
                }
                EventBody::ToolCall(_)
                | EventBody::MessageAccepted(_)
                | EventBody::RetrievalLog(_)
                | EventBody::AgentStatus(_)
                | EventBody::MessageCompleted(_)
                | EventBody::TurnFailed(_)
                | EventBody::TurnCancelled(_) => {}
            }
        }
        if !self.approvals.is_empty() && self.state == TurnState::Accepted {
            self.state = TurnState::AwaitingApproval {
                agent,
                fallbacks: Vec::new(),
            };
        }
    }
}
