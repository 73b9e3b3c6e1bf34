//! The table of metrics in the documents is written from [`Metrics::describe`]. That dashboards and rules name only what
//! stands in it, and find data there, is held by the tests of the binary, with a real Prometheus.
//!
//! `UPDATE_DOCS=1 cargo test -p orchestratai-telemetry documents` writes the table anew.

use std::{fmt::Write as _, fs, path::PathBuf};

use crate::{Metrics, names};

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
