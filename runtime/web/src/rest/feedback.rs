//! What people think of answers.

use actix_web::{
    HttpRequest, HttpResponse,
    web::{self, Data, Path, Payload, ServiceConfig},
};
use orchestratai_shared::{Feedback, Invalid as InvalidValue, MessageId, Rating, SessionId};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::{
    PageQuery, get, path_id, resource,
    session::{no_session, session_id},
};
use crate::{
    body,
    error::ApiError,
    fields::text,
    openapi::{BadBody, Busy, Invalid, NotFound, Unexpected},
    site::Site,
};

pub(crate) fn configure(routes: &mut ServiceConfig) {
    routes
        .service(
            resource(
                "/api/session/{session_id}/messages/{message_id}/feedback",
                "PUT, DELETE",
            )
            .route(web::put().to(put))
            .route(web::delete().to(remove)),
        )
        .service(resource("/api/session/{session_id}/feedback", "GET, HEAD").route(get().to(list)));
}

/// What somebody thinks of an answer.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what `Fields` reads")]
pub(crate) struct FeedbackRequest {
    /// Whether it was good.
    rating: Rating,
    /// Why.
    #[schema(max_length = 1000, example = "the price is that of last year")]
    reason: Option<String>,
}

/// Feedback on the answers of a session, in their order.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FeedbackPage {
    /// The feedback.
    feedback: Vec<Feedback>,
    /// Whether there is more, on older answers.
    has_more: bool,
}

/// Says what somebody thinks of an answer, in place of what was said before.
#[utoipa::path(
    put, path = "/api/session/{session_id}/messages/{message_id}/feedback", operation_id = "putFeedback", tag = "sessions",
    params(
        ("session_id" = SessionId, Path, description = "The session."),
        ("message_id" = MessageId, Path, description = "The answer.")
    ),
    request_body = FeedbackRequest,
    responses((status = 200, description = "It is stored.", body = Feedback), BadBody, NotFound, Busy, Unexpected)
)]
pub(crate) async fn put(
    site: Data<Site>,
    path: Path<(String, String)>,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, ApiError> {
    let (session_id, message_id) = ids(&path)?;
    let mut fields = body::json(&request, payload).await?;
    let rating = fields.required("rating", rating);
    let reason = fields.optional("reason", reason).flatten();
    let rating = fields.finish(rating)?;
    let given = site
        .gateway
        .put_feedback(session_id, message_id, rating, reason)
        .await?;
    let given = given.ok_or_else(|| ApiError::not_found("answer"))?;
    if let (true, Some(agent)) = (given.is_news, &given.agent) {
        site.metrics.rated(agent, rating);
    }
    Ok(HttpResponse::Ok().json(given.feedback))
}

/// Takes back what was thought of an answer.
#[utoipa::path(
    delete, path = "/api/session/{session_id}/messages/{message_id}/feedback", operation_id = "deleteFeedback", tag = "sessions",
    params(
        ("session_id" = SessionId, Path, description = "The session."),
        ("message_id" = MessageId, Path, description = "The answer.")
    ),
    responses((status = 204, description = "It is gone."), Invalid, NotFound, Busy, Unexpected)
)]
pub(crate) async fn remove(site: Data<Site>, path: Path<(String, String)>) -> Result<HttpResponse, ApiError> {
    let (session_id, message_id) = ids(&path)?;
    match site.gateway.remove_feedback(session_id, message_id).await? {
        true => Ok(HttpResponse::NoContent().finish()),
        false => Err(ApiError::not_found("feedback")),
    }
}

/// What people think of the answers of a session.
///
/// The page ends with the feedback on the newest answer, or on the newest before `before`.
#[utoipa::path(
    get, path = "/api/session/{session_id}/feedback", operation_id = "listFeedback", tag = "sessions",
    params(
        ("session_id" = SessionId, Path, description = "The session."),
        ("limit" = Option<u64>, Query, description = "Answers at most.", minimum = 1, maximum = 200),
        ("before" = Option<MessageId>, Query, description = "Only answers older than this message.")
    ),
    responses((status = 200, description = "A page.", body = FeedbackPage), Invalid, NotFound, Busy, Unexpected)
)]
pub(crate) async fn list(site: Data<Site>, path: Path<String>, request: HttpRequest) -> Result<HttpResponse, ApiError> {
    let session_id = session_id(&path)?;
    let query = PageQuery::<MessageId>::of(request.query_string())?;
    let page = site.gateway.feedback(session_id, query.limit, query.before).await;
    let page = page.map_err(|refusal| query.refused(refusal))?;
    let page = page.ok_or_else(no_session)?;
    Ok(HttpResponse::Ok().json(FeedbackPage {
        feedback: page.items,
        has_more: page.has_more,
    }))
}

fn ids(path: &(String, String)) -> Result<(SessionId, MessageId), ApiError> {
    Ok((session_id(&path.0)?, path_id("message_id", &path.1)?))
}

fn rating(value: Value) -> Result<Rating, InvalidValue> {
    match text(value)?.as_str() {
        "up" => Ok(Rating::Up),
        "down" => Ok(Rating::Down),
        _ => Err(InvalidValue::new("must be up or down")),
    }
}

/// Why; none where nothing is said.
fn reason(value: Value) -> Result<Option<String>, InvalidValue> {
    const CHARACTERS_MAX: usize = 1_000;
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
