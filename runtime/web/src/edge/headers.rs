//! Headers that keep a browser from doing more with an answer than it should.

use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};

use crate::console::{ConsoleAnswer, InlineSources};

/// Answers of the API are data: nothing in them may run, load or be framed.
const API_POLICY: &str = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
/// The page of the API runs its own scripts and calls the API; it sets styles and has images as `data:` in them.
const DOCS_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
    img-src 'self' data:; font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; \
    frame-ancestors 'none'";
/// The console runs its own scripts and styles and calls this very server; nothing comes from elsewhere. Of what stands in the page
/// itself only that runs which it was built with. `data:` is for the small images that a build puts into style sheets.
fn console_policy(inline: &InlineSources) -> String {
    let InlineSources { scripts, styles } = inline;
    format!(
        "default-src 'none'; script-src 'self'{scripts}; style-src 'self'{styles}; img-src 'self' data:; font-src 'self'; \
         connect-src 'self'; worker-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
}

/// What an answer is a part of.
#[derive(Debug)]
pub(super) enum Surface {
    Api,
    Docs,
    Console(ConsoleAnswer),
}

pub(super) fn secure(headers: &mut HeaderMap, surface: Surface) {
    let (policy, cache_control) = match surface {
        Surface::Api => (HeaderValue::from_static(API_POLICY), "no-store"),
        Surface::Docs => (HeaderValue::from_static(DOCS_POLICY), "no-cache"),
        Surface::Console(ConsoleAnswer { cache_control, inline }) => {
            let policy = HeaderValue::try_from(console_policy(&inline.unwrap_or_default()));
            // Of ASCII as it is, it always is a header.
            (policy.unwrap_or(HeaderValue::from_static(API_POLICY)), cache_control)
        }
    };
    headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    let mut put = |name: HeaderName, value: &'static str| {
        headers.insert(name, HeaderValue::from_static(value));
    };
    put(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    put(header::X_FRAME_OPTIONS, "DENY");
    put(header::REFERRER_POLICY, "no-referrer");
    put(HeaderName::from_static("cross-origin-opener-policy"), "same-origin");
    put(header::CACHE_CONTROL, cache_control);
}
