//! What clients and persons say and ask for.

use super::*;

impl World {
    pub(super) fn submit(&mut self, at: usize) -> Checked {
        let key = ClientMessageId(self.new_id());
        let content = MessageContent::parse(format!("question {}", self.ids & 0xffff)).expect("it is short");
        self.sessions[at].said.push((key, content.clone()));
        self.submit_with(at, key, content)
    }

    pub(super) fn submit_again(&mut self, at: usize) -> Checked {
        let Some((key, content)) = self.sessions[at].said.choose(&mut self.random).cloned() else {
            return Ok(());
        };
        self.faults += 1;
        self.submit_with(at, key, content)
    }

    pub(super) fn submit_with(
        &mut self,
        at: usize,
        client_message_id: ClientMessageId,
        content: MessageContent,
    ) -> Checked {
        let reply_to = self.sessions[at].expect_reply(Waiting::Submit);
        self.give(
            at,
            Input::Submit {
                client_message_id,
                said: UserMessage::new(content),
                reply_to,
            },
        )
    }

    pub(super) fn cancel(&mut self, at: usize) -> Checked {
        let open: Vec<_> = self.core(at).open_turn_ids().collect();
        let Some(turn_id) = open.choose(&mut self.random).copied() else {
            return Ok(());
        };
        self.cancel_turn(at, turn_id)
    }

    pub(super) fn cancel_turn(&mut self, at: usize, turn_id: TurnId) -> Checked {
        let session = &mut self.sessions[at];
        let reply_to = session.expect_reply(Waiting::Cancel(turn_id));
        self.note(at, turn_id, "cancel");
        self.give(
            at,
            Input::Cancel {
                turn_id: Some(turn_id),
                reply_to,
            },
        )?;
        if let Some(ledger) = self.sessions[at].turns.get_mut(&turn_id) {
            ledger.cancel_asked = true;
            ledger.said_at_cancel = Some((ledger.withdrawn, ledger.said.len()));
        }
        Ok(())
    }

    pub(super) fn take_over(&mut self, at: usize) -> Checked {
        let interrupt = self.random.random_bool(0.5);
        let name = ["Kim", "Kim", "Sam"].choose(&mut self.random).expect("there are names");
        let open: Vec<_> = self.core(at).open_turn_ids().collect();
        if interrupt {
            for turn_id in &open {
                self.note(at, *turn_id, "interrupt");
            }
        }
        let reply_to = self.sessions[at].expect_reply(Waiting::TakeOver);
        let waited = |world: &Self, turn_id| {
            let turn = world.core(at).turn(turn_id);
            turn.is_some_and(|(state, _)| *state == TurnState::WithPerson)
        };
        let before: Vec<_> = open
            .iter()
            .filter(|turn_id| !waited(self, **turn_id))
            .copied()
            .collect();
        let take_over = TakeOver {
            name: (*name).to_owned(),
            reason: None,
            interrupt,
            reply_to,
        };
        self.trace(|| format!("session {at} ← {take_over:?}"));
        let effects = self.handle(at, Input::TakeOver(take_over));
        for turn_id in before {
            // What agents had said is withdrawn before anything else leaves.
            if waited(self, turn_id)
                && let Some(ledger) = self.sessions[at].turns.get_mut(&turn_id)
            {
                ledger.withdraw();
            }
        }
        self.perform(at, effects)
    }

    pub(super) fn say(&mut self, at: usize) -> Checked {
        let key = ClientMessageId(self.new_id());
        let content = MessageContent::parse(format!("words {}", self.ids & 0xffff)).expect("it is short");
        self.sessions[at].said_by_person.push((key, content.clone()));
        self.say_with(at, key, content)
    }

    pub(super) fn say_again(&mut self, at: usize) -> Checked {
        let Some((key, content)) = self.sessions[at].said_by_person.choose(&mut self.random).cloned() else {
            return Ok(());
        };
        self.faults += 1;
        self.say_with(at, key, content)
    }

    pub(super) fn say_with(
        &mut self,
        at: usize,
        client_message_id: ClientMessageId,
        content: MessageContent,
    ) -> Checked {
        let open: Vec<_> = self.core(at).open_turn_ids().collect();
        for turn_id in &open {
            self.note(at, *turn_id, "person_replied");
        }
        let turn_id = open
            .choose(&mut self.random)
            .copied()
            .filter(|_| self.random.random_bool(0.3));
        let reply_to = self.sessions[at].expect_reply(Waiting::Say(client_message_id));
        self.give(
            at,
            Input::Say(Say {
                client_message_id,
                content,
                turn_id,
                reply_to,
            }),
        )
    }

    /// Somebody decides on something that was asked for, be it decided by now or not.
    pub(super) fn decide(&mut self, at: usize) -> Checked {
        let open: Vec<_> = self.core(at).open_turn_ids().collect();
        let asked = self.sessions[at].asked_for_approval(&open);
        let Some((turn_id, approval_id)) = asked.choose(&mut self.random).copied() else {
            return self.agent_acts(at);
        };
        self.decide_on(at, turn_id, approval_id)?;
        // Somebody else decides as well, and later than that.
        match self.random.random_range(0..6) {
            0 => {}
            1 => self.cancel_turn(at, turn_id)?,
            2 => {
                if self.random.random_bool(0.5) {
                    // All that the turn waits for is decided, and that is durable, when it is cut off.
                    for (_, approval_id) in asked.iter().filter(|(turn, _)| *turn == turn_id) {
                        self.decide_on(at, turn_id, *approval_id)?;
                    }
                    self.commit(at)?;
                }
                self.crash_session(at)?;
                self.recover(at)?;
                for _ in 0..self.random.random_range(0..3) {
                    self.commit(at)?;
                }
            }
            _ => return Ok(()),
        }
        self.decide_on(at, turn_id, approval_id)
    }

    fn decide_on(&mut self, at: usize, turn_id: TurnId, approval_id: ApprovalId) -> Checked {
        // Where nothing waits for it, it is the one as well as the other.
        let awaited = self.core(at).decisions_awaited(turn_id);
        if awaited < 2 {
            self.note(at, turn_id, "decided");
        }
        if awaited != 1 {
            self.note(at, turn_id, "decided_in_part");
        }
        let reply_to = self.sessions[at].expect_reply(Waiting::Decide);
        let decision = [Decision::Approved, Decision::Rejected].choose(&mut self.random);
        self.give(
            at,
            Input::Decide(Decide {
                approval_id,
                decision: *decision.expect("there are two"),
                arguments: None,
                by: "Kim".into(),
                reason: None,
                reply_to,
            }),
        )
    }

    pub(super) fn release(&mut self, at: usize) -> Checked {
        let open: Vec<_> = self.core(at).open_turn_ids().collect();
        for turn_id in open {
            self.note(at, turn_id, "hand_back");
        }
        let reply_to = self.sessions[at].expect_reply(Waiting::Release);
        self.give(
            at,
            Input::Release(Release {
                name: None,
                reason: None,
                reply_to,
            }),
        )
    }
}
