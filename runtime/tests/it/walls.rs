//! Dependencies run one way: the edges between the crates of the workspace are those that ARCHITECTURE.md lists.

use std::{collections::BTreeSet, fs, path::PathBuf, process::Command};

use serde_json::Value;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn metadata() -> Value {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked", "--offline"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// `a -> b` for every normal dependency of one of our crates on another.
fn real_edges(metadata: &Value) -> BTreeSet<String> {
    let mut edges = BTreeSet::new();
    for package in metadata["packages"].as_array().unwrap() {
        if !package["source"].is_null() {
            continue;
        }
        for dependency in package["dependencies"].as_array().unwrap() {
            let is_normal = dependency["kind"].is_null();
            let is_ours = dependency["source"].is_null() && dependency["path"].is_string();
            if is_normal && is_ours {
                let [from, to] = [package, dependency].map(|crate_| crate_["name"].as_str().unwrap());
                edges.insert(format!("{from} -> {to}"));
            }
        }
    }
    edges
}

#[test]
fn the_edges_between_our_crates_are_those_of_the_architecture() {
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let (_, rest) = text
        .split_once("<!-- edges:begin -->")
        .expect("ARCHITECTURE.md lists the edges");
    let (list, _) = rest
        .split_once("<!-- edges:end -->")
        .expect("the list of edges has an end");
    let documented = list
        .lines()
        .map(str::trim)
        .filter(|line| line.contains(" -> "))
        .map(str::to_owned)
        .collect();
    assert_eq!(
        real_edges(&metadata()),
        documented,
        "left: the manifests; right: ARCHITECTURE.md"
    );
}

#[test]
fn what_an_agent_does_knows_no_actors_no_web_and_no_database() {
    let metadata = metadata();
    let nodes = metadata["resolve"]["nodes"].as_array().unwrap();
    let named = |id: &str| {
        metadata["packages"]
            .as_array()
            .unwrap()
            .iter()
            .find(|package| package["id"] == id)
            .unwrap()
    };
    let agents = metadata["packages"]
        .as_array()
        .unwrap()
        .iter()
        .find(|package| package["name"] == "orchestratai-agents");
    let mut reached = BTreeSet::new();
    let mut next = vec![agents.unwrap()["id"].as_str().unwrap().to_owned()];
    while let Some(id) = next.pop() {
        let node = nodes.iter().find(|node| node["id"] == id.as_str()).unwrap();
        for dependency in node["deps"].as_array().unwrap() {
            let is_normal = dependency["dep_kinds"]
                .as_array()
                .unwrap()
                .iter()
                .any(|kind| kind["kind"].is_null());
            let id = dependency["pkg"].as_str().unwrap().to_owned();
            if is_normal && reached.insert(named(&id)["name"].as_str().unwrap().to_owned()) {
                next.push(id);
            }
        }
    }
    assert!(reached.contains("tokio"), "the walk finds what is there");
    for forbidden in [
        "actix",
        "actix-rt",
        "actix-web",
        "sea-orm",
        "sqlx",
        "libsqlite3-sys",
        "prometheus",
    ] {
        assert!(!reached.contains(forbidden), "orchestratai-agents reaches {forbidden}");
    }
}
