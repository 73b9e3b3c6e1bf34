//! What the weights are fitted on: the features of single messages.

use std::sync::Arc;

use orchestratai_shared::Message;

use super::{
    Router, injection,
    message::after_greeting,
    weights::{GATE_FEATURES, SpecialistFeature},
};
use crate::conversation::standalone;

/// The features of one message, as `evaluation/examples/fit_routing.rs` wants them.
#[derive(Debug, Clone, PartialEq)]
pub struct Features {
    /// By specialist, in the order of the catalog without the orchestrator.
    pub specialists: Vec<[f32; SpecialistFeature::COUNT]>,
    /// Whether it is for a specialist at all.
    pub gate: [f32; GATE_FEATURES],
}

/// What the detector of attempts to change the assistant's rules sees of a message.
#[derive(Debug, Clone, PartialEq)]
pub struct InjectionFeatures {
    /// What its words are signs of, and its shape, with names.
    pub named: Vec<(String, f32)>,
    /// Its embedding; all 0 where the embedder does not know its words.
    pub meaning: Vec<f32>,
    /// Whether a phrase or a pattern finds it before the detector is asked.
    pub is_listed: bool,
}

impl Router {
    /// What is seen of a message where attempts to change the assistant's rules are looked for.
    #[must_use]
    pub fn injection_features(&self, message: &str) -> InjectionFeatures {
        let (named, meaning) = injection::features(message, self.embedder());
        InjectionFeatures {
            named,
            meaning,
            is_listed: injection::is_listed(message),
        }
    }

    /// The features of a message after `history`.
    #[must_use]
    pub fn features(&self, message: &str, history: &[Arc<Message>]) -> Features {
        let rest = after_greeting(message);
        let leaning = standalone(rest, history);
        self.features_of(leaning.as_ref().map_or(rest, |it| it.text.as_str()), None)
    }

    /// The features of all examples with the index of their agent, each compared with all others but itself.
    #[must_use]
    pub fn example_features(&self) -> Vec<(usize, Features)> {
        let labelled = self.utterances().labelled().enumerate();
        labelled
            .map(|(at, (text, agent))| (agent, self.features_of(text, Some(at))))
            .collect()
    }

    fn features_of(&self, text: &str, left_out: Option<usize>) -> Features {
        let verdict = self.verdict(text, left_out);
        Features {
            specialists: verdict.features,
            gate: verdict.gate,
        }
    }
}
