//! Whether the server serves, and how what it depends on is doing. Open to everybody, so that probes need no secret.

use std::future::ready as at_once;

use actix_web::{
    HttpResponse,
    web::{Data, ServiceConfig},
};
use orchestratai_actors::{ServiceHealth, ServiceState};
use orchestratai_shared::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::{get, resource};
use crate::{
    error::ApiError,
    openapi::Busy,
    site::{Site, busy},
};

pub(crate) fn configure(routes: &mut ServiceConfig) {
    let only_get = |path: &str| resource(path, "GET, HEAD");
    routes
        .service(only_get("/api/health").route(get().to(|site: Data<Site>| at_once(health(&site)))))
        .service(only_get("/api/health/services").route(get().to(services)))
        .service(only_get("/api/health/live").route(get().to(|| at_once(live()))))
        .service(only_get("/api/health/ready").route(get().to(|site: Data<Site>| at_once(ready(&site)))))
        .service(only_get("/metrics").route(get().to(|site: Data<Site>| at_once(metrics(&site)))));
}

/// The server serves.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Health {
    /// Always `healthy`; while it is not, the answer is an error.
    #[schema(value_type = String, pattern = "^healthy$", example = "healthy")]
    status: &'static str,
    /// The version of the server.
    #[schema(value_type = String, example = "0.1.0")]
    version: &'static str,
    /// Now.
    timestamp: Timestamp,
}

/// A check that says yes or no.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Check {
    /// `alive` or `ready`.
    #[schema(value_type = String)]
    status: &'static str,
}

/// The parts that the server depends on.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Services {
    /// The worst of them.
    #[schema(value_type = ServiceStateSchema)]
    status: ServiceState,
    /// Each of them.
    #[schema(value_type = Vec<ServiceHealthSchema>)]
    services: Vec<ServiceHealth>,
    /// Now.
    timestamp: Timestamp,
}

/// How a part is doing.
#[derive(ToSchema)]
#[schema(as = ServiceState, rename_all = "snake_case")]
#[expect(dead_code, reason = "describes a type of a crate that knows no OpenAPI")]
pub(crate) enum ServiceStateSchema {
    /// As it should be.
    Up,
    /// It works in part.
    Degraded,
    /// It does not work.
    Down,
}

/// A part that others depend on.
#[derive(ToSchema)]
#[schema(as = ServiceHealth)]
#[expect(dead_code, reason = "describes a type of a crate that knows no OpenAPI")]
pub(crate) struct ServiceHealthSchema {
    /// Its name, such as `journal`.
    name: String,
    /// How it is doing.
    state: ServiceStateSchema,
    /// More, for people; left out where there is nothing to say.
    detail: Option<String>,
}

/// Whether it serves.
///
/// 503 until questions can be answered. It stays healthy while it serves at all; what is degraded stands in
/// `/api/health/services`.
#[utoipa::path(
    get, path = "/api/health", operation_id = "health", tag = "health",
    responses((status = 200, description = "It serves.", body = Health), Busy)
)]
pub(crate) fn health(site: &Site) -> Result<HttpResponse, ApiError> {
    site.check_ready()?;
    Ok(HttpResponse::Ok().json(Health {
        status: "healthy",
        version: env!("CARGO_PKG_VERSION"),
        timestamp: Timestamp::now(),
    }))
}

/// How each part that it depends on is doing.
#[utoipa::path(
    get, path = "/api/health/services", operation_id = "services", tag = "health",
    responses((status = 200, description = "The state of each part.", body = Services))
)]
pub(crate) async fn services(site: Data<Site>) -> HttpResponse {
    let services = site.gateway.services().await;
    let status = services
        .iter()
        .map(|service| service.state)
        .max_by_key(|state| match state {
            ServiceState::Up => 0,
            ServiceState::Degraded => 1,
            ServiceState::Down => 2,
        });
    HttpResponse::Ok().json(Services {
        status: status.unwrap_or(ServiceState::Up),
        services,
        timestamp: Timestamp::now(),
    })
}

/// Whether the process is alive: if this gives no answer, start it anew.
#[utoipa::path(
    get, path = "/api/health/live", operation_id = "live", tag = "health",
    responses((status = 200, description = "It is alive.", body = Check))
)]
pub(crate) fn live() -> HttpResponse {
    HttpResponse::Ok().json(Check { status: "alive" })
}

/// Whether it should be sent requests: no longer once it is about to stop, and as one of several nodes not while it cannot reach the
/// database.
#[utoipa::path(
    get, path = "/api/health/ready", operation_id = "ready", tag = "health",
    responses((status = 200, description = "It takes requests.", body = Check), Busy)
)]
pub(crate) fn ready(site: &Site) -> Result<HttpResponse, ApiError> {
    site.check_ready()?;
    if site.gateway.is_draining() {
        return Err(busy("The server is about to stop."));
    }
    site.check_lease()?;
    Ok(HttpResponse::Ok().json(Check { status: "ready" }))
}

/// The metrics, in the text format of Prometheus.
#[utoipa::path(
    get, path = "/metrics", operation_id = "metrics", tag = "health",
    responses((status = 200, description = "Every metric.", body = String, content_type = "text/plain; version=0.0.4"))
)]
pub(crate) fn metrics(site: &Site) -> HttpResponse {
    site.gateway.measure(&site.metrics);
    HttpResponse::Ok()
        .content_type("text/plain; version=0.0.4")
        .body(site.metrics.render())
}
