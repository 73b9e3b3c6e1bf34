//! Sessions in progress.

use actix_web::{
    HttpRequest, HttpResponse,
    web::{Data, ServiceConfig},
};
use orchestratai_actors::Gateway;
use orchestratai_shared::LiveSessions;

use super::{get, resource};
use crate::{
    error::ApiError,
    fields::{Fields, whole},
    openapi::{Busy, Invalid, LiveStreamEvent, Unexpected},
    site::Site,
    sse,
};

pub(crate) fn configure(routes: &mut ServiceConfig) {
    routes.service(resource("/api/live", "GET, HEAD").route(get().to(live)));
}

/// The sessions in progress, of all nodes, the latest active first.
///
/// A session is in progress while a client follows it or a turn of it has not ended. What is shown is up to a second old. With
/// `Accept: text/event-stream` the answer is a stream: `sessions` with all of them first, then `changes` once a second at most.
#[utoipa::path(
    get, path = "/api/live", operation_id = "listLiveSessions", tag = "sessions",
    params(("limit" = Option<u64>, Query, description = "Sessions at most.", minimum = 1, maximum = 200)),
    responses(
        (status = 200, description = "The sessions.",
         content((LiveSessions = "application/json"), (LiveStreamEvent = "text/event-stream"))),
        Invalid, Busy, Unexpected
    )
)]
pub(crate) async fn live(site: Data<Site>, request: HttpRequest) -> Result<HttpResponse, ApiError> {
    const LIMIT_DEFAULT: usize = 50;
    let mut fields = Fields::of_query(request.query_string(), &["limit"]);
    let limit = fields.optional("limit", whole(1, Gateway::LIVE_SESSIONS_MAX as u64));
    fields.finish(Some(()))?;
    let limit = limit.map_or(LIMIT_DEFAULT, |limit| usize::try_from(limit).unwrap_or(LIMIT_DEFAULT));
    site.check_ready()?;
    if sse::is_wanted(request.headers()) {
        return sse::live(&site, limit);
    }
    let live = site.gateway.live_sessions().await;
    Ok(HttpResponse::Ok().json(live.first(limit)))
}
