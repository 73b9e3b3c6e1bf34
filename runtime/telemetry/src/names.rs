//! Every metric by name, with kind, unit, labels and meaning: the one place where they stand.
//!
//! Labels are bounded: ids of agents and names of models and collections come from configuration, everything else from the
//! lists given here; never a session, a turn or anything else that a client chooses.

use std::fmt;

/// What a metric is to Prometheus.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricKind {
    /// Only ever grows, from 0 at the start of the process.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts observations by size.
    Histogram,
}

/// What a metric counts in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Things: turns, requests, events.
    Count,
    /// Seconds.
    Seconds,
    /// Bytes.
    Bytes,
    /// US dollars.
    UsDollars,
    /// A share: 1 is all of it.
    Ratio,
}

/// A label of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Label {
    /// Its name.
    pub name: &'static str,
    /// The values that it can have, for people.
    pub values: &'static str,
}

/// A metric as it is documented and registered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MetricDescription {
    /// Its full name.
    pub name: &'static str,
    /// What it is to Prometheus.
    pub kind: MetricKind,
    /// What it counts in.
    pub unit: Unit,
    /// Its labels, in order.
    pub labels: &'static [Label],
    /// What it means.
    pub help: &'static str,
}

impl fmt::Display for MetricKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        })
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Count => "count",
            Self::Seconds => "seconds",
            Self::Bytes => "bytes",
            Self::UsDollars => "USD",
            Self::Ratio => "ratio",
        })
    }
}

const AGENT: Label = label("agent", "id of an agent");
const MODEL: Label = label("model", "name of a model");
const BUDGET: Label = label("budget", "name of a budget");
const OUTCOME: Label = label("outcome", "completed, failed, cancelled");
const METHOD: Label = label("method", "an HTTP method, or other");
const ROUTE: Label = label("route", "a route pattern, or unmatched");

const fn label(name: &'static str, values: &'static str) -> Label {
    Label { name, values }
}

/// Declares metrics and [`ALL`] in one stroke, so that none can be left out of the documents.
macro_rules! metrics {
    ($($ident:ident = $kind:ident $name:literal [$($label:expr),*] $unit:ident $help:literal;)+) => {
        $(pub(crate) const $ident: MetricDescription = MetricDescription {
            name: concat!("orchestratai_", $name),
            kind: MetricKind::$kind,
            unit: Unit::$unit,
            labels: &[$($label),*],
            help: $help,
        };)+

        /// Every metric, in the order of the documents.
        pub(crate) const ALL: &[MetricDescription] = &[$($ident),+];
    };
}

metrics! {
    READY = Gauge "ready" [] Count
        "1 while messages are taken: all that an answer needs is loaded, and the server does not drain; else 0.";
    TURNS = Counter "turns_total" [AGENT, OUTCOME] Count
        "Turns that have ended, by the agent that had them last; agent `person` stands for the persons who have taken sessions over.";
    TURN_DURATION = Histogram "turn_duration_seconds" [AGENT, OUTCOME] Seconds
        "From the receipt of the message to the commit of the turn's terminal event; turns that a person ended are left out.";
    TURN_PARTS = Counter "turn_parts_total" [AGENT, OUTCOME] Count
        "Parts of turns that several agents answer together, by the agent that had the part; such a turn counts once beside.";
    FEEDBACK = Counter "feedback_total" [AGENT, label("rating", "up, down")] Count
        "Ratings that people gave to answers, by the agent that answered; one that is changed counts again.";
    TURNS_IN_FLIGHT = Gauge "turns_in_flight" [] Count
        "Turns that are accepted and have not ended, queued ones included; those that wait for a person are left out.";
    TURNS_RESUMED = Counter "turns_resumed_total" [] Count
        "Attempts at a turn after an interruption: a crash, a panic, a restart.";
    TIME_TO_FIRST_EVENT = Histogram "time_to_first_event_seconds" [] Seconds
        "From the receipt of a message to the publication of message_accepted.";
    TIME_TO_FIRST_TOKEN = Histogram "time_to_first_token_seconds" [] Seconds
        "From the receipt of a message to the publication of the answer's first message_delta.";
    ADMISSION_REFUSED = Counter "admission_refused_total" [label("reason", "turns, queue, draining, starting, double_texting")] Count
        "Messages that were refused for want of room, or because the server starts or drains or the session is busy.";
    EVENTS_PUBLISHED = Counter "events_published_total" [label("type", "a type of the wire contract")] Count
        "Events and signals published by sessions, counted once however many clients follow.";
    TOKENS = Counter "tokens_total" [AGENT, MODEL] Count
        "Tokens that model providers have reported; the embedded model reports none. Those of vectors of passages have an empty agent.";
    COST = Counter "cost_usd_total" [AGENT, MODEL] UsDollars
        "What these tokens cost.";
    TOKENS_UNPRICED = Counter "tokens_unpriced_total" [AGENT, MODEL] Count
        "Those of these tokens whose price is not known: the cost is that of the others.";
    PROVIDER_REQUESTS = Counter "provider_requests_total" [MODEL, label("outcome", "completed, failed, cancelled")] Count
        "Requests to model providers that have ended, repeated ones included, and those that were not made since the provider rests or has no room, or a budget has not enough left.";
    PROVIDER_ERRORS = Counter "provider_errors_total" [
        MODEL,
        label(
            "kind",
            "unreachable, timed_out, rate_limited, unavailable, unauthorized, rejected, protocol, cut_short, resting, busy, over_budget, unaccounted"
        )
    ] Count
        "Requests to model providers that have failed, by kind of failure.";
    PROVIDER_FIRST_TOKEN = Histogram "provider_first_token_seconds" [MODEL] Seconds
        "From a request to a model provider to the first piece of its answer.";
    BUDGET_SPENT = Gauge "budget_spent_ratio" [BUDGET] Ratio
        "The share of a budget that is charged in the present window, of whoever has most of it charged, what requests under way hold included; more than 1 where a budget only warns.";
    BUDGET_REFUSALS = Counter "budget_refusals_total" [BUDGET] Count
        "Requests to model providers that were not made, since they could cost more than the budget has left, or since their price is not known.";
    BUDGET_WARNINGS = Counter "budget_warnings_total" [BUDGET] Count
        "Warnings of a budget: that it is nearly spent, that more is spent than it allows, or that a model without a price is asked; each once for whoever has it, in a window and by each server.";
    CACHE_REQUESTS = Counter "cache_requests_total" [AGENT, label("status", "hit, miss")] Count
        "Look-ups in the semantic cache.";
    CACHE_ENTRIES_SHARED = Counter "cache_entries_shared_total" [label("outcome", "sent, queue_full, too_long, refused")] Count
        "Entries of the semantic cache that were to be sent to other servers: they were, or were dropped for one of these reasons.";
    CACHE_ENTRIES_RECEIVED = Counter "cache_entries_received_total" [
        label("outcome", "taken, unreadable, other_build, other_agent, expired")
    ] Count
        "Entries of other servers' semantic caches that came in: they were taken, or were refused for one of these reasons.";
    RETRIEVAL_DURATION = Histogram "retrieval_duration_seconds" [label("strategy", "pure_rag, pure_cag, hybrid")] Seconds
        "One search in the knowledge base, from query to ranked chunks.";
    SECOND_STAGE = Counter "second_stage_total" [label("outcome", "not_needed, ranked, missed")] Count
        "Searches that could ask the transformer: the first stage was sure, it ranked, or it gave nothing in time.";
    SECOND_STAGE_DURATION = Histogram "second_stage_duration_seconds" [] Seconds
        "How long the transformer took over a question where it ranked, waiting for its turn included.";
    CONNECTIONS = Gauge "connections" [label("transport", "websocket, sse")] Count
        "Clients that follow a session now.";
    SLOW_CONSUMERS = Counter "slow_consumers_total" [label("action", "lagging, cut")] Count
        "Clients that could not keep up: moved to catch-up, or cut off.";
    WEBSOCKET_CLOSES = Counter "websocket_closes_total" [label("code", "1000 to 1015, 4000, 4001, 4003, 4008, 4029, other")] Count
        "WebSocket connections that have ended, by close code.";
    SESSIONS_LIVE = Gauge "sessions_live" [] Count
        "Sessions in memory now.";
    SESSIONS_WITH_PERSON = Gauge "sessions_with_person" [] Count
        "Sessions in memory that a person has taken over.";
    PERSON_TAKEOVERS = Counter "person_takeovers_total" [] Count
        "Sessions that a person has taken over.";
    PERSON_REQUESTS = Counter "person_requests_total" [] Count
        "Times that an agent has asked for a person.";
    PERSON_WAIT = Histogram "person_wait_seconds" [label("outcome", "replied, handed_back, expired, cancelled")] Seconds
        "How long a turn waited for a person who had its session: until they replied, gave the session back or did not in time, or until the turn was cancelled.";
    APPROVALS_WAITING = Gauge "approvals_waiting" [] Count
        "Requests for a person's approval that nobody has decided yet.";
    APPROVAL_WAIT = Histogram "approval_wait_seconds" [label("outcome", "approved, rejected, expired, dropped")] Seconds
        "How long a request for a person's approval waited: until it was decided, nobody had decided in time, or it was not asked for any more.";
    TOOL_CALLS = Counter "tool_calls_total" [label("tool", "name of a tool that was called, other for those that never were and beyond 500"), label("outcome", "succeeded, failed, not_made")] Count
        "Calls of tools by agents that have ended; not_made are those that were settled before: for their arguments, for want of approval, or because there is no such tool.";
    TOOL_CALL_DURATION = Histogram "tool_call_duration_seconds" [label("tool", "name of a tool, or other beyond 500")] Seconds
        "How long a call of a tool took that was made.";
    FACTS = Counter "facts_total" [label("outcome", "kept, refused, forgotten, erased, expired")] Count
        "Facts about users: kept by an agent, or refused when one wanted to keep or forget it; forgotten by an agent, erased by request, or expired. Those that go with a session are not counted.";
    SESSIONS_REHYDRATED = Counter "sessions_rehydrated_total" [] Count
        "Sessions that were started from the journal.";
    SESSIONS_PASSIVATED = Counter "sessions_passivated_total" [] Count
        "Idle sessions that were taken out of memory.";
    MAILBOX_DEPTH = Gauge "mailbox_depth" [label("actor", "journal_writer, orchestrator, agent")] Count
        "Messages that are queued for an actor and not yet handled.";
    ACTOR_RESTARTS = Counter "actor_restarts_total" [label("actor", "session, agent, orchestrator, journal_writer")] Count
        "Actors that were started anew after a panic or a stop.";
    JOURNAL_COMMIT_DURATION = Histogram "journal_commit_duration_seconds" [] Seconds
        "One group commit of the journal, as long as it takes to be durable.";
    JOURNAL_COMMIT_BATCH = Histogram "journal_commit_batch_events" [] Count
        "Events in one group commit.";
    JOURNAL_COMMIT_FAILURES = Counter "journal_commit_failures_total" [] Count
        "Group commits that failed.";
    JOURNAL_UNAPPLIED = Gauge "journal_unapplied_bytes" [] Bytes
        "What is committed and not in the database yet, in the commit log.";
    JOURNAL_APPLY_LAG = Gauge "journal_apply_lag_seconds" [] Seconds
        "How long ago the oldest of that was committed.";
    SNAPSHOT_WRITES = Counter "snapshot_writes_total" [
        label("backend", "redis, embedded"), label("outcome", "written, stale, failed, dropped")
    ] Count
        "Snapshots of sessions that were to be written: they are kept, a newer one was there, they could not be, or they were given up.";
    SNAPSHOT_WRITE_DURATION = Histogram "snapshot_write_duration_seconds" [label("backend", "redis, embedded")] Seconds
        "One batch of snapshots, as long as it takes to be written.";
    SNAPSHOT_LOADS = Counter "snapshot_loads_total" [label("outcome", "used, absent, stale, unreadable, failed")] Count
        "Sessions that were started, by what their snapshot was good for; but for used the journal was read in full.";
    SNAPSHOTS_DIRTY = Gauge "snapshots_dirty_sessions" [] Count
        "Sessions that have changed since their last snapshot and wait to be written.";
    SNAPSHOTS_LAG = Gauge "snapshots_lag_seconds" [] Seconds
        "For how long the oldest of them has waited.";
    REDIS_UP = Gauge "redis_up" [] Count
        "Whether Redis is connected, 1 or 0; 0 also where none is configured.";
    REDIS_RECONNECTS = Counter "redis_reconnects_total" [] Count
        "Connections to Redis after one that was lost.";
    CLUSTER_NODES = Gauge "cluster_nodes" [] Count
        "Nodes that share the database, as this one sees them; 0 where it is no node.";
    CLUSTER_LEASE_HELD = Gauge "cluster_lease_held" [] Count
        "Whether this node holds its lease, 1 or 0; 0 also where it is no node.";
    CLUSTER_LEASES_LOST = Counter "cluster_leases_lost_total" [] Count
        "Times that this node was declared gone and went on as a new one.";
    BUS_UP = Gauge "bus_up" [] Count
        "Whether the other nodes can be reached over Redis, 1 or 0; 0 also where it is no node.";
    BUS_SENT = Counter "bus_messages_sent_total" [] Count
        "Messages to other nodes.";
    BUS_RECEIVED = Counter "bus_messages_received_total" [] Count
        "Messages from other nodes.";
    BUS_BREAKS = Counter "bus_breaks_total" [] Count
        "Times that all that was under way with another node was given up, because something of it was lost or the node went.";
    SUBSCRIPTIONS_RELAYED = Gauge "subscriptions_relayed" [] Count
        "Clients of other nodes that follow sessions of this one.";
    SESSIONS_TAKEN_OVER = Counter "sessions_taken_over_total" [] Count
        "Sessions with open turns that were taken over from nodes that are gone.";
    TRACE_SPANS_SENT = Counter "trace_spans_sent_total" [] Count
        "Spans of traces that the collector has taken.";
    TRACE_SPANS_DROPPED = Counter "trace_spans_dropped_total" [label("reason", "queue, collector")] Count
        "Spans of traces that were lost: too many waited to be sent, or the collector did not take them.";
    HTTP_REQUESTS = Counter "http_requests_total" [METHOD, ROUTE, label("status", "an HTTP status")] Count
        "HTTP requests that were answered; a WebSocket handshake counts when it is answered.";
    HTTP_REQUEST_DURATION = Histogram "http_request_duration_seconds" [METHOD, ROUTE] Seconds
        "From the head of an HTTP request to the end of its answer; streams are left out.";
    KNOWLEDGE_CHUNKS = Gauge "knowledge_chunks" [label("collection", "name of a collection")] Count
        "Chunks that can be searched.";
    CHUNKS_EMBEDDED = Counter "knowledge_chunks_embedded_total" [label("stage", "first, second")] Count
        "Vectors of chunks that this process has computed: by the static table for the first stage of search, by the transformer for the second.";
    CHUNKS_READ = Counter "knowledge_chunks_read_total" [label("stage", "first, second")] Count
        "Vectors of chunks that this process has read from the database instead: it or another had computed them before.";
    KNOWLEDGE_REVISION = Gauge "knowledge_revision" [] Count
        "Revision of the knowledge base that answers are taken from.";
    BUILD_INFO = Gauge "build_info" [
        label("version", "of the release"), label("commit", "of the sources, or unknown"), label("rustc", "of the build")
    ] Count
        "Always 1: says what runs.";
}

/// Upper bounds of the buckets of every histogram of seconds. Chosen by hand: from a tenth of a millisecond, about what a
/// commit to a good disk takes, to a minute, when every time limit of ours has struck; three to a decade, so that a
/// percentile read from them is off by less than half.
pub(crate) const SECONDS_BUCKETS: &[f64] = &[
    0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
    60.0,
];

/// Upper bounds of the buckets for how long a turn waits for a person: from a second to a day.
pub(crate) const WAIT_BUCKETS: &[f64] = &[
    1.0, 5.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1_800.0, 3_600.0, 14_400.0, 43_200.0, 86_400.0,
];

/// Upper bounds of the buckets for events in one commit.
pub(crate) const BATCH_BUCKETS: &[f64] = &[
    1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1_024.0, 2_048.0,
];

/// What the process collector adds on Linux, under the names that all Prometheus clients use.
#[cfg(test)]
pub(crate) const PROCESS: &[&str] = &[
    "process_cpu_seconds_total",
    "process_max_fds",
    "process_open_fds",
    "process_resident_memory_bytes",
    "process_start_time_seconds",
    "process_threads",
    "process_virtual_memory_bytes",
];
