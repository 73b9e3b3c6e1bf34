//! How the server has been doing lately, from its own metrics.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use actix_web::{
    HttpRequest, HttpResponse,
    web::{Data, ServiceConfig},
};
use orchestratai_actors::NodeOverview;
use orchestratai_shared::{Agent, AgentId, AgentStatus, Invalid as InvalidField, Timestamp};
use orchestratai_telemetry as telemetry;
use serde::Serialize;
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::{get, resource};
use crate::{error::ApiError, fields::Fields, openapi::Invalid, site::Site};

pub(crate) fn configure(routes: &mut ServiceConfig) {
    routes.service(resource("/api/overview", "GET, HEAD").route(get().to(overview)));
}

/// How far back to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ToSchema, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct OverviewQuery {
    /// How far back to look.
    window: Option<Window>,
}

/// A stretch of time up to now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, ToSchema)]
pub(crate) enum Window {
    #[serde(rename = "15m")]
    QuarterHour,
    #[serde(rename = "1h")]
    #[default]
    Hour,
    #[serde(rename = "6h")]
    SixHours,
    #[serde(rename = "24h")]
    Day,
}

impl Window {
    fn parse(value: Value) -> Result<Self, InvalidField> {
        match value.as_str() {
            Some("15m") => Ok(Self::QuarterHour),
            Some("1h") => Ok(Self::Hour),
            Some("6h") => Ok(Self::SixHours),
            Some("24h") => Ok(Self::Day),
            Some(_) | None => Err(InvalidField::new("must be 15m, 1h, 6h or 24h")),
        }
    }

    fn duration(self) -> Duration {
        Duration::from_secs(match self {
            Self::QuarterHour => 15 * 60,
            Self::Hour => 3_600,
            Self::SixHours => 6 * 3_600,
            Self::Day => 24 * 3_600,
        })
    }
}

/// How the server has been doing; of several nodes all together. What is not known is left out.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Overview {
    /// When this was measured.
    at: Timestamp,
    /// Which node was asked, where several share the database.
    #[serde(skip_serializing_if = "Option::is_none")]
    node: Option<String>,
    /// Each node by itself, where several share the database. All other figures are of those together that have answered; rates add up,
    /// and percentiles are of all turns.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    nodes: Vec<NodePart>,
    /// How far back it looks.
    window: Window,
    /// How long each point of `series` is, in seconds. Shorter for a server alone that has not run for the whole window.
    #[schema(minimum = 5)]
    step_seconds: u64,
    /// The last minute, or the time since the start where that is less.
    now: Now,
    /// The stretches of time of the window, the oldest first. Times at which nobody measured are left out.
    series: Vec<Point>,
    /// Each agent, over the window.
    agents: Vec<AgentOverview>,
    /// All since the start of the server; of several since each one's own.
    totals: Totals,
}

/// One node of several.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NodePart {
    /// Which.
    node: String,
    /// Whether its figures are among those of all.
    state: NodeState,
    /// Its last minute, where it has answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    now: Option<Now>,
    /// All since its start, where it has answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    totals: Option<Totals>,
}

/// Whether a node has told what it has counted.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum NodeState {
    /// It has.
    Answered,
    /// It has not: it cannot be reached, is too busy, or is of another version.
    Silent,
}

/// The last minute, and what there is just now.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Now {
    /// How many seconds the rates and percentiles are taken over.
    over_seconds: f64,
    /// Turns that are accepted and have not ended.
    turns_in_flight: u64,
    /// The figures.
    #[serde(flatten)]
    figures: Figures,
}

/// A stretch of time.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Point {
    /// Its end.
    at: Timestamp,
    /// The figures.
    #[serde(flatten)]
    figures: Figures,
}

/// Rates and percentiles over a stretch of time, and gauges at its end.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Figures {
    /// Turns that ended, each second.
    #[serde(skip_serializing_if = "Option::is_none")]
    turns_per_second: Option<f64>,
    /// Turns that failed, each second.
    #[serde(skip_serializing_if = "Option::is_none")]
    errors_per_second: Option<f64>,
    /// From the receipt of a message to the end of its turn, in milliseconds: the median. Left out where no turn ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    latency_p50_ms: Option<f64>,
    /// The same, for 95 of 100 turns no longer.
    #[serde(skip_serializing_if = "Option::is_none")]
    latency_p95_ms: Option<f64>,
    /// The same, for 99 of 100 turns no longer.
    #[serde(skip_serializing_if = "Option::is_none")]
    latency_p99_ms: Option<f64>,
    /// From the receipt of a message to its first event, for 95 of 100 no longer, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    first_event_p95_ms: Option<f64>,
    /// Tokens that model providers reported, each second.
    #[serde(skip_serializing_if = "Option::is_none")]
    tokens_per_second: Option<f64>,
    /// What these tokens cost, in USD for each hour.
    #[serde(skip_serializing_if = "Option::is_none")]
    cost_per_hour: Option<f64>,
    /// Of the look-ups in the semantic cache those that hit. Left out where there was none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, maximum = 1)]
    cache_hit_rate: Option<f64>,
    /// Sessions in memory.
    sessions: u64,
    /// Clients that follow a session.
    connections: u64,
}

/// One agent over the window.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AgentOverview {
    /// Which.
    id: AgentId,
    /// What it is doing now.
    status: AgentStatus,
    /// Turns that ended with it.
    turns: u64,
    /// Those of them that failed.
    errors: u64,
    /// How long its turns took, in milliseconds: the median. Left out where none ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    latency_p50_ms: Option<f64>,
    /// The same, for 95 of 100 no longer.
    #[serde(skip_serializing_if = "Option::is_none")]
    latency_p95_ms: Option<f64>,
    /// Tokens that its providers reported.
    #[serde(skip_serializing_if = "Option::is_none")]
    tokens: Option<u64>,
    /// What these cost, in USD.
    #[serde(skip_serializing_if = "Option::is_none")]
    cost: Option<f64>,
    /// Of its look-ups in the semantic cache those that hit.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, maximum = 1)]
    cache_hit_rate: Option<f64>,
}

/// All since the start of the server.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Totals {
    /// Turns that ended.
    turns: u64,
    /// Turns that failed.
    errors: u64,
    /// Tokens that model providers reported.
    #[serde(skip_serializing_if = "Option::is_none")]
    tokens: Option<u64>,
    /// What they cost, in USD.
    #[serde(skip_serializing_if = "Option::is_none")]
    cost: Option<f64>,
    /// When the server started; of several the first.
    since: Timestamp,
}

/// How the server has been doing; of several nodes all together, and each by itself.
///
/// Measured in the server itself: its metrics are read every five seconds and kept for an hour, by the minute for a day, in memory alone.
/// For more than that there is `/metrics`. Nodes ask each other; one that does not answer within three seconds is named, and left out.
#[utoipa::path(
    get, path = "/api/overview", operation_id = "overview", tag = "health",
    params(OverviewQuery),
    responses((status = 200, description = "How it has been doing.", body = Overview), Invalid)
)]
pub(crate) async fn overview(site: Data<Site>, request: HttpRequest) -> Result<HttpResponse, ApiError> {
    let mut fields = Fields::of_query(request.query_string(), &["window"]);
    let window = fields.optional("window", Window::parse).unwrap_or_default();
    fields.finish(Some(()))?;
    let fleet = site.gateway.overview(window.duration()).await;
    let overview = &fleet.all;
    Ok(HttpResponse::Ok().json(Overview {
        at: timestamp(overview.at),
        node: site.gateway.node().map(|node| node.to_string()),
        nodes: fleet.nodes.iter().map(node_part).collect(),
        window,
        step_seconds: overview.step.as_secs(),
        now: now(overview),
        series: overview
            .series
            .iter()
            .map(|point| Point {
                at: timestamp(point.at),
                figures: figures(&point.figures, point.gauges),
            })
            .collect(),
        agents: agents(site.gateway.agents(), &overview.agents),
        totals: totals(overview),
    }))
}

fn node_part(of: &NodeOverview) -> NodePart {
    NodePart {
        node: of.node.to_string(),
        state: match of.overview {
            Some(_) => NodeState::Answered,
            None => NodeState::Silent,
        },
        now: of.overview.as_ref().map(now),
        totals: of.overview.as_ref().map(totals),
    }
}

fn now(overview: &telemetry::Overview) -> Now {
    Now {
        over_seconds: overview.now.over.as_secs_f64(),
        turns_in_flight: overview.gauges.turns_in_flight,
        figures: figures(&overview.now, overview.gauges),
    }
}

fn totals(overview: &telemetry::Overview) -> Totals {
    Totals {
        turns: overview.totals.turns,
        errors: overview.totals.errors,
        tokens: overview.totals.tokens,
        cost: overview.totals.cost,
        since: timestamp(overview.since),
    }
}

fn figures(figures: &telemetry::Figures, gauges: telemetry::Gauges) -> Figures {
    let latency = figures.latency;
    Figures {
        turns_per_second: figures.turns_per_second,
        errors_per_second: figures.errors_per_second,
        latency_p50_ms: latency.map(|latency| millis(latency.p50)),
        latency_p95_ms: latency.map(|latency| millis(latency.p95)),
        latency_p99_ms: latency.map(|latency| millis(latency.p99)),
        first_event_p95_ms: figures.first_event_p95.map(millis),
        tokens_per_second: figures.tokens_per_second,
        cost_per_hour: figures.cost_per_hour,
        cache_hit_rate: figures.cache_hit_rate,
        sessions: gauges.sessions,
        connections: gauges.connections,
    }
}

/// Every agent that there is, with what it did; what nobody had is in no agent's figures.
fn agents(agents: Vec<Agent>, figures: &[telemetry::AgentFigures]) -> Vec<AgentOverview> {
    let overview = |agent: Agent| {
        let found = figures.iter().find(|figures| *figures.id == *agent.id.as_str());
        let latency = found.and_then(|figures| figures.latency);
        AgentOverview {
            status: agent.status,
            turns: found.map_or(0, |figures| figures.turns),
            errors: found.map_or(0, |figures| figures.errors),
            latency_p50_ms: latency.map(|latency| millis(latency.p50)),
            latency_p95_ms: latency.map(|latency| millis(latency.p95)),
            tokens: found.and_then(|figures| figures.tokens),
            cost: found.and_then(|figures| figures.cost),
            cache_hit_rate: found.and_then(|figures| figures.cache_hit_rate),
            id: agent.id,
        }
    };
    agents.into_iter().map(overview).collect()
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

fn timestamp(at: SystemTime) -> Timestamp {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
