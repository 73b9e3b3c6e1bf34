//! What people have said of themselves, kept for later sessions.

use serde::{Deserialize, Serialize};

use crate::{
    id::{AgentId, FactId, SessionId, TurnId},
    time::Timestamp,
};

/// Something that a person has said of themselves, which agents are told in that person's later turns, and where it is from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Fact {
    /// Its id.
    pub id: FactId,
    /// What they have said.
    #[schema(example = "I use the Team plan.")]
    pub text: String,
    /// The session in which they said so last; it goes with that.
    pub session_id: SessionId,
    /// The turn.
    pub turn_id: TurnId,
    /// The agent that has kept it.
    pub agent: AgentId,
    /// When they said so last.
    pub said_at: Timestamp,
    /// When it is forgotten, where nobody says it again.
    pub kept_until: Timestamp,
}
