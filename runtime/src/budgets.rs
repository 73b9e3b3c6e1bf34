//! What language models may spend: the budgets of the configuration over the database that all servers share.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use orchestratai_agents::budget::{
    Account, Amount, Beyond, Books, Budget, BudgetWatch, Ceiling, Charge, Ledger, LedgerError, MemoryLedger,
    Reservation, Reserved, Standing,
};
use orchestratai_shared::Timestamp;
use orchestratai_store::{
    SpendingAccount, SpendingCharge, SpendingMost, SpendingReservation, SpendingStanding, Spent, Store, StoreError,
};
use orchestratai_telemetry::{BudgetMetrics, Metrics};
use tokio::time::MissedTickBehavior;

use crate::settings::Settings;

/// How often the shares of budgets are looked up for the metrics, and how often what nobody asks for any more is forgotten.
const LOOK_EVERY: Duration = Duration::from_secs(15);
const FORGET_EVERY: Duration = Duration::from_secs(3_600);

/// The budgets of a server: it shares them with all others at the same database.
pub(crate) fn shared(settings: &Settings, store: &Store, metrics: &Metrics) -> Arc<Books> {
    books(
        settings,
        settings.budgets.clone(),
        Arc::new(StoredLedger(store.clone())),
        metrics,
    )
}

/// The budgets of a command, which begin with it and end with it.
pub(crate) fn of_command(settings: &Settings, metrics: &Metrics) -> Arc<Books> {
    let mut budgets = settings.budgets.clone();
    // Nobody is there who could be asked.
    for budget in budgets.iter_mut().filter(|budget| budget.beyond == Beyond::Ask) {
        budget.beyond = Beyond::Stop;
    }
    books(settings, budgets, Arc::new(MemoryLedger::default()), metrics)
}

fn books(settings: &Settings, budgets: Vec<Budget>, ledger: Arc<dyn Ledger>, metrics: &Metrics) -> Arc<Books> {
    let counted = (budgets.iter()).map(|budget| (budget.name.clone(), metrics.budget(&budget.name)));
    let watch = Counted(counted.collect());
    // A request is a part of a turn, and ends with it.
    Arc::new(Books::new(budgets, ledger, Arc::new(watch), settings.session.turn_max))
}

/// Keeps the shares of budgets in the metrics, and the tables small, for as long as it is let run.
pub(crate) async fn look_after(books: Arc<Books>, store: Store, metrics: Metrics) {
    if books.budgets().is_empty() {
        return;
    }
    let mut look = tokio::time::interval(LOOK_EVERY);
    let mut forget = tokio::time::interval(FORGET_EVERY);
    look.set_missed_tick_behavior(MissedTickBehavior::Skip);
    forget.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        tokio::select! {
            _ = look.tick() => {
                for budget in books.budgets() {
                    match books.share(budget).await {
                        Ok(share) => metrics.budget(&budget.name).spent(share),
                        Err(error) => tracing::debug!(
                            error = &error as &dyn std::error::Error,
                            budget.name = budget.name,
                            "how a budget stands cannot be read"
                        ),
                    }
                }
            }
            _ = forget.tick() => {
                if let Err(error) = store.forget_spending(Timestamp::now()).await {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "old accounts of budgets cannot be forgotten; it is tried again in an hour"
                    );
                }
            }
        }
    }
}

/// Counts what happens to budgets.
struct Counted(BTreeMap<String, BudgetMetrics>);

impl BudgetWatch for Counted {
    fn refused(&self, budget: &Budget) {
        if let Some(metrics) = self.0.get(&budget.name) {
            metrics.refused();
        }
    }

    fn warned(&self, budget: &Budget) {
        if let Some(metrics) = self.0.get(&budget.name) {
            metrics.warned();
        }
    }
}

/// Charges in the database.
struct StoredLedger(Store);

#[async_trait]
impl Ledger for StoredLedger {
    async fn reserve(&self, reservation: &Reservation) -> Result<Reserved, LedgerError> {
        let over = self.0.reserve_spending(&stored(reservation)).await.map_err(failed)?;
        Ok(over.map_or(Reserved::All, Reserved::Over))
    }

    async fn settle(&self, reservation: &Reservation, cost: Amount) -> Result<Vec<Amount>, LedgerError> {
        let charged = self.0.settle_spending(&stored(reservation), spent(cost)).await;
        Ok(charged.map_err(failed)?.into_iter().map(amount).collect())
    }

    async fn standings(
        &self,
        budget: &str,
        window_start: Timestamp,
        most: Ceiling,
        at: Timestamp,
        limit: usize,
    ) -> Result<Vec<Standing>, LedgerError> {
        let standings = self.0.spending(budget, window_start, bound(most), at, limit).await;
        Ok(standings.map_err(failed)?.into_iter().map(standing).collect())
    }
}

fn failed(error: StoreError) -> LedgerError {
    LedgerError(Box::new(error))
}

fn stored(reservation: &Reservation) -> SpendingReservation {
    let charge = |charge: &Charge| SpendingCharge {
        account: SpendingAccount {
            budget: charge.account.budget.as_ref().to_owned(),
            organization: charge.account.organization.as_ref().to_owned(),
            subject: charge.account.subject.as_ref().to_owned(),
            window_start: charge.account.window_start,
        },
        most: bound(charge.ceiling),
        kept_until: charge.kept_until,
    };
    SpendingReservation {
        id: reservation.id,
        amount: spent(reservation.amount),
        charges: reservation.charges.iter().map(charge).collect(),
        expires_at: reservation.expires_at,
    }
}

fn bound(most: Ceiling) -> SpendingMost {
    SpendingMost {
        tokens: most.tokens,
        usd_nanos: most.usd_nanos,
    }
}

fn spent(amount: Amount) -> Spent {
    Spent {
        tokens: amount.tokens,
        usd_nanos: amount.usd_nanos,
    }
}

fn amount(spent: Spent) -> Amount {
    Amount {
        tokens: spent.tokens,
        usd_nanos: spent.usd_nanos,
    }
}

fn standing(standing: SpendingStanding) -> Standing {
    Standing {
        account: Account {
            budget: standing.account.budget.into(),
            organization: standing.account.organization.into(),
            subject: standing.account.subject.into(),
            window_start: standing.account.window_start,
        },
        charged: amount(standing.charged),
        reserved: amount(standing.reserved),
    }
}
