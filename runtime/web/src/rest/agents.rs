//! The agents.

use std::future::ready as at_once;

use actix_web::{
    HttpRequest, HttpResponse,
    web::{self, Data, Path, Payload, ServiceConfig},
};
use orchestratai_actors::Trial;
use orchestratai_agents::definition::AgentDefinition;
use orchestratai_shared::{
    Agent, AgentId, AgentTurn, Citation, Confidence, Failure, Invalid as InvalidValue, RetrievalLog, TurnId,
};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::{
    PageQuery,
    agent_definition::{DefinitionBody, body as definition_body, drafted},
    chat::content,
    get, path_id, resource,
};
use crate::{
    body,
    error::ApiError,
    openapi::{BadBody, Busy, Invalid, NotFound, Unexpected},
    site::Site,
};

pub(crate) fn configure(routes: &mut ServiceConfig) {
    let only_get = |path: &str| resource(path, "GET, HEAD");
    routes
        .service(only_get("/api/agents").route(get().to(|site: Data<Site>| at_once(list(&site)))))
        .service(
            only_get("/api/agents/{agent_id}")
                .route(get().to(|site: Data<Site>, path: Path<String>| at_once(read(&site, &path)))),
        )
        .service(
            only_get("/api/agents/{agent_id}/definition")
                .route(get().to(|site: Data<Site>, path: Path<String>| at_once(definition(&site, &path)))),
        )
        .service(only_get("/api/agents/{agent_id}/turns").route(get().to(turns)))
        .service(resource("/api/agents/{agent_id}/try", "POST").route(web::post().to(try_out)));
}

/// Every agent.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Agents {
    /// The agents.
    agents: Vec<Agent>,
    /// Always false: this list has one page.
    has_more: bool,
}

/// The agents, with their status and their counters since the start of the server.
#[utoipa::path(
    get, path = "/api/agents", operation_id = "listAgents", tag = "agents",
    responses((status = 200, description = "Every agent.", body = Agents))
)]
pub(crate) fn list(site: &Site) -> HttpResponse {
    HttpResponse::Ok().json(Agents {
        agents: site.gateway.agents(),
        has_more: false,
    })
}

/// One agent.
#[utoipa::path(
    get, path = "/api/agents/{agent_id}", operation_id = "getAgent", tag = "agents",
    params(("agent_id" = AgentId, Path, description = "The agent.")),
    responses((status = 200, description = "The agent.", body = Agent), Invalid, NotFound)
)]
pub(crate) fn read(site: &Site, id: &str) -> Result<HttpResponse, ApiError> {
    let id: AgentId = path_id("agent_id", id)?;
    let agent = site.gateway.agent(&id).ok_or_else(|| ApiError::not_found("agent"))?;
    Ok(HttpResponse::Ok().json(agent))
}

/// Turns that an agent has had, newest last.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AgentTurns {
    /// The turns.
    turns: Vec<AgentTurn>,
    /// Whether there are older ones.
    has_more: bool,
}

/// What to try.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what `Fields` reads")]
pub(crate) struct TrialRequest {
    /// What a user might say.
    #[schema(
        min_length = 1,
        max_length = 2000,
        pattern = r"\S",
        example = "How do I rotate an API key?"
    )]
    message: String,
    /// Fields of a definition that are to stand in place of the agent's own; `null` takes one away.
    #[schema(value_type = Option<Object>, example = json!({"strategy": "pure_rag", "collections": ["technical"]}))]
    draft: Option<Map<String, Value>>,
}

/// What the agent answers as it is, and as the draft would have it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TrialAnswer {
    /// As it is.
    current: TrialBody,
    /// As the draft would have it; left out where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    draft: Option<TrialBody>,
}

/// One answer of a trial.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TrialBody {
    /// The answer, as far as it came.
    answer: String,
    /// How sure it is; left out where there is no whole answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    confidence: Option<Confidence>,
    /// What each `[n]` in the answer stands for.
    citations: Vec<Citation>,
    /// What the agent did. Session and message are nobody's.
    logs: Vec<RetrievalLog>,
    /// How long it took, in milliseconds.
    latency_ms: f64,
    /// Tokens that providers have reported.
    tokens_used: u64,
    /// What they cost, in USD.
    cost: f64,
    /// Why there is no whole answer, where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Failure>,
}

impl TrialBody {
    /// Of a draft that is no definition.
    fn failed(failure: Failure) -> Self {
        Self {
            answer: String::new(),
            confidence: None,
            citations: Vec::new(),
            logs: Vec::new(),
            latency_ms: 0.0,
            tokens_used: 0,
            cost: 0.0,
            error: Some(failure),
        }
    }
}

impl From<Trial> for TrialBody {
    fn from(trial: Trial) -> Self {
        Self {
            answer: trial.answer,
            confidence: trial.confidence,
            citations: trial.citations,
            logs: trial.logs,
            latency_ms: (trial.latency.as_secs_f64() * 1e6).round() / 1e3,
            tokens_used: trial.tokens,
            cost: trial.cost,
            error: trial.failure,
        }
    }
}

/// What an agent is: its file, as it is served.
///
/// `limits`, `examples` and the rest are spelt as in the file, but in camelCase.
#[utoipa::path(
    get, path = "/api/agents/{agent_id}/definition", operation_id = "getAgentDefinition", tag = "agents",
    params(("agent_id" = AgentId, Path, description = "The agent.")),
    responses((status = 200, description = "The definition.", body = DefinitionBody), Invalid, NotFound)
)]
pub(crate) fn definition(site: &Site, id: &str) -> Result<HttpResponse, ApiError> {
    Ok(HttpResponse::Ok().json(definition_body(defined(site, id)?)))
}

/// The turns that an agent has had, over all sessions.
///
/// The page ends with the newest turn, or with the one before `before`. Where many turns of others have failed in between, it may
/// have fewer turns than there are.
#[utoipa::path(
    get, path = "/api/agents/{agent_id}/turns", operation_id = "listAgentTurns", tag = "agents",
    params(
        ("agent_id" = AgentId, Path, description = "The agent."),
        ("limit" = Option<u64>, Query, description = "Turns at most.", minimum = 1, maximum = 200),
        ("before" = Option<TurnId>, Query, description = "Only turns that were accepted before this one.")
    ),
    responses((status = 200, description = "A page.", body = AgentTurns), Invalid, NotFound, Busy, Unexpected)
)]
pub(crate) async fn turns(
    site: Data<Site>,
    path: Path<String>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let agent = &defined(&site, &path)?.id;
    let query = PageQuery::<TurnId>::of(request.query_string())?;
    let page = site.gateway.turns_of_agent(agent, query.limit, query.before).await;
    let page = page.map_err(|refusal| query.refused(refusal))?;
    Ok(HttpResponse::Ok().json(AgentTurns {
        turns: page.items,
        has_more: page.has_more,
    }))
}

/// Lets an agent answer a message that nobody has said, by its definition and by a draft of another one.
///
/// It is a real turn, of the first message of a session, but nothing of it is stored, counted or left in the semantic cache. A draft
/// that is no definition has an `error` of the code `VALIDATION_ERROR`, which says everything that is wrong with it.
#[utoipa::path(
    post, path = "/api/agents/{agent_id}/try", operation_id = "tryAgent", tag = "agents",
    params(("agent_id" = AgentId, Path, description = "The agent.")),
    request_body = TrialRequest,
    responses((status = 200, description = "The answers.", body = TrialAnswer), BadBody, NotFound, Busy, Unexpected)
)]
pub(crate) async fn try_out(
    site: Data<Site>,
    path: Path<String>,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, ApiError> {
    let current = defined(&site, &path)?;
    let mut fields = body::json(&request, payload).await?;
    let message = fields.required("message", content);
    let draft = fields.optional("draft", object);
    let message = fields.finish(message)?;
    let draft = draft.map(|draft| drafted(current, draft, site.gateway.definitions()));
    let definitions: Vec<&AgentDefinition> = std::iter::once(current)
        .chain(draft.iter().flat_map(|draft| draft.as_ref().ok()))
        .collect();
    let mut trials = site.gateway.try_out(&definitions, &message).await?.into_iter();
    let current = trials.next().ok_or_else(|| ApiError::not_found("agent"))?;
    Ok(HttpResponse::Ok().json(TrialAnswer {
        current: current.into(),
        draft: match draft {
            Some(Err(failure)) => Some(TrialBody::failed(failure)),
            Some(Ok(_)) | None => trials.next().map(TrialBody::from),
        },
    }))
}

fn object(value: Value) -> Result<Map<String, Value>, InvalidValue> {
    match value {
        Value::Object(fields) => Ok(fields),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            Err(InvalidValue::new("must be an object with fields of a definition"))
        }
    }
}

/// The definition of an agent.
fn defined<'s>(site: &'s Site, id: &str) -> Result<&'s AgentDefinition, ApiError> {
    let id: AgentId = path_id("agent_id", id)?;
    let definition = site.gateway.definitions().iter().find(|definition| definition.id == id);
    definition.ok_or_else(|| ApiError::not_found("agent"))
}
