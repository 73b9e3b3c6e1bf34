//! The registry, and a method for each thing that happens.
//!
//! The methods stand by subject: `turns`, `sessions`, `store`, `knowledge`, `http`.

mod http;
mod knowledge;
mod sessions;
mod store;
mod turns;

use std::{sync::Arc, time::Duration};

use orchestratai_shared::{AgentId, EventBody, Rating, RetrievalStrategy, SignalBody};
use prometheus::{
    Gauge, Histogram, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Registry, TextEncoder,
    core::Collector, proto,
};

use self::http::websocket_closes;
use crate::{
    agent::{AgentCount, AgentMetrics, AgentVectors, UsageMetrics},
    budget::{BudgetMetrics, BudgetVectors},
    cluster::ClusterMetrics,
    history::Gauges,
    labels::{
        ActorKind, ApprovalOutcome, CacheReceiptOutcome, CacheShareOutcome, FactOutcome, LabelValue, Mailbox, PerValue,
        PersonWaitOutcome, RefusalReason, SearchStage, SecondStageOutcome, SlowConsumerAction, SnapshotBackend,
        SnapshotLoadOutcome, SnapshotWriteOutcome, SpanDropReason, ToolCallOutcome, Transport, TurnOutcome,
    },
    live::Live,
    names::{self, MetricDescription},
    provider::{ProviderMetrics, ProviderVectors},
    registration::{counter, counter_vec, gauge, gauge_vec, histogram, histogram_vec, register, registered},
    tool::ToolMetrics,
};

/// What was built, for `orchestratai_build_info`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BuildInfo {
    /// The release, such as `0.1.0`.
    pub version: &'static str,
    /// The commit of the sources.
    pub commit: &'static str,
    /// The compiler.
    pub rustc: &'static str,
}

impl Default for BuildInfo {
    /// The version of this workspace; the rest unknown.
    fn default() -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION"),
            commit: "unknown",
            rustc: "unknown",
        }
    }
}

/// Every metric of the process. Cheap to clone; all clones count in the same place.
///
/// A method costs a few atomic additions: labels that are known beforehand are resolved, and nothing is formatted. Each
/// value has a registry of its own, so that tests in one process do not see each other's figures.
#[derive(Debug, Clone)]
pub struct Metrics(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    registry: Registry,
    agents: Arc<AgentVectors>,
    providers: ProviderVectors,
    budgets: BudgetVectors,
    ready: IntGauge,
    turns_in_flight: IntGauge,
    turns_resumed: IntCounter,
    time_to_first_event: Histogram,
    time_to_first_token: Histogram,
    admission_refused: PerValue<IntCounter>,
    events_published: Box<[(&'static str, IntCounter)]>,
    retrieval_duration: PerValue<Histogram>,
    second_stage: PerValue<IntCounter>,
    second_stage_duration: Histogram,
    connections: PerValue<IntGauge>,
    slow_consumers: PerValue<IntCounter>,
    websocket_closes: IntCounterVec,
    sessions_live: IntGauge,
    sessions_with_person: IntGauge,
    person_takeovers: IntCounter,
    person_requests: IntCounter,
    person_wait: PerValue<Histogram>,
    approvals_waiting: IntGauge,
    approval_wait: PerValue<Histogram>,
    tools: ToolMetrics,
    facts: PerValue<IntCounter>,
    sessions_rehydrated: IntCounter,
    sessions_passivated: IntCounter,
    mailbox_depth: PerValue<IntGauge>,
    actor_restarts: PerValue<IntCounter>,
    journal_commit_duration: Histogram,
    journal_commit_batch: Histogram,
    journal_commit_failures: IntCounter,
    journal_unapplied: IntGauge,
    journal_apply_lag: Gauge,
    cache_entries_shared: PerValue<IntCounter>,
    cache_entries_received: PerValue<IntCounter>,
    snapshot_writes: IntCounterVec,
    snapshot_write_duration: PerValue<Histogram>,
    snapshot_loads: PerValue<IntCounter>,
    snapshots_dirty: IntGauge,
    snapshots_lag: Gauge,
    cluster: ClusterMetrics,
    redis_up: IntGauge,
    redis_reconnects: IntCounter,
    trace_spans_sent: IntCounter,
    trace_spans_dropped: PerValue<IntCounter>,
    http_requests: IntCounterVec,
    http_request_duration: HistogramVec,
    knowledge_chunks: IntGaugeVec,
    chunks_embedded: PerValue<IntCounter>,
    chunks_read: PerValue<IntCounter>,
    knowledge_revision: IntGauge,
}

impl Metrics {
    /// Registers every metric.
    #[must_use]
    pub fn new(build: &BuildInfo) -> Self {
        let registry = Registry::new();
        let r = &registry;
        #[cfg(target_os = "linux")]
        register(r, prometheus::process_collector::ProcessCollector::for_self());
        gauge_vec(r, &names::BUILD_INFO)
            .with_label_values(&[build.version, build.commit, build.rustc])
            .set(1);
        let events_published = counter_vec(r, &names::EVENTS_PUBLISHED);
        let inner = Inner {
            agents: Arc::new(AgentVectors::register(r)),
            providers: ProviderVectors::register(r),
            budgets: BudgetVectors::register(r),
            ready: gauge(r, &names::READY),
            turns_in_flight: gauge(r, &names::TURNS_IN_FLIGHT),
            turns_resumed: counter(r, &names::TURNS_RESUMED),
            time_to_first_event: histogram(r, &names::TIME_TO_FIRST_EVENT, names::SECONDS_BUCKETS),
            time_to_first_token: histogram(r, &names::TIME_TO_FIRST_TOKEN, names::SECONDS_BUCKETS),
            admission_refused: PerValue::resolve::<RefusalReason, _>(&counter_vec(r, &names::ADMISSION_REFUSED), &[]),
            events_published: (EventBody::KINDS.iter().chain(SignalBody::KINDS))
                .map(|kind| (*kind, events_published.with_label_values(&[kind])))
                .collect(),
            retrieval_duration: PerValue::resolve::<RetrievalStrategy, _>(
                &histogram_vec(r, &names::RETRIEVAL_DURATION, names::SECONDS_BUCKETS),
                &[],
            ),
            second_stage: PerValue::resolve::<SecondStageOutcome, _>(&counter_vec(r, &names::SECOND_STAGE), &[]),
            second_stage_duration: histogram(r, &names::SECOND_STAGE_DURATION, names::SECONDS_BUCKETS),
            connections: PerValue::resolve::<Transport, _>(&gauge_vec(r, &names::CONNECTIONS), &[]),
            slow_consumers: PerValue::resolve::<SlowConsumerAction, _>(&counter_vec(r, &names::SLOW_CONSUMERS), &[]),
            websocket_closes: websocket_closes(r),
            sessions_live: gauge(r, &names::SESSIONS_LIVE),
            sessions_with_person: gauge(r, &names::SESSIONS_WITH_PERSON),
            person_takeovers: counter(r, &names::PERSON_TAKEOVERS),
            person_requests: counter(r, &names::PERSON_REQUESTS),
            person_wait: PerValue::resolve::<PersonWaitOutcome, _>(
                &histogram_vec(r, &names::PERSON_WAIT, names::WAIT_BUCKETS),
                &[],
            ),
            approvals_waiting: gauge(r, &names::APPROVALS_WAITING),
            approval_wait: PerValue::resolve::<ApprovalOutcome, _>(
                &histogram_vec(r, &names::APPROVAL_WAIT, names::WAIT_BUCKETS),
                &[],
            ),
            tools: ToolMetrics::register(r),
            facts: PerValue::resolve::<FactOutcome, _>(&counter_vec(r, &names::FACTS), &[]),
            sessions_rehydrated: counter(r, &names::SESSIONS_REHYDRATED),
            sessions_passivated: counter(r, &names::SESSIONS_PASSIVATED),
            mailbox_depth: PerValue::resolve::<Mailbox, _>(&gauge_vec(r, &names::MAILBOX_DEPTH), &[]),
            actor_restarts: PerValue::resolve::<ActorKind, _>(&counter_vec(r, &names::ACTOR_RESTARTS), &[]),
            journal_commit_duration: histogram(r, &names::JOURNAL_COMMIT_DURATION, names::SECONDS_BUCKETS),
            journal_commit_batch: histogram(r, &names::JOURNAL_COMMIT_BATCH, names::BATCH_BUCKETS),
            journal_commit_failures: counter(r, &names::JOURNAL_COMMIT_FAILURES),
            journal_unapplied: gauge(r, &names::JOURNAL_UNAPPLIED),
            journal_apply_lag: registered(
                r,
                Gauge::new(names::JOURNAL_APPLY_LAG.name, names::JOURNAL_APPLY_LAG.help),
            ),
            cache_entries_shared: PerValue::resolve::<CacheShareOutcome, _>(
                &counter_vec(r, &names::CACHE_ENTRIES_SHARED),
                &[],
            ),
            cache_entries_received: PerValue::resolve::<CacheReceiptOutcome, _>(
                &counter_vec(r, &names::CACHE_ENTRIES_RECEIVED),
                &[],
            ),
            snapshot_writes: counter_vec(r, &names::SNAPSHOT_WRITES),
            snapshot_write_duration: PerValue::resolve::<SnapshotBackend, _>(
                &histogram_vec(r, &names::SNAPSHOT_WRITE_DURATION, names::SECONDS_BUCKETS),
                &[],
            ),
            snapshot_loads: PerValue::resolve::<SnapshotLoadOutcome, _>(&counter_vec(r, &names::SNAPSHOT_LOADS), &[]),
            snapshots_dirty: gauge(r, &names::SNAPSHOTS_DIRTY),
            snapshots_lag: registered(r, Gauge::new(names::SNAPSHOTS_LAG.name, names::SNAPSHOTS_LAG.help)),
            cluster: ClusterMetrics::register(r),
            redis_up: gauge(r, &names::REDIS_UP),
            redis_reconnects: counter(r, &names::REDIS_RECONNECTS),
            trace_spans_sent: counter(r, &names::TRACE_SPANS_SENT),
            trace_spans_dropped: PerValue::resolve::<SpanDropReason, _>(
                &counter_vec(r, &names::TRACE_SPANS_DROPPED),
                &[],
            ),
            http_requests: counter_vec(r, &names::HTTP_REQUESTS),
            http_request_duration: histogram_vec(r, &names::HTTP_REQUEST_DURATION, names::SECONDS_BUCKETS),
            knowledge_chunks: gauge_vec(r, &names::KNOWLEDGE_CHUNKS),
            chunks_embedded: PerValue::resolve::<SearchStage, _>(&counter_vec(r, &names::CHUNKS_EMBEDDED), &[]),
            chunks_read: PerValue::resolve::<SearchStage, _>(&counter_vec(r, &names::CHUNKS_READ), &[]),
            knowledge_revision: gauge(r, &names::KNOWLEDGE_REVISION),
            registry,
        };
        Self(Arc::new(inner))
    }

    /// What is counted for one language model. `model` comes from configuration, never from a client.
    #[must_use]
    pub fn provider(&self, model: &str) -> ProviderMetrics {
        self.0.providers.resolve(model)
    }

    /// What is spent on vectors of passages by one model, for no agent. `model` comes from configuration.
    #[must_use]
    pub fn passages(&self, model: &str) -> UsageMetrics {
        self.0.agents.of_nobody(model)
    }

    /// What is counted for one budget. `budget` comes from configuration.
    #[must_use]
    pub fn budget(&self, budget: &str) -> BudgetMetrics {
        self.0.budgets.resolve(budget)
    }

    /// Whether messages are taken now.
    pub fn ready(&self, is_ready: bool) {
        self.0.ready.set(i64::from(is_ready));
    }

    pub(crate) fn cluster(&self) -> &ClusterMetrics {
        &self.0.cluster
    }

    /// The collector has taken so many spans.
    pub(crate) fn spans_sent(&self, count: u64) {
        self.0.trace_spans_sent.inc_by(count);
    }

    /// So many spans were lost.
    pub(crate) fn spans_dropped(&self, reason: SpanDropReason, count: u64) {
        self.0.trace_spans_dropped.get(reason).inc_by(count);
    }

    /// All of it in the Prometheus text format, version 0.0.4.
    #[must_use]
    pub fn render(&self) -> String {
        let mut text = String::with_capacity(32 * 1024);
        TextEncoder::new()
            .encode_utf8(&self.0.registry.gather(), &mut text)
            .expect("writing to a String does not fail, and no family is empty");
        text
    }

    /// Every metric of ours, in the order of the documents; the process collector's own are not among them.
    #[must_use]
    pub fn describe() -> &'static [MetricDescription] {
        names::ALL
    }
}

#[cfg(test)]
mod tests;
