//! Tools that the client has of its own.

use super::*;

/// A client that has these tools.
fn client_with(names: &[&str], must_call: bool, called: Vec<ContextMessage>) -> FromClient {
    let tool = |name: &&str| ClientTool {
        name: (*name).into(),
        description: "Tells the weather.".into(),
        parameters: json!({"type": "object"}),
    };
    FromClient {
        tools: Some(Arc::new(ClientTools {
            tools: names.iter().map(tool).collect(),
            must_call,
            one_at_once: false,
        })),
        called: called.into(),
        context: Arc::default(),
    }
}

fn weather(id: &str) -> ToolCall {
    ToolCall {
        name: "weather".into(),
        ..call(id, json!({"city": "Oslo"}))
    }
}

fn names(acting: &Acting) -> Vec<String> {
    acting.offers().into_iter().map(|offer| offer.name).collect()
}

#[tokio::test]
async fn calls_of_the_clients_tools_come_behind_all_that_the_agent_does_itself() {
    let tool = Refund::new(Effect::Every, false);
    let acting = acting_for(&tool, Vec::new(), client_with(&["weather"], false, Vec::new())).unwrap();
    assert_eq!(names(&acting), ["refund", "hand_off", "weather"]);
    acting.want("", vec![weather("a"), call("b", json!({"eur": 5})), weather("c")]);
    let (recorded, pause) = go_on(&acting).await;
    assert_eq!(
        statuses(&recorded),
        [ToolCallStatus::Started, ToolCallStatus::Succeeded]
    );
    let Some(Pause::ClientCalls { calls, .. }) = pause else {
        panic!("{pause:?}")
    };
    let places: Vec<(u32, u32)> = calls.iter().map(|call| (call.round, call.place)).collect();
    assert_eq!(places, [(1, 0), (1, 2)]);
    assert_ne!(calls[0].call_id, calls[1].call_id);
    assert_eq!(ClientCall::turn_of(&calls[0].call_id), Some(acting.request.turn_id));
    assert_eq!(tool.made(), 1);
}

#[tokio::test]
async fn what_has_to_wait_for_a_person_comes_before_the_client() {
    let tool = Refund::new(Effect::Every, true);
    let acting = acting_for(&tool, Vec::new(), client_with(&["weather"], false, Vec::new())).unwrap();
    acting.want("", vec![weather("a"), call("b", json!({"eur": 5}))]);
    let (recorded, pause) = go_on(&acting).await;
    assert!(
        recorded.is_empty() && matches!(pause, Some(Pause::Approval(_))),
        "{pause:?}"
    );
}

#[tokio::test]
async fn the_client_is_asked_in_whichever_round_its_tools_are_wanted() {
    let tool = Refund::new(Effect::Every, false);
    let acting = acting_for(&tool, Vec::new(), client_with(&["weather"], false, Vec::new())).unwrap();
    for round in 0..=ROUNDS_MAX {
        acting.want("", vec![call(&format!("{round}"), json!({"eur": 5}))]);
        go_on(&acting).await;
    }
    assert!(!acting.may_go_on());
    acting.want("", (0..40).map(|n| weather(&format!("w{n}"))).collect());
    let Some(Pause::ClientCalls { calls, .. }) = go_on(&acting).await.1 else {
        panic!("the turn ends with them")
    };
    assert_eq!(calls.len(), 40);
}

#[test]
fn the_agents_own_tools_stand_and_a_client_that_must_be_asked_is_asked_alone() {
    let tool = Refund::new(Effect::Every, false);
    let acting = acting_for(
        &tool,
        Vec::new(),
        client_with(&["refund", "weather", "ask_x"], false, Vec::new()),
    )
    .unwrap();
    assert_eq!(names(&acting), ["refund", "hand_off", "weather"]);
    assert_eq!(acting.not_offered(), ["refund", "ask_x"]);
    let acting = acting_for(&tool, Vec::new(), client_with(&["weather"], true, Vec::new())).unwrap();
    assert_eq!(names(&acting), ["weather"]);
    assert!(acting.must_call());
}

#[test]
fn what_was_called_in_turns_before_is_told_first_and_carries_an_answer() {
    let tool = Refund::new(Effect::Every, false);
    let made = AnsweredCall {
        call_id: "a".into(),
        tool: "weather".into(),
        arguments: json!({"city": "Oslo"}),
        result: "rain".into(),
        failed: false,
        signature: None,
    };
    let called = ContextMessage {
        calls: vec![made],
        ..ContextMessage::new(MessageRole::Assistant, "Let me see.")
    };
    let acting = acting_for(&tool, Vec::new(), client_with(&["weather"], false, vec![called])).unwrap();
    assert_eq!(told(&acting), ["rain"]);
    assert!(acting.has_result() && acting.has_acted() && acting.may_go_on());
    // A call of this turn is told apart from it.
    acting.want("", vec![weather("a")]);
    assert_eq!(acting.state().entries[0].call.id, "a-1-0");
}
