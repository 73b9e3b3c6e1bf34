//! The OpenAPI document: what the API says of itself, and what tests hold it to.

mod failures;
#[cfg(test)]
mod generated;
mod stream;

use bytes::Bytes;
use orchestratai_shared::{ErrorBody, EventBody, LiveChanges, SessionId, Timestamp, TurnId};
use serde_json::{Value, json};
use utoipa::{
    OpenApi, ToSchema,
    openapi::{
        OpenApi as Document, RefOr,
        encoding::Encoding,
        header::Header,
        path::Operation,
        schema::{Object, Type},
        security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme},
    },
};

pub(crate) use failures::{BadBody, Busy, Conflict, Invalid, NotFound, TurnFailures, Unexpected};
pub(crate) use stream::{ChatStreamEvent, LiveStreamEvent, SessionStreamEvent};

use crate::{edge::token, rest, sse};

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
        (name = "users", description = "What people have said of themselves."),
        (name = "agents", description = "Who answers."),
        (name = "knowledge", description = "What answers are taken from."),
        (name = "health", description = "Whether the server serves, and how it is doing.")
    ),
    paths(
        rest::chat::chat, sse::chat::start, sse::chat::initiate, sse::chat::follow, rest::chat::cancel,
        rest::session::create, rest::session::read, rest::session::erase,
        rest::session::messages, rest::session::logs, rest::session::events,
        rest::sessions::list, rest::sessions::rename, rest::sessions::export,
        rest::feedback::put, rest::feedback::remove, rest::feedback::list,
        rest::facts::list, rest::facts::erase, rest::facts::erase_all,
        rest::live::live, rest::person::take_over, rest::person::reply, rest::person::release, rest::approval::decide,
        rest::agents::list, rest::agents::read, rest::agents::definition, rest::agents::turns, rest::agents::try_out,
        rest::route::route, rest::budgets::list,
        rest::knowledge::search, rest::knowledge::upload, rest::knowledge::list, rest::knowledge::delete,
        rest::documents::read, rest::documents::collections,
        rest::questions::list, rest::questions::change,
        rest::health::health, rest::health::services, rest::health::live, rest::health::ready, rest::health::metrics,
        rest::console::console, rest::overview::overview, rest::docs::document,
    ),
    components(schemas(ErrorBody, LiveChanges))
)]
struct Api;

/// Whether the server that is described wants a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Authentication {
    /// It takes requests from everybody.
    Open,
    /// It has `auth.token`.
    Token,
}

/// The document as JSON, for readers without a server at hand: of one that wants a token.
#[must_use]
pub fn document() -> Bytes {
    document_of(Authentication::Token)
}

/// The document of a server with this kind of authentication.
pub(crate) fn document_of(authentication: Authentication) -> Bytes {
    let mut document = Api::openapi();
    everywhere(&mut document, authentication);
    let mut document = serde_json::to_value(document).expect("the OpenAPI document has string keys only");
    leave_out_null_where_we_speak(&mut document);
    format!("{document:#}").into()
}

/// Adds what holds for every operation.
fn everywhere(document: &mut Document, authentication: Authentication) {
    if authentication == Authentication::Token {
        let token = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some("`auth.token` of the server's configuration."))
            .build();
        let components = document.components.get_or_insert_default();
        components
            .security_schemes
            .insert("token".into(), SecurityScheme::Http(token).into());
    }
    for (path, item) in &mut document.paths.paths {
        let wants_token = authentication == Authentication::Token && !token::is_open(path);
        let methods = [
            &mut item.get,
            &mut item.post,
            &mut item.put,
            &mut item.patch,
            &mut item.delete,
        ];
        for operation in methods.into_iter().flatten() {
            if let Some(RefOr::T(body)) = &mut operation.request_body
                && let Some(RefOr::T(form)) = body.content.get_mut("multipart/form-data")
            {
                let text = Encoding::builder().content_type(Some("text/markdown, text/plain"));
                let path = json!("form-data; name=\"file\"; filename=\"guides/rotating-keys.md\"");
                let place = Header::builder()
                    .schema(Some(Object::with_type(Type::String)))
                    .example(Some(path));
                let text = text.header("Content-Disposition", place.build());
                form.encoding.insert("file".into(), text.build());
            }
            if wants_token {
                operation.security = Some(vec![SecurityRequirement::new("token", Vec::<String>::new())]);
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

fn failure(operation: &mut Operation, status: &str, description: &str) {
    let (status, response) = failures::response((status, description));
    operation.responses.responses.insert(status, response);
}

/// Takes `null` out of every type that we send: a field without value is left out then, and the derive cannot know that. In
/// what clients send `null` says that a field is left out, and stays.
fn leave_out_null_where_we_speak(document: &mut Value) {
    let Value::Object(sections) = document else { return };
    for (section, content) in sections {
        match content.get_mut("schemas") {
            Some(Value::Object(schemas)) if section == "components" => {
                let spoken = schemas.iter_mut().filter(|(name, _)| !name.ends_with("Request"));
                spoken.for_each(|(_, schema)| leave_out_null(schema));
            }
            Some(_) | None => leave_out_null(content),
        }
    }
}

fn leave_out_null(schema: &mut Value) {
    match schema {
        Value::Array(items) => items.iter_mut().for_each(leave_out_null),
        Value::Object(fields) => {
            if let Some(Value::Array(types)) = fields.get_mut("type") {
                types.retain(|kind| kind != "null");
                if let [only] = types.as_slice() {
                    let only = only.clone();
                    fields.insert("type".into(), only);
                }
            }
            if let Some(Value::Array(variants)) = fields.get_mut("oneOf") {
                variants.retain(|variant| *variant != json!({"type": "null"}));
                if let [Value::Object(only)] = variants.as_mut_slice() {
                    let only = std::mem::take(only);
                    fields.remove("oneOf");
                    fields.extend(only);
                }
            }
            fields.values_mut().for_each(leave_out_null);
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(authentication: Authentication) -> Value {
        serde_json::from_slice(&document_of(authentication)).unwrap()
    }

    #[test]
    fn only_clients_may_say_null() {
        let mut document = read(Authentication::Token);
        let schemas = document["components"]["schemas"].as_object_mut().unwrap();
        let fresh = &schemas["ChatRequest"]["properties"]["fresh"]["type"];
        assert_eq!(fresh, &json!(["boolean", "null"]));
        schemas.retain(|name, _| !name.ends_with("Request"));
        assert!(!document.to_string().contains("null"));
    }

    #[test]
    fn every_durable_event_is_described_under_its_own_name() {
        let document = read(Authentication::Open);
        let variants = document["components"]["schemas"]["EventBody"]["oneOf"]
            .as_array()
            .unwrap();
        let names: Vec<_> = variants
            .iter()
            .map(|variant| variant["properties"]["type"]["enum"][0].as_str().unwrap())
            .collect();
        assert_eq!(names, EventBody::KINDS);
    }

    #[test]
    fn every_operation_says_what_it_may_refuse_and_which_need_no_token() {
        let document = read(Authentication::Token);
        for (path, methods) in document["paths"].as_object().unwrap() {
            for (method, operation) in methods.as_object().unwrap() {
                let responses = operation["responses"].as_object().unwrap();
                assert!(responses.contains_key("403"), "{method} {path}");
                let wants_token = !path.starts_with("/api/health") && path != "/api/console";
                assert_eq!(responses.contains_key("401"), wants_token, "{method} {path}");
                assert_eq!(operation["security"].is_array(), wants_token, "{method} {path}");
            }
        }
        assert!(!document["info"]["version"].as_str().unwrap().is_empty());
    }
}
