//! An answer as a chat completion.

use actix_web::{
    HttpRequest, HttpResponse,
    web::{Data, Payload},
};
use orchestratai_actors::{Accepted, Awaited, Conversed, Submission, TurnRecord};
use orchestratai_shared::{
    AgentId, ChatMetrics, Citation, ClientCall, Confidence, ErrorCode, EventBody, Failure, Incomplete, SessionId,
    Timestamp, TurnId, arguments_as_text, event::MessageCompleted,
};
use serde::Serialize;

use super::{client_tools, earlier, models, request::CompletionRequest, stream};
use crate::{
    body,
    edge::{X_SESSION_ID, X_TURN_ID},
    error::ApiError,
    request_id::RequestId,
    rest::chat::{cancelled, erased},
    site::Site,
    trace,
};

/// The longest body: a client sends its whole conversation each time.
const BODY_BYTES_MAX: usize = 1024 * 1024;

/// Says the last message of a conversation to an agent, and gives its answer whole or as a stream.
///
/// # Errors
/// As the chat's, in OpenAI's shape.
pub(super) async fn create(site: Data<Site>, request: HttpRequest, payload: Payload) -> Result<HttpResponse, ApiError> {
    let fields = body::json_within(BODY_BYTES_MAX, &request, payload).await?;
    let wanted = CompletionRequest::read(fields, &request, site.settings.tool_result_bytes_max)?;
    let agent = models::find(&site, &wanted.model)?;
    let said = wanted.said_to(agent);
    let said = earlier::remembered(&site.gateway, said).await?;
    client_tools::check(&site.gateway, &said).await?;
    let submission = Submission {
        session_id: wanted.session_id.unwrap_or_else(SessionId::new),
        client_message_id: wanted.client_message_id,
        said,
        request_id: RequestId::assigned(&request).shared(),
        trace: trace::current(),
    };
    let session_id = submission.session_id;
    if let Some(user) = &wanted.user {
        site.gateway.session_of(session_id, user).await?;
    }
    if wanted.streams {
        return stream::begin(&site, &request, submission, &wanted).await;
    }
    let (turn_id, record) = match site.gateway.converse(submission).await? {
        Conversed::Ended(Accepted { turn_id, .. }, record) => (turn_id, record),
        Conversed::Waits(turn_id, awaited) => return Err(waits(session_id, turn_id, &awaited)),
    };
    let record = record.ok_or_else(|| erased().of_turn(turn_id))?;
    let completed = completed(&record).map_err(|error| error.of_turn(turn_id))?;
    Ok(HttpResponse::Ok()
        .insert_header((X_TURN_ID, turn_id.to_string()))
        .insert_header((X_SESSION_ID, session_id.to_string()))
        .json(ChatCompletion::of(&wanted.model, session_id, turn_id, completed)))
}

/// How the turn ended.
fn completed(record: &TurnRecord) -> Result<&MessageCompleted, ApiError> {
    let end = record.events.iter().find_map(|recorded| match &recorded.event.body {
        EventBody::MessageCompleted(completed) => Some(Ok(completed)),
        EventBody::TurnFailed(failed) => Some(Err(failed.error.clone().into())),
        EventBody::TurnCancelled(_) => Some(Err(cancelled())),
        EventBody::MessageAccepted(_)
        | EventBody::RetrievalLog(_)
        | EventBody::AgentStatus(_)
        | EventBody::Handoff(_)
        | EventBody::ToolCall(_)
        | EventBody::ApprovalRequested(_)
        | EventBody::ApprovalResolved(_) => None,
    });
    end.unwrap_or_else(|| Err(ApiError::new(ErrorCode::InternalError, "The turn has no end.")))
}

/// What a client is told whose turn waits for a person's word, and has done so for as long as it is waited for. Asked again, the same would
/// be asked of that person again.
fn waits(session_id: SessionId, turn_id: TurnId, awaited: &Awaited) -> ApiError {
    let why = match awaited {
        Awaited::Person(person) => format!("{} has the session and has not answered yet.", person.name),
        Awaited::Approval(request) => format!(
            "Nobody has decided yet whether {} may be called: POST /api/session/{session_id}/approvals/{} does.",
            request.tool, request.approval_id
        ),
    };
    let failure = Failure {
        retryable: false,
        ..Failure::new(
            ErrorCode::Timeout,
            format!("{why} The turn goes on: GET /api/chat/stream/{turn_id} follows it."),
        )
    };
    ApiError::from(failure).of_turn(turn_id)
}

/// A chat completion.
#[derive(Debug, Serialize)]
struct ChatCompletion<'a> {
    id: String,
    object: &'static str,
    created: i64,
    model: &'a str,
    choices: [Choice<'a>; 1],
    usage: CompletionUsage,
    orchestratai: Beside,
}

#[derive(Debug, Serialize)]
struct Choice<'a> {
    index: u32,
    message: AssistantMessage<'a>,
    logprobs: Option<()>,
    finish_reason: &'static str,
}

#[derive(Debug, Serialize)]
struct AssistantMessage<'a> {
    role: &'static str,
    /// `null` where nothing was said beside calls.
    content: Option<&'a str>,
    refusal: Option<()>,
    annotations: Vec<Annotation>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<FunctionCall<'a>>,
}

/// A call of a tool of the client.
#[derive(Debug, Serialize)]
pub(super) struct FunctionCall<'a> {
    /// Its place; in streams alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    index: Option<usize>,
    id: &'a str,
    r#type: &'static str,
    function: Function<'a>,
}

#[derive(Debug, Serialize)]
struct Function<'a> {
    name: &'a str,
    /// JSON in a text, or whatever else the model has written.
    arguments: String,
}

impl<'a> FunctionCall<'a> {
    pub(super) fn of(index: Option<usize>, call: &'a ClientCall) -> Self {
        Self {
            index,
            id: &call.call_id,
            r#type: "function",
            function: Function {
                name: &call.tool,
                arguments: arguments_as_text(&call.arguments),
            },
        }
    }
}

/// Why an answer ended.
pub(super) fn finish_reason(calls: &[ClientCall], incomplete: Option<Incomplete>) -> &'static str {
    match (calls, incomplete) {
        ([_, ..], _) => "tool_calls",
        ([], None) => "stop",
        ([], Some(Incomplete::MaxTokens)) => "length",
        ([], Some(Incomplete::Refused)) => "content_filter",
    }
}

/// Where an answer cites a source, in the shape that OpenAI has for citations of the web.
#[derive(Debug, Serialize, PartialEq)]
#[serde(tag = "type", content = "url_citation", rename_all = "snake_case")]
pub(super) enum Annotation {
    /// From `start_index` to `end_index`, in Unicode scalar values of the answer, stands `[n]`.
    UrlCitation {
        start_index: usize,
        end_index: usize,
        title: String,
        url: String,
    },
}

/// Tokens, as providers have reported them: of all rounds of all agents of the turn.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct CompletionUsage {
    prompt_tokens: u64,
    completion_tokens: u64,
    total_tokens: u64,
}

/// What OpenAI's shape has no place for.
#[derive(Debug, Serialize)]
pub(super) struct Beside {
    pub(super) session_id: SessionId,
    pub(super) turn_id: TurnId,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) agent: Option<AgentId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) confidence: Option<Confidence>,
    pub(super) citations: Vec<Citation>,
    pub(super) metrics: ChatMetrics,
}

impl<'a> ChatCompletion<'a> {
    fn of(model: &'a str, session_id: SessionId, turn_id: TurnId, completed: &'a MessageCompleted) -> Self {
        let message = &completed.message;
        Self {
            id: completion_id(turn_id),
            object: "chat.completion",
            created: seconds(message.timestamp),
            model,
            choices: [Choice {
                index: 0,
                message: AssistantMessage {
                    role: "assistant",
                    content: Some(message.content.as_str())
                        .filter(|said| !said.is_empty() || completed.calls.is_empty()),
                    refusal: None,
                    annotations: annotations(&message.content, 0, &completed.citations),
                    tool_calls: completed
                        .calls
                        .iter()
                        .map(|call| FunctionCall::of(None, call))
                        .collect(),
                },
                logprobs: None,
                finish_reason: finish_reason(&completed.calls, completed.incomplete),
            }],
            usage: CompletionUsage::of(&completed.metrics),
            orchestratai: Beside::of(session_id, turn_id, completed),
        }
    }
}

impl CompletionUsage {
    /// A turn's tokens. Where nobody has told apart which of them were written, all of them count as that.
    pub(super) fn of(metrics: &ChatMetrics) -> Self {
        Self {
            prompt_tokens: metrics.prompt_tokens.unwrap_or(0),
            completion_tokens: metrics.completion_tokens.unwrap_or(metrics.tokens_used),
            total_tokens: metrics.tokens_used,
        }
    }
}

impl Beside {
    fn of(session_id: SessionId, turn_id: TurnId, completed: &MessageCompleted) -> Self {
        Self {
            session_id,
            turn_id,
            agent: completed.message.agent.clone(),
            confidence: completed.message.confidence,
            citations: completed.citations.clone(),
            metrics: completed.metrics,
        }
    }
}

/// The id of a turn's completion.
pub(super) fn completion_id(turn_id: TurnId) -> String {
    format!("chatcmpl-{turn_id}")
}

/// Whole seconds since 1970.
pub(super) fn seconds(at: Timestamp) -> i64 {
    at.as_millis() / 1_000
}

/// Every `[n]` of an answer that stands for a source, where it stands. `before` is how many Unicode scalar values the client has been told that
/// stand before the answer.
pub(super) fn annotations(answer: &str, before: usize, citations: &[Citation]) -> Vec<Annotation> {
    let mut found = Vec::new();
    for citation in citations {
        let mark = format!("[{}]", citation.index);
        let cited = answer.match_indices(&mark).map(|(at, _)| {
            let start_index = before + answer[..at].chars().count();
            Annotation::UrlCitation {
                start_index,
                end_index: start_index + mark.len(),
                title: citation.source.clone(),
                url: citation.source.clone(),
            }
        });
        found.extend(cited);
    }
    found.sort_by_key(|Annotation::UrlCitation { start_index, .. }| *start_index);
    found
}
