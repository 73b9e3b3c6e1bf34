//! All that was measured, and what goes wrong. In reading order:
//! - [`tables`]: the figures as tables in Markdown;
//! - [`effort`]: what language models took, and what a judge says;
//! - [`figures`]: the ones by which two configurations are compared;
//! - [`plots`]: the same as pictures;
//! - [`document`]: tables and pictures together.

mod document;
mod effort;
mod figures;
mod plots;
mod tables;

use std::fmt::Write as _;

use orchestratai_shared::{AgentId, Intent};
use serde::Serialize;

pub use self::{
    figures::{Figure, comparison},
    plots::PlotError,
};
use crate::{
    Estimate, Part,
    answers::Answered,
    cache::LookedUp,
    judge::Judging,
    retrieval::{Ranked, Ranker},
    routing::Routed,
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
    /// As agents search: each question in the collections of the agent that is responsible.
    pub own: Vec<Ranked<'a>>,
    /// The same by the first stage alone.
    pub own_first_stage: Vec<Ranked<'a>>,
    /// What was answered to each question, those without an answer among them.
    pub answered: Vec<Answered<'a>>,
    /// What a specialist answered to each message that is about nothing that any of them knows of.
    pub outside: Vec<Answered<'a>>,
    /// What became of judging the answers, where a judge was asked.
    pub judging: Option<Judging>,
    /// Who was chosen for each message.
    pub routed: Vec<Routed<'a>>,
    /// What the cache did with each pair.
    pub looked_up: Vec<LookedUp<'a>>,
}

impl Measured<'_> {
    /// Each case that went wrong: of the questions those whose passages are not among the first five, and those whose answer is not
    /// what it should be.
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
        for case in self.answered.iter().chain(&self.outside).filter(|case| case.is_wrong()) {
            let what = match (&case.failure, case.is_answerable(), case.is_refused()) {
                (Some(failure), _, _) => format!("is not answered ({failure})"),
                (None, false, _) => "is answered".to_owned(),
                (None, true, true) => "is refused".to_owned(),
                (None, true, false) => format!("holds {:.1} of the answer", case.held),
            };
            let Answered {
                question,
                agent,
                confidence,
                unsupported,
                ..
            } = case;
            let (id, asked) = (&question.id, &question.question);
            line(
                &mut out,
                format_args!("{id} {what} by {agent} ({confidence:.2}): {asked}"),
            );
            for said in unsupported {
                line(&mut out, format_args!("{id} says what no source says: {said:?}"));
            }
            if let Some(judgement) = &case.judgement {
                let verdict = name(&judgement.verdict);
                line(
                    &mut out,
                    format_args!("{id} is {verdict} to the judge: {}", judgement.reason),
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

    /// The labelled intent of each message that has one, and the one that was found.
    fn intents(&self) -> Vec<(Intent, Intent)> {
        let labelled = |case: &Routed<'_>| Some((case.utterance.intent?, case.intent));
        self.routed.iter().filter_map(labelled).collect()
    }

    /// The answers that are not refused.
    fn given(&self) -> impl Iterator<Item = &Answered<'_>> {
        self.answered
            .iter()
            .chain(&self.outside)
            .filter(|case| !case.is_refused())
    }

    fn agents_ranking(&self) -> &[Ranked<'_>] {
        self.rankings
            .iter()
            .find(|(ranker, _)| *ranker == Ranker::Fused)
            .map(|(_, ranked)| ranked.as_slice())
            .unwrap_or_default()
    }
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
        Ranker::FirstStage => "first stage",
        Ranker::Transformer => "transformer",
    }
}

fn shown(Estimate { mean, low, high, .. }: Estimate) -> String {
    format!("{mean:.3} [{low:.3}, {high:.3}]")
}

fn signed(Estimate { mean, low, high, .. }: Estimate) -> String {
    format!("{mean:+.3} [{low:+.3}, {high:+.3}]")
}

fn line(out: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = writeln!(out, "{text}");
}
