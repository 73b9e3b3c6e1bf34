//! An agent asks another one in the same turn.

use super::*;

fn question() -> Vec<Said> {
    calls(
        "call_1",
        "ask_billing",
        &json!({"question": "How much is the Team plan?"}),
    )
}

/// The technical agent asks that of billing, which has the shop's tools.
fn asking_agents() -> TempDir {
    let folder = agents_with("agents = [\"billing\"]\n");
    let billing = folder.path().join("billing.toml");
    let text = std::fs::read_to_string(&billing).unwrap();
    std::fs::write(&billing, text.replace("tools = []", "tools = [\"shop_*\"]")).unwrap();
    folder
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_other_agent_does_shows_under_its_name_and_its_answer_is_cited() {
    let provider = Provider::start(vec![
        question(),
        says("It has a price [1]."),
        says("Rotate it [1]. The plan has a price [6]."),
    ])
    .await;
    let (shop, agents) = (Shop::open(Duration::ZERO).await, asking_agents());
    let server = launch(&provider, &shop, &agents).start().await;
    let mut socket = server.socket("").await;
    let frames = socket.turn(QUESTION).await;
    let of_billing = |frame: &&Frame| frame.kind() == "retrieval_log" && frame.data()["agent"] == "billing";
    let search = frames
        .iter()
        .filter(of_billing)
        .find(|frame| frame.data()["type"] == "vector_search")
        .expect("it searches by itself");
    let chunk = &search.data()["data"]["chunks"][0];
    assert_eq!(chunk["id"], 5, "ids go on in the turn");
    let completed = frames.last().unwrap();
    assert_eq!(completed.kind(), "message_completed", "{}", completed.0);
    assert_eq!(completed.data()["message"]["agent"], "technical");
    assert_eq!(
        completed.data()["message"]["content"],
        "Rotate it [1]. The plan has a price [6]."
    );
    assert_eq!(completed.data()["metrics"]["tokensUsed"], 69, "of both agents");
    let cited = &completed.data()["citations"][1];
    assert_eq!(
        (&cited["index"], &cited["chunkId"], &cited["source"]),
        (&json!(6), &json!(5), &chunk["source"])
    );
    let asked = provider.asked();
    let told = asked[1].body["messages"].to_string();
    assert!(
        told.contains("billing specialist") && !told.contains(QUESTION),
        "{told}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn who_stops_the_turn_stops_the_agent_that_was_asked() {
    let provider = Provider::start(vec![question(), vec![Said::Text("It is ".into()), Said::Hang]]).await;
    let (shop, agents) = (Shop::open(Duration::ZERO).await, asking_agents());
    let server = launch(&provider, &shop, &agents).start().await;
    let mut socket = server.socket("").await;
    socket.say(QUESTION).await;
    let begun = Instant::now();
    while provider.asked().len() < 2 {
        assert!(begun.elapsed() < Duration::from_secs(20), "nobody is asked");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    socket.send(&json!({"type": "cancel"})).await;
    let frames = socket.until(Frame::is_terminal).await;
    let cancelled = frames.last().unwrap();
    assert_eq!(cancelled.kind(), "turn_cancelled", "{}", cancelled.0);
    assert!(cancelled.data()["upstreamClosedMs"].is_u64(), "{}", cancelled.0);
    provider.was_left(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_asked_goes_on_from_its_own_record_after_kill_9() {
    let provider = Provider::start(vec![
        question(),
        refund(),
        says("It is not known whether that was paid."),
        says("Ask again tomorrow."),
    ])
    .await;
    let (shop, agents) = (Shop::open(Duration::from_secs(2)).await, asking_agents());
    let launched = launch(&provider, &shop, &agents).setting("tools.shop__approval", "nothing");
    let server = launched.clone().start().await;
    let mut socket = server.socket("").await;
    let session_id = socket.ready().await.session_id();
    socket.say(QUESTION).await;
    let begun = Instant::now();
    while shop.asked().is_empty() {
        assert!(begun.elapsed() < Duration::from_secs(20), "it is not called");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let server = launched.in_folder_of(&server.kill()).start().await;
    let events = until_ended(&server, session_id).await;
    let EventBody::MessageCompleted(completed) = &events.last().unwrap().body else {
        panic!("{events:?}")
    };
    assert_eq!(completed.message.content, "Ask again tomorrow.");
    assert_eq!(shop.asked().len(), 1, "it may have been paid, and is not paid again");
    let calls = events.iter().filter_map(|event| {
        let EventBody::ToolCall(call) = &event.body else {
            return None;
        };
        Some((call.tool.as_str(), call.within.as_deref(), call.status))
    });
    use ToolCallStatus::{Failed, Started, Succeeded};
    assert_eq!(
        calls.collect::<Vec<_>>(),
        [
            ("ask_billing", None, Started),
            ("shop_refund", Some("call_1"), Started),
            ("shop_refund", Some("call_1"), Failed),
            ("ask_billing", None, Succeeded),
        ]
    );
}
