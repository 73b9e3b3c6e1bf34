//! What answers by language models took, and what a judge says of them. Nothing of it stands in the document: it differs from run to run,
//! and the embedded model takes no tokens.

use std::{collections::BTreeMap, time::Duration};

use super::{Measured, figures::Figure, line, name, shown, tables::share};
use crate::{Estimate, answers::Answered, judge::Verdict};

impl Measured<'_> {
    /// Whether a provider was asked for an answer.
    pub(super) fn has_asked_provider(&self) -> bool {
        self.all_answers()
            .any(|case| case.failure.is_some() || case.effort.usage.tokens > 0)
    }

    fn all_answers(&self) -> impl Iterator<Item = &Answered<'_>> {
        self.answered.iter().chain(&self.outside)
    }

    /// Times, tokens and costs, where a provider was asked.
    pub(super) fn effort(&self, out: &mut String) {
        if !self.has_asked_provider() {
            return;
        }
        let (mut first, mut whole): (Vec<Duration>, Vec<Duration>) = (Vec::new(), Vec::new());
        let mut failures: BTreeMap<&str, usize> = BTreeMap::new();
        let (mut tokens, mut cost, mut unpriced) = (Vec::new(), 0.0, 0);
        for case in self.all_answers() {
            if let Some(failure) = &case.failure {
                *failures.entry(failure).or_default() += 1;
                continue;
            }
            first.extend(case.effort.first_piece);
            whole.push(case.effort.whole);
            #[expect(clippy::cast_precision_loss, reason = "an answer is far below 2^52 tokens")]
            tokens.push(case.effort.usage.tokens as f64);
            cost += case.effort.usage.cost;
            unpriced += case.effort.usage.unpriced_tokens;
        }
        let mean = Estimate::of(&tokens);
        let cost = if unpriced > 0 && cost <= 0.0 {
            "no price is known".to_owned()
        } else if unpriced > 0 {
            format!("{cost:.4}, and {unpriced} tokens without a price")
        } else {
            format!("{cost:.4}")
        };
        line(
            out,
            format_args!(
                "\n### What the answers took\n\n| figure | |\n| --- | --- |\n\
                 | first piece, seconds: p50, p95 | {} |\n| whole answer, seconds: p50, p95 | {} |\n\
                 | tokens of an answer | {:.0} [{:.0}, {:.0}] |\n| USD in all | {cost} |\n| agents failed | {} of {} |",
                percentiles(first),
                percentiles(whole),
                mean.mean,
                mean.low,
                mean.high,
                failures.values().sum::<usize>(),
                self.all_answers().count(),
            ),
        );
        for (failure, times) in failures {
            line(out, format_args!("| {times} × | {failure} |"));
        }
    }

    /// What a judge says, where one was asked.
    pub(super) fn judged(&self, out: &mut String) {
        let Some(judging) = &self.judging else { return };
        let answerable: Vec<&Answered<'_>> = self.answered.iter().filter(|case| case.is_answerable()).collect();
        let judged = || {
            answerable
                .iter()
                .filter_map(|case| Some((case, case.judgement.as_ref()?)))
        };
        let of = |verdict: Verdict| share(judged().map(|(_, judgement)| judgement.verdict == verdict));
        let agree = share(judged().map(|(case, judgement)| case.is_right() == (judgement.verdict == Verdict::Right)));
        line(
            out,
            format_args!(
                "\n### Judged answers\n\nA model has judged each answer to a question that has one, beside what is labelled.\n\n\
                 | figure | cases | |\n| --- | --- | --- |\n\
                 | the answer is right, what is refused counts as wrong | {} | {} |",
                self.scores().len(),
                shown(Estimate::of(&self.scores())),
            ),
        );
        for verdict in [Verdict::Right, Verdict::Partly, Verdict::Wrong] {
            line(
                out,
                format_args!(
                    "| {}, of what is judged | {} | {} |",
                    name(&verdict),
                    judging.judged,
                    of(verdict)
                ),
            );
        }
        let grounded = share(judged().map(|(_, judgement)| judgement.grounded));
        line(
            out,
            format_args!(
                "| it says nothing that no source says | {} | {grounded} |\n| the judge and the label agree | {} | {agree} |\n\n\
                 Judging took {} tokens and {:.4} USD{}; {} answers could not be judged.",
                judging.judged,
                judging.judged,
                judging.usage.tokens,
                judging.usage.cost,
                if judging.usage.unpriced_tokens > 0 {
                    ", as far as there is a price"
                } else {
                    ""
                },
                judging.failures.len()
            ),
        );
        for (question, failure) in &judging.failures {
            line(out, format_args!("\n- {question}: {failure}"));
        }
    }

    /// What the judge gives each answerable question; nothing where it was refused. What could not be judged is left out.
    fn scores(&self) -> Vec<f64> {
        let score = |case: &Answered<'_>| match &case.judgement {
            Some(judgement) => Some(judgement.verdict.score()),
            None if case.is_refused() => Some(0.0),
            None => None,
        };
        self.answered
            .iter()
            .filter(|case| case.is_answerable())
            .filter_map(score)
            .collect()
    }

    /// What is compared of it. Both configurations have the same figures over the same cases: what could not be judged counts half.
    pub(super) fn effort_figures<'a>(&'a self, figures: &mut Vec<Figure<'a>>) {
        let answerable = || self.answered.iter().filter(|case| case.is_answerable());
        let score = |case: &Answered<'_>| match &case.judgement {
            Some(judgement) => judgement.verdict.score(),
            None if case.is_refused() => 0.0,
            None => Verdict::Partly.score(),
        };
        if self.judging.is_some() {
            figures.push(Figure::mean(
                "answers: right to the judge",
                answerable().map(score).collect(),
            ));
        }
        let first = |case: &Answered<'_>| case.effort.first_piece.unwrap_or(case.effort.whole).as_secs_f64();
        figures.push(
            Figure::mean(
                "answers: seconds to the first piece",
                self.all_answers().map(first).collect(),
            )
            .less(),
        );
        let whole = self.all_answers().map(|case| case.effort.whole.as_secs_f64());
        figures.push(Figure::mean("answers: seconds to the end", whole.collect()).less());
        #[expect(clippy::cast_precision_loss, reason = "an answer is far below 2^52 tokens")]
        let tokens = self.all_answers().map(|case| case.effort.usage.tokens as f64);
        figures.push(Figure::mean("answers: tokens", tokens.collect()).less());
        let cost = self.all_answers().map(|case| case.effort.usage.cost * 1_000.0);
        figures.push(Figure::mean("answers: USD for a thousand", cost.collect()).less());
        let failed = self
            .all_answers()
            .map(|case| f64::from(u8::from(case.failure.is_some())));
        figures.push(Figure::mean("answers: agents failed", failed.collect()).less());
    }
}

/// The median and the 95th of 100, in seconds, by the nearest rank.
fn percentiles(mut times: Vec<Duration>) -> String {
    times.sort_unstable();
    let at = |hundredths: usize| {
        let rank = (times.len() * hundredths).div_ceil(100).max(1) - 1;
        times.get(rank).map_or(0.0, Duration::as_secs_f64)
    };
    format!("{:.3}, {:.3}", at(50), at(95))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_by_the_nearest_rank() {
        let seconds = |numbers: &[u64]| numbers.iter().copied().map(Duration::from_secs).collect();
        assert_eq!(percentiles(seconds(&[3, 1, 2])), "2.000, 3.000");
        assert_eq!(
            percentiles((1..=100).map(Duration::from_secs).collect()),
            "50.000, 95.000"
        );
        assert_eq!(percentiles(Vec::new()), "0.000, 0.000");
    }
}
