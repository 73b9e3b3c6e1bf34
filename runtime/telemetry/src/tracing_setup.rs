//! Logs: for people or as JSON, always to the standard error stream. And the place where traces are attached to the same spans.

use std::io::{self, IsTerminal};

use tracing_subscriber::{
    EnvFilter, filter, fmt,
    layer::{Layer, SubscriberExt},
    util::{SubscriberInitExt, TryInitError},
};

use crate::traces::Traces;

/// How a log line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// For people: one line with colours where it goes to a terminal.
    #[default]
    Human,
    /// For machines: one JSON object to a line.
    Json,
}

/// How and what to log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TracingSettings {
    /// How a line looks.
    pub format: LogFormat,
    /// What is logged, in the directives of `tracing-subscriber`: `info`, `warn,orchestratai_web=debug`.
    pub filter: String,
}

/// Why logging could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TracingError {
    /// The filter is not valid.
    #[error("the log filter {filter:?} is not valid; it is a level, or target=level, or several joined by commas")]
    Filter {
        /// What was asked for.
        filter: String,
        /// What is wrong with it.
        #[source]
        source: filter::ParseError,
    },
    /// Another part of the process has set logging up already.
    #[error("logging is set up already")]
    AlreadySet(#[source] TryInitError),
}

impl TracingSettings {
    /// Whether the filter is valid.
    ///
    /// # Errors
    /// [`TracingError::Filter`].
    pub fn check(&self) -> Result<(), TracingError> {
        self.filter().map(|_| ())
    }

    fn filter(&self) -> Result<EnvFilter, TracingError> {
        let filter = EnvFilter::builder()
            .parse(&self.filter)
            .map_err(|source| TracingError::Filter {
                filter: self.filter.clone(),
                source,
            })?;
        // That a collector does not answer is told once, by us. The library tells it for each batch.
        let is_asked_for = self.filter.contains(OPENTELEMETRY);
        let silence = (!is_asked_for)
            .then(|| format!("{OPENTELEMETRY}=off").parse().ok())
            .flatten();
        Ok(match silence {
            Some(silence) => filter.add_directive(silence),
            None => filter,
        })
    }
}

/// What the targets of the library that sends traces begin with.
const OPENTELEMETRY: &str = "opentelemetry";

/// Starts logging to the standard error stream, panics included: they become log lines at level `error`, so that a stream
/// of JSON stays one. Without `traces` spans are for logs alone.
///
/// # Errors
/// [`TracingError`]. It can be done once in a process.
pub fn init_tracing(settings: &TracingSettings, traces: Option<&Traces>) -> Result<(), TracingError> {
    let colours = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let lines = fmt::layer().with_writer(io::stderr);
    let layer = match settings.format {
        LogFormat::Human => lines.with_ansi(colours).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).with_current_span(false).boxed(),
    };
    let logs = tracing_subscriber::registry().with(layer.with_filter(settings.filter()?));
    match traces {
        Some(traces) => logs.with(traces.layer()).try_init(),
        None => logs.try_init(),
    }
    .map_err(TracingError::AlreadySet)?;
    std::panic::set_hook(Box::new(|panic| {
        let thread = std::thread::current();
        let message = panic.payload_as_str().unwrap_or("(no text)");
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(thread.name = thread.name(), code.place = place, "panicked: {message}");
    }));
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use super::*;

    fn check(filter: &str) -> Result<(), TracingError> {
        TracingSettings {
            format: LogFormat::Json,
            filter: filter.into(),
        }
        .check()
    }

    #[test]
    fn a_bad_filter_is_an_error_that_quotes_it() {
        for good in [
            "info",
            "warn,orchestratai_web=debug",
            "off",
            "orchestratai[request]=trace",
        ] {
            assert!(check(good).is_ok(), "{good}");
        }
        let error = check("info,web=loud").unwrap_err();
        assert!(error.to_string().contains("web=loud"), "{error}");
        assert!(error.source().is_some());
    }
}
