//! The budgets of a configuration over a ledger: which of them a request falls under, and what they say to it.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use orchestratai_shared::{Timestamp, command::Decision};
use uuid::Uuid;

use super::{
    Account, Amount, Beyond, Budget, BudgetNotice, BudgetQuestion, Ceiling, Charge, Ledger, LedgerError, Requirement,
    Reservation, Reserved, Scope, Standing, hold::Hold, notice::described,
};
use crate::language::{LanguageError, Price, Spender};

/// Tells the time; tests have one of their own.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// Is told what happens to budgets.
pub trait BudgetWatch: Send + Sync {
    /// A request was not made for its sake.
    fn refused(&self, budget: &Budget);

    /// It has warned.
    fn warned(&self, budget: &Budget);
}

/// Budgets, and what was spent of them.
pub struct Books {
    budgets: Vec<Budget>,
    ledger: Arc<dyn Ledger>,
    watch: Arc<dyn BudgetWatch>,
    request_max: Duration,
    clock: Clock,
    /// What was warned of, so that it is said once in a window. Forgotten as a whole where it becomes too much.
    warned: Mutex<HashSet<(Account, Warning)>>,
}

/// How long accounts of windows are kept behind their end, and those of turns behind the last request: one may wait for a person meanwhile.
const WINDOW_KEPT: Duration = Duration::from_secs(31 * 24 * 3_600);
const TURN_KEPT: Duration = Duration::from_secs(7 * 24 * 3_600);

/// Most warnings that are remembered.
const WARNINGS_MAX: usize = 10_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Warning {
    Nearly,
    Beyond,
    Unpriced,
}

impl Books {
    /// `budgets` over `ledger`. No request takes longer than `request_max`.
    #[must_use]
    pub fn new(
        budgets: Vec<Budget>,
        ledger: Arc<dyn Ledger>,
        watch: Arc<dyn BudgetWatch>,
        request_max: Duration,
    ) -> Self {
        Self {
            budgets,
            ledger,
            watch,
            request_max,
            clock: Arc::new(Timestamp::now),
            warned: Mutex::default(),
        }
    }

    /// The same by another clock.
    #[must_use]
    pub fn with_clock(self, clock: Clock) -> Self {
        Self { clock, ..self }
    }

    /// The budgets, in their order.
    #[must_use]
    pub fn budgets(&self) -> &[Budget] {
        &self.budgets
    }

    /// When the present window of a budget ends, and how those stand who have spent something in it, `limit` at most: first those who have
    /// least left.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub async fn standings(
        &self,
        budget: &Budget,
        limit: usize,
    ) -> Result<(Option<Timestamp>, Vec<Standing>), LedgerError> {
        let now = (self.clock)();
        let (start, end) = budget.window.around(now);
        let standings = self.ledger.standings(&budget.name, start, budget.ceiling(), now, limit);
        Ok((end, standings.await?))
    }

    /// The share of a budget that is charged, of whoever has least left of it: 0 to 1, and more where it only warns.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub async fn share(&self, budget: &Budget) -> Result<f64, LedgerError> {
        let (_, standings) = self.standings(budget, 1).await?;
        Ok((standings.first()).map_or(0.0, |standing| budget.ceiling().share(standing.charged)))
    }

    /// Charges the most that a request can cost to all budgets that it falls under.
    pub(super) async fn reserve(
        self: &Arc<Self>,
        spender: &Spender,
        needed: Requirement,
        price: Option<Price>,
    ) -> Result<Hold, LanguageError> {
        let now = (self.clock)();
        let mut charged: Vec<(Charge, usize)> = (self.budgets.iter().enumerate())
            .map(|(place, budget)| (charge(budget, spender, now), place))
            .collect();
        charged.sort_by(|(one, _), (other, _)| one.account.cmp(&other.account));
        let (charges, places): (Vec<Charge>, Vec<usize>) = charged.into_iter().unzip();
        let amount = needed.amount(price);
        if price.is_none() {
            self.refuse_unpriced(spender, amount.tokens, &charges, &places)?;
        }
        let reservation = Reservation {
            id: Uuid::now_v7(),
            amount,
            charges,
            expires_at: later(now, self.request_max),
        };
        let reserved = self.ledger.reserve(&reservation).await.map_err(|error| {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "a model is not asked: its budgets cannot be checked"
            );
            LanguageError::Unaccounted
        })?;
        match reserved {
            Reserved::All => Ok(Hold::new(Arc::clone(self), reservation, places, needed, price)),
            Reserved::Over(charge) => {
                let budget = &self.budgets[places[charge]];
                let most = (amount.tokens, price.map(|_| amount.usd_nanos));
                Err(self.refusal(budget, spender, most, over(budget, now)))
            }
        }
    }

    /// A budget of money cannot be kept with tokens whose price is not known, which is none of 0.
    fn refuse_unpriced(
        &self,
        spender: &Spender,
        tokens: u64,
        charges: &[Charge],
        places: &[usize],
    ) -> Result<(), LanguageError> {
        for (charge, place) in charges.iter().zip(places) {
            let budget = &self.budgets[*place];
            if budget.usd_nanos.is_none() {
                continue;
            }
            if is_bounded(budget, spender) {
                let reason = format!(
                    "budget \"{}\" is in USD, and the price of the model's tokens is not known",
                    budget.name
                );
                return Err(self.refusal(budget, spender, (tokens, None), reason));
            }
            self.warn(budget, &charge.account, Warning::Unpriced);
        }
        Ok(())
    }

    /// What whoever asks is told of a request that is not made: the tokens that it can take at most, and what they can cost where their price
    /// is known. `reason` begins with the budget.
    fn refusal(
        &self,
        budget: &Budget,
        spender: &Spender,
        (tokens, usd_nanos): (u64, Option<u64>),
        reason: String,
    ) -> LanguageError {
        self.watch.refused(budget);
        let may_ask = budget.beyond == Beyond::Ask && spender.can_wait && spender.decision(&budget.name).is_none();
        let question = may_ask.then(|| {
            Box::new(BudgetQuestion {
                budget: budget.name.clone(),
                reason: format!("The {reason}. Where that is approved, this turn goes beyond it."),
                tokens,
                usd_nanos,
                within: budget.approval_within,
            })
        });
        LanguageError::OverBudget {
            reason: format!("the {reason}"),
            question,
        }
    }

    /// Takes note of how accounts stand after a request. Gives what its turn is told of those of which much is used.
    pub(super) async fn settle(
        &self,
        reservation: &Reservation,
        places: &[usize],
        cost: Amount,
    ) -> Result<Vec<BudgetNotice>, LedgerError> {
        let charged = self.ledger.settle(reservation, cost).await?;
        let mut notices = Vec::new();
        for ((charge, place), charged) in reservation.charges.iter().zip(places).zip(charged) {
            let budget = &self.budgets[*place];
            let share = budget.ceiling().share(charged);
            let warning = if share > 1.0 {
                Warning::Beyond
            } else if share >= budget.at_warning {
                Warning::Nearly
            } else {
                continue;
            };
            self.warn(budget, &charge.account, warning);
            notices.push(BudgetNotice::new(budget, share, charge.account.window_start));
        }
        Ok(notices)
    }

    fn warn(&self, budget: &Budget, account: &Account, warning: Warning) {
        {
            let mut warned = self.warned.lock().unwrap_or_else(PoisonError::into_inner);
            if warned.len() >= WARNINGS_MAX {
                warned.clear();
            }
            if !warned.insert((account.clone(), warning)) {
                return;
            }
        }
        self.watch.warned(budget);
        // Not whose: that may be a person's name.
        let (name, scope) = (budget.name.as_str(), budget.scope.name());
        let ends = budget.window.around((self.clock)()).1.map(tracing::field::display);
        match warning {
            Warning::Nearly => {
                tracing::warn!(
                    budget.name = name,
                    budget.scope = scope,
                    window_ends = ends,
                    "a budget is nearly spent"
                );
            }
            Warning::Beyond => {
                tracing::warn!(
                    budget.name = name,
                    budget.scope = scope,
                    window_ends = ends,
                    "more is spent than a budget allows"
                );
            }
            Warning::Unpriced => {
                tracing::warn!(
                    budget.name = name,
                    budget.scope = scope,
                    "a model without a price is asked under a budget in USD, which does not count it"
                );
            }
        }
    }
}

fn charge(budget: &Budget, spender: &Spender, now: Timestamp) -> Charge {
    let subject: Arc<str> = match budget.scope {
        Scope::Turn => spender.turn_id.to_string().into(),
        Scope::Session => spender.session_id.to_string().into(),
        Scope::User => spender.user.clone().unwrap_or_else(|| "".into()),
        Scope::Agent => spender.agent.as_str().into(),
        Scope::Organization => "".into(),
    };
    let (window_start, window_end) = budget.window.around(now);
    Charge {
        kept_until: match (window_end, budget.scope) {
            (Some(end), _) => Some(later(end, WINDOW_KEPT)),
            (None, Scope::Turn) => Some(later(now, TURN_KEPT)),
            (None, Scope::Session | Scope::User | Scope::Agent | Scope::Organization) => None,
        },
        account: Account {
            budget: budget.name.as_str().into(),
            organization: Arc::clone(&spender.organization),
            subject,
            window_start,
        },
        ceiling: match is_bounded(budget, spender) {
            true => budget.ceiling(),
            false => Ceiling::default(),
        },
    }
}

/// Whether a request is not made for the sake of the budget.
fn is_bounded(budget: &Budget, spender: &Spender) -> bool {
    match budget.beyond {
        Beyond::Stop => true,
        Beyond::Warn => false,
        Beyond::Ask => spender.decision(&budget.name) != Some(Decision::Approved),
    }
}

fn later(at: Timestamp, by: Duration) -> Timestamp {
    Timestamp::from_millis(
        at.as_millis()
            .saturating_add(i64::try_from(by.as_millis()).unwrap_or(i64::MAX)),
    )
}

/// Why a request is not made, beginning with the budget.
fn over(budget: &Budget, now: Timestamp) -> String {
    let mut reason = format!("{} has not enough left for this request", described(budget));
    if let Some(end) = budget.window.around(now).1 {
        reason += &format!("; it begins anew at {end}");
    }
    reason
}
