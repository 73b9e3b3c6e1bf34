//! What a language model says.

use super::ToolCall;
use crate::budget::BudgetNotice;

/// One thing that a model says.
#[derive(Debug, Clone, PartialEq)]
pub enum ChatEvent {
    /// The next piece of its answer, never empty.
    TextDelta(String),
    /// A call, whole: its arguments may have come in many pieces.
    ToolCall(ToolCall),
    /// What the request has used so far, as the provider reports it; a later one replaces an earlier one.
    Usage(TokenUsage),
    /// Not said by a model: a budget of the turn, of which the request has left little. Comes before the end.
    Warned(BudgetNotice),
    /// The answer is complete.
    Stopped(StopReason),
}

impl ChatEvent {
    /// Whether it is a part of the answer: from the first one on the request cannot be made again unnoticed.
    #[must_use]
    pub fn is_answer(&self) -> bool {
        match self {
            Self::TextDelta(_) | Self::ToolCall(_) => true,
            Self::Usage(_) | Self::Warned(_) | Self::Stopped(_) => false,
        }
    }
}

/// Why a model stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopReason {
    /// It has said what it had to say, or came to a stop word.
    Complete,
    /// The answer reached its bound of tokens, or the model's.
    MaxTokens,
    /// It waits for what the tools say.
    ToolCalls,
    /// The provider, or the model itself, will not say more.
    Refused,
}

/// Tokens, as a provider reports them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TokenUsage {
    /// What the model was sent, `cached_input` included.
    pub input: u64,
    /// The part of `input` that the provider had in a cache.
    pub cached_input: u64,
    /// What it wrote, thoughts included.
    pub output: u64,
}

impl TokenUsage {
    /// All tokens.
    #[must_use]
    pub fn total(self) -> u64 {
        self.input.saturating_add(self.output)
    }

    /// Both together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            input: self.input.saturating_add(other.input),
            cached_input: self.cached_input.saturating_add(other.cached_input),
            output: self.output.saturating_add(other.output),
        }
    }
}
