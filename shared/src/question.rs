//! Questions that found nothing: what the knowledge base lacks, for whoever keeps it.

use serde::{Deserialize, Serialize};

use crate::{
    content::Confidence,
    id::{AgentId, SessionId, TurnId},
    time::Timestamp,
};

/// A question whose answer said that the knowledge base has none.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct UnansweredQuestion {
    /// Names it; the same as its turn.
    pub id: TurnId,
    /// What the user said.
    pub question: String,
    /// The session.
    pub session_id: SessionId,
    /// The turn.
    pub turn_id: TurnId,
    /// Who had no answer.
    pub agent: AgentId,
    /// When it was asked.
    pub asked_at: Timestamp,
    /// How sure the answer was: below 0.5.
    pub confidence: Confidence,
    /// Whether something is still to be done about it.
    pub state: QuestionState,
    /// What somebody has noted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// Whether something is still to be done about a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum QuestionState {
    /// There is.
    Open,
    /// There is not: the knowledge base has an answer now, or should have none.
    Done,
}

impl QuestionState {
    /// As it is spelt on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Done => "done",
        }
    }
}
