//! The tools that a client has of its own: what an agent's model is offered of them, what it wants called, and what came back.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::id::TurnId;

/// The tools of a client that an agent's model may want called in one turn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct ClientTools {
    /// What may be called; no two have the same name.
    pub tools: Vec<ClientTool>,
    /// Whether one of them has to be called; left out where that is the model's to decide.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[cfg_attr(test, ts(optional, as = "Option<bool>"))]
    pub must_call: bool,
    /// Whether no more than one may be called at once; left out where several may.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[cfg_attr(test, ts(optional, as = "Option<bool>"))]
    pub one_at_once: bool,
}

/// A tool of a client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct ClientTool {
    /// Its name: letters, digits, `_` and `-`, 64 at most.
    pub name: String,
    /// What it is good for, in the client's words.
    pub description: String,
    /// The JSON Schema of its arguments, an object. The client checks arguments by it, nobody here does.
    #[cfg_attr(test, ts(type = "unknown"))]
    pub parameters: Value,
}

/// A call of a client's tool that ends a turn: the client makes it, and says in another turn what came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct ClientCall {
    /// Names the call, and the turn that has ended with it.
    pub call_id: String,
    /// The tool.
    pub tool: String,
    /// What it is to be given: an object as the model has made it up, or a text where it has written anything else, as it was written.
    #[cfg_attr(test, ts(type = "unknown"))]
    pub arguments: Value,
    /// What was called together, the agent's own calls among it, has the same number, from 1 in each turn.
    pub round: u32,
    /// Its place among that, from 0.
    pub place: u32,
    /// What the model's provider wants to see again with the call, unread.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub signature: Option<String>,
}

/// A call that was made, and what came back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct AnsweredCall {
    /// Names the call; no other of its conversation has the same name.
    pub call_id: String,
    /// The tool.
    pub tool: String,
    /// What it was given: an object, or a text where the model has written anything else.
    #[cfg_attr(test, ts(type = "unknown"))]
    pub arguments: Value,
    /// What it gave back: text that others wrote.
    pub result: String,
    /// Whether it failed; left out where it did not, or nobody knows.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[cfg_attr(test, ts(optional, as = "Option<bool>"))]
    pub failed: bool,
    /// What the model's provider wants to see again with the call, unread.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub signature: Option<String>,
}

/// The arguments of a call as OpenAI's API has them: as JSON in a text, or as what the model has written in place of that.
#[must_use]
pub fn arguments_as_text(arguments: &Value) -> String {
    match arguments {
        Value::String(written) => written.clone(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => arguments.to_string(),
    }
}

impl ClientCall {
    /// So many calls can end one turn.
    pub const COUNT_MAX: usize = 128;

    /// The name of the `n`th call, from 0, that ends a turn; 39 characters, since providers take no more than 40.
    #[must_use]
    pub fn id_of(turn_id: TurnId, n: usize) -> String {
        format!("call_{}{:02x}", turn_id.0.simple(), n.min(0xff))
    }

    /// The turn that has ended with a call of this name; `None` where it is none of ours.
    #[must_use]
    pub fn turn_of(call_id: &str) -> Option<TurnId> {
        let digits = call_id.strip_prefix("call_").filter(|digits| digits.len() == 34)?;
        let (turn_id, n) = digits.split_at_checked(32)?;
        u8::from_str_radix(n, 16).ok()?;
        uuid::Uuid::try_parse(turn_id).ok().map(TurnId)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_call_says_which_turn_has_ended_with_it() {
        let turn_id = TurnId::new();
        for n in [0, 9, 127] {
            let call_id = ClientCall::id_of(turn_id, n);
            assert!(call_id.len() <= 40, "{call_id}");
            assert_eq!(ClientCall::turn_of(&call_id), Some(turn_id));
        }
        assert_ne!(ClientCall::id_of(turn_id, 1), ClientCall::id_of(turn_id, 16));
        let strange = [
            "",
            "call_1",
            "call_é",
            &"é".repeat(39),
            &format!("call_{}", "é".repeat(17)),
        ];
        for call_id in strange.into_iter().chain(["call_0190f0f00000700080000000000000zz01"]) {
            assert_eq!(ClientCall::turn_of(call_id), None, "{call_id}");
        }
    }
}
