//! Tables: rows whose parts stand below each other.

use super::rows::Row;

/// Rows that make a table at least; two are enough where they have three columns.
const ROWS_MIN: usize = 3;
/// Rows of a table lie no further apart than this, in em.
const PITCH_MAX: f32 = 3.0;

/// The table that begins with the first row: how many rows it takes, and its cells. None where none begins there.
pub(super) fn at_start(rows: &[Row]) -> Option<(usize, Vec<Vec<String>>)> {
    let first = rows.first().filter(|row| row.parts.len() > 1)?;
    let mut columns: Vec<(f32, f32)> = first.parts.iter().map(|part| (part.start, part.end)).collect();
    let mut length = 1;
    while let Some(row) = rows.get(length) {
        let before = &rows[length - 1];
        let pitch = before.baseline - row.baseline;
        let fits = row.flow == first.flow
            && pitch > 0.0
            && pitch <= PITCH_MAX * row.size().max(before.size())
            && row.parts.len() > 1
            && widen(&mut columns, row);
        if !fits {
            break;
        }
        length += 1;
    }
    let is_table = columns.len() > 1 && (length >= ROWS_MIN || length == 2 && columns.len() > 2);
    let cells = |row: &Row| {
        let mut cells = vec![String::new(); columns.len()];
        for part in &row.parts {
            let column = columns
                .iter()
                .position(|(start, end)| part.start < *end && *start < part.end);
            let cell = &mut cells[column.unwrap_or(0)];
            if !cell.is_empty() {
                cell.push(' ');
            }
            cell.push_str(part.text.trim());
        }
        cells
    };
    is_table.then(|| (length, rows[..length].iter().map(cells).collect()))
}

/// Makes columns as wide as the parts of a row want; false, and they stay as they are, where a part lies in none of them or in
/// several.
fn widen(columns: &mut [(f32, f32)], row: &Row) -> bool {
    let mut widened = columns.to_vec();
    let mut last = None;
    for part in &row.parts {
        let mut over = (0..columns.len()).filter(|at| part.start < columns[*at].1 && columns[*at].0 < part.end);
        let (Some(column), None) = (over.next(), over.next()) else {
            return false;
        };
        if last.replace(column) == Some(column) {
            return false;
        }
        let (start, end) = &mut widened[column];
        (*start, *end) = (start.min(part.start), end.max(part.end));
    }
    let is_parted = widened.windows(2).all(|pair| pair[0].1 <= pair[1].0);
    if is_parted {
        columns.copy_from_slice(&widened);
    }
    is_parted
}
