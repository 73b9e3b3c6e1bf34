//! The weights of the classifier, and what they do.
//!
//! They are what `evaluation/fit_routing.py` printed for the part of the evaluation set to develop on, in two houses: the one of the
//! demo, and a new one with three examples for each specialist and no keywords. A ridge keeps them small, ten-fold cross-validation
//! over the labelled messages judges them, and nothing about a company is in them: that is in the features.

/// What is known of one specialist for one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SpecialistFeature {
    /// Nearness of the passages it reads.
    Passage,
    /// Nearness of their headings.
    Heading,
    /// BM25 of its best passages, as a share of what the message can reach.
    Bm25,
    /// How much more frequent the message's words are in what it reads than in what others read.
    Words,
    /// The same of its examples.
    ExampleWords,
    /// Keywords used: 0 for none, towards 1 for many.
    Keywords,
    /// Nearness of its examples by meaning.
    Meaning,
    /// Nearness of its examples by runs of letters.
    Letters,
}

impl SpecialistFeature {
    pub(super) const COUNT: usize = 8;
}

/// What people are told of each, in the order of [`SpecialistFeature`].
pub(super) const LABELS: [&str; SpecialistFeature::COUNT] = [
    "passages near by",
    "headings near by",
    "words in one passage",
    "words of its collections",
    "words of its examples",
    "keywords",
    "examples like it",
    "examples spelt like it",
];

/// By [`SpecialistFeature`].
pub(super) type SpecialistFeatures = [f32; SpecialistFeature::COUNT];

/// How many numbers decide whether a message is for a specialist at all.
pub(super) const GATE_FEATURES: usize = 18;
/// In the order of [`GATE`].
pub(super) type GateFeatures = [f32; GATE_FEATURES];

/// What is taken for these where there is no knowledge base, or where it does not have the message's language: half way between what
/// messages for specialists have and what others have. Then examples alone decide.
pub(super) const TYPICAL_PASSAGE: f32 = 0.35;
pub(super) const TYPICAL_HEADING: f32 = 0.34;
pub(super) const TYPICAL_BM25: f32 = 0.19;
pub(super) const TYPICAL_COVERAGE: f32 = 0.57;
pub(super) const TYPICAL_KNOWN_WORDS: f32 = 1.7;
/// What is taken for these of specialists without examples or keywords.
pub(super) const TYPICAL_MEANING: f32 = 0.45;
pub(super) const TYPICAL_LETTERS: f32 = 0.2;
pub(super) const TYPICAL_KEYWORDS: f32 = 0.3;

const SPECIALIST: SpecialistFeatures = [12.162, 0.474, 12.490, 0.516, 0.126, 1.257, 3.314, 2.937];
const GATE: GateFeatures = [
    6.084, -2.312, 2.720, -4.400, -4.161, -2.991, -1.251, -3.317, -0.037, 4.502, 0.164, 0.796, -0.639, -0.477, -1.414,
    -2.500, 2.691, -7.036,
];
const GATE_BIAS: f32 = 4.271;

/// How far a probability is to be believed (Platt, 1999): factor and summand of its log odds. Fitted on what cross-validation says of
/// messages that the weights were not fitted to.
const BELIEF: (f32, f32) = (0.599, 0.995);

/// How much more probable the specialist who answered last is for a message that leans on the conversation (logarithm of odds),
/// and how much less the orchestrator.
const SAME_AGENT: f32 = 1.0;
const STAYS: f32 = 2.0;

/// Probabilities of all agents, the orchestrator's first; they add up to 1. `last` is the specialist who answered last, counted
/// without the orchestrator, where the message leans on that.
pub(super) fn probabilities(specialists: &[SpecialistFeatures], gate: &GateFeatures, last: Option<usize>) -> Vec<f32> {
    let sum = |features: &[f32], weights: &[f32]| -> f32 { features.iter().zip(weights).map(|(f, w)| f * w).sum() };
    let mut own = GATE_BIAS + sum(gate, &GATE);
    let mut scores: Vec<f32> = specialists.iter().map(|features| sum(features, &SPECIALIST)).collect();
    if let Some(score) = last.and_then(|last| scores.get_mut(last)) {
        *score += SAME_AGENT;
        own -= STAYS;
    }
    let orchestrator = if specialists.is_empty() {
        1.0
    } else {
        1.0 / (1.0 + (-own).exp())
    };
    let highest = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    scores.iter_mut().for_each(|score| *score = (*score - highest).exp());
    let all: f32 = scores.iter().sum();
    let mut probabilities = vec![orchestrator];
    probabilities.extend(scores.iter().map(|score| (1.0 - orchestrator) * score / all));
    probabilities
}

/// How probable it is that a choice is right that has this probability, which is from 0 to 1, as the result is. It grows with it: who is
/// chosen does not change.
pub(super) fn believed(probability: f32) -> f32 {
    // So that the log odds are finite.
    let probability = probability.clamp(1e-6, 1.0 - 1e-6);
    let (factor, summand) = BELIEF;
    let log_odds = (probability / (1.0 - probability)).ln();
    1.0 / (1.0 + (-(factor * log_odds + summand)).exp())
}

/// How much more `agent` than `other` the features speak for, each by itself, strongest first; both counted without the
/// orchestrator.
pub(super) fn reasons(specialists: &[SpecialistFeatures], agent: usize, other: usize) -> Vec<(usize, f32)> {
    let difference = |at: usize| SPECIALIST[at] * (specialists[agent][at] - specialists[other][at]);
    let mut reasons: Vec<(usize, f32)> = (0..SpecialistFeature::COUNT).map(|at| (at, difference(at))).collect();
    reasons.sort_by(|a, b| b.1.total_cmp(&a.1));
    reasons
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probability_is_believed_in_its_order_and_is_one_still() {
        let believed: Vec<f32> = (0_u8..=100)
            .map(|percent| believed(f32::from(percent) / 100.0))
            .collect();
        assert!(believed.is_sorted_by(|a, b| a < b), "{believed:?}");
        assert!(believed.iter().all(|share| *share > 0.0 && *share < 1.0));
    }
}
