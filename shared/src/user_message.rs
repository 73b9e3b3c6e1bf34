//! What a user says, with how it wants to be answered.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{content::MessageContent, id::AgentId, message::MessageRole};

/// A user's message on its way to an agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UserMessage {
    /// What is said.
    pub content: MessageContent,
    /// Passes by the semantic cache.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub fresh: bool,
    /// The agent that it is meant for; without one routing decides, as it does where the orchestrator is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub addressee: Option<AgentId>,
    /// What was said before it, elsewhere than in its session; oldest first.
    #[serde(default, skip_serializing_if = "is_empty")]
    pub context: Arc<[ContextMessage]>,
}

impl UserMessage {
    /// A message for whom it concerns, with nothing before it.
    #[must_use]
    pub fn new(content: MessageContent) -> Self {
        Self {
            content,
            fresh: false,
            addressee: None,
            context: Arc::default(),
        }
    }
}

/// A message of a conversation that a client keeps by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct ContextMessage {
    /// Who spoke.
    pub role: MessageRole,
    /// What was said.
    pub content: String,
}

impl ContextMessage {
    /// So many are kept of a conversation, the last ones.
    pub const COUNT_MAX: usize = 16;
    /// And so much of each, in Unicode scalar values.
    pub const CHARACTERS_MAX: usize = 4_000;

    /// The end of a conversation, as much of it as is kept: of a longer message its beginning. What is blank is left out.
    #[must_use]
    pub fn latest(conversation: impl DoubleEndedIterator<Item = Self>) -> Arc<[Self]> {
        let spoken = conversation.filter(|message| !message.content.trim().is_empty());
        let mut latest: Vec<Self> = spoken.rev().take(Self::COUNT_MAX).collect();
        latest.reverse();
        for message in &mut latest {
            if let Some((end, _)) = message.content.char_indices().nth(Self::CHARACTERS_MAX) {
                message.content.truncate(end);
            }
        }
        latest.into()
    }
}

/// Whether nothing was said before.
pub(crate) fn is_empty(context: &Arc<[ContextMessage]>) -> bool {
    context.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_long_conversation_the_end_is_kept_and_of_a_long_message_the_beginning() {
        let said = |content: String| ContextMessage {
            role: MessageRole::User,
            content,
        };
        let long = "é".repeat(ContextMessage::CHARACTERS_MAX + 1);
        let conversation = (0..30)
            .map(|n| said(format!("{n}")))
            .chain([said(" \n".into()), said(long)]);
        let kept = ContextMessage::latest(conversation.collect::<Vec<_>>().into_iter());
        assert_eq!(kept.len(), ContextMessage::COUNT_MAX);
        assert_eq!(kept[0].content, "15");
        assert_eq!(kept[14].content, "29");
        assert_eq!(kept[15].content.chars().count(), ContextMessage::CHARACTERS_MAX);
    }
}
