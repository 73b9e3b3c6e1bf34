//! What stands around a language model: what it may read, what it is sent, how long it may speak, and how much of what it says its sources
//! bear out. And what an agent does not speak about, whoever answers.
//!
//! Each verdict is a step of the turn with its reason ([`Verdict`]). None of it is run where the embedded model answers, which obeys
//! nobody, sends nothing to anybody, and says what its sources say; but for blocked topics, where an agent has any.
//!
//! In reading order:
//! - [`screening`]: text that others wrote and that speaks to the model;
//! - [`offers`]: the same of what tools say of themselves;
//! - [`personal`]: personal data and secrets, found by their form;
//! - [`redaction`]: these taken out of what is sent, and put back into what is said;
//! - [`length`]: an answer that is cut where it is too long;
//! - [`grounding`]: sentence by sentence, whether the sources say so;
//! - [`topics`]: what an agent does not speak about.

pub(crate) mod grounding;
mod length;
mod offers;
pub mod personal;
mod redaction;
mod screening;
mod topics;

use std::sync::Arc;

use orchestratai_shared::LogStatus;
use tokio::sync::Semaphore;

pub use self::offers::OffersRead;
pub(crate) use self::{
    grounding::Grounding,
    length::Bounded,
    redaction::{Redaction, without_personal_data},
    topics::Topics,
};
use crate::{embedder::StaticEmbedder, knowledge::SearchResult, model::ChunkRead};

/// What becomes of a passage, or of the result of a tool, that speaks to the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SuspiciousSources {
    /// The model is not given it.
    LeaveOut,
    /// It is given all the same; a step warns of it.
    Keep,
}

/// What stands around all language models.
#[derive(Debug, Clone)]
pub struct Guardrails {
    /// For what is compared by meaning.
    pub embedder: Arc<StaticEmbedder>,
    /// What becomes of passages and results of tools that speak to the model.
    pub suspicious: SuspiciousSources,
    /// Whether personal data are taken out of what providers are sent.
    pub redact_prompts: bool,
    /// Answers that may be held against their sources at once: each takes a thread, with its memory, and a core for some milliseconds.
    pub measured_at_once: Arc<Semaphore>,
    /// What was read of tools.
    pub offers_read: OffersRead,
}

/// What a guardrail says, for people to see.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// It in a few words.
    pub title: String,
    /// Whether it is a warning.
    pub status: LogStatus,
    /// What it is about.
    pub about: About,
}

/// What a verdict is about.
#[derive(Debug, Clone, PartialEq)]
pub enum About {
    /// These chunks of what was found, with the reason for each.
    Sources(Vec<ChunkRead>),
    /// The turn as a whole, with the reason.
    Turn(String),
}

impl Guardrails {
    /// The chunks of `found` that speak to the model, each with the reason.
    pub(crate) fn suspicious(&self, found: &SearchResult) -> Vec<ChunkRead> {
        let chunks = (0..).zip(&found.chunks);
        chunks
            .filter_map(|(chunk, found)| {
                let reason = found.chunk.suspicion(suspicion_of_passage)?.to_owned();
                Some(ChunkRead { chunk, reason })
            })
            .collect()
    }

    /// Says that what `tool` gave back speaks to the model, and what becomes of it.
    pub(crate) fn of_result(&self, tool: &str, reason: &str) -> Verdict {
        let what = match self.suspicious {
            SuspiciousSources::LeaveOut => "is not given to it",
            SuspiciousSources::Keep => "is given to it all the same",
        };
        Verdict {
            title: format!("What {tool} gave back speaks to the model, and {what}"),
            status: LogStatus::Warning,
            about: About::Turn(format!("The result of {tool} {what}: {reason}.")),
        }
    }

    /// Says that what a tool says of itself speaks to the model, and what becomes of the tool.
    pub(crate) fn of_offer(&self, tool: &str, reason: &str) -> Verdict {
        let what = match self.suspicious {
            SuspiciousSources::LeaveOut => "is not offered to it",
            SuspiciousSources::Keep => "is offered to it all the same",
        };
        Verdict {
            title: format!("What {tool} says of itself speaks to the model: it {what}"),
            status: LogStatus::Warning,
            about: About::Turn(format!("The tool {tool} {what}: {reason}.")),
        }
    }

    /// Says that a passage that a search of the model has found speaks to it, and what becomes of it.
    pub(crate) fn of_found(&self, number: u32, document: &str, reason: &str) -> Verdict {
        let what = match self.suspicious {
            SuspiciousSources::LeaveOut => "is not given to it",
            SuspiciousSources::Keep => "is given to it all the same",
        };
        Verdict {
            title: format!("A passage that was searched for speaks to the model, and {what}"),
            status: LogStatus::Warning,
            about: About::Turn(format!("Source {number}, {document}, {what}: {reason}.")),
        }
    }

    /// Says which passages speak to the model, and what became of them; none where none does.
    pub(crate) fn of_screening(&self, suspicious: Vec<ChunkRead>) -> Option<Verdict> {
        let count = suspicious.len();
        let (is, what) = match (count, self.suspicious) {
            (0, _) => return None,
            (1, SuspiciousSources::LeaveOut) => ("passage speaks", "is not given to it"),
            (1, SuspiciousSources::Keep) => ("passage speaks", "is given to it all the same"),
            (_, SuspiciousSources::LeaveOut) => ("passages speak", "are not given to it"),
            (_, SuspiciousSources::Keep) => ("passages speak", "are given to it all the same"),
        };
        Some(Verdict {
            title: format!("{count} {is} to the model, and {what}"),
            status: LogStatus::Warning,
            about: About::Sources(suspicious),
        })
    }
}

/// Why a passage is suspicious; none where it is not.
pub(crate) fn suspicion_of_passage(headings: &str, text: &str) -> Option<String> {
    screening::suspicion(&format!("{headings}\n\n{text}"))
}

/// Why the result of a tool is suspicious; none where it is not.
pub(crate) fn suspicion_of_result(result: &str) -> Option<String> {
    let mut texts = screening::texts_of(result).into_iter();
    texts.find_map(|text| screening::suspicion(&text))
}

/// Says what was taken out of what a model is sent; never the data.
pub(crate) fn of_redaction(redaction: &Redaction) -> Option<Verdict> {
    let told = redaction.told()?;
    Some(Verdict {
        title: format!("Not sent to the model: {told}"),
        status: LogStatus::Success,
        about: About::Turn(format!(
            "Personal data are taken out of what a model is sent, and put back into its answer: {told}."
        )),
    })
}

/// Says that an answer was cut.
pub(crate) fn of_length(characters_max: usize) -> Verdict {
    Verdict {
        title: format!("Cut at {characters_max} characters"),
        status: LogStatus::Warning,
        about: About::Turn(format!(
            "The model wrote more than the {characters_max} characters that the agent may say; it was stopped."
        )),
    }
}
