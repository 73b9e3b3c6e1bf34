//! The figures as tables in Markdown.

use orchestratai_shared::AgentId;

use super::{Measured, RECIPROCAL_DEPTH, SUREST, by, line, name, shown, signed, title};
use crate::{
    Estimate,
    answers::Answered,
    calibration::{Judged, bins, calibration_error},
    difference,
    retrieval::{Ranked, Ranker},
    routing::{self, Routed, confusion, macro_f1, selective_accuracy},
};

impl Measured<'_> {
    /// Every figure.
    #[must_use]
    pub fn tables(&self) -> String {
        let mut out = format!("## Measured on the part to {}\n", name(&self.part));
        self.retrieval(&mut out);
        self.routing(&mut out);
        self.answers(&mut out);
        self.judged(&mut out);
        self.effort(&mut out);
        self.cache(&mut out);
        out
    }

    pub(super) fn retrieval(&self, out: &mut String) {
        out.push_str(
            "\n### Retrieval\n\nOver all collections at once; in brackets the interval of 95 %. By passage: the chunk that holds the \
             answer; by document: the document that it stands in, among the distinct ones in the order in which they are first found.\n",
        );
        for unit in [Unit::Passage, Unit::Document] {
            self.rankings_by(unit, out);
        }
        let agents = self.agents_ranking();
        let asked = agents.iter().filter(|ranked| ranked.asked_transformer).count();
        line(
            out,
            format_args!("\nThe transformer was asked for {asked} of {} questions.", agents.len()),
        );
        out.push_str(
            "\n| kind of question, ranked by both | questions | recall@1 | recall@5 |\n| --- | --- | --- | --- |\n",
        );
        for (kind, of_kind) in by(agents, |ranked| ranked.question.kind) {
            let at = |depth| of_kind.iter().map(|ranked| ranked.recall(depth)).collect::<Vec<_>>();
            let [at_1, at_5] = [1, 5].map(|depth| shown(Estimate::of(&at(depth))));
            line(out, format_args!("| {kind} | {} | {at_1} | {at_5} |", of_kind.len()));
        }
    }

    fn rankings_by(&self, unit: Unit, out: &mut String) {
        line(
            out,
            format_args!(
                "\n| ranked by, {} | recall@1 | recall@3 | recall@5 | MRR@10 |\n| --- | --- | --- | --- | --- |",
                unit.title()
            ),
        );
        let own_first_stage = ("first stage, in the agent's own collection", &self.own_first_stage);
        let own = ("both, in the agent's own collection", &self.own);
        let all = self.rankings.iter().map(|(ranker, ranked)| (title(*ranker), ranked));
        for (title, ranked) in all.chain([own_first_stage, own]) {
            let [at_1, at_3, at_5] = [1, 3, 5].map(|depth| shown(Estimate::of(&unit.recalls(ranked, depth))));
            let reciprocal = shown(Estimate::of(&unit.reciprocals(ranked)));
            line(
                out,
                format_args!("| {title} | {at_1} | {at_3} | {at_5} | {reciprocal} |"),
            );
        }
        let agents = self.agents_ranking();
        for (ranker, ranked) in self.rankings.iter().filter(|(ranker, _)| *ranker != Ranker::Fused) {
            let more = |depth| signed(difference(&unit.recalls(ranked, depth), &unit.recalls(agents, depth)));
            let [at_1, at_3, at_5] = [1, 3, 5].map(more);
            let reciprocal = signed(difference(&unit.reciprocals(ranked), &unit.reciprocals(agents)));
            line(
                out,
                format_args!(
                    "| both, more than {} | {at_1} | {at_3} | {at_5} | {reciprocal} |",
                    title(*ranker)
                ),
            );
        }
    }

    pub(super) fn routing(&self, out: &mut String) {
        let right = |cases: &[&Routed<'_>]| share(cases.iter().map(|case| case.is_right()));
        let all: Vec<&Routed<'_>> = self.routed.iter().collect();
        line(
            out,
            format_args!(
                "\n### Routing\n\nRight: {} of {} messages. Macro-F1 {:.3}; right among the surest {:.0} %: {:.3}; expected \
                 calibration error {:.3}.\n\n| kind of message | messages | right |\n| --- | --- | --- |",
                right(&all),
                all.len(),
                macro_f1(&self.routed),
                SUREST * 100.0,
                selective_accuracy(&self.routed, SUREST),
                routing::calibration_error(&self.routed)
            ),
        );
        for (kind, of_kind) in by(&self.routed, |case| case.utterance.kind) {
            line(
                out,
                format_args!("| {kind} | {} | {} |", of_kind.len(), right(&of_kind)),
            );
        }
        let (several, one): (Vec<&Routed<'_>>, Vec<&Routed<'_>>) =
            self.routed.iter().partition(|case| case.utterance.agents.len() > 1);
        line(
            out,
            format_args!(
                "\nOf {} messages with several concerns their agents were found, and nobody else: {}. Of {} others some were taken \
                 apart though they have one: {}.",
                several.len(),
                share(several.iter().map(|case| case.names_all())),
                one.len(),
                share(one.iter().map(|case| !case.concerns.is_empty()))
            ),
        );
        let intents = self.intents();
        line(
            out,
            format_args!(
                "\nIntents, where one is labelled: right {} of {}.",
                share(intents.iter().map(|(labelled, found)| labelled == found)),
                intents.len()
            ),
        );
        let confusion = confusion(&self.routed);
        let mut chosen: Vec<&AgentId> = confusion.values().flat_map(|chosen| chosen.keys()).collect();
        chosen.sort();
        chosen.dedup();
        let heads: Vec<&str> = chosen.iter().map(|agent| agent.as_str()).collect();
        line(out, format_args!("\n| right ↓ chosen → | {} |", heads.join(" | ")));
        line(out, format_args!("| --- |{}", " --- |".repeat(chosen.len())));
        for (right, chosen_of) in &confusion {
            let count = |agent: &&AgentId| chosen_of.get(*agent).copied().unwrap_or_default().to_string();
            let counts: Vec<String> = chosen.iter().map(count).collect();
            line(out, format_args!("| {right} | {} |", counts.join(" | ")));
        }
    }

    pub(super) fn answers(&self, out: &mut String) {
        let all: Vec<&Answered<'_>> = self.answered.iter().collect();
        let (answerable, others): (Vec<&Answered<'_>>, Vec<&Answered<'_>>) =
            all.iter().partition(|case| case.is_answerable());
        let held =
            |cases: &[&Answered<'_>]| shown(Estimate::of(&cases.iter().map(|case| case.held).collect::<Vec<_>>()));
        let refused = |cases: &[&Answered<'_>]| share(cases.iter().map(|case| case.is_refused()));
        let given: Vec<Judged> = self.given().map(Answered::judged).collect();
        let judged: Vec<Judged> = self
            .answered
            .iter()
            .chain(&self.outside)
            .map(Answered::judged)
            .collect();
        let supported = share(self.given().map(|case| case.unsupported.is_empty()));
        line(
            out,
            format_args!(
                "\n### Answers\n\nEach question is put to the specialist who is responsible, with what was said before; the semantic \
                 cache is passed by.\n\n| figure | cases | |\n| --- | --- | --- |\n\
                 | the answer holds the labelled one | {} | {} |\n\
                 | every sentence stands in the source that it cites | {} | {supported} |\n\
                 | refused, though there is an answer | {} | {} |\n\
                 | refused, since there is none | {} | {} |\n\
                 | refused, since it is out of scope | {} | {} |\n\
                 | expected calibration error of what is answered | {} | {:.3} |\n\
                 | the same with the refusals, none of which is right | {} | {:.3} |\n\n\
                 | kind of question | questions | the answer holds the labelled one | refused |\n| --- | --- | --- | --- |",
                answerable.len(),
                held(&answerable),
                given.len(),
                answerable.len(),
                refused(&answerable),
                others.len(),
                refused(&others),
                self.outside.len(),
                refused(&self.outside.iter().collect::<Vec<_>>()),
                given.len(),
                calibration_error(&given),
                judged.len(),
                calibration_error(&judged),
            ),
        );
        for (kind, of_kind) in by(&self.answered, |case| case.question.kind) {
            let (held, refused) = (held(&of_kind), refused(&of_kind));
            line(out, format_args!("| {kind} | {} | {held} | {refused} |", of_kind.len()));
        }
        out.push_str("\n| confidence of what is answered | answers | mean confidence | share right |\n| --- | --- | --- | --- |\n");
        for (tenth, bin) in bins(&given).iter().enumerate().filter(|(_, bin)| bin.cases > 0) {
            line(
                out,
                format_args!(
                    "| {}–{} % | {} | {:.3} | {:.3} |",
                    tenth * 10,
                    tenth * 10 + 10,
                    bin.cases,
                    bin.confidence,
                    bin.accuracy
                ),
            );
        }
    }

    pub(super) fn cache(&self, out: &mut String) {
        out.push_str(
            "\n### Semantic cache\n\nA paraphrase should hit; of the others none may.\n\n\
             | the questions differ in | pairs | hits |\n| --- | --- | --- |\n",
        );
        for (kind, of_kind) in by(&self.looked_up, |case| case.pair.kind) {
            let hits = of_kind.iter().filter(|case| case.was_hit).count();
            line(out, format_args!("| {kind} | {} | {hits} |", of_kind.len()));
        }
    }
}

/// What is to be found.
#[derive(Debug, Clone, Copy)]
enum Unit {
    Passage,
    Document,
}

impl Unit {
    fn title(self) -> &'static str {
        match self {
            Self::Passage => "by passage",
            Self::Document => "by document",
        }
    }

    fn recalls(self, ranked: &[Ranked<'_>], depth: usize) -> Vec<f64> {
        let of_one = |ranked: &Ranked<'_>| match self {
            Self::Passage => ranked.recall(depth),
            Self::Document => ranked.document_recall(depth),
        };
        ranked.iter().map(of_one).collect()
    }

    fn reciprocals(self, ranked: &[Ranked<'_>]) -> Vec<f64> {
        let of_one = |ranked: &Ranked<'_>| match self {
            Self::Passage => ranked.reciprocal_rank(RECIPROCAL_DEPTH),
            Self::Document => ranked.document_reciprocal_rank(RECIPROCAL_DEPTH),
        };
        ranked.iter().map(of_one).collect()
    }
}

/// How many of all, as a share with its interval.
pub(super) fn share(of: impl Iterator<Item = bool>) -> String {
    let values: Vec<f64> = of.map(|is| f64::from(u8::from(is))).collect();
    shown(Estimate::of(&values))
}
