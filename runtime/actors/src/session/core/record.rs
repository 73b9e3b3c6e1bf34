//! How what happens is recorded: each durable event gets its number here, and its place in the order of all that leaves.

use super::*;

impl SessionCore {
    pub(super) fn take_up_head(&mut self, ctx: &mut Context<'_>) {
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
        self.record_log(0, None, title, LogStatus::Warning, LogData::Routing(analysis), ctx);
        self.turns[0].begins_after = self.last_seq;
    }

    pub(super) fn record_routing(&mut self, at: usize, decision: RoutingDecision, ctx: &mut Context<'_>) {
        let attempt = Some(self.turns[at].attempt).filter(|attempt| *attempt > 1);
        let (title, reasoning) = parts::routed(&decision);
        let analysis = QueryAnalysis {
            intent: decision.intent,
            confidence: decision.confidence,
            target_agent: decision.agent,
            reasoning,
            attempt,
        };
        (self.turns[at].intent, self.turns[at].concerns) = (decision.intent, decision.concerns);
        let status = match std::mem::take(&mut self.turns[at].lacks_advice) {
            true => LogStatus::Warning,
            false => LogStatus::Success,
        };
        self.record_log(at, None, title, status, LogData::Routing(analysis), ctx);
        self.record_status(at, AgentId::orchestrator(), AgentStatus::Routing, ctx);
    }

    pub(super) fn record_fallback(
        &mut self,
        at: usize,
        from: &AgentId,
        to: &AgentId,
        failure: &Failure,
        ctx: &mut Context<'_>,
    ) {
        self.turns[at].leg += 1;
        // Whoever takes over answers the whole message.
        self.turns[at].concerns.clear();
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
        self.record_log(at, None, title, LogStatus::Warning, LogData::Routing(analysis), ctx);
        self.record_status(at, from.clone(), AgentStatus::Idle, ctx);
    }

    pub(super) fn record_status(&mut self, at: usize, agent: AgentId, status: AgentStatus, ctx: &mut Context<'_>) {
        self.record(at, EventBody::AgentStatus(AgentStatusChanged { agent, status }), ctx);
    }

    pub(super) fn record_log(
        &mut self,
        at: usize,
        agent: Option<AgentId>,
        title: String,
        status: LogStatus,
        data: LogData,
        ctx: &mut Context<'_>,
    ) {
        let log = RetrievalLog {
            id: LogId((ctx.new_id)()),
            data,
            title,
            timestamp: ctx.now,
            status,
            chunks: None,
            session_id: self.id,
            message_id: self.turns[at].message.id,
            agent,
        };
        self.record(at, EventBody::RetrievalLog(log), ctx);
    }

    pub(super) fn record_completed(
        &mut self,
        at: usize,
        agent: AgentId,
        answer: &Answer,
        calls: Vec<ClientCall>,
        ctx: &mut Context<'_>,
    ) {
        // Several agents are complete when their parts are.
        if self.turns[at].concerns.is_empty() {
            self.record_status(at, agent.clone(), AgentStatus::Complete, ctx);
        }
        if agent.as_str() != AgentId::ORCHESTRATOR {
            self.record_status(at, AgentId::orchestrator(), AgentStatus::Complete, ctx);
        }
        let turn = &mut self.turns[at];
        let message = Message {
            id: *turn.answer.message_id.get_or_insert_with(|| MessageId((ctx.new_id)())),
            role: MessageRole::Assistant,
            content: turn.answer.text.clone(),
            agent: Some(agent),
            // What has no answer yet is not sure of any.
            confidence: calls.is_empty().then_some(answer.confidence),
            timestamp: ctx.now,
            session_id: self.id,
        };
        let used = turn.used.plus(answer.usage);
        let (sent, written) = used.sent_and_written().unzip();
        #[expect(clippy::cast_precision_loss, reason = "a turn of 2^53 milliseconds is not to be had")]
        let metrics = ChatMetrics {
            tokens_used: used.tokens,
            prompt_tokens: sent,
            completion_tokens: written,
            cost: used.cost,
            unpriced_tokens: used.unpriced(),
            latency: ctx.now.millis_since(turn.message.timestamp) as f64,
            cache_status: answer.cache_status,
        };
        let completed = MessageCompleted {
            message,
            metrics,
            citations: answer.citations.clone(),
            client_message_id: None,
            calls,
            incomplete: answer.incomplete,
        };
        self.end(at, EventBody::MessageCompleted(completed), None, ctx);
    }

    pub(super) fn record_cancelled(&mut self, at: usize, receipt: Receipt, ctx: &mut Context<'_>) {
        let turn = &mut self.turns[at];
        let (text, used) = (std::mem::take(&mut turn.answer.text), turn.used);
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
            tokens_billed: receipt.tokens_billed.saturating_add(used.tokens),
        };
        self.end(at, EventBody::TurnCancelled(cancelled), kept, ctx);
    }

    pub(super) fn end(&mut self, at: usize, body: EventBody, kept: Option<Message>, ctx: &mut Context<'_>) {
        self.record_with(at, body, kept, ctx);
        let seq = self.last_seq;
        let turn = &mut self.turns[at];
        turn.ended_seq = Some(seq);
        if let Some(key) = self.keys.get_mut(&turn.client_message_id) {
            key.ended_seq = Some(seq);
        }
    }

    pub(super) fn record(&mut self, at: usize, body: EventBody, ctx: &mut Context<'_>) {
        self.record_with(at, body, None, ctx);
    }

    pub(super) fn record_with(&mut self, at: usize, body: EventBody, kept: Option<Message>, ctx: &mut Context<'_>) {
        let recorded = self.record_event(Some(self.turns[at].id), body, kept, ctx);
        self.turns[at].events.push(recorded);
    }

    /// Records an event of any turn, or of none.
    pub(super) fn record_event(
        &mut self,
        turn_id: Option<TurnId>,
        body: EventBody,
        kept: Option<Message>,
        ctx: &mut Context<'_>,
    ) -> Recorded {
        self.last_seq += 1;
        let event = Arc::new(Event {
            seq: self.last_seq,
            session_id: self.id,
            turn_id,
            at: ctx.now,
            body,
        });
        let frame = self.outbox.hold_event(&event);
        let recorded = Recorded {
            event: Arc::clone(&event),
            text: frame.clone(),
        };
        self.unappended.push(JournalEntry { event, frame, kept });
        recorded
    }

    pub(super) fn take_unappended(&mut self) -> Vec<Effect> {
        if self.unappended.is_empty() {
            vec![]
        } else {
            vec![Effect::Append(std::mem::take(&mut self.unappended))]
        }
    }

    pub(super) fn extend_answer(&mut self, at: usize, text: &str, ctx: &mut Context<'_>) {
        if text.is_empty() {
            return;
        }
        let turn = &mut self.turns[at];
        let message_id = *turn.answer.message_id.get_or_insert_with(|| MessageId((ctx.new_id)()));
        self.outbox
            .hold_delta(turn.id, message_id, turn.answer.text.len(), text);
        turn.answer.text.push_str(text);
    }

    pub(super) fn withdraw_answer(&mut self, at: usize, reason: &str) {
        let turn = &mut self.turns[at];
        if let Some(message_id) = turn.answer.message_id.filter(|_| !turn.answer.text.is_empty()) {
            turn.answer.text.clear();
            self.outbox.hold_reset(turn.id, message_id, reason);
        }
    }
}
