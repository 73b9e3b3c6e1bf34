//! Sessions, and what was said in them.

use actix_web::{
    HttpRequest, HttpResponse,
    http::header,
    web::{self, Data, Path, Payload, ServiceConfig},
};
use bytes::{BufMut, Bytes, BytesMut};
use orchestratai_shared::{LogId, Message, MessageId, RetrievalLog, SessionId, SessionSummary, Timestamp, UserId};
use orchestratai_store::EventsPage;
use serde::Serialize;
use utoipa::ToSchema;

use super::{PageQuery, get, path_id, resource, sessions};
use crate::{
    body,
    error::ApiError,
    fields::{Fields, SEQ_MAX, parsed, whole},
    openapi::{BadBody, Busy, DurableEvent, Invalid, NotFound, SessionStreamEvent, Unexpected},
    site::Site,
    sse,
};

pub(crate) fn configure(routes: &mut ServiceConfig) {
    let only_get = |path: &str| resource(path, "GET, HEAD");
    routes
        .service(resource("/api/session", "POST").route(web::post().to(create)))
        .service(
            resource("/api/session/{session_id}", "GET, HEAD, PATCH, DELETE")
                .route(get().to(read))
                .route(web::patch().to(sessions::rename))
                .route(web::delete().to(erase)),
        )
        .service(only_get("/api/session/{session_id}/messages").route(get().to(messages)))
        .service(only_get("/api/session/{session_id}/logs").route(get().to(logs)))
        .service(only_get("/api/session/{session_id}/events").route(get().to(events)));
}

/// What is known of a session that is to begin.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "describes what `Fields` reads")]
pub(crate) struct NewSessionRequest {
    /// Whose it is, as the caller calls them: without white space and control characters. A session without one is nobody's, and nothing is
    /// kept of who speaks in it.
    #[schema(
        min_length = 1,
        max_length = 128,
        pattern = r"^[^\s\x00-\x1f\x7f-\x9f]+$",
        example = "ada@example.com"
    )]
    user_id: Option<String>,
}

/// A session that was made.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SessionCreated {
    /// Its id.
    session_id: SessionId,
    /// When it was made.
    created_at: Timestamp,
}

/// Messages of a session, newest last.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Messages {
    /// The messages.
    messages: Vec<Message>,
    /// Whether there are older ones.
    has_more: bool,
}

/// Steps of a session's turns, newest last.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Logs {
    /// The steps.
    logs: Vec<RetrievalLog>,
    /// Whether there are older ones.
    has_more: bool,
}

/// Durable events of a session, oldest first. Describes what is written from the journal's own text.
#[derive(ToSchema)]
#[expect(dead_code, reason = "the answer is put together from stored text")]
#[schema(rename_all = "camelCase")]
pub(crate) struct Events {
    /// The events.
    events: Vec<DurableEvent>,
    /// The `seq` of the session's last event; 0 where it has none.
    last_seq: u64,
}

/// Begins a session.
///
/// Nobody has to: a message to an unknown session begins one with that id, of nobody who is known. The body may be left out.
#[utoipa::path(
    post, path = "/api/session", operation_id = "createSession", tag = "sessions",
    request_body = Option<NewSessionRequest>,
    responses(
        (status = 201, description = "The session, which is stored.", body = SessionCreated,
         headers(("location" = String, description = "The address of the session."))),
        BadBody, Busy, Unexpected
    )
)]
pub(crate) async fn create(site: Data<Site>, request: HttpRequest, payload: Payload) -> Result<HttpResponse, ApiError> {
    let mut fields = body::json_if_any(&request, payload).await?;
    let user = fields.optional("userId", parsed::<UserId>);
    fields.finish(Some(()))?;
    let session = site.gateway.create_session(None, user).await?;
    Ok(HttpResponse::Created()
        .insert_header((header::LOCATION, format!("/api/session/{}", session.id)))
        .json(SessionCreated {
            session_id: session.id,
            created_at: session.start_time,
        }))
}

/// A session with its totals, as the list of sessions has it.
#[utoipa::path(
    get, path = "/api/session/{session_id}", operation_id = "getSession", tag = "sessions",
    params(("session_id" = SessionId, Path, description = "The session.")),
    responses((status = 200, description = "The session.", body = SessionSummary), Invalid, NotFound, Busy, Unexpected)
)]
pub(crate) async fn read(site: Data<Site>, path: Path<String>) -> Result<HttpResponse, ApiError> {
    let session = site.gateway.session_summary(session_id(&path)?).await?;
    Ok(HttpResponse::Ok().json(session.ok_or_else(no_session)?))
}

/// Erases a session: its messages, its steps, its journal.
///
/// Whoever follows it is disconnected. Its id may be used again, and begins an empty session then.
#[utoipa::path(
    delete, path = "/api/session/{session_id}", operation_id = "eraseSession", tag = "sessions",
    params(("session_id" = SessionId, Path, description = "The session.")),
    responses((status = 204, description = "It is erased."), Invalid, NotFound, Busy, Unexpected)
)]
pub(crate) async fn erase(site: Data<Site>, path: Path<String>) -> Result<HttpResponse, ApiError> {
    if site.gateway.erase_session(session_id(&path)?).await? {
        Ok(HttpResponse::NoContent().finish())
    } else {
        Err(no_session())
    }
}

/// The messages of a session.
///
/// The page ends with the newest message, or with the one before `before`.
#[utoipa::path(
    get, path = "/api/session/{session_id}/messages", operation_id = "listMessages", tag = "sessions",
    params(
        ("session_id" = SessionId, Path, description = "The session."),
        ("limit" = Option<u64>, Query, description = "Messages at most.", minimum = 1, maximum = 200),
        ("before" = Option<MessageId>, Query, description = "Only messages older than this one.")
    ),
    responses((status = 200, description = "A page.", body = Messages), Invalid, NotFound, Busy, Unexpected)
)]
pub(crate) async fn messages(
    site: Data<Site>,
    path: Path<String>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let session_id = session_id(&path)?;
    let query = PageQuery::<MessageId>::of(request.query_string())?;
    let page = site.gateway.messages(session_id, query.limit, query.before).await;
    let page = page.map_err(|refusal| query.refused(refusal))?;
    let page = page.ok_or_else(no_session)?;
    Ok(HttpResponse::Ok().json(Messages {
        messages: page.items,
        has_more: page.has_more,
    }))
}

/// The steps of a session's turns.
///
/// The page ends with the newest step, or with the one before `before`.
#[utoipa::path(
    get, path = "/api/session/{session_id}/logs", operation_id = "listLogs", tag = "sessions",
    params(
        ("session_id" = SessionId, Path, description = "The session."),
        ("limit" = Option<u64>, Query, description = "Steps at most.", minimum = 1, maximum = 200),
        ("before" = Option<LogId>, Query, description = "Only steps older than this one.")
    ),
    responses((status = 200, description = "A page.", body = Logs), Invalid, NotFound, Busy, Unexpected)
)]
pub(crate) async fn logs(site: Data<Site>, path: Path<String>, request: HttpRequest) -> Result<HttpResponse, ApiError> {
    let session_id = session_id(&path)?;
    let query = PageQuery::<LogId>::of(request.query_string())?;
    let page = site.gateway.logs(session_id, query.limit, query.before).await;
    let page = page.map_err(|refusal| query.refused(refusal))?;
    let page = page.ok_or_else(no_session)?;
    Ok(HttpResponse::Ok().json(Logs {
        logs: page.items,
        has_more: page.has_more,
    }))
}

/// The durable events of a session after `after_seq`, oldest first.
///
/// With `Accept: text/event-stream` the answer is a stream that goes on with what happens: durable events with their `seq`
/// as `id`, transient ones without; `Last-Event-ID` then stands before `after_seq`.
#[utoipa::path(
    get, path = "/api/session/{session_id}/events", operation_id = "listEvents", tag = "sessions",
    params(
        ("session_id" = SessionId, Path, description = "The session."),
        ("after_seq" = Option<u64>, Query, description = "The last `seq` that the client has.", minimum = 0),
        ("limit" = Option<u64>, Query, description = "Events at most; not for a stream.", minimum = 1, maximum = 1000)
    ),
    responses(
        (status = 200, description = "Events.", content((Events = "application/json"), (SessionStreamEvent = "text/event-stream"))),
        Invalid, NotFound, Busy, Unexpected
    )
)]
pub(crate) async fn events(
    site: Data<Site>,
    path: Path<String>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    const LIMIT_DEFAULT: u64 = 100;
    const LIMIT_MAX: u64 = 1_000;
    let session_id = session_id(&path)?;
    let mut fields = Fields::of_query(request.query_string(), &["after_seq", "limit"]);
    let after_seq = fields.optional("after_seq", whole(0, SEQ_MAX)).unwrap_or(0);
    let limit = fields.optional("limit", whole(1, LIMIT_MAX)).unwrap_or(LIMIT_DEFAULT);
    fields.finish(Some(()))?;
    if sse::is_wanted(request.headers()) {
        return sse::session(&site, &request, session_id, after_seq).await;
    }
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let page = site.gateway.events(session_id, after_seq, limit).await?;
    let body = events_body(&page.ok_or_else(no_session)?);
    Ok(HttpResponse::Ok().content_type("application/json").body(body))
}

/// Puts stored frames between brackets: they are JSON already.
fn events_body(page: &EventsPage) -> Bytes {
    let bytes: usize = page.frames.iter().map(|frame| frame.text.len() + 1).sum();
    let mut body = BytesMut::with_capacity(bytes + 64);
    body.put_slice(b"{\"events\":[");
    for (index, frame) in page.frames.iter().enumerate() {
        if index > 0 {
            body.put_u8(b',');
        }
        body.put_slice(frame.text.as_bytes());
    }
    body.put_slice(format!("],\"lastSeq\":{}}}", page.last_seq).as_bytes());
    body.freeze()
}

pub(super) fn session_id(raw: &str) -> Result<SessionId, ApiError> {
    path_id("session_id", raw)
}

pub(crate) fn no_session() -> ApiError {
    ApiError::not_found("session")
}

#[cfg(test)]
mod tests {
    use orchestratai_store::StoredFrame;

    use super::*;

    #[test]
    fn stored_frames_become_one_document() {
        let page = |texts: &[&'static str]| EventsPage {
            frames: texts
                .iter()
                .zip(1..)
                .map(|(text, seq)| StoredFrame {
                    seq,
                    text: (*text).into(),
                })
                .collect(),
            last_seq: 7,
        };
        assert_eq!(&events_body(&page(&[]))[..], br#"{"events":[],"lastSeq":7}"#);
        assert_eq!(
            &events_body(&page(&[r#"{"seq":1}"#, r#"{"seq":2}"#]))[..],
            br#"{"events":[{"seq":1},{"seq":2}],"lastSeq":7}"#
        );
    }
}
