//! What every shard's agents do, in one place for all to see: status and counters by agent.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use orchestratai_agents::{
    definition::{AgentDefinition, Catalog},
    turn::{Answer, Step},
};
use orchestratai_shared::{Agent, AgentId, AgentStatus, CacheStatus, Intent, LogData};
use orchestratai_telemetry::{AgentMetrics, Metrics, UsageMetrics};

/// Status and counters of all agents, shared by all shards.
#[derive(Clone)]
pub(crate) struct AgentBoard {
    order: Arc<[AgentId]>,
    agents: Arc<BTreeMap<AgentId, Arc<Tally>>>,
}

/// Status and counters of one agent.
pub(crate) struct Tally {
    definition: AgentDefinition,
    template: Agent,
    all_metrics: Metrics,
    metrics: AgentMetrics,
    usage: UsageMetrics,
    running: AtomicUsize,
    tokens: AtomicU64,
    cost_micro_usd: AtomicU64,
    cached: AtomicU8,
}

const NEVER_ANSWERED: u8 = 0;
const NOT_CACHED: u8 = 1;
const CACHED: u8 = 2;

impl AgentBoard {
    /// A board with an entry for each agent of the catalog, in its order.
    pub(crate) fn new(catalog: &Catalog, metrics: &Metrics) -> Self {
        let tally = |agent| Arc::new(Tally::new(agent, metrics));
        let agents = catalog
            .agents()
            .iter()
            .map(|agent| (agent.id.clone(), tally(agent)))
            .collect();
        Self {
            order: catalog.agents().iter().map(|agent| agent.id.clone()).collect(),
            agents: Arc::new(agents),
        }
    }

    /// The entry of one agent.
    pub(crate) fn tally(&self, id: &AgentId) -> Option<&Arc<Tally>> {
        self.agents.get(id)
    }

    /// All agents as people see them.
    pub(crate) fn agents(&self) -> Vec<Agent> {
        self.order.iter().filter_map(|id| self.agent(id)).collect()
    }

    /// One agent as people see it.
    pub(crate) fn agent(&self, id: &AgentId) -> Option<Agent> {
        self.agents.get(id).map(|tally| tally.snapshot())
    }
}

impl Tally {
    fn new(definition: &AgentDefinition, metrics: &Metrics) -> Self {
        let all_metrics = metrics.clone();
        let metrics = metrics.agent(definition.id.as_str());
        Self {
            usage: metrics.model(&definition.model),
            all_metrics,
            metrics,
            definition: definition.clone(),
            template: Agent {
                id: definition.id.clone(),
                name: definition.name.clone(),
                status: AgentStatus::Idle,
                model: definition.model.clone(),
                strategy: definition.strategy.retrieval(),
                color: definition.color,
                tokens_used: 0,
                cost: 0.0,
                cached: None,
            },
            running: AtomicUsize::new(0),
            tokens: AtomicU64::new(0),
            cost_micro_usd: AtomicU64::new(0),
            cached: AtomicU8::new(NEVER_ANSWERED),
        }
    }

    /// A run has begun; it counts until the guard is dropped.
    pub(crate) fn begin(self: &Arc<Self>) -> Running {
        self.running.fetch_add(1, Ordering::Relaxed);
        Running(Arc::clone(self))
    }

    /// Steps were taken for a message of this intent. What was found again in the cache was not searched for.
    pub(crate) fn stepped(&self, steps: &[Step], intent: Intent) {
        let Some(strategy) = self.definition.strategy_for(intent).retrieval() else {
            return;
        };
        for step in steps {
            if let Step::Log {
                data: LogData::VectorSearch(search),
                ..
            } = step
                && search.latency > 0.0
            {
                self.all_metrics
                    .retrieved(strategy, Duration::from_secs_f64(search.latency / 1e3));
            }
        }
    }

    /// An answer was given.
    pub(crate) fn answered(&self, answer: &Answer) {
        self.billed(answer.usage.tokens, answer.usage.cost);
        match answer.cache_status {
            CacheStatus::Hit => self.metrics.cache_asked(true),
            CacheStatus::Miss => self.metrics.cache_asked(false),
            CacheStatus::None => {}
        }
        let cached = if answer.cache_status == CacheStatus::Hit {
            CACHED
        } else {
            NOT_CACHED
        };
        self.cached.store(cached, Ordering::Relaxed);
    }

    /// Tokens were billed, whatever became of the answer.
    pub(crate) fn billed(&self, tokens: u64, cost_usd: f64) {
        self.usage.spent(tokens, cost_usd);
        self.tokens.fetch_add(tokens, Ordering::Relaxed);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a price is positive and far below 2^63"
        )]
        self.cost_micro_usd
            .fetch_add((cost_usd * 1e6).round() as u64, Ordering::Relaxed);
    }

    /// The agent's metrics.
    pub(crate) fn metrics(&self) -> &AgentMetrics {
        &self.metrics
    }

    fn snapshot(&self) -> Agent {
        let status = if self.running.load(Ordering::Relaxed) > 0 {
            AgentStatus::Active
        } else {
            AgentStatus::Idle
        };
        #[expect(clippy::cast_precision_loss, reason = "exact up to 2^53 millionths of a dollar")]
        let cost = self.cost_micro_usd.load(Ordering::Relaxed) as f64 / 1e6;
        Agent {
            status,
            tokens_used: self.tokens.load(Ordering::Relaxed),
            cost,
            cached: match self.cached.load(Ordering::Relaxed) {
                NEVER_ANSWERED => None,
                cached => Some(cached == CACHED),
            },
            ..self.template.clone()
        }
    }
}

/// A run under way.
pub(crate) struct Running(Arc<Tally>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::Relaxed);
    }
}
