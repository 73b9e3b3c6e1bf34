//! The OpenAPI document, and the page that shows it. All of it comes from the binary: nothing is loaded from elsewhere.

use std::{future::ready as at_once, sync::Arc};

use actix_web::{
    HttpResponse,
    http::header,
    web::{Data, Path, ServiceConfig},
};
use utoipa_swagger_ui::Config;

use super::{get, resource};
use crate::{error::ApiError, site::Site};

const DOCUMENT: &str = "/api/openapi.json";

pub(crate) fn configure(routes: &mut ServiceConfig) {
    let only_get = |path: &str| resource(path, "GET, HEAD");
    // The page's own "try it" must reach us alone; a validator's badge would be loaded from outside.
    let page = Arc::new(Config::from(DOCUMENT).validator_url("none").try_it_out_enabled(true));
    routes
        .service(only_get(DOCUMENT).route(get().to(|site: Data<Site>| at_once(document(&site)))))
        .service(only_get("/api/docs").route(get().to(|| at_once(to_page()))))
        .service(
            only_get("/api/docs/{file:.*}").route(get().to(move |file: Path<String>| at_once(asset(&file, &page)))),
        );
}

/// This document.
#[utoipa::path(
    get, path = "/api/openapi.json", operation_id = "openapi", tag = "health",
    responses((status = 200, description = "The OpenAPI document.", body = serde_json::Value))
)]
pub(crate) fn document(site: &Site) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("application/json")
        .body(site.openapi.clone())
}

/// The page's files are named relative to it, so its address must end with a slash.
fn to_page() -> HttpResponse {
    HttpResponse::PermanentRedirect()
        .insert_header((header::LOCATION, "/api/docs/"))
        .finish()
}

fn asset(file: &str, page: &Arc<Config<'static>>) -> Result<HttpResponse, ApiError> {
    let found = utoipa_swagger_ui::serve(file, Arc::clone(page)).map_err(|error| {
        tracing::error!(%error, "a file of the API's page could not be read");
        ApiError::panicked()
    })?;
    let file = found.ok_or_else(|| ApiError::not_found("file"))?;
    let mut response = HttpResponse::Ok();
    response.content_type(file.content_type);
    Ok(response.body(file.bytes.into_owned()))
}
