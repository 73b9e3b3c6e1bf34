//! A row: as the database gives and takes it, and as a line of a backup.

use std::fmt::Write as _;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use chrono::{DateTime, SecondsFormat, SubsecRound, Utc};
use sea_orm::{
    DbBackend, DbErr, QueryResult,
    sea_query::{Alias, Expr, ExprTrait, Query, SelectStatement},
};
use serde_json::Value;

use super::table::{Column, Kind};
use crate::{
    dialect,
    rows::{storable, storable_json},
};

/// A value of a column.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Cell {
    Null,
    Text(String),
    Integer(i64),
    Decimal(f64),
    Time(DateTime<Utc>),
    /// JSON, as text.
    Json(String),
    Bytes(Vec<u8>),
}

/// The query for these columns of all rows of a table, as [`read`] wants them.
pub(super) fn select(table: &str, columns: &[Column]) -> SelectStatement {
    let columns = columns.iter().map(|column| {
        let name = Expr::col(Alias::new(column.name));
        match column.kind {
            Kind::Text | Kind::Integer | Kind::Time | Kind::Bytes => name,
            // One engine counts in decimal, the other has whatever number came.
            Kind::Decimal(_) => name.cast_as(Alias::new("double precision")),
            Kind::Json => name.cast_as(Alias::new("text")),
        }
    });
    Query::select().exprs(columns).from(Alias::new(table)).to_owned()
}

/// A row of the query.
pub(super) fn read(row: &QueryResult, columns: &[Column]) -> Result<Vec<Cell>, DbErr> {
    let cell = |(index, column): (usize, &Column)| -> Result<Cell, DbErr> {
        let cell = match column.kind {
            Kind::Text => row.try_get_by_index::<Option<String>>(index)?.map(Cell::Text),
            Kind::Integer => row.try_get_by_index::<Option<i64>>(index)?.map(Cell::Integer),
            Kind::Decimal(_) => row.try_get_by_index::<Option<f64>>(index)?.map(Cell::Decimal),
            Kind::Time => row.try_get_by_index::<Option<DateTime<Utc>>>(index)?.map(Cell::Time),
            Kind::Json => row.try_get_by_index::<Option<String>>(index)?.map(Cell::Json),
            Kind::Bytes => row.try_get_by_index::<Option<Vec<u8>>>(index)?.map(Cell::Bytes),
        };
        Ok(cell.unwrap_or(Cell::Null))
    };
    columns.iter().enumerate().map(cell).collect()
}

/// Writes a row as a line of JSON, without its end, in place of what `line` was.
pub(super) fn encode(row: &[Cell], line: &mut String) {
    line.clear();
    line.push('[');
    for (index, cell) in row.iter().enumerate() {
        if index > 0 {
            line.push(',');
        }
        match cell {
            Cell::Null => line.push_str("null"),
            Cell::Text(text) | Cell::Json(text) => push_text(text, line),
            Cell::Integer(number) => {
                // Writing to memory cannot fail.
                let _ = write!(line, "{number}");
            }
            // As text: readers of JSON round numbers, each in its own way.
            Cell::Decimal(number) => {
                let _ = write!(line, "\"{number}\"");
            }
            Cell::Time(at) => {
                let _ = write!(line, "\"{}\"", at.to_rfc3339_opts(SecondsFormat::AutoSi, true));
            }
            Cell::Bytes(bytes) => {
                line.push('"');
                BASE64_STANDARD.encode_string(bytes, line);
                line.push('"');
            }
        }
    }
    line.push(']');
}

fn push_text(text: &str, line: &mut String) {
    // A text is always JSON.
    line.push_str(&serde_json::to_string(text).unwrap_or_default());
}

/// Reads a line; none where it is no row of these columns.
pub(super) fn decode(line: &str, columns: &[Column]) -> Option<Vec<Cell>> {
    let values: Vec<Value> = serde_json::from_str(line).ok()?;
    if values.len() != columns.len() {
        return None;
    }
    let cell = |(value, column): (Value, &Column)| match (column.kind, value) {
        (_, Value::Null) => Some(Cell::Null),
        (Kind::Integer, Value::Number(number)) => number.as_i64().map(Cell::Integer),
        (Kind::Text, Value::String(text)) => Some(Cell::Text(text)),
        (Kind::Decimal(_), Value::String(text)) => {
            let number = text.parse().ok().filter(|number: &f64| number.is_finite());
            number.map(Cell::Decimal)
        }
        (Kind::Time, Value::String(text)) => {
            let at = DateTime::parse_from_rfc3339(&text).ok()?;
            Some(Cell::Time(at.with_timezone(&Utc)))
        }
        (Kind::Json, Value::String(text)) => {
            let is_json = serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok();
            is_json.then_some(Cell::Json(text))
        }
        (Kind::Bytes, Value::String(text)) => BASE64_STANDARD.decode(text).ok().map(Cell::Bytes),
        (
            Kind::Text | Kind::Integer | Kind::Decimal(_) | Kind::Time | Kind::Json | Kind::Bytes,
            Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) | Value::Object(_),
        ) => None,
    };
    values.into_iter().zip(columns).map(cell).collect()
}

/// Makes of a row what the engine can hold of it. Whether that is something else than before.
///
/// SQLite holds everything. PostgreSQL counts decimals in their places and times in microseconds, and has no U+0000 in its texts.
pub(super) fn fit(row: &mut [Cell], columns: &[Column], backend: DbBackend) -> bool {
    if backend != DbBackend::Postgres {
        return false;
    }
    let mut has_changed = false;
    for (cell, column) in row.iter_mut().zip(columns) {
        let fitting = match (&*cell, column.kind) {
            (Cell::Text(text), _) if text.contains('\0') => Cell::Text(storable(backend, text.clone())),
            (Cell::Json(text), _) if text.contains("\\u0000") => match serde_json::from_str(text) {
                Ok(value) => Cell::Json(storable_json(backend, value).to_string()),
                Err(_) => continue,
            },
            (Cell::Decimal(number), Kind::Decimal(places)) => Cell::Decimal(rounded(*number, places)),
            (Cell::Time(at), _) => Cell::Time(at.trunc_subsecs(6)),
            (Cell::Null | Cell::Text(_) | Cell::Integer(_) | Cell::Decimal(_) | Cell::Json(_) | Cell::Bytes(_), _) => {
                continue;
            }
        };
        if fitting != *cell {
            *cell = fitting;
            has_changed = true;
        }
    }
    has_changed
}

fn rounded(number: f64, places: u16) -> f64 {
    // By its digits: multiplied and divided it would be another number.
    let digits = format!("{number:.places$}", places = usize::from(places));
    digits.parse().unwrap_or(number)
}

/// A value for an insert.
pub(super) fn expr(cell: Cell, kind: Kind, backend: DbBackend) -> Expr {
    match (cell, kind) {
        (Cell::Null, Kind::Text | Kind::Json) => Option::<String>::None.into(),
        (Cell::Null, Kind::Integer) => Option::<i64>::None.into(),
        (Cell::Null, Kind::Decimal(_)) => Option::<f64>::None.into(),
        (Cell::Null, Kind::Time) => Option::<DateTime<Utc>>::None.into(),
        (Cell::Null, Kind::Bytes) => Option::<Vec<u8>>::None.into(),
        (Cell::Text(text), _) => text.into(),
        (Cell::Integer(number), _) => number.into(),
        (Cell::Decimal(number), _) => number.into(),
        (Cell::Time(at), _) => at.into(),
        (Cell::Json(text), _) => dialect::json(backend, text),
        (Cell::Bytes(bytes), _) => bytes.into(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{
        super::table::{TABLES, Table},
        *,
    };

    fn cell(kind: Kind) -> BoxedStrategy<Cell> {
        let some = match kind {
            Kind::Text => any::<String>().prop_map(Cell::Text).boxed(),
            Kind::Integer => any::<i64>().prop_map(Cell::Integer).boxed(),
            Kind::Decimal(_) => (-1e12..1e12).prop_map(Cell::Decimal).boxed(),
            Kind::Time => (0_i64..4_000_000_000_000_000)
                .prop_map(|micros| Cell::Time(DateTime::from_timestamp_micros(micros).unwrap()))
                .boxed(),
            Kind::Json => any::<String>()
                .prop_map(|text| Cell::Json(format!("{{\"k\": {}}}", Value::String(text))))
                .boxed(),
            Kind::Bytes => any::<Vec<u8>>().prop_map(Cell::Bytes).boxed(),
        };
        prop_oneof![1 => Just(Cell::Null), 5 => some].boxed()
    }

    fn row() -> impl Strategy<Value = (&'static Table, Vec<Cell>)> {
        const ALL: &[Table] = &TABLES;
        (0..ALL.len()).prop_flat_map(|index| {
            let cells: Vec<_> = ALL[index].columns.iter().map(|column| cell(column.kind)).collect();
            (Just(&ALL[index]), cells)
        })
    }

    proptest! {
        #[test]
        fn a_row_comes_back_from_its_line_as_it_was((table, cells) in row()) {
            let mut line = String::new();
            encode(&cells, &mut line);
            prop_assert!(!line.contains('\n'));
            prop_assert_eq!(decode(&line, table.columns), Some(cells));
        }

        #[test]
        fn what_fits_fits_again_unchanged((table, mut cells) in row()) {
            fit(&mut cells, table.columns, DbBackend::Postgres);
            let fitting = cells.clone();
            prop_assert!(!fit(&mut cells, table.columns, DbBackend::Postgres));
            prop_assert_eq!(cells, fitting);
        }

        #[test]
        fn no_line_makes_it_panic(line in "[\\[\\]\",0-9a-z.:\\-]{0,60}") {
            for table in &TABLES {
                let _ = decode(&line, table.columns);
            }
        }
    }
}
