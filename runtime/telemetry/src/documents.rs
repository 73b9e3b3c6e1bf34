//! The table of metrics in the documents is written from [`Metrics::describe`], and whoever names a metric names one that
//! there is.
//!
//! `UPDATE_DOCS=1 cargo test -p orchestratai-telemetry documents` writes the table anew.

use std::{collections::BTreeSet, fmt::Write as _, fs, path::PathBuf};

use crate::{MetricKind, Metrics, names};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn generated() -> String {
    let mut out = String::from(
        "# Metrics\n\n\
         <!-- Written from the crate `orchestratai-telemetry`; a test fails where it is stale. Do not edit.\n\
         \x20    To write it anew: UPDATE_DOCS=1 cargo test -p orchestratai-telemetry documents -->\n\n\
         `GET /metrics` serves these in the Prometheus text format. Labels are bounded: ids of agents and names of models\n\
         and collections come from configuration, and no label ever holds a session, a turn or a text that a client chose.\n\n\
         | metric | kind | unit | labels | what it means |\n| --- | --- | --- | --- | --- |\n",
    );
    for metric in Metrics::describe() {
        let labels: Vec<_> = (metric.labels.iter())
            .map(|label| format!("`{}`: {}", label.name, label.values))
            .collect();
        writeln!(
            out,
            "| `{}` | {} | {} | {} | {} |",
            metric.name,
            metric.kind,
            metric.unit,
            labels.join("<br>"),
            metric.help
        )
        .unwrap();
    }
    let seconds: Vec<_> = names::SECONDS_BUCKETS.iter().map(ToString::to_string).collect();
    let batch: Vec<_> = names::BATCH_BUCKETS.iter().map(ToString::to_string).collect();
    let process: Vec<_> = names::PROCESS.iter().map(|name| format!("`{name}`")).collect();
    writeln!(
        out,
        "\nUpper bounds of the buckets of histograms in seconds: {}.\n\nOf `{}`: {}.\n\n\
         On Linux the figures of the process come with them: {}.",
        seconds.join(", "),
        names::JOURNAL_COMMIT_BATCH.name,
        batch.join(", "),
        process.join(", "),
    )
    .unwrap();
    out
}

#[test]
fn the_table_of_metrics_is_not_stale() {
    let path = root().join("docs/metrics.md");
    let expected = generated();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, &expected).unwrap();
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    assert!(found == expected, "{} is stale: run with UPDATE_DOCS=1", path.display());
}

/// The names that a text speaks of: every `orchestratai_…` as long as it goes.
fn named(text: &str) -> BTreeSet<&str> {
    text.match_indices("orchestratai_")
        .map(|(start, _)| {
            let rest = &text[start..];
            let end = rest
                .find(|c: char| !c.is_ascii_lowercase() && c != '_')
                .unwrap_or(rest.len());
            &rest[..end]
        })
        .collect()
}

#[test]
fn dashboards_and_alerts_name_only_metrics_that_there_are() {
    let mut known = BTreeSet::new();
    for metric in Metrics::describe() {
        known.insert(metric.name.to_owned());
        if metric.kind == MetricKind::Histogram {
            known.extend(["bucket", "sum", "count"].map(|part| format!("{}_{part}", metric.name)));
        }
    }
    // Prometheus reads the token from this file; it is a path and no metric.
    known.insert("orchestratai_token".to_owned());
    let mut read = 0;
    for folder in ["dashboards", "deploy/prometheus"] {
        for entry in fs::read_dir(root().join(folder)).unwrap() {
            let path = entry.unwrap().path();
            let text = fs::read_to_string(&path).unwrap();
            for name in named(&text) {
                assert!(known.contains(name), "{}: there is no metric {name}", path.display());
            }
            read += named(&text).len();
        }
    }
    assert!(read > 20, "only {read} names were found in dashboards and alerts");
}
