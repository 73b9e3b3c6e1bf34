//! The tools that a client brings along, and what may be said against them.

use orchestratai_actors::Gateway;
use orchestratai_agents::acting;
use orchestratai_shared::{
    AgentId, ClientTool, ClientTools, Invalid, UserMessage,
    levels::{LEVELS_MAX, is_within_levels},
};
use serde_json::{Value, json};

use super::conversation::is_name;
use crate::{error::ApiError, fields::Fields, fields::flag};

/// So many tools a request may have, as with OpenAI.
const TOOLS_MAX: usize = 128;
/// Bytes of all tools together: they stand in the journal, and are told to a model each time that it is asked.
const TOOLS_BYTES_MAX: usize = 128 * 1024;

/// What a client says of whether a tool has to be called.
enum Choice {
    None,
    Auto,
    Required,
    Named(String),
}

/// Reads `tools`, `tool_choice` and `parallel_tool_calls`; `None` where none may be called. What is not valid is noted in `fields`.
pub(super) fn read(fields: &mut Fields) -> Option<ClientTools> {
    let tools = fields.optional("tools", array).unwrap_or_default();
    let choice = fields.optional("tool_choice", choice).unwrap_or(Choice::Auto);
    let several = fields.optional("parallel_tool_calls", flag).unwrap_or(true);
    let tools = read_tools(tools, fields);
    let names_none = |name: &str| !tools.iter().any(|tool| tool.name == name);
    let wrong = match &choice {
        Choice::Required if tools.is_empty() => Some("wants a tool called, and there are none in tools"),
        Choice::Named(name) if names_none(name) => Some("names a function that is not in tools"),
        Choice::None | Choice::Auto | Choice::Required | Choice::Named(_) => None,
    };
    if let Some(wrong) = wrong {
        fields.keep::<()>("tool_choice", Err(Invalid::new(wrong)));
    }
    let tools = match &choice {
        Choice::None => Vec::new(),
        Choice::Auto | Choice::Required => tools,
        Choice::Named(name) => tools.into_iter().filter(|tool| tool.name == *name).collect(),
    };
    (!tools.is_empty()).then_some(ClientTools {
        tools,
        must_call: match choice {
            Choice::Required | Choice::Named(_) => true,
            Choice::None | Choice::Auto => false,
        },
        one_at_once: !several,
    })
}

fn array(value: Value) -> Result<Vec<Value>, Invalid> {
    let Value::Array(tools) = value else {
        return Err(Invalid::new("must be an array"));
    };
    if tools.len() > TOOLS_MAX {
        return Err(Invalid::new(format!("must have at most {TOOLS_MAX} tools")));
    }
    let bytes: usize = tools.iter().map(|tool| tool.to_string().len()).sum();
    if bytes > TOOLS_BYTES_MAX {
        return Err(Invalid::new(format!(
            "must have at most {TOOLS_BYTES_MAX} bytes together, and have {bytes}"
        )));
    }
    Ok(tools)
}

fn choice(value: Value) -> Result<Choice, Invalid> {
    let named = value.pointer("/function/name").and_then(Value::as_str);
    match (value.as_str(), value.get("type").and_then(Value::as_str), named) {
        (Some("none"), ..) => Ok(Choice::None),
        (Some("auto"), ..) => Ok(Choice::Auto),
        (Some("required"), ..) => Ok(Choice::Required),
        (None, Some("function"), Some(name)) => Ok(Choice::Named(name.to_owned())),
        _ => Err(Invalid::new("must be none, auto, required, or name a function")),
    }
}

fn read_tools(values: Vec<Value>, fields: &mut Fields) -> Vec<ClientTool> {
    let mut tools: Vec<ClientTool> = Vec::with_capacity(values.len());
    for (at, mut value) in values.into_iter().enumerate() {
        let mut wrong = |field: &str, reason: String| {
            fields.keep::<()>(&format!("tools[{at}].{field}"), Err(Invalid::new(reason)));
        };
        if value.get("type").and_then(Value::as_str) != Some("function") {
            wrong("type", "must be function".into());
            continue;
        }
        let mut function = value.get_mut("function").map(Value::take).unwrap_or_default();
        let text = |key: &str| function.get(key).and_then(Value::as_str).map(str::to_owned);
        let (name, description) = (
            text("name").unwrap_or_default(),
            text("description").unwrap_or_default(),
        );
        if !is_name(&name) {
            wrong("function.name", "must be 1 to 64 letters, digits, _ and -".into());
        } else if acting::is_reserved(&name) {
            wrong(
                "function.name",
                format!("must not be {name}: agents have tools of that name"),
            );
        } else if tools.iter().any(|tool| tool.name == name) {
            wrong("function.name", format!("must not be {name}: another one is called so"));
        }
        let parameters = match function.get_mut("parameters").map(Value::take) {
            None | Some(Value::Null) => json!({"type": "object", "properties": {}}),
            Some(parameters) => parameters,
        };
        let is_object = |schema: &Value| schema.get("type").is_none_or(|kind| kind == "object");
        if !parameters.is_object() || !is_object(&parameters) {
            wrong("function.parameters", "must be a JSON Schema of an object".into());
        } else if !is_within_levels(&parameters) {
            wrong("function.parameters", format!("must have at most {LEVELS_MAX} levels"));
        }
        tools.push(ClientTool {
            name,
            description,
            parameters,
        });
    }
    tools
}

/// Whether whoever may answer can do with a client's tools what it asks for. A message for the orchestrator may be answered by any agent: none
/// of them may have a tool of such a name.
///
/// # Errors
/// 400 that names `tools` or `tool_choice`.
pub(super) async fn check(gateway: &Gateway, said: &UserMessage) -> Result<(), ApiError> {
    let Some(tools) = &said.client_tools else { return Ok(()) };
    let asked: Vec<AgentId> = match &said.addressee {
        Some(agent) => vec![agent.clone()],
        None => gateway.agents().into_iter().map(|agent| agent.id).collect(),
    };
    for agent in &asked {
        let own = gateway.tools_of(agent).await.unwrap_or_default();
        if let Some(tool) = tools.tools.iter().find(|tool| own.contains(&tool.name)) {
            let reason = format!("must not have {}: the agent {agent} has a tool of that name", tool.name);
            return Err(ApiError::invalid_field("tools", Invalid::new(reason)));
        }
    }
    if tools.must_call {
        let agent = gateway.route_said(said).agent;
        if gateway.tools_of(&agent).await.is_none() {
            let reason = format!("wants a tool called, and {agent}, who answers, has no model that calls any");
            return Err(ApiError::invalid_field("tool_choice", Invalid::new(reason)));
        }
    }
    Ok(())
}
