//! Chat over plain requests: the message in, the whole answer out.

use std::{borrow::Cow, collections::BTreeMap};

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{ContentType, LOCATION},
    web::{self, Data, Path, Payload, ServiceConfig},
};
use orchestratai_actors::{Accepted, Awaited, CancelRefusal, Conversed, Recorded, Submission, TurnRecord};
use orchestratai_shared::{
    AgentId, AgentStatus, ChatMetrics, ClientMessageId, Confidence, ErrorCode, EventBody, Invalid as InvalidValue,
    MessageContent, PersonInCharge, RetrievalLog, SessionId, TurnId, UserId, UserMessage,
    event::{ApprovalRequested, MessageCompleted, TurnCancelled, data_of},
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
    trace,
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
    /// Whose the session is, where it is begun by this message, as `POST /api/session` takes it: without white space and control characters.
    /// A session that is another's, or nobody's, is a conflict.
    #[serde(rename = "userId")]
    #[schema(
        min_length = 1,
        max_length = 128,
        pattern = r"^[^\s\x00-\x1f\x7f-\x9f]+$",
        example = "ada@example.com"
    )]
    user_id: Option<String>,
}

/// A message as a request brings it.
struct Brought {
    submission: Submission,
    /// Whose the session is, where that is said.
    user: Option<UserId>,
}

impl Brought {
    /// The message, once its session is known to be that user's.
    async fn admitted(self, site: &Site) -> Result<Submission, ApiError> {
        if let Some(user) = &self.user {
            site.gateway.session_of(self.submission.session_id, user).await?;
        }
        Ok(self.submission)
    }
}

/// The answer to a message.
#[derive(ToSchema)]
#[cfg_attr(test, derive(Debug, PartialEq, serde::Deserialize))]
#[cfg_attr(not(test), expect(dead_code, reason = "describes what `answer` writes"))]
pub(crate) struct ChatAnswer {
    /// Its text.
    message: String,
    /// Who answered; of several agents, the main one.
    agent: AgentId,
    /// How sure the answer is; left out where a person answered.
    confidence: Option<Confidence>,
    /// The steps that led to it.
    logs: Vec<RetrievalLog>,
    /// What it took.
    metrics: ChatMetrics,
    /// Where the turn left each agent.
    #[schema(value_type = BTreeMap<String, AgentStatus>)]
    agent_status: BTreeMap<AgentId, AgentStatus>,
}

/// A message that waits for a person's word: for the answer of the one who has the session, or for a decision.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ChatWaits {
    /// Its turn.
    turn_id: TurnId,
    /// The session.
    session_id: SessionId,
    /// The person who has the session; left out where it waits for a decision.
    #[serde(skip_serializing_if = "Option::is_none")]
    person: Option<PersonInCharge>,
    /// What is to be decided; left out where it waits for the person who has the session.
    #[serde(skip_serializing_if = "Option::is_none")]
    approval: Option<ApprovalRequested>,
}

/// What stands before the steps in a [`ChatAnswer`].
#[derive(Serialize)]
struct Said<'a> {
    message: &'a str,
    agent: Cow<'a, AgentId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    confidence: Option<Confidence>,
}

/// And what stands behind them.
#[derive(Serialize)]
struct Took<'a> {
    metrics: &'a ChatMetrics,
    agent_status: BTreeMap<AgentId, AgentStatus>,
}

/// Says something, and waits for the whole answer.
///
/// The same `Idempotency-Key` gives the same answer, whether the first one arrived or not. A client that goes away cancels
/// nothing. The turn's id is in `X-Turn-Id`. Where a person has the session the answer comes when they reply, or 202 after as long as
/// an agent may take: the turn goes on, and the same `Idempotency-Key` waits for it again.
#[utoipa::path(
    post, path = "/api/chat", operation_id = "chat", tag = "chat",
    params(("Idempotency-Key" = Option<uuid::Uuid>, Header,
            description = "Names the message in its session: a repeat is not answered twice.")),
    request_body = ChatRequest,
    responses(
        (status = 200, description = "The answer.", body = ChatAnswer, headers(("x-turn-id" = TurnId, description = "The turn."))),
        (status = 202, description = "The message waits for a person who has not answered or decided yet: the turn goes on.", body = ChatWaits,
         headers(("x-turn-id" = TurnId, description = "The turn."),
                 ("location" = String, description = "Where its answer is streamed."))),
        BadBody, Conflict, TurnFailures
    )
)]
pub(crate) async fn chat(site: Data<Site>, request: HttpRequest, payload: Payload) -> Result<HttpResponse, ApiError> {
    let brought = brought(body::json(&request, payload).await?, &request)?;
    let submission = brought.admitted(&site).await?;
    let session_id = submission.session_id;
    let (turn_id, record) = match site.gateway.converse(submission).await? {
        Conversed::Ended(Accepted { turn_id, .. }, record) => (turn_id, record),
        Conversed::Waits(turn_id, awaited) => return Ok(waits(session_id, turn_id, awaited)),
    };
    let record = record.ok_or_else(|| erased().of_turn(turn_id))?;
    let agents = site.gateway.agents().into_iter().map(|agent| agent.id);
    let answer = answer(&record, agents).map_err(|error| error.of_turn(turn_id))?;
    Ok(HttpResponse::Ok()
        .insert_header((X_TURN_ID, turn_id.to_string()))
        .content_type(ContentType::json())
        .body(answer))
}

fn waits(session_id: SessionId, turn_id: TurnId, awaited: Awaited) -> HttpResponse {
    let (person, approval) = match awaited {
        Awaited::Person(person) => (Some(person), None),
        Awaited::Approval(request) => (None, Some(*request)),
    };
    HttpResponse::Accepted()
        .insert_header((X_TURN_ID, turn_id.to_string()))
        .insert_header((LOCATION, format!("/api/chat/stream/{turn_id}")))
        .json(ChatWaits {
            turn_id,
            session_id,
            person,
            approval,
        })
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

/// Reads a message from a request, and has it accepted in its session.
pub(crate) async fn submit(
    site: &Site,
    request: &HttpRequest,
    payload: Payload,
) -> Result<(SessionId, Accepted), ApiError> {
    let brought = brought(body::json(request, payload).await?, request)?;
    let submission = brought.admitted(site).await?;
    let session_id = submission.session_id;
    Ok((session_id, site.gateway.submit(submission).await?))
}

fn brought(mut fields: Fields, request: &HttpRequest) -> Result<Brought, ApiError> {
    let key = key_of(&mut fields, request, None);
    let message = fields.required("message", content);
    let session_id = fields.required("session_id", parsed);
    let fresh = fields.optional("fresh", flag).unwrap_or_default();
    let user = fields.optional("userId", parsed);
    let submission = key.zip(message).zip(session_id);
    let submission = submission.map(|((client_message_id, content), session_id)| Submission {
        session_id,
        client_message_id,
        said: UserMessage {
            fresh,
            ..UserMessage::new(content)
        },
        request_id: RequestId::assigned(request).shared(),
        trace: trace::current(),
    });
    fields.finish(submission.map(|submission| Brought { submission, user }))
}

/// The idempotency key of a message: that of the header, or the one named in the body, or a new one.
pub(crate) fn key_of(
    fields: &mut Fields,
    request: &HttpRequest,
    named: Option<ClientMessageId>,
) -> Option<ClientMessageId> {
    if named.is_some() {
        return named;
    }
    let Some(key) = request.headers().get(IDEMPOTENCY_KEY) else {
        return Some(ClientMessageId::new());
    };
    let key = key.to_str().map_err(|_| InvalidValue::new("must be a UUID"));
    fields.keep(IDEMPOTENCY_KEY, key.and_then(str::parse::<ClientMessageId>))
}

/// What a user says.
pub(crate) fn content(value: Value) -> Result<MessageContent, InvalidValue> {
    MessageContent::parse(text(value)?)
}

/// The answer that a turn's events add up to, a [`ChatAnswer`] in JSON. A function of the events alone, but for agents that took no
/// part: so a repeat of the message gets the same.
fn answer(record: &TurnRecord, agents: impl Iterator<Item = AgentId>) -> Result<String, ApiError> {
    let mut agent_status: BTreeMap<_, _> = agents.map(|id| (id, AgentStatus::Idle)).collect();
    let mut logs = Vec::new();
    for Recorded { event, text } in &record.events {
        match &event.body {
            EventBody::RetrievalLog(log) => logs.push(match data_of(text) {
                Some(data) => Cow::Borrowed(data),
                None => Cow::Owned(to_json(log)),
            }),
            EventBody::AgentStatus(changed) => {
                agent_status.insert(changed.agent.clone(), changed.status);
            }
            EventBody::MessageCompleted(completed) => {
                return Ok(completed_answer(completed, &logs, agent_status));
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

/// Puts the answer together from texts: its steps, most of its bytes, were serialised for the journal.
fn completed_answer(
    completed: &MessageCompleted,
    logs: &[Cow<'_, str>],
    agent_status: BTreeMap<AgentId, AgentStatus>,
) -> String {
    let message = &completed.message;
    let agent = message.agent.as_ref().map(Cow::Borrowed);
    let by_person = message.agent.as_ref().is_some_and(AgentId::is_person);
    let said = to_json(&Said {
        message: &message.content,
        agent: agent.unwrap_or_else(|| Cow::Owned(AgentId::orchestrator())),
        // Nobody has measured how sure a person is.
        confidence: match by_person {
            true => message.confidence,
            false => Some(message.confidence.unwrap_or(Confidence::new(0.0))),
        },
    });
    let took = to_json(&Took {
        metrics: &completed.metrics,
        agent_status,
    });
    // Both are objects, and not empty.
    let (said, took) = (&said[..said.len() - 1], &took[1..]);
    [said, r#","logs":["#, &logs.join(","), "],", took].concat()
}

fn to_json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("it holds nothing that JSON cannot: no map keys but strings")
}

/// Whoever waited for the answer of a turn that was cancelled is told so.
pub(crate) fn cancelled() -> ApiError {
    ApiError::new(ErrorCode::Conflict, "The turn was cancelled.")
}

/// Whoever waited for the answer of a turn whose session was erased is told so.
pub(crate) fn erased() -> ApiError {
    ApiError::new(ErrorCode::NotFound, "The session was erased.")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use orchestratai_shared::{
        CacheStatus, Event, LogData, LogId, LogStatus, Message, MessageId, MessageRole, QueryAnalysis, Timestamp,
    };

    use super::*;

    #[test]
    fn an_answer_is_made_of_what_the_journal_has_and_reads_as_one() {
        let (session_id, turn_id, at) = (SessionId::new(), TurnId::new(), Timestamp::now());
        let log = |title: &str| RetrievalLog {
            id: LogId::new(),
            data: LogData::Routing(QueryAnalysis {
                intent: orchestratai_shared::Intent::DomainQuestion,
                confidence: Confidence::new(0.5),
                target_agent: AgentId::orchestrator(),
                reasoning: r#"It says ","data":{"a":[1]}} and "}"."#.to_owned(),
                attempt: None,
            }),
            title: title.to_owned(),
            timestamp: at,
            status: LogStatus::Success,
            chunks: None,
            session_id,
            message_id: MessageId::new(),
            agent: None,
        };
        let logs = vec![log("first"), log("second")];
        let metrics = ChatMetrics {
            tokens_used: 7,
            prompt_tokens: Some(4),
            completion_tokens: Some(3),
            cost: 0.5,
            unpriced_tokens: Some(4),
            latency: 3.0,
            cache_status: CacheStatus::None,
        };
        let message = Message {
            id: MessageId::new(),
            role: MessageRole::Assistant,
            content: "Well, \"yes\".\n}".to_owned(),
            agent: None,
            confidence: Some(Confidence::new(0.9)),
            timestamp: at,
            session_id,
        };
        let completed = EventBody::MessageCompleted(MessageCompleted {
            message,
            metrics,
            citations: Vec::new(),
            client_message_id: None,
            calls: Vec::new(),
            incomplete: None,
        });
        let bodies = logs.iter().cloned().map(EventBody::RetrievalLog).chain([completed]);
        let events = (1..).zip(bodies).map(|(seq, body)| {
            let event = Event {
                seq,
                session_id,
                turn_id: Some(turn_id),
                at,
                body,
            };
            Recorded {
                text: serde_json::to_string(&event).unwrap().into(),
                event: Arc::new(event),
            }
        });
        let mut record = TurnRecord {
            session_id,
            turn_id,
            events: events.collect(),
        };
        let expected = ChatAnswer {
            message: "Well, \"yes\".\n}".to_owned(),
            agent: AgentId::orchestrator(),
            confidence: Some(Confidence::new(0.9)),
            logs,
            metrics,
            agent_status: BTreeMap::from([(AgentId::orchestrator(), AgentStatus::Idle)]),
        };
        let written = answer(&record, [AgentId::orchestrator()].into_iter()).unwrap();
        assert_eq!(serde_json::from_str::<ChatAnswer>(&written).unwrap(), expected);
        // Whatever the texts are.
        record
            .events
            .iter_mut()
            .for_each(|recorded| recorded.text = "{}".into());
        assert_eq!(answer(&record, [AgentId::orchestrator()].into_iter()).unwrap(), written);
    }
}
