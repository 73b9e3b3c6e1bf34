//! What every shard's agents do, in one place for all to see: status and counters by agent.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use orchestratai_agents::{
    acting::{FORGET_FACT, REMEMBER_FACT},
    definition::{AgentDefinition, Catalog},
    turn::{Answer, Step, Usage, UsageMeter},
};
use orchestratai_shared::{
    Agent, AgentId, AgentStatus, CacheStatus, Intent, LogData, PersonWanted, Timestamp, event::ToolCallStatus,
};
use orchestratai_store::NodeId;
use orchestratai_telemetry::{AgentMetrics, FactOutcome, Metrics, ToolCallOutcome};
use serde::{Deserialize, Serialize};

/// Status and counters of all agents, shared by all shards.
#[derive(Clone)]
pub(crate) struct AgentBoard {
    order: Arc<[AgentId]>,
    agents: Arc<BTreeMap<AgentId, Arc<Tally>>>,
    /// What they have done on other nodes, as these said last.
    elsewhere: Arc<Mutex<HashMap<NodeId, Vec<AgentCount>>>>,
}

/// What an agent does, and has done, on one node since that was started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AgentCount {
    id: AgentId,
    /// Runs under way.
    running: usize,
    tokens: u64,
    cost_micro_usd: u64,
    last_answer: LastAnswer,
}

/// When an agent answered last, and whether from the cache, in one number: milliseconds since 1970, doubled, and one more where
/// it was from the cache. The greater one is the later one; 0 where it never answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
struct LastAnswer(u64);

impl LastAnswer {
    fn now(is_cached: bool) -> Self {
        let now = u64::try_from(Timestamp::now().as_millis()).unwrap_or(0);
        Self(now << 1 | u64::from(is_cached))
    }

    fn is_cached(self) -> Option<bool> {
        (self.0 > 0).then_some(self.0 & 1 == 1)
    }
}

/// Status and counters of one agent.
pub(crate) struct Tally {
    definition: AgentDefinition,
    template: Agent,
    all_metrics: Metrics,
    metrics: AgentMetrics,
    running: AtomicUsize,
    tokens: AtomicU64,
    cost_micro_usd: AtomicU64,
    last_answer: AtomicU64,
}

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
            elsewhere: Arc::default(),
        }
    }

    /// What the agents do on this node.
    pub(crate) fn counts(&self) -> Vec<AgentCount> {
        self.agents.values().map(|tally| tally.count()).collect()
    }

    /// What they do on another node.
    pub(crate) fn heard_of(&self, node: NodeId, counts: Vec<AgentCount>) {
        self.elsewhere().insert(node, counts);
    }

    /// A node is gone, and its counts with it, as this node's go when it stops.
    pub(crate) fn forget(&self, node: NodeId) {
        self.elsewhere().remove(&node);
    }

    fn elsewhere(&self) -> MutexGuard<'_, HashMap<NodeId, Vec<AgentCount>>> {
        // Nothing panics while it is held.
        self.elsewhere.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The entry of one agent.
    pub(crate) fn tally(&self, id: &AgentId) -> Option<&Arc<Tally>> {
        self.agents.get(id)
    }

    /// All agents as people see them, whichever nodes they work on.
    pub(crate) fn agents(&self) -> Vec<Agent> {
        self.order.iter().filter_map(|id| self.agent(id)).collect()
    }

    /// One agent as people see it.
    pub(crate) fn agent(&self, id: &AgentId) -> Option<Agent> {
        let tally = self.agents.get(id)?;
        let mut count = tally.count();
        for other in self.elsewhere().values().flatten().filter(|other| other.id == *id) {
            count.running += other.running;
            count.tokens += other.tokens;
            count.cost_micro_usd += other.cost_micro_usd;
            count.last_answer = count.last_answer.max(other.last_answer);
        }
        Some(tally.snapshot(&count))
    }
}

impl Tally {
    fn new(definition: &AgentDefinition, metrics: &Metrics) -> Self {
        let all_metrics = metrics.clone();
        let metrics = metrics.agent(definition.id.as_str());
        // So that its series are there from the start.
        let _ = metrics.model(&definition.model);
        Self {
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
            last_answer: AtomicU64::new(0),
        }
    }

    /// A run has begun; it counts until the guard is dropped.
    pub(crate) fn begin(self: &Arc<Self>) -> Running {
        self.running.fetch_add(1, Ordering::Relaxed);
        Running(Arc::clone(self))
    }

    /// Steps were taken for a message of this intent. What was found again in the cache was not searched for.
    pub(crate) fn stepped(&self, steps: &[Step], intent: Intent) {
        let escalated = steps.iter().filter(|step| is_escalation(step));
        escalated.for_each(|_| self.all_metrics.person_requested());
        for step in steps {
            self.called(step);
        }
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

    /// Counts a call of a tool that has ended.
    fn called(&self, step: &Step) {
        let Step::ToolCall { call, .. } = step else { return };
        let took = call.duration_ms.map(Duration::from_millis);
        let outcome = match call.status {
            ToolCallStatus::Started => return,
            ToolCallStatus::Succeeded => ToolCallOutcome::Succeeded,
            ToolCallStatus::Failed if took.is_some() => ToolCallOutcome::Failed,
            ToolCallStatus::Failed => ToolCallOutcome::NotMade,
        };
        self.all_metrics.tool_called(&call.tool, outcome, took);
        let is_done = call.status == ToolCallStatus::Succeeded;
        let of_fact = match call.tool.as_str() {
            REMEMBER_FACT if is_done => FactOutcome::Kept,
            FORGET_FACT if is_done => FactOutcome::Forgotten,
            REMEMBER_FACT | FORGET_FACT => FactOutcome::Refused,
            _ => return,
        };
        self.all_metrics.facts(of_fact, 1);
    }

    /// An answer was given.
    pub(crate) fn answered(&self, answer: &Answer) {
        match answer.cache_status {
            CacheStatus::Hit => self.metrics.cache_asked(true),
            CacheStatus::Miss => self.metrics.cache_asked(false),
            CacheStatus::None => {}
        }
        let LastAnswer(last_answer) = LastAnswer::now(answer.cache_status == CacheStatus::Hit);
        self.last_answer.store(last_answer, Ordering::Relaxed);
    }

    /// A run has ended, whatever became of its answer: what it used was billed.
    pub(crate) fn billed(&self, meter: &UsageMeter) {
        for (model, used) in meter.by_model() {
            // Few models are used in a turn, and most turns use none.
            let spent = self.metrics.model(&model);
            spent.spent(used.tokens, used.cost, used.unpriced_tokens);
        }
        let Usage {
            tokens, cost: cost_usd, ..
        } = meter.usage();
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

    fn count(&self) -> AgentCount {
        AgentCount {
            id: self.definition.id.clone(),
            running: self.running.load(Ordering::Relaxed),
            tokens: self.tokens.load(Ordering::Relaxed),
            cost_micro_usd: self.cost_micro_usd.load(Ordering::Relaxed),
            last_answer: LastAnswer(self.last_answer.load(Ordering::Relaxed)),
        }
    }

    fn snapshot(&self, count: &AgentCount) -> Agent {
        let status = if count.running > 0 {
            AgentStatus::Active
        } else {
            AgentStatus::Idle
        };
        #[expect(clippy::cast_precision_loss, reason = "exact up to 2^53 millionths of a dollar")]
        let cost = count.cost_micro_usd as f64 / 1e6;
        Agent {
            status,
            tokens_used: count.tokens,
            cost,
            cached: count.last_answer.is_cached(),
            ..self.template.clone()
        }
    }
}

fn is_escalation(step: &Step) -> bool {
    match step {
        Step::ToolCall { call, .. } => call.tool == PersonWanted::TOOL && call.status == ToolCallStatus::Succeeded,
        Step::Log { .. } | Step::Delta(_) | Step::Reset { .. } => false,
    }
}

/// A run under way.
pub(crate) struct Running(Arc<Tally>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::Relaxed);
    }
}
