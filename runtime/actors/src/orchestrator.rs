//! The orchestrator: decides who answers, and knows the agents of its shard.

use std::{collections::HashMap, panic::AssertUnwindSafe, sync::Arc, time::Instant};

use actix::{Actor, Addr, Context, Handler};
use futures_util::FutureExt;
use orchestratai_agents::{
    definition::{AgentDefinition, Catalog},
    joint::{self, JointAnswer, PARTS_MAX},
    language::Spender,
    routing::{Advised, Adviser, Concern, Doubt, Router, RoutingDecision},
    turn::{Payer, Responder, Usage, UsageMeter},
};
use orchestratai_shared::{AgentId, ErrorCode, Failure, Message, UserMessage};
use orchestratai_telemetry::{ActorKind, Metrics};
use tracing::Instrument;

use crate::{
    agent::{Agent, RunTurn, board::AgentBoard},
    panel::Panel,
    session::{
        messages::{Advice, Failed, Route, Routed, RoutingEnd, RunEnd},
        turn::Receipt,
    },
};

/// What every shard's orchestrator works with.
#[derive(Clone)]
pub(crate) struct Crew {
    /// The agents' definitions.
    pub(crate) catalog: Arc<Catalog>,
    /// Decides who answers.
    pub(crate) router: Arc<Router>,
    /// Decides where that one is unsure; `None`: it stays at what that one says.
    pub(crate) adviser: Option<Arc<Adviser>>,
    /// What answers, by agent.
    pub(crate) responders: Arc<HashMap<AgentId, Arc<dyn Responder>>>,
    /// Status and counters, shared by all shards.
    pub(crate) board: AgentBoard,
}

impl Crew {
    /// Who answers a message after `history`, oldest first, and what a model might be asked about that.
    pub(crate) fn consider(&self, said: &UserMessage, history: &[Arc<Message>]) -> (RoutingDecision, Option<Doubt>) {
        let content = said.content.as_str();
        if let Some(agent) = &said.addressee {
            let reason = match said.called.is_empty() {
                true => "The client asked for this agent.",
                false => "The client goes on with what was called for this agent.",
            };
            return (self.router.route_to(agent, reason, content, history), None);
        }
        if said.client_tools.as_ref().is_some_and(|tools| tools.must_call) {
            let can = |agent: &AgentId| (self.responders.get(agent)).is_some_and(|responder| responder.calls_tools());
            return self.router.consider_among(content, history, can);
        }
        self.router.consider(content, history)
    }
}

/// Routes messages to the agents of one shard.
pub(crate) struct Orchestrator {
    crew: Crew,
    agents: HashMap<AgentId, Addr<Agent>>,
    metrics: Metrics,
}

impl Orchestrator {
    pub(crate) fn new(crew: Crew, metrics: Metrics) -> Self {
        Self {
            crew,
            agents: HashMap::new(),
            metrics,
        }
    }

    /// The agent's address; an agent that is gone is started anew.
    fn agent(&mut self, id: &AgentId) -> Option<&Addr<Agent>> {
        if self.agents.get(id).is_some_and(|agent| !agent.connected()) {
            tracing::error!(agent.id = %id, "an agent actor was gone and is started anew");
            self.metrics.actor_restarted(ActorKind::Agent);
            self.agents.remove(id);
        }
        if !self.agents.contains_key(id) {
            let limits = self.crew.catalog.agent(id)?.limits;
            let responder = Arc::clone(self.crew.responders.get(id)?);
            let tally = Arc::clone(self.crew.board.tally(id)?);
            self.agents.insert(
                id.clone(),
                Agent::new(id.clone(), limits, responder, tally, self.metrics.clone()).start(),
            );
        }
        self.agents.get(id)
    }
}

impl Actor for Orchestrator {
    type Context = Context<Self>;
}

impl Handler<Route> for Orchestrator {
    type Result = ();

    fn handle(&mut self, route: Route, _: &mut Self::Context) {
        let crew = &self.crew;
        let routing = tracing::info_span!(parent: &route.span, "route", agent.id = tracing::field::Empty);
        let decide = || crew.consider(&route.request.said, &route.history);
        let decided = routing.in_scope(|| std::panic::catch_unwind(AssertUnwindSafe(decide)));
        match (decided, &crew.adviser) {
            (Ok((decision, Some(doubt))), Some(adviser)) => {
                let asking = ask(crew.clone(), Arc::clone(adviser), route, decision, doubt);
                // Not of the actor: what wakes it would have it poll all that are under way.
                tokio::task::spawn_local(asking.instrument(routing));
            }
            (Ok((decision, _)), _) => {
                routing.record("agent.id", decision.agent.as_str());
                answer(crew, &route, Ok(decision), None);
            }
            (Err(_panic), _) => {
                tracing::error!(turn.id = %route.request.run.turn_id, "routing panicked");
                answer(crew, &route, Err(not_routed()), None);
            }
        }
    }
}

/// Asks a language model, and answers with what it says, or with what was decided without it. Where nobody wants to know any more its
/// request is closed, and the answer is a receipt.
async fn ask(crew: Crew, adviser: Arc<Adviser>, route: Route, local: RoutingDecision, doubt: Doubt) {
    let meter = UsageMeter::default();
    let payer = Payer {
        spender: Spender {
            organization: Arc::clone(&route.organization),
            user: route.user.clone(),
            agent: AgentId::orchestrator(),
            session_id: route.session_id,
            turn_id: route.request.run.turn_id,
            can_wait: false,
            decided: Vec::new(),
        },
        meter: &meter,
    };
    let mut asking = Box::pin(AssertUnwindSafe(adviser.decide(local, &doubt, &payer)).catch_unwind());
    let advised = tokio::select! {
        biased;
        () = route.stop.cancelled() => None,
        advised = &mut asking => Some(advised),
    };
    let (stopped, was_open) = (Instant::now(), meter.upstream_open());
    // With it its request is closed, if it has not ended.
    drop(asking);
    if let Some(tally) = crew.board.tally(&AgentId::orchestrator()) {
        tally.billed(&meter);
    }
    let Some(advised) = advised else {
        let closed_ms = || u64::try_from(stopped.elapsed().as_millis()).unwrap_or(u64::MAX);
        let receipt = Receipt {
            upstream_closed_ms: was_open.then(closed_ms),
            tokens_billed: meter.usage().tokens,
        };
        return answer_with(&route, RoutingEnd::Stopped(receipt));
    };
    match advised {
        Ok(Advised { decision, is_missed }) => {
            tracing::Span::current().record("agent.id", decision.agent.as_str());
            let advice = Advice {
                used: meter.usage(),
                is_missed,
            };
            answer(&crew, &route, Ok(decision), Some(advice));
        }
        Err(_panic) => {
            tracing::error!(turn.id = %route.request.run.turn_id, "asking a model who answers panicked");
            answer(&crew, &route, Err(not_routed()), None);
        }
    }
}

fn answer(crew: &Crew, route: &Route, decision: Result<RoutingDecision, Failure>, advice: Option<Advice>) {
    let with_fallbacks = |mut decision: RoutingDecision| {
        if route.request.said.is_of_client_tools() {
            // One agent answers all of it: what several of them want called could not end a turn that the others are at.
            decision.concerns.clear();
        }
        let agent = crew.catalog.agent(&decision.agent);
        let fallbacks = agent.map(|agent: &AgentDefinition| agent.fallbacks.clone());
        (decision, fallbacks.unwrap_or_default())
    };
    let decision = decision.map(with_fallbacks);
    answer_with(route, RoutingEnd::Decided { decision, advice });
}

fn answer_with(route: &Route, end: RoutingEnd) {
    #[expect(
        clippy::disallowed_methods,
        reason = "one answer to one question, and questions are bounded by turn permits"
    )]
    route.session.do_send(Routed {
        run: route.request.run,
        end,
    });
}

fn not_routed() -> Failure {
    Failure::new(ErrorCode::InternalError, "The message could not be routed.")
}

/// Lets one agent work at a turn, or several together. Answered by [`AgentReport`]s to the session.
#[derive(actix::Message)]
#[rtype(result = "()")]
pub(crate) struct Dispatch {
    /// Which agent; where there are several, the first.
    pub(crate) agent: AgentId,
    /// Where several answer together: whose concerns are what, as they are told. Else none.
    pub(crate) concerns: Vec<Concern>,
    /// At what.
    pub(crate) run: RunTurn,
}

impl Handler<Dispatch> for Orchestrator {
    type Result = ();

    fn handle(&mut self, dispatch: Dispatch, _: &mut Self::Context) {
        if dispatch.concerns.is_empty() {
            self.hand_over(&dispatch.agent, dispatch.run);
        } else {
            self.convene(&dispatch.concerns, &dispatch.run);
        }
    }
}

impl Orchestrator {
    fn hand_over(&mut self, agent: &AgentId, run: RunTurn) {
        let Some(agent) = self.agent(agent) else {
            let unknown = Failure::new(ErrorCode::InternalError, format!("There is no agent {agent}."));
            let report = run.report(
                Vec::new(),
                Some(RunEnd::Finished(Err(Failed {
                    failure: unknown,
                    used: Usage::default(),
                }))),
            );
            #[expect(
                clippy::disallowed_methods,
                reason = "a run ends once, and runs are bounded by turn permits"
            )]
            run.session.do_send(report);
            return;
        };
        #[expect(
            clippy::disallowed_methods,
            reason = "one message for each run, and runs are bounded by turn permits"
        )]
        agent.do_send(run);
    }

    /// Lets each agent work at its part, as it would at a turn of its own; a panel puts together what they do.
    fn convene(&mut self, concerns: &[Concern], run: &RunTurn) {
        let tallies = concerns.iter().take(PARTS_MAX);
        let tallies = tallies.map(|concern| self.crew.board.tally(&concern.agent).cloned());
        let panel = Panel::new(run, JointAnswer::new(concerns), tallies.collect()).start();
        for (part, concern) in concerns.iter().take(PARTS_MAX).enumerate() {
            let run = RunTurn {
                run: run.run,
                part,
                request: joint::question(&run.request, concern),
                stop: run.stop.clone(),
                span: run.span.clone(),
                session: panel.clone().recipient(),
            };
            self.hand_over(&concern.agent, run);
        }
    }
}
