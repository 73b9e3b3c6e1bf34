//! What a client asks over WebSocket.

use serde_json::{Map, Value};

use crate::{
    content::MessageContent,
    error::{FieldError, Invalid},
    id::{ApprovalId, ClientMessageId, TurnId},
    levels::{LEVELS_MAX, is_within_levels},
};

/// A frame from a client: `{"type": …, "data": {…}}`. The fields of `data` may also stand beside `type`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientCommand {
    /// Says something.
    SendMessage {
        /// The idempotency key: the same key is accepted once in a session.
        client_message_id: ClientMessageId,
        /// What is said.
        content: MessageContent,
        /// Passes by the semantic cache.
        fresh: bool,
    },
    /// Stops a turn.
    Cancel {
        /// Which one; the running one where it is left out.
        turn_id: Option<TurnId>,
    },
    /// Decides on a request for approval.
    ResolveApproval {
        /// Which one.
        approval_id: ApprovalId,
        /// What is decided.
        decision: Decision,
        /// Why, for people.
        reason: Option<String>,
        /// What the tool is to be given instead, an object; only where it is approved.
        arguments: Option<Value>,
    },
    /// Says up to where durable events have been taken in. Delivery never waits for it.
    Ack {
        /// The last one taken in.
        seq: u64,
    },
    /// Asks for a `pong`.
    Ping,
}

/// What is decided on a request for approval.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// It may be done.
    Approved,
    /// It must not be done.
    Rejected,
}

/// Why a frame is no command.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// It is no JSON object.
    #[error("the frame is not a JSON object: {0}")]
    NotAnObject(String),
    /// It has no `type`, or one that is not known.
    #[error("{0}")]
    UnknownType(String),
    /// Fields are missing or not valid.
    #[error("{}", .fields.iter().map(|f| format!("{} {}", f.field, f.message)).collect::<Vec<_>>().join("; "))]
    InvalidFields {
        /// Each of them.
        fields: Vec<FieldError>,
        /// The idempotency key, where at least that could be read: the client can tell which message it was.
        client_message_id: Option<ClientMessageId>,
    },
}

const TYPES: [&str; 5] = ["send_message", "cancel", "resolve_approval", "ack", "ping"];

impl ClientCommand {
    /// Parses one text frame.
    ///
    /// # Errors
    /// [`CommandError`], whose text may be shown to the client. Unknown fields are ignored.
    pub fn parse(frame: &str) -> Result<Self, CommandError> {
        let mut object = match serde_json::from_str::<Value>(frame) {
            Ok(Value::Object(object)) => object,
            Ok(_) => return Err(CommandError::NotAnObject("it is another kind of JSON value".into())),
            Err(error) => return Err(CommandError::NotAnObject(error.to_string())),
        };
        let kind = match object.remove("type") {
            Some(Value::String(kind)) => kind,
            Some(_) => return Err(CommandError::UnknownType("type must be a string".into())),
            None => {
                return Err(CommandError::UnknownType(format!(
                    "type is missing; it is one of {}",
                    TYPES.join(", ")
                )));
            }
        };
        let mut fields = match object.remove("data") {
            Some(Value::Object(data)) => Fields::of(data),
            Some(Value::Null) | None => Fields::of(object),
            Some(_) => {
                return Err(CommandError::InvalidFields {
                    fields: vec![Invalid::new("must be an object").at("data")],
                    client_message_id: None,
                });
            }
        };
        match kind.as_str() {
            "send_message" => fields.send_message(),
            "cancel" => {
                let turn_id = fields.optional("turnId", parse_id);
                fields.finish(None, || Some(Self::Cancel { turn_id }))
            }
            "resolve_approval" => {
                let approval_id = fields.required("approvalId", parse_id);
                let decision = fields.required("decision", |value| {
                    serde_json::from_value(value).map_err(|_| Invalid::new("must be approved or rejected"))
                });
                let reason = fields.optional("reason", parse_text);
                let arguments = fields.optional("arguments", parse_object);
                fields.finish(None, || {
                    Some(Self::ResolveApproval {
                        approval_id: approval_id?,
                        decision: decision?,
                        reason,
                        arguments,
                    })
                })
            }
            "ack" => {
                let seq = fields.required("seq", |value| {
                    value.as_u64().ok_or_else(|| Invalid::new("must be 0 or more"))
                });
                fields.finish(None, || Some(Self::Ack { seq: seq? }))
            }
            "ping" => Ok(Self::Ping),
            unknown => {
                let shown: String = unknown.chars().take(64).collect();
                Err(CommandError::UnknownType(format!(
                    "type {shown:?} is not known; it is one of {}",
                    TYPES.join(", ")
                )))
            }
        }
    }
}

/// The fields of one frame, and what was wrong with those read so far.
struct Fields {
    values: Map<String, Value>,
    errors: Vec<FieldError>,
}

impl Fields {
    fn of(values: Map<String, Value>) -> Self {
        Self {
            values,
            errors: Vec::new(),
        }
    }

    fn required<T>(&mut self, name: &str, parse: impl FnOnce(Value) -> Result<T, Invalid>) -> Option<T> {
        match self.values.remove(name) {
            None | Some(Value::Null) => {
                self.errors.push(Invalid::new("is required").at(name));
                None
            }
            Some(value) => self.keep(name, parse(value)),
        }
    }

    fn optional<T>(&mut self, name: &str, parse: impl FnOnce(Value) -> Result<T, Invalid>) -> Option<T> {
        match self.values.remove(name) {
            None | Some(Value::Null) => None,
            Some(value) => self.keep(name, parse(value)),
        }
    }

    fn keep<T>(&mut self, name: &str, parsed: Result<T, Invalid>) -> Option<T> {
        match parsed {
            Ok(value) => Some(value),
            Err(invalid) => {
                self.errors.push(invalid.at(name));
                None
            }
        }
    }

    fn send_message(mut self) -> Result<ClientCommand, CommandError> {
        let id = self.required("clientMessageId", parse_id);
        let content = self.required("content", |value| MessageContent::parse(parse_text(value)?));
        let fresh = self.optional("fresh", |value| {
            value.as_bool().ok_or_else(|| Invalid::new("must be true or false"))
        });
        self.finish(id, || {
            Some(ClientCommand::SendMessage {
                client_message_id: id?,
                content: content?,
                fresh: fresh.unwrap_or_default(),
            })
        })
    }

    fn finish(
        self,
        client_message_id: Option<ClientMessageId>,
        command: impl FnOnce() -> Option<ClientCommand>,
    ) -> Result<ClientCommand, CommandError> {
        let invalid = CommandError::InvalidFields {
            fields: self.errors,
            client_message_id,
        };
        match &invalid {
            CommandError::InvalidFields { fields, .. } if fields.is_empty() => command().ok_or(invalid),
            CommandError::InvalidFields { .. } | CommandError::NotAnObject(_) | CommandError::UnknownType(_) => {
                Err(invalid)
            }
        }
    }
}

fn parse_text(value: Value) -> Result<String, Invalid> {
    match value {
        Value::String(text) => Ok(text),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            Err(Invalid::new("must be a string"))
        }
    }
}

fn parse_object(value: Value) -> Result<Value, Invalid> {
    match value {
        Value::Object(_) if is_within_levels(&value) => Ok(value),
        Value::Object(_) => Err(Invalid::new(format!("must have at most {LEVELS_MAX} levels"))),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::String(_) => {
            Err(Invalid::new("must be an object"))
        }
    }
}

fn parse_id<T: std::str::FromStr<Err = Invalid>>(value: Value) -> Result<T, Invalid> {
    parse_text(value)?.parse()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ID: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

    #[test]
    fn fields_may_stand_in_data_or_beside_type() {
        let expected = ClientCommand::SendMessage {
            client_message_id: ID.parse().unwrap(),
            content: MessageContent::parse("Hello").unwrap(),
            fresh: true,
        };
        let inner = format!(r#""clientMessageId":"{ID}","content":"Hello","fresh":true,"later":1"#);
        assert_eq!(
            ClientCommand::parse(&format!(r#"{{"type":"send_message","data":{{{inner}}}}}"#)),
            Ok(expected.clone())
        );
        assert_eq!(
            ClientCommand::parse(&format!(r#"{{"type":"send_message",{inner}}}"#)),
            Ok(expected)
        );
        assert_eq!(ClientCommand::parse(r#"{"type":"ping"}"#), Ok(ClientCommand::Ping));
        assert_eq!(
            ClientCommand::parse(r#"{"type":"cancel"}"#),
            Ok(ClientCommand::Cancel { turn_id: None })
        );
        assert_eq!(
            ClientCommand::parse(r#"{"type":"ack","data":{"seq":7}}"#),
            Ok(ClientCommand::Ack { seq: 7 })
        );
    }

    #[test]
    fn every_invalid_field_is_named_at_once() {
        let frame =
            format!(r#"{{"type":"send_message","data":{{"clientMessageId":"{ID}","content":" ","fresh":"yes"}}}}"#);
        let Err(CommandError::InvalidFields {
            fields,
            client_message_id,
        }) = ClientCommand::parse(&frame)
        else {
            panic!("accepted {frame}");
        };
        assert_eq!(
            fields.iter().map(|f| f.field.as_str()).collect::<Vec<_>>(),
            ["content", "fresh"]
        );
        assert_eq!(client_message_id, Some(ID.parse().unwrap()));
    }

    #[test]
    fn what_is_no_command_is_refused_with_a_reason() {
        let deep = format!("{{\"type\":{}1{}}}", "[".repeat(10_000), "]".repeat(10_000));
        for bad in [
            "",
            "null",
            "[]",
            "{",
            "\"x\"",
            r#"{"type":1}"#,
            r#"{"kind":"ping"}"#,
            r#"{"type":"dance"}"#,
            &deep,
        ] {
            assert!(ClientCommand::parse(bad).is_err(), "{bad:.60}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(frame in "\\PC{0,200}") {
            let _ = ClientCommand::parse(&frame);
        }
    }
}
