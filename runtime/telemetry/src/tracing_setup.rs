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
        let silent = SILENT.iter().filter(|target| !self.filter.contains(**target));
        let silence = silent.filter_map(|target| format!("{target}=off").parse().ok());
        Ok(silence.fold(filter, EnvFilter::add_directive))
    }
}

/// What the targets of libraries begin with that are silent unless they are named: that of traces, which tells of each batch that a collector
/// does not answer, where we tell it once; and that of tool servers, which tells what these send, and so what they were sent.
const SILENT: [&str; 2] = ["opentelemetry", "rmcp"];

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
        let message = without_text(panic.payload_as_str().unwrap_or("(no text)"));
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(thread.name = thread.name(), code.place = place, "panicked: {message}");
    }));
    Ok(())
}

/// The message of a panic without the text that was cut in the middle of a letter, which the standard library quotes: it may be anybody's.
fn without_text(message: &str) -> &str {
    message.split(" of `").next().unwrap_or(message)
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
    fn a_panic_does_not_tell_the_text_that_it_was_about() {
        let text = String::from("über canaries");
        let panic = std::panic::catch_unwind(|| text[1..].len()).unwrap_err();
        let message = panic.downcast_ref::<String>().unwrap();
        assert!(
            message.contains("canaries"),
            "the standard library quotes it: {message}"
        );
        let told = without_text(message);
        assert!(told.contains("char boundary") && !told.contains("canaries"), "{told}");
    }

    #[test]
    fn libraries_that_tell_what_they_are_sent_are_silent_unless_they_are_named() {
        let filter = |filter: &str| {
            let settings = TracingSettings {
                format: LogFormat::Json,
                filter: filter.into(),
            };
            settings.filter().unwrap().to_string()
        };
        assert!(filter("info").contains("rmcp=off") && filter("debug").contains("opentelemetry=off"));
        assert!(!filter("info,rmcp=debug").contains("rmcp=off"));
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
