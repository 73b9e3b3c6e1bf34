//! What the files of a deployment say, held against what there is: the proxy with real servers behind it, the compose file and
//! Prometheus's targets, the manifests for Kubernetes.

mod compose;
mod kubernetes;
pub(crate) mod proxy;
mod yaml;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Output,
};

use crate::server::orchestratai;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// What stands behind an instruction of the Dockerfile that occurs once.
fn dockerfile(instruction: &str) -> String {
    let text = read("Dockerfile");
    let mut lines = text.lines().filter_map(|line| line.strip_prefix(instruction));
    let (line, another) = (lines.next(), lines.next());
    assert!(
        line.is_some() && another.is_none(),
        "one {instruction} in the Dockerfile"
    );
    line.unwrap_or_default().trim().to_owned()
}

/// What the binary makes of a configuration: all settings, each on a line with where it comes from, or what is wrong.
fn check_config(file: Option<&Path>, variables: &[(String, String)]) -> Output {
    let mut command = orchestratai();
    command.arg("check-config").envs(variables.iter().cloned());
    if let Some(file) = file {
        command.arg("--config").arg(file);
    }
    command.output().unwrap()
}

/// The value of a setting in what `check-config` printed.
fn setting(printed: &Output, key: &str) -> String {
    let text = String::from_utf8_lossy(&printed.stdout);
    assert!(printed.status.success(), "{}", String::from_utf8_lossy(&printed.stderr));
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(key)?.trim_start().strip_prefix("= "));
    let line = line.unwrap_or_else(|| panic!("no {key} in\n{text}"));
    line.rsplit_once("  (").unwrap().0.trim_matches('"').to_owned()
}

/// A number of seconds, as settings, compose files and proxies write them.
fn seconds(text: &str) -> u64 {
    let number = text
        .strip_suffix('s')
        .unwrap_or_else(|| panic!("{text} is no number of seconds"));
    number
        .parse()
        .unwrap_or_else(|_| panic!("{text} is no number of seconds"))
}
