//! Requests and connections, and what of them becomes a label: clients choose methods and close codes, and there must be few of each.

use super::*;

impl Metrics {
    /// A WebSocket connection has ended with `code`. A code that only a peer can have thought of counts as `other`.
    pub fn websocket_closed(&self, code: u16) {
        let is_known = CLOSE_CODES.contains(&code);
        let label = if is_known { &Digits::of(code) } else { "other" };
        self.0.websocket_closes.with_label_values(&[label]).inc();
    }

    /// A request was answered. `route` is the pattern that it matched, never its path.
    pub fn http_answered(&self, method: &str, route: &str, status: u16) {
        self.0
            .http_requests
            .with_label_values(&[known_method(method), route, &Digits::of(status)])
            .inc();
    }

    /// An answer has ended, `duration` after the request's head; not for streams, which last as long as the client wants.
    pub fn http_ended(&self, method: &str, route: &str, duration: Duration) {
        self.0
            .http_request_duration
            .with_label_values(&[known_method(method), route])
            .observe(duration.as_secs_f64());
    }
}

/// The close codes of RFC 6455 and our own.
const CLOSE_CODES: [u16; 21] = [
    1000, 1001, 1002, 1003, 1004, 1005, 1006, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 1015, 4000, 4001, 4003,
    4008, 4029,
];

/// Every code from 0 on: what Prometheus first sees at 20 has not grown for it.
pub(super) fn websocket_closes(registry: &Registry) -> IntCounterVec {
    let closes = counter_vec(registry, &names::WEBSOCKET_CLOSES);
    for code in CLOSE_CODES {
        closes.with_label_values(&[&*Digits::of(code)]);
    }
    closes.with_label_values(&["other"]);
    closes
}

/// The methods that HTTP has; a client may make up others, without bound.
fn known_method(method: &str) -> &'static str {
    const KNOWN: [&str; 9] = [
        "GET", "POST", "DELETE", "OPTIONS", "HEAD", "PUT", "PATCH", "CONNECT", "TRACE",
    ];
    KNOWN.into_iter().find(|known| *known == method).unwrap_or("other")
}

/// A number as decimal text, on the stack.
pub(super) struct Digits {
    bytes: [u8; 5],
    start: usize,
}

impl Digits {
    pub(super) fn of(mut number: u16) -> Self {
        let mut bytes = [b'0'; 5];
        let mut start = bytes.len();
        loop {
            start -= 1;
            bytes[start] = b'0' + (number % 10) as u8;
            number /= 10;
            if number == 0 {
                return Self { bytes, start };
            }
        }
    }
}

impl std::ops::Deref for Digits {
    type Target = str;

    fn deref(&self) -> &str {
        str::from_utf8(&self.bytes[self.start..]).expect("digits are ASCII")
    }
}
