//! Many rows in one statement.

use orchestratai_shared::Timestamp;
use sea_orm::{
    DbBackend, Statement,
    entity::prelude::{DateTimeUtc, TextUuid},
    sea_query::{Alias, Expr, IntoIden, IntoTableRef, OnConflict, Query, TableRef, Value, ValueTuple},
};
use serde_json::Value as Json;
use uuid::Uuid;

use crate::entity::signed;

/// Most rows in one statement. A statement is prepared anew for each number of rows that it has not seen lately, so full ones
/// should be alike; more rows than this save nothing, and keep the connection's thread, and with it a processor, busy for
/// longer at a stretch. With the widest table, of 12 columns, it stays far below the 32,766 values that SQLite can bind.
pub(crate) const ROWS_MAX: usize = 64;

/// Statements that insert rows.
pub(crate) fn insert<T, C, const N: usize>(
    backend: DbBackend,
    table: T,
    columns: &[C; N],
    rows: impl IntoIterator<Item = [Expr; N]>,
    on_conflict: Option<&OnConflict>,
) -> Vec<Statement>
where
    T: IntoTableRef + Copy,
    C: IntoIden + Copy,
{
    let mut rows = rows.into_iter().peekable();
    let mut statements = Vec::new();
    while rows.peek().is_some() {
        let mut insert = Query::insert();
        insert.into_table(table).columns(*columns);
        for row in rows.by_ref().take(ROWS_MAX) {
            insert.values_panic(row);
        }
        if let Some(on_conflict) = on_conflict {
            insert.on_conflict(on_conflict.clone());
        }
        statements.push(backend.build(&insert));
    }
    statements
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

/// The hour that a time lies in, counted from 1970.
pub(crate) fn hour(at: Timestamp) -> i64 {
    DateTimeUtc::from(at).timestamp().div_euclid(3_600)
}

pub(crate) fn number(number: u64) -> Expr {
    signed(number).into()
}

/// A text as the engine can hold it. PostgreSQL's texts hold any character but U+0000, which U+FFFD then stands for; the journal
/// keeps what was said in JSON, which has a spelling for it.
pub(crate) fn storable(backend: DbBackend, text: String) -> String {
    if backend == DbBackend::Postgres && text.contains('\0') {
        text.replace('\0', "\u{fffd}")
    } else {
        text
    }
}

/// JSON as the engine can hold it, text for text.
pub(crate) fn storable_json(backend: DbBackend, value: Json) -> Json {
    match value {
        Json::String(text) => Json::String(storable(backend, text)),
        Json::Array(values) => values.into_iter().map(|value| storable_json(backend, value)).collect(),
        Json::Object(fields) => (fields.into_iter())
            .map(|(name, value)| (storable(backend, name), storable_json(backend, value)))
            .collect(),
        Json::Null | Json::Bool(_) | Json::Number(_) => value,
    }
}
