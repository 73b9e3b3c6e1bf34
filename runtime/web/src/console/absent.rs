//! What is said where there is no console.

use actix_web::HttpResponse;

use super::CHECKED;

/// Plain enough for the strictest policy: no style, no script.
const PAGE: &str = include_str!("absent.html");

/// A page that says how a console comes into the binary: 404, for the console is not there.
pub(super) fn page() -> HttpResponse {
    let mut response = HttpResponse::NotFound()
        .content_type("text/html; charset=utf-8")
        .body(PAGE);
    response.extensions_mut().insert(CHECKED);
    response
}
