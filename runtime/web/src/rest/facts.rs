//! What people have said of themselves, for them to see and to have erased.

use actix_web::{
    HttpResponse,
    web::{self, Data, Path, ServiceConfig},
};
use orchestratai_shared::{Fact, FactId, UserId};
use orchestratai_telemetry::FactOutcome;
use serde::Serialize;
use utoipa::ToSchema;

use super::{get, path_id, resource};
use crate::{
    error::ApiError,
    openapi::{Busy, Invalid, NotFound, Unexpected},
    site::Site,
};

pub(crate) fn configure(routes: &mut ServiceConfig) {
    routes
        .service(
            resource("/api/users/{user_id}/memory", "GET, HEAD, DELETE")
                .route(get().to(list))
                .route(web::delete().to(erase_all)),
        )
        .service(resource("/api/users/{user_id}/memory/{fact_id}", "DELETE").route(web::delete().to(erase)));
}

/// What a user has said of themselves.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Memory {
    /// Whether agents keep what people say of themselves, and are told of it. Where they do not, what was kept before is told to none.
    enabled: bool,
    /// The facts, first what they have said last.
    facts: Vec<Fact>,
}

/// What agents are told of a user: what they have said of themselves.
///
/// A user of whom nothing is known has no facts.
#[utoipa::path(
    get, path = "/api/users/{user_id}/memory", operation_id = "listFacts", tag = "users",
    params(("user_id" = String, Path, description = "The user, as their sessions name them.", min_length = 1, max_length = 128, pattern = r"^[^\s\x00-\x1f\x7f-\x9f]+$")),
    responses((status = 200, description = "The facts.", body = Memory), Invalid, Busy, Unexpected)
)]
pub(crate) async fn list(site: Data<Site>, path: Path<String>) -> Result<HttpResponse, ApiError> {
    let user: UserId = path_id("user_id", &path)?;
    Ok(HttpResponse::Ok().json(Memory {
        enabled: site.settings.keeps_facts,
        facts: site.gateway.facts(&user).await?,
    }))
}

/// Erases one fact of a user.
#[utoipa::path(
    delete, path = "/api/users/{user_id}/memory/{fact_id}", operation_id = "eraseFact", tag = "users",
    params(
        ("user_id" = String, Path, description = "The user, as their sessions name them.", min_length = 1, max_length = 128, pattern = r"^[^\s\x00-\x1f\x7f-\x9f]+$"),
        ("fact_id" = FactId, Path, description = "The fact.")
    ),
    responses((status = 204, description = "It is erased."), Invalid, NotFound, Busy, Unexpected)
)]
pub(crate) async fn erase(site: Data<Site>, path: Path<(String, String)>) -> Result<HttpResponse, ApiError> {
    let user: UserId = path_id("user_id", &path.0)?;
    let fact: FactId = path_id("fact_id", &path.1)?;
    match site.gateway.erase_fact(&user, fact).await? {
        true => {
            site.metrics.facts(FactOutcome::Erased, 1);
            Ok(HttpResponse::NoContent().finish())
        }
        false => Err(ApiError::not_found("fact")),
    }
}

/// Erases all that is known of a user.
///
/// Where nothing is known of them, that is so already.
#[utoipa::path(
    delete, path = "/api/users/{user_id}/memory", operation_id = "eraseFacts", tag = "users",
    params(("user_id" = String, Path, description = "The user, as their sessions name them.", min_length = 1, max_length = 128, pattern = r"^[^\s\x00-\x1f\x7f-\x9f]+$")),
    responses((status = 204, description = "Nothing is known of them any more."), Invalid, Busy, Unexpected)
)]
pub(crate) async fn erase_all(site: Data<Site>, path: Path<String>) -> Result<HttpResponse, ApiError> {
    let user: UserId = path_id("user_id", &path)?;
    let erased = site.gateway.erase_facts(&user).await?;
    site.metrics.facts(FactOutcome::Erased, erased);
    Ok(HttpResponse::NoContent().finish())
}
