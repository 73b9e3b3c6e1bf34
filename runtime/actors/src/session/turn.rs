//! The state machine of one turn, as a pure function: no clock, no I/O, no actor.
//!
//! ```text
//! Accepted ──Begin──▶ Routing ──Routed──▶ Running{agent} ──Finished──▶ Completed
//!    │                   │                  │  ▲  │
//!    │                   │            Failed└──┘  └─Failed, no fallback left──▶ Failed
//!    │                   │     (next fallback)
//!    └──Cancel─▶ Cancelled  └─Cancel──▶ Stopping{} ──Stopped──▶ Cancelled
//!                                         ▲  └─Routed, Finished, Expire, …──▶ Cancelled
//!                         Running ─Cancel─┘
//! ```
//!
//! `Expire` ends any state that waits for somebody else; `GiveUp` ends a turn that was interrupted too often.
//!
//! While a person has the session a turn waits for them instead of running:
//!
//! ```text
//! Accepted ──BeginWithPerson──▶ WithPerson ──PersonReplied──▶ Completed
//!    ▲                            │  ▲  │
//!    └─────HandBack, Expire────────┘  │  └─Cancel──▶ Cancelled
//!          Routing, Running ─Interrupt┘
//! ```
//!
//! An agent that wants to call a tool for which a person's word is needed ends its run; once that is decided it runs again, from what
//! is on record. So a turn that waits holds nothing, and a crash changes nothing about it:
//!
//! ```text
//! Running{agent} ──AwaitApproval──▶ AwaitingApproval{agent} ──Decided──▶ Running{agent}
//!    │  ▲                              │  ▲  └─Interrupt──▶ WithPerson
//!    │  │                              │  └─ DecidedInPart
//!    └──┘ HandOff{to}                  └─Cancel──▶ Cancelled
//! ```
//!
//! A run's time limit is none of its own: it expires when the person has let it wait for too long.

use orchestratai_agents::routing::RoutingDecision;
use orchestratai_shared::{AgentId, ErrorCode, Failure};

/// Where one turn stands. The last three are terminal: nothing leads out of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TurnState {
    /// Taken in; waits for its commit and for the turns before it.
    Accepted,
    /// The orchestrator decides who answers.
    Routing,
    /// An agent works on it.
    Running {
        /// Who works on it.
        agent: AgentId,
        /// Who may take over if this one fails, next first.
        fallbacks: Vec<AgentId>,
    },
    /// It waits for a decision on what an agent wants to do.
    AwaitingApproval {
        /// Who wants it, and goes on then.
        agent: AgentId,
        /// Who may take over if that one fails, next first.
        fallbacks: Vec<AgentId>,
    },
    /// It waits for the person who has the session.
    WithPerson,
    /// It is to be stopped; a receipt is outstanding.
    Stopping {
        /// The agent whose receipt it is; none where nobody was chosen yet: a model may be deciding who answers.
        agent: Option<AgentId>,
    },
    /// It ended with an answer.
    Completed,
    /// It ended without an answer.
    Failed,
    /// It was stopped.
    Cancelled,
}

/// What can happen to a turn.
#[derive(Debug, Clone, PartialEq)]
pub enum TurnInput {
    /// Its commit is durable, and the turns before it have ended.
    Begin,
    /// The orchestrator has decided.
    Routed {
        /// What was decided, and why.
        decision: RoutingDecision,
        /// Who may take over if the chosen agent fails, next first.
        fallbacks: Vec<AgentId>,
    },
    /// The orchestrator could not decide.
    RoutingFailed(Failure),
    /// The agent took a step or said something.
    Progressed,
    /// The agent is done.
    Finished,
    /// The agent failed.
    AgentFailed(Failure),
    /// The agent wants to do what somebody has to decide on.
    AwaitApproval,
    /// That is decided, all of it.
    Decided,
    /// A part of it is decided.
    DecidedInPart,
    /// The agent gives the turn to another.
    HandOff {
        /// To whom.
        to: AgentId,
        /// Why, for people.
        reason: String,
    },
    /// Somebody wants it stopped.
    Cancel,
    /// The agent has stopped, or the model that was deciding who answers, and says what was billed.
    Stopped(Receipt),
    /// Whoever was waited for did not answer in time.
    Expire,
    /// It was interrupted as often as is allowed.
    GiveUp,
    /// Its commit is durable, and a person has the session.
    BeginWithPerson,
    /// A person has taken the session over, and wants no agent to go on.
    Interrupt,
    /// The person has answered.
    PersonReplied,
    /// The session is the agents' again.
    HandBack,
}

/// What the caller does next, in order.
#[derive(Debug, Clone, PartialEq)]
pub enum TurnEffect {
    /// Ask the orchestrator.
    Route,
    /// Record who answers and why.
    RecordRouting(RoutingDecision),
    /// Record that one agent failed and the next takes over, and withdraw what the first has said.
    RecordFallback {
        /// Who failed.
        from: AgentId,
        /// Who takes over.
        to: AgentId,
        /// Why.
        failure: Failure,
    },
    /// Record that one agent has given the turn to another, and withdraw what the first has said.
    RecordHandOff {
        /// Who had it.
        from: AgentId,
        /// Who has it.
        to: AgentId,
        /// Why.
        reason: String,
    },
    /// Record what is to be decided on.
    RecordApprovalRequested,
    /// Record what was decided.
    RecordApprovalResolved,
    /// Record that nobody need decide any more: it is not done.
    RecordApprovalDropped,
    /// Let the agent work.
    RunAgent(AgentId),
    /// Keep what the agent said.
    Keep,
    /// Close whatever the agent has open, or the orchestrator while it decides, at once.
    StopAgent,
    /// Record the answer and end.
    RecordCompleted(AgentId),
    /// Record the failure and end.
    RecordFailed(Failure),
    /// Record the receipt and end.
    RecordCancelled(Receipt),
    /// Withdraw what agents have said: what they say from now on is of a run that is over.
    Withdraw,
    /// Record that it waits for a person.
    RecordWithPerson,
    /// Record what the person has said and end.
    RecordReply,
    /// Record that the agents have it again.
    RecordHandedBack,
}

/// What stopping a turn has cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Receipt {
    /// From the request to stop until the upstream was closed, in milliseconds; `None` where none was open.
    pub upstream_closed_ms: Option<u64>,
    /// Tokens that the provider bills all the same.
    pub tokens_billed: u64,
}

/// An input that cannot happen in this state; the turn is unchanged.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{input:?} cannot happen to a turn that is {from:?}")]
pub struct IllegalTransition {
    /// The state.
    pub from: TurnState,
    /// The input.
    pub input: TurnInput,
}

impl TurnState {
    /// Takes one step. The caller performs the effects in order.
    ///
    /// # Errors
    /// [`IllegalTransition`] where `input` cannot happen now: a late or repeated message, to be dropped.
    pub fn step(&self, input: TurnInput) -> Result<(Self, Vec<TurnEffect>), Box<IllegalTransition>> {
        use TurnEffect as E;
        use TurnInput as I;
        use TurnState as S;
        Ok(match (self, input) {
            (S::Accepted, I::Begin) => (S::Routing, vec![E::Route]),
            (S::Accepted, I::Cancel) => (S::Cancelled, vec![E::RecordCancelled(Receipt::default())]),
            // A model may be deciding who answers: what it would say is wanted by nobody any more, and what it was is billed.
            (S::Routing, I::Cancel) => (S::Stopping { agent: None }, vec![E::StopAgent]),
            (S::Accepted, I::GiveUp) => (S::Failed, vec![E::RecordFailed(interrupted_too_often())]),

            (S::Accepted, I::BeginWithPerson) => (S::WithPerson, vec![E::RecordWithPerson]),
            (S::Routing, I::Interrupt) => (S::WithPerson, vec![E::StopAgent, E::Withdraw, E::RecordWithPerson]),
            (S::Running { .. }, I::Interrupt) => (S::WithPerson, vec![E::StopAgent, E::Withdraw, E::RecordWithPerson]),
            (S::WithPerson, I::PersonReplied) => (S::Completed, vec![E::RecordReply]),
            (S::WithPerson, I::HandBack | I::Expire) => (S::Accepted, vec![E::RecordHandedBack]),
            // No agent is at it: there is nobody to wait for.
            (S::WithPerson, I::Cancel) => (S::Cancelled, vec![E::RecordCancelled(Receipt::default())]),

            (S::Routing, I::Routed { decision, fallbacks }) => {
                let agent = decision.agent.clone();
                let fallbacks = fallbacks.into_iter().filter(|fallback| *fallback != agent).collect();
                let effects = vec![E::RecordRouting(decision), E::RunAgent(agent.clone())];
                (S::Running { agent, fallbacks }, effects)
            }
            (S::Routing, I::RoutingFailed(failure)) => (S::Failed, vec![E::RecordFailed(failure)]),
            (S::Routing, I::Expire) => (S::Failed, vec![E::StopAgent, E::RecordFailed(timed_out())]),

            (S::Running { .. }, I::Progressed) => (self.clone(), vec![E::Keep]),
            (S::Running { agent, .. }, I::Finished) => (S::Completed, vec![E::RecordCompleted(agent.clone())]),
            (S::Running { agent, fallbacks }, I::AgentFailed(failure)) => {
                match who_may_take_over(fallbacks, &failure) {
                    Some((next, rest)) => {
                        let fallback = E::RecordFallback {
                            from: agent.clone(),
                            to: next.clone(),
                            failure,
                        };
                        let running = S::Running {
                            agent: next.clone(),
                            fallbacks: rest.to_vec(),
                        };
                        (running, vec![fallback, E::RunAgent(next.clone())])
                    }
                    None => (S::Failed, vec![E::RecordFailed(failure)]),
                }
            }
            (S::Running { agent, fallbacks }, I::AwaitApproval) => {
                let awaiting = S::AwaitingApproval {
                    agent: agent.clone(),
                    fallbacks: fallbacks.clone(),
                };
                (awaiting, vec![E::RecordApprovalRequested])
            }
            (S::AwaitingApproval { agent, fallbacks }, I::Decided) => {
                let running = S::Running {
                    agent: agent.clone(),
                    fallbacks: fallbacks.clone(),
                };
                (running, vec![E::RecordApprovalResolved, E::RunAgent(agent.clone())])
            }
            (S::AwaitingApproval { .. }, I::DecidedInPart) => (self.clone(), vec![E::RecordApprovalResolved]),
            (S::AwaitingApproval { .. }, I::Interrupt) => (
                S::WithPerson,
                vec![E::RecordApprovalDropped, E::Withdraw, E::RecordWithPerson],
            ),
            (S::AwaitingApproval { .. }, I::Cancel) => (
                S::Cancelled,
                vec![E::RecordApprovalDropped, E::RecordCancelled(Receipt::default())],
            ),
            (S::Running { agent, fallbacks }, I::HandOff { to, reason }) => {
                let running = S::Running {
                    agent: to.clone(),
                    fallbacks: fallbacks.iter().filter(|fallback| **fallback != to).cloned().collect(),
                };
                let hand_off = E::RecordHandOff {
                    from: agent.clone(),
                    to: to.clone(),
                    reason,
                };
                (running, vec![hand_off, E::RunAgent(to)])
            }

            (S::Running { .. }, I::Expire) => (S::Failed, vec![E::StopAgent, E::RecordFailed(timed_out())]),
            (S::Running { agent, .. }, I::Cancel) => {
                let agent = Some(agent.clone());
                (S::Stopping { agent }, vec![E::StopAgent])
            }

            // What the agent says after the request to stop is not kept: stop stops.
            (S::Stopping { .. }, I::Progressed | I::Cancel) => (self.clone(), vec![]),
            (S::Stopping { .. }, I::Stopped(receipt)) => (S::Cancelled, vec![E::RecordCancelled(receipt)]),
            // It ended by itself just before it heard of the stop, or never answers: there is nothing more to wait for.
            (S::Stopping { agent: None }, I::Routed { .. } | I::RoutingFailed(_)) => {
                (S::Cancelled, vec![E::RecordCancelled(Receipt::default())])
            }
            (
                S::Stopping { .. },
                I::Finished | I::AgentFailed(_) | I::AwaitApproval | I::HandOff { .. } | I::Expire,
            ) => (S::Cancelled, vec![E::RecordCancelled(Receipt::default())]),

            (
                S::Accepted
                | S::Routing
                | S::Running { .. }
                | S::AwaitingApproval { .. }
                | S::WithPerson
                | S::Stopping { .. }
                | S::Completed
                | S::Failed
                | S::Cancelled,
                input,
            ) => {
                return Err(Box::new(IllegalTransition {
                    from: self.clone(),
                    input,
                }));
            }
        })
    }

    /// Whether it waits for somebody's word, and nothing of it is at work.
    #[must_use]
    pub fn waits_for_word(&self) -> bool {
        match self {
            Self::WithPerson | Self::AwaitingApproval { .. } => true,
            Self::Accepted
            | Self::Routing
            | Self::Running { .. }
            | Self::Stopping { .. }
            | Self::Completed
            | Self::Failed
            | Self::Cancelled => false,
        }
    }

    /// Whether nothing leads out of it.
    #[must_use]
    pub fn is_terminal(&self) -> bool {
        match self {
            Self::Completed | Self::Failed | Self::Cancelled => true,
            Self::Accepted
            | Self::Routing
            | Self::Running { .. }
            | Self::AwaitingApproval { .. }
            | Self::WithPerson
            | Self::Stopping { .. } => false,
        }
    }

    /// The state's name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Routing => "routing",
            Self::Running { .. } => "running",
            Self::AwaitingApproval { .. } => "awaiting_approval",
            Self::WithPerson => "with_person",
            Self::Stopping { .. } => "stopping",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

impl TurnInput {
    /// The input's name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Begin => "begin",
            Self::Routed { .. } => "routed",
            Self::RoutingFailed(_) => "routing_failed",
            Self::Progressed => "progressed",
            Self::Finished => "finished",
            Self::AgentFailed(_) => "agent_failed",
            Self::AwaitApproval => "await_approval",
            Self::Decided => "decided",
            Self::DecidedInPart => "decided_in_part",
            Self::HandOff { .. } => "hand_off",
            Self::Cancel => "cancel",
            Self::Stopped(_) => "stopped",
            Self::Expire => "expire",
            Self::GiveUp => "give_up",
            Self::BeginWithPerson => "begin_with_person",
            Self::Interrupt => "interrupt",
            Self::PersonReplied => "person_replied",
            Self::HandBack => "hand_back",
        }
    }
}

/// Who takes over from an agent that failed, and who is left after that.
fn who_may_take_over<'a>(fallbacks: &'a [AgentId], failure: &Failure) -> Option<(&'a AgentId, &'a [AgentId])> {
    // A budget is used up. The orchestrator would only say that there is no answer just now; who is told of the failure knows why, and
    // when there is one again.
    let is_to_be_told = failure.code == ErrorCode::RateLimited && !failure.retryable;
    let (next, rest) = fallbacks.split_first()?;
    match is_to_be_told && *next == AgentId::orchestrator() {
        true => rest.split_first(),
        false => Some((next, rest)),
    }
}

fn timed_out() -> Failure {
    Failure::new(ErrorCode::Timeout, "The answer took too long.")
}

fn interrupted_too_often() -> Failure {
    Failure::new(
        ErrorCode::InternalError,
        "The turn was interrupted too often and has been given up.",
    )
}

#[cfg(test)]
mod tests {
    use orchestratai_shared::{Confidence, Intent};
    use proptest::prelude::*;

    use super::*;

    fn decision(agent: &str) -> RoutingDecision {
        RoutingDecision {
            agent: AgentId::parse(agent).unwrap(),
            intent: Intent::DomainQuestion,
            confidence: Confidence::new(0.9),
            reasoning: "because".into(),
            candidates: vec![],
            concerns: Vec::new(),
        }
    }

    fn inputs() -> Vec<TurnInput> {
        let failure = Failure::new(ErrorCode::UpstreamError, "away");
        vec![
            TurnInput::Begin,
            TurnInput::Routed {
                decision: decision("billing"),
                fallbacks: vec![AgentId::orchestrator()],
            },
            TurnInput::RoutingFailed(failure.clone()),
            TurnInput::Progressed,
            TurnInput::Finished,
            TurnInput::AgentFailed(failure),
            TurnInput::Cancel,
            TurnInput::Stopped(Receipt {
                upstream_closed_ms: Some(1),
                tokens_billed: 2,
            }),
            TurnInput::Expire,
            TurnInput::GiveUp,
            TurnInput::BeginWithPerson,
            TurnInput::Interrupt,
            TurnInput::PersonReplied,
            TurnInput::HandBack,
            TurnInput::AwaitApproval,
            TurnInput::Decided,
            TurnInput::DecidedInPart,
            TurnInput::HandOff {
                to: AgentId::orchestrator(),
                reason: "it is theirs".into(),
            },
        ]
    }

    fn ends(effect: &TurnEffect) -> bool {
        match effect {
            TurnEffect::RecordCompleted(_)
            | TurnEffect::RecordFailed(_)
            | TurnEffect::RecordCancelled(_)
            | TurnEffect::RecordReply => true,
            TurnEffect::Route
            | TurnEffect::RecordRouting(_)
            | TurnEffect::RecordFallback { .. }
            | TurnEffect::RunAgent(_)
            | TurnEffect::Keep
            | TurnEffect::StopAgent
            | TurnEffect::Withdraw
            | TurnEffect::RecordWithPerson
            | TurnEffect::RecordHandOff { .. }
            | TurnEffect::RecordApprovalRequested
            | TurnEffect::RecordApprovalResolved
            | TurnEffect::RecordApprovalDropped
            | TurnEffect::RecordHandedBack => false,
        }
    }

    proptest! {
        #[test]
        fn a_turn_ends_exactly_once_whatever_happens(choices in prop::collection::vec(0..18usize, 1..40)) {
            let (mut state, mut terminal_records) = (TurnState::Accepted, 0);
            for choice in choices {
                let was_terminal = state.is_terminal();
                match state.step(inputs()[choice].clone()) {
                    Ok((next, effects)) => {
                        prop_assert!(!was_terminal, "{state:?} was left");
                        terminal_records += effects.iter().filter(|effect| ends(effect)).count();
                        prop_assert_eq!(next.is_terminal(), effects.iter().any(ends));
                        state = next;
                    }
                    Err(refused) => prop_assert_eq!(refused.from, state.clone()),
                }
            }
            prop_assert_eq!(terminal_records, usize::from(state.is_terminal()));
        }

        #[test]
        fn a_cancelled_turn_starts_nothing_new(choices in prop::collection::vec(0..18usize, 1..40)) {
            let (mut state, mut cancelled) = (TurnState::Accepted, false);
            for choice in choices {
                let input = inputs()[choice].clone();
                if let Ok((next, effects)) = state.step(input.clone()) {
                    cancelled |= input == TurnInput::Cancel;
                    let starts = effects.iter().any(|e| matches!(e, TurnEffect::Route | TurnEffect::RunAgent(_) | TurnEffect::Keep));
                    prop_assert!(!(cancelled && starts), "{state:?} {input:?} {effects:?}");
                    state = next;
                }
            }
        }
    }

    #[test]
    fn no_agent_works_at_a_turn_that_waits_for_a_person() {
        for input in inputs() {
            let Ok((next, effects)) = TurnState::WithPerson.step(input.clone()) else {
                continue;
            };
            let works = effects.iter().any(|effect| {
                matches!(
                    effect,
                    TurnEffect::Route | TurnEffect::RunAgent(_) | TurnEffect::Keep | TurnEffect::RecordFailed(_)
                )
            });
            assert!(!works, "{input:?} {effects:?}");
            let leads_on = [TurnState::Completed, TurnState::Cancelled, TurnState::Accepted].contains(&next);
            assert!(leads_on, "{input:?} leads to {next:?}");
        }
    }

    /// Who runs where each agent fails so, and billing falls back to policy and the orchestrator.
    fn ran_where_all_fail(failure: &Failure) -> Vec<String> {
        let fallbacks = vec![AgentId::parse("policy").unwrap(), AgentId::orchestrator()];
        let mut state = TurnState::Routing;
        let mut ran = vec![];
        let mut inputs = vec![TurnInput::Routed {
            decision: decision("billing"),
            fallbacks,
        }];
        inputs.extend(vec![TurnInput::AgentFailed(failure.clone()); 3]);
        for input in inputs {
            let Ok((next, effects)) = state.step(input) else {
                break;
            };
            for effect in effects {
                if let TurnEffect::RunAgent(agent) = effect {
                    ran.push(agent.to_string());
                }
            }
            state = next;
        }
        assert_eq!(state, TurnState::Failed);
        ran
    }

    #[test]
    fn a_failed_agent_gives_way_to_its_fallbacks_and_then_the_turn_fails() {
        let away = Failure::new(ErrorCode::UpstreamError, "away");
        assert_eq!(ran_where_all_fail(&away), ["billing", "policy", "orchestrator"]);
        let full = Failure::new(ErrorCode::RateLimited, "full");
        assert_eq!(ran_where_all_fail(&full), ["billing", "policy", "orchestrator"]);
    }

    #[test]
    fn who_is_over_budget_is_told_so_and_not_that_there_is_no_answer_just_now() {
        let over = Failure {
            retryable: false,
            ..Failure::new(ErrorCode::RateLimited, "the budget is used up")
        };
        assert_eq!(ran_where_all_fail(&over), ["billing", "policy"]);
    }
}
