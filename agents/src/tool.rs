//! Tools: what an agent can do beside answering, wherever it is done.
//!
//! A model names a tool and makes up its arguments; nothing of that is to be trusted, and neither is what comes back. What stands before
//! a tool (its schema, its limits of time and size) is the business of whoever makes it; what stands around a call (that it is recorded
//! before it is made, that a person may have to approve it, that it is not made twice) is the business of the turn.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use orchestratai_shared::{SessionId, TurnId};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::{knowledge::hex, language::ToolOffer};

/// Bytes of a digest that an idempotency key has; some APIs take no more than 45 characters.
const KEY_BYTES: usize = 16;

/// Something that an agent can do.
#[async_trait]
pub trait Tool: Send + Sync {
    /// How models are offered it. Its name is the tool's everywhere.
    fn offer(&self) -> &ToolOffer;

    /// What a call may leave behind.
    fn effect(&self) -> Effect;

    /// Whether a person has to approve each call, and within what time.
    fn approval(&self) -> Option<&ApprovalRule>;

    /// Whether these arguments are those of its schema.
    ///
    /// # Errors
    /// [`ToolError::Arguments`] that says what is wrong, in words that the model can correct itself by.
    fn check(&self, arguments: &Value) -> Result<(), ToolError>;

    /// Does it. Dropping the future stops it and closes what it has open. It ends by itself within the tool's time limit.
    ///
    /// # Errors
    /// [`ToolError`], which the model is told of.
    async fn call(&self, call: &Invocation<'_>) -> Result<ToolOutput, ToolError>;
}

/// Where tools come from: a server that has several, or the binary itself.
#[async_trait]
pub trait ToolSource: Send + Sync {
    /// Its name in the configuration. The names of its tools begin with it and `_`.
    fn name(&self) -> &str;

    /// What it has now. Where that is known it is not asked for again; a source that was away is tried again.
    ///
    /// # Errors
    /// [`ToolError::NotMade`] where it cannot be asked.
    async fn tools(&self) -> Result<Vec<Arc<dyn Tool>>, ToolError>;
}

/// What a call may leave behind, which decides whether it may be made again where nobody knows how the first one ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Nothing: it only reads.
    None,
    /// Something, but the same call with the same idempotency key leaves it once.
    Idempotent,
    /// Something, each time.
    Every,
}

/// That a person has to approve a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApprovalRule {
    /// Why, for people.
    pub reason: String,
    /// How long a decision may take.
    pub within: Duration,
    /// What is decided where nobody did in time.
    pub otherwise_approved: bool,
}

/// One call.
#[derive(Debug, Clone, Copy)]
pub struct Invocation<'a> {
    /// Names the call in its turn, those of other agents of the turn included; the same where it is made again.
    pub call_id: &'a str,
    /// An object that [`Tool::check`] has found valid.
    pub arguments: &'a Value,
    /// For whose session.
    pub session_id: SessionId,
    /// In which turn.
    pub turn_id: TurnId,
    /// For which organization.
    pub organization: &'a str,
}

impl Invocation<'_> {
    /// Names the call among all calls of all turns, and is the same where it is made again: 32 hexadecimal digits. Providers that count
    /// their calls anew in each answer give one name to calls of many turns, so that [`Self::call_id`] alone would have an API give one
    /// user what it has told another.
    #[must_use]
    pub fn idempotency_key(&self) -> String {
        let digest = Sha256::digest(format!("{}\n{}", self.turn_id, self.call_id));
        hex(&digest[..KEY_BYTES])
    }
}

/// What a call gave back.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ToolOutput {
    /// Text for the model, within the tool's size limit. It is untrusted.
    pub content: String,
    /// The same as data, where the tool gives that.
    pub structured: Option<Value>,
}

/// Why a call has no result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ToolError {
    /// Its arguments are not valid.
    #[error("the arguments are not valid: {0}")]
    Arguments(String),
    /// The tool says so itself.
    #[error("{0}")]
    Failed(String),
    /// Whoever has it was not reached, or has refused before anything was done: the call was certainly not made, and may be made again.
    /// Nothing of addresses or secrets is in it.
    #[error("{0}")]
    NotMade(String),
    /// The call has left, and what it came to is not known: it may have had its effect. It is not made again without its idempotency key.
    /// Nothing of addresses or secrets is in it.
    #[error("{0}")]
    InDoubt(String),
    /// It took too long, and has left: it may have had its effect.
    #[error("it took longer than {} s", .0.as_secs_f32())]
    TimedOut(Duration),
}
