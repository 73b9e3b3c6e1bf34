//! A ledger of this process alone, gone with it: for commands that spend and share with nobody.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use orchestratai_shared::Timestamp;
use uuid::Uuid;

use super::{Account, Amount, Ceiling, Ledger, LedgerError, Reservation, Reserved, Standing};

/// Charges in memory.
#[derive(Debug, Default)]
pub struct MemoryLedger(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    charged: BTreeMap<Account, Amount>,
    reservations: HashMap<Uuid, Reservation>,
}

impl MemoryLedger {
    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it is held.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn charged(&self, account: &Account) -> Amount {
        self.charged.get(account).copied().unwrap_or_default()
    }
}

#[async_trait]
impl Ledger for MemoryLedger {
    async fn reserve(&self, reservation: &Reservation) -> Result<Reserved, LedgerError> {
        let mut state = self.state();
        let after: Vec<Amount> = (reservation.charges.iter())
            .map(|charge| state.charged(&charge.account).plus(reservation.amount))
            .collect();
        let over = (reservation.charges.iter().zip(&after)).position(|(charge, after)| !charge.ceiling.holds(*after));
        if let Some(place) = over {
            return Ok(Reserved::Over(place));
        }
        for (charge, after) in reservation.charges.iter().zip(after) {
            state.charged.insert(charge.account.clone(), after);
        }
        state.reservations.insert(reservation.id, reservation.clone());
        Ok(Reserved::All)
    }

    async fn settle(&self, reservation: &Reservation, cost: Amount) -> Result<Vec<Amount>, LedgerError> {
        let mut state = self.state();
        if let Some(reserved) = state.reservations.remove(&reservation.id) {
            for charge in &reserved.charges {
                let settled = state.charged(&charge.account).minus(reserved.amount).plus(cost);
                state.charged.insert(charge.account.clone(), settled);
            }
        }
        Ok((reservation.charges.iter())
            .map(|charge| state.charged(&charge.account))
            .collect())
    }

    async fn standings(
        &self,
        budget: &str,
        window_start: Timestamp,
        most: Ceiling,
        at: Timestamp,
        limit: usize,
    ) -> Result<Vec<Standing>, LedgerError> {
        let state = self.state();
        let of_budget = |account: &Account| &*account.budget == budget && account.window_start == window_start;
        let mut standings: Vec<Standing> = (state.charged.iter())
            .filter(|(account, _)| of_budget(account))
            .map(|(account, charged)| Standing {
                account: account.clone(),
                charged: *charged,
                reserved: (state.reservations.values())
                    .filter(|held| held.expires_at > at)
                    .filter(|held| held.charges.iter().any(|charge| charge.account == *account))
                    .fold(Amount::default(), |sum, held| sum.plus(held.amount)),
            })
            .collect();
        standings.sort_by(|one, other| most.share(other.charged).total_cmp(&most.share(one.charged)));
        standings.truncate(limit);
        Ok(standings)
    }
}
