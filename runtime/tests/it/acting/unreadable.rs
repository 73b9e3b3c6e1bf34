//! A model that writes arguments which are no JSON object.

use reqwest::Method;

use super::*;

const HALF: &str = "{\"body\": {\"eur\": 5";

/// A script in which the model calls a tool with what it has written for arguments.
fn writes(id: &str, tool: &str, written: &str) -> Vec<Said> {
    let function = json!({"name": tool, "arguments": written});
    let call = json!({"choices": [{"delta": {"tool_calls": [{"index": 0, "id": id, "function": function}]}}]});
    vec![Said::Event(call.to_string()), Said::End { input: 10, output: 5 }]
}

#[tokio::test(flavor = "multi_thread")]
async fn the_model_is_told_what_is_wrong_and_tries_again() {
    let provider = Provider::start(vec![
        writes("call_1", "shop_orders", HALF),
        calls("call_2", "shop_orders", &json!({})),
        says("You have no orders."),
    ])
    .await;
    let (shop, agents) = (Shop::open(Duration::ZERO).await, agents());
    let server = launch(&provider, &shop, &agents).start().await;
    let mut socket = server.socket("").await;
    let frames = socket.turn(QUESTION).await;
    assert_eq!(frames.last().unwrap().kind(), "message_completed", "{}", server.log());
    let of_call: Vec<&Value> = (frames.iter().filter(|frame| frame.kind() == "tool_call"))
        .map(Frame::data)
        .collect();
    let statuses: Vec<&Value> = of_call.iter().map(|call| &call["status"]).collect();
    assert_eq!(statuses, ["failed", "started", "succeeded"]);
    assert_eq!(of_call[0]["arguments"], HALF, "as it was written");
    assert_eq!(shop.asked().len(), 1, "nothing was called by it");
    let told = last_messages(&provider);
    let result = told.iter().find(|message| message["tool_call_id"] == "call_1").unwrap();
    let words = result["content"].as_str().unwrap();
    assert!(words.contains("Not called: its arguments are no JSON (EOF"), "{words}");
    let wanted = told
        .iter()
        .find(|message| message["tool_calls"][0]["id"] == "call_1")
        .unwrap();
    let arguments = wanted["tool_calls"][0]["function"]["arguments"].as_str().unwrap();
    let arguments: Value = serde_json::from_str(arguments).expect("servers read it");
    assert_eq!(arguments, json!({"unreadable": HALF}));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_gets_what_was_written_and_may_bring_it_back() {
    let provider = Provider::start(vec![writes("a", "weather", HALF), says("I cannot say.")]).await;
    let (shop, agents) = (Shop::open(Duration::ZERO).await, agents());
    let server = launch(&provider, &shop, &agents).start().await;
    let rest = server.rest();
    let tools = json!([{"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}]);
    let ask = async |messages: &Value| {
        let body = json!({"model": "technical", "messages": messages, "tools": tools});
        let answer = rest
            .send(rest.request(Method::POST, "/v1/chat/completions").json(&body))
            .await;
        assert_eq!(answer.status, StatusCode::OK, "{}\n{}", answer.body, server.log());
        answer.body["choices"][0].clone()
    };
    let asked = json!({"role": "user", "content": QUESTION});
    let wanted = ask(&json!([asked])).await;
    assert_eq!(wanted["finish_reason"], "tool_calls", "{wanted}");
    let call = &wanted["message"]["tool_calls"][0];
    assert_eq!(call["function"]["arguments"], HALF);
    let result = json!({"role": "tool", "tool_call_id": call["id"], "content": "Those are no arguments."});
    let answer = ask(&json!([asked, wanted["message"], result])).await;
    assert_eq!(answer["message"]["content"], "I cannot say.");
}
