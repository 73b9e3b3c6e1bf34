//! The agents.

use std::future::ready as at_once;

use actix_web::{
    HttpResponse,
    web::{Data, Path, ServiceConfig},
};
use orchestratai_shared::{Agent, AgentId};
use serde::Serialize;
use utoipa::ToSchema;

use super::{get, path_id, resource};
use crate::{
    error::ApiError,
    openapi::{Invalid, NotFound},
    site::Site,
};

pub(crate) fn configure(routes: &mut ServiceConfig) {
    let only_get = |path: &str| resource(path, "GET, HEAD");
    routes
        .service(only_get("/api/agents").route(get().to(|site: Data<Site>| at_once(list(&site)))))
        .service(
            only_get("/api/agents/{agent_id}")
                .route(get().to(|site: Data<Site>, path: Path<String>| at_once(read(&site, &path)))),
        );
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
