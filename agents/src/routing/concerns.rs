//! The concerns of a message that says several things.

use orchestratai_shared::Intent;

use super::{
    Case, Router,
    classifier::{Classifier, Verdict},
    message,
    router::{case, most_probable_specialist},
};
use crate::conversation::standalone_part;

/// From this probability on, a part of a message is the concern of a specialist.
const CONCERN: f32 = 0.6;
/// What is only told beside a question is mostly there to make it understood.
const CONCERN_ONLY_TOLD: f32 = 0.98;
/// A part that is more probably for the orchestrator than this, such as a courtesy, is no specialist's concern.
const PART_OWN_MAX: f32 = 0.6;
/// The whole message must not speak against it more than this.
const CONCERN_OF_WHOLE: f32 = 0.01;

/// A part of a message that one specialist is for.
#[derive(Debug)]
pub(super) struct PartConcern {
    /// Who, by index among the agents.
    pub(super) agent: usize,
    pub(super) probability: f32,
    /// The part; where it is told in several places, those one after the other.
    pub(super) text: String,
    pub(super) intent: Intent,
    /// Parts beside it that ask something which no specialist takes.
    pub(super) left_out: Vec<String>,
}

impl Router {
    /// The concerns of `message`, in its order; all parts for the same specialist are one. None where it has not at least two.
    pub(super) fn concerns(
        &self,
        learnt: &Classifier,
        message: &str,
        parts: &[&str],
        whole: &Verdict,
    ) -> Vec<PartConcern> {
        // Only agents for whom the whole message may be can have a concern of it.
        let possible = whole.probabilities[1..]
            .iter()
            .filter(|whole| **whole >= CONCERN_OF_WHOLE);
        if possible.count() < 2 {
            return Vec::new();
        }
        let any_asks = parts.iter().any(|part| message::asks(part));
        let mut concerns: Vec<PartConcern> = Vec::new();
        // Those before the first concern, until there is one that they can stand beside.
        let mut left_out: Vec<String> = Vec::new();
        for part in parts {
            let only_told = any_asks && !message::asks(part);
            let needed = if only_told { CONCERN_ONLY_TOLD } else { CONCERN };
            let verdict = self.judge(learnt, part, None);
            // That a part says little by itself is no fault: the whole message is for specialists.
            let best = most_probable_specialist(&verdict.probabilities);
            let own = verdict.probabilities[0];
            let probability = verdict.probabilities[best] / (1.0 - own).max(f32::MIN_POSITIVE);
            if own > PART_OWN_MAX || probability < needed || whole.probabilities[best] < CONCERN_OF_WHOLE {
                if !only_told && asks_by_itself(learnt, &verdict, part, message) {
                    concerns
                        .last_mut()
                        .map_or(&mut left_out, |concern| &mut concern.left_out)
                        .push((*part).to_owned());
                }
                continue;
            }
            let probability = probability * (1.0 - whole.probabilities[0]);
            match concerns.iter_mut().find(|concern| concern.agent == best) {
                Some(concern) => {
                    concern.probability = concern.probability.max(probability);
                    concern.text.push_str(", ");
                    concern.text.push_str(part);
                    concern.intent = Intent::ComplexQuestion;
                }
                None => concerns.push(PartConcern {
                    agent: best,
                    probability,
                    text: (*part).to_owned(),
                    intent: self.intent(learnt, &verdict, part, best),
                    left_out: std::mem::take(&mut left_out),
                }),
            }
        }
        if concerns.len() > 1 { concerns } else { Vec::new() }
    }
}

/// Whether a part that no specialist takes asks something of its own: it is no courtesy, and does not only go with another part, as
/// "what can I do?" does.
fn asks_by_itself(learnt: &Classifier, verdict: &Verdict, part: &str, message: &str) -> bool {
    if standalone_part(part, message).is_some() {
        return false;
    }
    match case(learnt, verdict, part) {
        Case::Greeting | Case::Thanks | Case::Farewell | Case::Vague => false,
        Case::About | Case::Person | Case::OutOfScope | Case::Injection => true,
    }
}
