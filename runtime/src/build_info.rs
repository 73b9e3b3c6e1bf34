//! What this binary is.

use orchestratai_telemetry::BuildInfo;

/// The release, the commit of its sources (of a release build, where git knew it) and the compiler.
pub(crate) const BUILD: BuildInfo = BuildInfo {
    version: env!("CARGO_PKG_VERSION"),
    commit: env!("ORCHESTRATAI_COMMIT"),
    rustc: env!("ORCHESTRATAI_RUSTC"),
};

/// As `--version` prints it.
pub(crate) const VERSION: &str = concat!(
    env!("CARGO_PKG_VERSION"),
    " (commit ",
    env!("ORCHESTRATAI_COMMIT"),
    ", rustc ",
    env!("ORCHESTRATAI_RUSTC"),
    ")"
);
