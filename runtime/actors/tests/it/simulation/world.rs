//! The world around the cores: a machine with a journal, agents, clients, time and faults, all from one seed.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use orchestratai_actors::{
    Frame,
    session::{
        core::{
            Context, DoubleTexting, Effect, Input, Key, Policy, Recovered, Release, Reply, ReplyTo, Run, Say,
            SessionCore, TakeOver, WaitEnd,
        },
        outbox::{AnswerMark, Outgoing, OutgoingKind},
        turn::{Receipt, TurnInput, TurnState},
    },
};
use orchestratai_agents::{
    routing::{Concern, RoutingDecision},
    turn::{Answer, Step, Usage},
};
use orchestratai_shared::{
    AgentId, CacheStatus, ClientMessageId, Confidence, DocumentsRead, ErrorCode, Event, EventBody, Failure, Intent,
    LogData, LogStatus, MessageContent, MessageId, PersonInCharge, SessionId, Signal, SignalBody, Timestamp, TurnId,
    UserMessage, event::MessageDelta,
};
use orchestratai_store::JournalEntry;
use rand::{Rng, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use uuid::Uuid;

use super::{Checked, client::Client, fault::PlantedFault, violation::Violation};

const ATTEMPTS_MAX: u32 = 3;
const RUN_MAX: Duration = Duration::from_secs(60);
/// How long a turn waits for a person: a few of the leaps in time.
const PERSON_MAX: Duration = Duration::from_secs(300);
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
    steps: u64,
    faults: u64,
    traced: bool,
}

/// One session: its core while it lives, its journal, its client, its agents' runs.
struct SimSession {
    id: SessionId,
    core: Option<SessionCore>,
    policy: Policy,
    journal: Vec<Arc<Event>>,
    unsent: Vec<JournalEntry>,
    /// Handed to the writer, and not durable yet.
    appending: Option<Vec<JournalEntry>>,
    /// Durable, and the session has not been told.
    unacknowledged: Option<u64>,
    client: Client,
    /// What was said, by key; the number of messages is small.
    said: Vec<(ClientMessageId, MessageContent)>,
    /// And what persons said.
    said_by_person: Vec<(ClientMessageId, MessageContent)>,
    /// Runs that the orchestrator or an agent works at.
    routes: Vec<Run>,
    runs: BTreeMap<RunOrder, Script>,
    reply_count: u64,
    waiting: HashMap<ReplyTo, Waiting>,
    /// What each accepted turn promised, and what became of it.
    turns: BTreeMap<TurnId, TurnLedger>,
    /// For each answer, by its turn and how often it had been withdrawn: up to which byte what must have been published.
    wanted: HashMap<(TurnId, u32), Vec<(usize, u64)>>,
    /// The last `seq` that the core has given out in this life.
    recorded_seq: u64,
}

type RunOrder = (TurnId, u32, u32);

enum Waiting {
    Submit,
    Cancel(TurnId),
    TakeOver,
    Say(ClientMessageId),
    Release,
}

#[derive(Debug, Default)]
struct TurnLedger {
    begun: u32,
    /// How often it was given back by a person.
    given_back: u32,
    ended: bool,
    cancel_asked: bool,
    /// It was routed, and no agent has begun.
    is_routed: bool,
    /// What had been withdrawn and said when the stop was asked for: nothing beyond may leave.
    said_at_cancel: Option<(u32, usize)>,
    /// What the agent has said since it was last withdrawn, as far as the core took it.
    said: String,
    /// How often that was withdrawn in this attempt.
    withdrawn: u32,
}

impl TurnLedger {
    fn withdraw(&mut self) {
        self.withdrawn += u32::from(!self.said.is_empty());
        self.said.clear();
    }
}

/// What an agent will do.
#[derive(Debug, Clone, Default)]
struct Script {
    steps_left: u32,
    /// How many agents answer together; 0 where one answers alone.
    parts: usize,
    stopped: bool,
}

/// What the histories have seen.
#[derive(Debug, Clone)]
pub(crate) struct Coverage {
    pub(crate) histories: u64,
    pub(crate) steps: u64,
    pub(crate) crashes: u64,
    pub(crate) without_fault: u64,
    pub(crate) fewest_sessions: usize,
    pub(crate) fewest_steps: u64,
    /// Of a turn that is thrown everything.
    pairs: HashSet<(&'static str, &'static str)>,
    /// Of the turns of sessions.
    lived: HashSet<(&'static str, &'static str)>,
}

impl Default for Coverage {
    fn default() -> Self {
        Self {
            histories: 0,
            steps: 0,
            crashes: 0,
            without_fault: 0,
            fewest_sessions: usize::MAX,
            fewest_steps: u64::MAX,
            pairs: HashSet::new(),
            lived: HashSet::new(),
        }
    }
}

impl Coverage {
    pub(crate) fn add(&mut self, other: Self) {
        self.histories += other.histories;
        self.steps += other.steps;
        self.crashes += other.crashes;
        self.without_fault += other.without_fault;
        self.fewest_sessions = self.fewest_sessions.min(other.fewest_sessions);
        self.fewest_steps = self.fewest_steps.min(other.fewest_steps);
        self.pairs.extend(other.pairs);
        self.lived.extend(other.lived);
    }

    /// Pairs of state and input that have not occurred.
    pub(crate) fn missing_pairs(&self) -> Vec<(&'static str, &'static str)> {
        let states = OPEN_STATES.into_iter().chain(["completed", "failed", "cancelled"]);
        missing(states, &self.pairs)
    }

    /// Pairs of an open turn's state and an input that have not occurred to the turns of sessions. A session has forgotten
    /// a turn that has ended.
    pub(crate) fn missing_lived_pairs(&self) -> Vec<(&'static str, &'static str)> {
        missing(OPEN_STATES.into_iter(), &self.lived)
    }
}

const OPEN_STATES: [&str; 5] = ["accepted", "routing", "running", "with_person", "stopping"];

fn missing(
    states: impl Iterator<Item = &'static str>,
    pairs: &HashSet<(&'static str, &'static str)>,
) -> Vec<(&'static str, &'static str)> {
    let inputs = all_inputs();
    let all = states.flat_map(|state| inputs.iter().map(move |input| (state, input.name())));
    all.filter(|pair| !pairs.contains(pair)).collect()
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
        Self {
            random,
            fault,
            now_ms: 1_767_225_600_000,
            ids: u128::from(seed) << 64,
            sessions,
            shadow: TurnState::Accepted,
            coverage: Coverage::default(),
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
        match self.random.random_range(0..100) {
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
            _ => self.agent_acts(at),
        }
    }

    fn submit(&mut self, at: usize) -> Checked {
        let key = ClientMessageId(self.new_id());
        let content = MessageContent::parse(format!("question {}", self.ids & 0xffff)).expect("it is short");
        self.sessions[at].said.push((key, content.clone()));
        self.submit_with(at, key, content)
    }

    fn submit_again(&mut self, at: usize) -> Checked {
        let Some((key, content)) = self.sessions[at].said.choose(&mut self.random).cloned() else {
            return Ok(());
        };
        self.faults += 1;
        self.submit_with(at, key, content)
    }

    fn submit_with(&mut self, at: usize, client_message_id: ClientMessageId, content: MessageContent) -> Checked {
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

    fn cancel(&mut self, at: usize) -> Checked {
        let open: Vec<_> = self.core(at).open_turn_ids().collect();
        let Some(turn_id) = open.choose(&mut self.random).copied() else {
            return Ok(());
        };
        self.cancel_turn(at, turn_id)
    }

    fn cancel_turn(&mut self, at: usize, turn_id: TurnId) -> Checked {
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

    fn take_over(&mut self, at: usize) -> Checked {
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

    fn say(&mut self, at: usize) -> Checked {
        let key = ClientMessageId(self.new_id());
        let content = MessageContent::parse(format!("words {}", self.ids & 0xffff)).expect("it is short");
        self.sessions[at].said_by_person.push((key, content.clone()));
        self.say_with(at, key, content)
    }

    fn say_again(&mut self, at: usize) -> Checked {
        let Some((key, content)) = self.sessions[at].said_by_person.choose(&mut self.random).cloned() else {
            return Ok(());
        };
        self.faults += 1;
        self.say_with(at, key, content)
    }

    fn say_with(&mut self, at: usize, client_message_id: ClientMessageId, content: MessageContent) -> Checked {
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

    fn release(&mut self, at: usize) -> Checked {
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

    /// One session's actor ends as by a panic; what it had handed on may still become durable.
    fn crash_session(&mut self, at: usize) -> Checked {
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
    fn crash_machine(&mut self) -> Checked {
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
    fn lose_something(&mut self, at: usize) -> Checked {
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
    fn repeat_something(&mut self, at: usize) -> Checked {
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
        let input = match self.random.random_range(0..5) {
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
                Input::Finished { run, outcome }
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

    fn let_time_pass(&mut self, at: usize, eventful: bool) -> Checked {
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

    /// The journal takes a step: makes an append durable, or tells the session of it.
    fn commit(&mut self, at: usize) -> Checked {
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

    fn route(&mut self, at: usize) -> Checked {
        if self.sessions[at].routes.is_empty() {
            return Ok(());
        }
        let run = self.sessions[at].routes.remove(0);
        let input = if self.random.random_bool(0.1) {
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

    fn agent_acts(&mut self, at: usize) -> Checked {
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
            return self.give(at, Input::Finished { run, outcome });
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
        let steps = match self.random.random_range(0..8) {
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

    /// Starts a session's core from its journal, and its client comes back for what it missed.
    fn recover(&mut self, at: usize) -> Checked {
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

    fn give(&mut self, at: usize, input: Input) -> Checked {
        self.trace(|| format!("session {at} ← {input:?}"));
        if let Input::Steps { run, part, steps } = &input {
            return self.give_steps(at, *run, *part, steps);
        }
        let effects = self.handle(at, input);
        self.perform(at, effects)
    }

    /// Steps are given one by one, so that for each delta it is known what was recorded before it.
    fn give_steps(&mut self, at: usize, run: Run, part: usize, steps: &[Step]) -> Checked {
        for step in steps {
            let is_running = self
                .core(at)
                .turn(run.turn_id)
                .is_some_and(|(state, now)| now == run && matches!(state, TurnState::Running { .. }));
            if is_running && let Some(ledger) = self.sessions[at].turns.get_mut(&run.turn_id) {
                match step {
                    Step::Delta(text) => ledger.said.push_str(text),
                    Step::Reset { .. } => ledger.withdraw(),
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
        }
        Ok(())
    }

    fn handle(&mut self, at: usize, input: Input) -> Vec<Effect> {
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

    fn perform(&mut self, at: usize, effects: Vec<Effect>) -> Checked {
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

    fn perform_one(&mut self, at: usize, effect: Effect) -> Checked {
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
            Effect::Waits(_) => {}
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

    /// What a session would do that does not heed the stop.
    fn speak_after_the_end(&mut self, at: usize, run: Run) -> Checked {
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

    fn throw_at_shadow(&mut self) {
        let inputs = all_inputs();
        let input = inputs.choose(&mut self.random).expect("there are inputs").clone();
        self.coverage.pairs.insert((self.shadow.name(), input.name()));
        match self.shadow.step(input) {
            Ok((next, _)) => self.shadow = next,
            Err(refused) => assert_eq!(refused.from, self.shadow),
        }
        if self.shadow.is_terminal() && self.random.random_bool(0.1) {
            self.shadow = TurnState::Accepted;
        }
    }

    fn note(&mut self, at: usize, turn_id: TurnId, input: &'static str) {
        if let Some((state, _)) = self.core(at).turn(turn_id) {
            let pair = (state.name(), input);
            self.coverage.lived.insert(pair);
        }
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

impl SimSession {
    fn new(index: u128, policy: Policy) -> Self {
        Self {
            id: SessionId(Uuid::from_u128(index + 1)),
            core: None,
            policy,
            journal: Vec::new(),
            unsent: Vec::new(),
            appending: None,
            unacknowledged: None,
            client: Client::default(),
            said: Vec::new(),
            said_by_person: Vec::new(),
            routes: Vec::new(),
            runs: BTreeMap::new(),
            reply_count: 0,
            waiting: HashMap::new(),
            turns: BTreeMap::new(),
            wanted: HashMap::new(),
            recorded_seq: 0,
        }
    }

    /// The process, or this actor, is gone, with all it knew.
    fn lose_memory(&mut self) {
        self.core = None;
        self.unsent.clear();
        self.routes.clear();
        self.runs.clear();
        self.waiting.clear();
        self.wanted.clear();
        for ledger in self.turns.values_mut() {
            // Whoever asked for the stop had no receipt, and asks again if it still matters.
            (ledger.cancel_asked, ledger.said_at_cancel) = (false, None);
            // The answer begins anew.
            (ledger.said, ledger.withdrawn, ledger.is_routed) = (String::new(), 0, false);
        }
    }

    /// Makes entries durable, all or none; the journal refuses what does not go on where it ends.
    fn store(&mut self, entries: Vec<JournalEntry>) -> Checked {
        for entry in entries {
            let ends = entry.event.turn_id.filter(|_| entry.event.body.is_terminal());
            if let Some(turn) = ends {
                let ledger = self.turns.entry(turn).or_default();
                if std::mem::replace(&mut ledger.ended, true) {
                    return Err(Violation::EndedTwice { turn });
                }
            }
            let expected = self.journal.len() as u64 + 1;
            if entry.event.seq != expected {
                return Err(Violation::SeqBroken {
                    expected,
                    found: entry.event.seq,
                });
            }
            if let Some(key) = key_of(&entry.event)
                && self.journal.iter().any(|event| key_of(event) == Some(key))
            {
                return Err(Violation::AcceptedTwice { key });
            }
            self.journal.push(entry.event);
        }
        Ok(())
    }

    /// What the store would tell a new core.
    fn recovered(&self) -> Recovered {
        let mut open: Vec<Vec<Event>> = Vec::new();
        let mut keys: Vec<(ClientMessageId, Key)> = Vec::new();
        for event in &self.journal {
            let Some(turn_id) = event.turn_id else { continue };
            if let Some(client_message_id) = key_of(event) {
                let key = Key {
                    turn_id,
                    accepted_seq: event.seq,
                    ended_seq: None,
                };
                keys.push((client_message_id, key));
            }
            if matches!(event.body, EventBody::MessageAccepted(_)) {
                open.push(Vec::new());
            }
            if event.body.is_terminal() {
                open.retain(|events| events.first().is_some_and(|first| first.turn_id != Some(turn_id)));
                keys.iter_mut()
                    .filter(|(_, key)| key.turn_id == turn_id)
                    .for_each(|(_, key)| key.ended_seq = Some(event.seq));
                continue;
            }
            let of_turn = open
                .iter_mut()
                .find(|events| events.first().is_none_or(|first| first.turn_id == Some(turn_id)));
            if let Some(events) = of_turn {
                events.push((**event).clone());
            }
        }
        Recovered {
            last_seq: self.journal.len() as u64,
            keys,
            open_turns: open,
            person: self.person(),
        }
    }

    /// Who has the session by its journal.
    fn person(&self) -> Option<PersonInCharge> {
        let handoffs = self.journal.iter().rev().filter(|event| event.turn_id.is_none());
        let last = handoffs.filter_map(|event| {
            let EventBody::Handoff(handoff) = &event.body else {
                return None;
            };
            Some((handoff, event.at))
        });
        let (handoff, since) = last.take(1).next()?;
        let name = handoff.by.clone().expect("it is known who");
        handoff.to.is_person().then_some(PersonInCharge { name, since })
    }

    fn is_persons(&self) -> bool {
        self.person().is_some()
    }

    fn publish_event(&mut self, seq: u64) -> Checked {
        match self.journal.iter().find(|event| event.seq == seq).cloned() {
            Some(event) => {
                if let EventBody::MessageCompleted(completed) = &event.body
                    && completed.client_message_id.is_none()
                    && self.client.answer(completed.message.id) != Some(completed.message.content.as_str())
                {
                    let turn = event.turn_id.expect("what ends is a turn");
                    return Err(Violation::AnswerDiffers { turn });
                }
                self.client.take_event(&event)
            }
            None => Err(Violation::PublishedBeforeCommit { seq }),
        }
    }

    fn publish(&mut self, item: &Outgoing) -> Checked {
        if let Some(seq) = item.frame.seq {
            return self.publish_event(seq);
        }
        let signal: Signal = serde_json::from_str(&item.frame.text).expect("a signal is JSON");
        if let (OutgoingKind::Delta(mark), Some(turn_id)) = (item.kind, signal.turn_id) {
            let said_at_cancel = self.turns.get(&turn_id).and_then(|ledger| ledger.said_at_cancel);
            if said_at_cancel.is_some_and(|said| (mark.withdrawn, mark.bytes) > said) {
                return Err(Violation::SpokeAfterItsEnd { turn: turn_id });
            }
            let wanted = self.wanted.get(&(turn_id, mark.withdrawn)).into_iter().flatten();
            // What was said up to this byte was said after these events.
            let wanted = wanted
                .filter(|(end, _)| *end <= mark.bytes)
                .map(|(_, seq)| *seq)
                .max()
                .unwrap_or(0);
            if wanted > self.client.last_seq {
                return Err(Violation::DeltaBeforeItsStep {
                    wanted,
                    seen: self.client.last_seq,
                });
            }
        }
        self.client.take_signal(&signal)
    }

    fn expect_reply(&mut self, waiting: Waiting) -> ReplyTo {
        self.reply_count += 1;
        let to = ReplyTo(self.reply_count);
        self.waiting.insert(to, waiting);
        to
    }

    fn take_reply(&mut self, to: ReplyTo, reply: &Reply) {
        match (self.waiting.remove(&to), reply) {
            (Some(Waiting::Submit), Reply::Accepted { seq, .. }) => {
                assert!(
                    *seq <= self.journal.len() as u64,
                    "an acceptance was confirmed before its commit"
                );
            }
            (Some(Waiting::Submit), Reply::Repeated { key, .. }) => {
                let journal = self.journal.len() as u64;
                assert!(key.accepted_seq <= journal && key.ended_seq.is_none_or(|seq| seq <= journal));
            }
            (Some(Waiting::Submit | Waiting::TakeOver | Waiting::Say(_)), Reply::Refused(_)) => {}
            (Some(Waiting::TakeOver), Reply::InCharge(Some(_))) => {
                let is_taken =
                    |event: &Arc<Event>| matches!(&event.body, EventBody::Handoff(handoff) if handoff.to.is_person());
                assert!(self.journal.iter().any(is_taken), "taken over before the commit");
            }
            (Some(Waiting::Release), Reply::InCharge(None)) => {}
            (Some(Waiting::Say(key)), Reply::Said(said)) => {
                let event = self.journal.iter().find(|event| event.seq == said.seq);
                assert_eq!(
                    event.and_then(|event| key_of(event)),
                    Some(key),
                    "said before the commit"
                );
            }
            (Some(Waiting::Say(_)), Reply::Repeated { key, .. }) => {
                assert!(key.accepted_seq <= self.journal.len() as u64);
            }
            (Some(Waiting::Cancel(turn_id)), Reply::Cancelled(_)) => {
                assert!(
                    self.turns.get(&turn_id).is_some_and(|ledger| ledger.ended),
                    "a receipt before the commit"
                );
            }
            (Some(Waiting::Cancel(_)), Reply::Ended | Reply::NoOpenTurn) => {}
            (Some(_), other) => panic!("an answer that does not fit: {other:?}"),
            (None, other) => panic!("answered twice: {other:?}"),
        }
    }

    fn begin(&mut self, run: Run) -> Checked {
        let ledger = self.turns.entry(run.turn_id).or_default();
        ledger.begun += 1;
        if ledger.cancel_asked || ledger.ended {
            return Err(Violation::SpokeAfterItsEnd { turn: run.turn_id });
        }
        ledger.is_routed = true;
        if ledger.begun > ATTEMPTS_MAX + ledger.given_back {
            return Err(Violation::BegunTooOften {
                turn: run.turn_id,
                times: ledger.begun,
            });
        }
        let recorded = self.journal.iter().any(|event| {
            if let EventBody::RetrievalLog(log) = &event.body
                && let LogData::Routing(analysis) = &log.data
            {
                return event.turn_id == Some(run.turn_id) && analysis.attempt == Some(run.attempt);
            }
            false
        });
        if run.attempt > 1 && !recorded {
            return Err(Violation::UnrecordedAttempt { turn: run.turn_id });
        }
        Ok(())
    }

    fn rests(&self) -> bool {
        self.core.as_ref().is_some_and(SessionCore::is_idle)
            && self.appending.is_none()
            && self.unacknowledged.is_none()
            && self.unsent.is_empty()
    }
}

/// The idempotency key that an event has taken.
fn key_of(event: &Event) -> Option<ClientMessageId> {
    if let EventBody::MessageAccepted(accepted) = &event.body {
        return Some(accepted.client_message_id);
    }
    let EventBody::MessageCompleted(completed) = &event.body else {
        return None;
    };
    completed.client_message_id
}

fn all_inputs() -> [TurnInput; 14] {
    [
        TurnInput::Begin,
        TurnInput::Routed {
            decision: decision("billing"),
            fallbacks: vec![agent("technical")],
        },
        TurnInput::RoutingFailed(failure()),
        TurnInput::Progressed,
        TurnInput::Finished,
        TurnInput::AgentFailed(failure()),
        TurnInput::Cancel,
        TurnInput::Stopped(Receipt::default()),
        TurnInput::Expire,
        TurnInput::GiveUp,
        TurnInput::BeginWithPerson,
        TurnInput::Interrupt,
        TurnInput::PersonReplied,
        TurnInput::HandBack,
    ]
}

fn next_id(ids: &mut u128) -> Uuid {
    *ids += 1;
    Uuid::from_u128(*ids | 1 << 126)
}

fn agent(id: &str) -> AgentId {
    AgentId::parse(id).expect("it is an id")
}

fn decision(id: &str) -> RoutingDecision {
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

fn failure() -> Failure {
    Failure::new(ErrorCode::UpstreamError, "away")
}

fn answer() -> Answer {
    Answer {
        confidence: Confidence::new(0.8),
        citations: vec![],
        usage: Usage::default(),
        cache_status: CacheStatus::None,
    }
}

fn log_step() -> Step {
    let data = LogData::Documents(DocumentsRead {
        documents: vec![],
        revision: 1,
    });
    Step::Log {
        title: "Read".into(),
        status: LogStatus::Success,
        data,
    }
}
