//! The world around the cores: a machine with a journal, agents, clients, time and faults, all from one seed.
//!
//! - `session`: one session from outside, and what was promised in it;
//! - `machine`: what gives cores their input and performs their effects;
//! - `clients`, `agents`, `faults`: what happens to them;
//! - `coverage`: what the histories have seen.

mod agents;
mod clients;
mod coverage;
mod faults;
mod machine;
mod session;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use futures_util::FutureExt;
use orchestratai_actors::{
    Frame,
    session::{
        core::{
            Context, Decide, DoubleTexting, Effect, Input, Key, Policy, Recovered, Release, Reply, ReplyTo, Run, Say,
            SessionCore, TakeOver, WaitEnd,
        },
        outbox::{AnswerMark, Outgoing, OutgoingKind},
        turn::{Receipt, TurnInput, TurnState},
    },
};
use orchestratai_agents::{
    routing::{Concern, RoutingDecision},
    tool::ApprovalRule,
    turn::{Answer, ApprovalWanted, Durable, Pause, Step, Usage},
};
use orchestratai_shared::{
    AgentId, ApprovalId, CacheStatus, ClientCall, ClientMessageId, Confidence, DocumentsRead, ErrorCode, Event,
    EventBody, Failure, Intent, LogData, LogStatus, MessageContent, MessageId, PersonInCharge, SessionId, Signal,
    SignalBody, Timestamp, TurnId, UserMessage,
    command::Decision,
    event::{MessageDelta, ToolCall, ToolCallStatus},
};
use orchestratai_store::JournalEntry;
use rand::{Rng, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use uuid::Uuid;

use self::{
    agents::{Script, agent, answer, decision, failure, input_name},
    session::{SimSession, Waiting},
};
use super::{Checked, client::Client, fault::PlantedFault, violation::Violation};

pub(crate) use coverage::Coverage;

const ATTEMPTS_MAX: u32 = 3;
const RUN_MAX: Duration = Duration::from_secs(60);
/// How long a turn waits for a person: a few of the leaps in time.
const PERSON_MAX: Duration = Duration::from_secs(300);
/// How long a decision may take.
const APPROVAL_MAX: Duration = Duration::from_secs(120);
/// Steps after which a history without new input and faults must have come to rest.
const STEPS_TO_REST_MAX: usize = 5_000;

/// One machine with its sessions.
pub(crate) struct World {
    random: StdRng,
    fault: Option<PlantedFault>,
    now_ms: i64,
    ids: u128,
    sessions: Vec<SimSession>,
    /// A turn that is thrown every input in every state, whatever a session would do.
    shadow: TurnState,
    coverage: Coverage,
    is_hurried: bool,
    steps: u64,
    faults: u64,
    traced: bool,
}

impl World {
    pub(crate) fn new(seed: u64, fault: Option<PlantedFault>) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let policies = [
            DoubleTexting::Enqueue,
            DoubleTexting::Enqueue,
            DoubleTexting::Interrupt,
            DoubleTexting::Reject,
        ];
        let count = random.random_range(3..=4);
        let sessions = (0..count).map(|index| {
            let double_texting = *policies.choose(&mut random).expect("there are policies");
            SimSession::new(
                index,
                Policy {
                    double_texting,
                    queue_max: 3,
                    attempts_max: ATTEMPTS_MAX,
                    person_max: PERSON_MAX,
                },
            )
        });
        let sessions: Vec<_> = sessions.collect();
        let is_hurried = random.random_bool(0.25);
        Self {
            random,
            fault,
            now_ms: 1_767_225_600_000,
            ids: u128::from(seed) << 64,
            sessions,
            shadow: TurnState::Accepted,
            coverage: Coverage::default(),
            is_hurried,
            steps: 0,
            faults: 0,
            traced: false,
        }
    }

    /// Prints what happens.
    pub(crate) fn traced(mut self) -> Self {
        self.traced = true;
        self
    }

    /// What this history has seen.
    pub(crate) fn coverage(&self) -> Coverage {
        Coverage {
            histories: 1,
            steps: self.steps,
            without_fault: u64::from(self.faults == 0),
            fewest_sessions: self.sessions.len(),
            fewest_steps: self.steps,
            ..self.coverage.clone()
        }
    }

    /// Everything that became durable, as text.
    pub(crate) fn fingerprint(&self) -> String {
        let journals: Vec<_> = self.sessions.iter().map(|session| &session.journal).collect();
        serde_json::to_string(&journals).expect("events are JSON")
    }

    /// Lives one history, then lets it come to rest, and checks all that must hold then.
    pub(crate) fn run(&mut self) -> Checked {
        for at in 0..self.sessions.len() {
            self.recover(at)?;
        }
        let steps = self.random.random_range(30..70);
        while self.steps < steps || self.faults == 0 {
            self.step(true)?;
        }
        // No more input and no more faults: what was promised must now be kept.
        for _ in 0..STEPS_TO_REST_MAX {
            if self.sessions.iter().all(SimSession::rests) {
                return self.check_at_rest();
            }
            self.step(false)?;
        }
        Err(Violation::Restless)
    }

    fn step(&mut self, eventful: bool) -> Checked {
        self.steps += 1;
        self.now_ms += self.random.random_range(0..50);
        self.throw_at_shadow();
        let at = self.random.random_range(0..self.sessions.len());
        if self.sessions[at].core.is_none() {
            return self.recover(at);
        }
        // Some histories get further than others: what comes late in a turn comes seldom where everything comes as often.
        let from = if eventful && self.is_hurried && self.random.random_bool(0.8) {
            46
        } else {
            0
        };
        match self.random.random_range(from..115) {
            0..14 if eventful => self.submit(at),
            14..17 if eventful => self.submit_again(at),
            17..22 if eventful => self.cancel(at),
            22..25 if eventful => self.crash_session(at),
            25..28 if eventful => self.crash_machine(),
            28..32 if eventful => self.lose_something(at),
            32..42 if eventful => self.repeat_something(at),
            42..46 => self.let_time_pass(at, eventful),
            46..66 => self.commit(at),
            66..76 => self.route(at),
            76..79 if eventful => self.take_over(at),
            79..84 if eventful => self.say(at),
            84..86 if eventful => self.say_again(at),
            86..89 if eventful => self.release(at),
            89..104 if eventful => self.decide(at),
            _ => self.agent_acts(at),
        }
    }

    fn check_at_rest(&self) -> Checked {
        for (index, session) in self.sessions.iter().enumerate() {
            let mut keys = BTreeSet::new();
            let mut open = BTreeSet::new();
            for event in &session.journal {
                let Some(turn) = event.turn_id else {
                    assert!(
                        matches!(event.body, EventBody::Handoff(_)),
                        "only a session changes hands beside its turns"
                    );
                    continue;
                };
                if let EventBody::MessageAccepted(accepted) = &event.body {
                    if !keys.insert(accepted.client_message_id.0) {
                        return Err(Violation::AcceptedTwice {
                            key: accepted.client_message_id,
                        });
                    }
                    open.insert(turn);
                } else if event.body.is_terminal() {
                    open.remove(&turn);
                }
            }
            if let Some(turn) = open.first() {
                return Err(Violation::NeverEnded { turn: *turn });
            }
            if let Some(reply_to) = session.waiting.keys().map(|reply_to| reply_to.0).min() {
                return Err(Violation::NeverAnswered { reply_to });
            }
            let seqs: Vec<u64> = session.journal.iter().map(|event| event.seq).collect();
            if seqs != session.client.seen {
                let at = seqs
                    .iter()
                    .zip(&session.client.seen)
                    .take_while(|(a, b)| a == b)
                    .count();
                return Err(Violation::ClientDiffers { client: index, at });
            }
        }
        Ok(())
    }

    fn core(&self, at: usize) -> &SessionCore {
        self.sessions[at]
            .core
            .as_ref()
            .expect("only live sessions are looked at")
    }

    fn new_id(&mut self) -> Uuid {
        next_id(&mut self.ids)
    }

    fn trace(&self, line: impl FnOnce() -> String) {
        if self.traced {
            println!("{:>5} {}", self.steps, line());
        }
    }
}

fn next_id(ids: &mut u128) -> Uuid {
    *ids += 1;
    Uuid::from_u128(*ids | 1 << 126)
}
