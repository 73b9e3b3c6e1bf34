//! What operators see: metrics for Prometheus, logs, and traces for an OpenTelemetry collector.
//!
//! A leaf: it knows the words of the wire and nothing of actors, stores or the web. Whoever has something to tell calls a
//! typed method; names, labels and buckets stand here and nowhere else.
//!
//! In reading order:
//! - [`names`]: every metric, with kind, unit, labels and meaning;
//! - [`labels`]: label values that are known beforehand;
//! - [`metrics`]: the registry and a method for each thing that happens;
//! - [`registration`]: how a metric is made from its description;
//! - [`agent`]: the same for what belongs to one agent;
//! - [`provider`]: and for what belongs to one language model;
//! - [`budget`]: and for what models may spend;
//! - [`tool`]: and of calls of tools;
//! - [`history`]: what the metrics were a while ago;
//! - [`live`]: a gauge's share that ends with its owner;
//! - [`tracing_setup`]: logs, for people or as JSON;
//! - [`traces`]: the spans of turns, sent to a collector;
//! - [`trace_parent`]: how a trace goes on from one process to the next.

mod agent;
mod budget;
mod cluster;
#[cfg(test)]
mod documents;
mod history;
mod labels;
mod live;
mod metrics;
mod names;
mod provider;
mod registration;
mod tool;
mod trace_parent;
mod traces;
mod tracing_setup;

pub use agent::{AgentMetrics, UsageMetrics};
pub use budget::BudgetMetrics;
pub use history::{AgentFigures, Figures, Gauges, History, Latency, Overview, OverviewPart, Point, Totals};
pub use labels::{
    ActorKind, ApprovalOutcome, CacheReceiptOutcome, CacheShareOutcome, FactOutcome, Mailbox, PersonWaitOutcome,
    ProviderFailure, ProviderOutcome, RefusalReason, SearchStage, SecondStageOutcome, SlowConsumerAction,
    SnapshotBackend, SnapshotLoadOutcome, SnapshotWriteOutcome, SpanDropReason, ToolCallOutcome, Transport,
    TurnOutcome,
};
pub use live::Live;
pub use metrics::{BuildInfo, Metrics};
pub use names::{Label, MetricDescription, MetricKind, Unit};
pub use provider::ProviderMetrics;
pub use trace_parent::{InvalidTraceParent, TraceParent};
pub use traces::{CollectorAddress, CollectorHeaders, TraceSettings, Traces, TracesError};
pub use tracing_setup::{LogFormat, TracingError, TracingSettings, init_tracing};
