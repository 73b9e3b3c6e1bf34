//! Chunks and vectors in the database: what one node has computed, the others, and later starts, read.

use std::time::{Duration, Instant};

use orchestratai_testing::{Postgres, Redis};
use reqwest::multipart::{Form, Part};
use serde_json::json;

use crate::{
    client::Rest,
    server::{Launch, Server},
};

/// How long a node may take to have all vectors.
const PATIENCE: Duration = Duration::from_secs(120);

async fn metric(rest: &Rest, name: &str) -> u64 {
    let text = rest.get("/metrics").await.body;
    let line = text.as_str().unwrap().lines().find_map(|line| line.strip_prefix(name));
    line.unwrap_or_else(|| panic!("no {name}")).trim().parse().unwrap()
}

/// Vectors that a node has computed, and that it has read.
async fn counts(rest: &Rest, stage: &str) -> (u64, u64) {
    let of = |what: &str| format!("orchestratai_knowledge_chunks_{what}_total{{stage=\"{stage}\"}}");
    (metric(rest, &of("embedded")).await, metric(rest, &of("read")).await)
}

/// Waits until both stages of a node have so many vectors, computed or read.
async fn wait_for(node: &Server, chunks: u64) {
    let began = Instant::now();
    loop {
        let (embedded, read) = counts(&node.rest(), "second").await;
        if embedded + read >= chunks {
            return;
        }
        assert!(
            began.elapsed() < PATIENCE,
            "{embedded} computed, {read} read\n{}",
            node.log()
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn upload(node: &Server, text: String) {
    let form = Form::new()
        .text("collection", "technical")
        .part("file", Part::text(text).file_name("zeppelins.md"));
    let request = node.rest().request(reqwest::Method::POST, "/api/knowledge/documents");
    let answer = node.rest().send(request.multipart(form)).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
}

#[tokio::test]
async fn a_second_node_computes_nothing_and_neither_does_a_start_without_index() {
    let (database, redis) = (Postgres::shared().database(), Redis::start());
    let launch = Launch::new()
        .variable("DATABASE_URL", &database)
        .variable("REDIS_URL", &redis.url())
        .setting("cluster.lease", "5s")
        .setting("knowledge.demo", "false")
        .setting("retrieval.cascade", "true")
        .setting("retrieval.transformer_wait", "10s");
    let one = launch.clone().start().await;
    let other = launch.clone().start().await;
    let sections = [
        "Fuel is kept in the shed behind the northern hangar.",
        "Passengers climb the stairs inside the tower.",
        "Ropes are changed every spring by two people.",
        "A storm warning closes all masts for the night.",
        "The anchor weighs as much as a small car.",
        "Helium is delivered on Tuesdays, in steel bottles.",
        "Pilots sign the logbook before they eat.",
        "Lamps on the roof turn green when landing is allowed.",
        "Luggage of more than ten kilograms travels by train.",
        "The museum shows a cabin from 1931.",
        "Children under six fly for nothing.",
        "Radio contact is lost beyond the second hill.",
    ];
    let sections: String = (sections.iter().enumerate())
        .map(|(number, text)| format!("\n## Rule {number}\n\n{text}\n"))
        .collect();
    upload(&one, format!("# Zeppelins\n{sections}")).await;
    // Both nodes may have a part in the transformer's; each is computed once, and of the static ones only by who took them in.
    for node in [&one, &other] {
        wait_for(node, 12).await;
    }
    assert_eq!(counts(&one.rest(), "first").await, (12, 12));
    assert_eq!(counts(&other.rest(), "first").await, (0, 12));
    let (first, second) = (
        counts(&one.rest(), "second").await,
        counts(&other.rest(), "second").await,
    );
    assert_eq!(first.0 + second.0, 12, "{first:?} {second:?}");

    let newcomer = launch.clone().start().await;
    wait_for(&newcomer, 12).await;
    for stage in ["first", "second"] {
        assert_eq!(counts(&newcomer.rest(), stage).await, (0, 12), "{stage}");
    }
    let question = json!({"query": "what are the rules of the zeppelin field", "limit": 5});
    let found = newcomer.rest().post("/api/knowledge/search", &question).await.body;
    let of_one = one.rest().post("/api/knowledge/search", &question).await.body;
    assert_eq!(found["chunks"], of_one["chunks"]);
    assert_eq!(found["chunks"].as_array().unwrap().len(), 5, "{found}");

    // A restart without its index, and then one with it, which has nothing to read either.
    let folder = other.folder();
    let data = other.data_dir();
    drop(other.kill());
    for index in std::fs::read_dir(&data).unwrap() {
        let path = index.unwrap().path();
        if path.file_name().unwrap().to_string_lossy().starts_with("index") {
            std::fs::remove_dir_all(path).unwrap();
        }
    }
    let again = launch.clone().in_folder_of(&folder).start().await;
    wait_for(&again, 12).await;
    for stage in ["first", "second"] {
        assert_eq!(counts(&again.rest(), stage).await, (0, 12), "{stage}");
    }
    drop(again.kill());
    let again = launch.in_folder_of(&folder).start().await;
    let found_again = again.rest().post("/api/knowledge/search", &question).await.body;
    assert_eq!(found_again["chunks"], found["chunks"]);
    for stage in ["first", "second"] {
        assert_eq!(counts(&again.rest(), stage).await, (0, 0), "{stage}");
    }
}
