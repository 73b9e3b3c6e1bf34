//! Sessions as a list, what people call them, and whole sessions to take away.

use std::io;

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{ContentDisposition, DispositionParam, DispositionType},
    web::{Data, Path, Payload, ServiceConfig},
};
use bytes::Bytes;
use futures_util::stream;
use orchestratai_shared::{Invalid as InvalidValue, SessionId, SessionSummary, SessionTitle, Timestamp};
use orchestratai_store::{ExportFormat, SessionExport, SessionPlace, StoreError};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::{
    get,
    page::unknown_cursor,
    resource,
    session::{no_session, session_id},
};
use crate::{
    body,
    error::ApiError,
    fields::{Fields, parsed, searched, text, whole},
    openapi::{BadBody, Busy, Invalid, NotFound, Unexpected},
    site::Site,
};

pub(crate) fn configure(routes: &mut ServiceConfig) {
    routes
        .service(resource("/api/sessions", "GET, HEAD").route(get().to(list)))
        .service(resource("/api/session/{session_id}/export", "GET, HEAD").route(get().to(export)));
}

/// Sessions, the latest activity first.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Sessions {
    /// The sessions.
    sessions: Vec<SessionSummary>,
    /// Whether there are more after the last of them.
    has_more: bool,
}

/// What to change of a session.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what `Fields` reads")]
pub(crate) struct SessionRequest {
    /// What people call it; `null` takes the title away.
    #[schema(
        required,
        min_length = 1,
        max_length = 120,
        pattern = r"[^\s\x00-\x1f\x7f-\x9f]",
        example = "Refund of the annual plan"
    )]
    title: Option<String>,
}

/// The sessions, the latest activity first.
///
/// The page begins with the latest, or with the one after `before`. With `query` it has those whose title or messages hold that
/// text, without regard to case.
#[utoipa::path(
    get, path = "/api/sessions", operation_id = "listSessions", tag = "sessions",
    params(
        ("limit" = Option<u64>, Query, description = "Sessions at most; 50 where it is left out.", minimum = 1, maximum = 200),
        ("before" = Option<SessionId>, Query, description = "Only sessions that come after this one in the list: the last of the page before."),
        ("before_activity" = Option<Timestamp>, Query,
         description = "With `before`: the `lastActivity` that the list said of it, so that the next page goes on from there though that \
                        session has gone on meanwhile."),
        ("query" = Option<String>, Query, description = "Only sessions whose title or messages hold this text.", max_length = 200)
    ),
    responses((status = 200, description = "A page.", body = Sessions), Invalid, NotFound, Busy, Unexpected)
)]
pub(crate) async fn list(site: Data<Site>, request: HttpRequest) -> Result<HttpResponse, ApiError> {
    const LIMIT_DEFAULT: u64 = 50;
    const LIMIT_MAX: u64 = 200;
    let names = ["limit", "before", "before_activity", "query"];
    let mut fields = Fields::of_query(request.query_string(), &names);
    let limit = fields.optional("limit", whole(1, LIMIT_MAX)).unwrap_or(LIMIT_DEFAULT);
    let before: Option<SessionId> = fields.optional("before", parsed);
    let last_activity: Option<Timestamp> = fields.optional("before_activity", parsed);
    let query = fields.optional("query", searched).flatten();
    fields.finish(Some(()))?;
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let after = before.map(|id| SessionPlace { id, last_activity });
    let list = site.gateway.sessions(limit, after, query).await;
    let list = list.map_err(|refusal| match after {
        Some(_) if refusal.failure.code == orchestratai_shared::ErrorCode::ValidationError => unknown_cursor(),
        Some(_) | None => refusal.into(),
    })?;
    Ok(HttpResponse::Ok().json(Sessions {
        sessions: list.sessions,
        has_more: list.has_more,
    }))
}

/// Gives a session a title, or takes it away.
#[utoipa::path(
    patch, path = "/api/session/{session_id}", operation_id = "renameSession", tag = "sessions",
    params(("session_id" = SessionId, Path, description = "The session.")),
    request_body = SessionRequest,
    responses((status = 200, description = "The session.", body = SessionSummary), BadBody, NotFound, Busy, Unexpected)
)]
pub(crate) async fn rename(
    site: Data<Site>,
    path: Path<String>,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, ApiError> {
    let session_id = session_id(&path)?;
    let mut fields = body::json(&request, payload).await?;
    let title = fields.required("title", title);
    let title = fields.finish(title)?;
    let session = site.gateway.set_session_title(session_id, title.as_ref()).await?;
    Ok(HttpResponse::Ok().json(session.ok_or_else(no_session)?))
}

/// A whole session, as a file.
///
/// As JSON it has the session, its messages, its retrieval logs and its events; as Markdown what was said, by whom, and from which
/// sources.
#[utoipa::path(
    get, path = "/api/session/{session_id}/export", operation_id = "exportSession", tag = "sessions",
    params(
        ("session_id" = SessionId, Path, description = "The session."),
        ("format" = Option<String>, Query, description = "`json` or `markdown`; `json` where it is left out.", pattern = "^(json|markdown)$")
    ),
    responses(
        (status = 200, description = "The session.", content((Value = "application/json"), (String = "text/markdown")),
         headers(("content-disposition" = String, description = "An attachment, and the name of the file."))),
        Invalid, NotFound, Busy, Unexpected
    )
)]
pub(crate) async fn export(
    site: Data<Site>,
    path: Path<String>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let session_id = session_id(&path)?;
    let mut fields = Fields::of_query(request.query_string(), &["format"]);
    let format = fields.optional("format", format).unwrap_or(ExportFormat::Json);
    fields.finish(Some(()))?;
    let export = site.gateway.export_session(session_id, format).await?;
    let export = export.ok_or_else(no_session)?;
    let (content_type, ending) = match format {
        ExportFormat::Json => ("application/json", "json"),
        ExportFormat::Markdown => ("text/markdown; charset=utf-8", "md"),
    };
    let disposition = ContentDisposition {
        disposition: DispositionType::Attachment,
        parameters: vec![DispositionParam::Filename(format!("session-{session_id}.{ending}"))],
    };
    Ok(HttpResponse::Ok()
        .content_type(content_type)
        .insert_header(disposition)
        .streaming(stream::try_unfold(export, piece)))
}

/// The next piece of an export. What breaks off is seen by the client: the body does not end as it should.
async fn piece(mut export: SessionExport) -> Result<Option<(Bytes, SessionExport)>, io::Error> {
    let failed = |error: StoreError| {
        tracing::error!(error = %error, source = ?std::error::Error::source(&error), "an export breaks off");
        io::Error::other(error)
    };
    while let Some(piece) = export.next().await.map_err(failed)? {
        // An empty one would end the body.
        if !piece.is_empty() {
            return Ok(Some((piece.into(), export)));
        }
    }
    Ok(None)
}

fn title(value: Value) -> Result<Option<SessionTitle>, InvalidValue> {
    if value.is_null() {
        return Ok(None);
    }
    SessionTitle::parse(&text(value)?).map(Some)
}

fn format(value: Value) -> Result<ExportFormat, InvalidValue> {
    match text(value)?.as_str() {
        "json" => Ok(ExportFormat::Json),
        "markdown" => Ok(ExportFormat::Markdown),
        _ => Err(InvalidValue::new("must be json or markdown")),
    }
}
