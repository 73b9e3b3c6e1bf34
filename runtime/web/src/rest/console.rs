//! What a console has to know before anything else. Open to everybody, so that it can ask for the token where one is needed.

use std::future::ready as at_once;

use actix_web::{
    HttpResponse,
    web::{Data, ServiceConfig},
};
use serde::Serialize;
use utoipa::ToSchema;

use super::{get, resource};
use crate::site::Site;

pub(crate) fn configure(routes: &mut ServiceConfig) {
    let at = resource("/api/console", "GET, HEAD");
    routes.service(at.route(get().to(|site: Data<Site>| at_once(console(&site)))));
}

/// What a console has to know before anything else.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Console<'a> {
    /// The version of the server.
    #[schema(value_type = String, example = "0.1.0")]
    version: &'static str,
    /// Whether the other addresses of the API want a token.
    authentication: ConsoleAuthentication,
    /// Where Grafana is, for a link; left out where it is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "http://localhost:3001")]
    grafana_url: Option<&'a str>,
    /// Questions that a new chat may offer, three at most.
    #[schema(value_type = Vec<String>, max_items = 3)]
    examples: &'a [String],
}

/// Who gets in.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ConsoleAuthentication {
    /// Everybody.
    Open,
    /// Who brings the token.
    Token,
}

/// What a console has to know before anything else.
///
/// Open to everybody: whether a token is needed is part of it.
#[utoipa::path(
    get, path = "/api/console", operation_id = "console", tag = "health",
    responses((status = 200, description = "What to know.", body = Console<'_>))
)]
pub(crate) fn console(site: &Site) -> HttpResponse {
    let settings = &site.settings;
    HttpResponse::Ok().json(Console {
        version: env!("CARGO_PKG_VERSION"),
        authentication: match settings.token {
            Some(_) => ConsoleAuthentication::Token,
            None => ConsoleAuthentication::Open,
        },
        grafana_url: settings.console.grafana_url.as_deref(),
        examples: &settings.console.examples,
    })
}
