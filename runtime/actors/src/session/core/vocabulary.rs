//! The vocabulary of a core: what can happen to a session, and what is to be done about it.

use serde::{Deserialize, Serialize};

use super::*;

/// What happens to a message that arrives while a turn runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DoubleTexting {
    /// It waits its turn.
    Enqueue,
    /// It stops the turns before it.
    Interrupt,
    /// It is refused.
    Reject,
}

/// The rules of a session.
#[derive(Debug, Clone, Copy)]
pub struct Policy {
    /// What happens to a message that arrives while a turn runs.
    pub double_texting: DoubleTexting,
    /// Turns that may wait behind the running one.
    pub queue_max: usize,
    /// How often a turn is begun before it is given up, the first time included.
    pub attempts_max: u32,
    /// How long a turn waits for a person who has the session before that is given back to the agents.
    pub person_max: Duration,
}

/// The present, and fresh ids: all that a core may know of the world.
pub struct Context<'a> {
    /// The present.
    pub now: Timestamp,
    /// Makes an id that was never made before.
    pub new_id: &'a mut dyn FnMut() -> Uuid,
}

/// Whom to answer; the actor knows what it stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ReplyTo(pub u64);

/// Names one run of one agent, so that what a run says late is told apart from what its successor says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Run {
    /// The turn.
    pub turn_id: TurnId,
    /// Which attempt at the turn, from 1.
    pub attempt: u32,
    /// Which agent of the attempt, from 0: it grows with every fallback.
    pub leg: u32,
}

/// What can happen to a session.
#[derive(Debug, Clone)]
pub enum Input {
    /// A user says something.
    Submit {
        /// The idempotency key.
        client_message_id: ClientMessageId,
        /// What is said.
        said: UserMessage,
        /// Whom to answer.
        reply_to: ReplyTo,
    },
    /// Somebody wants a turn stopped; without an id the one at the head.
    Cancel {
        /// Which.
        turn_id: Option<TurnId>,
        /// Whom to answer.
        reply_to: ReplyTo,
    },
    /// A person wants to have the session.
    TakeOver(TakeOver),
    /// The person who has it says something.
    Say(Say),
    /// Somebody decides on what an agent wants to do.
    Decide(Decide),
    /// It is to be the agents' again.
    Release(Release),
    /// Everything up to `through` is durable.
    Committed {
        /// A `seq`.
        through: u64,
    },
    /// A language model was asked who answers; what the orchestrator has decided follows.
    Advised {
        /// The run that was asked for.
        run: Run,
        /// What it has used.
        used: Usage,
        /// Whether it did not decide.
        is_missed: bool,
    },
    /// The orchestrator has decided.
    Routed {
        /// The run that was asked for.
        run: Run,
        /// Its decision and the fallbacks of the chosen agent, or why there is none.
        decision: Result<(RoutingDecision, Vec<AgentId>), Failure>,
    },
    /// An agent took steps, in order.
    Steps {
        /// Its run.
        run: Run,
        /// The part of the message that it answers, from 0; of no meaning where one agent answers all of it.
        part: usize,
        /// The steps.
        steps: Vec<Step>,
    },
    /// One of several agents is done with its part, and others may not be.
    PartEnded {
        /// Their run.
        run: Run,
        /// The part of the message, from 0.
        part: usize,
        /// Whether it has an answer, or why there is none.
        outcome: Result<(), Failure>,
    },
    /// An agent stops without an answer, and its turn goes on.
    Paused {
        /// Its run.
        run: Run,
        /// Why.
        pause: Pause,
        /// What it has used.
        used: Usage,
    },
    /// An agent is done.
    Finished {
        /// Its run.
        run: Run,
        /// Its answer, or why there is none.
        outcome: Result<Answer, Failure>,
        /// What it has used for no answer.
        lost: Usage,
    },
    /// An agent has stopped as it was told.
    Stopped {
        /// Its run.
        run: Run,
        /// What stopping has cost.
        receipt: Receipt,
    },
    /// Time has passed.
    Tick {
        /// How long a run may take.
        run_max: Duration,
    },
}

/// A person wants to have a session.
#[derive(Debug, Clone)]
pub struct TakeOver {
    /// Who.
    pub name: String,
    /// Why, for people.
    pub reason: Option<String>,
    /// Whether an answer that agents are at is withdrawn; else it is let end.
    pub interrupt: bool,
    /// Whom to answer.
    pub reply_to: ReplyTo,
}

/// The person who has a session says something.
#[derive(Debug, Clone)]
pub struct Say {
    /// The idempotency key, one of the same kind as those of the users' messages.
    pub client_message_id: ClientMessageId,
    /// What is said.
    pub content: MessageContent,
    /// The turn that it answers; without one the oldest that waits, if one does.
    pub turn_id: Option<TurnId>,
    /// Whom to answer.
    pub reply_to: ReplyTo,
}

/// Somebody decides on what an agent wants to do.
#[derive(Debug, Clone)]
pub struct Decide {
    /// Which request.
    pub approval_id: ApprovalId,
    /// What is decided.
    pub decision: Decision,
    /// What the tool is to be given instead; only where it is approved.
    pub arguments: Option<serde_json::Value>,
    /// Who decides.
    pub by: String,
    /// Why, for people.
    pub reason: Option<String>,
    /// Whom to answer.
    pub reply_to: ReplyTo,
}

/// A session is to be the agents' again.
#[derive(Debug, Clone)]
pub struct Release {
    /// Who gives it back; without a name the person who has it.
    pub name: Option<String>,
    /// Why, for people.
    pub reason: Option<String>,
    /// Whom to answer.
    pub reply_to: ReplyTo,
}

/// What the caller does next, in order.
#[derive(Debug)]
pub enum Effect {
    /// Hand these to the journal.
    Append(Vec<JournalEntry>),
    /// Tell these to the subscribers.
    Publish(Vec<Outgoing>),
    /// Answer a submission or a cancellation.
    Reply(ReplyTo, Reply),
    /// Ask the orchestrator who answers.
    Route(RunRequest),
    /// Let an agent work.
    RunAgent {
        /// Which.
        agent: AgentId,
        /// At what.
        request: RunRequest,
    },
    /// What it stands for is durable.
    Tell(Durable),
    /// A turn that has waited for a decision goes on.
    GoesOn(TurnId),
    /// Close what a run has open, at once.
    StopAgent(Run),
    /// A turn waits for a person from now on, and takes no room among those that agents work at.
    Waits(TurnId),
    /// It waits no more.
    WaitEnded {
        /// The turn.
        turn_id: TurnId,
        /// For how long it has waited, in milliseconds.
        waited_ms: u64,
        /// How that ended.
        end: WaitEnd,
    },
    /// A turn has ended, and its end is durable.
    TurnEnded(EndedTurn),
}

/// Whose word a turn waits for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Awaited {
    /// That of the person who has its session.
    Person(PersonInCharge),
    /// Somebody's who decides on what an agent wants to do.
    Approval(Box<ApprovalRequested>),
}

/// How a turn stopped waiting for a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitEnd {
    /// They have answered.
    Replied,
    /// They have given the session back.
    HandedBack,
    /// They have not answered in time.
    Expired,
    /// The turn was cancelled.
    Cancelled,
}

impl WaitEnd {
    /// How a turn that waits stops by an input.
    pub(super) fn by(input: &TurnInput) -> Self {
        match input {
            TurnInput::PersonReplied => Self::Replied,
            TurnInput::Cancel => Self::Cancelled,
            TurnInput::Expire => Self::Expired,
            // None of the others ends a wait.
            TurnInput::HandBack
            | TurnInput::Begin
            | TurnInput::Routed { .. }
            | TurnInput::RoutingFailed(_)
            | TurnInput::Progressed
            | TurnInput::Finished
            | TurnInput::AgentFailed(_)
            | TurnInput::Stopped(_)
            | TurnInput::GiveUp
            | TurnInput::AwaitApproval
            | TurnInput::Decided
            | TurnInput::DecidedInPart
            | TurnInput::HandOff { .. }
            | TurnInput::BeginWithPerson
            | TurnInput::Interrupt => Self::HandedBack,
        }
    }
}

/// What a person has said, and where it stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Said {
    /// The turn that it ends; one of its own where none waited.
    pub turn_id: TurnId,
    /// As the transcript keeps it.
    pub message: Message,
    /// The `seq` of its `message_completed`.
    pub seq: u64,
    /// Whether it had been said before under the same key; nothing was appended then.
    pub repeated: bool,
}

/// An answer to what was asked of a session.
#[derive(Debug, Clone)]
pub enum Reply {
    /// Who has the session now, and that is durable.
    InCharge(Option<PersonInCharge>),
    /// What a person says is durable.
    Said(Said),
    /// What was decided is durable.
    Decided(ApprovalResolved),
    /// The message is durable, and will be answered.
    Accepted {
        /// The turn that answers it.
        turn_id: TurnId,
        /// The message in the transcript.
        message_id: MessageId,
        /// The `seq` of `message_accepted`.
        seq: u64,
    },
    /// The key has been accepted before, and that is durable.
    Repeated {
        /// The idempotency key.
        client_message_id: ClientMessageId,
        /// What was said now, to be compared with what was said then.
        content: MessageContent,
        /// What is known of that turn.
        key: Key,
    },
    /// It is refused.
    Refused(Refusal),
    /// The turn was stopped.
    Cancelled(TurnCancelled),
    /// The turn has ended otherwise.
    Ended,
    /// No open turn has that id.
    NoOpenTurn,
}

/// What is needed to route a message or to answer it.
#[derive(Debug, Clone)]
pub struct RunRequest {
    /// The run.
    pub run: Run,
    /// What was said.
    pub said: UserMessage,
    /// What the message wants, once that is decided.
    pub intent: Intent,
    /// Where several agents answer it together: the concerns of the message, as they are told.
    pub concerns: Vec<Concern>,
    /// What the turn has done so far that an agent has to know: its calls, approvals and hand-offs, oldest first.
    pub past: Vec<Arc<Event>>,
}

/// A turn that has ended.
#[derive(Debug, Clone)]
pub struct EndedTurn {
    /// The turn.
    pub turn_id: TurnId,
    /// The agent that ended it, where one had begun.
    pub agent: Option<AgentId>,
    /// Its durable events, in order, from `message_accepted` on.
    pub events: Vec<Recorded>,
    /// From acceptance to the end, in milliseconds.
    pub duration_ms: u64,
}

/// The oldest turn that has not ended.
#[derive(Debug, Clone)]
pub struct Head<'a> {
    /// The turn.
    pub turn_id: TurnId,
    /// Where it stands.
    pub phase: TurnPhase,
    /// Who answers, once that is decided.
    pub agent: Option<AgentId>,
    /// What was said.
    pub message: &'a Message,
}

/// A durable event and its text on the wire, which is made once.
#[derive(Debug, Clone, PartialEq)]
pub struct Recorded {
    /// The event.
    pub event: Arc<Event>,
    /// Its text: one JSON object.
    pub text: ByteString,
}

impl From<Event> for Recorded {
    fn from(event: Event) -> Self {
        Self {
            text: outbox::to_text(&event),
            event: Arc::new(event),
        }
    }
}

/// What is known of an accepted message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key {
    /// The turn that answers it.
    pub turn_id: TurnId,
    /// The `seq` of `message_accepted`.
    pub accepted_seq: u64,
    /// The `seq` of the terminal event.
    pub ended_seq: Option<u64>,
}

/// What the journal knows of a session: all that a new core needs.
#[derive(Debug, Clone, Default)]
pub struct Recovered {
    /// The last `seq`.
    pub last_seq: u64,
    /// The idempotency keys.
    pub keys: Vec<(ClientMessageId, Key)>,
    /// The durable events of each turn that has not ended, oldest turn first.
    pub open_turns: Vec<Vec<Event>>,
    /// Who has taken it over.
    pub person: Option<PersonInCharge>,
}
