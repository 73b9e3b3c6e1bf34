//! The table: what was measured against what is wanted.

use std::fmt;

use serde::Serialize;

use crate::histogram::median;

/// What a figure must reach.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Bar {
    /// This or more.
    AtLeast(f64),
    /// This or less.
    AtMost(f64),
}

/// How a figure stands to its bar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Verdict {
    /// Reached.
    Pass,
    /// Not reached.
    Miss,
    /// There is no bar: the figure is for information.
    Information,
    /// There is a bar, and no figure.
    NotMeasured,
}

/// One line of the table.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Row {
    /// What was measured.
    pub(crate) measure: String,
    /// In which unit.
    pub(crate) unit: &'static str,
    /// What is wanted.
    pub(crate) bar: Option<Bar>,
    /// One figure from each round. The median is held against the bar.
    pub(crate) samples: Vec<f64>,
    /// The median of them.
    pub(crate) measured: Option<f64>,
    /// Whether it will do.
    pub(crate) verdict: Verdict,
}

impl Row {
    /// Judges `samples`.
    pub(crate) fn new(measure: impl Into<String>, unit: &'static str, bar: Option<Bar>, samples: Vec<f64>) -> Self {
        let measured = median(&samples);
        let verdict = match (bar, measured) {
            (None, _) => Verdict::Information,
            (Some(_), None) => Verdict::NotMeasured,
            (Some(Bar::AtLeast(bar)), Some(measured)) if measured >= bar => Verdict::Pass,
            (Some(Bar::AtMost(bar)), Some(measured)) if measured <= bar => Verdict::Pass,
            (Some(_), Some(_)) => Verdict::Miss,
        };
        Self {
            measure: measure.into(),
            unit,
            bar,
            samples,
            measured,
            verdict,
        }
    }

    fn cells(&self) -> [String; 5] {
        let bar = match self.bar {
            Some(Bar::AtLeast(bar)) => format!("≥ {} {}", number(bar), self.unit),
            Some(Bar::AtMost(bar)) => format!("≤ {} {}", number(bar), self.unit),
            None => String::new(),
        };
        let measured = self
            .measured
            .map_or_else(|| "-".to_owned(), |value| format!("{} {}", number(value), self.unit));
        let spread = if self.samples.len() > 1 {
            let least = self.samples.iter().copied().fold(f64::INFINITY, f64::min);
            let most = self.samples.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            format!("{} to {}", number(least), number(most))
        } else {
            String::new()
        };
        let verdict = match self.verdict {
            Verdict::Pass => "pass",
            Verdict::Miss => "MISS",
            Verdict::Information => "",
            Verdict::NotMeasured => "NOT MEASURED",
        };
        [self.measure.clone(), bar, measured, spread, verdict.to_owned()]
    }
}

/// All lines.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Table {
    /// In the order in which they are shown.
    pub(crate) rows: Vec<Row>,
}

impl Table {
    /// Adds a line.
    pub(crate) fn push(&mut self, row: Row) {
        self.rows.push(row);
    }

    /// How many bars were not reached, or had no figure.
    pub(crate) fn missed(&self) -> usize {
        self.rows
            .iter()
            .filter(|row| match row.verdict {
                Verdict::Miss | Verdict::NotMeasured => true,
                Verdict::Pass | Verdict::Information => false,
            })
            .count()
    }
}

impl fmt::Display for Table {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let headings = ["measure", "bar", "median", "spread", ""].map(str::to_owned);
        let lines: Vec<[String; 5]> = std::iter::once(headings)
            .chain(self.rows.iter().map(Row::cells))
            .collect();
        let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
        let widths: [usize; 5] = std::array::from_fn(width);
        for (index, line) in lines.iter().enumerate() {
            let text: String = line
                .iter()
                .zip(widths)
                .map(|(cell, width)| format!("{cell:<width$}  "))
                .collect();
            writeln!(formatter, "{}", text.trim_end())?;
            if index == 0 {
                writeln!(formatter, "{}", "-".repeat(widths.iter().sum::<usize>() + 8))?;
            }
        }
        Ok(())
    }
}

/// About three significant digits.
fn number(value: f64) -> String {
    let decimals = match value.abs() {
        size if size >= 100.0 => 0,
        size if size >= 10.0 => 1,
        size if size >= 1.0 || size == 0.0 => 2,
        _ => 3,
    };
    if value.fract() == 0.0 {
        format!("{value:.0}")
    } else {
        format!("{value:.decimals$}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(bar: Option<Bar>, samples: &[f64]) -> Verdict {
        Row::new("m", "ms", bar, samples.to_vec()).verdict
    }

    #[test]
    fn the_median_is_held_against_the_bar_and_the_bar_itself_will_do() {
        assert_eq!(
            verdict(Some(Bar::AtLeast(2000.0)), &[1000.0, 2000.0, 9000.0]),
            Verdict::Pass
        );
        assert_eq!(
            verdict(Some(Bar::AtLeast(2000.0)), &[1000.0, 1999.9, 9000.0]),
            Verdict::Miss
        );
        assert_eq!(verdict(Some(Bar::AtMost(5.0)), &[5.0]), Verdict::Pass);
        assert_eq!(verdict(Some(Bar::AtMost(5.0)), &[5.001]), Verdict::Miss);
        assert_eq!(verdict(None, &[5.0]), Verdict::Information);
    }

    #[test]
    fn a_figure_that_is_no_number_never_passes() {
        assert_eq!(verdict(Some(Bar::AtMost(5.0)), &[f64::NAN]), Verdict::Miss);
        assert_eq!(verdict(Some(Bar::AtLeast(5.0)), &[f64::NAN]), Verdict::Miss);
    }

    #[test]
    fn a_bar_without_a_figure_counts_as_missed() {
        let mut table = Table::default();
        table.push(Row::new("one", "s", Some(Bar::AtMost(1.0)), vec![]));
        table.push(Row::new("two", "s", Some(Bar::AtMost(1.0)), vec![0.5]));
        table.push(Row::new("three", "s", Some(Bar::AtMost(1.0)), vec![1.5]));
        table.push(Row::new("four", "s", None, vec![]));
        assert_eq!(table.rows[0].verdict, Verdict::NotMeasured);
        assert_eq!(table.missed(), 2);
    }

    #[test]
    fn the_table_shows_bar_median_spread_and_verdict() {
        let mut table = Table::default();
        table.push(Row::new(
            "turns",
            "turns/s",
            Some(Bar::AtLeast(2000.0)),
            vec![2500.4, 2400.0, 2600.0],
        ));
        table.push(Row::new("time", "ms", Some(Bar::AtMost(0.5)), vec![0.6123]));
        let text = table.to_string();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[2], "turns    ≥ 2000 turns/s  2500 turns/s  2400 to 2600  pass");
        assert_eq!(lines[3], "time     ≤ 0.500 ms      0.612 ms                    MISS");
    }
}
