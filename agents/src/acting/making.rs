//! How a call is made: by whom, and what comes of it.

use std::{sync::Arc, time::Instant};

use orchestratai_shared::{
    event::{ToolCall as CallEvent, ToolCallStatus},
    levels::is_within_levels,
};
use serde_json::Value;
use tokio::sync::mpsc;

use super::{
    Acting,
    colleague::{Asking, Colleague, Unanswered},
    doer::Doer,
    escalation,
    record::{CallResult, Entry, Station},
    remembering::Noted,
    search::{self, KnowledgeSearch},
    sources::Found,
};
use crate::{
    budget,
    knowledge::FoundChunk,
    language::{Spender, ToolCall},
    tool::{Effect, Invocation, Tool, ToolError},
    turn::{Payer, Step, UsageMeter},
};

/// So many sources an agent is given for its question, most often. What calls find is numbered behind that.
pub(crate) const GIVEN_MAX: usize = 5;

/// A call that is to be made.
pub(crate) struct Call {
    doer: Doer,
    entry: Entry,
}

/// What calls are made with.
#[derive(Clone)]
pub(crate) struct Surroundings<'a> {
    /// The sources that the model has from the start.
    pub(crate) given: &'a [FoundChunk],
    pub(crate) meter: &'a UsageMeter,
    /// Takes what a call does while it is made, for people to see.
    pub(crate) steps: mpsc::Sender<Step>,
}

/// A call that was made.
pub(crate) struct Made {
    /// What it has done, for people to see.
    pub(crate) steps: Vec<Step>,
    /// What is to be recorded of it, behind these; none where it waits for a person, and is made again then.
    pub(crate) event: Option<CallEvent>,
}

/// What doing a thing has come to.
struct Done {
    steps: Vec<Step>,
    result: CallResult,
    /// The same as data.
    data: Value,
}

impl Call {
    /// The call of an entry, which is under way from here on.
    pub(super) fn of(entry: &mut Entry, doer: Doer) -> Self {
        entry.station = Station::UnderWay;
        Self {
            doer,
            entry: entry.clone(),
        }
    }
}

impl Acting {
    /// Makes a call.
    pub(crate) async fn make_call(&self, call: Call, around: Surroundings<'_>) -> Made {
        let begun = Instant::now();
        let Call { doer, entry } = call;
        let effect = doer.effect();
        let outcome = match &doer {
            Doer::Tool(tool) => {
                // Whoever stops the turn is told when this was left, as of a request to a provider.
                let _open = around.meter.open_upstream();
                self.call_tool(tool.as_ref(), &entry.call).await
            }
            Doer::Search(search) => self.search(search, &entry.call.arguments, &around).await,
            Doer::Remember(remembering) => {
                let noted = remembering.remember(&entry.call.arguments, &self.agent).await;
                noted.map(|noted| self.noted(noted))
            }
            Doer::Forget(remembering) => {
                let noted = remembering.forget(&entry.call.arguments).await;
                noted.map(|noted| self.noted(noted))
            }
            Doer::Colleague(colleague) => match self.ask(colleague, &entry.call, &around).await {
                Ok(done) => Ok(done),
                Err(Unanswered::Failed(error)) => Err(error),
                Err(Unanswered::Waits(wanted)) => {
                    self.note(&entry.call.id, |entry| {
                        entry.station = Station::Waiting;
                        entry.asks = wanted;
                    });
                    return Made {
                        steps: Vec::new(),
                        event: None,
                    };
                }
            },
            Doer::Escalation(_) => Ok(Done {
                steps: Vec::new(),
                result: CallResult::asked_for(),
                data: escalation::ASKED.into(),
            }),
        };
        let Done { steps, result, data } = outcome.unwrap_or_else(|error| {
            let result = CallResult::failed(words(&error, effect));
            Done {
                steps: Vec::new(),
                data: Value::String(result.content.clone()),
                result,
            }
        });
        let status = if result.is_error {
            ToolCallStatus::Failed
        } else {
            ToolCallStatus::Succeeded
        };
        self.note(&entry.call.id, |entry| entry.result = Some(result));
        let event = CallEvent {
            duration_ms: Some(u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX)),
            result: Some(data),
            ..self.event(&entry, status)
        };
        Made {
            steps,
            event: Some(event),
        }
    }

    async fn call_tool(&self, tool: &dyn Tool, call: &ToolCall) -> Result<Done, ToolError> {
        let invocation = Invocation {
            call_id: &call.id,
            arguments: &call.arguments,
            session_id: self.request.session_id,
            turn_id: self.request.turn_id,
            organization: &self.request.organization,
        };
        let output = tool.call(&invocation).await?;
        let data = output
            .structured
            .filter(is_within_levels)
            .unwrap_or_else(|| Value::String(output.content.clone()));
        Ok(Done {
            steps: Vec::new(),
            result: CallResult::given(output.content),
            data,
        })
    }

    async fn search(
        &self,
        search: &KnowledgeSearch,
        arguments: &Value,
        around: &Surroundings<'_>,
    ) -> Result<Done, ToolError> {
        let request = &self.request;
        let payer = Payer {
            spender: Spender {
                organization: Arc::clone(&request.organization),
                user: request.user.clone(),
                agent: self.agent.clone(),
                session_id: request.session_id,
                turn_id: request.turn_id,
                can_wait: false,
                decided: budget::decisions(&request.past),
            },
            meter: around.meter,
        };
        let result = search.search(arguments, &payer).await?;
        let (given, known) = (around.given, self.sources());
        let (found, numbers) = {
            // Another search may end at the same time.
            let mut state = self.state();
            state.numbers_max = state.numbers_max.max(given_max(given));
            Found::number(&result.chunks, given, &known, &mut state.numbers_max)
        };
        let query = arguments.get("query").and_then(Value::as_str).unwrap_or_default();
        Ok(Done {
            steps: search::steps(query, &result, &numbers, &found),
            data: serde_json::to_value(&found).unwrap_or_default(),
            result: found.into(),
        })
    }

    fn noted(&self, noted: Noted) -> Done {
        Done {
            steps: vec![noted.step(self.request.intent, &self.agent)],
            data: serde_json::to_value(&noted).unwrap_or_default(),
            result: noted.into(),
        }
    }

    async fn ask(&self, colleague: &Colleague, call: &ToolCall, around: &Surroundings<'_>) -> Result<Done, Unanswered> {
        let numbers = |count: u32| {
            let mut state = self.state();
            let behind = state.numbers_max.max(given_max(around.given));
            state.numbers_max = behind.saturating_add(count);
            behind
        };
        let asking = Asking {
            agent: &self.agent,
            call_id: &call.id,
            arguments: &call.arguments,
            request: &self.request,
            meter: around.meter,
            passed_on: &around.steps,
            numbers: Box::new(numbers),
        };
        let answered = colleague.ask(&asking).await?;
        Ok(Done {
            steps: Vec::new(),
            data: serde_json::to_value(&answered).unwrap_or_default(),
            result: answered.into(),
        })
    }
}

/// The highest number that a source can have which the model has from the start.
fn given_max(given: &[FoundChunk]) -> u32 {
    u32::try_from(given.len().max(GIVEN_MAX)).unwrap_or(u32::MAX)
}

/// What the model, and people who look at the record, are told of a call without a result: above all whether it may have been done.
fn words(error: &ToolError, effect: Effect) -> String {
    match (error, effect) {
        (ToolError::Arguments(_) | ToolError::Failed(_), _) => format!("Failed: {error}."),
        (ToolError::NotMade(_), _) => format!("Failed: {error}. Nothing was done; it may be called again."),
        (ToolError::InDoubt(_), Effect::None) => format!("Failed: {error}. It only reads, and may be called again."),
        (ToolError::TimedOut(_), Effect::None) => format!("Stopped: {error}. It only reads, and may be called again."),
        // Another call would be one with another key: whoever does each once would do both.
        (ToolError::InDoubt(_), Effect::Idempotent | Effect::Every) => format!("Failed: {error}. {IN_DOUBT}"),
        (ToolError::TimedOut(_), Effect::Idempotent | Effect::Every) => format!("Stopped: {error}. {IN_DOUBT}"),
    }
}

/// What is said of a call that may have been done although nothing came back.
const IN_DOUBT: &str =
    "It may have been done all the same. Do not call it again before you know that it was not, and tell the user so.";

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_model_is_told_whether_a_call_without_a_result_may_have_been_done() {
        let lost = || ToolError::InDoubt("shop went away".into());
        let late = || ToolError::TimedOut(Duration::from_millis(1_500));
        for (error, effect, may_be_called, is_in_doubt) in [
            (ToolError::NotMade("shop is away".into()), Effect::Every, true, false),
            (lost(), Effect::None, true, false),
            (lost(), Effect::Idempotent, false, true),
            (lost(), Effect::Every, false, true),
            (late(), Effect::None, true, false),
            (late(), Effect::Every, false, true),
            (ToolError::Failed("no such order".into()), Effect::Every, false, false),
        ] {
            let told = words(&error, effect);
            assert!(told.contains(&error.to_string()), "{told}");
            assert_eq!(told.contains("may be called again"), may_be_called, "{told}");
            assert_eq!(told.contains("may have been done all the same"), is_in_doubt, "{told}");
        }
        assert!(words(&late(), Effect::None).contains("1.5 s"));
    }
}
