//! The orchestrator: decides who answers, and knows the agents of its shard.

use std::{collections::HashMap, panic::AssertUnwindSafe, sync::Arc};

use actix::{Actor, Addr, Context, Handler};
use orchestratai_agents::{
    definition::{AgentDefinition, Catalog},
    joint::{self, JointAnswer, PARTS_MAX},
    routing::{Concern, Router},
    turn::Responder,
};
use orchestratai_shared::{AgentId, ErrorCode, Failure};
use orchestratai_telemetry::{ActorKind, Metrics};

use crate::{
    agent::{Agent, RunTurn, board::AgentBoard},
    panel::Panel,
    session::messages::{Route, Routed, RunEnd},
};

/// What every shard's orchestrator works with.
#[derive(Clone)]
pub(crate) struct Crew {
    /// The agents' definitions.
    pub(crate) catalog: Arc<Catalog>,
    /// Decides who answers.
    pub(crate) router: Arc<Router>,
    /// What answers, by agent.
    pub(crate) responders: Arc<HashMap<AgentId, Arc<dyn Responder>>>,
    /// Status and counters, shared by all shards.
    pub(crate) board: AgentBoard,
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
        let routing = tracing::info_span!(parent: &route.span, "route", agent.id = tracing::field::Empty).entered();
        let said = &route.request.said;
        let decide = || match &said.addressee {
            Some(agent) => crew.router.route_to(agent, said.content.as_str(), &route.history),
            None => crew.router.route_after(said.content.as_str(), &route.history),
        };
        let decided = std::panic::catch_unwind(AssertUnwindSafe(decide));
        let decision = match decided {
            Ok(mut decision) => {
                if said.is_of_client_tools() {
                    // One agent answers all of it: what several of them want called could not end a turn that the others are at.
                    decision.concerns.clear();
                }
                routing.record("agent.id", decision.agent.as_str());
                let fallbacks = crew
                    .catalog
                    .agent(&decision.agent)
                    .map(|agent: &AgentDefinition| agent.fallbacks.clone());
                Ok((decision, fallbacks.unwrap_or_default()))
            }
            Err(_panic) => {
                tracing::error!(turn.id = %route.request.run.turn_id, "routing panicked");
                Err(Failure::new(
                    ErrorCode::InternalError,
                    "The message could not be routed.",
                ))
            }
        };
        #[expect(
            clippy::disallowed_methods,
            reason = "one answer to one question, and questions are bounded by turn permits"
        )]
        route.session.do_send(Routed {
            run: route.request.run,
            decision,
        });
    }
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
            let report = run.report(Vec::new(), Some(RunEnd::Finished(Err(unknown))));
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
