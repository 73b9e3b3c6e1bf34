//! What people ask of a session: to take a message, to stop a turn.

use super::*;

impl SessionCore {
    pub(super) fn submit(
        &mut self,
        client_message_id: ClientMessageId,
        said: UserMessage,
        reply_to: ReplyTo,
        ctx: &mut Context<'_>,
        effects: &mut Vec<Effect>,
    ) {
        if let Some(key) = self.keys.get(&client_message_id).copied() {
            // The first acceptance may still be on its way to the disk: then this answer waits for it too.
            let repeated = Reply::Repeated {
                client_message_id,
                content: said.content,
                key,
            };
            self.replies.push((key.accepted_seq, reply_to, repeated));
            return;
        }
        let open = self.turns.iter().filter(|turn| !turn.state.is_terminal()).count();
        // A person reads all that is said, whatever agents would do with it.
        let double_texting = match self.person {
            Some(_) => DoubleTexting::Enqueue,
            None => self.policy.double_texting,
        };
        let refusal = match double_texting {
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
        if double_texting == DoubleTexting::Interrupt {
            for at in 0..self.turns.len() {
                self.step(at, TurnInput::Cancel, ctx, effects);
            }
        }
        self.accept(client_message_id, said, reply_to, ctx);
    }

    pub(super) fn accept(
        &mut self,
        client_message_id: ClientMessageId,
        said: UserMessage,
        reply_to: ReplyTo,
        ctx: &mut Context<'_>,
    ) {
        let message = Message {
            id: MessageId((ctx.new_id)()),
            role: MessageRole::User,
            content: said.content.as_str().to_owned(),
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
            fresh: said.fresh,
            addressee: said.addressee.clone(),
            context: Arc::clone(&said.context),
            client_tools: said.client_tools.clone(),
            called: Arc::clone(&said.called),
        };
        let reply = Reply::Accepted {
            turn_id,
            message_id: message.id,
            seq,
        };
        self.turns.push_back(Turn {
            id: turn_id,
            message,
            said,
            client_message_id,
            state: TurnState::Accepted,
            attempt: 1,
            leg: 0,
            intent: Intent::DomainQuestion,
            concerns: Vec::new(),
            begins_after: seq,
            waiting_since: ctx.now,
            answer: PartialAnswer::default(),
            events: Vec::with_capacity(10),
            ended_seq: None,
            cancels: Vec::new(),
            approvals: Vec::new(),
            used: Usage::default(),
            lacks_advice: false,
            handed_to: None,
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

    /// The turn that a user's message waits in for its answer, the running one included; none where it has been answered.
    #[must_use]
    pub fn turn_of_message(&self, message_id: MessageId) -> Option<TurnId> {
        let turn = self.turns.iter().find(|turn| turn.message.id == message_id);
        turn.map(|turn| turn.id)
    }

    pub(super) fn cancel(
        &mut self,
        turn_id: Option<TurnId>,
        reply_to: ReplyTo,
        ctx: &mut Context<'_>,
        effects: &mut Vec<Effect>,
    ) {
        let at = match turn_id {
            Some(turn_id) => self.turns.iter().position(|turn| turn.id == turn_id),
            // The running one, or the one that is about to run: those behind a turn whose end is not durable yet are queued.
            None => (self.turns.iter())
                .position(|turn| !turn.state.is_terminal() && turn.state != TurnState::Accepted)
                .or_else(|| {
                    self.turns
                        .front()
                        .filter(|turn| turn.state == TurnState::Accepted)
                        .map(|_| 0)
                }),
        };
        match at {
            Some(at) => {
                self.turns[at].cancels.push(reply_to);
                self.step(at, TurnInput::Cancel, ctx, effects);
            }
            None => effects.push(Effect::Reply(reply_to, Reply::NoOpenTurn)),
        }
    }
}
