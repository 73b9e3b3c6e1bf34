//! Messages of a transcript.

use serde::{Deserialize, Serialize};

use crate::{
    content::Confidence,
    id::{AgentId, MessageId, SessionId},
    time::Timestamp,
};

/// Who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum MessageRole {
    /// A person.
    User,
    /// An agent.
    Assistant,
}

/// One message of a transcript.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct Message {
    /// Its id.
    pub id: MessageId,
    /// Who speaks.
    pub role: MessageRole,
    /// What is said.
    pub content: String,
    /// Which agent speaks; left out for a user's message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub agent: Option<AgentId>,
    /// How sure the answer is; left out for a user's message and for an answer that was cut short.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub confidence: Option<Confidence>,
    /// When it was said.
    pub timestamp: Timestamp,
    /// The session it belongs to.
    pub session_id: SessionId,
}

/// Why an answer is not whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum Incomplete {
    /// It has as many tokens or characters as it may have.
    MaxTokens,
    /// Its model, or the model's provider, broke it off for what it says.
    Refused,
}

/// Says which retrieved chunk an `[n]` in an answer stands for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct Citation {
    /// The `n` of `[n]`, from 1.
    pub index: u32,
    /// The chunk's rank in the turn's `vector_search` result, from 0.
    pub chunk_id: u32,
    /// The document's path relative to the ingested folder.
    pub source: String,
}
