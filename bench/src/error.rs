//! What keeps the generator from measuring. A turn that goes wrong is no such thing: it is counted, see `clients`.

use std::{io, path::PathBuf, time::Duration};

use crate::clients::TurnError;

/// Why there is no figure.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BenchError {
    /// The machine refused something that the measurement needs.
    #[error("cannot {what}")]
    Io {
        /// What was tried, as it follows "cannot".
        what: String,
        /// Why it did not work.
        #[source]
        source: io::Error,
    },
    /// An argument cannot be used as it is.
    #[error("{0}")]
    Argument(String),
    /// The server's process ended before it answered.
    #[error("the server ended before it was ready ({status}); the end of its output:\n{output}")]
    ServerEnded {
        /// How it ended.
        status: String,
        /// The last lines it wrote.
        output: String,
    },
    /// The server's health did not become 200.
    #[error("the server was not ready within {} s; the end of its output:\n{output}", waited.as_secs())]
    ServerNotReady {
        /// How long it was given.
        waited: Duration,
        /// The last lines it wrote.
        output: String,
    },
    /// No session to measure with.
    #[error("a session could not be connected")]
    Connect(#[source] TurnError),
    /// A load that was to be measured had no turn that ended well.
    #[error("{load}: not one turn ended well; errors by code: {errors}")]
    NoTurns {
        /// Which load.
        load: String,
        /// Code and count of each.
        errors: String,
    },
    /// A figure of `/proc` has not the form that its manual page gives.
    #[error("{0} is not in the form that proc(5) describes")]
    ProcForm(String),
    /// A thread of the generator panicked.
    #[error("a thread of the generator panicked")]
    Panicked,
}

impl BenchError {
    /// For `map_err`: `what` follows "cannot".
    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }

    /// For `map_err`: a file that cannot be read.
    pub(crate) fn read(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io {
            what: format!("read {}", path.display()),
            source,
        }
    }
}
