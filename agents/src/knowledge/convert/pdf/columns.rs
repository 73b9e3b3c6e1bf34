//! Two columns of text: read one after the other.

use super::rows::{Part, Row};

/// The page is looked at in so many strips from left to right.
const STRIPS: usize = 256;
/// Rows that a page with columns has at least on each side.
const ROWS_MIN: usize = 8;
/// A gap between columns is at least this wide, in em.
const GAP_MIN: f32 = 0.9;
/// Lines of running text fill their column at least so far; cells of a table do not.
const FILLED_MIN: f32 = 0.6;

/// Puts the rows of a page in the order in which they are read, and numbers their flows, from `flow` on. Where a gap runs down the
/// page, with running text at both sides of it, the left column comes before the right one; rows that reach across the gap
/// part what is above them from what is below.
pub(super) fn in_reading_order(rows: Vec<Row>, flow: usize) -> Vec<Row> {
    let Some(gap) = gap(&rows) else {
        return rows.into_iter().map(|row| Row { flow, ..row }).collect();
    };
    let (mut ordered, mut left, mut right) = (Vec::new(), Vec::new(), Vec::new());
    let mut flow = flow;
    for row in rows {
        if row.parts.iter().any(|part| part.start < gap && part.end > gap) {
            end_band(&mut ordered, &mut left, &mut right, &mut flow);
            ordered.push(Row { flow, ..row });
            continue;
        }
        let (of_left, of_right): (Vec<Part>, Vec<Part>) = row.parts.into_iter().partition(|part| part.end <= gap);
        for (parts, column) in [(of_left, &mut left), (of_right, &mut right)] {
            if !parts.is_empty() {
                column.push(Row {
                    baseline: row.baseline,
                    parts,
                    flow: 0,
                });
            }
        }
    }
    end_band(&mut ordered, &mut left, &mut right, &mut flow);
    ordered
}

fn end_band(ordered: &mut Vec<Row>, left: &mut Vec<Row>, right: &mut Vec<Row>, flow: &mut usize) {
    for column in [left, right] {
        if !column.is_empty() {
            *flow += 1;
            ordered.extend(column.drain(..).map(|row| Row { flow: *flow, ..row }));
        }
    }
    *flow += 1;
}

/// Where the gap between two columns lies; none where the page has one.
fn gap(rows: &[Row]) -> Option<f32> {
    let parts = || rows.iter().flat_map(|row| &row.parts);
    let left = parts().map(|part| part.start).min_by(f32::total_cmp)?;
    let right = parts().map(|part| part.end).max_by(f32::total_cmp)?;
    let width = right - left;
    if rows.len() < ROWS_MIN || !(width > 0.0 && width.is_finite()) {
        return None;
    }
    // How many parts lie over each strip, from where each begins and ends.
    let strip = |x: f32| (((x - left) / width * STRIPS as f32) as usize).min(STRIPS - 1);
    let mut changes = [0_i64; STRIPS + 1];
    for part in parts() {
        changes[strip(part.start)] += 1;
        changes[strip(part.end) + 1] -= 1;
    }
    let over: Vec<i64> = changes[..STRIPS]
        .iter()
        .scan(0, |sum, change| {
            *sum += change;
            Some(*sum)
        })
        .collect();
    // Headings and pictures' captions may reach across.
    let few = (rows.len() / 6) as i64;
    let (mut best, mut begin) = ((0, 0), None);
    for (at, count) in over.iter().enumerate().take(STRIPS * 3 / 4).skip(STRIPS / 4) {
        if *count > few {
            begin = None;
        } else {
            let begin = *begin.get_or_insert(at);
            if at + 1 - begin > best.1 - best.0 {
                best = (begin, at + 1);
            }
        }
    }
    let size = middle(parts().map(|part| part.size).collect())?;
    let middle_of_gap = left + width * (best.0 + best.1) as f32 / 2.0 / STRIPS as f32;
    let is_wide = width * (best.1 - best.0) as f32 / STRIPS as f32 >= GAP_MIN * size;
    let is_text = |from: f32, to: f32| {
        let lengths: Vec<f32> = parts()
            .filter(|part| part.start >= from && part.end <= to)
            .map(|part| part.end - part.start)
            .collect();
        let rows = lengths.len();
        let column = if from < middle_of_gap {
            middle_of_gap - left
        } else {
            right - middle_of_gap
        };
        rows >= ROWS_MIN && middle(lengths).is_some_and(|length| length >= FILLED_MIN * column)
    };
    (is_wide && is_text(f32::MIN, middle_of_gap) && is_text(middle_of_gap, f32::MAX)).then_some(middle_of_gap)
}

/// The median.
pub(super) fn middle(mut numbers: Vec<f32>) -> Option<f32> {
    let half = numbers.len() / 2;
    (!numbers.is_empty()).then(|| *numbers.select_nth_unstable_by(half, f32::total_cmp).1)
}
