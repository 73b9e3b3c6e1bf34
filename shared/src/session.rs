//! Sessions and what they cost.

use serde::{Deserialize, Serialize};

use crate::{id::SessionId, time::Timestamp};

/// A session with its totals.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct ChatSession {
    /// Its id.
    pub id: SessionId,
    /// Whose it is; left out where nobody is signed in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub user_id: Option<String>,
    /// When it began.
    pub start_time: Timestamp,
    /// When it was last used.
    pub last_activity: Timestamp,
    /// Tokens that providers have reported for it.
    #[cfg_attr(test, ts(type = "number"))]
    pub total_tokens: u64,
    /// What these tokens cost, in USD.
    pub total_cost: f64,
    /// Messages in its transcript, the user's and the agents'.
    #[cfg_attr(test, ts(type = "number"))]
    pub message_count: u64,
}

/// Whether the semantic cache answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum CacheStatus {
    /// It did.
    Hit,
    /// It was asked and had nothing.
    Miss,
    /// It was not asked.
    None,
}

/// What one answer took.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct ChatMetrics {
    /// Tokens that the provider reported; 0 for the embedded model.
    #[cfg_attr(test, ts(type = "number"))]
    pub tokens_used: u64,
    /// What they cost, in USD.
    pub cost: f64,
    /// From acceptance to the end of the answer, in milliseconds.
    pub latency: f64,
    /// Whether the semantic cache answered.
    #[serde(rename = "cache_status")]
    pub cache_status: CacheStatus,
}
