//! The figures as tables in Markdown.

use std::fmt::Write as _;

use orchestratai_shared::AgentId;
use serde::Serialize;

use crate::{
    Estimate, Part,
    cache::LookedUp,
    difference,
    retrieval::{Ranked, Ranker},
    routing::{Routed, calibration_error, confusion, macro_f1, selective_accuracy},
};

/// The surest decisions of routing are judged by themselves: this share of all.
const SUREST: f64 = 0.6;
/// The depth to which reciprocal ranks count.
const RECIPROCAL_DEPTH: usize = 10;

/// All that was measured on one part of a set.
#[derive(Debug)]
pub struct Measured<'a> {
    /// Which part.
    pub part: Part,
    /// What each ranker makes of the questions, all over the same ones in the same order.
    pub rankings: Vec<(Ranker, Vec<Ranked<'a>>)>,
    /// Who was chosen for each message.
    pub routed: Vec<Routed<'a>>,
    /// What the cache did with each pair.
    pub looked_up: Vec<LookedUp<'a>>,
}

impl Measured<'_> {
    /// Every figure.
    #[must_use]
    pub fn tables(&self) -> String {
        let mut out = format!("## Measured on the part to {}\n", name(&self.part));
        self.retrieval(&mut out);
        self.routing(&mut out);
        self.cache(&mut out);
        out
    }

    /// Each case that went wrong: of the questions those whose passages are not among the first five.
    #[must_use]
    pub fn misses(&self) -> String {
        let mut out = String::new();
        for ranked in self.agents_ranking() {
            if ranked.recall(5) < 1.0 {
                let question = ranked.question;
                line(
                    &mut out,
                    format_args!("{} at {:?}: {}", question.id, ranked.ranks, question.question),
                );
            }
        }
        for case in self.routed.iter().filter(|case| !case.is_right()) {
            let utterance = case.utterance;
            let wanted = utterance.agents.first().map(AgentId::as_str).unwrap_or_default();
            line(
                &mut out,
                format_args!(
                    "{} to {} ({:.2}) instead of {wanted}: {}",
                    utterance.id, case.agent, case.confidence, utterance.message
                ),
            );
        }
        for case in self.looked_up.iter().filter(|case| case.was_hit != case.pair.hit) {
            let pair = case.pair;
            let what = if case.was_hit { "a false hit" } else { "a miss" };
            line(
                &mut out,
                format_args!("{} {what}: {} | {} ({})", pair.id, pair.first, pair.second, case.reason),
            );
        }
        out
    }

    fn agents_ranking(&self) -> &[Ranked<'_>] {
        self.rankings
            .iter()
            .find(|(ranker, _)| *ranker == Ranker::Fused)
            .map(|(_, ranked)| ranked.as_slice())
            .unwrap_or_default()
    }

    fn retrieval(&self, out: &mut String) {
        out.push_str(
            "\n### Retrieval\n\nOver all collections at once; in brackets the interval of 95 %.\n\n\
             | ranked by | recall@1 | recall@3 | recall@5 | MRR@10 |\n| --- | --- | --- | --- | --- |\n",
        );
        for (ranker, ranked) in &self.rankings {
            let [at_1, at_3, at_5] = [1, 3, 5].map(|depth| shown(recalls(ranked, depth)));
            let reciprocal = shown(reciprocals(ranked));
            line(
                out,
                format_args!("| {} | {at_1} | {at_3} | {at_5} | {reciprocal} |", title(*ranker)),
            );
        }
        let agents = self.agents_ranking();
        for (ranker, ranked) in self.rankings.iter().filter(|(ranker, _)| *ranker != Ranker::Fused) {
            let more = |depth| signed(difference(&recalls(ranked, depth), &recalls(agents, depth)));
            let [at_1, at_3, at_5] = [1, 3, 5].map(more);
            let reciprocal = signed(difference(&reciprocals(ranked), &reciprocals(agents)));
            line(
                out,
                format_args!(
                    "| both, more than {} | {at_1} | {at_3} | {at_5} | {reciprocal} |",
                    title(*ranker)
                ),
            );
        }
        out.push_str(
            "\n| kind of question, ranked by both | questions | recall@1 | recall@5 |\n| --- | --- | --- | --- |\n",
        );
        for (kind, of_kind) in by(agents, |ranked| ranked.question.kind) {
            let [at_1, at_5] = [1, 5].map(|depth| shown(of_kind.iter().map(|ranked| ranked.recall(depth)).collect()));
            line(out, format_args!("| {kind} | {} | {at_1} | {at_5} |", of_kind.len()));
        }
    }

    fn routing(&self, out: &mut String) {
        let right =
            |cases: &[&Routed<'_>]| shown(cases.iter().map(|case| f64::from(u8::from(case.is_right()))).collect());
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
                calibration_error(&self.routed)
            ),
        );
        for (kind, of_kind) in by(&self.routed, |case| case.utterance.kind) {
            line(
                out,
                format_args!("| {kind} | {} | {} |", of_kind.len(), right(&of_kind)),
            );
        }
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

    fn cache(&self, out: &mut String) {
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

fn recalls(ranked: &[Ranked<'_>], depth: usize) -> Vec<f64> {
    ranked.iter().map(|ranked| ranked.recall(depth)).collect()
}

fn reciprocals(ranked: &[Ranked<'_>]) -> Vec<f64> {
    let of_one = |ranked: &Ranked<'_>| ranked.reciprocal_rank(RECIPROCAL_DEPTH);
    ranked.iter().map(of_one).collect()
}

/// The cases of each kind, in the order of the kinds.
fn by<T, K: Serialize + Ord + Copy>(cases: &[T], kind: impl Fn(&T) -> K) -> Vec<(String, Vec<&T>)> {
    let mut kinds: Vec<K> = cases.iter().map(&kind).collect();
    kinds.sort_unstable();
    kinds.dedup();
    let of = |wanted: K| cases.iter().filter(|case| kind(case) == wanted).collect();
    kinds.into_iter().map(|wanted| (name(&wanted), of(wanted))).collect()
}

/// A kind as the files have it, with spaces.
fn name(kind: &impl Serialize) -> String {
    let text = serde_json::to_value(kind).ok();
    let text = text.as_ref().and_then(|value| value.as_str()).unwrap_or_default();
    text.replace('_', " ")
}

fn title(ranker: Ranker) -> &'static str {
    match ranker {
        Ranker::Fused => "both",
        Ranker::Vectors => "vectors",
        Ranker::Bm25 => "BM25",
    }
}

#[expect(clippy::needless_pass_by_value, reason = "made where it is shown")]
fn shown(values: Vec<f64>) -> String {
    let Estimate { mean, low, high, .. } = Estimate::of(&values);
    format!("{mean:.3} [{low:.3}, {high:.3}]")
}

fn signed(Estimate { mean, low, high, .. }: Estimate) -> String {
    format!("{mean:+.3} [{low:+.3}, {high:+.3}]")
}

fn line(out: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = writeln!(out, "{text}");
}
