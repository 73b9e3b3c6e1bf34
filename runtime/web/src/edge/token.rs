//! Authentication by one token, until there are identities.

use actix_web::{
    Error,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    http::header::{self, HeaderMap},
    middleware::Next,
    web::Data,
};
use orchestratai_shared::ErrorCode;

use crate::{console, error::ApiError, site::Site, websocket::turned_away};

/// What a browser, which cannot set headers on a WebSocket, offers as one more subprotocol.
pub(crate) const BEARER_SUBPROTOCOL: &str = "bearer.";

/// Lets pass who brings the token, and everybody to the health checks, to what a client must know before it has one, and to the
/// console's page and files; 401 for everybody else, and close code 4001 for a page
/// that opens a WebSocket, for it sees no status. That is an answer and no
/// error, so that the layers around it do with it what they do with answers: a page that may call must be able to read it.
///
/// # Errors
/// Those of what it lets pass.
pub(crate) async fn check(
    site: Data<Site>,
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    // As the routes see it, not as it was written: `/%61pi/agents` is the API too.
    let path = request.match_info().as_str();
    if let Some(token) = &site.settings.token
        && !is_open(path)
        && !console::is_place(path)
        && !offered(request.headers()).any(|offered| token.is(offered))
    {
        if let Some(closed) = turned_away::unauthenticated(&mut request, &site.metrics) {
            return Ok(request.into_response(closed).map_into_right_body());
        }
        let refusal = ApiError::new(ErrorCode::Unauthenticated, "A valid bearer token is needed.");
        return Ok(request.error_response(refusal).map_into_right_body());
    }
    next.call(request).await.map(ServiceResponse::map_into_left_body)
}

/// Whether an address of the API needs no token.
pub(crate) fn is_open(path: &str) -> bool {
    path == "/api/console" || path == "/api/health" || path.starts_with("/api/health/")
}

/// Every token that the request brings.
fn offered(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let authorization = headers.get(header::AUTHORIZATION).and_then(|value| {
        let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
    });
    let subprotocols = headers
        .get_all(header::SEC_WEBSOCKET_PROTOCOL)
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|offered| offered.trim().strip_prefix(BEARER_SUBPROTOCOL));
    authorization.into_iter().chain(subprotocols)
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    #[test]
    fn a_token_comes_as_a_header_or_as_a_subprotocol() {
        let found = |name, value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(name, HeaderValue::from_static(value));
            offered(&headers).map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(found(header::AUTHORIZATION, "bearer abc"), ["abc"]);
        assert_eq!(
            found(header::SEC_WEBSOCKET_PROTOCOL, "orchestratai.v1, bearer.abc"),
            ["abc"]
        );
        assert!(found(header::AUTHORIZATION, "Basic abc").is_empty());
        assert!(found(header::SEC_WEBSOCKET_PROTOCOL, "orchestratai.v1").is_empty());
    }
}
