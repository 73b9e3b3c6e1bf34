//! The built-in tool by which an agent asks for a person. That it was asked for is what its call leaves on record, and nothing else: who
//! looks after sessions is shown those in which it was.

use orchestratai_shared::PersonWanted;
use serde_json::{Value, json};

use crate::{language::ToolOffer, tool::ToolError};

/// The name of the tool.
pub const ESCALATE: &str = PersonWanted::TOOL;
/// Characters of a reason.
const REASON_CHARACTERS_MAX: usize = 500;

/// What the model is told once a person was asked for.
pub(super) const ASKED: &str = "A person has been asked for and is shown this conversation; nobody has come yet. Tell the user that a person \
    was asked for, and promise nothing in their name.";

pub(super) fn offer() -> ToolOffer {
    ToolOffer {
        name: ESCALATE.into(),
        description: "Asks for a person, where the user wants one, where something has to be decided or done that is not yours, or where you \
                      cannot help. You go on with the conversation until somebody takes it over."
            .into(),
        parameters: json!({
            "type": "object",
            "properties": {
                "reason": {"type": "string", "description": "Why, and what the person should know. The person sees it."},
            },
            "required": ["reason"],
            "additionalProperties": false,
        }),
    }
}

pub(super) fn check(arguments: &Value) -> Result<(), ToolError> {
    let reason = arguments.get("reason").and_then(Value::as_str).map(str::trim);
    let is_one = reason.is_some_and(|reason| !reason.is_empty() && reason.chars().count() <= REASON_CHARACTERS_MAX);
    if is_one {
        Ok(())
    } else {
        Err(ToolError::Arguments(
            "`reason` must be a text of 1 to 500 characters".into(),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_a_short_text() {
        assert!(check(&json!({"reason": "The refund is above 500 dollars."})).is_ok());
        for arguments in [
            json!({}),
            json!({"reason": " "}),
            json!({"reason": 7}),
            json!({"reason": "x".repeat(501)}),
        ] {
            assert!(check(&arguments).is_err(), "{arguments}");
        }
    }
}
