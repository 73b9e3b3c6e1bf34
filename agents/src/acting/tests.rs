use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use async_trait::async_trait;
use futures_util::{StreamExt, stream::FuturesUnordered};
use orchestratai_shared::{
    AnsweredCall, ApprovalId, CacheStatus, ClientTool, ClientTools, Confidence, ContextMessage, Event, Intent,
    MessageContent, MessageRole, SessionId, Timestamp, TurnId,
    event::{ApprovalRequested, ApprovalResolved, Handoff},
};

use serde_json::json;
use tokio::sync::mpsc;

use super::*;
use crate::{
    budget::BudgetQuestion,
    definition::Catalog,
    tool::{ApprovalRule, Invocation, Tool, ToolError, ToolOutput},
    turn::{AgentError, Answer, Asker, FromClient, Part, Responder, Step, Steps, UsageMeter},
};

mod asked;
mod client;
mod cut_off;

/// A till that counts what it is asked to pay back.
struct Refund {
    offer: ToolOffer,
    effect: Effect,
    approval: Option<ApprovalRule>,
    made: AtomicUsize,
}

impl Refund {
    fn new(effect: Effect, needs_approval: bool) -> Arc<Self> {
        Arc::new(Self {
            offer: ToolOffer {
                name: "refund".into(),
                description: "Pays back.".into(),
                parameters: json!({"type": "object"}),
            },
            effect,
            approval: needs_approval.then(|| ApprovalRule {
                reason: "Money leaves.".into(),
                within: Duration::from_secs(60),
                otherwise_approved: false,
            }),
            made: AtomicUsize::new(0),
        })
    }

    fn made(&self) -> usize {
        self.made.load(Ordering::Relaxed)
    }
}

#[async_trait]
impl Tool for Refund {
    fn offer(&self) -> &ToolOffer {
        &self.offer
    }

    fn effect(&self) -> Effect {
        self.effect
    }

    fn approval(&self) -> Option<&ApprovalRule> {
        self.approval.as_ref()
    }

    fn check(&self, arguments: &Value) -> Result<(), ToolError> {
        let eur = arguments.get("eur").and_then(Value::as_u64);
        eur.map(|_| ())
            .ok_or_else(|| ToolError::Arguments("`eur` must be a number".into()))
    }

    async fn call(&self, call: &Invocation<'_>) -> Result<ToolOutput, ToolError> {
        // What is asked for first takes longest.
        let eur = call.arguments["eur"].as_u64().unwrap_or_default();
        for _ in eur..20 {
            tokio::task::yield_now().await;
        }
        self.made.fetch_add(1, Ordering::Relaxed);
        Ok(ToolOutput {
            content: format!("{} paid back ({})", call.arguments["eur"], call.call_id),
            structured: None,
        })
    }
}

fn acting(tool: &Arc<Refund>, past: Vec<EventBody>) -> Option<Acting> {
    acting_for(tool, past, FromClient::default())
}

fn acting_for(tool: &Arc<Refund>, past: Vec<EventBody>, client: FromClient) -> Option<Acting> {
    let catalog = Catalog::embedded();
    let mut agent = catalog.specialists().next().unwrap().clone();
    let other = catalog.specialists().nth(1).unwrap().id.clone();
    agent.hand_offs = vec![other];
    let (session_id, turn_id) = (SessionId::new(), TurnId::new());
    let event = |(at, body): (usize, EventBody)| {
        Arc::new(Event {
            seq: at as u64 + 2,
            session_id,
            turn_id: Some(turn_id),
            at: Timestamp::now(),
            body,
        })
    };
    let request = TurnRequest {
        session_id,
        turn_id,
        message: MessageContent::parse("Pay me back.").unwrap(),
        fresh: false,
        intent: Intent::DomainQuestion,
        history: Vec::new(),
        organization: "default".into(),
        user: None,
        past: past.into_iter().enumerate().map(event).collect(),
        part: None,
        client,
    };
    let taken = Taken {
        tools: vec![Arc::clone(tool) as Arc<dyn Tool>],
        ..Taken::default()
    };
    Acting::new(
        &agent,
        |_| "what it is for".into(),
        taken,
        None,
        None,
        Vec::new(),
        &request,
    )
}

/// What calls are made with that need nothing.
fn around<'a>(meter: &'a UsageMeter, steps: &mpsc::Sender<Step>) -> Surroundings<'a> {
    Surroundings {
        given: &[],
        meter,
        steps: steps.clone(),
    }
}

fn call(id: &str, arguments: Value) -> ToolCall {
    ToolCall {
        id: id.into(),
        name: "refund".into(),
        arguments,
        signature: None,
    }
}

/// Lets it go on until nothing is due or it pauses. Gives what was recorded.
async fn go_on(acting: &Acting) -> (Vec<CallEvent>, Option<Pause>) {
    let (meter, (steps, _)) = (UsageMeter::default(), mpsc::channel(1));
    let (mut recorded, mut under_way) = (Vec::new(), FuturesUnordered::new());
    loop {
        assert!(under_way.len() <= UNDER_WAY_MAX);
        match acting.next() {
            None => return (recorded, None),
            Some(Next::Record(events)) => recorded.extend(events),
            Some(Next::Make(calls)) => under_way.extend(
                calls
                    .into_iter()
                    .map(|call| acting.make_call(call, around(&meter, &steps))),
            ),
            Some(Next::Wait) => recorded.extend(under_way.next().await.unwrap().event),
            Some(Next::Pause(pause)) => {
                assert!(under_way.is_empty(), "a turn pauses while nothing is under way");
                return (recorded, Some(pause));
            }
        }
    }
}

fn statuses(recorded: &[CallEvent]) -> Vec<ToolCallStatus> {
    recorded.iter().map(|event| event.status).collect()
}

fn told(acting: &Acting) -> Vec<String> {
    let messages = acting.messages().into_iter();
    messages
        .filter_map(|message| match message {
            ChatMessage::ToolResult { content, .. } => Some(content),
            ChatMessage::Instruction(_) | ChatMessage::User(_) | ChatMessage::Assistant { .. } => None,
        })
        .collect()
}

#[tokio::test]
async fn a_call_is_on_record_before_it_is_made_and_with_its_result_after() {
    let tool = Refund::new(Effect::Every, false);
    let acting = acting(&tool, Vec::new()).unwrap();
    acting.want(
        "Let me see.",
        vec![call("a", json!({"eur": 5})), call("b", json!({"eur": 6}))],
    );
    let Some(Next::Record(started)) = acting.next() else {
        panic!("they are recorded first")
    };
    use ToolCallStatus::{Started, Succeeded};
    assert_eq!((statuses(&started), tool.made()), (vec![Started; 2], 0));
    assert_eq!(
        started.iter().map(|event| event.place).collect::<Vec<_>>(),
        [Some(0), Some(1)]
    );
    let (recorded, pause) = go_on(&acting).await;
    assert_eq!(statuses(&recorded), [Succeeded; 2]);
    assert_eq!((pause, tool.made()), (None, 2));
    assert!(recorded.iter().all(|event| event.round == Some(1)));
    let messages = acting.messages();
    assert!(
        matches!(&messages[0], ChatMessage::Assistant { text, calls } if text == "Let me see." && calls.len() == 2),
        "{messages:?}"
    );
    assert_eq!(told(&acting), ["5 paid back (a)", "6 paid back (b)"]);
}

#[tokio::test]
async fn what_is_wanted_at_once_is_done_at_once_and_told_in_its_order() {
    let tool = Refund::new(Effect::Every, false);
    let acting = acting(&tool, Vec::new()).unwrap();
    acting.want("", (0..6).map(|n| call(&format!("c{n}"), json!({"eur": n}))).collect());
    let Some(Next::Record(started)) = acting.next() else {
        panic!("they are recorded first")
    };
    assert_eq!(started.len(), UNDER_WAY_MAX);
    let Some(Next::Make(calls)) = acting.next() else {
        panic!("then they are made")
    };
    assert!(matches!(acting.next(), Some(Next::Wait)), "there is no room for more");
    let (meter, (steps, _)) = (UsageMeter::default(), mpsc::channel(1));
    let mut under_way: FuturesUnordered<_> = calls
        .into_iter()
        .map(|call| acting.make_call(call, around(&meter, &steps)))
        .collect();
    let first = under_way.next().await.unwrap().event.unwrap();
    assert_eq!(first.call_id, "c3", "the quickest");
    let Some(Next::Record(next)) = acting.next() else {
        panic!("another one has room")
    };
    assert_eq!(next[0].call_id, "c4");
    while under_way.next().await.is_some() {}
    let (_, pause) = go_on(&acting).await;
    let expected: Vec<_> = (0..6).map(|n| format!("{n} paid back (c{n})")).collect();
    assert_eq!((pause, told(&acting)), (None, expected));
}

#[tokio::test]
async fn who_needs_a_person_waits_until_the_others_are_done_and_is_told_in_its_place() {
    let tool = Refund::new(Effect::Every, true);
    let acting_first = acting(&tool, Vec::new()).unwrap();
    let unknown = |id: &str| ToolCall {
        name: "format_disk".into(),
        ..call(id, json!({}))
    };
    acting_first.want(
        "",
        vec![call("a", json!({"eur": 5})), unknown("b"), call("c", json!({"eur": 6}))],
    );
    let (recorded, pause) = go_on(&acting_first).await;
    assert_eq!(
        recorded.iter().map(|event| event.call_id.as_str()).collect::<Vec<_>>(),
        ["b"]
    );
    let Some(Pause::Approval(wanted)) = pause else {
        panic!("it asks: {pause:?}")
    };
    let places: Vec<_> = wanted
        .iter()
        .map(|wanted| (wanted.call_id.as_deref(), wanted.place))
        .collect();
    assert_eq!(places, [(Some("a"), Some(0)), (Some("c"), Some(2))], "all at once");
    let mut past: Vec<_> = recorded.into_iter().map(EventBody::ToolCall).collect();
    let ids = [ApprovalId::new(), ApprovalId::new()];
    past.extend(wanted.iter().zip(ids).map(|(wanted, approval_id)| {
        EventBody::ApprovalRequested(ApprovalRequested {
            approval_id,
            tool: wanted.tool.clone(),
            arguments: wanted.arguments.clone(),
            reason: wanted.rule.reason.clone(),
            expires_at: Timestamp::now(),
            otherwise: None,
            call_id: wanted.call_id.clone(),
            agent: None,
            round: wanted.round,
            place: wanted.place,
            signature: None,
            spent: None,
        })
    }));
    // In any order.
    let decisions = [Decision::Rejected, Decision::Approved];
    past.extend(ids.iter().rev().zip(decisions).map(|(approval_id, decision)| {
        EventBody::ApprovalResolved(ApprovalResolved {
            approval_id: *approval_id,
            decision,
            by: "Kim".into(),
            reason: None,
            arguments: None,
        })
    }));
    let again = acting(&tool, past).unwrap();
    go_on(&again).await;
    assert_eq!(
        told(&again),
        [
            "5 paid back (a)",
            "There is no such tool.",
            "This was not approved. It was not done."
        ],
        "in the model's order"
    );
}

#[tokio::test]
async fn what_is_not_valid_or_not_known_is_not_called_and_the_model_is_told() {
    let tool = Refund::new(Effect::Every, false);
    let acting = acting(&tool, Vec::new()).unwrap();
    let unknown = ToolCall {
        name: "format_disk".into(),
        ..call("b", json!({}))
    };
    acting.want("", vec![call("a", json!({"eur": "all"})), unknown]);
    let (recorded, _) = go_on(&acting).await;
    assert_eq!(statuses(&recorded), [ToolCallStatus::Failed; 2]);
    assert_eq!(tool.made(), 0);
    assert!(
        told(&acting)[0].contains("`eur` must be a number"),
        "{:?}",
        told(&acting)
    );
    assert!(!acting.has_result() && acting.has_acted());
}

#[tokio::test]
async fn arguments_that_cannot_be_read_are_on_record_and_the_model_may_try_again() {
    let tool = Refund::new(Effect::Every, true);
    let first = acting(&tool, Vec::new()).unwrap();
    let broken = "{\"eur\": 5";
    let hand_off = ToolCall {
        name: HAND_OFF.into(),
        ..call("b", "[]".into())
    };
    first.want("", vec![call("a", broken.into()), hand_off]);
    let (recorded, pause) = go_on(&first).await;
    assert_eq!((statuses(&recorded), pause), (vec![ToolCallStatus::Failed; 2], None));
    assert_eq!(recorded[0].arguments, broken);
    assert!(
        told(&first)[0].contains("its arguments are no JSON (EOF"),
        "{:?}",
        told(&first)
    );
    assert!(!first.has_result() && first.may_go_on());
    // It is told so again by a turn that is begun anew, and another call goes its way.
    let past = recorded.into_iter().map(EventBody::ToolCall).collect();
    let again = acting(&tool, past).unwrap();
    assert_eq!(told(&again), told(&first));
    again.want("", vec![call("c", json!({"eur": 5}))]);
    let (_, pause) = go_on(&again).await;
    assert!(matches!(pause, Some(Pause::Approval(_))), "{pause:?}");
    assert_eq!(tool.made(), 0);
}

#[tokio::test]
async fn a_client_gets_arguments_as_they_were_written() {
    let tool = Refund::new(Effect::Every, false);
    let weather = ClientTool {
        name: "weather".into(),
        description: String::new(),
        parameters: json!({"type": "object"}),
    };
    let tools = ClientTools {
        tools: vec![weather],
        must_call: false,
        one_at_once: false,
    };
    let client = FromClient {
        tools: Some(Arc::new(tools)),
        ..FromClient::default()
    };
    let acting = acting_for(&tool, Vec::new(), client).unwrap();
    let written = "x".repeat(100_000);
    let wanted = ToolCall {
        name: "weather".into(),
        ..call("a", written.clone().into())
    };
    acting.want("", vec![wanted, call("b", "{".into())]);
    let (recorded, pause) = go_on(&acting).await;
    assert_eq!(statuses(&recorded), [ToolCallStatus::Failed], "the agent's own");
    let Some(Pause::ClientCalls { calls, .. }) = pause else {
        panic!("the turn ends with the other: {pause:?}")
    };
    assert_eq!(calls[0].arguments, written);
}

#[tokio::test]
async fn what_needs_a_person_pauses_and_goes_on_as_they_decide() {
    let tool = Refund::new(Effect::Every, true);
    let first = acting(&tool, Vec::new()).unwrap();
    first.want("", vec![call("a", json!({"eur": 5}))]);
    let (recorded, pause) = go_on(&first).await;
    let Some(Pause::Approval(wanted)) = pause else {
        panic!("it asks: {pause:?}")
    };
    let [wanted] = wanted.as_slice() else {
        panic!("one is asked for: {wanted:?}")
    };
    assert!(recorded.is_empty() && wanted.call_id.as_deref() == Some("a") && wanted.rule.reason == "Money leaves.");

    let asked = |decision, arguments: Option<Value>| {
        let approval_id = ApprovalId::new();
        vec![
            EventBody::ApprovalRequested(ApprovalRequested {
                approval_id,
                tool: wanted.tool.clone(),
                arguments: wanted.arguments.clone(),
                reason: wanted.rule.reason.clone(),
                expires_at: Timestamp::now(),
                otherwise: None,
                call_id: wanted.call_id.clone(),
                agent: None,
                round: Some(1),
                place: Some(0),
                signature: Some("c2ln".into()),
                spent: None,
            }),
            EventBody::ApprovalResolved(ApprovalResolved {
                approval_id,
                decision,
                by: "Kim".into(),
                reason: Some("it is ours to pay".into()),
                arguments,
            }),
        ]
    };
    let approved = acting(&tool, asked(Decision::Approved, Some(json!({"eur": 3})))).unwrap();
    let (recorded, pause) = go_on(&approved).await;
    assert_eq!(
        statuses(&recorded),
        [ToolCallStatus::Started, ToolCallStatus::Succeeded]
    );
    assert_eq!((pause, tool.made()), (None, 1));
    assert_eq!(recorded[0].arguments, json!({"eur": 3}), "as the person has changed it");
    assert_eq!(told(&approved), ["3 paid back (a)"]);

    let rejected = acting(&tool, asked(Decision::Rejected, None)).unwrap();
    let (recorded, _) = go_on(&rejected).await;
    assert_eq!(statuses(&recorded), [ToolCallStatus::Failed]);
    assert_eq!(tool.made(), 1, "it was not called again");
    assert!(
        told(&rejected)[0].contains("it is ours to pay"),
        "{:?}",
        told(&rejected)
    );
}

#[tokio::test]
async fn a_model_that_calls_for_ever_is_stopped() {
    let tool = Refund::new(Effect::Every, false);
    let acting = acting(&tool, Vec::new()).unwrap();
    let (mut rounds, mut ended) = (0, 0);
    while acting.may_go_on() {
        acting.want("", vec![call("a", json!({"eur": 1})); 20]);
        let (recorded, _) = go_on(&acting).await;
        ended += statuses(&recorded)
            .iter()
            .filter(|status| **status != ToolCallStatus::Started)
            .count();
        rounds += 1;
    }
    assert_eq!((rounds, ended), (9, 9 * 20), "each of them is on record");
    assert_eq!(tool.made(), 8 * CALLS_OF_A_ROUND_MAX);
}

#[tokio::test]
async fn an_agent_hands_off_to_those_it_may_and_to_nobody_twice() {
    let tool = Refund::new(Effect::Every, false);
    let catalog = Catalog::embedded();
    let other = catalog.specialists().nth(1).unwrap().id.clone();
    let hand_off = |to: &str| ToolCall {
        name: HAND_OFF.into(),
        ..call("h", json!({"to": to, "reason": "it is theirs"}))
    };
    let first = acting(&tool, Vec::new()).unwrap();
    assert!(first.offers().iter().any(|offer| offer.name == HAND_OFF));
    first.want("", vec![hand_off("nobody")]);
    let (recorded, pause) = go_on(&first).await;
    assert!(pause.is_none() && recorded[0].status == ToolCallStatus::Failed);
    first.want("", vec![hand_off(other.as_str())]);
    let (_, pause) = go_on(&first).await;
    assert_eq!(
        pause,
        Some(Pause::HandOff {
            to: other.clone(),
            reason: "it is theirs".into()
        })
    );
    let handed = EventBody::Handoff(Handoff {
        from: other,
        to: AgentId::orchestrator(),
        reason: "it is theirs".into(),
        by: None,
        spent: None,
    });
    let second = acting(&tool, vec![handed]).unwrap();
    assert!(second.offers().iter().all(|offer| offer.name != HAND_OFF));
}
