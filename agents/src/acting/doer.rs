//! What does a thing that a model wants done: a tool of some source, or one that is built in.

use std::sync::Arc;

use serde_json::Value;

use super::{
    colleague::{ASK, Colleague},
    escalation::{self, ESCALATE},
    remembering::{FORGET_FACT, REMEMBER_FACT, Remembering},
    search::{KnowledgeSearch, SEARCH_KNOWLEDGE},
};
use crate::{
    language::ToolOffer,
    tool::{ApprovalRule, Effect, Tool, ToolError},
};

/// A tool that is built in, which an agent has where its file names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BuiltIn {
    /// Searches the agent's own collections.
    SearchKnowledge,
    /// Asks for a person.
    Escalate,
    /// Keeps what the user says of themselves, where the organization has switched that on.
    RememberFact,
    /// Forgets what the user has said of themselves.
    ForgetFact,
}

impl BuiltIn {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::SearchKnowledge,
        Self::Escalate,
        Self::RememberFact,
        Self::ForgetFact,
    ];

    /// The name of the tool.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::SearchKnowledge => SEARCH_KNOWLEDGE,
            Self::Escalate => ESCALATE,
            Self::RememberFact => REMEMBER_FACT,
            Self::ForgetFact => FORGET_FACT,
        }
    }

    /// Whether no other tool can have a name.
    #[must_use]
    pub(crate) fn is_reserved(name: &str) -> bool {
        name.starts_with(ASK) || Self::ALL.iter().any(|built_in| built_in.name() == name)
    }

    /// Whether the tool of that name keeps or forgets what a person says: what it gives back says nothing of anything else.
    #[must_use]
    pub(crate) fn keeps_facts(tool: &str) -> bool {
        [REMEMBER_FACT, FORGET_FACT].contains(&tool)
    }

    /// Whether it leaves nothing behind.
    #[must_use]
    pub fn only_reads(self) -> bool {
        match self {
            Self::SearchKnowledge => true,
            Self::Escalate | Self::RememberFact | Self::ForgetFact => false,
        }
    }
}

/// Who does what is wanted.
#[derive(Clone)]
pub(super) enum Doer {
    Tool(Arc<dyn Tool>),
    Search(Arc<KnowledgeSearch>),
    Escalation(ToolOffer),
    Remember(Arc<Remembering>),
    Forget(Arc<Remembering>),
    Colleague(Arc<Colleague>),
}

impl Doer {
    pub(super) fn offer(&self) -> &ToolOffer {
        match self {
            Self::Tool(tool) => tool.offer(),
            Self::Search(search) => search.offer(),
            Self::Escalation(offer) => offer,
            Self::Remember(remembering) => remembering.remember_offer(),
            Self::Forget(remembering) => remembering.forget_offer(),
            Self::Colleague(colleague) => colleague.offer(),
        }
    }

    pub(super) fn effect(&self) -> Effect {
        match self {
            Self::Tool(tool) => tool.effect(),
            Self::Search(_) => Effect::None,
            // One session asks for one person, however often that is said.
            Self::Escalation(_) => Effect::Idempotent,
            // What says the same is kept once, and what is forgotten stays so.
            Self::Remember(_) | Self::Forget(_) => Effect::Idempotent,
            // What it calls is on record for itself.
            Self::Colleague(_) => Effect::Idempotent,
        }
    }

    pub(super) fn approval(&self) -> Option<&ApprovalRule> {
        match self {
            Self::Tool(tool) => tool.approval(),
            Self::Search(_) | Self::Escalation(_) | Self::Remember(_) | Self::Forget(_) | Self::Colleague(_) => None,
        }
    }

    pub(super) fn check(&self, arguments: &Value) -> Result<(), ToolError> {
        match self {
            Self::Tool(tool) => tool.check(arguments),
            Self::Search(_) => KnowledgeSearch::check(arguments),
            Self::Escalation(_) => escalation::check(arguments),
            Self::Remember(remembering) => remembering.check_fact(arguments),
            Self::Forget(_) => Remembering::check_id(arguments),
            Self::Colleague(_) => Colleague::check(arguments),
        }
    }
}
