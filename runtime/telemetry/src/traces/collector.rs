//! Where traces are sent, and what is shown there.

use std::fmt;

use reqwest::{
    Url,
    header::{HeaderName, HeaderValue},
};

/// The address of a collector that speaks OTLP over HTTP.
#[derive(Clone, PartialEq, Eq)]
pub struct CollectorAddress(Url);

/// Where OTLP over HTTP takes traces, below the address.
const TRACES_PATH: &str = "/v1/traces";

impl CollectorAddress {
    /// What is allowed, for people.
    pub const ALLOWED: &'static str = "http://HOST[:PORT][/PATH] or https://HOST[:PORT][/PATH]";

    /// Reads an address. Name and password cannot stand in it: it is shown, and what is secret belongs into a header.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let url = Url::parse(text).ok()?;
        let is_plain = url.username().is_empty() && url.password().is_none();
        let is_base = url.query().is_none() && url.fragment().is_none();
        let is_http = matches!(url.scheme(), "http" | "https") && url.has_host();
        (is_http && is_plain && is_base).then_some(Self(url))
    }

    /// Where traces are posted; an address that names that place already is taken as it is.
    pub(super) fn traces_url(&self) -> String {
        let base = self.0.as_str().trim_end_matches('/');
        match base.ends_with(TRACES_PATH) {
            true => base.to_owned(),
            false => format!("{base}{TRACES_PATH}"),
        }
    }
}

impl fmt::Display for CollectorAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for CollectorAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CollectorAddress({})", self.0)
    }
}

/// Headers of every request to the collector. They are secret: debug output shows their names alone.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct CollectorHeaders(Vec<(HeaderName, String)>);

impl CollectorHeaders {
    /// What is allowed, for people.
    pub const ALLOWED: &'static str = "NAME=VALUE, several joined by commas, values percent-encoded";

    /// Reads `NAME=VALUE,NAME=VALUE` as `OTEL_EXPORTER_OTLP_HEADERS` has it; an empty text is none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let pairs = text.split(',').map(str::trim).filter(|pair| !pair.is_empty());
        let header = |pair: &str| {
            let (name, value) = pair.split_once('=')?;
            let name = HeaderName::from_bytes(name.trim().as_bytes()).ok()?;
            let value = decoded(value.trim())?;
            HeaderValue::from_str(&value).ok()?;
            Some((name, value))
        };
        pairs.map(header).collect::<Option<Vec<_>>>().map(Self)
    }

    pub(super) fn pairs(&self) -> impl Iterator<Item = (String, String)> + '_ {
        self.0.iter().map(|(name, value)| (name.to_string(), value.clone()))
    }
}

impl fmt::Debug for CollectorHeaders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

/// Resolves `%20` and the like; `None` where a `%` is followed by no two hexadecimal digits, or the text is not UTF-8.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        rest = after;
        if first != b'%' {
            bytes.push(first);
            continue;
        }
        let (digits, after) = rest.split_at_checked(2)?;
        let digits = std::str::from_utf8(digits).ok()?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        rest = after;
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn traces_go_to_their_place_below_the_address() {
        let url = |text: &str| CollectorAddress::parse(text).map(|address| address.traces_url());
        let cases = [
            ("http://localhost:4318", "http://localhost:4318/v1/traces"),
            ("http://localhost:4318/", "http://localhost:4318/v1/traces"),
            ("https://otlp.example/otlp", "https://otlp.example/otlp/v1/traces"),
            ("https://otlp.example/v1/traces", "https://otlp.example/v1/traces"),
        ];
        for (address, expected) in cases {
            assert_eq!(url(address).as_deref(), Some(expected));
        }
        for bad in [
            "",
            "localhost:4318",
            "grpc://localhost:4317",
            "http://",
            "http://me:secret@host",
            "http://host/?key=secret",
        ] {
            assert_eq!(url(bad), None, "{bad}");
        }
    }

    #[test]
    fn headers_are_read_as_others_read_them_and_never_shown() {
        let read = |text: &str| CollectorHeaders::parse(text).map(|headers| headers.pairs().collect::<Vec<_>>());
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(read(""), Some(Vec::new()));
        assert_eq!(
            read("api-key=s3cret, Authorization=Basic%20dXNlcg==,"),
            Some(vec![pair("api-key", "s3cret"), pair("authorization", "Basic dXNlcg==")])
        );
        for bad in ["key", "=value", "a b=c", "key=%2", "key=%zz", "key=%0a", "key=%ff"] {
            assert_eq!(read(bad), None, "{bad}");
        }
        let shown = format!("{:?}", CollectorHeaders::parse("api-key=s3cret").unwrap());
        assert!(shown.contains("api-key") && !shown.contains("s3cret"), "{shown}");
    }
}
