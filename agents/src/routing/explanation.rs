//! Says in words what decided.

use std::fmt::Write as _;

use orchestratai_shared::AgentId;

use super::{
    Case,
    classifier::{Classifier, Verdict},
    concerns::PartConcern,
    weights,
};
use crate::conversation::{Leaning, Standalone};

/// A reason that adds less than this to the logarithm of odds is not told.
const TOLD: f32 = 0.15;
/// At most this many features and words are told.
const FEATURES_MAX: usize = 3;
const WORDS_MAX: usize = 5;

/// What a decision is explained from.
pub(super) struct Explanation<'a> {
    pub(super) agents: &'a [AgentId],
    pub(super) learnt: &'a Classifier,
    pub(super) verdict: &'a Verdict,
}

impl Explanation<'_> {
    /// Why `best` answers, and who came second.
    pub(super) fn reasoning(&self, best: usize, concerns: &[PartConcern], standalone: Option<&Standalone>) -> String {
        let mut reason = String::new();
        if let Some(standalone) = standalone {
            let _ = write!(
                reason,
                "It leans on what was said before ({}); read as “{}”. ",
                leaning_label(standalone.leaning),
                standalone.text
            );
        }
        self.add_resemblance(&mut reason, best);
        if best > 0 {
            self.add_knowledge(&mut reason, best);
        }
        let names: Vec<&str> = concerns
            .iter()
            .map(|concern| self.agents[concern.agent].as_str())
            .collect();
        if names.len() > 1 {
            let _ = write!(reason, " It has several concerns: {}.", names.join(", "));
        }
        for part in concerns.iter().flat_map(|concern| &concern.left_out) {
            let _ = write!(reason, " No specialist takes “{part}”, so it is left out.");
        }
        self.add_runner_up(&mut reason, best);
        reason
    }

    fn add_resemblance(&self, reason: &mut String, agent: usize) {
        let name = &self.agents[agent];
        match self.learnt.utterances.nearest(&self.verdict.likeness, agent) {
            Some(nearest) => {
                let what = nearest
                    .case
                    .map_or(String::new(), |case| format!(", {}", case_label(case)));
                let _ = write!(
                    reason,
                    "It resembles “{}” ({name}{what}; cosine {:.2}).",
                    nearest.text, nearest.likeness
                );
            }
            None => {
                let _ = write!(reason, "{name} has no examples to compare it with.");
            }
        }
        let keywords = &self.verdict.likeness.keywords[agent];
        if !keywords.is_empty() {
            let _ = write!(reason, " Words that speak for {name}: {}.", quoted(keywords));
        }
    }

    fn add_knowledge(&self, reason: &mut String, agent: usize) {
        if let Some((heading, cosine)) = self.learnt.evidence.nearest_heading(&self.verdict.finding, agent) {
            let _ = write!(reason, " It reads of “{heading}” (cosine {cosine:.2})");
            let words = self.learnt.evidence.telling_words(&self.verdict.said, agent, WORDS_MAX);
            if !words.is_empty() {
                let _ = write!(reason, ", and more than others of {}", quoted(&words));
            }
            reason.push('.');
        }
    }

    fn add_runner_up(&self, reason: &mut String, best: usize) {
        let probabilities = &self.verdict.probabilities;
        let others = (0..self.agents.len()).filter(|at| *at != best);
        let Some(second) = others.max_by(|a, b| probabilities[*a].total_cmp(&probabilities[*b])) else {
            return;
        };
        if best > 0 && second > 0 {
            let features = weights::reasons(&self.verdict.features, best - 1, second - 1);
            let told: Vec<&str> = features
                .iter()
                .filter(|(_, adds)| *adds >= TOLD)
                .take(FEATURES_MAX)
                .map(|(feature, _)| weights::LABELS[*feature])
                .collect();
            if !told.is_empty() {
                let _ = write!(reason, " Decided by {}.", told.join(", "));
            }
        }
        let _ = write!(
            reason,
            " Runner-up: {} ({:.2}).",
            self.agents[second], probabilities[second]
        );
    }
}

fn quoted(words: &[impl AsRef<str>]) -> String {
    let mut quoted = String::new();
    for word in words.iter().take(WORDS_MAX) {
        let between = if quoted.is_empty() { "" } else { ", " };
        let _ = write!(quoted, "{between}“{}”", word.as_ref());
    }
    quoted
}

fn leaning_label(leaning: Leaning) -> &'static str {
    match leaning {
        Leaning::Continues => "it goes on",
        Leaning::Pronoun => "a pronoun stands for something",
        Leaning::Compares => "it compares with something",
        Leaning::Fragment => "it is a fragment",
        Leaning::Thin => "it hardly says about what",
    }
}

fn case_label(case: Case) -> &'static str {
    match case {
        Case::Greeting => "a greeting",
        Case::Thanks => "thanks",
        Case::Farewell => "a goodbye",
        Case::About => "about the assistant",
        Case::Person => "a wish for a person",
        Case::Vague => "vague",
        Case::OutOfScope => "out of scope",
        Case::Injection => "an attempt to change the rules",
    }
}
