//! The orchestrator and the agents: who answers, and what they say.

use super::*;

/// What an agent will do.
#[derive(Debug, Clone, Default)]
pub(super) struct Script {
    pub(super) steps_left: u32,
    /// How many agents answer together; 0 where one answers alone.
    pub(super) parts: usize,
    pub(super) stopped: bool,
}

impl World {
    pub(super) fn pause(&mut self, hand_offs: f64) -> Pause {
        if self.random.random_bool(hand_offs) {
            let to = ["policy", "technical"]
                .choose(&mut self.random)
                .expect("there are agents");
            return Pause::HandOff {
                to: agent(to),
                reason: "it is theirs".into(),
            };
        }
        if self.random.random_bool(0.3) {
            return Pause::ClientCalls {
                calls: vec![ClientCall {
                    call_id: "call_1".into(),
                    tool: "weather".into(),
                    arguments: serde_json::json!({}),
                    round: 1,
                    place: 0,
                    signature: None,
                }],
                citations: Vec::new(),
            };
        }
        let rule = ApprovalRule {
            reason: "money leaves".into(),
            within: APPROVAL_MAX,
            otherwise_approved: self.random.random_bool(0.2),
        };
        let wanted = |place: u32| ApprovalWanted {
            call_id: Some(format!("call-{place}")),
            round: Some(1),
            place: Some(place),
            signature: None,
            tool: "refund".into(),
            arguments: serde_json::json!({"eur": 5}),
            rule: rule.clone(),
        };
        let count = self.random.random_range(1..4);
        Pause::Approval((0..count).map(wanted).collect())
    }

    pub(super) fn route(&mut self, at: usize) -> Checked {
        if self.sessions[at].routes.is_empty() {
            return Ok(());
        }
        let run = self.sessions[at].routes.remove(0);
        let is_stopping = (self.core(at).turn(run.turn_id)).is_some_and(|(state, _)| state.name() == "stopping");
        let input = if is_stopping && self.random.random_bool(0.5) {
            // A model was deciding.
            self.note(at, run.turn_id, "stopped");
            let receipt = Receipt {
                upstream_closed_ms: Some(1),
                tokens_billed: 3,
            };
            Input::Stopped { run, receipt }
        } else if self.random.random_bool(0.1) {
            self.note(at, run.turn_id, "routing_failed");
            Input::Routed {
                run,
                decision: Err(failure()),
            }
        } else {
            self.note(at, run.turn_id, "routed");
            let fallbacks = if self.random.random_bool(0.5) {
                vec![agent("technical")]
            } else {
                vec![]
            };
            let mut decision = decision("billing");
            if self.random.random_bool(0.4) {
                decision.concerns = ["billing", "technical"].map(concern).to_vec();
            }
            Input::Routed {
                run,
                decision: Ok((decision, fallbacks)),
            }
        };
        self.give(at, input)
    }

    pub(super) fn agent_acts(&mut self, at: usize) -> Checked {
        let Some((order, script)) = self.sessions[at]
            .runs
            .first_key_value()
            .map(|(order, script)| (*order, script.clone()))
        else {
            return Ok(());
        };
        let run = Run {
            turn_id: order.0,
            attempt: order.1,
            leg: order.2,
        };
        if script.stopped {
            self.sessions[at].runs.remove(&order);
            self.note(at, run.turn_id, "stopped");
            let receipt = Receipt {
                upstream_closed_ms: Some(1),
                tokens_billed: 3,
            };
            return self.give(at, Input::Stopped { run, receipt });
        }
        if script.steps_left == 0 {
            self.sessions[at].runs.remove(&order);
            // Who answers a part is offered nothing that pauses.
            if script.parts == 0 && self.random.random_bool(0.5) {
                let pause = self.pause(0.3);
                self.note(at, run.turn_id, input_name(&pause));
                return self.give(
                    at,
                    Input::Paused {
                        run,
                        pause,
                        used: Usage::default(),
                    },
                );
            }
            let outcome = if self.random.random_bool(0.8) {
                Ok(answer())
            } else {
                Err(failure())
            };
            self.note(
                at,
                run.turn_id,
                if outcome.is_ok() { "finished" } else { "agent_failed" },
            );
            let lost = Usage::default();
            return self.give(at, Input::Finished { run, outcome, lost });
        }
        if let Some(script) = self.sessions[at].runs.get_mut(&order) {
            script.steps_left -= 1;
        }
        let part = self.random.random_range(0..script.parts.max(1));
        if script.parts > 0 && self.random.random_bool(0.2) {
            let outcome = if self.random.random_bool(0.5) {
                Ok(())
            } else {
                Err(failure())
            };
            return self.give(at, Input::PartEnded { run, part, outcome });
        }
        let steps = match self.random.random_range(0..9) {
            8 => self.calls_at_once(),
            0..3 => vec![log_step()],
            3 => vec![Step::Reset {
                reason: "begun anew".into(),
            }],
            4 => vec![
                log_step(),
                Step::Delta("één ".into()),
                log_step(),
                Step::Delta("two ".into()),
            ],
            _ => vec![Step::Delta(format!("word{} ", self.random.random_range(0..100)))],
        };
        self.note(at, run.turn_id, "progressed");
        self.give(at, Input::Steps { run, part, steps })
    }
}

impl World {
    /// Several calls that are begun at once, of which some end at once.
    fn calls_at_once(&mut self) -> Vec<Step> {
        let count = self.random.random_range(1..=4);
        let mut steps: Vec<Step> = (0..count)
            .map(|place| call_step(place, ToolCallStatus::Started))
            .collect();
        for _ in 0..self.random.random_range(0..=count) {
            let place = self.random.random_range(0..count);
            steps.push(call_step(place, ToolCallStatus::Succeeded));
        }
        steps
    }
}

/// How the turn takes in that its agent pauses.
pub(super) fn input_name(pause: &Pause) -> &'static str {
    match pause {
        Pause::ClientCalls { .. } => "finished",
        Pause::Approval(_) => "await_approval",
        Pause::HandOff { .. } => "hand_off",
    }
}

pub(super) fn agent(id: &str) -> AgentId {
    AgentId::parse(id).expect("it is an id")
}

pub(super) fn decision(id: &str) -> RoutingDecision {
    RoutingDecision {
        agent: agent(id),
        intent: Intent::DomainQuestion,
        confidence: Confidence::new(0.9),
        reasoning: "because".into(),
        candidates: vec![],
        concerns: Vec::new(),
    }
}

fn concern(id: &str) -> Concern {
    Concern {
        agent: agent(id),
        text: format!("what {id} knows"),
        intent: Intent::DomainQuestion,
        confidence: Confidence::new(0.9),
        left_out: Vec::new(),
    }
}

pub(super) fn failure() -> Failure {
    Failure::new(ErrorCode::UpstreamError, "away")
}

pub(super) fn answer() -> Answer {
    Answer {
        confidence: Confidence::new(0.8),
        citations: vec![],
        usage: Usage::default(),
        cache_status: CacheStatus::None,
        incomplete: None,
    }
}

fn log_step() -> Step {
    let data = LogData::Documents(DocumentsRead {
        documents: vec![],
        revision: 1,
    });
    Step::Log {
        agent: None,
        title: "Read".into(),
        status: LogStatus::Success,
        data,
    }
}

fn call_step(place: u32, status: ToolCallStatus) -> Step {
    let call = ToolCall {
        call_id: format!("call-{place}"),
        tool: "refund".into(),
        arguments: serde_json::json!({"eur": 5}),
        status,
        duration_ms: None,
        result: None,
        agent: None,
        round: Some(1),
        place: Some(place),
        within: None,
        signature: None,
    };
    Step::ToolCall {
        call: Box::new(call),
        durable: Durable::default(),
    }
}
