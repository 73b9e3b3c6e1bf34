//! What stands before every tool: its schema, its limits, the rule of who has to approve it.

use std::sync::Arc;

use async_trait::async_trait;
use jsonschema::{PatternOptions, Validator};
use orchestratai_agents::{
    language::ToolOffer,
    tool::{ApprovalRule, Effect, Invocation, Tool, ToolError, ToolOutput},
};
use serde_json::Value;
use tokio::{
    sync::Semaphore,
    time::{Instant, timeout, timeout_at},
};

use crate::{
    offered::offered,
    source::{Approvals, Limits},
    text::{beginning, within},
};

/// Bytes of a description that models are shown.
const DESCRIPTION_BYTES_MAX: usize = 2048;
/// Bytes that a schema may have as JSON: models are shown it in every turn.
const SCHEMA_BYTES_MAX: usize = 64 * 1024;
/// What of the arguments is wrong, in words that many.
const PROBLEMS_MAX: usize = 4;
const PROBLEM_BYTES_MAX: usize = 300;
/// Steps back that a pattern of a schema may take for one text. Patterns are a stranger's.
const PATTERN_STEPS_MAX: usize = 100_000;

/// What a tool does once all is checked.
#[async_trait]
pub(crate) trait Operation: Send + Sync {
    /// What has to be so before anything of a call can leave, such as a connection. What ends here has had no effect.
    async fn prepare(&self) -> Result<(), ToolError> {
        Ok(())
    }

    /// Does it. Dropping the future stops it.
    async fn run(&self, call: &Invocation<'_>) -> Result<ToolOutput, ToolError>;
}

/// What the tools of one source share.
pub(crate) struct Gate {
    limits: Limits,
    room: Semaphore,
    approvals: Approvals,
}

impl Gate {
    pub(crate) fn new(limits: Limits, approvals: Approvals) -> Self {
        Self {
            limits,
            room: Semaphore::new(limits.concurrency.max(1)),
            approvals,
        }
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }
}

/// Why there is no tool.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unfit {
    #[error("the schema of its arguments is no object")]
    NoObject,
    #[error("the schema of its arguments has {0} bytes, and {SCHEMA_BYTES_MAX} are allowed")]
    Large(usize),
    #[error("the schema of its arguments cannot be used")]
    Schema(String),
}

impl Unfit {
    /// What exactly is wrong, in words of the schema: a stranger's, where the schema is.
    pub(crate) fn detail(&self) -> Option<&str> {
        match self {
            Self::Schema(detail) => Some(detail),
            Self::NoObject | Self::Large(_) => None,
        }
    }
}

/// A tool with all that stands before it.
pub(crate) struct Guarded<O> {
    offer: ToolOffer,
    effect: Effect,
    approval: Option<ApprovalRule>,
    schema: Validator,
    gate: Arc<Gate>,
    operation: O,
}

impl<O: Operation> Guarded<O> {
    /// Puts the gate before an operation. `offer` is as the source has it; its description is cut where it is long. Arguments are checked by
    /// its schema, and models are offered it as all of them take it.
    ///
    /// # Errors
    /// [`Unfit`] where its arguments could not be checked.
    pub(crate) fn new(mut offer: ToolOffer, effect: Effect, gate: &Arc<Gate>, operation: O) -> Result<Self, Unfit> {
        if !offer.parameters.is_object() {
            return Err(Unfit::NoObject);
        }
        let bytes = offer.parameters.to_string().len();
        if bytes > SCHEMA_BYTES_MAX {
            return Err(Unfit::Large(bytes));
        }
        offer.description = within(offer.description, DESCRIPTION_BYTES_MAX);
        // References to elsewhere are refused here: nothing fetches them.
        let schema = jsonschema::options()
            .with_pattern_options(PatternOptions::fancy_regex().backtrack_limit(PATTERN_STEPS_MAX))
            .build(&offer.parameters)
            .map_err(|error| Unfit::Schema(beginning(&error.to_string(), PROBLEM_BYTES_MAX).to_owned()))?;
        offer.parameters = offered(&offer.parameters).ok_or(Unfit::NoObject)?;
        let bytes = offer.parameters.to_string().len();
        if bytes > SCHEMA_BYTES_MAX {
            return Err(Unfit::Large(bytes));
        }
        Ok(Self {
            approval: gate.approvals.rule(&offer.name),
            offer,
            effect,
            schema,
            gate: Arc::clone(gate),
            operation,
        })
    }
}

#[async_trait]
impl<O: Operation> Tool for Guarded<O> {
    fn offer(&self) -> &ToolOffer {
        &self.offer
    }

    fn effect(&self) -> Effect {
        self.effect
    }

    fn approval(&self) -> Option<&ApprovalRule> {
        self.approval.as_ref()
    }

    fn check(&self, arguments: &Value) -> Result<(), ToolError> {
        if !arguments.is_object() {
            return Err(ToolError::Arguments("they are no JSON object".into()));
        }
        let problems: Vec<String> = (self.schema.iter_errors(arguments).take(PROBLEMS_MAX))
            .map(|error| {
                let place = error.instance_path().to_string();
                let place = if place.is_empty() { "/" } else { &place };
                let told = format!("at {place}: {error}");
                beginning(&told, PROBLEM_BYTES_MAX).to_owned()
            })
            .collect();
        if problems.is_empty() {
            return Ok(());
        }
        Err(ToolError::Arguments(problems.join("; ")))
    }

    async fn call(&self, call: &Invocation<'_>) -> Result<ToolOutput, ToolError> {
        // Whoever calls has checked; a call that was recorded by another version may not fit the schema any more.
        self.check(call.arguments)?;
        let limits = self.gate.limits();
        let until = Instant::now() + limits.call;
        let room = timeout(limits.call, self.gate.room.acquire())
            .await
            .map_err(|_elapsed| {
                ToolError::NotMade(format!(
                    "{} other calls are under way and none ended",
                    limits.concurrency
                ))
            })?
            .map_err(|_closed| ToolError::NotMade("it takes no more calls".into()))?;
        timeout_at(until, self.operation.prepare()).await.map_err(|_elapsed| {
            let seconds = limits.call.as_secs_f32();
            ToolError::NotMade(format!("it could not be made within {seconds} s"))
        })??;
        let outcome = timeout_at(until, self.operation.run(call))
            .await
            .map_err(|_elapsed| ToolError::TimedOut(limits.call))?;
        drop(room);
        let bytes_max = limits.result_bytes_max;
        match outcome {
            Ok(output) => Ok(ToolOutput {
                content: within(output.content, bytes_max),
                structured: output
                    .structured
                    .filter(|structured| structured.to_string().len() <= bytes_max),
            }),
            Err(ToolError::Failed(what)) => Err(ToolError::Failed(within(what, bytes_max))),
            Err(
                error @ (ToolError::Arguments(_)
                | ToolError::NotMade(_)
                | ToolError::InDoubt(_)
                | ToolError::TimedOut(_)),
            ) => Err(error),
        }
    }
}
