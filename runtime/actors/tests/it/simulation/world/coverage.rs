//! What the histories have seen: every input in every state of a turn.

use super::*;

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
    pub(super) pairs: HashSet<(&'static str, &'static str)>,
    /// Of the turns of sessions.
    pub(super) lived: HashSet<(&'static str, &'static str)>,
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

const OPEN_STATES: [&str; 6] = [
    "accepted",
    "routing",
    "running",
    "awaiting_approval",
    "with_person",
    "stopping",
];

fn missing(
    states: impl Iterator<Item = &'static str>,
    pairs: &HashSet<(&'static str, &'static str)>,
) -> Vec<(&'static str, &'static str)> {
    let inputs = all_inputs();
    let all = states.flat_map(|state| inputs.iter().map(move |input| (state, input.name())));
    all.filter(|pair| !pairs.contains(pair)).collect()
}

impl World {
    pub(super) fn throw_at_shadow(&mut self) {
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

    pub(super) fn note(&mut self, at: usize, turn_id: TurnId, input: &'static str) {
        if let Some((state, _)) = self.core(at).turn(turn_id) {
            let pair = (state.name(), input);
            self.coverage.lived.insert(pair);
        }
    }
}

pub(super) fn all_inputs() -> [TurnInput; 18] {
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
        TurnInput::AwaitApproval,
        TurnInput::Decided,
        TurnInput::DecidedInPart,
        TurnInput::HandOff {
            to: agent("policy"),
            reason: "it is theirs".into(),
        },
    ]
}
