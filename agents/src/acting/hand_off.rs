//! The built-in tool by which an agent gives the turn to another.

use orchestratai_shared::AgentId;
use serde_json::{Value, json};

use crate::{language::ToolOffer, turn::Pause};

/// The name of the tool.
pub const HAND_OFF: &str = "hand_off";
/// Characters of the reason.
const REASON_CHARACTERS_MAX: usize = 500;

/// How the model is offered it; `others` are those it may give the turn to, with what each is for.
pub(super) fn offer(others: &[(AgentId, String)]) -> ToolOffer {
    let ids: Vec<&str> = others.iter().map(|(id, _)| id.as_str()).collect();
    let purposes: Vec<String> = (others.iter())
        .map(|(id, purpose)| format!("{id}: {purpose}"))
        .collect();
    ToolOffer {
        name: HAND_OFF.into(),
        description: format!(
            "Lets another agent answer in your place, where the question is its concern and not yours. {}",
            purposes.join("; ")
        ),
        parameters: json!({
            "type": "object",
            "properties": {
                "to": {"type": "string", "enum": ids, "description": "Which agent."},
                "reason": {"type": "string", "description": "Why, and what the other should know. The user sees it."},
            },
            "required": ["to", "reason"],
            "additionalProperties": false,
        }),
    }
}

/// How the turn pauses for it.
///
/// # Errors
/// What the model is told of arguments that are wrong.
pub(super) fn wanted(arguments: &Value, others: &[(AgentId, String)]) -> Result<Pause, String> {
    let text = |key: &str| arguments.get(key).and_then(Value::as_str);
    let to = text("to").and_then(|to| others.iter().find(|(id, _)| id.as_str() == to));
    match (to, text("reason")) {
        (Some((to, _)), Some(reason)) => Ok(Pause::HandOff {
            to: to.clone(),
            reason: reason.chars().take(REASON_CHARACTERS_MAX).collect(),
        }),
        (None, _) => Err("Not handed off: `to` must be one of the agents named.".into()),
        (Some(_), None) => Err("Not handed off: `reason` must be a text.".into()),
    }
}
