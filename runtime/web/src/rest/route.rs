//! Routing alone: who would answer.

use actix_web::{
    HttpRequest, HttpResponse,
    web::{self, Data, Payload, ServiceConfig},
};
use orchestratai_shared::{AgentId, Confidence, Intent, MessageContent};
use serde::Serialize;
use utoipa::ToSchema;

use super::{chat::content, resource};
use crate::{
    body,
    error::ApiError,
    openapi::{BadBody, Unexpected},
    site::Site,
};

pub(crate) fn configure(routes: &mut ServiceConfig) {
    routes.service(resource("/api/route", "POST").route(web::post().to(route)));
}

/// A message that is not stored.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what `Fields` reads")]
pub(crate) struct RouteRequest {
    /// What would be said.
    #[schema(example = "How do I rotate my API key?")]
    message: MessageContent,
}

/// Who would answer, and why.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RouteAnswer {
    /// Who would answer; of several concerns, the main one's specialist.
    agent: AgentId,
    /// What the message wants.
    intent: Intent,
    /// How sure the decision is.
    confidence: Confidence,
    /// The reason, for people.
    reasoning: String,
    /// Who else could answer, surest first.
    candidates: Vec<RouteCandidate>,
}

/// An agent that could answer.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RouteCandidate {
    /// The agent.
    agent: AgentId,
    /// How sure that is.
    confidence: Confidence,
}

/// Who would answer a message.
///
/// The decision alone: nothing is stored, nobody is asked.
#[utoipa::path(
    post, path = "/api/route", operation_id = "routeMessage", tag = "agents",
    request_body = RouteRequest,
    responses((status = 200, description = "The decision.", body = RouteAnswer), BadBody, Unexpected)
)]
pub(crate) async fn route(site: Data<Site>, request: HttpRequest, payload: Payload) -> Result<HttpResponse, ApiError> {
    let mut fields = body::json(&request, payload).await?;
    let message = fields.required("message", content);
    let decision = site.gateway.route(&fields.finish(message)?);
    Ok(HttpResponse::Ok().json(RouteAnswer {
        agent: decision.agent,
        intent: decision.intent,
        confidence: decision.confidence,
        reasoning: decision.reasoning,
        candidates: decision
            .candidates
            .into_iter()
            .map(|candidate| RouteCandidate {
                agent: candidate.agent,
                confidence: candidate.confidence,
            })
            .collect(),
    }))
}
