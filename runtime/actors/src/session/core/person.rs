//! A person in the agents' place: how the session is taken over, what the person says, how it is given back.
//!
//! While a person has the session every accepted message begins a turn that waits for them. It counts as no attempt, and a crash
//! changes nothing about it. What the person says ends the oldest turn that waits; where none does, it is a turn of its own, which
//! begins and ends with the message and bears its id.

use orchestratai_shared::event::Handoff;

use super::*;

/// The person who has the session.
#[derive(Debug, Clone)]
pub(super) struct Person {
    pub(super) in_charge: PersonInCharge,
}

impl SessionCore {
    /// The person who has the session, if one does.
    #[must_use]
    pub fn person(&self) -> Option<&PersonInCharge> {
        self.person.as_ref().map(|person| &person.in_charge)
    }

    /// The turn of a message, and whose word it waits for, if it does.
    #[must_use]
    pub fn awaited_by(&self, client_message_id: ClientMessageId) -> Option<(TurnId, Awaited)> {
        let turn = (self.turns.iter()).find(|turn| turn.client_message_id == client_message_id)?;
        let awaited = match (&turn.state, turn.approvals.first()) {
            (TurnState::WithPerson, _) => Awaited::Person(self.person()?.clone()),
            (TurnState::AwaitingApproval { .. }, Some(request)) => Awaited::Approval(Box::new(request.clone())),
            (_, _) => return None,
        };
        Some((turn.id, awaited))
    }

    /// Whether all that is open waits for a person's word, and nothing for a commit.
    #[must_use]
    pub fn only_waits(&self) -> bool {
        self.turns.iter().all(|turn| turn.state.waits_for_word()) && self.outbox.is_empty() && self.replies.is_empty()
    }

    /// Open turns that are at work or are about to be, oldest first.
    pub fn turns_of_agents(&self) -> impl Iterator<Item = TurnId> + '_ {
        let of_agents = self.turns.iter().filter(|turn| !turn.state.waits_for_word());
        of_agents.map(|turn| turn.id)
    }

    pub(super) fn take_over(&mut self, take_over: TakeOver, ctx: &mut Context<'_>, effects: &mut Vec<Effect>) {
        let TakeOver {
            name,
            reason,
            interrupt,
            reply_to,
        } = take_over;
        match self.person() {
            Some(present) if present.name != name => {
                let words = format!("{} has the session: it has to be given back first.", present.name);
                let refusal = Refusal::new(ErrorCode::Conflict, words);
                return effects.push(Effect::Reply(reply_to, Reply::Refused(refusal)));
            }
            // A repeat, or a second thought about the agent that is at work.
            Some(_) => {}
            None => {
                let reason = reason.unwrap_or_else(|| format!("{name} has taken the session over."));
                self.record_handoff(AgentId::orchestrator(), AgentId::person(), reason, name.clone(), ctx);
                let since = ctx.now;
                self.person = Some(Person {
                    in_charge: PersonInCharge { name, since },
                });
            }
        }
        if interrupt {
            for at in 0..self.turns.len() {
                self.step(at, TurnInput::Interrupt, ctx, effects);
            }
        }
        let reply = Reply::InCharge(self.person().cloned());
        self.replies.push((self.last_seq, reply_to, reply));
    }

    pub(super) fn say(&mut self, say: Say, ctx: &mut Context<'_>, effects: &mut Vec<Effect>) {
        let Say {
            client_message_id,
            content,
            turn_id,
            reply_to,
        } = say;
        if let Some(key) = self.keys.get(&client_message_id).copied() {
            let repeated = Reply::Repeated {
                client_message_id,
                content,
                key,
            };
            return self.replies.push((key.accepted_seq, reply_to, repeated));
        }
        if self.person.is_none() {
            let words = "Nobody has taken this session over.";
            let refusal = Refusal::new(ErrorCode::Conflict, words);
            return effects.push(Effect::Reply(reply_to, Reply::Refused(refusal)));
        }
        let is_meant = |turn: &Turn| turn_id.is_none_or(|turn_id| turn.id == turn_id);
        let at = (self.turns.iter()).position(|turn| turn.state == TurnState::WithPerson && is_meant(turn));
        let (turn_id, message) = match (at, turn_id) {
            (Some(at), _) => self.answer_by_person(at, client_message_id, content, ctx, effects),
            (None, None) => self.say_unasked(client_message_id, content, ctx),
            (None, Some(turn_id)) => {
                let words = "The turn does not wait for a person.";
                let refusal = Refusal::new(ErrorCode::Conflict, words).of_turn(turn_id);
                return effects.push(Effect::Reply(reply_to, Reply::Refused(refusal)));
            }
        };
        let seq = self.last_seq;
        let key = Key {
            turn_id,
            accepted_seq: seq,
            ended_seq: Some(seq),
        };
        self.keys.insert(client_message_id, key);
        let said = Said {
            turn_id,
            message,
            seq,
            repeated: false,
        };
        self.replies.push((seq, reply_to, Reply::Said(said)));
    }

    /// Ends a turn that waits with what the person says.
    fn answer_by_person(
        &mut self,
        at: usize,
        client_message_id: ClientMessageId,
        content: MessageContent,
        ctx: &mut Context<'_>,
        effects: &mut Vec<Effect>,
    ) -> (TurnId, Message) {
        self.step(at, TurnInput::PersonReplied, ctx, effects);
        self.record_status(at, AgentId::person(), AgentStatus::Complete, ctx);
        let turn = &mut self.turns[at];
        // Where the answer of an agent was withdrawn, this one stands in its place.
        let id = *turn.answer.message_id.get_or_insert_with(|| MessageId((ctx.new_id)()));
        let (turn_id, since, used) = (turn.id, turn.message.timestamp, turn.used);
        let message = self.message_of_person(id, &content, ctx);
        let completed = completed_by_person(message.clone(), ctx.now.millis_since(since), client_message_id, used);
        self.end(at, EventBody::MessageCompleted(completed), None, ctx);
        (turn_id, message)
    }

    /// Records what the person says although no turn waits.
    fn say_unasked(
        &mut self,
        client_message_id: ClientMessageId,
        content: MessageContent,
        ctx: &mut Context<'_>,
    ) -> (TurnId, Message) {
        let id = MessageId((ctx.new_id)());
        let turn_id = TurnId(id.0);
        let message = self.message_of_person(id, &content, ctx);
        let completed = completed_by_person(message.clone(), 0, client_message_id, Usage::default());
        self.record_event(Some(turn_id), EventBody::MessageCompleted(completed), None, ctx);
        (turn_id, message)
    }

    fn message_of_person(&self, id: MessageId, content: &MessageContent, ctx: &Context<'_>) -> Message {
        Message {
            id,
            role: MessageRole::Assistant,
            content: content.as_str().to_owned(),
            agent: Some(AgentId::person()),
            confidence: None,
            timestamp: ctx.now,
            session_id: self.id,
        }
    }

    pub(super) fn release(&mut self, release: Release, ctx: &mut Context<'_>, effects: &mut Vec<Effect>) {
        let Release { name, reason, reply_to } = release;
        if let Some(person) = self.person() {
            let name = name.unwrap_or_else(|| person.name.clone());
            let reason = reason.unwrap_or_else(|| format!("{name} has given the session back."));
            let why = format!("{name} has given the session back to the agents.");
            self.record_handoff(AgentId::person(), AgentId::orchestrator(), reason, name, ctx);
            self.hand_back(&TurnInput::HandBack, LogStatus::Success, &why, ctx, effects);
        }
        self.replies.push((self.last_seq, reply_to, Reply::InCharge(None)));
    }

    /// Gives the session back where the person has left a turn waiting for too long: so long nobody has said anything that
    /// somebody waits for, and would not say it to the next one either.
    pub(super) fn expire_person(&mut self, ctx: &mut Context<'_>, effects: &mut Vec<Effect>) {
        let Some(person) = self.person().cloned() else { return };
        let waited_ms = |turn: &Turn| ctx.now.millis_since(turn.waits_since(&person));
        let longest = (self.turns.iter())
            .filter(|turn| turn.state == TurnState::WithPerson)
            .map(waited_ms)
            .max();
        if longest.is_none_or(|waited_ms| u128::from(waited_ms) < self.policy.person_max.as_millis()) {
            return;
        }
        let why = format!(
            "{} has not answered in time, so the agents have the session again.",
            person.name
        );
        self.record_handoff(
            AgentId::person(),
            AgentId::orchestrator(),
            why.clone(),
            person.name,
            ctx,
        );
        self.hand_back(&TurnInput::Expire, LogStatus::Warning, &why, ctx, effects);
    }

    /// The turns that wait are the agents' again, one after the other.
    fn hand_back(
        &mut self,
        input: &TurnInput,
        status: LogStatus,
        why: &str,
        ctx: &mut Context<'_>,
        effects: &mut Vec<Effect>,
    ) {
        for at in 0..self.turns.len() {
            if self.turns[at].state != TurnState::WithPerson {
                continue;
            }
            self.step(at, input.clone(), ctx, effects);
            let title = "Given back to the agents".to_owned();
            self.record_person_log(at, title, AgentId::orchestrator(), status, why.to_owned(), ctx);
            self.record_status(at, AgentId::person(), AgentStatus::Idle, ctx);
            self.turns[at].begins_after = self.last_seq;
        }
        self.person = None;
        self.agents_from = self.last_seq;
    }

    /// A turn waits for the person from now on.
    pub(super) fn record_with_person(&mut self, at: usize, ctx: &mut Context<'_>) {
        let name = self.person().map(|person| person.name.clone()).unwrap_or_default();
        let was_cut_off =
            self.turns[at].leg == 0 && self.turns[at].last_agent().is_some_and(|agent| !agent.is_person());
        let (status, before) = match was_cut_off {
            true => (LogStatus::Warning, "The answer of the agents was cut off. "),
            false => (LogStatus::Success, ""),
        };
        let reasoning = format!("{before}{name} has taken the session over, and the message waits for them.");
        self.record_person_log(
            at,
            format!("Waits for {name}"),
            AgentId::person(),
            status,
            reasoning,
            ctx,
        );
        self.record_status(at, AgentId::person(), AgentStatus::Active, ctx);
    }

    /// The agents at work on a turn are to go on no more. What they say from now on is of a run that is over.
    pub(super) fn withdraw(&mut self, at: usize, ctx: &mut Context<'_>) {
        for agent in self.turns[at].busy_agents() {
            self.record_status(at, agent, AgentStatus::Idle, ctx);
        }
        self.turns[at].leg += 1;
        self.turns[at].concerns.clear();
        self.withdraw_answer(at, "A person has taken the session over.");
    }

    fn record_person_log(
        &mut self,
        at: usize,
        title: String,
        target_agent: AgentId,
        status: LogStatus,
        reasoning: String,
        ctx: &mut Context<'_>,
    ) {
        let analysis = QueryAnalysis {
            intent: self.turns[at].intent,
            confidence: Confidence::new(0.0),
            target_agent,
            reasoning,
            attempt: None,
        };
        self.record_log(at, None, title, status, LogData::Routing(analysis), ctx);
    }

    /// The session as a whole changes hands: of no turn.
    fn record_handoff(&mut self, from: AgentId, to: AgentId, reason: String, name: String, ctx: &mut Context<'_>) {
        let by = Some(name);
        self.record_event(
            None,
            EventBody::Handoff(Handoff {
                from,
                to,
                reason,
                by,
                spent: None,
            }),
            None,
            ctx,
        );
    }
}

impl Turn {
    /// Since when it waits for the person who has the session.
    pub(super) fn waits_since(&self, person: &PersonInCharge) -> Timestamp {
        person.since.max(self.message.timestamp)
    }

    /// Whether it waits for a person, by its events.
    pub(super) fn is_with_person(events: &[Event]) -> bool {
        let last = events.iter().rev().find_map(|event| match &event.body {
            EventBody::AgentStatus(changed) if changed.agent.is_person() => Some(changed.status),
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
        });
        last == Some(AgentStatus::Active)
    }

    /// Agents that are routing or active by what was said last of each.
    fn busy_agents(&self) -> Vec<AgentId> {
        let mut last: Vec<(&AgentId, AgentStatus)> = Vec::new();
        for recorded in &self.events {
            if let EventBody::AgentStatus(changed) = &recorded.event.body {
                last.retain(|(agent, _)| **agent != changed.agent);
                last.push((&changed.agent, changed.status));
            }
        }
        let is_busy = |status: &AgentStatus| matches!(status, AgentStatus::Routing | AgentStatus::Active);
        last.into_iter()
            .filter(|(_, status)| is_busy(status))
            .map(|(agent, _)| agent.clone())
            .collect()
    }
}

/// What a person says costs no tokens, though agents that were at it before may have `used` some, and nobody has measured how sure they are.
fn completed_by_person(
    message: Message,
    latency_ms: u64,
    client_message_id: ClientMessageId,
    used: Usage,
) -> MessageCompleted {
    let (sent, written) = used.sent_and_written().unzip();
    #[expect(clippy::cast_precision_loss, reason = "a turn of 2^53 milliseconds is not to be had")]
    let metrics = ChatMetrics {
        tokens_used: used.tokens,
        prompt_tokens: sent,
        completion_tokens: written,
        cost: used.cost,
        unpriced_tokens: used.unpriced(),
        latency: latency_ms as f64,
        cache_status: CacheStatus::None,
    };
    MessageCompleted {
        message,
        metrics,
        citations: Vec::new(),
        client_message_id: Some(client_message_id),
        calls: Vec::new(),
        incomplete: None,
    }
}
