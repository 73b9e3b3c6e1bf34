//! What a model wants at once is done at once.

use super::*;

/// A script in which the model calls several tools at once.
fn calls_at_once(calls: &[(&str, &str, Value)]) -> Vec<Said> {
    let call = |(index, (id, tool, arguments)): (usize, &(&str, &str, Value))| {
        let function = json!({"name": tool, "arguments": arguments.to_string()});
        json!({"index": index, "id": id, "function": function})
    };
    let calls: Vec<Value> = calls.iter().enumerate().map(call).collect();
    let said = json!({"choices": [{"delta": {"tool_calls": calls}}]});
    vec![Said::Event(said.to_string()), Said::End { input: 10, output: 5 }]
}

fn refund_and_orders() -> Vec<Said> {
    calls_at_once(&[
        ("call_1", "shop_refund", json!({"body": {"eur": 5}})),
        ("call_2", "shop_orders", json!({})),
        ("call_3", "shop_orders", json!({})),
    ])
}

/// The ids and contents of the results that the model was told last.
fn results(provider: &Provider) -> Vec<(Value, String)> {
    let messages = last_messages(provider)
        .into_iter()
        .filter(|message| message["role"] == "tool");
    let result = |message: Value| {
        (
            message["tool_call_id"].clone(),
            message["content"].as_str().unwrap().to_owned(),
        )
    };
    messages.map(result).collect()
}

async fn until_asked(shop: &Shop, count: usize) {
    let begun = Instant::now();
    while shop.asked().len() < count {
        assert!(begun.elapsed() < Duration::from_secs(20), "it is not called");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_are_under_way_together_and_told_in_the_models_order() {
    let provider = Provider::start(vec![refund_and_orders(), says("Done.")]).await;
    let (shop, agents) = (Shop::open(Duration::from_secs(2)).await, agents());
    let server = launch(&provider, &shop, &agents)
        .setting("tools.shop__approval", "nothing")
        .start()
        .await;
    let mut socket = server.socket("").await;
    socket.say(QUESTION).await;
    until_asked(&shop, 3).await;
    let frames = socket.until(Frame::is_terminal).await;
    let calls = frames.iter().filter(|frame| frame.kind() == "tool_call");
    let statuses: Vec<_> = calls
        .map(|frame| frame.data()["status"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(
        statuses[..3],
        ["started"; 3],
        "none has ended before all were asked for"
    );
    assert_eq!(frames.last().unwrap().data()["message"]["content"], "Done.");
    let ids: Vec<_> = results(&provider).into_iter().map(|(id, _)| id).collect();
    assert_eq!(ids, ["call_1", "call_2", "call_3"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_kill_9_cut_off_together_is_taken_up_each_by_its_own_rule() {
    let provider = Provider::start(vec![refund_and_orders(), says("Done.")]).await;
    let (shop, agents) = (Shop::open(Duration::from_secs(2)).await, agents());
    let launched = launch(&provider, &shop, &agents).setting("tools.shop__approval", "nothing");
    let server = launched.clone().start().await;
    let mut socket = server.socket("").await;
    let session_id = socket.ready().await.session_id();
    socket.say(QUESTION).await;
    until_asked(&shop, 3).await;
    let server = launched.in_folder_of(&server.kill()).start().await;
    let events = until_ended(&server, session_id).await;
    assert!(
        matches!(events.last().unwrap().body, EventBody::MessageCompleted(_)),
        "{events:?}"
    );
    let refunds = shop
        .asked()
        .iter()
        .filter(|asked| asked.line.starts_with("POST"))
        .count();
    assert_eq!(
        (refunds, shop.asked().len()),
        (1, 5),
        "the refund once, and what only reads twice"
    );
    let results = results(&provider);
    let ids: Vec<_> = results.iter().map(|(id, _)| id).collect();
    assert_eq!(ids, ["call_1", "call_2", "call_3"]);
    assert!(results[0].1.contains("not known"), "{results:?}");
    assert!(results[1].1.contains("\"done\":true"), "{results:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_needs_a_person_asks_when_the_others_are_done() {
    let provider = Provider::start(vec![refund_and_orders(), says("Done.")]).await;
    let (shop, agents) = (Shop::open(Duration::ZERO).await, agents());
    let server = launch(&provider, &shop, &agents).start().await;
    let mut socket = server.socket("").await;
    let session_id = socket.ready().await.session_id();
    socket.say(QUESTION).await;
    let request = asked_for(&socket.until(|frame| frame.kind() == "approval_requested").await);
    assert_eq!((&request["callId"], &request["place"]), (&json!("call_1"), &json!(0)));
    assert_eq!(shop.asked().len(), 2, "the others are done");
    let id = request["approvalId"].as_str().unwrap();
    let path = format!("/api/session/{session_id}/approvals/{id}");
    let decided = server
        .rest()
        .post(&path, &json!({"decision": "approved", "name": "Kim"}))
        .await;
    assert_eq!(decided.status, StatusCode::OK, "{}", decided.body);
    socket.until(Frame::is_terminal).await;
    let ids: Vec<_> = results(&provider).into_iter().map(|(id, _)| id).collect();
    assert_eq!(ids, ["call_1", "call_2", "call_3"], "in the model's order");
    assert_eq!(shop.asked().len(), 3);
}
