//! A person in the agents' place: takes a session over, answers in it, gives it back.

use actix_web::{
    HttpRequest, HttpResponse,
    web::{self, Data, Path, Payload, ServiceConfig},
};
use orchestratai_actors::Said;
use orchestratai_shared::{
    ClientMessageId, Invalid as InvalidValue, Message, MessageContent, PersonInCharge, SessionId, Timestamp, TurnId,
};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::{
    chat::{content, key_of},
    path_id, resource,
    session::no_session,
};
use crate::{
    body,
    edge::X_TURN_ID,
    error::ApiError,
    fields::{flag, parsed, text},
    openapi::{BadBody, Busy, Conflict, NotFound, Unexpected},
    site::Site,
};

/// The longest name of a person, and the longest reason, in Unicode scalar values.
const NAME_CHARACTERS_MAX: usize = 80;
pub(super) const REASON_CHARACTERS_MAX: usize = 1_000;

pub(crate) fn configure(routes: &mut ServiceConfig) {
    let post = |path: &str| resource(path, "POST");
    routes
        .service(post("/api/session/{session_id}/takeover").route(web::post().to(take_over)))
        .service(post("/api/session/{session_id}/reply").route(web::post().to(reply)))
        .service(post("/api/session/{session_id}/release").route(web::post().to(release)));
}

/// A person wants to have a session.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what `Fields` reads")]
pub(crate) struct TakeoverRequest {
    /// Who: shown to everybody who follows the session, and vouched for by nobody.
    #[schema(
        min_length = 1,
        max_length = 80,
        pattern = r"[^\s\x00-\x1f\x7f-\x9f]",
        example = "Kim"
    )]
    name: String,
    /// Why, for people.
    #[schema(max_length = 1000)]
    reason: Option<String>,
    /// Whether an answer that agents are at is withdrawn, and its message waits for the person; else it is let end.
    interrupt: Option<bool>,
}

/// Somebody has a session.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Takeover {
    /// The session.
    session_id: SessionId,
    /// Who has it.
    person: PersonInCharge,
}

/// What a person says.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what `Fields` reads")]
#[serde(rename_all = "camelCase")]
pub(crate) struct ReplyRequest {
    /// What is said.
    content: MessageContent,
    /// The idempotency key; `Idempotency-Key` says the same, and counts for less.
    client_message_id: Option<ClientMessageId>,
    /// The turn that it answers; without it the oldest that waits, if one does.
    turn_id: Option<TurnId>,
}

/// What a person has said, and where it stands.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Reply {
    /// The turn that it ends. Where none waited it is one of its own, whose id is the message's.
    turn_id: TurnId,
    /// As the transcript keeps it.
    message: Message,
    /// The `seq` of its `message_completed`.
    seq: u64,
    /// Whether it had been said before under the same key; then nothing was said now.
    repeated: bool,
}

/// A session is given back.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what `Fields` reads")]
pub(crate) struct ReleaseRequest {
    /// Who gives it back; the person who has it where it is left out.
    #[schema(min_length = 1, max_length = 80, pattern = r"[^\s\x00-\x1f\x7f-\x9f]")]
    name: Option<String>,
    /// Why, for people.
    #[schema(max_length = 1000)]
    reason: Option<String>,
}

/// The agents have a session again.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Released {
    /// The session.
    session_id: SessionId,
    /// When this was answered.
    at: Timestamp,
}

/// Takes a session over from the agents.
///
/// From now on each message waits for the person, and no agent runs. Whoever follows the session is told by a `handoff` to `person`.
/// It holds until it is given back, whatever happens to the server. The same name may take it again, which changes nothing; another
/// one is refused.
#[utoipa::path(
    post, path = "/api/session/{session_id}/takeover", operation_id = "takeOverSession", tag = "sessions",
    params(("session_id" = SessionId, Path, description = "The session.")),
    request_body = TakeoverRequest,
    responses((status = 200, description = "The person has it.", body = Takeover), BadBody, NotFound, Conflict, Busy, Unexpected)
)]
pub(crate) async fn take_over(
    site: Data<Site>,
    path: Path<String>,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, ApiError> {
    let session_id: SessionId = path_id("session_id", &path)?;
    let mut fields = body::json(&request, payload).await?;
    let name = fields.required("name", name);
    let reason = fields.optional("reason", line(REASON_CHARACTERS_MAX)).flatten();
    let interrupt = fields.optional("interrupt", flag).unwrap_or_default();
    let name = fields.finish(name)?;
    let taken = site.gateway.take_over(session_id, &name, reason.as_deref(), interrupt);
    let person = taken.await?.ok_or_else(no_session)?;
    Ok(HttpResponse::Ok().json(Takeover { session_id, person }))
}

/// Says something as the person who has the session.
///
/// It ends the oldest turn that waits, with a `message_completed` of agent `person`. Where none waits it is said all the same, as a
/// turn of its own that no `message_accepted` began. The same key says it once.
#[utoipa::path(
    post, path = "/api/session/{session_id}/reply", operation_id = "replyAsPerson", tag = "sessions",
    params(
        ("session_id" = SessionId, Path, description = "The session."),
        ("Idempotency-Key" = Option<uuid::Uuid>, Header,
         description = "Names the message in its session: a repeat is not said twice.")
    ),
    request_body = ReplyRequest,
    responses(
        (status = 200, description = "It is said.", body = Reply, headers(("x-turn-id" = TurnId, description = "The turn that it ends."))),
        BadBody, NotFound, Conflict, Busy, Unexpected
    )
)]
pub(crate) async fn reply(
    site: Data<Site>,
    path: Path<String>,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, ApiError> {
    let session_id: SessionId = path_id("session_id", &path)?;
    let mut fields = body::json(&request, payload).await?;
    let named = fields.optional("clientMessageId", parsed);
    let key = key_of(&mut fields, &request, named);
    let content = fields.required("content", content);
    let turn_id = fields.optional("turnId", parsed);
    let (key, content) = fields.finish(key.zip(content))?;
    let said = site.gateway.say_as_person(session_id, key, content, turn_id).await?;
    let Said {
        turn_id,
        message,
        seq,
        repeated,
    } = said.ok_or_else(no_session)?;
    Ok(HttpResponse::Ok()
        .insert_header((X_TURN_ID, turn_id.to_string()))
        .json(Reply {
            turn_id,
            message,
            seq,
            repeated,
        }))
}

/// Gives a session back to the agents.
///
/// They answer what waits, one message after the other. A session that nobody has stays as it is.
#[utoipa::path(
    post, path = "/api/session/{session_id}/release", operation_id = "releaseSession", tag = "sessions",
    params(("session_id" = SessionId, Path, description = "The session.")),
    request_body = ReleaseRequest,
    responses((status = 200, description = "The agents have it.", body = Released), BadBody, NotFound, Busy, Unexpected)
)]
pub(crate) async fn release(
    site: Data<Site>,
    path: Path<String>,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, ApiError> {
    let session_id: SessionId = path_id("session_id", &path)?;
    let mut fields = body::json(&request, payload).await?;
    let name = fields.optional("name", name);
    let reason = fields.optional("reason", line(REASON_CHARACTERS_MAX)).flatten();
    fields.finish(Some(()))?;
    let released = site.gateway.release(session_id, name.as_deref(), reason.as_deref());
    if !released.await? {
        return Err(no_session());
    }
    let at = Timestamp::now();
    Ok(HttpResponse::Ok().json(Released { session_id, at }))
}

/// A text for people of so many characters at most, as one line; none where nothing of it can be seen.
pub(super) fn line(characters_max: usize) -> impl FnOnce(Value) -> Result<Option<String>, InvalidValue> {
    move |value| {
        let text = text(value)?;
        if text.chars().count() > characters_max {
            return Err(InvalidValue::new(format!(
                "must be at most {characters_max} characters long"
            )));
        }
        let shown: String = text.chars().filter(|c| c.is_whitespace() || !c.is_control()).collect();
        let line = shown.split_whitespace().collect::<Vec<_>>().join(" ");
        Ok((!line.is_empty()).then_some(line))
    }
}

/// Who it is.
pub(super) fn name(value: Value) -> Result<String, InvalidValue> {
    line(NAME_CHARACTERS_MAX)(value)?
        .ok_or_else(|| InvalidValue::new("must hold at least one character that can be seen"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn words_are_one_short_line() {
        let read = |value: Value| line(5)(value);
        for (given, shown) in [
            (" Kim ", Some("Kim")),
            ("ééééé", Some("ééééé")),
            ("a\nb", Some("a b")),
            ("a\u{1b}b", Some("ab")),
            ("", None),
            (" \u{85} ", None),
        ] {
            assert_eq!(read(json!(given)).unwrap().as_deref(), shown, "{given:?}");
        }
        for bad in [json!("abcdef"), json!(7), json!(null)] {
            assert!(read(bad.clone()).is_err(), "{bad}");
        }
        assert!(name(json!("\u{0}")).is_err());
    }
}
