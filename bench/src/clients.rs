//! The two ways in: WebSocket, and REST.

mod frame;
pub(crate) mod rest;
pub(crate) mod ws;

use std::{
    io,
    net::{SocketAddr, ToSocketAddrs},
    time::{Duration, Instant},
};

use uuid::Uuid;

use crate::error::BenchError;

/// Where the server listens, and what it wants to see.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    /// Its address.
    pub(crate) addr: SocketAddr,
    /// The `Host` it is called by.
    pub(crate) host: String,
    /// Its `auth.token`, where it has one.
    pub(crate) token: Option<String>,
    /// A turn or a handshake that takes longer is an error.
    pub(crate) patience: Duration,
}

/// The default of [`Target::patience`].
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

impl Target {
    /// A server on this machine.
    pub(crate) fn at(addr: SocketAddr) -> Self {
        Self {
            addr,
            host: addr.to_string(),
            token: None,
            patience: PATIENCE,
        }
    }

    /// From `http://HOST:PORT`.
    ///
    /// # Errors
    /// [`BenchError::Argument`] where it is not of that form, or the host is not known.
    pub(crate) fn parse(url: &str) -> Result<Self, BenchError> {
        let wrong = || BenchError::Argument(format!("--url {url}: must be http://HOST:PORT of a server that runs"));
        let host = url.strip_prefix("http://").ok_or_else(wrong)?.trim_end_matches('/');
        let addr = host
            .to_socket_addrs()
            .ok()
            .and_then(|mut addrs| addrs.next())
            .ok_or_else(wrong)?;
        Ok(Self {
            addr,
            host: host.to_owned(),
            token: None,
            patience: PATIENCE,
        })
    }
}

/// One session, from the client's side: one turn at a time.
pub(crate) trait Client: Sized + 'static {
    /// The name in reports.
    const PROTOCOL: &'static str;

    /// Connects, to the session `session` or else to a new one.
    async fn connect(target: &Target, session: Option<Uuid>) -> Result<Self, TurnError>;

    /// Asks, and waits for the end of the turn.
    async fn turn(&mut self, question: &str) -> Result<Turn, TurnError>;

    /// Waits between turns, taking what the server may still send, until the connection is lost. May be dropped at any time.
    async fn lost(&mut self) -> TurnError;
}

/// When what happened in a turn that ended well.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Turn {
    /// The server had accepted the message: the first event.
    pub(crate) first_event: Option<Instant>,
    /// The first piece of the answer.
    pub(crate) first_token: Option<Instant>,
    /// The end.
    pub(crate) end: Instant,
    /// Where the answer came from, if this turn was looked at so closely.
    pub(crate) origin: Option<Origin>,
}

/// Where an answer came from: whether the turn was the work that is meant to be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The semantic cache.
    Cache,
    /// Documents that were searched for.
    Retrieval,
    /// Neither, such as small talk.
    Neither,
}

/// How a turn, or a connection, went wrong. Counted under [`TurnError::code`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TurnError {
    /// The server answered with an error; its code, such as OVERLOADED.
    #[error("the server refused: {0}")]
    Refused(String),
    /// `turn_failed`; its code.
    #[error("the turn failed: {0}")]
    Failed(String),
    /// `turn_cancelled`, which nobody asked for.
    #[error("the turn was cancelled")]
    Cancelled,
    /// An answer of HTTP with a status of its own and no error body.
    #[error("HTTP status {0}")]
    Status(u16),
    /// The server closed the WebSocket with this code.
    #[error("closed with code {0}")]
    Closed(u16),
    /// The connection ended without a close code.
    #[error("the connection was lost")]
    Lost,
    /// The socket failed.
    #[error("the socket failed: {0}")]
    Io(io::ErrorKind),
    /// Nothing in time.
    #[error("no end of the turn in time")]
    Timeout,
    /// What came is not what the contract says.
    #[error("not the wire contract: {0}")]
    Protocol(&'static str),
}

impl TurnError {
    /// The name it is counted under.
    pub(crate) fn code(&self) -> String {
        match self {
            Self::Refused(code) => code.clone(),
            Self::Failed(code) => format!("turn_failed {code}"),
            Self::Cancelled => "turn_cancelled".to_owned(),
            Self::Status(status) => format!("status {status}"),
            Self::Closed(code) => format!("closed {code}"),
            Self::Lost => "connection lost".to_owned(),
            Self::Io(kind) => format!("io: {kind}"),
            Self::Timeout => "timeout".to_owned(),
            Self::Protocol(what) => format!("protocol: {what}"),
        }
    }

    /// Whether the next turn may use the same connection: the server has said how this one ended.
    pub(crate) fn leaves_connection_usable(&self) -> bool {
        match self {
            Self::Refused(_) | Self::Failed(_) | Self::Cancelled | Self::Status(_) => true,
            Self::Closed(_) | Self::Lost | Self::Io(_) | Self::Timeout | Self::Protocol(_) => false,
        }
    }
}

impl From<io::Error> for TurnError {
    fn from(error: io::Error) -> Self {
        Self::Io(error.kind())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_with_and_without_a_slash() {
        for url in ["http://127.0.0.1:8000", "http://127.0.0.1:8000/"] {
            let target = Target::parse(url).unwrap();
            assert_eq!(target.addr, "127.0.0.1:8000".parse().unwrap());
            assert_eq!(target.host, "127.0.0.1:8000");
        }
    }

    #[test]
    fn what_is_no_address_is_refused_with_the_form_it_should_have() {
        for url in ["127.0.0.1:8000", "https://127.0.0.1:8000", "http://127.0.0.1"] {
            let message = Target::parse(url).unwrap_err().to_string();
            assert!(message.contains("http://HOST:PORT"), "{message}");
        }
    }
}
