//! Agents as people see them.

use serde::{Deserialize, Serialize};

use crate::{
    content::Confidence,
    error::Failure,
    id::{AgentId, SessionId, TurnId},
    retrieval::RetrievalStrategy,
    session::CacheStatus,
    time::Timestamp,
};

/// What an agent is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum AgentStatus {
    /// Waits for a turn.
    Idle,
    /// Decides who answers; only the orchestrator does.
    Routing,
    /// Works on a turn.
    Active,
    /// Has done its part of the turn.
    Complete,
}

/// The colour that stands for an agent in every user interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum AgentColor {
    /// Cyan.
    Cyan,
    /// Green.
    Green,
    /// Blue.
    Blue,
    /// Purple.
    Purple,
}

/// An agent, with its status and its counters since the start of the process.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct Agent {
    /// Its id.
    pub id: AgentId,
    /// Its name for people.
    pub name: String,
    /// What it is doing.
    pub status: AgentStatus,
    /// The model that answers, such as `embedded-extractive`.
    pub model: String,
    /// How it retrieves; left out where it answers without retrieval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub strategy: Option<RetrievalStrategy>,
    /// Its colour.
    pub color: AgentColor,
    /// Tokens that its providers have reported.
    #[cfg_attr(test, ts(type = "number"))]
    pub tokens_used: u64,
    /// What these tokens cost, in USD.
    pub cost: f64,
    /// Whether its last answer came from the semantic cache; left out before its first answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub cached: Option<bool>,
}

/// A turn that an agent has had, as its history shows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AgentTurn {
    /// The turn.
    pub turn_id: TurnId,
    /// Its session.
    pub session_id: SessionId,
    /// What the user said.
    pub question: String,
    /// How it ended.
    pub outcome: TurnOutcome,
    /// How sure the answer was; left out where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confidence: Option<Confidence>,
    /// From acceptance to the end, in milliseconds.
    pub latency_ms: u64,
    /// Tokens that providers have reported for it.
    pub tokens_used: u64,
    /// What they cost, in USD; left out where that is not known of it alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<f64>,
    /// Whether the semantic cache answered; left out where there is no answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_status: Option<CacheStatus>,
    /// When the message was accepted.
    pub started_at: Timestamp,
    /// Why it failed, where it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Failure>,
}

/// How a turn ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TurnOutcome {
    /// With an answer.
    Completed,
    /// Without one.
    Failed,
    /// It was stopped.
    Cancelled,
}
