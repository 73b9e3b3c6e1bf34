//! The responders: retrieval, semantic cache and model put together, with their fallbacks.
//!
//! The order of steps is the same on every path: cache, vector search, documents, then the answer. A citation names a
//! chunk by its rank in the turn's vector search, also where the answer comes from the cache: what had been found for it
//! is then shown again, marked as such.
//!
//! Where a strategy fails, the next simpler one is tried: Hybrid, Pure RAG, Pure CAG, direct; each step down is a step
//! for people to see.

mod direct;
mod evidence;
mod hybrid;
mod pure;
mod specialist;
mod verdicts;
mod voice;

use std::{collections::HashMap, sync::Arc};

use orchestratai_shared::AgentId;

use self::{direct::Direct, specialist::Specialist};
use crate::{
    cache::SemanticCache,
    definition::{AgentDefinition, Catalog, Strategy},
    embedder::StaticEmbedder,
    facts::Facts,
    knowledge::Knowledge,
    model::Models,
    routing::Router,
    tool_box::ToolBox,
    turn::Responder,
};

/// What responders work with; shared by all of them.
#[derive(Debug, Clone)]
pub struct Means {
    /// All agents.
    pub catalog: Arc<Catalog>,
    /// Decides who answers.
    pub router: Arc<Router>,
    /// What can be found.
    pub knowledge: Knowledge,
    /// Answers that may be given again.
    pub cache: Arc<SemanticCache>,
    /// What makes answers.
    pub models: Arc<Models>,
    /// Text to vectors.
    pub embedder: Arc<StaticEmbedder>,
    /// What agents can do beside answering.
    pub tools: ToolBox,
    /// What people have said of themselves; none where the organization does not keep that.
    pub facts: Option<Facts>,
}

/// A responder for each agent of the catalog.
#[must_use]
pub fn responders(means: &Means) -> HashMap<AgentId, Arc<dyn Responder>> {
    let agents = means.catalog.agents().iter();
    agents
        .map(|agent| (agent.id.clone(), responder(agent, means)))
        .collect()
}

/// A responder for a trial: it answers by this definition, which may be one that is nobody's yet, and neither takes anything from the
/// semantic cache nor leaves anything in it, calls such tools alone as leave nothing behind, and is told nothing of anybody.
#[must_use]
pub fn trial_responder(agent: &AgentDefinition, means: &Means) -> Arc<dyn Responder> {
    let cache = Arc::new(SemanticCache::new(Arc::clone(&means.embedder)));
    let tools = means.tools.only_reading();
    let means = Means {
        cache,
        tools,
        facts: None,
        ..means.clone()
    };
    responder(agent, &means)
}

fn responder(agent: &AgentDefinition, means: &Means) -> Arc<dyn Responder> {
    match agent.strategy {
        Strategy::Direct => Arc::new(Direct::new(agent, means)),
        Strategy::PureRag | Strategy::PureCag | Strategy::Hybrid => {
            let model =
                (means.models.by_name(&agent.model)).expect("a definition names a known model: its file was checked");
            Arc::new(Specialist::new(agent, Arc::clone(model), means))
        }
    }
}
