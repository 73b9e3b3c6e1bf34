//! Questions that found nothing: what the knowledge base lacks.

use actix_web::{
    HttpRequest, HttpResponse,
    web::{self, Data, Path, Payload, ServiceConfig},
};
use orchestratai_shared::{ErrorCode, Invalid as InvalidValue, QuestionState, TurnId, UnansweredQuestion};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::{get, page::unknown_cursor, path_id, resource};
use crate::{
    body,
    error::ApiError,
    fields::{Fields, parsed, text, whole},
    openapi::{BadBody, Busy, Invalid, NotFound, Unexpected},
    site::Site,
};

pub(crate) fn configure(routes: &mut ServiceConfig) {
    routes
        .service(resource("/api/knowledge/questions", "GET, HEAD").route(get().to(list)))
        .service(resource("/api/knowledge/questions/{question_id}", "PATCH").route(web::patch().to(change)));
}

/// Questions that found nothing, newest last.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Questions {
    /// The questions.
    questions: Vec<UnansweredQuestion>,
    /// Whether there are older ones.
    has_more: bool,
}

/// What was done about a question.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what `Fields` reads")]
pub(crate) struct QuestionRequest {
    /// Whether something is still to be done about it.
    state: QuestionState,
    /// A note; `null` takes it away, and where it is left out the note stays.
    #[schema(max_length = 1000, example = "answered by billing/refunds.md")]
    note: Option<String>,
}

/// The questions whose answer said that the knowledge base has none.
///
/// The page ends with the newest question, or with the one before `before`. A question goes with its session when that is erased.
#[utoipa::path(
    get, path = "/api/knowledge/questions", operation_id = "listQuestions", tag = "knowledge",
    params(
        ("state" = Option<QuestionState>, Query, description = "Only questions in this state."),
        ("limit" = Option<u64>, Query, description = "Questions at most; 50 where it is left out.", minimum = 1, maximum = 200),
        ("before" = Option<TurnId>, Query, description = "Only questions that were asked before this one.")
    ),
    responses((status = 200, description = "A page.", body = Questions), Invalid, NotFound, Busy, Unexpected)
)]
pub(crate) async fn list(site: Data<Site>, request: HttpRequest) -> Result<HttpResponse, ApiError> {
    const LIMIT_DEFAULT: u64 = 50;
    const LIMIT_MAX: u64 = 200;
    let mut fields = Fields::of_query(request.query_string(), &["state", "limit", "before"]);
    let state = fields.optional("state", state);
    let limit = fields.optional("limit", whole(1, LIMIT_MAX)).unwrap_or(LIMIT_DEFAULT);
    let before: Option<TurnId> = fields.optional("before", parsed);
    fields.finish(Some(()))?;
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let page = site.gateway.questions(state, limit, before).await;
    let page = page.map_err(|refusal| match before {
        Some(_) if refusal.failure.code == ErrorCode::ValidationError => unknown_cursor(),
        Some(_) | None => refusal.into(),
    })?;
    Ok(HttpResponse::Ok().json(Questions {
        questions: page.items,
        has_more: page.has_more,
    }))
}

/// Says what was done about a question.
#[utoipa::path(
    patch, path = "/api/knowledge/questions/{question_id}", operation_id = "changeQuestion", tag = "knowledge",
    params(("question_id" = TurnId, Path, description = "The question.")),
    request_body = QuestionRequest,
    responses((status = 200, description = "The question.", body = UnansweredQuestion), BadBody, NotFound, Busy, Unexpected)
)]
pub(crate) async fn change(
    site: Data<Site>,
    path: Path<String>,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, ApiError> {
    let id: TurnId = path_id("question_id", &path)?;
    let mut fields = body::json(&request, payload).await?;
    let state = fields.required("state", state);
    // Here `null` says something else than nothing.
    let note = match fields.has("note") {
        true => fields.required("note", note),
        false => None,
    };
    let state = fields.finish(state)?;
    let question = site.gateway.set_question(id, state, note).await?;
    let question = question.ok_or_else(|| ApiError::not_found("question"))?;
    Ok(HttpResponse::Ok().json(question))
}

fn state(value: Value) -> Result<QuestionState, InvalidValue> {
    match text(value)?.as_str() {
        "open" => Ok(QuestionState::Open),
        "done" => Ok(QuestionState::Done),
        _ => Err(InvalidValue::new("must be open or done")),
    }
}

/// A note; none where nothing is in it.
fn note(value: Value) -> Result<Option<String>, InvalidValue> {
    const CHARACTERS_MAX: usize = 1_000;
    if value.is_null() {
        return Ok(None);
    }
    let text = text(value)?;
    let characters = text.chars().count();
    if characters > CHARACTERS_MAX {
        return Err(InvalidValue::new(format!(
            "must be at most {CHARACTERS_MAX} characters long, and has {characters}"
        )));
    }
    let text = text.trim();
    Ok((!text.is_empty()).then(|| text.to_owned()))
}
