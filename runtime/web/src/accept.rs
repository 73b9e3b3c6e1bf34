//! What a client takes: `Accept` and `Accept-Encoding` (RFC 9110 §12.4.2, §12.5).

use actix_web::http::header::{AsHeaderName, HeaderMap};

/// Whether the header `name` names `wanted` itself, be it with a weight or without, and not in order to refuse it (`q=0`).
pub(crate) fn names(headers: &HeaderMap, name: impl AsHeaderName, wanted: &str) -> bool {
    headers
        .get_all(name)
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|offered| {
            let mut parts = offered.split(';').map(str::trim);
            parts.next().is_some_and(|kind| kind.eq_ignore_ascii_case(wanted)) && !parts.any(refuses)
        })
}

/// Whether a parameter is a weight of 0.
fn refuses(parameter: &str) -> bool {
    let weight = parameter.strip_prefix("q=").or_else(|| parameter.strip_prefix("Q="));
    weight.is_some_and(|weight| weight.parse::<f32>().is_ok_and(|weight| weight <= 0.0))
}
