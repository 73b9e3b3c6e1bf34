//! Which models there are: one for each agent.

use actix_web::{
    HttpResponse,
    web::{Data, Path},
};
use orchestratai_shared::{AgentId, ErrorCode, Invalid};
use serde::Serialize;

use crate::{error::ApiError, site::Site};

#[derive(Debug, Serialize)]
struct Models {
    object: &'static str,
    data: Vec<Model>,
}

/// A model, as OpenAI's clients list them.
#[derive(Debug, Serialize)]
struct Model {
    id: AgentId,
    object: &'static str,
    /// When the server started, in seconds since 1970: an agent has no older date.
    created: i64,
    owned_by: &'static str,
}

/// Every agent; a message for `orchestrator` is routed, one for another agent is answered by that one.
pub(super) async fn list(site: Data<Site>) -> HttpResponse {
    let data = site.gateway.agents().into_iter().map(|agent| model(&site, agent.id));
    HttpResponse::Ok().json(Models {
        object: "list",
        data: data.collect(),
    })
}

pub(super) async fn read(site: Data<Site>, path: Path<String>) -> Result<HttpResponse, ApiError> {
    let id = find(&site, &path)?;
    Ok(HttpResponse::Ok().json(model(&site, id)))
}

/// The agent that a model's name stands for.
///
/// # Errors
/// 404 that names `model` where there is none.
pub(super) fn find(site: &Site, name: &str) -> Result<AgentId, ApiError> {
    let id = AgentId::parse(name).ok().filter(|id| site.gateway.agent(id).is_some());
    id.ok_or_else(|| ApiError {
        details: vec![Invalid::new("names no agent").at("model")],
        ..ApiError::new(
            ErrorCode::NotFound,
            format!(
                "The model `{}` does not exist.",
                name.chars().take(64).collect::<String>()
            ),
        )
    })
}

fn model(site: &Site, id: AgentId) -> Model {
    Model {
        id,
        object: "model",
        created: site.started.as_millis() / 1_000,
        owned_by: "orchestratai",
    }
}
