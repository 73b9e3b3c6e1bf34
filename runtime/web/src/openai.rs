//! The way in for clients of the OpenAI API: `/v1/models` and `/v1/chat/completions`, each agent a model.
//!
//! Shapes are those of OpenAI's API reference, version 1, chat completions. What such a client cannot say with them is said beside
//! them: `citations`, `agent` and the ids of turn and session stand in an object named `orchestratai`, which clients ignore.

mod client_tools;
mod completion;
mod conversation;
mod earlier;
mod error;
mod models;
mod request;
mod stream;
#[cfg(test)]
mod tests;

use actix_web::web::{self, ServiceConfig};

pub(crate) use error::OpenAiErrorBody;

use crate::rest::{get, resource};

pub(crate) fn configure(routes: &mut ServiceConfig) {
    routes
        .service(resource("/v1/models", "GET, HEAD").route(get().to(models::list)))
        .service(resource("/v1/models/{model}", "GET, HEAD").route(get().to(models::read)))
        .service(resource("/v1/chat/completions", "POST").route(web::post().to(completion::create)));
}

/// Whether an address is one of these, so that errors have the shape that OpenAI gives them. `path` is decoded as it is for routes.
pub(crate) fn is_place(path: &str) -> bool {
    path.strip_prefix("/v1")
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
