//! What is wrong with a configuration: every problem at once, each with its place.

use std::{fmt, path::PathBuf};

/// Where a value was set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    /// In the defaults that are compiled in.
    Default,
    /// In the file of `--config`, at this line.
    File { path: PathBuf, line: usize },
    /// In this environment variable.
    Environment(String),
    /// By this flag.
    Flag(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line } => write!(f, "{}:{line}", path.display()),
            Self::Environment(name) => f.write_str(name),
            Self::Flag(name) => f.write_str(name),
        }
    }
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    /// Where.
    pub(crate) origin: Origin,
    /// What.
    pub(crate) what: ProblemKind,
}

/// What can be wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ProblemKind {
    /// A value is not one of those allowed. `shown` is the value as it was written, or that it is secret.
    Value {
        key: String,
        shown: String,
        allowed: String,
    },
    /// There is no such key.
    UnknownKey { key: String, nearest: String },
    /// The file is no TOML, or cannot be read.
    File(String),
    /// Values that are valid one by one do not go together.
    Together(String),
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.origin)?;
        match &self.what {
            ProblemKind::Value { key, shown, allowed } => write!(f, "{key} is {shown}; allowed is {allowed}"),
            ProblemKind::UnknownKey { key, nearest } => {
                write!(f, "there is no setting {key}; the nearest is {nearest}")
            }
            ProblemKind::File(what) | ProblemKind::Together(what) => f.write_str(what),
        }
    }
}

/// Every problem of a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problems(pub(crate) Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.len() {
            1 => f.write_str("the configuration has a problem:")?,
            count => write!(f, "the configuration has {count} problems:")?,
        }
        self.0.iter().try_for_each(|problem| write!(f, "\n  {problem}"))
    }
}

impl std::error::Error for Problems {}
