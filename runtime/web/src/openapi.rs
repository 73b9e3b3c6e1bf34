//! The OpenAPI document: what the API says of itself, and what tests hold it to.

mod failures;

use bytes::Bytes;
use orchestratai_shared::{ErrorBody, EventBody, SessionId, Timestamp, TurnId};
use utoipa::{
    Modify, OpenApi, ToSchema,
    openapi::{
        ContentBuilder, OpenApi as Document, Ref, ResponseBuilder,
        path::Operation,
        security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
    },
};

pub(crate) use failures::{BadBody, Busy, Conflict, Invalid, NotFound, TurnFailures, Unexpected};

use crate::{rest, sse};

/// A durable event as it stands in the journal and in every frame.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what the journal writes")]
#[serde(rename_all = "camelCase")]
pub(crate) struct DurableEvent {
    /// Its place in the session's journal, from 1.
    #[schema(minimum = 1)]
    seq: u64,
    /// The session.
    session_id: SessionId,
    /// The turn it belongs to.
    #[schema(nullable = false)]
    turn_id: Option<TurnId>,
    /// When it happened.
    at: Timestamp,
    /// What it says.
    #[serde(flatten)]
    body: EventBody,
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "OrchestratAI",
        description = "Several AI agents in front of people, and every step of theirs to be seen. WebSocket is the main way \
                       in (`GET /api/ws`, subprotocol `orchestratai.v1`); what stands here is the way for everybody else.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    tags(
        (name = "chat", description = "Ask, and have the answer whole or as a stream."),
        (name = "sessions", description = "What was said, and every event of it."),
        (name = "agents", description = "Who answers."),
        (name = "knowledge", description = "What answers are taken from."),
        (name = "health", description = "Whether the server serves, and how it is doing.")
    ),
    security(("token" = [])),
    paths(
        rest::chat::chat, sse::chat::start, sse::chat::initiate, sse::chat::follow, rest::chat::cancel,
        rest::session::create, rest::session::read, rest::session::erase,
        rest::session::messages, rest::session::logs, rest::session::events,
        rest::agents::list, rest::agents::read, rest::route::route,
        rest::knowledge::search, rest::knowledge::upload, rest::knowledge::list, rest::knowledge::delete,
        rest::health::health, rest::health::services, rest::health::live, rest::health::ready, rest::health::metrics,
        rest::docs::document,
    ),
    components(schemas(ErrorBody)),
    modifiers(&Everywhere)
)]
struct Api;

/// What holds for every operation.
struct Everywhere;

impl Modify for Everywhere {
    fn modify(&self, document: &mut Document) {
        let token = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some("`auth.token`, where the server has one."))
            .build();
        let components = document.components.get_or_insert_default();
        components
            .security_schemes
            .insert("token".into(), SecurityScheme::Http(token).into());
        for (path, item) in &mut document.paths.paths {
            let is_open = path.starts_with("/api/health");
            let methods = [&mut item.get, &mut item.post, &mut item.delete];
            for operation in methods.into_iter().flatten() {
                if !is_open {
                    failure(operation, "401", "No valid bearer token was brought.");
                }
                failure(
                    operation,
                    "403",
                    "The page's origin, or the `Host` of the request, is not allowed.",
                );
            }
        }
    }
}

fn failure(operation: &mut Operation, status: &str, description: &str) {
    let body = ContentBuilder::new()
        .schema(Some(Ref::from_schema_name("ErrorBody")))
        .build();
    let response = ResponseBuilder::new()
        .description(description)
        .content("application/json", body)
        .build();
    operation.responses.responses.insert(status.into(), response.into());
}

/// The document as JSON.
///
/// # Panics
/// Never: a document made of our own types has string keys only.
#[must_use]
pub fn document() -> Bytes {
    let text = Api::openapi().to_pretty_json();
    text.expect("the OpenAPI document has string keys only").into()
}
