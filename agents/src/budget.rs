//! Budgets: what language models may spend, for whom, and in how long.
//!
//! Before a request is sent, the most that it can cost is charged to every budget that it falls under, to all of them or to none; when it
//! has ended, what it did not cost is given back. So requests that run at once never spend more than a budget together, whatever the
//! number of servers: what counts is one row of the ledger, changed on condition.
//!
//! A charge that nobody settles, since the process was killed, stands: the provider may have billed it.
//!
//! In reading order:
//! - [`window`]: in how long;
//! - [`amount`]: tokens and money, the most that a request can cost, and what one has cost;
//! - [`ledger`]: where charges are kept, as a trait;
//! - [`memory`]: kept by this process alone;
//! - [`books`]: the budgets of a configuration over a ledger;
//! - [`hold`]: what one request holds of them;
//! - [`notice`]: what a turn is told of one of which much is used;
//! - [`budgeted`]: a model that is asked only within them;
//! - [`budgeted_embedding`]: the same of one that makes vectors;
//! - [`question`]: asking a person whether a turn may go beyond one.

mod amount;
mod books;
mod budgeted;
mod budgeted_embedding;
mod hold;
mod ledger;
mod memory;
mod notice;
mod question;
mod window;

pub(crate) use self::question::decisions;
pub use self::{
    amount::{Amount, Requirement},
    books::{Books, BudgetWatch, Clock},
    budgeted::Budgeted,
    budgeted_embedding::BudgetedEmbedding,
    ledger::{Account, Ceiling, Charge, Ledger, LedgerError, Reservation, Reserved, Standing},
    memory::MemoryLedger,
    notice::BudgetNotice,
    question::{BudgetQuestion, EXCEED_BUDGET},
    window::Window,
};

use std::time::Duration;

/// What may be spent.
#[derive(Debug, Clone, PartialEq)]
pub struct Budget {
    /// Names it, in figures and to people.
    pub name: String,
    /// Who has it.
    pub scope: Scope,
    /// In how long.
    pub window: Window,
    /// Most tokens, sent and written together.
    pub tokens: Option<u64>,
    /// Most USD, in billionths.
    pub usd_nanos: Option<u64>,
    /// The share of it, 0 to 1, from which on there is a warning.
    pub at_warning: f64,
    /// What happens to a request that may cost more than is left.
    pub beyond: Beyond,
    /// How long a person may take who is asked.
    pub approval_within: Duration,
}

/// Who has a budget: each of them has one of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scope {
    /// Each turn.
    Turn,
    /// Each session.
    Session,
    /// Each user of an organization; those who are not known share one.
    User,
    /// Each agent of an organization.
    Agent,
    /// Each organization.
    Organization,
}

/// What happens to a request that may cost more than is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Beyond {
    /// It is not made.
    Stop,
    /// It is made, and there is a warning.
    Warn,
    /// Its turn waits until a person has decided; where it cannot wait, it is not made.
    Ask,
}

impl Budget {
    /// What it allows.
    #[must_use]
    pub fn ceiling(&self) -> Ceiling {
        Ceiling {
            tokens: self.tokens,
            usd_nanos: self.usd_nanos,
        }
    }
}

impl Scope {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Turn, Self::Session, Self::User, Self::Agent, Self::Organization];

    /// Its name in the configuration.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Turn => "turn",
            Self::Session => "session",
            Self::User => "user",
            Self::Agent => "agent",
            Self::Organization => "organization",
        }
    }
}

impl Beyond {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Stop, Self::Warn, Self::Ask];

    /// Its name in the configuration.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Warn => "warn",
            Self::Ask => "ask",
        }
    }
}
