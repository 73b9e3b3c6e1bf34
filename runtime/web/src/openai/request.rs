//! What a client asks for.

use std::sync::Arc;

use actix_web::{HttpRequest, http::header::HeaderMap};
use orchestratai_shared::{AgentId, ClientMessageId, Invalid, SessionId, UserId, UserMessage};
use serde_json::{Map, Value};

use super::{client_tools, conversation};
use crate::{
    edge::X_SESSION_ID,
    error::ApiError,
    fields::{Fields, flag, parsed, text},
    rest::chat::key_of,
};

/// A completion that is wanted.
#[derive(Debug)]
pub(super) struct CompletionRequest {
    /// The name of the model, as it was given.
    pub(super) model: String,
    /// The last message of the user, with what was called for it since; and with those before it where the client keeps the conversation by
    /// itself.
    pub(super) said: UserMessage,
    /// Whether the answer is wanted piece by piece.
    pub(super) streams: bool,
    /// Whether the last piece is to tell of tokens.
    pub(super) includes_usage: bool,
    /// The session that keeps the conversation, where the client names one.
    pub(super) session_id: Option<SessionId>,
    /// Whose the session is, where the client says so.
    pub(super) user: Option<UserId>,
    /// The idempotency key.
    pub(super) client_message_id: ClientMessageId,
}

impl CompletionRequest {
    /// Reads the fields of a request; what only tells a model how to go about its work (`temperature`, `max_tokens` and the like) is
    /// the agent's own business, and passed over.
    ///
    /// # Errors
    /// 400 that names each field that is not valid, or that asks for what no agent does. Results of tools are cut at `result_bytes_max`.
    pub(super) fn read(mut fields: Fields, request: &HttpRequest, result_bytes_max: usize) -> Result<Self, ApiError> {
        let session_id = session_named(&mut fields, request.headers());
        // Without a session to look it up in, a key says nothing.
        let key = match session_id {
            Some(_) => key_of(&mut fields, request, None),
            None => Some(ClientMessageId::new()),
        };
        let model = fields.required("model", text);
        let said = fields.required("messages", |messages| conversation::read(messages, result_bytes_max));
        let client_tools = client_tools::read(&mut fields).map(Arc::new);
        let user = fields.optional("user", parsed);
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
        let read = model.zip(said).zip(key);
        let ((model, said), client_message_id) = fields.finish(read)?;
        Ok(Self {
            model,
            said: UserMessage {
                client_tools,
                // A session knows what was said in it.
                context: match session_id {
                    Some(_) => Arc::default(),
                    None => said.context,
                },
                ..said
            },
            streams,
            includes_usage,
            session_id,
            user,
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
