//! What makes an answer out of what was found. A model streams: it says what it has read, then the answer piece by piece,
//! then how it ended.

mod chain;
mod choice;
mod confidence;
mod context;
mod differences;
mod extractive;
mod features;
mod form;
mod generative;
mod grounded;
mod guarded_turn;
mod marks;
mod prompt;
mod registry;
mod table;
mod weights;

use std::{pin::Pin, sync::Arc};

use futures_util::Stream;
use orchestratai_shared::{
    AgentId, Citation, Confidence, ErrorCode, Event, EventBody, Fact, Failure, Incomplete, Message, event::ToolCall,
};

pub use self::{
    chain::Chain,
    context::ContextWindow,
    extractive::Extractive,
    generative::Generative,
    registry::{ModelNames, Models},
};
use crate::{
    acting::Acting,
    budget::BudgetQuestion,
    guardrail::Verdict,
    knowledge::SearchResult,
    language::{LanguageError, Spender},
    turn::{FromClient, Pause, Step, UsageMeter},
};

/// Stands before passages that say different things of the same.
const DIFFERENCE: &str = "The sources differ; the newest first:";
/// Stands before the day of a source, and behind it.
const DATED: [&str; 2] = ["(updated ", ") "];

/// The day of a source, as it stands before a passage.
fn dated(day: &str) -> String {
    format!("{}{day}{}", DATED[0], DATED[1])
}

/// An answer without what the embedded model says of itself: what stays must stand in the sources.
#[must_use]
pub fn without_own_words(answer: &str) -> String {
    let mut left = answer.replace(DIFFERENCE, "");
    let mut from = 0;
    while let Some(at) = left[from..].find(DATED[0]).map(|at| from + at) {
        let after = &left[at + DATED[0].len()..];
        let end = after.find(DATED[1]).filter(|end| differences::is_day(&after[..*end]));
        match end {
            Some(end) => left.replace_range(at..at + DATED[0].len() + end + DATED[1].len(), ""),
            None => from = at + DATED[0].len(),
        }
    }
    left
}

/// Where the embedded model logs, at the level `TRACE`, what it sees of each passage: one JSON object for each question, for
/// whoever fits its weights anew.
pub const FEATURES_TARGET: &str = "answer_features";

/// Makes answers.
pub trait Model: Send + Sync {
    /// The model's name, as agent files have it.
    fn name(&self) -> &str;

    /// Whether it reads what a person has said before. The embedded model reads sources and nothing else.
    fn takes_facts(&self) -> bool {
        false
    }

    /// Whether it calls tools where it is offered any.
    fn calls_tools(&self) -> bool {
        false
    }

    /// Answers `task`. Dropping the stream stops the work and closes what is open upstream; `meter` is told what was used
    /// and whether something is open, as soon as that is known.
    fn answer<'a>(&'a self, task: ModelTask<'a>, meter: &'a UsageMeter) -> ModelStream<'a>;
}

/// A model at work. Ends after the first error, or after [`ModelEvent::Finished`], which comes exactly once.
pub type ModelStream<'a> = Pin<Box<dyn Stream<Item = Result<ModelEvent, ModelError>> + Send + 'a>>;

/// What is to be answered, and from what.
#[derive(Clone, Copy)]
pub struct ModelTask<'a> {
    /// What the user says.
    pub question: &'a str,
    /// The agent's prompt, for models that read one.
    pub prompt: &'a str,
    /// What was found, best first; a citation names a chunk by its place here.
    pub found: &'a SearchResult,
    /// The transcript before the question, oldest first.
    pub history: &'a [Arc<Message>],
    /// What the person has said of themselves before, the newest first, for models that read it.
    pub facts: &'a [Fact],
    /// For whom it is asked; nobody where it is asked for no turn.
    pub spender: Option<&'a Spender>,
    /// What may be done beside answering, for models that can call tools.
    pub acting: Option<&'a Acting>,
    /// What the client has brought along: what was called in the conversation before.
    pub client: Option<&'a FromClient>,
    /// What was said to this agent by the one that had the turn before, for models that read it.
    pub handed_over: Option<HandedOver<'a>>,
    /// Characters that the answer may have, where a language model writes it.
    pub answer_characters: usize,
}

/// What an agent says to the one that it hands the turn to. A model wrote it, who knows from what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HandedOver<'a> {
    /// Who handed it over.
    pub from: &'a AgentId,
    /// Why, and what the other should know.
    pub reason: &'a str,
}

impl<'a> HandedOver<'a> {
    /// What `agent` was told when it was given a turn of which this is on record; `None` where it has it from the start, or from a person.
    #[must_use]
    pub fn to(agent: &AgentId, past: &'a [Arc<Event>]) -> Option<Self> {
        let newest = past.iter().rev().find_map(|event| match &event.body {
            EventBody::Handoff(handoff) => Some(handoff),
            EventBody::MessageAccepted(_)
            | EventBody::RetrievalLog(_)
            | EventBody::AgentStatus(_)
            | EventBody::ToolCall(_)
            | EventBody::ApprovalRequested(_)
            | EventBody::ApprovalResolved(_)
            | EventBody::MessageCompleted(_)
            | EventBody::TurnFailed(_)
            | EventBody::TurnCancelled(_) => None,
        })?;
        let is_between_agents = newest.to == *agent && newest.by.is_none();
        is_between_agents.then_some(Self {
            from: &newest.from,
            reason: &newest.reason,
        })
    }
}

/// What a model says.
#[derive(Debug, Clone, PartialEq)]
pub enum ModelEvent {
    /// The chunks that the answer is made from; before the first delta, and again after what was said was withdrawn.
    Read(Vec<ChunkRead>),
    /// The next piece of the answer.
    Delta(String),
    /// All deltas so far are withdrawn: another model answers from the start.
    Withdrawn {
        /// Who answers now, for people.
        title: String,
        /// Why, for people.
        reason: String,
    },
    /// Tools are about to be called, or a call has ended. What is asked for next happens once this is on record.
    ToolCalls(Vec<ToolCall>),
    /// A call has done something for people to see.
    Step(Box<Step>),
    /// The model does not answer now: a person has to decide, another agent goes on, or the client calls tools of its own. Nothing follows.
    Paused(Pause),
    /// What a guardrail says.
    Judged(Verdict),
    /// The answer is complete.
    Finished(ModelOutcome),
}

/// A chunk that an answer is made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChunkRead {
    /// Its place in what was found, from 0.
    pub chunk: u32,
    /// Why it was read, for people.
    pub reason: String,
}

/// How an answer ended.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelOutcome {
    /// How sure it is; below 0.5 it says itself that there is no answer.
    pub confidence: Confidence,
    /// What each `[n]` in the text stands for.
    pub citations: Vec<Citation>,
    /// Whether it is given once and not kept: another model has answered than the one that was asked, or it stands on what tools
    /// have done or on what another agent has told this one, or it is not whole.
    pub is_for_once: bool,
    /// Why it is not whole; `None` where it is.
    pub incomplete: Option<Incomplete>,
}

/// Why a model has no answer.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ModelError {
    /// The provider answered with an error, or not at all.
    #[error("the model provider failed: {reason}")]
    Upstream {
        /// What it says, without secrets.
        reason: String,
    },
    /// It was not asked: a budget has not enough left.
    #[error("{reason}")]
    OverBudget {
        /// Which, and when it begins anew; for people.
        reason: String,
        /// What a person may decide, who can let it be asked.
        question: Option<Box<BudgetQuestion>>,
    },
    /// The stream ended before the answer was complete.
    #[error("the model stopped before its answer was complete")]
    CutShort,
}

impl From<LanguageError> for ModelError {
    fn from(error: LanguageError) -> Self {
        if error == LanguageError::CutShort {
            return Self::CutShort;
        }
        if let LanguageError::OverBudget { reason, question } = error {
            return Self::OverBudget { reason, question };
        }
        Self::Upstream {
            reason: error.to_string(),
        }
    }
}

impl ModelError {
    /// The failure as the client sees it.
    #[must_use]
    pub fn failure(&self) -> Failure {
        match self {
            Self::Upstream { .. } => Failure::new(ErrorCode::UpstreamError, "The model is not available just now."),
            // Asking again helps no sooner than the budget begins anew.
            Self::OverBudget { reason, .. } => Failure {
                retryable: false,
                ..Failure::new(ErrorCode::RateLimited, format!("The model is not asked: {reason}."))
            },
            Self::CutShort => Failure::new(
                ErrorCode::UpstreamError,
                "The model stopped in the middle of its answer.",
            ),
        }
    }
}
