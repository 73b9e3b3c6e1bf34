//! What people have said of themselves, told to agents in later sessions.
//!
//! An organization switches that on; then an agent whose file names `remember_fact` may keep what the user says of themselves, and nothing
//! else: a fact is held against the user's own messages before it is kept ([`own_words`]), so that no document, no tool and no model puts
//! words into somebody's mouth, and what nobody should keep is refused ([`admission`]). Where a fact is kept is for others to say
//! ([`FactKeeper`]).

mod admission;
mod own_words;
mod telling;

use std::{error::Error, sync::Arc, time::Duration};

use async_trait::async_trait;
use orchestratai_shared::{AgentId, Fact, FactId, SessionId, Timestamp, TurnId};

pub(crate) use self::{
    admission::{Refused, admit, may_be_forgotten},
    own_words::{SaidMessage, digest},
    telling::{RULES as TELLING_RULES, short_id, written},
};
use crate::turn::TurnRequest;

/// What an organization allows to be kept of a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FactRules {
    /// Facts of one person; where there would be more, those are forgotten that were said longest ago.
    pub facts_max: usize,
    /// Unicode scalar values of one fact.
    pub characters_max: usize,
    /// How long a fact is kept after it was said last.
    pub kept_for: Duration,
}

/// Whose facts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FactOwner {
    /// The organization.
    pub organization: Arc<str>,
    /// The user of it.
    pub user: Arc<str>,
}

/// A fact that is to be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewFact {
    /// Whose it is.
    pub owner: FactOwner,
    /// What they have said.
    pub text: String,
    /// The same for what says the same: 64 hexadecimal digits.
    pub words: String,
    /// Where they have said so.
    pub session_id: SessionId,
    /// In which turn.
    pub turn_id: TurnId,
    /// Who keeps it.
    pub agent: AgentId,
    /// When it is said.
    pub said_at: Timestamp,
    /// When it is forgotten.
    pub kept_until: Timestamp,
}

/// A fact that was kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FactKept {
    /// It.
    pub fact: Fact,
    /// Whether it was not known before.
    pub is_new: bool,
    /// What was forgotten in its place.
    pub dropped: Vec<Fact>,
}

/// Why facts cannot be read or kept.
#[derive(Debug, thiserror::Error)]
#[error("what people have said cannot be read or kept")]
pub struct FactsUnavailable(#[source] pub Box<dyn Error + Send + Sync>);

/// Keeps facts. Each call is done as a whole or not at all, and is safe to be made again.
#[async_trait]
pub trait FactKeeper: Send + Sync {
    /// What is known of somebody `at` a time, `limit` facts at most, first what was said last.
    ///
    /// # Errors
    /// [`FactsUnavailable`].
    async fn facts(&self, owner: &FactOwner, at: Timestamp, limit: usize) -> Result<Vec<Fact>, FactsUnavailable>;

    /// Keeps a fact in place of one that says the same, `facts_max` of one owner at most; none where its session has gone.
    ///
    /// # Errors
    /// [`FactsUnavailable`].
    async fn keep(&self, fact: &NewFact, facts_max: usize) -> Result<Option<FactKept>, FactsUnavailable>;

    /// Forgets a fact; whether there was such a one.
    ///
    /// # Errors
    /// [`FactsUnavailable`].
    async fn forget(&self, owner: &FactOwner, id: FactId) -> Result<bool, FactsUnavailable>;
}

/// What people have said, where the organization keeps that.
#[derive(Clone)]
pub struct Facts {
    rules: FactRules,
    keeper: Arc<dyn FactKeeper>,
}

impl Facts {
    /// Keeps facts by these rules.
    #[must_use]
    pub fn new(rules: FactRules, keeper: Arc<dyn FactKeeper>) -> Self {
        Self { rules, keeper }
    }

    /// Those of the person who is answered; none where nobody knows who that is, and where another agent asks.
    pub(crate) fn of(&self, request: &TurnRequest) -> Option<OwnFacts> {
        let is_asked_by_agent = request.part.as_ref().is_some_and(|part| part.asker.is_some());
        let user = request.user.clone().filter(|_| !is_asked_by_agent)?;
        Some(OwnFacts {
            facts: self.clone(),
            owner: FactOwner {
                organization: Arc::clone(&request.organization),
                user,
            },
            said: SaidMessage::of(request),
            session_id: request.session_id,
            turn_id: request.turn_id,
        })
    }
}

impl std::fmt::Debug for Facts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Facts")
            .field("rules", &self.rules)
            .finish_non_exhaustive()
    }
}

/// The facts of one person, in one turn of theirs.
#[derive(Debug, Clone)]
pub(crate) struct OwnFacts {
    facts: Facts,
    owner: FactOwner,
    /// What they have said in this session, this turn's message last.
    said: Vec<SaidMessage>,
    session_id: SessionId,
    turn_id: TurnId,
}

impl OwnFacts {
    /// What is known of the person, first what they have said last.
    pub(crate) async fn known(&self) -> Result<Vec<Fact>, FactsUnavailable> {
        let most = self.facts.rules.facts_max;
        self.facts.keeper.facts(&self.owner, Timestamp::now(), most).await
    }

    /// Whether `text` may be kept as something that the person has said.
    pub(crate) fn admit(&self, text: &str) -> Result<(), Refused> {
        admit(text, &self.said, self.facts.rules.characters_max)
    }

    /// Keeps it; none where the session is being erased.
    pub(crate) async fn keep(&self, text: &str, agent: &AgentId) -> Result<Option<FactKept>, FactsUnavailable> {
        let said_at = Timestamp::now();
        let kept_for = i64::try_from(self.facts.rules.kept_for.as_millis()).unwrap_or(i64::MAX);
        let fact = NewFact {
            owner: self.owner.clone(),
            text: text.to_owned(),
            words: digest(text),
            session_id: self.session_id,
            turn_id: self.turn_id,
            agent: agent.clone(),
            said_at,
            kept_until: Timestamp::from_millis(said_at.as_millis().saturating_add(kept_for)),
        };
        self.facts.keeper.keep(&fact, self.facts.rules.facts_max).await
    }

    /// The fact that a model was told under a short id; none where there is none.
    pub(crate) async fn by_short_id(&self, id: &str) -> Result<Option<Fact>, FactsUnavailable> {
        let mut known = self.known().await?.into_iter();
        Ok(known.find(|fact| short_id(fact.id) == id))
    }

    /// Whether what the person says now has to do with `fact`, or with forgetting.
    pub(crate) fn may_be_forgotten(&self, fact: &Fact) -> bool {
        let now = self.said.last();
        now.is_some_and(|now| may_be_forgotten(&fact.text, now))
    }

    /// Forgets a fact; whether there was such a one.
    pub(crate) async fn forget(&self, id: FactId) -> Result<bool, FactsUnavailable> {
        self.facts.keeper.forget(&self.owner, id).await
    }
}
