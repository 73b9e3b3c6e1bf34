//! What language models spend of budgets. It is no part of the journal: any node writes it, row by row.
//!
//! A request is charged with the most that it can cost, by an update on condition, and settled when it has ended. An account is one row,
//! which writers of all nodes lock one after the other; a request charges its accounts in one order, so none waits in a circle.
//!
//! A reservation that is never settled leaves its charge. Its rows say what is still held, and that a settlement was not made yet: one that is
//! tried twice counts once.

use std::time::Duration;

use orchestratai_shared::Timestamp;
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, DatabaseTransaction, DbErr, EntityTrait, QueryFilter, QueryOrder,
    QuerySelect,
    entity::prelude::{DateTimeUtc, TextUuid},
    sea_query::{Expr, ExprTrait, OnConflict, Query},
};
use uuid::Uuid;

use crate::{
    Store, StoreError,
    entity::{signed, spending, spending_reservation, unsigned},
    rows::{insert, number, storable, text, time},
    transaction::{self, Locks},
};

/// What somebody has spent of a budget in one window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpendingAccount {
    /// The budget's name.
    pub budget: String,
    /// The organization.
    pub organization: String,
    /// Who in it; empty for itself.
    pub subject: String,
    /// When the window began.
    pub window_start: Timestamp,
}

/// So much of each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Spent {
    /// Tokens.
    pub tokens: u64,
    /// USD, in billionths.
    pub usd_nanos: u64,
}

/// What an account may come to, where that is bounded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SpendingMost {
    /// Tokens.
    pub tokens: Option<u64>,
    /// USD, in billionths.
    pub usd_nanos: Option<u64>,
}

/// An account that a request is charged to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpendingCharge {
    /// The account.
    pub account: SpendingAccount,
    /// What it may come to.
    pub most: SpendingMost,
    /// From when on the account is of no interest; none where that is never.
    pub kept_until: Option<Timestamp>,
}

/// The most that a request can cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpendingReservation {
    /// Names it.
    pub id: Uuid,
    /// For each account.
    pub amount: Spent,
    /// The accounts, of different budgets. All who share accounts name them in one order.
    pub charges: Vec<SpendingCharge>,
    /// When the request is over for certain.
    pub expires_at: Timestamp,
}

/// How an account stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpendingStanding {
    /// The account.
    pub account: SpendingAccount,
    /// What is charged to it.
    pub charged: Spent,
    /// What of it is held by requests that are under way.
    pub reserved: Spent,
}

/// How long reservations stay behind their expiry: the clocks of nodes differ.
const EXPIRED_KEPT: Duration = Duration::from_secs(3_600);

const KEY: [spending::Column; 4] = [
    spending::Column::Budget,
    spending::Column::WindowStart,
    spending::Column::OrganizationId,
    spending::Column::Subject,
];

impl Store {
    /// Charges a reservation to all its accounts, or to none: gives the place of the first charge that would come to more than it may.
    ///
    /// # Errors
    /// [`StoreError`]; it may have been charged where the commit failed.
    pub async fn reserve_spending(&self, reservation: &SpendingReservation) -> Result<Option<usize>, StoreError> {
        let writing = transaction::begin_with(self.writer(), Locks::Rows).await?;
        let reserved = reserve(&writing.transaction, reservation).await;
        let over = match reserved {
            Ok(None) => writing.end(Ok(None)).await?,
            // Ends as a failure, so that what was charged before is undone.
            Ok(Some(place)) => return writing.undo(Some(place)).await,
            Err(error) => return writing.end(Err(error.into())).await,
        };
        self.committed(0, false);
        Ok(over)
    }

    /// Puts what a request has cost in the place of what it could, and gives what is charged to its accounts then. One that is not known,
    /// since it was settled or forgotten, changes nothing.
    ///
    /// # Errors
    /// [`StoreError`]; asking again is safe.
    pub async fn settle_spending(
        &self,
        reservation: &SpendingReservation,
        cost: Spent,
    ) -> Result<Vec<Spent>, StoreError> {
        let writing = transaction::begin_with(self.writer(), Locks::Rows).await?;
        let settled = settle(&writing.transaction, reservation, cost).await;
        let charged = writing.end(settled.map_err(StoreError::from)).await?;
        self.committed(0, false);
        Ok(charged)
    }

    /// How accounts of a budget stand in the window that began then, `limit` at most: first those who have the largest share of `most`
    /// charged, tokens and USD each, whichever is more. What is held is so `at` that time.
    ///
    /// # Errors
    /// [`StoreError`] where the database cannot be read.
    pub async fn spending(
        &self,
        budget: &str,
        window_start: Timestamp,
        most: SpendingMost,
        at: Timestamp,
        limit: usize,
    ) -> Result<Vec<SpendingStanding>, StoreError> {
        let reader = self.read().await?;
        let rows = spending::Entity::find()
            .filter(spending::Column::Budget.eq(budget))
            .filter(spending::Column::WindowStart.eq(DateTimeUtc::from(window_start)))
            .order_by_desc(share_of(most))
            .limit(limit as u64)
            .all(&reader)
            .await?;
        let held = spending_reservation::Entity::find()
            .filter(spending_reservation::Column::Budget.eq(budget))
            .filter(spending_reservation::Column::WindowStart.eq(DateTimeUtc::from(window_start)))
            .filter(spending_reservation::Column::ExpiresAt.gt(DateTimeUtc::from(at)))
            .all(&reader)
            .await?;
        reader.commit().await?;
        let standing = |row: spending::Model| {
            let mut reserved = Spent::default();
            for held in &held {
                if held.organization_id == row.organization_id && held.subject == row.subject {
                    reserved.tokens += unsigned(held.tokens);
                    reserved.usd_nanos += unsigned(held.usd_nanos);
                }
            }
            SpendingStanding {
                charged: Spent {
                    tokens: unsigned(row.tokens),
                    usd_nanos: unsigned(row.usd_nanos),
                },
                account: SpendingAccount {
                    budget: row.budget,
                    organization: row.organization_id,
                    subject: row.subject,
                    window_start: row.window_start.into(),
                },
                reserved,
            }
        };
        Ok(rows.into_iter().map(standing).collect())
    }

    /// Forgets accounts of no interest, and reservations that nobody will settle: what they were charged with stays charged.
    ///
    /// # Errors
    /// [`StoreError`] where it cannot be written.
    pub async fn forget_spending(&self, now: Timestamp) -> Result<(), StoreError> {
        let kept = i64::try_from(EXPIRED_KEPT.as_millis()).unwrap_or(i64::MAX);
        let expired = Timestamp::from_millis(now.as_millis().saturating_sub(kept));
        let writing = transaction::begin_with(self.writer(), Locks::Rows).await?;
        let forget = async {
            let transaction = &writing.transaction;
            spending_reservation::Entity::delete_many()
                .filter(spending_reservation::Column::ExpiresAt.lt(DateTimeUtc::from(expired)))
                .exec(transaction)
                .await?;
            spending::Entity::delete_many()
                .filter(spending::Column::KeptUntil.lt(DateTimeUtc::from(now)))
                .exec(transaction)
                .await?;
            Ok(())
        };
        let forgotten = forget.await;
        writing.end(forgotten).await?;
        self.committed(0, false);
        Ok(())
    }
}

/// How much of `most` is charged to an account.
fn share_of(most: SpendingMost) -> Expr {
    let of = |column: spending::Column, most: u64| Expr::col(column).mul(1.0 / most as f64);
    match (most.tokens, most.usd_nanos) {
        (None, None) => Expr::col(spending::Column::Tokens),
        (Some(tokens), None) => of(spending::Column::Tokens, tokens),
        (None, Some(usd_nanos)) => of(spending::Column::UsdNanos, usd_nanos),
        (Some(tokens), Some(usd_nanos)) => {
            let (tokens, usd) = (
                of(spending::Column::Tokens, tokens),
                of(spending::Column::UsdNanos, usd_nanos),
            );
            Expr::case(tokens.clone().gt(usd.clone()), tokens).finally(usd).into()
        }
    }
}

async fn reserve(transaction: &DatabaseTransaction, reservation: &SpendingReservation) -> Result<Option<usize>, DbErr> {
    let backend = transaction.get_database_backend();
    let Spent { tokens, usd_nanos } = reservation.amount;
    for (place, charge) in reservation.charges.iter().enumerate() {
        // A row that is not there yet is bounded as well.
        let most = charge.most;
        if most.tokens.is_some_and(|most| tokens > most) || most.usd_nanos.is_some_and(|most| usd_nanos > most) {
            return Ok(Some(place));
        }
        let sum = |column, amount| Expr::col((spending::Entity, column)).add(signed(amount));
        let (tokens_after, usd_after) = (
            sum(spending::Column::Tokens, tokens),
            sum(spending::Column::UsdNanos, usd_nanos),
        );
        let mut holds = Condition::all();
        if let Some(most) = most.tokens {
            holds = holds.add(tokens_after.clone().lte(signed(most)));
        }
        if let Some(most) = most.usd_nanos {
            holds = holds.add(usd_after.clone().lte(signed(most)));
        }
        let kept_until = charge.kept_until.map(DateTimeUtc::from);
        let mut add = OnConflict::columns(KEY);
        add.values([
            (spending::Column::Tokens, tokens_after),
            (spending::Column::UsdNanos, usd_after),
            (spending::Column::KeptUntil, kept_until.into()),
        ]);
        if !holds.is_empty() {
            add.action_cond_where(holds);
        }
        let account = &charge.account;
        let upsert = Query::insert()
            .into_table(spending::Entity)
            .columns([
                spending::Column::Budget,
                spending::Column::OrganizationId,
                spending::Column::Subject,
                spending::Column::WindowStart,
                spending::Column::Tokens,
                spending::Column::UsdNanos,
                spending::Column::KeptUntil,
            ])
            .values_panic([
                account.budget.as_str().into(),
                account.organization.as_str().into(),
                storable(backend, account.subject.clone()).into(),
                time(account.window_start),
                number(tokens),
                number(usd_nanos),
                kept_until.into(),
            ])
            .on_conflict(add)
            .to_owned();
        if transaction.execute(&upsert).await?.rows_affected() == 0 {
            return Ok(Some(place));
        }
    }
    let columns = [
        spending_reservation::Column::Id,
        spending_reservation::Column::Budget,
        spending_reservation::Column::OrganizationId,
        spending_reservation::Column::Subject,
        spending_reservation::Column::WindowStart,
        spending_reservation::Column::Tokens,
        spending_reservation::Column::UsdNanos,
        spending_reservation::Column::ExpiresAt,
    ];
    let rows = reservation.charges.iter().map(|charge| {
        [
            text(reservation.id),
            charge.account.budget.as_str().into(),
            charge.account.organization.as_str().into(),
            storable(backend, charge.account.subject.clone()).into(),
            time(charge.account.window_start),
            number(tokens),
            number(usd_nanos),
            time(reservation.expires_at),
        ]
    });
    for statement in insert(backend, spending_reservation::Entity, &columns, rows, None) {
        transaction.execute_raw(statement).await?;
    }
    Ok(None)
}

async fn settle(
    transaction: &DatabaseTransaction,
    reservation: &SpendingReservation,
    cost: Spent,
) -> Result<Vec<Spent>, DbErr> {
    let backend = transaction.get_database_backend();
    let known = spending_reservation::Entity::delete_many()
        .filter(spending_reservation::Column::Id.eq(TextUuid(reservation.id)))
        .exec(transaction)
        .await?
        .rows_affected
        > 0;
    let (tokens, usd_nanos) = (
        signed(cost.tokens) - signed(reservation.amount.tokens),
        signed(cost.usd_nanos) - signed(reservation.amount.usd_nanos),
    );
    let mut charged = Vec::with_capacity(reservation.charges.len());
    for charge in &reservation.charges {
        let account = &charge.account;
        let is_account = Condition::all()
            .add(spending::Column::Budget.eq(account.budget.as_str()))
            .add(spending::Column::WindowStart.eq(DateTimeUtc::from(account.window_start)))
            .add(spending::Column::OrganizationId.eq(account.organization.as_str()))
            .add(spending::Column::Subject.eq(storable(backend, account.subject.clone())));
        if known {
            spending::Entity::update_many()
                .col_expr(
                    spending::Column::Tokens,
                    Expr::col(spending::Column::Tokens).add(tokens),
                )
                .col_expr(
                    spending::Column::UsdNanos,
                    Expr::col(spending::Column::UsdNanos).add(usd_nanos),
                )
                .filter(is_account.clone())
                .exec(transaction)
                .await?;
        }
        let row = spending::Entity::find().filter(is_account).one(transaction).await?;
        charged.push(row.map_or_else(Spent::default, |row| Spent {
            tokens: unsigned(row.tokens),
            usd_nanos: unsigned(row.usd_nanos),
        }));
    }
    Ok(charged)
}
