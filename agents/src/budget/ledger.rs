//! Where charges are kept.

use std::{error::Error, sync::Arc};

use async_trait::async_trait;
use orchestratai_shared::Timestamp;
use uuid::Uuid;

use super::Amount;

/// What one of those who have a budget has spent in one window.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Account {
    /// The budget's name.
    pub budget: Arc<str>,
    /// The organization.
    pub organization: Arc<str>,
    /// Who in it, as the budget's scope says; empty for the organization itself, and for users who are not known.
    pub subject: Arc<str>,
    /// When the window began.
    pub window_start: Timestamp,
}

/// What an account may come to; none where it may come to anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ceiling {
    /// Tokens.
    pub tokens: Option<u64>,
    /// USD, in billionths.
    pub usd_nanos: Option<u64>,
}

/// One account that a request is charged to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Charge {
    /// The account.
    pub account: Account,
    /// What it may come to with this charge.
    pub ceiling: Ceiling,
    /// From when on nobody asks for the account any more; none where that is never.
    pub kept_until: Option<Timestamp>,
}

/// The most that one request can cost, charged before it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reservation {
    /// Names it.
    pub id: Uuid,
    /// The same for all accounts.
    pub amount: Amount,
    /// The accounts, each once, in their order: who charges several in one order never waits in a circle.
    pub charges: Vec<Charge>,
    /// When the request is over for certain. Who has not settled by then has died, and the charge stands.
    pub expires_at: Timestamp,
}

/// What became of a reservation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reserved {
    /// It is charged to all its accounts.
    All,
    /// It is charged to none: the charge at this place would come to more than it may.
    Over(usize),
}

/// How an account stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// The account.
    pub account: Account,
    /// What is charged to it, `reserved` included.
    pub charged: Amount,
    /// What of it requests hold that are under way.
    pub reserved: Amount,
}

/// Why a ledger cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[error("the ledger of budgets cannot be used")]
pub struct LedgerError(#[source] pub Box<dyn Error + Send + Sync>);

impl Ceiling {
    /// How much of it is charged, where 1 is all: of tokens or of money, whichever is more.
    #[must_use]
    pub fn share(self, charged: Amount) -> f64 {
        let of = |charged: u64, most: Option<u64>| match most {
            None => 0.0,
            Some(0) if charged == 0 => 1.0,
            Some(most) => charged as f64 / most as f64,
        };
        of(charged.tokens, self.tokens).max(of(charged.usd_nanos, self.usd_nanos))
    }

    /// Whether an account may come to `amount`.
    #[must_use]
    pub fn holds(self, amount: Amount) -> bool {
        self.tokens.is_none_or(|most| amount.tokens <= most)
            && self.usd_nanos.is_none_or(|most| amount.usd_nanos <= most)
    }
}

/// Charges of every account. Each call is done as a whole or not at all.
#[async_trait]
pub trait Ledger: Send + Sync {
    /// Charges a reservation to all its accounts, or to none.
    ///
    /// # Errors
    /// [`LedgerError`]; it may have been charged then.
    async fn reserve(&self, reservation: &Reservation) -> Result<Reserved, LedgerError>;

    /// Puts what a request has cost in the place of what it could. Gives what is charged to each account then, in the order of the
    /// reservation. One that is not known, since it was settled or has expired, changes nothing.
    ///
    /// # Errors
    /// [`LedgerError`]; asking again is safe.
    async fn settle(&self, reservation: &Reservation, cost: Amount) -> Result<Vec<Amount>, LedgerError>;

    /// How accounts of a budget stand in the window that began then, `limit` at most: first those who have the largest share of `most`
    /// charged. What is held is so `at` that time.
    ///
    /// # Errors
    /// [`LedgerError`].
    async fn standings(
        &self,
        budget: &str,
        window_start: Timestamp,
        most: Ceiling,
        at: Timestamp,
        limit: usize,
    ) -> Result<Vec<Standing>, LedgerError>;
}
