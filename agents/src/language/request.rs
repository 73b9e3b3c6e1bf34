//! What a language model is asked.

use std::{borrow::Cow, sync::Arc};

use orchestratai_shared::{AgentId, SessionId, TurnId, command::Decision};
use serde_json::{Value, json};

/// A conversation that a model is to go on with.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ChatRequest {
    /// What was said so far, oldest first. Instructions may stand anywhere; providers that know only one place for them get
    /// them there, joined.
    pub messages: Vec<ChatMessage>,
    /// What the model may call.
    pub tools: Vec<ToolOffer>,
    /// Whether it has to call one of them; not every provider can be told.
    pub must_call: bool,
    /// Whether it may call no more than one at once; not every provider can be told.
    pub calls_one_at_once: bool,
    /// What its answer must look like.
    pub format: ResponseFormat,
    /// Tokens that the answer may have; the provider's own limit where there is none.
    pub max_tokens: Option<u32>,
    /// Tokens of all this and the answer together, for servers that have to be told how much a model is to take at once.
    pub context_tokens: Option<u32>,
    /// How freely it chooses its words, 0 to 2; the provider's own where there is none.
    pub temperature: Option<f32>,
    /// Where one of these appears, the answer ends before it.
    pub stop: Vec<String>,
    /// For whom it is asked; nobody where it is asked for no turn.
    pub spender: Option<Spender>,
}

/// For whom a model is asked, and so who pays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spender {
    /// The organization.
    pub organization: Arc<str>,
    /// The user, where one is known.
    pub user: Option<Arc<str>>,
    /// The agent that asks.
    pub agent: AgentId,
    /// The session.
    pub session_id: SessionId,
    /// The turn.
    pub turn_id: TurnId,
    /// Whether the turn can wait for a person's decision.
    pub can_wait: bool,
    /// What was decided in this turn on budgets that it may go beyond, by their names.
    pub decided: Vec<(Arc<str>, Decision)>,
}

impl Spender {
    /// What was decided on going beyond a budget.
    #[must_use]
    pub fn decision(&self, budget: &str) -> Option<Decision> {
        let of = (self.decided.iter()).find(|(name, _)| **name == *budget);
        of.map(|(_, decision)| *decision)
    }
}

/// One message of a conversation.
#[derive(Debug, Clone, PartialEq)]
pub enum ChatMessage {
    /// What the model is to keep to.
    Instruction(String),
    /// What a person says.
    User(String),
    /// What the model has said before.
    Assistant {
        /// Its words; empty where it only called tools.
        text: String,
        /// What it called.
        calls: Vec<ToolCall>,
    },
    /// What a tool has answered.
    ToolResult {
        /// The call that it answers.
        call_id: String,
        /// The tool.
        tool: String,
        /// What it says.
        content: String,
        /// Whether it failed.
        is_error: bool,
    },
}

/// A tool that a model may call.
#[derive(Debug, Clone, PartialEq)]
pub struct ToolOffer {
    /// Its name: letters, digits, `_` and `-`, 64 at most, as every provider takes them.
    pub name: String,
    /// What it is good for.
    pub description: String,
    /// The JSON Schema of its arguments; an object.
    pub parameters: Value,
}

/// A call that a model makes.
#[derive(Debug, Clone, PartialEq)]
pub struct ToolCall {
    /// Names this call; empty where the provider gives no name, until the turn gives it one.
    pub id: String,
    /// The tool.
    pub name: String,
    /// An object; the model may have made up what stands in it. Where it has written something else, a text: that, as it was written.
    pub arguments: Value,
    /// What the provider wants to see again with the call, unread; Gemini's thought signature.
    pub signature: Option<String>,
}

impl ToolCall {
    /// Where it stands as an object what a model has written in place of one.
    pub const UNREADABLE: &str = "unreadable";

    /// The arguments as a provider is told of them: in any case an object. None takes anything else for a call, and servers that speak
    /// OpenAI's protocol read the text of arguments too, and refuse the whole request for one that they cannot read.
    #[must_use]
    pub fn as_object(&self) -> Cow<'_, Value> {
        match &self.arguments {
            Value::Object(_) => Cow::Borrowed(&self.arguments),
            written @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_)) => {
                Cow::Owned(json!({ Self::UNREADABLE: written }))
            }
        }
    }
}

/// What an answer must look like.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum ResponseFormat {
    /// Words.
    #[default]
    Text,
    /// JSON by a schema.
    Json {
        /// What it is called: letters, digits, `_` and `-`.
        name: String,
        /// The JSON Schema; an object.
        schema: Value,
    },
}
