//! Decides who answers.

use std::{fmt::Write as _, sync::Arc};

use orchestratai_shared::{AgentId, Confidence, Intent};

use super::{
    Candidate, Case, RoutingDecision,
    classifier::{Classifier, Verdict},
    injection, message,
};
use crate::{definition::Catalog, embedder::Embedder};

/// Below this probability nobody is chosen: the orchestrator asks back.
const PROBABLE: f32 = 0.5;
/// From this probability on, a part of a message is the concern of a specialist.
const CONCERN: f32 = 0.6;
/// A message whose nearest example is further away than this, and that uses no keyword, resembles nothing we know.
const RESEMBLES: f32 = 0.35;

/// Decides who answers, by example utterances. Made once and shared; a decision takes no lock and
/// no I/O: one embedding, and one dot product for each example.
#[derive(Debug)]
pub struct Router {
    agents: Vec<AgentId>,
    embedder: Arc<Embedder>,
    classifier: Classifier,
}

/// A decision and, where the orchestrator is to answer, how.
struct Examined {
    decision: RoutingDecision,
    case: Option<Case>,
}

impl Router {
    /// Learns from the examples of the catalog; compares each of them with each.
    #[must_use]
    pub fn new(catalog: &Catalog, embedder: Arc<Embedder>) -> Self {
        let agents = catalog.agents().iter().map(|agent| agent.id.clone()).collect();
        let classifier = Classifier::new(catalog, &embedder);
        Self {
            agents,
            embedder,
            classifier,
        }
    }

    /// Decides who answers `message`. Any text is a message; nothing is kept.
    #[must_use]
    pub fn route(&self, message: &str) -> RoutingDecision {
        self.examine(message).decision
    }

    /// What kind of direct answer `message` needs; none where a specialist is to answer it.
    #[must_use]
    pub fn case(&self, message: &str) -> Option<Case> {
        self.examine(message).case
    }

    fn examine(&self, message: &str) -> Examined {
        if let Some(pattern) = injection::find(message) {
            let reason = format!("It tries to change or to read the assistant's rules (“{pattern}”).");
            return self.own(Case::Injection, 0.97, reason, Intent::MetaQuestion);
        }
        let rest = message::after_greeting(message);
        if rest.is_empty() {
            return self.small_talk(message);
        }
        let verdict = self.judge(rest);
        let best = most_probable(&verdict.probabilities);
        let uses_keyword = verdict.keywords.iter().any(|words| !words.is_empty());
        if !uses_keyword && self.classifier.nearest_of_all(&verdict) < RESEMBLES {
            let reason = "It resembles no example of any agent and uses none of their words.".to_owned();
            let case = if message::words(rest).len() < 4 {
                Case::Vague
            } else {
                Case::OutOfScope
            };
            return self.own(case, 0.8, reason, Intent::SimpleChat);
        }
        if best == 0 {
            return self.by_orchestrator(&verdict, rest);
        }
        let parts = message::concerns(rest);
        let concerns = if parts.len() > 1 {
            self.concerns(&parts, &verdict)
        } else {
            Vec::new()
        };
        if concerns.len() < 2 && verdict.probabilities[best] < PROBABLE {
            return self.unsure(&verdict, best);
        }
        self.by_specialist(&verdict, rest, &concerns)
    }

    fn judge(&self, text: &str) -> Verdict {
        self.classifier.judge(text, &self.embedder.embed(text))
    }

    /// The specialists that parts of the message are for, with the probability of the part, strongest first.
    fn concerns(&self, parts: &[&str], whole: &Verdict) -> Vec<(usize, f32)> {
        let mut concerns: Vec<(usize, f32)> = Vec::new();
        for part in parts {
            let verdict = self.judge(part);
            let best = most_probable(&verdict.probabilities);
            let probability = verdict.probabilities[best];
            if best == 0 || probability < CONCERN {
                continue;
            }
            match concerns.iter_mut().find(|(agent, _)| *agent == best) {
                Some((_, known)) => *known = known.max(probability),
                None => concerns.push((best, probability)),
            }
        }
        // The main concern is the one that the message as a whole speaks for most.
        concerns.sort_by(|a, b| {
            let strength = |(agent, part): &(usize, f32)| part + whole.probabilities[*agent];
            strength(b).total_cmp(&strength(a))
        });
        concerns
    }

    fn by_specialist(&self, verdict: &Verdict, text: &str, concerns: &[(usize, f32)]) -> Examined {
        let several = concerns.len() > 1;
        let mut ranked = verdict.probabilities.clone();
        if several {
            // Each concern is as sure as its own part; the main one leads.
            let mut bound = 1.0_f32;
            for (agent, probability) in concerns {
                bound = bound.min(ranked[*agent].max(*probability));
                ranked[*agent] = bound;
            }
        }
        let best = if several { concerns[0].0 } else { most_probable(&ranked) };
        let mut reason = self.resemblance(verdict, best);
        if several {
            let names: Vec<&str> = concerns.iter().map(|(agent, _)| self.agents[*agent].as_str()).collect();
            let _ = write!(reason, " It has several concerns: {}.", names.join(", "));
        }
        self.add_runner_up(&mut reason, verdict, best);
        let intent = if several || message::is_complex(text) {
            Intent::ComplexQuestion
        } else {
            match self.classifier.intent(verdict, best) {
                // A question is not complex only because it resembles one that is.
                Some(Intent::ComplexQuestion) | None => self.usual_intent(best),
                Some(intent) => intent,
            }
        };
        let mut order: Vec<usize> = (0..self.agents.len()).collect();
        order.sort_by(|a, b| ranked[*b].total_cmp(&ranked[*a]).then((*b == best).cmp(&(*a == best))));
        let candidates = order.iter().map(|at| self.candidate(*at, ranked[*at])).collect();
        Examined {
            decision: RoutingDecision {
                agent: self.agents[best].clone(),
                intent,
                confidence: confidence(ranked[best]),
                reasoning: reason,
                candidates,
            },
            case: None,
        }
    }

    /// The orchestrator is the most probable.
    fn by_orchestrator(&self, verdict: &Verdict, text: &str) -> Examined {
        let case = self.classifier.case(verdict, 0).unwrap_or(Case::Vague);
        // A long message is not vague only because a vague example comes nearest.
        let case = if case == Case::Vague && message::words(text).len() > 9 {
            Case::OutOfScope
        } else {
            case
        };
        let intent = self.classifier.intent(verdict, 0).unwrap_or(Intent::SimpleChat);
        let mut reason = self.resemblance(verdict, 0);
        self.add_runner_up(&mut reason, verdict, 0);
        let candidates = self.candidates(verdict);
        let decision = RoutingDecision {
            agent: self.agents[0].clone(),
            intent,
            confidence: confidence(verdict.probabilities[0]),
            reasoning: reason,
            candidates,
        };
        Examined {
            decision,
            case: Some(case),
        }
    }

    /// No specialist is probable enough.
    fn unsure(&self, verdict: &Verdict, best: usize) -> Examined {
        let reason = format!(
            "No specialist is probable enough; the most probable is {} with {:.2}. {}",
            self.agents[best],
            verdict.probabilities[best],
            self.resemblance(verdict, best)
        );
        let candidates = self.candidates(verdict);
        let decision = RoutingDecision {
            agent: self.agents[0].clone(),
            intent: Intent::SimpleChat,
            // How sure it is that asking back is right: as sure as it is that the most probable one is wrong.
            confidence: confidence(1.0 - verdict.probabilities[best]),
            reasoning: reason,
            candidates,
        };
        Examined {
            decision,
            case: Some(Case::Vague),
        }
    }

    /// The message is nothing but a greeting, thanks or a goodbye.
    fn small_talk(&self, message: &str) -> Examined {
        let words = message::words(message);
        let thanks = words.iter().any(|word| word.starts_with("thank"));
        let case = if thanks { Case::Thanks } else { Case::Greeting };
        let what = if thanks { "thanks" } else { "a greeting" };
        self.own(
            case,
            0.98,
            format!("It is {what} and nothing more."),
            Intent::SimpleChat,
        )
    }

    fn own(&self, case: Case, probability: f32, reasoning: String, intent: Intent) -> Examined {
        let agent = self.agents[0].clone();
        let candidates = vec![self.candidate(0, probability)];
        let confidence = confidence(probability);
        Examined {
            decision: RoutingDecision {
                agent,
                intent,
                confidence,
                reasoning,
                candidates,
            },
            case: Some(case),
        }
    }

    fn candidates(&self, verdict: &Verdict) -> Vec<Candidate> {
        let mut order: Vec<usize> = (0..self.agents.len()).collect();
        order.sort_by(|a, b| verdict.probabilities[*b].total_cmp(&verdict.probabilities[*a]));
        order
            .into_iter()
            .map(|at| self.candidate(at, verdict.probabilities[at]))
            .collect()
    }

    fn candidate(&self, at: usize, probability: f32) -> Candidate {
        Candidate {
            agent: self.agents[at].clone(),
            confidence: confidence(probability),
        }
    }

    /// What speaks for the agent, in words.
    fn resemblance(&self, verdict: &Verdict, agent: usize) -> String {
        let mut reason = match self.classifier.nearest(verdict, agent) {
            Some(nearest) => {
                let what = nearest
                    .case
                    .map_or(String::new(), |case| format!(", {}", case_label(case)));
                format!(
                    "It resembles “{}” ({}{what}; cosine {:.2}).",
                    nearest.text, self.agents[agent], nearest.cosine
                )
            }
            None => format!("{} has no examples to compare it with.", self.agents[agent]),
        };
        if !verdict.keywords[agent].is_empty() {
            let words: Vec<String> = verdict.keywords[agent]
                .iter()
                .take(5)
                .map(|word| format!("“{word}”"))
                .collect();
            let _ = write!(
                reason,
                " Words that speak for {}: {}.",
                self.agents[agent],
                words.join(", ")
            );
        }
        reason
    }

    fn add_runner_up(&self, reason: &mut String, verdict: &Verdict, best: usize) {
        let second = (0..self.agents.len())
            .filter(|at| *at != best)
            .max_by(|a, b| verdict.probabilities[*a].total_cmp(&verdict.probabilities[*b]));
        if let Some(second) = second {
            let _ = write!(
                reason,
                " Runner-up: {} ({:.2}).",
                self.agents[second], verdict.probabilities[second]
            );
        }
    }

    /// What most examples of the agent want.
    fn usual_intent(&self, agent: usize) -> Intent {
        self.classifier.usual_intent(agent)
    }
}

fn most_probable(probabilities: &[f32]) -> usize {
    (0..probabilities.len())
        .max_by(|a, b| probabilities[*a].total_cmp(&probabilities[*b]))
        .unwrap_or(0)
}

fn confidence(probability: f32) -> Confidence {
    Confidence::new(f64::from(probability))
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
