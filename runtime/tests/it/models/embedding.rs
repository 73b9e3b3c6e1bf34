//! A knowledge base that is searched by the vectors of a provider: the real server, and a provider over a real socket.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{
    PRICES, QUESTION, end, metrics,
    vectors::{Mood, Vectors},
};
use crate::{
    client::Frame,
    server::{Launch, Server, orchestratai},
};

/// How long a server may take to have all vectors.
const PATIENCE: Duration = Duration::from_secs(60);

fn launch(vectors: &Vectors, model: &str) -> Launch {
    Launch::new()
        .setting("models.embedding", "vectors")
        .setting("models.embedding_wait", "20s")
        .setting("models.prices", PRICES)
        .setting("models.vectors__provider", "openai")
        .setting("models.vectors__model", model)
        .setting("models.vectors__attempts", "1")
        .setting("models.vectors__base_url", &vectors.base_url())
}

async fn search(server: &Server) -> Value {
    let question = json!({"query": QUESTION, "collection": "technical", "limit": 5});
    let answer = server.rest().post("/api/knowledge/search", &question).await;
    assert!(answer.status.is_success(), "{}", answer.body);
    assert!(!answer.body["chunks"].as_array().unwrap().is_empty());
    answer.body
}

/// Waits until the second stage of search does this.
async fn wait_until(server: &Server, second_stage: &str) {
    let began = Instant::now();
    while search(server).await["secondStage"] != second_stage {
        assert!(began.elapsed() < PATIENCE, "not {second_stage}\n{}", server.log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn found(frames: &[Frame]) -> (&str, &str) {
    let is_search = |frame: &&Frame| frame.kind() == "retrieval_log" && frame.data()["type"] == "vector_search";
    let step = frames.iter().find(is_search).expect("there is a vector_search step");
    let data = step.data();
    (data["status"].as_str().unwrap(), data["title"].as_str().unwrap())
}

async fn count(server: &Server, line: &str) -> u64 {
    let text = metrics(server).await;
    let found = text.lines().find_map(|found| found.strip_prefix(line));
    found.unwrap_or("0").trim().parse().unwrap()
}

const EMBEDDED: &str = "orchestratai_knowledge_chunks_embedded_total{stage=\"second\"}";

#[tokio::test(flavor = "multi_thread")]
async fn another_embedder_rebuilds_while_answers_go_on_and_nothing_is_made_twice() {
    let one = Vectors::start(256).await;
    let server = launch(&one, "one").start().await;
    wait_until(&server, "ranked").await;
    let chunks = count(&server, EMBEDDED).await;
    assert!(chunks > 20, "{chunks}");
    assert_eq!(one.passages() as u64, chunks);
    let mut socket = server.socket("").await;
    let frames = socket.turn(QUESTION).await;
    assert_eq!(found(&frames).0, "success", "{:?}", found(&frames));
    assert!(end(&frames)["message"]["confidence"].as_f64().unwrap() >= 0.5);
    assert_eq!(end(&frames)["metrics"]["tokensUsed"], 7, "those of the question");
    assert_eq!(
        count(
            &server,
            "orchestratai_tokens_total{agent=\"technical\",model=\"vectors\"}"
        )
        .await,
        7
    );
    // Those of passages, and of what the scale was found by, are nobody's.
    assert_eq!(
        count(&server, "orchestratai_tokens_total{agent=\"\",model=\"vectors\"}").await,
        (chunks + 48) * 7
    );

    // Another model: its vectors are made while the words and the static table answer.
    let folder = server.kill();
    let other = Vectors::start(300).await;
    other.be(Mood::SlowWithPassages);
    let launched = launch(&other, "other");
    let server = launched.clone().in_folder_of(&folder).start().await;
    let mut socket = server.socket("").await;
    let frames = socket.turn(QUESTION).await;
    let (status, title) = found(&frames);
    assert_eq!(status, "warning", "{title}");
    assert!(
        title.contains("ranked by the first stage alone: vectors: the index is being made for it"),
        "{title}"
    );
    assert!(end(&frames)["message"]["confidence"].as_f64().unwrap() >= 0.5);
    assert_eq!(end(&frames)["metrics"]["tokensUsed"], 0, "nobody was asked");
    assert_eq!(search(&server).await["secondStage"], "missed");
    other.be(Mood::Well);
    wait_until(&server, "ranked").await;
    assert_eq!(other.passages() as u64, chunks);
    // What was found meanwhile is not what there is to be found, and was not kept.
    let frames = socket.turn(QUESTION).await;
    assert_eq!(found(&frames).0, "success", "{:?}", found(&frames));

    // A start finds them, and so does a command beside the server.
    let folder = server.kill();
    let server = launched.in_folder_of(&folder).start().await;
    wait_until(&server, "ranked").await;
    assert_eq!(count(&server, EMBEDDED).await, 0);
    let mut command = orchestratai();
    command
        .arg("search")
        .arg(QUESTION)
        .arg("--data-dir")
        .arg(server.data_dir());
    for (name, value) in [
        ("EMBEDDING", "vectors"),
        ("VECTORS__PROVIDER", "openai"),
        ("VECTORS__MODEL", "other"),
        ("VECTORS__BASE_URL", &other.base_url()),
    ] {
        command.env(format!("ORCHESTRATAI__MODELS__{name}"), value);
    }
    let output = tokio::task::spawn_blocking(move || command.output().unwrap())
        .await
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(
        said.contains("transformer 0."),
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(other.passages() as u64, chunks, "nothing was made again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_is_slow_broken_or_confused_costs_a_warning_and_heals() {
    let vectors = Vectors::start(256).await;
    let launched = launch(&vectors, "one").setting("models.embedding_wait", "300ms");
    let server = launched.start().await;
    wait_until(&server, "ranked").await;
    let mut socket = server.socket("").await;
    for (mood, why) in [
        (Mood::Silent, "the provider sent nothing of its answer for 300 ms"),
        (Mood::Broken, "the provider has a fault"),
        (Mood::Confused, "the provider does not speak its protocol"),
    ] {
        vectors.be(mood);
        let frames = socket.turn(QUESTION).await;
        let (status, title) = found(&frames);
        assert_eq!(status, "warning", "{title}");
        assert!(title.contains(&format!("vectors: {why}")), "{title}");
        assert!(end(&frames)["message"]["confidence"].as_f64().unwrap() >= 0.5);
    }
    vectors.was_left(1).await;
    vectors.be(Mood::Well);
    let frames = socket.turn(QUESTION).await;
    assert_eq!(found(&frames).0, "success", "{:?}", found(&frames));
    let shown = metrics(&server).await;
    for line in [
        "orchestratai_provider_errors_total{kind=\"timed_out\",model=\"vectors\"} 1",
        "orchestratai_provider_errors_total{kind=\"unavailable\",model=\"vectors\"} 1",
        "orchestratai_provider_errors_total{kind=\"protocol\",model=\"vectors\"} 1",
    ] {
        assert!(shown.contains(line), "{line}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_starts_and_answers_while_the_provider_is_away_and_asks_again() {
    let vectors = Vectors::start(256).await;
    vectors.be(Mood::Broken);
    let server = launch(&vectors, "one").start().await;
    let frames = server.socket("").await.turn(QUESTION).await;
    assert_eq!(found(&frames).0, "warning");
    assert!(vectors.requests() > 0);
    vectors.be(Mood::Well);
    wait_until(&server, "ranked").await;
    assert!(
        server
            .log()
            .contains("the second stage of search cannot read the documents")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_closes_the_request_for_a_vector() {
    let vectors = Vectors::start(256).await;
    let server = launch(&vectors, "one").start().await;
    wait_until(&server, "ranked").await;
    vectors.be(Mood::Silent);
    let before = vectors.requests();
    let mut socket = server.socket("").await;
    socket.say(QUESTION).await;
    while vectors.requests() == before {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    socket.send(&json!({"type": "cancel", "data": {}})).await;
    let end = socket.until(Frame::is_terminal).await.pop().unwrap();
    assert_eq!(end.kind(), "turn_cancelled", "{}", end.0);
    assert!(end.data()["upstreamClosedMs"].as_u64().unwrap() <= 100, "{}", end.0);
    vectors.was_left(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_vector_of_a_question_is_made_within_budgets() {
    let vectors = Vectors::start(256).await;
    let launched = launch(&vectors, "one")
        .setting("budgets.turn__scope", "turn")
        .setting("budgets.turn__tokens", "20");
    let server = launched.start().await;
    wait_until(&server, "ranked").await;
    let before = vectors.requests();
    let frames = server.socket("").await.turn(QUESTION).await;
    let (status, title) = found(&frames);
    assert_eq!(status, "warning", "{title}");
    assert!(title.contains("vectors: the budget \"turn\" of 20 tokens"), "{title}");
    assert_eq!(vectors.requests(), before);
}
