//! Server-sent events: the answer of one turn, all that happens in a session, or which sessions are in progress.

pub(crate) mod chat;
mod chat_events;
pub(crate) mod event;
pub(crate) mod feed;
mod follower;
mod live;
pub(crate) mod position;
mod session;

use actix_web::{
    HttpResponse, HttpResponseBuilder,
    http::header::{self, HeaderMap},
    web::ServiceConfig,
};

pub(crate) use live::live;
pub(crate) use session::session;

use crate::accept;

pub(crate) fn configure(routes: &mut ServiceConfig) {
    chat::configure(routes);
}

/// Whether the client asks for a stream: only if `Accept` names the type itself, and not in order to refuse it.
pub(crate) fn is_wanted(headers: &HeaderMap) -> bool {
    accept::names(headers, header::ACCEPT, "text/event-stream")
}

/// Begins the answer. It must pass proxies as it is made, so nginx is told not to gather it.
fn response() -> HttpResponseBuilder {
    let mut response = HttpResponse::Ok();
    response
        .content_type("text/event-stream")
        .insert_header((header::HeaderName::from_static("x-accel-buffering"), "no"));
    response
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    #[test]
    fn only_the_type_itself_asks_for_a_stream() {
        let wanted = |accept: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, HeaderValue::from_static(accept));
            is_wanted(&headers)
        };
        assert!(wanted("text/event-stream"));
        assert!(wanted("application/json, Text/Event-Stream;q=0.5"));
        assert!(wanted("text/event-stream; charset=utf-8"));
        assert!(!wanted("text/event-stream;q=0"));
        assert!(!wanted("application/json, text/event-stream; Q=0.0"));
        assert!(!wanted("*/*"));
        assert!(!wanted("text/*"));
        assert!(!wanted("application/json"));
        assert!(!is_wanted(&HeaderMap::new()));
    }
}
