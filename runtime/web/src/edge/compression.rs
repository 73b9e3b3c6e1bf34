//! gzip for bodies that are whole; a stream of events is never compressed, for it must not wait in an encoder.

use actix_http::encoding::Encoder;
use actix_web::{
    body::{BodySize, MessageBody},
    dev::ResponseHead,
    http::header::{self, ContentEncoding, HeaderMap, HeaderValue},
};

use crate::accept;

/// Below this a compressed body saves no packet, and costs both sides time.
const BYTES_MIN: u64 = 1_400;

/// Whether the client takes gzip.
pub(super) fn is_taken(headers: &HeaderMap) -> bool {
    accept::names(headers, header::ACCEPT_ENCODING, "gzip")
}

/// Compresses a body that is whole, long enough and text. What bears a tag is just what its tag says it is, and stays so.
pub(super) fn apply<B: MessageBody>(is_taken: bool, head: &mut ResponseHead, body: B) -> Encoder<B> {
    let is_long = matches!(body.size(), BodySize::Sized(bytes) if bytes >= BYTES_MIN);
    let is_text = head.headers().get(header::CONTENT_TYPE).is_some_and(|kind| {
        let kind = kind.to_str().unwrap_or_default();
        kind.starts_with("text/") || kind.starts_with("application/json") || kind.starts_with("application/javascript")
    });
    let is_final = head.headers().contains_key(header::ETAG);
    if !is_long || !is_text || is_final {
        return Encoder::response(ContentEncoding::Identity, head, body);
    }
    head.headers_mut()
        .append(header::VARY, HeaderValue::from_static("accept-encoding"));
    let encoding = if is_taken {
        ContentEncoding::Gzip
    } else {
        ContentEncoding::Identity
    };
    Encoder::response(encoding, head, body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gzip_is_taken_only_where_it_is_named_and_not_refused() {
        let takes = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static(value));
            is_taken(&headers)
        };
        assert!(takes("gzip"));
        assert!(takes("br, GZIP;q=0.5"));
        assert!(!takes("br, deflate"));
        assert!(!takes("gzip; q=0"));
        assert!(!takes("gzip;q=0.0, br"));
        assert!(!is_taken(&HeaderMap::new()));
    }
}
