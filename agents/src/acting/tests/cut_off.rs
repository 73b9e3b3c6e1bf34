//! Calls that a turn which was cut off has left on record.

use super::*;

#[tokio::test]
async fn what_was_cut_off_is_made_again_only_where_that_leaves_nothing_twice() {
    for (effect, made) in [(Effect::None, 1), (Effect::Idempotent, 1), (Effect::Every, 0)] {
        let tool = Refund::new(effect, false);
        let acting = acting(&tool, vec![on_record("refund", ToolCallStatus::Started)]).unwrap();
        let (recorded, _) = go_on(&acting).await;
        assert_eq!((tool.made(), recorded.len()), (made, 1), "{effect:?}");
        assert_eq!(recorded[0].call_id, "a", "under the key that it had");
        assert_eq!(acting.has_result(), made == 1, "{effect:?}");
        assert!(acting.next().is_none());
    }
}

/// A call of a tool as it stands on record.
fn on_record(tool: &str, status: ToolCallStatus) -> EventBody {
    EventBody::ToolCall(CallEvent {
        call_id: "a".into(),
        tool: tool.into(),
        arguments: json!({"eur": 5}),
        status,
        duration_ms: None,
        result: None,
        agent: None,
        round: Some(1),
        place: Some(0),
        within: None,
        signature: None,
    })
}

#[tokio::test]
async fn a_call_that_was_cut_off_is_not_said_to_be_of_no_tool_where_its_tool_is_gone() {
    let tool = Refund::new(Effect::Every, false);
    let begun = acting(&tool, vec![on_record("charge_card", ToolCallStatus::Started)]).unwrap();
    assert_eq!(go_on(&begun).await.0.len(), 1);
    assert!(
        told(&begun)[0].contains("Whether it was done is not known"),
        "{:?}",
        told(&begun)
    );

    let decided = |decision| {
        let approval_id = ApprovalId::new();
        let asked = EventBody::ApprovalRequested(ApprovalRequested {
            approval_id,
            tool: "charge_card".into(),
            arguments: json!({"eur": 5}),
            reason: "it costs".into(),
            expires_at: Timestamp::now(),
            otherwise: None,
            call_id: Some("a".into()),
            agent: None,
            round: Some(1),
            place: Some(0),
            signature: None,
            spent: None,
        });
        let decided = EventBody::ApprovalResolved(ApprovalResolved {
            approval_id,
            decision,
            by: "Kim".into(),
            reason: None,
            arguments: None,
        });
        vec![asked, decided]
    };
    for (decision, says) in [
        (Decision::Approved, "its tool is not there just now. It was not done"),
        (Decision::Rejected, "This was not approved"),
    ] {
        let acting = acting(&tool, decided(decision)).unwrap();
        let (recorded, _) = go_on(&acting).await;
        assert_eq!(statuses(&recorded), [ToolCallStatus::Failed]);
        assert!(told(&acting)[0].contains(says), "{:?}", told(&acting));
    }
}

#[tokio::test]
async fn a_call_that_has_ended_is_told_as_it_was_and_not_made_again() {
    let tool = Refund::new(Effect::Every, false);
    let first = acting(&tool, Vec::new()).unwrap();
    first.want("", vec![call("a", json!({"eur": 5}))]);
    let (recorded, _) = go_on(&first).await;
    let again = acting(&tool, recorded.into_iter().map(EventBody::ToolCall).collect()).unwrap();
    assert!(go_on(&again).await.0.is_empty());
    assert_eq!((told(&again), tool.made()), (told(&first), 1));
    // A provider that counts anew in each answer.
    again.want("", vec![call("a", json!({"eur": 7}))]);
    let (recorded, _) = go_on(&again).await;
    assert!(
        recorded[0].call_id != "a" && recorded[0].round == Some(2),
        "{recorded:?}"
    );
    assert_eq!(told(&again).len(), 2);
}
