//! What the web crate is told at its start.

use std::{sync::Arc, time::Duration};

use crate::console::ConsoleSettings;

/// How to serve. [`Default`] is what the documented configuration has as its defaults.
#[derive(Debug, Clone)]
pub struct WebSettings {
    /// The bearer token that every request to the API but `/api/health*` and `/api/console` must bring; `None` lets everybody in.
    pub token: Option<Secret>,
    /// Origins of other sites whose pages may call, such as `http://localhost:3000`; `*` allows all.
    pub cors_origins: Vec<String>,
    /// Threads that serve connections; `None` takes one for each core.
    pub workers: Option<usize>,
    /// WebSocket connections and event streams at once; one more gets 503.
    pub connections_max: usize,
    /// Frames a second that one WebSocket client may send for long; more closes with 4029.
    pub frames_per_second: u32,
    /// Frames that one WebSocket client may send at once.
    pub frames_burst: u32,
    /// How long sent bytes may stay unacknowledged before the kernel ends the connection.
    pub socket_stall_max: Duration,
    /// Whether `/api/ws/echo` is there, for conformance tests.
    pub websocket_echo: bool,
    /// Whether agents keep what people say of themselves.
    pub keeps_facts: bool,
    /// Bytes that the result of a client's own tool may have; what is beyond is cut off.
    pub tool_result_bytes_max: usize,
    /// The web console.
    pub console: ConsoleSettings,
}

impl Default for WebSettings {
    fn default() -> Self {
        Self {
            token: None,
            cors_origins: vec!["http://localhost:3000".into(), "http://localhost:5173".into()],
            workers: None,
            connections_max: 20_000,
            frames_per_second: 200,
            frames_burst: 1_000,
            socket_stall_max: Duration::from_secs(30),
            websocket_echo: false,
            keeps_facts: false,
            tool_result_bytes_max: 32 * 1024,
            console: ConsoleSettings::default(),
        }
    }
}

/// A secret that never shows in logs, errors or debug output.
#[derive(Clone)]
pub struct Secret(Arc<str>);

impl Secret {
    /// Takes the secret.
    #[must_use]
    pub fn new(value: impl Into<Arc<str>>) -> Self {
        Self(value.into())
    }

    /// Whether `offered` is the secret; takes as long for a near miss as for any other of its length.
    #[must_use]
    pub fn is(&self, offered: &str) -> bool {
        use subtle::ConstantTimeEq;
        self.0.as_bytes().ct_eq(offered.as_bytes()).into()
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}
