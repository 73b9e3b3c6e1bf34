//! YAML as the tools of deployments read it, anchors and merges included.

use std::{path::Path, process::Command};

use serde_json::Value;

use super::root;

/// Reads by the parser that comes with the tools of CI: no crate is needed for what only tests read.
const READER: &str = "import json, sys, yaml; json.dump(list(yaml.safe_load_all(open(sys.argv[1]))), sys.stdout)";

/// The documents of a file of the repository.
///
/// # Panics
/// Where it is no YAML.
pub(super) fn documents(path: impl AsRef<Path>) -> Vec<Value> {
    let path = root().join(path);
    let output = Command::new(root().join("target/python/bin/python"))
        .args(["-c", READER])
        .arg(&path)
        .output()
        .expect("scripts/bootstrap brings target/python");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {said}", path.display());
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The one document of a file of the repository.
pub(super) fn document(path: impl AsRef<Path>) -> Value {
    let mut documents = documents(path.as_ref());
    assert_eq!(documents.len(), 1, "{}", path.as_ref().display());
    documents.remove(0)
}

/// The items of a list; none where there is no list.
pub(super) fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// The texts of a list.
pub(super) fn texts(value: &Value) -> Vec<String> {
    items(value).map(text).collect()
}

/// A text.
pub(super) fn text(value: &Value) -> String {
    value
        .as_str()
        .unwrap_or_else(|| panic!("a text, and not {value}"))
        .to_owned()
}
