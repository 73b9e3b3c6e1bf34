//! What a model is offered: no more than a provider takes, and nothing that a turn would wait for in vain.

use tokio::net::TcpListener;

use super::*;

/// The titles and reasons of the steps that are warnings.
fn warnings(frames: &[Frame]) -> Vec<(String, String)> {
    let steps = frames.iter().filter(|frame| frame.kind() == "retrieval_log");
    let warnings = steps.filter(|frame| frame.data()["status"] == "warning");
    warnings
        .map(|frame| {
            let data = frame.data();
            let reason = data["data"]["reasoning"].as_str().unwrap_or_default();
            (data["title"].as_str().unwrap().to_owned(), reason.to_owned())
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn more_tools_than_a_provider_takes_are_left_out_and_a_step_says_which() {
    let provider = Provider::start(vec![says("So it is. [1]")]).await;
    let (shop, agents) = (Shop::open(Duration::ZERO).await, agents());
    let paths: serde_json::Map<String, Value> = (0..150)
        .map(|n| (format!("/{n}"), json!({"get": {"operationId": format!("get{n:03}")}})))
        .collect();
    let folder = tempfile::tempdir().unwrap();
    let document = folder.path().join("many.json");
    std::fs::write(&document, json!({"openapi": "3.0.3", "paths": paths}).to_string()).unwrap();
    let launched = launch(&provider, &shop, &agents).setting("tools.shop__document", document.to_str().unwrap());
    let server = launched.start().await;
    let frames = server.socket("").await.turn(QUESTION).await;
    assert_eq!(frames.last().unwrap().kind(), "message_completed", "{frames:?}");
    let offered: Vec<Value> = provider.asked()[0].body["tools"].as_array().unwrap().clone();
    // The one that is not the shop's is `hand_off`.
    assert_eq!(offered.len(), 128);
    let names: Vec<&str> = offered
        .iter()
        .map(|tool| tool["function"]["name"].as_str().unwrap())
        .collect();
    assert!(names.contains(&"hand_off") && names.contains(&"shop_get126") && !names.contains(&"shop_get127"));
    let warnings = warnings(&frames);
    let (_, reason) = warnings
        .iter()
        .find(|(title, _)| title == "Without some of its tools")
        .unwrap_or_else(|| panic!("{warnings:?}"));
    assert!(
        reason.contains("shop_get127, shop_get128") && reason.contains("and 3 more"),
        "{reason}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_hangs_delays_no_agent_without_its_tools() {
    let provider = Provider::start(vec![says("So it is. [1]")]).await;
    let (shop, agents) = (Shop::open(Duration::ZERO).await, agents());
    // Connections are taken by the system, and nobody says a word.
    let hung = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/mcp", hung.local_addr().unwrap());
    let server = launch(&provider, &shop, &agents)
        .setting("tools.hung__kind", "mcp")
        .setting("tools.hung__url", &url)
        .setting("tools.hung__connect_timeout", "2m")
        .start()
        .await;
    let mut socket = server.socket("").await;
    let turn = tokio::time::timeout(Duration::from_secs(60), socket.turn(QUESTION));
    let frames = turn.await.expect("it does not wait for it");
    let warnings = warnings(&frames);
    assert!(
        !warnings.iter().any(|(title, _)| title.starts_with("Without the tools")),
        "{warnings:?}"
    );
}
