//! What goes wrong: actors and machines that end, messages that are lost or come twice, time that passes.

use super::*;

impl World {
    /// One session's actor ends as by a panic; what it had handed on may still become durable.
    pub(super) fn crash_session(&mut self, at: usize) -> Checked {
        self.trace(|| format!("session {at} ends"));
        self.faults += 1;
        self.coverage.crashes += 1;
        let session = &mut self.sessions[at];
        session.lose_memory();
        if let Some(entries) = session.appending.take() {
            // The writer goes on: the successor is made only after what it was handed is settled.
            session.store(entries)?;
        }
        session.unacknowledged = None;
        Ok(())
    }

    /// The whole machine stops, between any two steps of a commit.
    pub(super) fn crash_machine(&mut self) -> Checked {
        self.trace(|| "the machine stops".to_owned());
        self.faults += 1;
        self.coverage.crashes += 1;
        let durable_after_all = self.random.random_bool(0.3);
        for session in &mut self.sessions {
            session.lose_memory();
            session.unacknowledged = None;
            match session.appending.take() {
                Some(entries) if durable_after_all => session.store(entries)?,
                Some(_) | None => {}
            }
        }
        Ok(())
    }

    /// The answer of an orchestrator or an agent is lost.
    pub(super) fn lose_something(&mut self, at: usize) -> Checked {
        let session = &mut self.sessions[at];
        if !session.routes.is_empty() {
            session.routes.remove(0);
            self.faults += 1;
        } else if session.runs.pop_first().is_some() {
            self.faults += 1;
        }
        Ok(())
    }

    /// A message comes a second time, or late: for any open turn, in whatever state it is.
    pub(super) fn repeat_something(&mut self, at: usize) -> Checked {
        let open: Vec<_> = self.core(at).open_turn_ids().collect();
        let Some(turn_id) = open.choose(&mut self.random).copied() else {
            return Ok(());
        };
        let Some((_, mut run)) = self.core(at).turn(turn_id) else {
            return Ok(());
        };
        self.faults += 1;
        if self.random.random_bool(0.2) {
            run.attempt = run.attempt.saturating_sub(1);
        }
        if let Some(through) = self.sessions[at].journal.last().map(|event| event.seq)
            && self.random.random_bool(0.2)
        {
            return self.give(at, Input::Committed { through });
        }
        let state = self.core(at).turn(turn_id).map(|(state, _)| state.name());
        let input = match self.random.random_range(0..7) {
            4 | 5 if state != Some("running") => {
                let pause = self.pause(0.6);
                self.note(at, turn_id, input_name(&pause));
                Input::Paused {
                    run,
                    pause,
                    used: Usage::default(),
                }
            }
            // These two come from whoever holds the run; a second one means that the first was taken already.
            0 if state != Some("routing") => {
                self.note(at, turn_id, "routed");
                Input::Routed {
                    run,
                    decision: Ok((decision("billing"), vec![])),
                }
            }
            1 if state != Some("routing") => {
                self.note(at, turn_id, "routing_failed");
                Input::Routed {
                    run,
                    decision: Err(failure()),
                }
            }
            2 if state != Some("running") => {
                self.note(at, turn_id, "progressed");
                Input::Steps {
                    run,
                    part: 0,
                    steps: vec![Step::Delta("late".into())],
                }
            }
            3 if state != Some("running") => {
                let outcome = if self.random.random_bool(0.5) {
                    Ok(answer())
                } else {
                    Err(failure())
                };
                self.note(at, turn_id, if outcome.is_ok() { "finished" } else { "agent_failed" });
                let lost = Usage::default();
                Input::Finished { run, outcome, lost }
            }
            _ => {
                self.note(at, turn_id, "stopped");
                Input::Stopped {
                    run,
                    receipt: Receipt::default(),
                }
            }
        };
        self.give(at, input)
    }

    pub(super) fn let_time_pass(&mut self, at: usize, eventful: bool) -> Checked {
        // At rest nothing is lost any more, but what was lost before must still be missed.
        if !eventful || self.random.random_bool(0.3) {
            self.now_ms += i64::try_from(RUN_MAX.as_millis()).expect("a minute");
        }
        let open: Vec<_> = self.core(at).open_turn_ids().collect();
        for turn_id in open {
            self.note(at, turn_id, "expire");
        }
        self.give(at, Input::Tick { run_max: RUN_MAX })
    }

    /// What a session would do that does not heed the stop.
    pub(super) fn speak_after_the_end(&mut self, at: usize, run: Run) -> Checked {
        let (message_id, now) = (MessageId(run.turn_id.0), Timestamp::from_millis(self.now_ms));
        let session = &mut self.sessions[at];
        let Some(ledger) = session.turns.get(&run.turn_id).filter(|ledger| ledger.cancel_asked) else {
            return Ok(());
        };
        let mark = AnswerMark {
            message_id,
            withdrawn: ledger.withdrawn,
            bytes: ledger.said.len() + 4,
        };
        let body = SignalBody::MessageDelta(MessageDelta {
            message_id,
            offset: 0,
            delta: "more".into(),
        });
        let signal = Signal {
            session_id: session.id,
            turn_id: Some(run.turn_id),
            at: now,
            body,
        };
        let text = serde_json::to_string(&signal).expect("a signal is JSON");
        let frame = Frame {
            seq: None,
            text: text.into(),
        };
        session.publish(&Outgoing {
            frame,
            turn_id: Some(run.turn_id),
            kind: OutgoingKind::Delta(mark),
        })
    }
}
