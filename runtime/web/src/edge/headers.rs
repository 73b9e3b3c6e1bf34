//! Headers that keep a browser from doing more with an answer than it should.

use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};

/// Answers of the API are data: nothing in them may run, load or be framed.
const API_POLICY: &str = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
/// The page of the API runs its own scripts and calls the API; it sets styles and has images as `data:` in them.
const DOCS_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
    img-src 'self' data:; font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; \
    frame-ancestors 'none'";

pub(super) fn secure(headers: &mut HeaderMap, is_docs: bool) {
    let mut put = |name: HeaderName, value: &'static str| {
        headers.insert(name, HeaderValue::from_static(value));
    };
    put(
        header::CONTENT_SECURITY_POLICY,
        if is_docs { DOCS_POLICY } else { API_POLICY },
    );
    put(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    put(header::X_FRAME_OPTIONS, "DENY");
    put(header::REFERRER_POLICY, "no-referrer");
    put(HeaderName::from_static("cross-origin-opener-policy"), "same-origin");
    put(header::CACHE_CONTROL, if is_docs { "no-cache" } else { "no-store" });
}
