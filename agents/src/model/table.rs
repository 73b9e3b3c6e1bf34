//! A table as an answer shows it: its head, and the rows that the question is about.

use std::borrow::Cow;

use crate::{embedder::StaticEmbedder, knowledge::Resemblance};

/// A table of this many rows is shown whole: there is little to be left out.
const ROWS_WHOLE: usize = 3;
/// Lines above the rows: names, and the line below them.
const HEAD_LINES: usize = 2;
/// A row that says less of the question than this share of what the best one says is left out.
const LEAST_OF_BEST: f32 = 0.4;
/// A question names a row where a word of it is as near as this to one of the row's, and less so to one of another row. Where it names
/// none, it may be about any of them.
const NAMED: f32 = 0.75;

/// The table without the rows that the question is not about. What all rows say alike tells none of them apart.
pub(super) fn shown<'a>(table: &'a str, resemblance: &Resemblance, embedder: &StaticEmbedder) -> Cow<'a, str> {
    let lines: Vec<&str> = table.lines().collect();
    let Some((head, rows)) = lines.split_at_checked(HEAD_LINES) else {
        return Cow::Borrowed(table);
    };
    if rows.len() <= ROWS_WHOLE {
        return Cow::Borrowed(table);
    }
    let mut nearest: Vec<Vec<f32>> = rows
        .iter()
        .map(|row| resemblance.nearest(&embedder.word_ids(row)))
        .collect();
    let mut of_all = nearest[0].clone();
    for of_row in &nearest {
        lower(&mut of_all, of_row);
    }
    for of_row in &mut nearest {
        of_row.iter_mut().zip(&of_all).for_each(|(near, all)| *near -= all);
    }
    if nearest.iter().flatten().all(|near| *near < NAMED) {
        return Cow::Borrowed(table);
    }
    let said: Vec<f32> = nearest.iter().map(|of_row| resemblance.share(of_row)).collect();
    let best = said.iter().copied().fold(0.0, f32::max);
    let kept = rows
        .iter()
        .zip(&said)
        .filter(|(_, said)| **said >= LEAST_OF_BEST * best);
    let all: Vec<&str> = head.iter().copied().chain(kept.map(|(row, _)| *row)).collect();
    Cow::Owned(all.join("\n"))
}

/// Lowers each of `nearest` to what `other` has.
fn lower(nearest: &mut [f32], other: &[f32]) {
    for (nearest, other) in nearest.iter_mut().zip(other) {
        *nearest = nearest.min(*other);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{embedder::QuantisedVector, knowledge::Query, testing::embedder};

    const TABLE: &str = "| Plan | Price | Dashboards |\n| --- | --- | --- |\n| Starter | $19 | 3 |\n| Team | $119 | 20 |\n\
                         | Business | $449 | 100 |\n| Enterprise | on request | no limit |";

    fn check(question: &str, table: &str, expected: &str) {
        let query = Query {
            vector: QuantisedVector::new(&[]),
            words: Vec::new(),
            unknown_words: 0,
            said: 0.0,
        };
        let resemblance = Resemblance::new(question, &query, embedder());
        assert_eq!(shown(table, &resemblance, embedder()), expected, "{question}");
    }

    #[test]
    fn rows_that_a_question_names_are_shown_below_the_head_and_else_all() {
        let head = "| Plan | Price | Dashboards |\n| --- | --- | --- |\n";
        check(
            "What is the price of Team?",
            TABLE,
            &format!("{head}| Team | $119 | 20 |"),
        );
        check("What is the price?", TABLE, TABLE);
        check("", TABLE, TABLE);
        let short = "| a | b |\n| --- | --- |\n| Team | 1 |\n| Business | 2 |";
        check("Team", short, short);
        check("Team", "| a |", "| a |");
    }
}
