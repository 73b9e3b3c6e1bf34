//! The REST endpoints.

mod agent_definition;
pub(crate) mod agents;
pub(crate) mod approval;
pub(crate) mod budgets;
pub(crate) mod chat;
pub(crate) mod console;
pub(crate) mod docs;
pub(crate) mod documents;
pub(crate) mod facts;
pub(crate) mod feedback;
pub(crate) mod health;
pub(crate) mod knowledge;
pub(crate) mod live;
pub(crate) mod overview;
mod page;
pub(crate) mod person;
pub(crate) mod questions;
pub(crate) mod route;
pub(crate) mod session;
pub(crate) mod sessions;
mod upload;

use actix_web::{
    Resource, Route,
    guard::{Any, Get, Head},
    web::{self, ServiceConfig},
};

use crate::error::ApiError;

pub(crate) use page::PageQuery;

pub(crate) fn configure(routes: &mut ServiceConfig) {
    health::configure(routes);
    session::configure(routes);
    sessions::configure(routes);
    feedback::configure(routes);
    facts::configure(routes);
    live::configure(routes);
    person::configure(routes);
    approval::configure(routes);
    chat::configure(routes);
    agents::configure(routes);
    budgets::configure(routes);
    knowledge::configure(routes);
    questions::configure(routes);
    route::configure(routes);
    console::configure(routes);
    overview::configure(routes);
    docs::configure(routes);
}

/// A resource that answers other methods than `allow` with 405 and these.
pub(crate) fn resource(path: &str, allow: &'static str) -> Resource {
    web::resource(path).default_service(not_allowed(allow))
}

/// A route for GET, and for HEAD, which is GET without the body.
pub(crate) fn get() -> Route {
    web::route().guard(Any(Get()).or(Head()))
}

/// Answers 405, and says what is allowed.
pub(crate) fn not_allowed(allow: &'static str) -> Route {
    web::to(move || std::future::ready(Err::<&str, _>(ApiError::method_not_allowed(allow))))
}

/// An id in a path.
///
/// # Errors
/// 400 that names it where it is malformed: that is another mistake than an id that nothing has.
pub(crate) fn path_id<T: std::str::FromStr<Err = orchestratai_shared::Invalid>>(
    name: &str,
    raw: &str,
) -> Result<T, ApiError> {
    raw.parse().map_err(|invalid| ApiError::invalid_field(name, invalid))
}
