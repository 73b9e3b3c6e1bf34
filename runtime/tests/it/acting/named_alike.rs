//! Calls that providers give one name: some count them anew in each answer.

use std::collections::BTreeSet;

use super::*;

/// Both parts of it are of agents that have the shop's tools.
const TWO_CONCERNS: &str = "My invoice is wrong and the webhook returns 401";

fn refund_as(id: &str) -> Vec<Said> {
    calls(id, "shop_refund", &json!({"body": {"eur": 5}}))
}

/// The keys under which the shop was asked to pay back.
fn keys(shop: &Shop) -> Vec<String> {
    let asked = shop.asked().into_iter();
    asked.map(|asked| asked.key.expect("it may leave something")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_of_two_turns_are_two_to_an_api_however_a_provider_names_them() {
    for id in ["call_0", ""] {
        let provider = Provider::start(vec![refund_as(id), says("Done."), refund_as(id), says("Done.")]).await;
        let (shop, agents) = (Shop::open(Duration::ZERO).await, agents());
        let launched = launch(&provider, &shop, &agents).setting("tools.shop__approval", "nothing");
        let server = launched.start().await;
        for _user in 0..2 {
            let mut socket = server.socket("").await;
            let frames = socket.turn(QUESTION).await;
            let named = |frame: &&Frame| frame.kind() == "tool_call" && frame.data()["callId"] != "";
            assert_eq!(frames.iter().filter(named).count(), 2, "{frames:?}");
        }
        let keys = keys(&shop);
        assert_eq!(keys.len(), 2);
        assert_ne!(keys[0], keys[1], "the second user would be told what the first one was");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_of_two_parts_of_a_message_are_told_apart() {
    let provider = Provider::start(vec![
        refund_as("call_0"),
        refund_as("call_0"),
        says("Done."),
        says("Done."),
    ])
    .await;
    // It takes its time, so that both parts have called before one goes on.
    let (shop, agents) = (Shop::open(Duration::from_secs(1)).await, agents());
    let billing = agents.path().join("billing.toml");
    let text = std::fs::read_to_string(&billing).unwrap();
    let own = text.lines().filter(|line| !line.starts_with("tools ="));
    let own: Vec<&str> = ["tools = [\"shop_*\"]"].into_iter().chain(own).collect();
    std::fs::write(&billing, own.join("\n")).unwrap();
    let launched = launch(&provider, &shop, &agents).setting("tools.shop__approval", "nothing");
    let server = launched.start().await;
    let mut socket = server.socket("").await;
    let frames = socket.turn(TWO_CONCERNS).await;
    let called = frames.iter().filter(|frame| frame.kind() == "tool_call");
    let called: BTreeSet<(String, String)> = called
        .map(|frame| {
            let of = |field: &str| frame.data()[field].as_str().unwrap().to_owned();
            (of("agent"), of("callId"))
        })
        .collect();
    let agents: Vec<&str> = called.iter().map(|(agent, _)| agent.as_str()).collect();
    assert_eq!(agents, ["billing", "technical"], "{called:?}");
    let names: BTreeSet<&String> = called.iter().map(|(_, name)| name).collect();
    assert_eq!(names.len(), 2, "{called:?}");
    let keys: BTreeSet<String> = keys(&shop).into_iter().collect();
    assert_eq!(keys.len(), 2, "{keys:?}");
}
