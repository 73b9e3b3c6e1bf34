//! The figures that two configurations are compared by.

use super::{Measured, RECIPROCAL_DEPTH, SUREST, line};
use crate::{
    CacheKind, Estimate,
    calibration::{Judged, calibration_error},
    retrieval::Ranked,
    routing::{Routed, macro_f1, selective_accuracy},
};

/// A figure that can be taken of any choice of its cases.
pub struct Figure<'a> {
    /// Which, as tables have it.
    pub title: String,
    /// How many cases it is over.
    pub cases: usize,
    /// Whether less is better.
    pub less_is_better: bool,
    of: Statistic<'a>,
}

/// Takes a figure of a choice of cases.
type Statistic<'a> = Box<dyn Fn(&[usize]) -> f64 + 'a>;

impl<'a> Figure<'a> {
    fn new(title: impl Into<String>, cases: usize, of: impl Fn(&[usize]) -> f64 + 'a) -> Self {
        Self {
            title: title.into(),
            cases,
            less_is_better: false,
            of: Box::new(of),
        }
    }

    pub(super) fn mean(title: impl Into<String>, values: Vec<f64>) -> Self {
        let cases = values.len();
        #[expect(clippy::cast_precision_loss, reason = "a set is far below 2^52 cases")]
        let of =
            move |chosen: &[usize]| chosen.iter().map(|case| values[*case]).sum::<f64>() / chosen.len().max(1) as f64;
        Self::new(title, cases, of)
    }

    pub(super) fn less(self) -> Self {
        Self {
            less_is_better: true,
            ..self
        }
    }

    /// Its value with its interval.
    #[must_use]
    pub fn estimate(&self) -> Estimate {
        Estimate::of_statistic(self.cases, &self.of)
    }

    /// How much more it is than `other`, over the same choices of the same cases.
    #[must_use]
    pub fn more_than(&self, other: &Self) -> Estimate {
        Estimate::of_statistic(self.cases.min(other.cases), |chosen| {
            (self.of)(chosen) - (other.of)(chosen)
        })
    }
}

impl std::fmt::Debug for Figure<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Figure")
            .field("title", &self.title)
            .finish_non_exhaustive()
    }
}

fn one_if(is: bool) -> f64 {
    f64::from(u8::from(is))
}

impl Measured<'_> {
    /// Every figure by which configurations are compared.
    #[must_use]
    pub fn figures(&self) -> Vec<Figure<'_>> {
        let mut figures = Vec::new();
        for (scope, ranked) in [
            ("all collections", self.agents_ranking()),
            ("the agent's own", &self.own[..]),
        ] {
            for depth in [1, 3, 5] {
                let values = ranked.iter().map(|ranked| ranked.recall(depth)).collect();
                figures.push(Figure::mean(format!("recall@{depth}, {scope}"), values));
            }
            let reciprocal = |ranked: &Ranked<'_>| ranked.reciprocal_rank(RECIPROCAL_DEPTH);
            let values = ranked.iter().map(reciprocal).collect();
            figures.push(Figure::mean(format!("MRR@{RECIPROCAL_DEPTH}, {scope}"), values));
        }
        self.routing_figures(&mut figures);
        self.answer_figures(&mut figures);
        let hits = |is_wanted: bool| -> Vec<f64> {
            let of_kind = self
                .looked_up
                .iter()
                .filter(|case| (case.pair.kind == CacheKind::Paraphrase) == is_wanted);
            of_kind.map(|case| one_if(case.was_hit)).collect()
        };
        figures.push(Figure::mean("cache: paraphrases hit", hits(true)));
        figures.push(Figure::mean("cache: other pairs hit", hits(false)).less());
        figures
    }

    fn routing_figures<'a>(&'a self, figures: &mut Vec<Figure<'a>>) {
        let routed = &self.routed;
        let some = |chosen: &[usize]| -> Vec<Routed<'_>> { chosen.iter().map(|case| routed[*case].clone()).collect() };
        let right = routed.iter().map(|case| one_if(case.is_right())).collect();
        figures.push(Figure::mean("routing: right", right));
        figures.push(Figure::new("routing: macro-F1", routed.len(), move |chosen| {
            macro_f1(&some(chosen))
        }));
        figures.push(Figure::new(
            format!("routing: right among the surest {:.0} %", SUREST * 100.0),
            routed.len(),
            move |chosen| selective_accuracy(&some(chosen), SUREST),
        ));
        let judged: Vec<Judged> = routed.iter().map(Routed::judged).collect();
        figures.push(calibration("routing: calibration error", judged));
        let intents = self
            .intents()
            .iter()
            .map(|(right, chosen)| one_if(right == chosen))
            .collect();
        figures.push(Figure::mean("intents: right", intents));
    }

    fn answer_figures<'a>(&'a self, figures: &mut Vec<Figure<'a>>) {
        let answerable = || self.answered.iter().filter(|case| case.is_answerable());
        let held = answerable().map(|case| case.held).collect();
        figures.push(Figure::mean("answers: hold the answer", held));
        let all = || self.answered.iter().chain(&self.outside);
        let supported = all().map(|case| one_if(case.unsupported.is_empty()));
        figures.push(Figure::mean("answers: each sentence in a source", supported.collect()));
        let wrongly = answerable().map(|case| one_if(case.is_refused())).collect();
        figures.push(Figure::mean("answers: answerable ones refused", wrongly).less());
        let unanswerable = self.answered.iter().filter(|case| !case.is_answerable());
        let rightly = unanswerable.map(|case| one_if(case.is_refused())).collect();
        figures.push(Figure::mean("answers: unanswerable ones refused", rightly));
        let outside = self.outside.iter().map(|case| one_if(case.is_refused())).collect();
        figures.push(Figure::mean("answers: messages out of scope refused", outside));
        // Over all of them, though it is the given ones that matter: pairs must be of the same cases.
        let judged = all().map(super::Answered::judged).collect();
        figures.push(calibration("answers: calibration error, refusals among them", judged));
    }
}

fn calibration<'a>(title: &str, judged: Vec<Judged>) -> Figure<'a> {
    Figure::new(title, judged.len(), move |chosen| {
        let chosen: Vec<Judged> = chosen.iter().map(|case| judged[*case]).collect();
        calibration_error(&chosen)
    })
    .less()
}

/// Two configurations side by side: `ours` first, and how much more the other reaches. Both must have measured the same cases.
#[must_use]
pub fn comparison(ours: &Measured<'_>, names: [&str; 2], other: &Measured<'_>) -> String {
    let mut out = format!(
        "## Compared on the part to {}\n\nIn brackets the interval of 95 %; of the difference it is taken case by case, and where it \
         holds 0 the two cannot be told apart.\n\n| figure | cases | {} | {} | difference | verdict |\n| --- | --- | --- | --- | --- \
         | --- |\n",
        super::name(&ours.part),
        names[0],
        names[1]
    );
    let (mut our_figures, mut other_figures) = (ours.figures(), other.figures());
    if ours.has_asked_provider() || other.has_asked_provider() {
        ours.effort_figures(&mut our_figures);
        other.effort_figures(&mut other_figures);
    }
    for (ours, other) in our_figures.iter().zip(&other_figures) {
        let more = other.more_than(ours);
        let verdict = match (more.excludes_zero(), (more.mean > 0.0) == ours.less_is_better) {
            (false, _) => "cannot be told apart",
            (true, false) => "better",
            (true, true) => "worse",
        };
        line(
            &mut out,
            format_args!(
                "| {} | {} | {} | {} | {} | {verdict} |",
                ours.title,
                ours.cases,
                super::shown(ours.estimate()),
                super::shown(other.estimate()),
                super::signed(more)
            ),
        );
    }
    out
}
