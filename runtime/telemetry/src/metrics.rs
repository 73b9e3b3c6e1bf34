//! The registry, and a method for each thing that happens.

use std::{sync::Arc, time::Duration};

use orchestratai_shared::{AgentId, EventBody, Rating, RetrievalStrategy, SignalBody};
use prometheus::{
    CounterVec, Gauge, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    Registry, TextEncoder, core::Collector, proto,
};

use crate::{
    agent::{AgentCount, AgentMetrics, AgentVectors},
    cluster::ClusterMetrics,
    history::Gauges,
    labels::{
        ActorKind, CacheReceiptOutcome, CacheShareOutcome, LabelValue, Mailbox, PerValue, PersonWaitOutcome,
        RefusalReason, SearchStage, SecondStageOutcome, SlowConsumerAction, SnapshotBackend, SnapshotLoadOutcome,
        SnapshotWriteOutcome, SpanDropReason, Transport, TurnOutcome,
    },
    live::Live,
    names::{self, MetricDescription},
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
    person_wait: PerValue<Histogram>,
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
            person_wait: PerValue::resolve::<PersonWaitOutcome, _>(
                &histogram_vec(r, &names::PERSON_WAIT, names::WAIT_BUCKETS),
                &[],
            ),
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

    /// What is counted for one agent. Resolves about ten labels: keep what it gives. `agent` comes from configuration,
    /// never from a client; a turn that ended before anybody had it counts for `none`.
    #[must_use]
    pub fn agent(&self, agent: &str) -> AgentMetrics {
        self.0.agents.resolve(agent)
    }

    /// Whether messages are taken now.
    pub fn ready(&self, is_ready: bool) {
        self.0.ready.set(i64::from(is_ready));
    }

    /// A turn was accepted; it counts as in flight for as long as the answer is kept.
    pub fn turn_in_flight(&self) -> Live {
        Live::enter(&self.0.turns_in_flight)
    }

    /// `turns` are attempted again after an interruption.
    pub fn turns_resumed(&self, turns: usize) {
        self.0.turns_resumed.inc_by(turns as u64);
    }

    /// `message_accepted` was published, `since_receipt` after the message had come in.
    pub fn first_event(&self, since_receipt: Duration) {
        self.0.time_to_first_event.observe(since_receipt.as_secs_f64());
    }

    /// The answer's first `message_delta` was published, `since_receipt` after the message had come in.
    pub fn first_token(&self, since_receipt: Duration) {
        self.0.time_to_first_token.observe(since_receipt.as_secs_f64());
    }

    /// A message was refused.
    pub fn admission_refused(&self, reason: RefusalReason) {
        self.0.admission_refused.get(reason).inc();
    }

    /// A session has published an event or a signal. `kind` is its `type` on the wire; others are not counted.
    ///
    /// Compares with at most 17 short texts, a few nanoseconds: cheaper than a hash.
    pub fn event_published(&self, kind: &str) {
        if let Some((_, counter)) = self.0.events_published.iter().find(|(known, _)| *known == kind) {
            counter.inc();
        }
    }

    /// A search in the knowledge base took `duration`.
    pub fn retrieved(&self, strategy: RetrievalStrategy, duration: Duration) {
        self.0.retrieval_duration.get(strategy).observe(duration.as_secs_f64());
    }

    /// A search could ask the second stage; `took` is how long that took where it ranked.
    pub fn second_stage(&self, outcome: SecondStageOutcome, took: Option<Duration>) {
        self.0.second_stage.get(outcome).inc();
        if let Some(took) = took {
            self.0.second_stage_duration.observe(took.as_secs_f64());
        }
    }

    /// A client follows a session for as long as the answer is kept.
    pub fn connection(&self, transport: Transport) -> Live {
        Live::enter(self.0.connections.get(transport))
    }

    /// Something was done about a client that could not keep up.
    pub fn slow_consumer(&self, action: SlowConsumerAction) {
        self.0.slow_consumers.get(action).inc();
    }

    /// A WebSocket connection has ended with `code`. A code that only a peer can have thought of counts as `other`.
    pub fn websocket_closed(&self, code: u16) {
        let is_known = CLOSE_CODES.contains(&code);
        let label = if is_known { &Digits::of(code) } else { "other" };
        self.0.websocket_closes.with_label_values(&[label]).inc();
    }

    /// A session is in memory for as long as the answer is kept.
    pub fn session_live(&self) -> Live {
        Live::enter(&self.0.sessions_live)
    }

    /// A person has a session that is in memory for as long as the answer is kept.
    pub fn session_with_person(&self) -> Live {
        Live::enter(&self.0.sessions_with_person)
    }

    /// A person has taken a session over.
    pub fn person_took_over(&self) {
        self.0.person_takeovers.inc();
    }

    /// A turn has waited for a person for so long.
    pub fn person_waited(&self, outcome: PersonWaitOutcome, waited: Duration) {
        self.0.person_wait.get(outcome).observe(waited.as_secs_f64());
    }

    /// A turn has ended that a person had last. How long it took says nothing of the agents, and is not observed.
    pub fn turn_ended_by_person(&self, outcome: TurnOutcome) {
        self.0.agents.turn_ended_by_person(outcome);
    }

    /// A session was started from the journal.
    pub fn session_rehydrated(&self) {
        self.0.sessions_rehydrated.inc();
    }

    /// An idle session was taken out of memory.
    pub fn session_passivated(&self) {
        self.0.sessions_passivated.inc();
    }

    /// A message is queued for an actor for as long as the answer is kept.
    pub fn queued(&self, mailbox: Mailbox) -> Live {
        Live::enter(self.0.mailbox_depth.get(mailbox))
    }

    /// An actor was started anew after a panic or a stop.
    pub fn actor_restarted(&self, kind: ActorKind) {
        self.0.actor_restarts.get(kind).inc();
    }

    /// A group commit of `events` is durable after `duration`.
    pub fn journal_committed(&self, duration: Duration, events: usize) {
        self.0.journal_commit_duration.observe(duration.as_secs_f64());
        #[expect(clippy::cast_precision_loss, reason = "a batch is far below 2^52 events")]
        self.0.journal_commit_batch.observe(events as f64);
    }

    /// A group commit has failed.
    pub fn journal_commit_failed(&self) {
        self.0.journal_commit_failures.inc();
    }

    /// So many bytes are committed and not in the database yet, the oldest of them for `age`.
    pub fn journal_unapplied(&self, bytes: usize, age: Duration) {
        self.0.journal_unapplied.set(i64::try_from(bytes).unwrap_or(i64::MAX));
        self.0.journal_apply_lag.set(age.as_secs_f64());
    }

    /// So many entries of the semantic cache that were to be sent to other servers have met this end.
    pub fn cache_entries_shared(&self, outcome: CacheShareOutcome, count: usize) {
        self.0.cache_entries_shared.get(outcome).inc_by(count as u64);
    }

    /// An entry of another server's semantic cache came in, and this became of it.
    pub fn cache_entry_received(&self, outcome: CacheReceiptOutcome) {
        self.0.cache_entries_received.get(outcome).inc();
    }

    /// So many snapshots have met this end.
    pub fn snapshots_written(&self, backend: SnapshotBackend, outcome: SnapshotWriteOutcome, count: u64) {
        if count > 0 {
            let labels = [backend.name(), outcome.name()];
            self.0.snapshot_writes.with_label_values(&labels).inc_by(count);
        }
    }

    /// A batch of snapshots was written in `took`.
    pub fn snapshot_write_took(&self, backend: SnapshotBackend, took: Duration) {
        self.0.snapshot_write_duration.get(backend).observe(took.as_secs_f64());
    }

    /// A session was started, for which its snapshot was good for this.
    pub fn snapshot_loaded(&self, outcome: SnapshotLoadOutcome) {
        self.0.snapshot_loads.get(outcome).inc();
    }

    /// So many sessions have changed since their last snapshot, the oldest of them for `lag`.
    pub fn snapshots_dirty(&self, sessions: usize, lag: Duration) {
        self.0.snapshots_dirty.set(i64::try_from(sessions).unwrap_or(i64::MAX));
        self.0.snapshots_lag.set(lag.as_secs_f64());
    }

    /// Redis is connected, or is not any more.
    pub fn redis_up(&self, is_up: bool) {
        self.0.redis_up.set(i64::from(is_up));
    }

    /// Redis is connected again.
    pub fn redis_reconnected(&self) {
        self.0.redis_reconnects.inc();
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

    /// Somebody has rated an answer of an agent.
    pub fn rated(&self, agent: &AgentId, rating: Rating) {
        self.0.agents.rated(agent.as_str(), rating);
    }

    /// A request was answered. `route` is the pattern that it matched, never its path.
    pub fn http_answered(&self, method: &str, route: &str, status: u16) {
        self.0
            .http_requests
            .with_label_values(&[known_method(method), route, &Digits::of(status)])
            .inc();
    }

    /// An answer has ended, `duration` after the request's head; not for streams, which last as long as the client wants.
    pub fn http_ended(&self, method: &str, route: &str, duration: Duration) {
        self.0
            .http_request_duration
            .with_label_values(&[known_method(method), route])
            .observe(duration.as_secs_f64());
    }

    /// The index that is searched from now on: its revision, and the chunks of each collection. A collection that is not
    /// among them is gone.
    pub fn knowledge_served<'a>(&self, revision: u64, chunks: impl IntoIterator<Item = (&'a str, usize)>) {
        self.0.knowledge_revision.set(revision.cast_signed());
        self.0.knowledge_chunks.reset();
        for (collection, count) in chunks {
            let count = i64::try_from(count).unwrap_or(i64::MAX);
            self.0.knowledge_chunks.with_label_values(&[collection]).set(count);
        }
    }

    /// Tells every count of every agent.
    pub(crate) fn count_agents(&self, visit: impl FnMut(&str, AgentCount<'_>)) {
        self.0.agents.visit(visit);
    }

    /// Tells how long first events took.
    pub(crate) fn first_events(&self, mut tell: impl FnMut(&proto::Histogram)) {
        for family in self.0.time_to_first_event.collect() {
            for metric in family.get_metric() {
                tell(metric.get_histogram());
            }
        }
    }

    /// What there is just now.
    pub(crate) fn gauges(&self) -> Gauges {
        let read = |gauge: &IntGauge| u64::try_from(gauge.get()).unwrap_or(0);
        Gauges {
            sessions: read(&self.0.sessions_live),
            connections: (Transport::ALL.iter())
                .map(|transport| read(self.0.connections.get(*transport)))
                .sum(),
            turns_in_flight: read(&self.0.turns_in_flight),
        }
    }

    /// The vectors of so many chunks were computed.
    pub fn chunks_embedded(&self, stage: SearchStage, chunks: usize) {
        self.0.chunks_embedded.get(stage).inc_by(chunks as u64);
    }

    /// The vectors of so many chunks were read from the database.
    pub fn chunks_read(&self, stage: SearchStage, chunks: usize) {
        self.0.chunks_read.get(stage).inc_by(chunks as u64);
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

/// The close codes of RFC 6455 and our own.
const CLOSE_CODES: [u16; 21] = [
    1000, 1001, 1002, 1003, 1004, 1005, 1006, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 1015, 4000, 4001, 4003,
    4008, 4029,
];

/// Every code from 0 on: what Prometheus first sees at 20 has not grown for it.
fn websocket_closes(registry: &Registry) -> IntCounterVec {
    let closes = counter_vec(registry, &names::WEBSOCKET_CLOSES);
    for code in CLOSE_CODES {
        closes.with_label_values(&[&*Digits::of(code)]);
    }
    closes.with_label_values(&["other"]);
    closes
}

/// The methods that HTTP has; a client may make up others, without bound.
fn known_method(method: &str) -> &'static str {
    const KNOWN: [&str; 9] = [
        "GET", "POST", "DELETE", "OPTIONS", "HEAD", "PUT", "PATCH", "CONNECT", "TRACE",
    ];
    KNOWN.into_iter().find(|known| *known == method).unwrap_or("other")
}

/// A number as decimal text, on the stack.
struct Digits {
    bytes: [u8; 5],
    start: usize,
}

impl Digits {
    fn of(mut number: u16) -> Self {
        let mut bytes = [b'0'; 5];
        let mut start = bytes.len();
        loop {
            start -= 1;
            bytes[start] = b'0' + (number % 10) as u8;
            number /= 10;
            if number == 0 {
                return Self { bytes, start };
            }
        }
    }
}

impl std::ops::Deref for Digits {
    type Target = str;

    fn deref(&self) -> &str {
        str::from_utf8(&self.bytes[self.start..]).expect("digits are ASCII")
    }
}

const VALID: &str = "names and labels stand in one table, and a test registers all of it";

fn register(registry: &Registry, collector: impl Collector + 'static) {
    registry.register(Box::new(collector)).expect(VALID);
}

fn registered<C: Collector + Clone + 'static>(registry: &Registry, made: prometheus::Result<C>) -> C {
    let collector = made.expect(VALID);
    register(registry, collector.clone());
    collector
}

fn label_names(metric: &MetricDescription) -> Vec<&'static str> {
    metric.labels.iter().map(|label| label.name).collect()
}

pub(crate) fn counter(registry: &Registry, metric: &MetricDescription) -> IntCounter {
    registered(registry, IntCounter::new(metric.name, metric.help))
}

pub(crate) fn gauge(registry: &Registry, metric: &MetricDescription) -> IntGauge {
    registered(registry, IntGauge::new(metric.name, metric.help))
}

fn histogram(registry: &Registry, metric: &MetricDescription, buckets: &[f64]) -> Histogram {
    let options = HistogramOpts::new(metric.name, metric.help).buckets(buckets.to_vec());
    registered(registry, Histogram::with_opts(options))
}

pub(crate) fn counter_vec(registry: &Registry, metric: &MetricDescription) -> IntCounterVec {
    let options = Opts::new(metric.name, metric.help);
    registered(registry, IntCounterVec::new(options, &label_names(metric)))
}

pub(crate) fn float_counter_vec(registry: &Registry, metric: &MetricDescription) -> CounterVec {
    let options = Opts::new(metric.name, metric.help);
    registered(registry, CounterVec::new(options, &label_names(metric)))
}

fn gauge_vec(registry: &Registry, metric: &MetricDescription) -> IntGaugeVec {
    let options = Opts::new(metric.name, metric.help);
    registered(registry, IntGaugeVec::new(options, &label_names(metric)))
}

pub(crate) fn histogram_vec(registry: &Registry, metric: &MetricDescription, buckets: &[f64]) -> HistogramVec {
    let options = HistogramOpts::new(metric.name, metric.help).buckets(buckets.to_vec());
    registered(registry, HistogramVec::new(options, &label_names(metric)))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::MetricKind;

    /// Lets everything happen once.
    fn used() -> Metrics {
        let metrics = Metrics::new(&BuildInfo::default());
        let second = Duration::from_secs(1);
        metrics.ready(true);
        let agent = metrics.agent("billing");
        agent.turn_ended(TurnOutcome::Completed, second);
        agent.cache_asked(true);
        agent.model("some-model").spent(12, 0.25);
        drop(metrics.turn_in_flight());
        metrics.turns_resumed(2);
        metrics.first_event(second);
        metrics.first_token(second);
        metrics.admission_refused(RefusalReason::DoubleTexting);
        metrics.event_published("message_delta");
        metrics.retrieved(RetrievalStrategy::Hybrid, second);
        metrics.second_stage(SecondStageOutcome::Ranked, Some(second));
        metrics.second_stage(SecondStageOutcome::Missed, None);
        metrics.chunks_embedded(SearchStage::First, 3);
        metrics.chunks_embedded(SearchStage::Second, 2);
        metrics.chunks_read(SearchStage::Second, 5);
        drop(metrics.connection(Transport::Sse));
        metrics.slow_consumer(SlowConsumerAction::Cut);
        metrics.websocket_closed(1000);
        drop(metrics.session_live());
        drop(metrics.session_with_person());
        metrics.person_took_over();
        metrics.person_waited(PersonWaitOutcome::Replied, second);
        metrics.turn_ended_by_person(TurnOutcome::Completed);
        metrics.session_rehydrated();
        metrics.session_passivated();
        drop(metrics.queued(Mailbox::JournalWriter));
        metrics.actor_restarted(ActorKind::Session);
        metrics.journal_committed(second, 17);
        metrics.journal_commit_failed();
        metrics.http_answered("GET", "/api/health", 200);
        metrics.http_ended("GET", "/api/health", second);
        metrics.knowledge_served(3, [("billing", 120)]);
        metrics.cache_entries_shared(CacheShareOutcome::Sent, 2);
        metrics.cache_entry_received(CacheReceiptOutcome::Taken);
        metrics.snapshots_written(SnapshotBackend::Redis, SnapshotWriteOutcome::Written, 3);
        metrics.snapshot_write_took(SnapshotBackend::Redis, second);
        metrics.snapshot_loaded(SnapshotLoadOutcome::Used);
        metrics.snapshots_dirty(2, second);
        metrics.redis_up(true);
        metrics.redis_reconnected();
        metrics.nodes(2, true);
        metrics.node_lease_lost();
        metrics.bus_up(true);
        metrics.bus_sent();
        metrics.bus_received();
        metrics.bus_broken();
        metrics.subscriptions_relayed(1);
        metrics.sessions_taken_over(1);
        metrics.spans_sent(1);
        metrics.spans_dropped(SpanDropReason::Queue, 1);
        metrics.rated(&"billing".parse().unwrap(), Rating::Up);
        metrics
    }

    #[test]
    fn every_described_metric_is_served_with_its_kind_and_help_and_no_other_is() {
        let text = used().render();
        for metric in Metrics::describe() {
            assert!(
                text.contains(&format!("# TYPE {} {}\n", metric.name, metric.kind)),
                "{}",
                metric.name
            );
            assert!(
                text.contains(&format!("# HELP {} {}\n", metric.name, metric.help)),
                "{}",
                metric.name
            );
        }
        let served: BTreeSet<_> = text
            .lines()
            .filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next())
            .collect();
        let mut described: BTreeSet<_> = Metrics::describe().iter().map(|metric| metric.name).collect();
        if cfg!(target_os = "linux") {
            described.extend(names::PROCESS);
        }
        assert_eq!(served, described);
    }

    #[test]
    fn a_name_says_its_kind_and_unit() {
        for metric in Metrics::describe() {
            assert_eq!(
                metric.kind == MetricKind::Counter,
                metric.name.ends_with("_total"),
                "{}",
                metric.name
            );
            assert_eq!(
                metric.unit == crate::Unit::Seconds,
                metric.name.ends_with("_seconds"),
                "{}",
                metric.name
            );
            assert!(metric.help.ends_with('.'), "{}", metric.name);
        }
    }

    #[track_caller]
    fn check(text: &str, line: &str) {
        assert!(text.lines().any(|l| l == line), "no line {line:?} in\n{text}");
    }

    #[test]
    fn what_happens_is_counted_where_it_belongs() {
        let metrics = used();
        let text = metrics.render();
        check(
            &text,
            r#"orchestratai_turns_total{agent="billing",outcome="completed"} 1"#,
        );
        check(&text, r#"orchestratai_turns_total{agent="billing",outcome="failed"} 0"#);
        check(
            &text,
            r#"orchestratai_turns_total{agent="person",outcome="completed"} 1"#,
        );
        assert!(!text.contains(r#"turn_duration_seconds_count{agent="person""#));
        check(&text, r#"orchestratai_person_wait_seconds_count{outcome="replied"} 1"#);
        check(&text, "orchestratai_ready 1");
        check(
            &text,
            r#"orchestratai_cache_requests_total{agent="billing",status="hit"} 1"#,
        );
        check(
            &text,
            r#"orchestratai_tokens_total{agent="billing",model="some-model"} 12"#,
        );
        check(
            &text,
            r#"orchestratai_cost_usd_total{agent="billing",model="some-model"} 0.25"#,
        );
        check(&text, r#"orchestratai_events_published_total{type="message_delta"} 1"#);
        check(&text, r#"orchestratai_events_published_total{type="turn_failed"} 0"#);
        check(&text, r#"orchestratai_websocket_closes_total{code="4029"} 0"#);
        check(
            &text,
            r#"orchestratai_admission_refused_total{reason="double_texting"} 1"#,
        );
        check(
            &text,
            r#"orchestratai_retrieval_duration_seconds_count{strategy="hybrid"} 1"#,
        );
        check(&text, r#"orchestratai_second_stage_total{outcome="missed"} 1"#);
        check(&text, "orchestratai_second_stage_duration_seconds_count 1");
        check(&text, r#"orchestratai_journal_commit_batch_events_bucket{le="16"} 0"#);
        check(&text, r#"orchestratai_journal_commit_batch_events_bucket{le="32"} 1"#);
        check(&text, r#"orchestratai_knowledge_chunks{collection="billing"} 120"#);
        check(
            &text,
            r#"orchestratai_http_requests_total{method="GET",route="/api/health",status="200"} 1"#,
        );
    }

    #[test]
    fn a_gauge_goes_back_with_its_owner_even_through_a_panic() {
        let metrics = Metrics::new(&BuildInfo::default());
        let kept = metrics.session_live();
        let lost = metrics.session_live();
        check(&metrics.render(), "orchestratai_sessions_live 2");
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || {
            let _lost = lost;
            std::panic::resume_unwind(Box::new("on purpose"));
        }));
        assert!(panicked.is_err());
        check(&metrics.render(), "orchestratai_sessions_live 1");
        drop(kept);
        check(&metrics.render(), "orchestratai_sessions_live 0");
    }

    #[test]
    fn what_a_client_chooses_makes_no_new_labels() {
        let metrics = Metrics::new(&BuildInfo::default());
        metrics.http_answered("BREW", "unmatched", 405);
        metrics.websocket_closed(3999);
        metrics.websocket_closed(4008);
        metrics.event_published("made_up");
        let text = metrics.render();
        check(
            &text,
            r#"orchestratai_http_requests_total{method="other",route="unmatched",status="405"} 1"#,
        );
        check(&text, r#"orchestratai_websocket_closes_total{code="other"} 1"#);
        check(&text, r#"orchestratai_websocket_closes_total{code="4008"} 1"#);
        assert!(!text.contains("made_up"));
    }

    #[test]
    fn a_collection_that_is_gone_is_no_longer_served() {
        let metrics = Metrics::new(&BuildInfo::default());
        metrics.knowledge_served(1, [("a", 1), ("b", 2)]);
        metrics.knowledge_served(2, [("b", 3)]);
        let text = metrics.render();
        check(&text, r#"orchestratai_knowledge_chunks{collection="b"} 3"#);
        assert!(!text.contains(r#"collection="a""#));
    }

    #[test]
    fn numbers_become_text_without_allocation() {
        for number in [0, 7, 10, 200, 4008, u16::MAX] {
            assert_eq!(&*Digits::of(number), number.to_string());
        }
    }
}
