//! Who answers a message, and what the message wants.
//!
//! A message is first looked at by rules that need no learning (attempts to change the rules of the assistant, a message
//! that is nothing but a greeting), and then compared with the example utterances of all agents and with what their collections
//! of the knowledge base are about. A message that leans on what was said before is first made to stand on its own. Where all this leaves
//! a doubt, a language model may decide.

mod adviser;
mod classifier;
mod concerns;
mod evidence;
mod explanation;
mod fitting;
pub(crate) mod injection;
mod letters;
mod message;
mod near;
mod router;
mod spelling;
mod utterances;
mod weights;

use orchestratai_shared::{AgentId, Confidence, Intent};

pub(crate) use self::message::{Word, words};
pub use self::{
    adviser::{Advised, Adviser, AdviserSettings, Doubt},
    evidence::{CollectionEvidence, KnowledgeEvidence, PassageEvidence},
    fitting::{Features, InjectionFeatures},
    router::Router,
};

/// Who answers, and why.
#[derive(Debug, Clone, PartialEq)]
pub struct RoutingDecision {
    /// Who answers: the specialist of the main concern, or the orchestrator.
    pub agent: AgentId,
    /// What the message wants.
    pub intent: Intent,
    /// How probable it is that `agent` is right.
    pub confidence: Confidence,
    /// What decided, for people.
    pub reasoning: String,
    /// Everybody who was considered, most probable first; where a message has several concerns, all their specialists
    /// stand in front.
    pub candidates: Vec<Candidate>,
    /// Where a message has concerns of several specialists: all of them, as they are told; else none.
    pub concerns: Vec<Concern>,
}

/// A part of a message that is the concern of one specialist.
#[derive(Debug, Clone, PartialEq)]
pub struct Concern {
    /// Whose.
    pub agent: AgentId,
    /// The part; where it is told in several places, those one after the other.
    pub text: String,
    /// What the part wants.
    pub intent: Intent,
    /// How probable it is that this one is right for the part.
    pub confidence: Confidence,
    /// What the message asks beside this part that no specialist takes, in its words; nobody is asked about it.
    pub left_out: Vec<String>,
}

/// Somebody who might answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// Who.
    pub agent: AgentId,
    /// How probable it is that this one is right.
    pub confidence: Confidence,
}

/// What kind of direct answer a message needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Case {
    /// A greeting.
    Greeting,
    /// Thanks, or praise.
    Thanks,
    /// A goodbye.
    Farewell,
    /// A question about the assistant itself.
    About,
    /// A wish to talk to a person.
    Person,
    /// It does not say what it is about.
    Vague,
    /// It is about something that no specialist is for.
    OutOfScope,
    /// It tries to change the rules of the assistant, or to have them told.
    Injection,
}
