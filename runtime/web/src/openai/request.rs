//! What a client asks for.

use actix_web::{HttpRequest, http::header::HeaderMap};
use orchestratai_shared::{
    AgentId, ClientMessageId, ContextMessage, Invalid, MessageContent, MessageRole, SessionId, UserMessage,
};
use serde_json::{Map, Value};

use crate::{
    edge::X_SESSION_ID,
    error::ApiError,
    fields::{Fields, flag, text},
    rest::chat::key_of,
};

/// A completion that is wanted.
#[derive(Debug)]
pub(super) struct CompletionRequest {
    /// The name of the model, as it was given.
    pub(super) model: String,
    /// The last message, with those before it where the client keeps the conversation by itself.
    pub(super) said: UserMessage,
    /// Whether the answer is wanted piece by piece.
    pub(super) streams: bool,
    /// Whether the last piece is to tell of tokens.
    pub(super) includes_usage: bool,
    /// The session that keeps the conversation, where the client names one.
    pub(super) session_id: Option<SessionId>,
    /// The idempotency key.
    pub(super) client_message_id: ClientMessageId,
}

impl CompletionRequest {
    /// Reads the fields of a request; what only tells a model how to go about its work (`temperature`, `max_tokens` and the like) is
    /// the agent's own business, and passed over.
    ///
    /// # Errors
    /// 400 that names each field that is not valid, or that asks for what no agent does.
    pub(super) fn read(mut fields: Fields, request: &HttpRequest) -> Result<Self, ApiError> {
        let session_id = session_named(&mut fields, request.headers());
        // Without a session to look it up in, a key says nothing.
        let key = match session_id {
            Some(_) => key_of(&mut fields, request, None),
            None => Some(ClientMessageId::new()),
        };
        let model = fields.required("model", text);
        let said = fields.required("messages", conversation);
        let streams = fields.optional("stream", flag).unwrap_or_default();
        let options = fields.optional("stream_options", object).unwrap_or_default();
        let includes_usage = options
            .get("include_usage")
            .and_then(Value::as_bool)
            .unwrap_or_default();
        fields.optional("n", |n| match n.as_u64() {
            Some(1) => Ok(()),
            Some(_) | None => Err(Invalid::new("must be 1: an agent gives one answer")),
        });
        fields.optional("response_format", |format| {
            match format.get("type").and_then(Value::as_str) {
                Some("text") => Ok(()),
                Some(_) | None => Err(Invalid::new("must be of type text: agents answer people")),
            }
        });
        fields.optional("tool_choice", |choice| match choice.as_str() {
            Some("auto" | "none") => Ok(()),
            Some(_) | None => Err(Invalid::new(
                "must be auto or none: agents use the tools that they were given",
            )),
        });
        let read = model.zip(said).zip(key);
        let ((model, said), client_message_id) = fields.finish(read)?;
        Ok(Self {
            model,
            said: match session_id {
                // The session knows what was said in it.
                Some(_) => UserMessage::new(said.content),
                None => said,
            },
            streams,
            includes_usage,
            session_id,
            client_message_id,
        })
    }

    /// The same message, for the agent that the model stands for.
    pub(super) fn said_to(&self, agent: AgentId) -> UserMessage {
        UserMessage {
            addressee: Some(agent).filter(|agent| agent.as_str() != AgentId::ORCHESTRATOR),
            ..self.said.clone()
        }
    }
}

/// The session that a header names, or `metadata.session_id`.
fn session_named(fields: &mut Fields, headers: &HeaderMap) -> Option<SessionId> {
    const HEADER: &str = "X-Session-Id";
    const METADATA: &str = "metadata.session_id";
    let metadata = fields.optional("metadata", object).unwrap_or_default();
    if let Some(header) = headers.get(X_SESSION_ID) {
        let header = header.to_str().map_err(|_| Invalid::new("must be a UUID"));
        return fields.keep(HEADER, header.and_then(str::parse));
    }
    let named = metadata.get("session_id")?.clone();
    fields.keep(METADATA, text(named).and_then(|named| named.parse()))
}

fn object(value: Value) -> Result<Map<String, Value>, Invalid> {
    match value {
        Value::Object(fields) => Ok(fields),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            Err(Invalid::new("must be an object"))
        }
    }
}

/// The last message is what is said now, and must be a user's. Of those before it what the user and the assistant said counts: an
/// agent has its instructions from those who run it, so that messages of `system` and `developer` are passed over, and its tools are
/// its own, so that those of `tool` are too.
fn conversation(value: Value) -> Result<UserMessage, Invalid> {
    let Value::Array(messages) = value else {
        return Err(Invalid::new("must be an array"));
    };
    let mut spoken = Vec::with_capacity(messages.len());
    for (at, message) in messages.into_iter().enumerate() {
        let at_fault = |reason: &str| Invalid::new(format!("[{at}] {reason}"));
        let mut message = object(message).map_err(|_| at_fault("must be an object"))?;
        let role = match message.get("role").and_then(Value::as_str) {
            Some("user") => Some(MessageRole::User),
            Some("assistant") => Some(MessageRole::Assistant),
            Some("system" | "developer" | "tool" | "function") => None,
            Some(_) | None => {
                return Err(at_fault(
                    "must have the role developer, system, user, assistant or tool",
                ));
            }
        };
        let content = words(message.remove("content").unwrap_or_default()).map_err(at_fault)?;
        spoken.push((role, content));
    }
    let Some((Some(MessageRole::User), content)) = spoken.pop() else {
        return Err(Invalid::new("must end with a message of the user"));
    };
    let before = spoken
        .into_iter()
        .filter_map(|(role, content)| role.map(|role| ContextMessage { role, content }));
    Ok(UserMessage {
        context: ContextMessage::latest(before),
        ..UserMessage::new(
            MessageContent::parse(content).map_err(|reason| Invalid::new(format!("end with a text that {reason}")))?,
        )
    })
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
