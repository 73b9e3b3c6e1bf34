//! Chat over plain requests: the message in, the whole answer out.

use std::{borrow::Cow, collections::BTreeMap};

use actix_web::{
    HttpRequest, HttpResponse,
    web::{self, Data, Path, Payload, ServiceConfig},
};
use orchestratai_actors::{Accepted, CancelRefusal, Submission, TurnEnd, TurnRecord};
use orchestratai_shared::{
    AgentId, AgentStatus, ChatMetrics, ClientMessageId, Confidence, ErrorCode, EventBody, Invalid as InvalidValue,
    MessageContent, RetrievalLog, SessionId, TurnId,
    event::{MessageCompleted, TurnCancelled},
};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::{path_id, resource};
use crate::{
    body,
    edge::X_TURN_ID,
    error::ApiError,
    fields::{Fields, flag, parsed, text},
    openapi::{BadBody, Conflict, Invalid, NotFound, TurnFailures},
    request_id::RequestId,
    site::Site,
};

/// Brings the idempotency key of a message.
const IDEMPOTENCY_KEY: &str = "Idempotency-Key";

pub(crate) fn configure(routes: &mut ServiceConfig) {
    routes
        .service(resource("/api/chat", "POST").route(web::post().to(chat)))
        .service(resource("/api/chat/{turn_id}/cancel", "POST").route(web::post().to(cancel)));
}

/// A user's message.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what `Fields` reads")]
pub(crate) struct ChatRequest {
    /// What is said.
    #[schema(example = "How do I rotate my API key?")]
    message: MessageContent,
    /// The session; an unknown one is begun with this id.
    session_id: SessionId,
    /// Passes by the semantic cache.
    fresh: Option<bool>,
}

/// The answer to a message.
#[derive(Debug, PartialEq, Serialize, ToSchema)]
pub(crate) struct ChatAnswer<'a> {
    /// Its text.
    message: &'a str,
    /// Who answered; of several agents, the main one.
    #[schema(value_type = AgentId)]
    agent: Cow<'a, AgentId>,
    /// How sure the answer is.
    confidence: Confidence,
    /// The steps that led to it.
    #[schema(value_type = Vec<RetrievalLog>)]
    logs: Vec<&'a RetrievalLog>,
    /// What it took.
    #[schema(value_type = ChatMetrics)]
    metrics: &'a ChatMetrics,
    /// Where the turn left each agent.
    #[schema(value_type = BTreeMap<String, AgentStatus>)]
    agent_status: BTreeMap<AgentId, AgentStatus>,
}

/// Says something, and waits for the whole answer.
///
/// The same `Idempotency-Key` gives the same answer, whether the first one arrived or not. A client that goes away cancels
/// nothing. The turn's id is in `X-Turn-Id`.
#[utoipa::path(
    post, path = "/api/chat", operation_id = "chat", tag = "chat",
    params(("Idempotency-Key" = Option<uuid::Uuid>, Header,
            description = "Names the message in its session: a repeat is not answered twice.")),
    request_body = ChatRequest,
    responses(
        (status = 200, description = "The answer.", body = ChatAnswer<'_>, headers(("x-turn-id" = TurnId, description = "The turn."))),
        BadBody, Conflict, TurnFailures
    )
)]
pub(crate) async fn chat(site: Data<Site>, request: HttpRequest, payload: Payload) -> Result<HttpResponse, ApiError> {
    let Submitted {
        session_id,
        accepted,
        end,
    } = submit(&site, &request, payload).await?;
    let turn_id = accepted.turn_id;
    let record = site.gateway.turn_record_at(session_id, turn_id, end).await;
    let record = record.map_err(|refusal| ApiError::from(refusal).of_turn(turn_id))?;
    let record = record.ok_or_else(|| erased().of_turn(turn_id))?;
    let agents = site.gateway.agents().into_iter().map(|agent| agent.id);
    let answer = answer(&record, agents).map_err(|error| error.of_turn(turn_id))?;
    Ok(HttpResponse::Ok()
        .insert_header((X_TURN_ID, turn_id.to_string()))
        .json(answer))
}

/// Cancels a turn.
///
/// Its upstream requests are closed at once; the answer is the receipt.
#[utoipa::path(
    post, path = "/api/chat/{turn_id}/cancel", operation_id = "cancelTurn", tag = "chat",
    params(("turn_id" = TurnId, Path, description = "The turn, from `X-Turn-Id`.")),
    responses(
        (status = 200, description = "It is cancelled.", body = TurnCancelled, headers(("x-turn-id" = TurnId, description = "The turn."))),
        Invalid, NotFound, Conflict, TurnFailures
    )
)]
pub(crate) async fn cancel(site: Data<Site>, path: Path<String>) -> Result<HttpResponse, ApiError> {
    let turn_id: TurnId = path_id("turn_id", &path)?;
    let receipt = site.gateway.cancel(turn_id).await.map_err(|refusal| match refusal {
        CancelRefusal::Unknown => ApiError::not_found("turn"),
        CancelRefusal::Ended => ApiError::new(ErrorCode::Conflict, "The turn has ended.").of_turn(turn_id),
        CancelRefusal::Refused(refusal) => ApiError::from(refusal).of_turn(turn_id),
    })?;
    Ok(HttpResponse::Ok()
        .insert_header((X_TURN_ID, turn_id.to_string()))
        .json(receipt))
}

/// A message that was accepted.
pub(crate) struct Submitted {
    pub(crate) session_id: SessionId,
    pub(crate) accepted: Accepted,
    pub(crate) end: TurnEnd,
}

/// Reads a message from a request, and has it accepted.
pub(crate) async fn submit(site: &Site, request: &HttpRequest, payload: Payload) -> Result<Submitted, ApiError> {
    let fields = body::json(request, payload).await?;
    let submission = submission(fields, request)?;
    let session_id = submission.session_id;
    let (accepted, end) = site.gateway.converse(submission).await?;
    Ok(Submitted {
        session_id,
        accepted,
        end,
    })
}

fn submission(mut fields: Fields, request: &HttpRequest) -> Result<Submission, ApiError> {
    let key = match request.headers().get(IDEMPOTENCY_KEY) {
        None => Some(ClientMessageId::new()),
        Some(key) => {
            let key = key.to_str().map_err(|_| InvalidValue::new("must be a UUID"));
            fields.keep(IDEMPOTENCY_KEY, key.and_then(str::parse))
        }
    };
    let message = fields.required("message", content);
    let session_id = fields.required("session_id", parsed);
    let fresh = fields.optional("fresh", flag).unwrap_or_default();
    let submission = key.zip(message).zip(session_id);
    fields.finish(submission.map(|((client_message_id, content), session_id)| Submission {
        session_id,
        client_message_id,
        content,
        fresh,
        request_id: RequestId::assigned(request).shared(),
    }))
}

/// What a user says.
pub(crate) fn content(value: Value) -> Result<MessageContent, InvalidValue> {
    MessageContent::parse(text(value)?)
}

/// The answer that a turn's events add up to. A function of the events alone, but for agents that took no part: so a repeat
/// of the message gets the same.
fn answer(record: &TurnRecord, agents: impl Iterator<Item = AgentId>) -> Result<ChatAnswer<'_>, ApiError> {
    let mut agent_status: BTreeMap<_, _> = agents.map(|id| (id, AgentStatus::Idle)).collect();
    let mut logs = Vec::new();
    for event in &record.events {
        match &event.body {
            EventBody::RetrievalLog(log) => logs.push(log),
            EventBody::AgentStatus(changed) => {
                agent_status.insert(changed.agent.clone(), changed.status);
            }
            EventBody::MessageCompleted(completed) => {
                return Ok(completed_answer(completed, logs, agent_status));
            }
            EventBody::TurnFailed(failed) => return Err(failed.error.clone().into()),
            EventBody::TurnCancelled(_) => return Err(cancelled()),
            EventBody::MessageAccepted(_)
            | EventBody::Handoff(_)
            | EventBody::ToolCall(_)
            | EventBody::ApprovalRequested(_)
            | EventBody::ApprovalResolved(_) => {}
        }
    }
    Err(ApiError::new(ErrorCode::InternalError, "The turn has no end."))
}

fn completed_answer<'a>(
    completed: &'a MessageCompleted,
    logs: Vec<&'a RetrievalLog>,
    agent_status: BTreeMap<AgentId, AgentStatus>,
) -> ChatAnswer<'a> {
    let message = &completed.message;
    let agent = message.agent.as_ref().map(Cow::Borrowed);
    ChatAnswer {
        message: &message.content,
        agent: agent.unwrap_or_else(|| Cow::Owned(AgentId::orchestrator())),
        confidence: message.confidence.unwrap_or(Confidence::new(0.0)),
        logs,
        metrics: &completed.metrics,
        agent_status,
    }
}

/// Whoever waited for the answer of a turn that was cancelled is told so.
pub(crate) fn cancelled() -> ApiError {
    ApiError::new(ErrorCode::Conflict, "The turn was cancelled.")
}

/// Whoever waited for the answer of a turn whose session was erased is told so.
pub(crate) fn erased() -> ApiError {
    ApiError::new(ErrorCode::NotFound, "The session was erased.")
}
