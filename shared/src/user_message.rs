//! What a user says, with how it wants to be answered.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{
    client_tools::{AnsweredCall, ClientTools},
    content::MessageContent,
    id::AgentId,
    message::MessageRole,
};

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
    /// What the client has of its own tools for this turn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_tools: Option<Arc<ClientTools>>,
    /// What was called for this message before, in turns that have ended with calls of the client's tools; oldest first.
    #[serde(default, skip_serializing_if = "is_empty")]
    pub called: Arc<[ContextMessage]>,
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
            client_tools: None,
            called: Arc::default(),
        }
    }

    /// Whether a client's own tools have to do with it: they may be called, or have been.
    #[must_use]
    pub fn is_of_client_tools(&self) -> bool {
        self.client_tools.is_some() || !self.called.is_empty()
    }
}

/// A message of a conversation that a client keeps by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct ContextMessage {
    /// Who spoke.
    pub role: MessageRole,
    /// What was said; empty where an assistant has only called tools.
    pub content: String,
    /// What the assistant has called with these words, with what came back; left out where that is nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(test, ts(optional, as = "Option<Vec<AnsweredCall>>"))]
    #[schema(required = false)]
    pub calls: Vec<AnsweredCall>,
}

impl ContextMessage {
    /// So many are kept of a conversation, the last ones.
    pub const COUNT_MAX: usize = 16;
    /// And so much of each, in Unicode scalar values.
    pub const CHARACTERS_MAX: usize = 4_000;

    /// Words alone.
    #[must_use]
    pub fn new(role: MessageRole, content: impl Into<String>) -> Self {
        Self {
            role,
            content: content.into(),
            calls: Vec::new(),
        }
    }

    /// Whether nothing was said.
    #[must_use]
    pub fn is_blank(&self) -> bool {
        self.content.trim().is_empty()
    }

    /// The end of a conversation, as much of it as is kept: of a longer message its beginning. What is blank and has called nothing is
    /// left out.
    #[must_use]
    pub fn latest(conversation: impl DoubleEndedIterator<Item = Self>) -> Arc<[Self]> {
        let spoken = conversation.filter(|message| !message.is_blank() || !message.calls.is_empty());
        let mut latest: Vec<Self> = spoken.rev().take(Self::COUNT_MAX).map(Self::shortened).collect();
        latest.reverse();
        latest.into()
    }

    /// The same with no more words than are kept.
    #[must_use]
    pub fn shortened(mut self) -> Self {
        if let Some((end, _)) = self.content.char_indices().nth(Self::CHARACTERS_MAX) {
            self.content.truncate(end);
        }
        self
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
        let said = |content: String| ContextMessage::new(MessageRole::User, content);
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
