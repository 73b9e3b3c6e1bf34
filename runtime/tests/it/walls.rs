//! Dependencies run one way: the edges between the crates of the workspace are those that ARCHITECTURE.md lists.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::PathBuf,
    process::Command,
};

use serde_json::Value;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// What cargo answers, without a network.
fn cargo(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO"))
        .args(arguments)
        .args(["--locked", "--offline"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// `a -> b` for every normal dependency of one of our crates on another.
fn real_edges() -> BTreeSet<String> {
    let metadata: Value = serde_json::from_str(&cargo(&["metadata", "--format-version", "1", "--no-deps"])).unwrap();
    let mut edges = BTreeSet::new();
    for package in metadata["packages"].as_array().unwrap() {
        for dependency in package["dependencies"].as_array().unwrap() {
            let is_normal = dependency["kind"].is_null();
            let is_ours = dependency["source"].is_null() && dependency["path"].is_string();
            if is_normal && is_ours {
                let [from, to] = [package, dependency].map(|named| named["name"].as_str().unwrap());
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
    assert_eq!(real_edges(), documented, "left: the manifests; right: ARCHITECTURE.md");
}

/// Everything that a crate of ours needs on this machine, by name.
fn reached_from(name: &str) -> BTreeSet<String> {
    let version = Command::new("rustc").arg("-vV").output().unwrap();
    let version = String::from_utf8(version.stdout).unwrap();
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
    let metadata: Value = serde_json::from_str(&cargo(&[
        "metadata",
        "--format-version",
        "1",
        "--filter-platform",
        host,
    ]))
    .unwrap();
    let names: BTreeMap<&str, &str> = (metadata["packages"].as_array().unwrap().iter())
        .map(|package| (package["id"].as_str().unwrap(), package["name"].as_str().unwrap()))
        .collect();
    let needs: BTreeMap<&str, &Value> = (metadata["resolve"]["nodes"].as_array().unwrap().iter())
        .map(|node| (node["id"].as_str().unwrap(), &node["deps"]))
        .collect();
    let mut next: Vec<&str> = names
        .iter()
        .filter(|(_, found)| **found == name)
        .map(|(id, _)| *id)
        .collect();
    let mut reached = BTreeSet::new();
    while let Some(id) = next.pop() {
        if !reached.insert(id) {
            continue;
        }
        for dependency in needs[id].as_array().unwrap() {
            if dependency["dep_kinds"]
                .as_array()
                .unwrap()
                .iter()
                .any(|kind| kind["kind"].is_null())
            {
                next.push(dependency["pkg"].as_str().unwrap());
            }
        }
    }
    reached.into_iter().map(|id| names[id].to_owned()).collect()
}

#[test]
fn what_an_agent_does_knows_no_actors_no_web_and_no_database() {
    let reached = reached_from("orchestratai-agents");
    assert!(
        reached.contains("tantivy") && reached.contains("serde_core"),
        "the walk finds what is there: {reached:?}"
    );
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
