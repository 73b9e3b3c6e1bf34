//! Decides who answers.

use std::sync::Arc;

use arc_swap::ArcSwap;
use orchestratai_shared::{AgentId, Confidence, Intent, Message, MessageRole};

use super::{
    Candidate, Case, Concern, Doubt, RoutingDecision,
    classifier::{Classifier, Prior, Verdict},
    concerns::PartConcern,
    evidence::KnowledgeEvidence,
    explanation::Explanation,
    injection, message,
    utterances::Utterances,
    weights,
};
use crate::{
    conversation::{Leaning, Standalone, standalone},
    definition::Catalog,
    embedder::StaticEmbedder,
};

/// A question with hardly a subject is taken for itself where it is as clear as this.
const CLEAR_BY_ITSELF: f32 = 0.75;
/// So sure it must be that a message is small talk before what was said earlier is not asked.
const CLEARLY_OWN: f32 = 0.6;

/// A decision that is to be believed less is one of which the router is unsure, and which a model decides where there is one. Of the
/// messages to develop on that lean on nothing, 30 of 167 are; 23 of these are right, and 134 of the others.
const UNSURE: f64 = 0.85;

/// Decides who answers, by example utterances and by what the agents' collections are about. Made once and shared; a decision takes
/// no lock and no I/O: one embedding, and one dot product for each example and each passage of the evidence, which is bounded.
#[derive(Debug)]
pub struct Router {
    catalog: Catalog,
    agents: Vec<AgentId>,
    embedder: Arc<StaticEmbedder>,
    utterances: Arc<Utterances>,
    learnt: ArcSwap<Classifier>,
}

/// A decision and, where the orchestrator is to answer, how.
struct Examined {
    decision: RoutingDecision,
    case: Option<Case>,
    /// What a model might be asked, where the router is unsure.
    doubt: Option<Doubt>,
}

impl Router {
    /// Learns from the examples of the catalog; until [`Self::learn`] is called, from nothing else.
    #[must_use]
    pub fn new(catalog: &Catalog, embedder: Arc<StaticEmbedder>) -> Self {
        Self::with_examples(catalog, embedder, usize::MAX)
    }

    /// As [`Self::new`], with at most so many examples of each specialist, and then without keywords: how a new house is routed,
    /// for fitting.
    #[must_use]
    pub fn with_examples(catalog: &Catalog, embedder: Arc<StaticEmbedder>, examples_max: usize) -> Self {
        let utterances = Arc::new(Utterances::new(catalog, &embedder, examples_max));
        let nothing = KnowledgeEvidence::default();
        let classifier = Classifier::new(Arc::clone(&utterances), &nothing, catalog, &embedder);
        Self {
            catalog: catalog.clone(),
            agents: catalog.agents().iter().map(|agent| agent.id.clone()).collect(),
            embedder,
            utterances,
            learnt: ArcSwap::from_pointee(classifier),
        }
    }

    /// Learns what the collections of the agents are about, instead of what was learnt of them before. Decisions go on with the
    /// old until this is done. Computes for some milliseconds: one embedding for each passage.
    pub fn learn(&self, evidence: &KnowledgeEvidence) {
        let utterances = Arc::clone(&self.utterances);
        let classifier = Classifier::new(utterances, evidence, &self.catalog, &self.embedder);
        self.learnt.store(Arc::new(classifier));
    }

    /// The knowledge revision that was learnt from; 0 where there was none.
    #[must_use]
    pub fn knowledge_revision(&self) -> u64 {
        self.learnt.load().evidence.revision()
    }

    /// Decides who answers `message` as the first of a conversation. Any text is a message; nothing is kept.
    #[must_use]
    pub fn route(&self, message: &str) -> RoutingDecision {
        self.examine(message, &[]).decision
    }

    /// Decides who answers `message` after `history`, oldest first: where it leans on what was said before, that counts too.
    #[must_use]
    pub fn route_after(&self, message: &str, history: &[Arc<Message>]) -> RoutingDecision {
        self.examine(message, history).decision
    }

    /// As [`Self::route_after`], with what a model might be asked where this is unsure: where it believes in its decision too little.
    /// Never so where a rule has decided, as it does of attempts to change the rules, nor where a message has several concerns.
    #[must_use]
    pub fn consider(&self, message: &str, history: &[Arc<Message>]) -> (RoutingDecision, Option<Doubt>) {
        let examined = self.examine(message, history);
        (examined.decision, examined.doubt)
    }

    /// As [`Self::consider`], for a message that needs what not every agent can do. Where this is unsure, the most probable of those
    /// that can is chosen, and no model is asked about the others. Where it is sure, the decision stands, whoever it is for.
    #[must_use]
    pub fn consider_among(
        &self,
        message: &str,
        history: &[Arc<Message>],
        can: impl Fn(&AgentId) -> bool,
    ) -> (RoutingDecision, Option<Doubt>) {
        let (decision, doubt) = self.consider(message, history);
        match doubt {
            None => (decision, None),
            Some(doubt) => {
                let decision = chosen_among(decision, |agent| doubt.intent_for(agent), &can);
                (decision, doubt.among(can))
            }
        }
    }

    /// Decides about a message that is meant for `agent`, as `reason` says to people: it gets all of it, but for attempts to change the
    /// rules. What is meant for the orchestrator, or for nobody there is, is routed as any other.
    #[must_use]
    pub fn route_to(&self, agent: &AgentId, reason: &str, message: &str, history: &[Arc<Message>]) -> RoutingDecision {
        let routed = self.examine(message, history);
        let is_specialist = self.agents.iter().skip(1).any(|known| known == agent);
        if !is_specialist || routed.case == Some(Case::Injection) {
            return routed.decision;
        }
        let intent = match routed.decision.intent {
            Intent::MetaQuestion | Intent::SimpleChat => Intent::DomainQuestion,
            asked @ (Intent::PricingQuestion
            | Intent::PolicyQuestion
            | Intent::DomainQuestion
            | Intent::ComplexQuestion) => asked,
        };
        let certain = Confidence::new(1.0);
        RoutingDecision {
            agent: agent.clone(),
            intent,
            confidence: certain,
            reasoning: reason.to_owned(),
            candidates: vec![Candidate {
                agent: agent.clone(),
                confidence: certain,
            }],
            concerns: Vec::new(),
        }
    }

    /// What kind of direct answer `message` needs after `history`; none where a specialist is to answer it.
    #[must_use]
    pub fn case(&self, message: &str, history: &[Arc<Message>]) -> Option<Case> {
        self.examine(message, history).case
    }

    pub(super) fn embedder(&self) -> &StaticEmbedder {
        &self.embedder
    }

    pub(super) fn utterances(&self) -> &Utterances {
        &self.utterances
    }

    pub(super) fn verdict(&self, text: &str, left_out: Option<usize>) -> Verdict {
        self.learnt.load().judge(text, &self.embedder, None, left_out)
    }

    fn examine(&self, message: &str, history: &[Arc<Message>]) -> Examined {
        if let Some(pattern) = injection::find(message, &self.embedder) {
            let reason = format!("It tries to change or to read the assistant's rules (“{pattern}”).");
            return self.own(Case::Injection, 0.97, reason, Intent::MetaQuestion);
        }
        let rest = message::after_greeting(message);
        if rest.is_empty() {
            return self.small_talk(message);
        }
        let learnt = self.learnt.load();
        let alone = self.judge(&learnt, rest, None);
        if let Some((standalone, prior)) = self.leans(&learnt, rest, history, &alone) {
            let verdict = self.judge(&learnt, &standalone.text, prior);
            return self.decide(&learnt, &verdict, rest, &[], Some(&standalone));
        }
        let parts = message::concerns(rest);
        let concerns = if parts.len() > 1 && self.agents.len() > 2 && most_probable(&alone.probabilities) != 0 {
            self.concerns(&learnt, rest, &parts, &alone)
        } else {
            Vec::new()
        };
        self.decide(&learnt, &alone, rest, &concerns, None)
    }

    pub(super) fn judge(&self, learnt: &Classifier, text: &str, prior: Option<Prior>) -> Verdict {
        learnt.judge(text, &self.embedder, prior, None)
    }

    /// The message as it stands on its own, and who answered last, where it leans on what was said before.
    fn leans(
        &self,
        learnt: &Classifier,
        message: &str,
        history: &[Arc<Message>],
        alone: &Verdict,
    ) -> Option<(Standalone, Option<Prior>)> {
        if history.is_empty() {
            return None;
        }
        let best = most_probable(&alone.probabilities);
        if best == 0 && alone.probabilities[0] >= CLEARLY_OWN {
            match learnt.utterances.case(&alone.likeness, 0) {
                Some(Case::Greeting | Case::Thanks | Case::Farewell | Case::Person | Case::Injection) => return None,
                // "Can you repeat that?", but not "Who can see it?".
                Some(Case::About) if message::addresses_the_assistant(message) => return None,
                Some(Case::About | Case::Vague | Case::OutOfScope) | None => {}
            }
        }
        let standalone = standalone(message, history)?;
        let clear = best != 0 && alone.probabilities[best] >= CLEAR_BY_ITSELF;
        if standalone.leaning == Leaning::Thin && clear {
            return None;
        }
        let answered = history
            .iter()
            .rev()
            .find(|message| message.role == MessageRole::Assistant);
        let agent = answered.and_then(|message| message.agent.as_ref());
        let prior = agent
            .and_then(|agent| self.agents.iter().position(|known| known == agent))
            .filter(|agent| *agent > 0)
            .map(|agent| Prior { agent });
        Some((standalone, prior))
    }

    fn decide(
        &self,
        learnt: &Classifier,
        verdict: &Verdict,
        message: &str,
        concerns: &[PartConcern],
        standalone: Option<&Standalone>,
    ) -> Examined {
        let mut ranked = verdict.probabilities.clone();
        let mut bound = 1.0_f32;
        for concern in concerns {
            // Each concern is as sure as its own part; the first one leads.
            bound = bound.min(ranked[concern.agent].max(concern.probability));
            ranked[concern.agent] = bound;
        }
        let best = concerns
            .first()
            .map_or_else(|| most_probable(&ranked), |concern| concern.agent);
        for (agent, probability) in ranked.iter_mut().enumerate() {
            if !concerns.is_empty() && concerns.iter().all(|concern| concern.agent != agent) {
                *probability = probability.min(bound);
            }
        }
        believe(&mut ranked, best, concerns);
        let case = (best == 0).then(|| case(learnt, verdict, message));
        let intent = if !concerns.is_empty() {
            Intent::ComplexQuestion
        } else {
            self.intent(learnt, verdict, message, best)
        };
        let mut order: Vec<usize> = (0..self.agents.len()).collect();
        let place = |agent: usize| {
            concerns
                .iter()
                .position(|concern| concern.agent == agent)
                .unwrap_or(usize::MAX)
        };
        order.sort_by(|a, b| {
            let concern_first = place(*a).cmp(&place(*b));
            concern_first.then(ranked[*b].total_cmp(&ranked[*a]))
        });
        let explanation = Explanation {
            agents: &self.agents,
            learnt,
            verdict,
        };
        let decision = RoutingDecision {
            agent: self.agents[best].clone(),
            intent,
            confidence: confidence(ranked[best]),
            reasoning: explanation.reasoning(best, concerns, standalone),
            candidates: order.iter().map(|at| self.candidate(*at, ranked[*at])).collect(),
            concerns: concerns
                .iter()
                .map(|concern| Concern {
                    agent: self.agents[concern.agent].clone(),
                    text: concern.text.clone(),
                    intent: concern.intent,
                    confidence: confidence(weights::believed(concern.probability)),
                    left_out: concern.left_out.clone(),
                })
                .collect(),
        };
        let is_unsure = decision.concerns.is_empty()
            && self.agents.len() > 1
            && case != Some(Case::Injection)
            && decision.confidence.get() < UNSURE;
        let text = standalone.map_or(message, |standalone| standalone.text.as_str());
        Examined {
            doubt: is_unsure.then(|| self.doubt(learnt, text)),
            decision,
            case,
        }
    }

    fn doubt(&self, learnt: &Classifier, text: &str) -> Doubt {
        let intent = |(place, agent): (usize, &AgentId)| {
            let intent = match place {
                0 => Intent::SimpleChat,
                specialist => learnt.utterances.usual_intent(specialist),
            };
            (agent.clone(), intent)
        };
        Doubt {
            text: text.to_owned(),
            intents: self.agents.iter().enumerate().map(intent).collect(),
        }
    }

    pub(super) fn intent(&self, learnt: &Classifier, verdict: &Verdict, message: &str, best: usize) -> Intent {
        let nearest = learnt.utterances.intent(&verdict.likeness, best);
        if best == 0 {
            return nearest.unwrap_or(Intent::SimpleChat);
        }
        if message::is_complex(message) {
            return Intent::ComplexQuestion;
        }
        match nearest {
            // A question is not complex only because it resembles one that is.
            Some(Intent::ComplexQuestion) | None => learnt.utterances.usual_intent(best),
            Some(intent) => intent,
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
        Examined {
            decision: RoutingDecision {
                agent: self.agents[0].clone(),
                intent,
                confidence: confidence(probability),
                reasoning,
                candidates: vec![self.candidate(0, probability)],
                concerns: Vec::new(),
            },
            case: Some(case),
            doubt: None,
        }
    }

    fn candidate(&self, at: usize, probability: f32) -> Candidate {
        Candidate {
            agent: self.agents[at].clone(),
            confidence: confidence(probability),
        }
    }
}

/// Says of each agent how far its probability is to be believed. What the one that was chosen loses the others win.
fn believe(ranked: &mut [f32], best: usize, concerns: &[PartConcern]) {
    let (probable, believed) = (ranked[best], weights::believed(ranked[best]));
    let of_others = (1.0 - believed) / (1.0 - probable).max(f32::EPSILON);
    let has_concern = |agent: usize| agent == best || concerns.iter().any(|concern| concern.agent == agent);
    let mut bound = believed;
    for agent in (0..ranked.len()).filter(|agent| has_concern(*agent)) {
        ranked[agent] = weights::believed(ranked[agent]);
        bound = bound.min(ranked[agent]);
    }
    for agent in (0..ranked.len()).filter(|agent| !has_concern(*agent)) {
        ranked[agent] = (ranked[agent] * of_others).min(bound);
    }
}

/// The decision for the most probable of those that can do what a message needs; as it is where none of them can.
fn chosen_among(
    decision: RoutingDecision,
    intent_for: impl Fn(&AgentId) -> Intent,
    can: impl Fn(&AgentId) -> bool,
) -> RoutingDecision {
    if can(&decision.agent) {
        return decision;
    }
    let able = decision.candidates.iter().position(|candidate| can(&candidate.agent));
    let Some(able) = able else { return decision };
    let mut candidates = decision.candidates;
    let chosen = candidates.remove(able);
    candidates.insert(0, chosen.clone());
    RoutingDecision {
        intent: intent_for(&chosen.agent),
        reasoning: format!(
            "{} The router is unsure, and {} has no model that calls tools, which the client wants: {} is the most probable of those that have.",
            decision.reasoning, decision.agent, chosen.agent
        ),
        confidence: chosen.confidence,
        agent: chosen.agent,
        candidates,
        concerns: Vec::new(),
    }
}

/// Which direct answer fits.
pub(super) fn case(learnt: &Classifier, verdict: &Verdict, message: &str) -> Case {
    let case = learnt.utterances.case(&verdict.likeness, 0).unwrap_or(Case::Vague);
    // A long message is not vague only because a vague example comes nearest.
    if case == Case::Vague && message::words(message).len() > 9 {
        Case::OutOfScope
    } else {
        case
    }
}

fn most_probable(probabilities: &[f32]) -> usize {
    (0..probabilities.len())
        .max_by(|a, b| probabilities[*a].total_cmp(&probabilities[*b]))
        .unwrap_or(0)
}

pub(super) fn most_probable_specialist(probabilities: &[f32]) -> usize {
    1 + most_probable(&probabilities[1..])
}

fn confidence(probability: f32) -> Confidence {
    Confidence::new(f64::from(probability))
}
