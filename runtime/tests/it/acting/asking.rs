//! An agent asks another one in the same turn.

use super::*;

fn question() -> Vec<Said> {
    asks("How much is the Team plan?")
}

fn asks(question: &str) -> Vec<Said> {
    calls("call_1", "ask_billing", &json!({"question": question}))
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

/// The question, by a provider that bills more for it than a turn may take.
fn dear_question(question: &str) -> Vec<Said> {
    let mut said = asks(question);
    said.pop();
    let end = Said::End {
        input: 50_000,
        output: 5,
    };
    said.into_iter().chain([end]).collect()
}

fn with_budget(launch: Launch, tokens: &str) -> Launch {
    launch
        .setting("budgets.turn__scope", "turn")
        .setting("budgets.turn__tokens", tokens)
        .setting("budgets.turn__beyond", "ask")
}

#[tokio::test(flavor = "multi_thread")]
async fn where_who_was_asked_comes_to_the_end_of_a_budget_the_turn_waits_for_a_person() {
    let provider = Provider::start(vec![
        dear_question("How much is the Team plan?"),
        says("It has a price [1]."),
        says("Rotate it [1]. The plan has a price [6]."),
        // Another one, since the cache knows the first.
        dear_question("How long does a refund take?"),
    ])
    .await;
    let (shop, agents) = (Shop::open(Duration::ZERO).await, asking_agents());
    let launched = with_budget(launch(&provider, &shop, &agents), "40000");
    let server = launched.clone().start().await;
    let mut socket = server.socket("").await;
    let session_id = socket.ready().await.session_id();
    socket.say(QUESTION).await;
    let frames = socket.until(|frame| frame.kind() == "approval_requested").await;
    let asked = asked_for(&frames);
    assert_eq!(
        (&asked["tool"], &asked["arguments"]["budget"]),
        (&json!("exceed_budget"), &json!("turn"))
    );
    assert!(asked.get("callId").is_none(), "the model has not called it: {asked}");
    assert_eq!(provider.asked().len(), 1, "billing's model is not asked");
    let calls = |frames: &[Frame]| -> Vec<Value> {
        let calls = frames.iter().filter(|frame| frame.kind() == "tool_call");
        calls.map(|frame| frame.data()["status"].clone()).collect()
    };
    assert_eq!(calls(&frames), ["started"], "the question waits, and has not failed");

    // It waits through a crash, and goes on without asking once more.
    let server = launched.in_folder_of(&server.kill()).start().await;
    let mut socket = server.socket(&format!("?session_id={session_id}")).await;
    let decide = |id: &Value, decision: &str| json!({"type": "resolve_approval", "data": {"approvalId": id, "decision": decision}});
    socket.send(&decide(&asked["approvalId"], "approved")).await;
    let frames = socket.until(Frame::is_terminal).await;
    let completed = frames.last().unwrap();
    assert_eq!(completed.kind(), "message_completed", "{}", completed.0);
    assert_eq!(
        completed.data()["message"]["content"],
        "Rotate it [1]. The plan has a price [6]."
    );
    assert_eq!(calls(&frames), ["succeeded"]);
    assert_eq!(provider.asked().len(), 3);
    assert!(
        !frames.iter().any(|frame| frame.kind() == "approval_requested"),
        "it is decided once in a turn"
    );

    // Rejected: the call fails with the budget's name, and so does the turn, whose own agent is not let either.
    socket.say(&format!("{QUESTION} Again?")).await;
    let asked = asked_for(&socket.until(|frame| frame.kind() == "approval_requested").await);
    socket.send(&decide(&asked["approvalId"], "rejected")).await;
    let frames = socket.until(Frame::is_terminal).await;
    let failed = frames.iter().rfind(|frame| frame.kind() == "tool_call").unwrap();
    assert_eq!(failed.data()["status"], "failed");
    let result = failed.data()["result"].as_str().unwrap();
    assert!(result.contains("the budget \"turn\" of 40000 tokens"), "{result}");
    assert_eq!(frames.last().unwrap().kind(), "turn_failed");
    assert_eq!(provider.asked().len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_of_a_message_does_not_wait_and_says_which_budget_it_was() {
    let provider = Provider::start(vec![says("See [1].")]).await;
    let (shop, agents) = (Shop::open(Duration::ZERO).await, asking_agents());
    let server = with_budget(launch(&provider, &shop, &agents), "100").start().await;
    let mut socket = server.socket("").await;
    let frames = socket
        .turn("My invoice is wrong. And the webhook returns 401, what can I do?")
        .await;
    let end = frames.last().unwrap();
    assert_eq!(end.kind(), "turn_failed", "{}", end.0);
    let message = end.data()["error"]["message"].as_str().unwrap();
    assert!(message.contains("the budget \"turn\" of 100 tokens"), "{message}");
    assert!(!frames.iter().any(|frame| frame.kind() == "approval_requested"));
    assert!(provider.asked().is_empty());
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
