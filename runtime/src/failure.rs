//! How a command ends that did not succeed.

use std::{
    error::Error,
    fmt::{self, Write as _},
    io,
    process::ExitCode,
};

use crate::settings::Problems;

/// Why a command did not succeed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CommandFailure {
    /// The configuration is not valid. Exit code 2.
    #[error(transparent)]
    Configuration(#[from] Problems),
    /// An argument is not valid. Exit code 2.
    #[error("{0}")]
    Usage(String),
    /// What the command was about went wrong. Exit code 1.
    #[error("{what}")]
    Failed {
        /// What could not be done, for people.
        what: String,
        /// Why.
        #[source]
        source: Option<Box<dyn Error + Send + Sync>>,
    },
    /// It could not say what it had to say. Exit code 1; 0 where the reader has gone, as `head` does.
    #[error("the output cannot be written")]
    Output(#[from] io::Error),
}

impl CommandFailure {
    /// Something failed for a reason that is known as an error.
    pub(crate) fn because(what: impl Into<String>, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Failed {
            what: what.into(),
            source: Some(source.into()),
        }
    }

    /// Something failed, and what it was says why.
    pub(crate) fn plain(what: impl Into<String>) -> Self {
        Self::Failed {
            what: what.into(),
            source: None,
        }
    }

    /// The exit code of the process.
    pub(crate) fn exit_code(&self) -> ExitCode {
        match self {
            Self::Configuration(_) | Self::Usage(_) => ExitCode::from(2),
            Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
            Self::Failed { .. } | Self::Output(_) => ExitCode::FAILURE,
        }
    }

    /// Whether there is somebody to tell.
    pub(crate) fn is_worth_telling(&self) -> bool {
        !matches!(self, Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }
}

/// An error with its causes, each after a colon.
pub(crate) struct Chain<'a>(pub(crate) &'a dyn Error);

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut said = self.0.to_string();
        f.write_str(&said)?;
        let mut next = self.0.source();
        while let Some(cause) = next {
            let text = cause.to_string();
            // Some libraries repeat their cause in their own text.
            if !said.contains(&text) {
                f.write_str(": ")?;
                f.write_str(&text)?;
            }
            said.clear();
            write!(said, "{text}")?;
            next = cause.source();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cause_is_told_once() {
        let cause = io::Error::other("the disk is full");
        let failure = CommandFailure::because("the data cannot be kept", cause);
        assert_eq!(Chain(&failure).to_string(), "the data cannot be kept: the disk is full");
    }

    #[test]
    fn a_reader_that_has_gone_is_no_failure() {
        let gone = CommandFailure::from(io::Error::from(io::ErrorKind::BrokenPipe));
        assert_eq!(gone.exit_code(), ExitCode::SUCCESS);
        assert!(!gone.is_worth_telling());
        assert_eq!(CommandFailure::Usage("x".into()).exit_code(), ExitCode::from(2));
    }
}
