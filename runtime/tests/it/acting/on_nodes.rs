//! Turns that wait for a person, where several nodes serve.

use std::time::Duration;

use orchestratai_shared::{Event, EventBody, SessionId, event::ToolCallStatus};
use orchestratai_testing::{Postgres, Redis};
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::{QUESTION, agents, asked_for, launch, refund, says, shop::Shop, statuses, until_ended};
use crate::{client::Frame, cluster, models::provider::Provider, server::Server};

fn path(session_id: SessionId, request: &Value) -> String {
    let approval = request["approvalId"].as_str().unwrap();
    format!("/api/session/{session_id}/approvals/{approval}")
}

fn answer(events: &[Event]) -> &str {
    let EventBody::MessageCompleted(completed) = &events.last().unwrap().body else {
        panic!("{events:?}")
    };
    &completed.message.content
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_at_any_node_decides_and_one_takes_over_what_waits_at_another() {
    let (database, redis) = (Postgres::shared().database(), Redis::start());
    let provider = Provider::start(vec![
        refund(),
        says("It is on its way."),
        refund(),
        says("It went out."),
    ])
    .await;
    let (shop, agents) = (Shop::open(Duration::ZERO).await, agents());
    let launch = cluster::joining(launch(&provider, &shop, &agents), &database, &redis.url());
    let [one, other] = cluster::nodes_of(&launch).await;

    // Asked at one node, decided at the other.
    let mut socket = one.socket("").await;
    let session_id = socket.ready().await.session_id();
    socket.say(QUESTION).await;
    let request = asked_for(&socket.until(|frame| frame.kind() == "approval_requested").await);
    let decided = decide(&other, &path(session_id, &request), "approved").await;
    assert_eq!(decided, StatusCode::OK);
    let frames = socket.until(Frame::is_terminal).await;
    assert_eq!(frames.last().unwrap().kind(), "message_completed");
    assert_eq!(shop.asked().len(), 1);
    // Who has not heard the answer decides once more, and who comes later is told.
    for node in [&one, &other] {
        for (decision, answer) in [("approved", StatusCode::OK), ("rejected", StatusCode::CONFLICT)] {
            let again = decide(node, &path(session_id, &request), decision).await;
            assert_eq!(again, answer, "{decision} again");
        }
    }
    assert_eq!(shop.asked().len(), 1);

    // Its node dies while it waits: the other one has it, with what was asked.
    socket.say(QUESTION).await;
    let request = asked_for(&socket.until(|frame| frame.kind() == "approval_requested").await);
    drop(one.kill());
    let path = path(session_id, &request);
    let mut decided = decide(&other, &path, "approved").await;
    while decided == StatusCode::SERVICE_UNAVAILABLE {
        // Until the lease of the node that is gone has ended.
        tokio::time::sleep(Duration::from_millis(100)).await;
        decided = decide(&other, &path, "approved").await;
    }
    assert_eq!(decided, StatusCode::OK);
    let events = until_ended(&other, session_id).await;
    assert_eq!(answer(&events), "It went out.");
    assert_eq!(shop.asked().len(), 2, "each call was made once");
    let (started, succeeded) = (ToolCallStatus::Started, ToolCallStatus::Succeeded);
    assert_eq!(statuses(&events), [started, succeeded, started, succeeded]);
}

async fn decide(node: &Server, path: &str, decision: &str) -> StatusCode {
    let decision = json!({"decision": decision, "name": "Kim"});
    node.rest().post(path, &decision).await.status
}
