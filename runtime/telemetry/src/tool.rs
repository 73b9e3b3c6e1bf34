//! What is counted of calls of tools. Servers of tools name them, and may name others tomorrow: so many names are told apart, and no more.

use std::{
    collections::HashSet,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use prometheus::{HistogramVec, IntCounterVec};

use crate::{
    labels::{LabelValue, ToolCallOutcome},
    names,
    registration::{counter_vec, histogram_vec},
};

/// So many tools have figures of their own; what others do counts as [`OTHER`].
const TOOLS_MAX: usize = 500;
const OTHER: &str = "other";

#[derive(Debug)]
pub(crate) struct ToolMetrics {
    calls: IntCounterVec,
    duration: HistogramVec,
    known: Mutex<HashSet<String>>,
}

impl ToolMetrics {
    pub(crate) fn register(registry: &prometheus::Registry) -> Self {
        Self {
            calls: counter_vec(registry, &names::TOOL_CALLS),
            duration: histogram_vec(registry, &names::TOOL_CALL_DURATION, names::SECONDS_BUCKETS),
            known: Mutex::default(),
        }
    }

    /// A call has ended; it has a duration where it was made.
    pub(crate) fn called(&self, tool: &str, outcome: ToolCallOutcome, took: Option<Duration>) {
        let tool = self.label(tool, took.is_some());
        self.calls.with_label_values(&[tool, outcome.as_str()]).inc();
        if let Some(took) = took {
            self.duration.with_label_values(&[tool]).observe(took.as_secs_f64());
        }
    }

    /// Under which name a tool counts. Only who was called has one: models make names up, of whatever they were told.
    fn label<'a>(&self, tool: &'a str, was_called: bool) -> &'a str {
        // Nothing panics while it is held.
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.contains(tool) {
            return tool;
        }
        if !was_called || known.len() >= TOOLS_MAX {
            return OTHER;
        }
        known.insert(tool.to_owned());
        tool
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_tools_are_told_apart_than_there_is_room_for() {
        let registry = prometheus::Registry::new();
        let metrics = ToolMetrics::register(&registry);
        let took = Some(Duration::from_millis(3));
        for n in 0..TOOLS_MAX + 50 {
            metrics.called(&format!("tool_{n}"), ToolCallOutcome::Succeeded, took);
        }
        metrics.called("tool_7", ToolCallOutcome::Succeeded, took);
        let calls = |tool: &str| metrics.calls.with_label_values(&[tool, "succeeded"]).get();
        assert_eq!((calls("tool_7"), calls(OTHER)), (2, 50));
        assert_eq!(metrics.duration.with_label_values(&["tool_7"]).get_sample_count(), 2);
    }

    #[test]
    fn a_name_that_nothing_was_called_by_is_told_nowhere() {
        let registry = prometheus::Registry::new();
        let metrics = ToolMetrics::register(&registry);
        metrics.called("made_up", ToolCallOutcome::NotMade, None);
        metrics.called("refund", ToolCallOutcome::Succeeded, Some(Duration::from_millis(3)));
        metrics.called("refund", ToolCallOutcome::NotMade, None);
        let text = prometheus::TextEncoder::new()
            .encode_to_string(&registry.gather())
            .unwrap();
        assert!(!text.contains("made_up"), "{text}");
        let not_made = |tool: &str| metrics.calls.with_label_values(&[tool, "not_made"]).get();
        assert_eq!((not_made("refund"), not_made(OTHER)), (1, 1));
    }
}
