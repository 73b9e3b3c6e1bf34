//! What an agent is: configuration, read from a TOML file for each agent.

mod catalog;
mod draft;
mod file;
mod problem;
mod table;

use std::time::Duration;

use orchestratai_shared::{AgentColor, AgentId, Intent, RetrievalStrategy};

pub use self::{
    catalog::Catalog,
    problem::{DefinitionErrors, Problem},
};
use crate::{
    knowledge::{CollectionName, Filter},
    model::ModelNames,
    routing::Case,
};

/// One agent, as its file says.
#[derive(Debug, Clone, PartialEq)]
pub struct AgentDefinition {
    /// Its id; the file bears the same name.
    pub id: AgentId,
    /// Its name for people.
    pub name: String,
    /// What it is for, in a few words; the orchestrator introduces it so.
    pub purpose: String,
    /// The colour that stands for it.
    pub color: AgentColor,
    /// How it finds what it answers from.
    pub strategy: Strategy,
    /// How it does so for questions of several parts; as `strategy` where left out.
    pub complex_strategy: Option<Strategy>,
    /// The model that answers.
    pub model: String,
    /// What a language model is told about its part; the embedded model does not read it.
    pub prompt: String,
    /// What people say to it.
    pub examples: Vec<Example>,
    /// Whole words that speak for it when somebody uses them, in lower case.
    pub keywords: Vec<String>,
    /// The collections that it reads.
    pub collections: Vec<CollectionName>,
    /// Which documents of these it reads.
    pub filter: Filter,
    /// The tools that it may call: their names, in which `*` stands for any letters.
    pub tools: Vec<String>,
    /// Whether it is told what users have said of themselves before, where the organization keeps that.
    pub takes_facts: bool,
    /// Who takes over when it fails, in this order.
    pub fallbacks: Vec<AgentId>,
    /// Whom its model may give a turn to.
    pub hand_offs: Vec<AgentId>,
    /// Whom its model may ask.
    pub asks: Vec<AgentId>,
    /// How much it takes on.
    pub limits: Limits,
    /// What it does not speak about.
    pub blocked_topics: Vec<BlockedTopic>,
    /// What it says without retrieval; has every text where `strategy` is direct.
    pub direct: Option<DirectTexts>,
    /// The models that there are; [`Self::with_changes`] may name any of them.
    pub(crate) models: ModelNames,
    /// Changes with the file's content: the first 16 hexadecimal digits of its SHA-256.
    pub version: String,
}

/// How an agent finds what it answers from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Strategy {
    /// Retrieve, then answer.
    PureRag,
    /// Ask the semantic cache first; on a miss retrieve, answer and store.
    PureCag,
    /// Cache and retrieval at once, put together.
    Hybrid,
    /// Answer without retrieval.
    Direct,
}

impl AgentDefinition {
    /// The strategy by which a message of this intent is answered.
    #[must_use]
    pub fn strategy_for(&self, intent: Intent) -> Strategy {
        match self.complex_strategy {
            Some(complex) if intent == Intent::ComplexQuestion => complex,
            Some(_) | None => self.strategy,
        }
    }
}

impl Strategy {
    /// The strategy as people see it; none for direct.
    #[must_use]
    pub fn retrieval(self) -> Option<RetrievalStrategy> {
        match self {
            Self::PureRag => Some(RetrievalStrategy::PureRag),
            Self::PureCag => Some(RetrievalStrategy::PureCag),
            Self::Hybrid => Some(RetrievalStrategy::Hybrid),
            Self::Direct => None,
        }
    }

    /// Its name for people.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::PureRag => "Pure RAG",
            Self::PureCag => "Pure CAG",
            Self::Hybrid => "Hybrid RAG/CAG",
            Self::Direct => "direct",
        }
    }
}

/// Something that people say to an agent, for routing to learn from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Example {
    /// What they say.
    pub text: String,
    /// What they want by it.
    pub intent: Intent,
    /// Which direct answer fits; only where the agent's strategy is direct.
    pub case: Option<Case>,
}

/// How much an agent takes on, on each shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Turns at once, 1 or more.
    pub concurrency: usize,
    /// Turns that may wait beside those.
    pub queue: usize,
    /// How long one turn may take.
    pub timeout: Duration,
    /// Characters that an answer of a language model may have.
    pub answer_characters: usize,
}

/// Something that an agent does not speak about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockedTopic {
    /// What it is called, for people.
    pub name: String,
    /// What people say when they ask for it; one or more.
    pub examples: Vec<String>,
    /// What the agent says then.
    pub say: String,
}

/// What an agent says without retrieval, by [`Case`]. `{agents}` stands for a list of the specialists with what they are
/// for, `{names}` for their names alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirectTexts {
    /// To a greeting.
    pub greeting: String,
    /// To thanks.
    pub thanks: String,
    /// To a goodbye.
    pub farewell: String,
    /// To a question about the assistant itself.
    pub about: String,
    /// To somebody who wants a person.
    pub person: String,
    /// To a message that does not say what it is about: asks back.
    pub vague: String,
    /// To a question about something else altogether.
    pub out_of_scope: String,
    /// To an attempt to change the rules or to have them told.
    pub injection: String,
    /// Where the knowledge base cannot be searched just now.
    pub unavailable: String,
}

impl DirectTexts {
    /// The text for a case.
    #[must_use]
    pub fn text(&self, case: Case) -> &str {
        match case {
            Case::Greeting => &self.greeting,
            Case::Thanks => &self.thanks,
            Case::Farewell => &self.farewell,
            Case::About => &self.about,
            Case::Person => &self.person,
            Case::Vague => &self.vague,
            Case::OutOfScope => &self.out_of_scope,
            Case::Injection => &self.injection,
        }
    }
}
