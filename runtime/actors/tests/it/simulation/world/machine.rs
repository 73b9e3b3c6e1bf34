//! The machine that cores run on: gives them input, performs their effects, and makes durable what they append.

use super::*;

impl World {
    /// Starts a session's core from its journal, and its client comes back for what it missed.
    pub(super) fn recover(&mut self, at: usize) -> Checked {
        let mut recovered = self.sessions[at].recovered();
        if let Some(fault) = self.fault {
            fault.spoil_recovery(&mut recovered);
        }
        let (id, policy) = (self.sessions[at].id, self.sessions[at].policy);
        self.trace(|| format!("session {at} starts from seq {}", recovered.last_seq));
        self.sessions[at].recorded_seq = recovered.last_seq;
        let (core, effects) = {
            let (now, ids) = (Timestamp::from_millis(self.now_ms), &mut self.ids);
            SessionCore::recover(
                id,
                policy,
                recovered,
                &mut Context {
                    now,
                    new_id: &mut || next_id(ids),
                },
            )
        };
        self.sessions[at].core = Some(core);
        let session = &mut self.sessions[at];
        let missed: Vec<_> = session
            .journal
            .iter()
            .filter(|event| event.seq > session.client.last_seq)
            .cloned()
            .collect();
        for event in missed {
            session.client.take_event(&event)?;
        }
        self.perform(at, effects)
    }

    pub(super) fn give(&mut self, at: usize, input: Input) -> Checked {
        self.trace(|| format!("session {at} ← {input:?}"));
        if let Input::Steps { run, part, steps } = &input {
            return self.give_steps(at, *run, *part, steps);
        }
        let effects = self.handle(at, input);
        self.perform(at, effects)?;
        self.check_calls(at)
    }

    /// Steps are given one by one, so that for each delta it is known what was recorded before it.
    pub(super) fn give_steps(&mut self, at: usize, run: Run, part: usize, steps: &[Step]) -> Checked {
        for step in steps {
            let is_running = self
                .core(at)
                .turn(run.turn_id)
                .is_some_and(|(state, now)| now == run && matches!(state, TurnState::Running { .. }));
            if is_running && let Some(ledger) = self.sessions[at].turns.get_mut(&run.turn_id) {
                match step {
                    Step::Delta(text) => ledger.said.push_str(text),
                    Step::Reset { .. } => ledger.withdraw(),
                    Step::ToolCall { .. } => {}
                    Step::Log { .. } => {}
                }
            }
            let before = self.sessions[at].recorded_seq;
            let effects = self.handle(
                at,
                Input::Steps {
                    run,
                    part,
                    steps: vec![step.clone()],
                },
            );
            if self.fault == Some(PlantedFault::AnswerAfterCancel) && !is_running && matches!(step, Step::Delta(_)) {
                self.speak_after_the_end(at, run)?;
            }
            if is_running && matches!(step, Step::Delta(_)) {
                let ledger = self.sessions[at].turns.entry(run.turn_id).or_default();
                let (key, said) = ((run.turn_id, ledger.withdrawn), ledger.said.len());
                self.sessions[at].wanted.entry(key).or_default().push((said, before));
            }
            self.perform(at, effects)?;
            if is_running && let Step::ToolCall { durable, .. } = step {
                if self.fault == Some(PlantedFault::CallBeforeCommit) {
                    durable.tell();
                }
                let session = &mut self.sessions[at];
                // A step that comes twice is recorded twice, and waited for once.
                if session.calls.iter().all(|(_, known)| known != durable) {
                    session.calls.push((session.recorded_seq, durable.clone()));
                }
            }
        }
        self.check_calls(at)
    }

    fn check_calls(&mut self, at: usize) -> Checked {
        let told = self.core(at).committed_seq();
        self.sessions[at].check_calls(told)
    }

    pub(super) fn handle(&mut self, at: usize, input: Input) -> Vec<Effect> {
        let (now, ids) = (Timestamp::from_millis(self.now_ms), &mut self.ids);
        let core = self.sessions[at]
            .core
            .as_mut()
            .expect("only live sessions are given input");
        core.handle(
            input,
            &mut Context {
                now,
                new_id: &mut || next_id(ids),
            },
        )
    }

    pub(super) fn perform(&mut self, at: usize, effects: Vec<Effect>) -> Checked {
        for mut effect in effects {
            if let Some(fault) = self.fault {
                fault.spoil_effect(&mut effect);
                if let (PlantedFault::PublishBeforeCommit, Effect::Append(entries)) = (fault, &effect) {
                    let early = entries.iter().map(|entry| Arc::clone(&entry.event)).collect::<Vec<_>>();
                    for event in early {
                        self.sessions[at].publish_event(event.seq)?;
                    }
                }
            }
            self.perform_one(at, effect)?;
        }
        let session = &mut self.sessions[at];
        if session.appending.is_none() && session.unacknowledged.is_none() && !session.unsent.is_empty() {
            session.appending = Some(std::mem::take(&mut session.unsent));
        }
        Ok(())
    }

    pub(super) fn perform_one(&mut self, at: usize, effect: Effect) -> Checked {
        match effect {
            Effect::Append(entries) => {
                let session = &mut self.sessions[at];
                session.recorded_seq = entries.last().map_or(session.recorded_seq, |entry| entry.event.seq);
                session.unsent.extend(entries);
            }
            Effect::Publish(outgoing) => {
                for item in outgoing {
                    self.trace(|| format!("session {at} → {}", item.frame.text));
                    self.sessions[at].publish(&item)?;
                }
            }
            Effect::Reply(to, reply) => self.sessions[at].take_reply(to, &reply),
            Effect::Route(request) => {
                let session = &mut self.sessions[at];
                if session.is_persons() {
                    return Err(Violation::AgentsRanDespitePerson {
                        turn: request.run.turn_id,
                    });
                }
                session.begin(request.run)?;
                session.routes.push(request.run);
            }
            Effect::RunAgent { request, .. } => {
                let steps_left = self.random.random_range(0..5);
                let (run, parts) = (request.run, request.concerns.len());
                let session = &mut self.sessions[at];
                if session
                    .turns
                    .get(&run.turn_id)
                    .is_some_and(|ledger| ledger.cancel_asked || ledger.ended)
                {
                    return Err(Violation::SpokeAfterItsEnd { turn: run.turn_id });
                }
                let ledger = session.turns.entry(run.turn_id).or_default();
                let is_first = std::mem::take(&mut ledger.is_routed);
                assert!(is_first || parts == 0, "whoever takes over answers the whole message");
                ledger.withdraw();
                session.runs.insert(
                    (run.turn_id, run.attempt, run.leg),
                    Script {
                        steps_left,
                        parts,
                        stopped: false,
                    },
                );
            }
            Effect::StopAgent(run) => {
                if self.fault == Some(PlantedFault::AnswerAfterCancel) {
                    return Ok(());
                }
                if let Some(script) = self.sessions[at].runs.get_mut(&(run.turn_id, run.attempt, run.leg)) {
                    script.stopped = true;
                }
            }
            Effect::Tell(durable) => durable.tell(),
            Effect::Waits(_) | Effect::GoesOn(_) => {}
            Effect::WaitEnded { turn_id, end, .. } => {
                if matches!(end, WaitEnd::HandedBack | WaitEnd::Expired) {
                    self.sessions[at].turns.entry(turn_id).or_default().given_back += 1;
                }
            }
            Effect::TurnEnded(ended) => {
                let session = &mut self.sessions[at];
                session
                    .runs
                    .retain(|(turn_id, ..), script| *turn_id != ended.turn_id || !script.stopped);
                if let Some(EventBody::MessageCompleted(completed)) =
                    ended.events.last().map(|recorded| &recorded.event.body)
                    && completed.client_message_id.is_none()
                {
                    let said = session.turns.get(&ended.turn_id).map(|ledger| ledger.said.as_str());
                    if said.is_some_and(|said| said != completed.message.content) {
                        return Err(Violation::AnswerDiffers { turn: ended.turn_id });
                    }
                }
            }
        }
        Ok(())
    }

    /// The journal takes a step: makes an append durable, or tells the session of it.
    pub(super) fn commit(&mut self, at: usize) -> Checked {
        if let Some(through) = self.sessions[at].unacknowledged.take() {
            return self.give(at, Input::Committed { through });
        }
        let session = &mut self.sessions[at];
        let Some(entries) = session.appending.take() else {
            return Ok(());
        };
        session.unacknowledged = entries.last().map(|entry| entry.event.seq);
        session.store(entries)
    }
}
