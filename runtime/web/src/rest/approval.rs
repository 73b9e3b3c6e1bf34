//! Decisions on what agents want to do.

use actix_web::{
    HttpRequest, HttpResponse,
    web::{self, Data, Path, Payload, ServiceConfig},
};
use orchestratai_actors::Verdict;
use orchestratai_shared::{
    ApprovalId, Invalid as InvalidValue, SessionId,
    command::Decision,
    event::ApprovalResolved,
    levels::{LEVELS_MAX, is_within_levels},
};
use serde_json::Value;
use utoipa::ToSchema;

use super::{
    path_id,
    person::{REASON_CHARACTERS_MAX, line, name},
    resource,
    session::no_session,
};
use crate::{
    body,
    error::ApiError,
    openapi::{BadBody, Busy, Conflict, NotFound, Unexpected},
    site::Site,
};

pub(crate) fn configure(routes: &mut ServiceConfig) {
    let path = "/api/session/{session_id}/approvals/{approval_id}";
    routes.service(resource(path, "POST").route(web::post().to(decide)));
}

/// A decision.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what `Fields` reads")]
pub(crate) struct DecisionRequest {
    /// What is decided.
    decision: Decision,
    /// Who decides: shown to everybody who follows the session, and vouched for by nobody.
    #[schema(
        min_length = 1,
        max_length = 80,
        pattern = r"[^\s\x00-\x1f\x7f-\x9f]",
        example = "Kim"
    )]
    name: String,
    /// Why, for people and for the agent.
    #[schema(max_length = 1000)]
    reason: Option<String>,
    /// What the tool is to be given in place of what the agent wanted; only where it is approved.
    #[schema(value_type = Option<Object>)]
    arguments: Option<Value>,
}

/// Decides on what an agent wants to do.
///
/// The turn goes on by it: where it is approved, the tool is called, with `arguments` where they are given; where it is rejected, the agent is
/// told so, with the reason. Whoever follows the session is told by `approval_resolved`. Of several that were asked for at once each is decided
/// by itself, and the turn goes on when all are. Deciding the same once more changes nothing, deciding otherwise is 409. Some time
/// after the turn has ended either is 404.
#[utoipa::path(
    post, path = "/api/session/{session_id}/approvals/{approval_id}", operation_id = "resolveApproval", tag = "sessions",
    params(
        ("session_id" = SessionId, Path, description = "The session."),
        ("approval_id" = ApprovalId, Path, description = "The request, as `approval_requested` names it.")
    ),
    request_body = DecisionRequest,
    responses((status = 200, description = "It is decided.", body = ApprovalResolved), BadBody, NotFound, Conflict, Busy, Unexpected)
)]
pub(crate) async fn decide(
    site: Data<Site>,
    path: Path<(String, String)>,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, ApiError> {
    let (session_id, approval_id) = path.into_inner();
    let session_id: SessionId = path_id("session_id", &session_id)?;
    let approval_id: ApprovalId = path_id("approval_id", &approval_id)?;
    let mut fields = body::json(&request, payload).await?;
    let decision = fields.required("decision", |value| {
        serde_json::from_value::<Decision>(value).map_err(|_| InvalidValue::new("must be approved or rejected"))
    });
    let by = fields.required("name", name);
    let reason = fields.optional("reason", line(REASON_CHARACTERS_MAX)).flatten();
    let arguments = fields.optional("arguments", object);
    let (decision, by) = fields.finish(decision.zip(by))?;
    let verdict = Verdict {
        approval_id,
        decision,
        arguments,
        by,
        reason,
    };
    let resolved = site.gateway.decide(session_id, verdict).await?.ok_or_else(no_session)?;
    Ok(HttpResponse::Ok().json(resolved))
}

fn object(value: Value) -> Result<Value, InvalidValue> {
    if !value.is_object() {
        return Err(InvalidValue::new("must be an object"));
    }
    if !is_within_levels(&value) {
        return Err(InvalidValue::new(format!("must have at most {LEVELS_MAX} levels")));
    }
    Ok(value)
}
