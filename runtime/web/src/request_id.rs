//! The id of a request: in its answer, in the logs and in the trace.

use std::sync::Arc;

use actix_web::{
    HttpMessage, HttpRequest,
    http::header::{HeaderMap, HeaderName, HeaderValue},
};
use uuid::Uuid;

/// Where a request may bring its id, and where its answer has it.
pub(crate) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Names one request.
#[derive(Debug, Clone)]
pub(crate) struct RequestId(Arc<str>);

impl RequestId {
    const BYTES_MAX: usize = 128;

    /// Takes the id that the request brings where it is 1 to 128 of `[A-Za-z0-9._-]`, so that it can be written to any log
    /// and header as it is; else makes one.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let brought = headers.get(X_REQUEST_ID).and_then(|id| id.to_str().ok());
        match brought.filter(|id| Self::is_sane(id)) {
            Some(id) => Self(id.into()),
            None => Self(Uuid::now_v7().to_string().into()),
        }
    }

    /// The id that the outermost layer has given to a request; a new one where it has met none.
    pub(crate) fn assigned(request: &HttpRequest) -> Self {
        let assigned = request.extensions().get::<Self>().cloned();
        assigned.unwrap_or_else(|| Self::of(request.headers()))
    }

    fn is_sane(id: &str) -> bool {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
        (1..=Self::BYTES_MAX).contains(&id.len()) && id.bytes().all(is_plain)
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// For those who keep it longer than the request.
    pub(crate) fn shared(self) -> Arc<str> {
        self.0
    }

    pub(crate) fn header(&self) -> HeaderValue {
        HeaderValue::from_str(&self.0).expect("a request id has only characters that a header may have")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_sane_id_is_taken_over() {
        let taken = |id: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(X_REQUEST_ID, HeaderValue::from_bytes(id.as_bytes()).unwrap());
            RequestId::of(&headers).as_str() == id
        };
        assert!(taken("a"));
        assert!(taken("trace-1.2_3"));
        assert!(taken(&"x".repeat(128)));
        for bad in ["", "a b", "a/b", "\u{e9}", "a;b", &"x".repeat(129)] {
            assert!(!taken(bad), "{bad}");
        }
    }
}
