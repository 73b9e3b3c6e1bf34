//! Servers with one Redis and knowledge bases of their own: what one has answered, the others know.

use std::time::{Duration, Instant};

use orchestratai_shared::SessionId;
use orchestratai_testing::Redis;
use reqwest::{
    Method,
    multipart::{Form, Part},
};
use serde_json::{Value, json};

use crate::server::{Launch, Server};

const PATIENCE: Duration = Duration::from_secs(30);
const REFUND: &str = "How long does a refund to my card take?";
const SAME: &str = "how long does the refund to my card take";
const SEAT: &str = "Where do I click to add a seat?";

const TAKEN: &str = "orchestratai_cache_entries_received_total{outcome=\"taken\"}";
const SENT: &str = "orchestratai_cache_entries_shared_total{outcome=\"sent\"}";

/// A server whose documents say that a refund takes so long.
async fn start(redis: &Redis, days: &str) -> Server {
    let launch = Launch::new().argument("--no-demo").variable("REDIS_URL", &redis.url());
    let server = launch.start().await;
    let refunds = format!("# Refunds\n\n## How long it takes\n\nA refund to your card takes {days} days.\n");
    let seats = "# Seats\n\n## Add a seat\n\nTo add a seat, click Members in the settings, then Add seat.\n";
    let form = Form::new()
        .text("collection", "billing")
        .part("file", Part::text(refunds).file_name("refunds.md"))
        .part("file", Part::text(seats).file_name("seats.md"));
    let rest = server.rest();
    let request = rest.request(Method::POST, "/api/knowledge/documents").multipart(form);
    let uploaded = rest.send(request).await;
    assert!(uploaded.status.is_success(), "{}", uploaded.body);
    server
}

/// Asks in a session of its own; gives what is answered and whether it came from the cache.
async fn ask(server: &Server, message: &str) -> (String, Value) {
    let answer = server
        .rest()
        .post(
            "/api/chat",
            &json!({ "message": message, "session_id": SessionId::new() }),
        )
        .await;
    assert!(answer.status.is_success(), "{}", answer.body);
    let text = answer.body["message"].as_str().unwrap().to_owned();
    (text, answer.body["metrics"]["cache_status"].clone())
}

/// Asserts how a question is answered.
async fn check(server: &Server, message: &str, status: &str, text: &str) {
    let (said, found) = ask(server, message).await;
    assert_eq!(found, status, "{message}: {said}");
    assert!(said.contains(text), "{said}");
}

async fn metric(server: &Server, line: &str) -> f64 {
    let metrics = server.rest().get("/metrics").await.body;
    let found = metrics.as_str().unwrap().lines().find_map(|it| it.strip_prefix(line));
    found.map_or(0.0, |value| value.trim().parse().unwrap())
}

async fn reaches(server: &Server, line: &str, count: f64) {
    let began = Instant::now();
    while metric(server, line).await < count {
        assert!(
            began.elapsed() < PATIENCE,
            "{line} never reaches {count}:\n{}",
            server.log()
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn what_one_server_has_answered_another_answers_from_its_cache_and_so_does_one_that_starts_later() {
    let redis = Redis::start();
    let (one, other) = (start(&redis, "five").await, start(&redis, "five").await);
    check(&one, REFUND, "miss", "five days").await;
    reaches(&other, TAKEN, 1.0).await;
    check(&other, SAME, "hit", "five days").await;
    assert_eq!(metric(&one, SENT).await, 1.0);
    // It was no answer of its own, and is told to nobody.
    assert_eq!(metric(&other, SENT).await, 0.0);

    // Each of them starts warm, also where it is alone.
    drop(other);
    let folder = one.kill();
    let again = Launch::new()
        .variable("REDIS_URL", &redis.url())
        .in_folder_of(&folder)
        .start()
        .await;
    reaches(&again, TAKEN, 1.0).await;
    check(&again, SAME, "hit", "five days").await;
}

#[tokio::test]
async fn a_server_with_other_documents_never_gives_what_stands_on_those_of_another() {
    let redis = Redis::start();
    let (one, other) = (start(&redis, "five").await, start(&redis, "nine").await);
    check(&one, REFUND, "miss", "five days").await;
    reaches(&other, TAKEN, 1.0).await;
    check(&other, SAME, "miss", "nine days").await;
    // Nor does the first give the second's, which is told it now.
    reaches(&one, TAKEN, 1.0).await;
    check(&one, SAME, "hit", "five days").await;
    check(&other, REFUND, "hit", "nine days").await;
}

#[tokio::test]
async fn redis_may_be_killed_and_come_again_empty_under_turns() {
    let mut redis = Redis::start();
    let (one, other) = (start(&redis, "five").await, start(&redis, "five").await);
    check(&one, REFUND, "miss", "five days").await;
    reaches(&other, TAKEN, 1.0).await;

    redis.kill();
    // Both go on with what they have, and with what is new.
    check(&other, REFUND, "hit", "five days").await;
    check(&one, SEAT, "miss", "Members").await;
    check(&one, SEAT, "hit", "Members").await;
    redis.start_again();
    // What was learnt meanwhile is sent now.
    reaches(&other, TAKEN, 2.0).await;
    check(&other, SEAT, "hit", "Members").await;
    assert_eq!(metric(&one, SENT).await, 2.0);
}

#[tokio::test]
async fn what_is_no_entry_is_counted_and_does_no_harm() {
    let redis = Redis::start();
    let one = start(&redis, "five").await;
    let key = "orchestratai:cache";
    let _ = redis.cli(&["XADD", key, "*", "entry", "{\"format\":1}"]);
    let _ = redis.cli(&["XADD", key, "*", "entry", "{\"format\":2,\"build\":\"x\"}"]);
    let _ = redis.cli(&["XADD", key, "*", "nothing", "here"]);
    let received = |outcome: &str| format!("orchestratai_cache_entries_received_total{{outcome=\"{outcome}\"}}");
    reaches(&one, &received("unreadable"), 2.0).await;
    reaches(&one, &received("other_build"), 1.0).await;
    check(&one, REFUND, "miss", "five days").await;
    check(&one, SAME, "hit", "five days").await;
}

#[tokio::test]
async fn a_server_that_is_to_share_nothing_neither_tells_nor_asks() {
    let redis = Redis::start();
    let launch = Launch::new().variable("REDIS_URL", &redis.url());
    let server = launch.setting("redis.shared_cache", "false").start().await;
    check(&server, REFUND, "miss", "").await;
    assert_eq!(redis.cli(&["EXISTS", "orchestratai:cache"]).trim(), "0");
    assert!(!redis.cli(&["CLIENT", "LIST"]).contains("cmd=xread"));
}
