//! Which pages may call: the wall against other sites in the user's own browser.

use actix_web::http::header::{self, HeaderMap};
use orchestratai_shared::ErrorCode;

use crate::error::ApiError;

/// Judges `Origin` and `Host`.
#[derive(Debug)]
pub(crate) struct Gate {
    allowed: Vec<String>,
    /// Whether `Host` must be a name of this machine: on loopback without authentication a page of another site could else
    /// have its own name resolve to us (DNS rebinding), and would count as our own.
    guards_host: bool,
}

impl Gate {
    pub(crate) fn new(allowed: Vec<String>, guards_host: bool) -> Self {
        Self { allowed, guards_host }
    }

    /// Whether pages of `origin` may call, though it is another site.
    pub(crate) fn allows(&self, origin: &str) -> bool {
        self.allowed
            .iter()
            .any(|allowed| allowed == "*" || allowed.trim_end_matches('/').eq_ignore_ascii_case(origin))
    }

    /// Whether a page of `origin` may be told beforehand that it may call: browsers ask for other sites only, but what the
    /// page of this very site asks has the same answer.
    pub(crate) fn welcomes(&self, origin: &str, headers: &HeaderMap) -> bool {
        let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
        self.allows(origin) || is_own(origin, host)
    }

    /// Why a request with these headers is refused, if it is.
    pub(crate) fn refusal(&self, headers: &HeaderMap) -> Option<ApiError> {
        let host = headers.get(header::HOST).map(|host| host.to_str().unwrap_or_default());
        if self.guards_host && host.is_some_and(|host| !is_loopback(host)) {
            return Some(ApiError::new(
                ErrorCode::Forbidden,
                "This address is served to this machine alone, and the Host header names another.",
            ));
        }
        let is_fine = |origin: &str| is_own(origin, host) || self.allows(origin);
        let is_refused = headers
            .get_all(header::ORIGIN)
            .any(|origin| !origin.to_str().is_ok_and(is_fine));
        is_refused.then(|| {
            ApiError::new(
                ErrorCode::Forbidden,
                "Pages of this origin may not call; `cors.origins` names those that may.",
            )
        })
    }
}

/// Whether a page of `origin` was served by us. The scheme is not compared: a proxy in front may have ended TLS.
fn is_own(origin: &str, host: Option<&str>) -> bool {
    let authority = origin
        .strip_prefix("http://")
        .or_else(|| origin.strip_prefix("https://"));
    matches!((authority, host), (Some(authority), Some(host)) if authority.eq_ignore_ascii_case(host))
}

/// Whether `host`, with or without port, names this machine for itself. Any port: one may have been forwarded.
fn is_loopback(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split_once(']').map_or("", |(name, _)| name),
        None => match host.split_once(':') {
            Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
            Some(_) => "",
            None => host,
        },
    };
    name.eq_ignore_ascii_case("localhost")
        || name
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    fn is_refused(guards_host: bool, host: &'static str, origin: Option<&'static str>) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, HeaderValue::from_static(host));
        if let Some(origin) = origin {
            headers.insert(header::ORIGIN, HeaderValue::from_static(origin));
        }
        Gate::new(
            vec!["http://localhost:3000".into(), "https://Chat.example/".into()],
            guards_host,
        )
        .refusal(&headers)
        .is_some()
    }

    #[test]
    fn a_page_of_another_site_may_not_call() {
        for origin in [
            "http://evil.example",
            "null",
            "",
            "http://localhost:3000.evil.example",
            "http://localhost:3001",
            "file://",
        ] {
            assert!(is_refused(false, "agents.example", Some(origin)), "{origin}");
        }
        for origin in [
            None,
            Some("http://localhost:3000"),
            Some("https://chat.example"),
            Some("https://agents.example"),
            Some("http://agents.example"),
        ] {
            assert!(!is_refused(false, "agents.example", origin), "{origin:?}");
        }
    }

    #[test]
    fn on_loopback_only_a_name_of_this_machine_is_a_host() {
        for host in [
            "localhost",
            "LOCALHOST:8000",
            "127.0.0.1:9",
            "127.9.9.9",
            "[::1]:8000",
            "[::1]",
        ] {
            assert!(!is_refused(true, host, None), "{host}");
        }
        for host in [
            "evil.example",
            "localhost.evil.example:8000",
            "localhost:8000.evil.example",
            "localhost:evil.example:8000",
            "10.0.0.1",
            "[::2]",
            "",
            "[::1",
        ] {
            assert!(is_refused(true, host, None), "{host}");
        }
        assert!(!is_refused(false, "evil.example", None));
    }
}
