//! Many rows in one statement.

use orchestratai_shared::Timestamp;
use sea_orm::{
    ConnectionTrait,
    entity::prelude::{DateTimeUtc, TextUuid},
    sea_query::{Alias, Expr, IntoIden, IntoTableRef, OnConflict, Query, TableRef, Value, ValueTuple},
};
use uuid::Uuid;

use crate::{StoreError, entity::signed};

/// Most rows in one statement. A statement is prepared anew for each number of rows that it has not seen lately, so they
/// should be few; more rows than this save nothing. With the widest table, of 12 columns, it stays below the 32,766 values
/// that SQLite can bind.
pub(crate) const ROWS_MAX: usize = 256;

/// Inserts rows, many in one statement.
pub(crate) async fn insert<T, C, const N: usize>(
    transaction: &impl ConnectionTrait,
    table: T,
    columns: &[C; N],
    rows: impl Iterator<Item = [Expr; N]>,
    on_conflict: Option<OnConflict>,
) -> Result<(), StoreError>
where
    T: IntoTableRef + Copy,
    C: IntoIden + Copy,
{
    let mut rows = rows.peekable();
    while rows.peek().is_some() {
        let mut statement = Query::insert();
        statement.into_table(table).columns(*columns);
        for row in rows.by_ref().take(ROWS_MAX) {
            statement.values_panic(row);
        }
        if let Some(on_conflict) = &on_conflict {
            statement.on_conflict(on_conflict.clone());
        }
        transaction.execute(&statement).await?;
    }
    Ok(())
}

/// A list of rows as a table `change`. Its columns are `column1`, `column2` and so on, on every engine.
pub(crate) fn values_list<const N: usize>(rows: impl Iterator<Item = [Value; N]>) -> TableRef {
    TableRef::ValuesList(
        rows.map(|row| ValueTuple::Many(row.into())).collect(),
        Alias::new("change").into_iden(),
    )
}

/// A column of [`values_list`], from 1.
pub(crate) fn change(column: u8) -> Expr {
    Expr::col((Alias::new("change"), Alias::new(format!("column{column}"))))
}

pub(crate) fn text_value(id: Uuid) -> Value {
    TextUuid(id).into()
}

pub(crate) fn text(id: Uuid) -> Expr {
    text_value(id).into()
}

pub(crate) fn time_value(at: Timestamp) -> Value {
    DateTimeUtc::from(at).into()
}

pub(crate) fn time(at: Timestamp) -> Expr {
    time_value(at).into()
}

pub(crate) fn number(number: u64) -> Expr {
    signed(number).into()
}
