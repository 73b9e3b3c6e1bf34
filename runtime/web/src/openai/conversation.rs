//! The messages of a client: the user's last one is what is answered; what stands before it is its context, and what stands behind it is what
//! was called for it, with what came back.

use std::collections::HashSet;

use orchestratai_shared::{
    AnsweredCall, ClientCall, ContextMessage, Invalid, MessageContent, MessageRole, UserMessage,
    levels::is_within_levels,
};
use serde_json::{Map, Value};

/// Bytes that the results of one request keep, the last ones; of those before nothing stays but that they were there.
const RESULTS_BYTES_MAX: usize = 256 * 1024;
/// Calls behind the last message of the user.
const CALLED_MAX: usize = 256;
const LEFT_OUT: &str = "[left out: later results have taken all the room]";

/// Reads `messages`: what the user has said last, with what goes with it. Of a result no more than `result_bytes_max` are kept.
///
/// # Errors
/// What is wrong with which message.
pub(super) fn read(value: Value, result_bytes_max: usize) -> Result<UserMessage, Invalid> {
    let Value::Array(messages) = value else {
        return Err(Invalid::new("must be an array"));
    };
    let mut reading = Reading {
        result_bytes_max,
        ..Reading::default()
    };
    for (at, message) in messages.into_iter().enumerate() {
        let Value::Object(message) = message else {
            return Err(Invalid::new(format!("[{at}] must be an object")));
        };
        (reading.take(message)).map_err(|reason| Invalid::new(format!("[{at}] {reason}")))?;
    }
    reading.finish()
}

#[derive(Default)]
struct Reading {
    spoken: Vec<ContextMessage>,
    /// Which calls of the last message have no result yet, by their names and places.
    open: Vec<(String, usize)>,
    /// The names of all calls.
    named: HashSet<String>,
    result_bytes_max: usize,
}

impl Reading {
    fn take(&mut self, mut message: Map<String, Value>) -> Result<(), &'static str> {
        let content = message.remove("content").unwrap_or_default();
        let role = message.get("role").and_then(Value::as_str);
        if role != Some("tool") && !self.open.is_empty() {
            return Err("must be of the role tool: a call of the message before has no result");
        }
        match role {
            Some("user") => self
                .spoken
                .push(ContextMessage::new(MessageRole::User, words(content)?)),
            Some("assistant") => {
                let calls = self.calls(message.remove("tool_calls").unwrap_or_default())?;
                self.spoken.push(ContextMessage {
                    calls,
                    ..ContextMessage::new(MessageRole::Assistant, words(content)?)
                });
            }
            Some("tool") => {
                let call_id = message.get("tool_call_id").and_then(Value::as_str);
                let call_id = call_id.ok_or("must have a tool_call_id")?;
                let open = self.open.iter().position(|(open, _)| open == call_id);
                let open = open.ok_or("answers no call of the assistant's message before it")?;
                let (_, place) = self.open.remove(open);
                let result = within(words(content)?, self.result_bytes_max);
                if let Some(call) = self.spoken.last_mut().and_then(|said| said.calls.get_mut(place)) {
                    call.result = result;
                }
            }
            // An agent has its instructions from those who run it.
            Some("system" | "developer" | "function") => {
                words(content)?;
            }
            Some(_) | None => return Err("must have the role developer, system, user, assistant or tool"),
        }
        Ok(())
    }

    fn calls(&mut self, value: Value) -> Result<Vec<AnsweredCall>, &'static str> {
        let calls = match value {
            Value::Null => return Ok(Vec::new()),
            Value::Array(calls) => calls,
            Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => {
                return Err("must have tool_calls that are an array");
            }
        };
        if calls.len() > ClientCall::COUNT_MAX {
            return Err("has more tool_calls than 128");
        }
        let mut read = Vec::with_capacity(calls.len());
        for (place, call) in calls.iter().enumerate() {
            let text = |at: &str| call.pointer(at).and_then(Value::as_str);
            let (Some(id), Some(tool)) = (text("/id"), text("/function/name")) else {
                return Err("must have tool_calls of functions, each with an id and a name");
            };
            if !is_name(tool) {
                return Err("calls a function whose name is none");
            }
            if self.open.iter().any(|(open, _)| open == id) {
                return Err("has two tool_calls of one id");
            }
            self.open.push((id.to_owned(), place));
            read.push(AnsweredCall {
                call_id: self.name(id),
                tool: tool.to_owned(),
                arguments: arguments(text("/function/arguments").unwrap_or_default()),
                result: String::new(),
                failed: false,
                signature: None,
            });
        }
        Ok(read)
    }

    /// The name that a call has from here on: its own, where providers take that and no other call has it.
    fn name(&mut self, id: &str) -> String {
        let name = match is_name(id) && !self.named.contains(id) {
            true => id.to_owned(),
            false => {
                let free = |n: &usize| !self.named.contains(&format!("call_{n}"));
                format!("call_{}", (self.named.len()..).find(free).unwrap_or_default())
            }
        };
        self.named.insert(name.clone());
        name
    }

    fn finish(self) -> Result<UserMessage, Invalid> {
        if !self.open.is_empty() {
            let reason = "must not end before each call has its result, in a message of the role tool";
            return Err(Invalid::new(reason));
        }
        let must_end = || Invalid::new("must end with a message of the user, or with the results of tools");
        let mut context = self.spoken;
        let asked = context.iter().rposition(|said| said.role == MessageRole::User);
        let called = context.split_off(asked.ok_or_else(must_end)? + 1);
        let said = context.pop().ok_or_else(must_end)?.content;
        if called.last().is_some_and(|last| last.calls.is_empty()) {
            return Err(must_end());
        }
        if called.iter().map(|said| said.calls.len()).sum::<usize>() > CALLED_MAX {
            return Err(Invalid::new(
                "must have at most 256 calls behind the last message of the user",
            ));
        }
        let content = MessageContent::parse(said)
            .map_err(|reason| Invalid::new(format!("has as the user's last text one that {reason}")))?;
        let said = UserMessage {
            context: ContextMessage::latest(context.into_iter()),
            called: called.into_iter().map(ContextMessage::shortened).collect(),
            ..UserMessage::new(content)
        };
        Ok(within_room(said))
    }
}

/// The same with no more results than there is room for, the last ones first.
pub(super) fn within_room(mut said: UserMessage) -> UserMessage {
    let mut room = RESULTS_BYTES_MAX;
    for messages in [&mut said.called, &mut said.context] {
        let size = |call: &AnsweredCall| call.result.len() + call.arguments.to_string().len();
        let whole: usize = messages.iter().flat_map(|said| &said.calls).map(size).sum();
        if let Some(left) = room.checked_sub(whole) {
            room = left;
            continue;
        }
        let mut kept = messages.to_vec();
        for call in kept.iter_mut().rev().flat_map(|said| said.calls.iter_mut().rev()) {
            let taken = size(call);
            if taken > room {
                LEFT_OUT.clone_into(&mut call.result);
                room = 0;
            }
            room = room.saturating_sub(taken);
        }
        *messages = kept.into();
    }
    said
}

/// The arguments of a call, which are JSON in a text; one that needs none may have nothing there. What is no object stays the text that it is: a
/// model may have written it, and the client was given it so.
fn arguments(text: &str) -> Value {
    if text.trim().is_empty() {
        return Value::Object(Map::new());
    }
    match serde_json::from_str(text) {
        Ok(arguments @ Value::Object(_)) if is_within_levels(&arguments) => arguments,
        Ok(Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) | Value::Object(_))
        | Err(_) => text.into(),
    }
}

/// Whether every provider takes it as the name of a tool or of a call.
pub(super) fn is_name(name: &str) -> bool {
    let is_fit = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    (1..=64).contains(&name.len()) && name.bytes().all(is_fit)
}

/// A result of at most so many bytes, which says how much is missing.
fn within(mut result: String, bytes_max: usize) -> String {
    if result.len() > bytes_max {
        let note = format!("\n[cut off: the whole had {} bytes]", result.len());
        result.truncate(result.floor_char_boundary(bytes_max.saturating_sub(note.len())));
        result += &note;
    }
    result
}

/// The text of a message: a string, or parts that are text.
fn words(content: Value) -> Result<String, &'static str> {
    let parts = match content {
        Value::Null => return Ok(String::new()),
        Value::String(text) => return Ok(text),
        Value::Array(parts) => parts,
        Value::Bool(_) | Value::Number(_) | Value::Object(_) => return Err("must have text as its content"),
    };
    let mut texts = Vec::with_capacity(parts.len());
    for part in &parts {
        let text = match part.get("type").and_then(Value::as_str) {
            Some("text") => part.get("text").and_then(Value::as_str),
            Some("refusal") => part.get("refusal").and_then(Value::as_str),
            Some(_) | None => None,
        };
        texts.push(text.ok_or("must have parts of text: agents read nothing else")?);
    }
    Ok(texts.join("\n"))
}
