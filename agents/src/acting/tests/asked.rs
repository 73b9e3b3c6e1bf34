//! Agents that others ask, and parts of a message.

use super::*;

/// An agent that cannot go beyond a budget before a person has let it.
struct Thrifty;

#[async_trait]
impl Responder for Thrifty {
    async fn answer(&self, request: &TurnRequest, steps: &Steps, meter: &UsageMeter) -> Result<Answer, AgentError> {
        if crate::budget::decisions(&request.past).is_empty() {
            let question = BudgetQuestion {
                budget: "day".into(),
                reason: "The budget \"day\" has not enough left.".into(),
                tokens: 100,
                usd_nanos: None,
                within: Duration::from_secs(60),
            };
            return Err(AgentError::Paused(question.pause()));
        }
        steps.send(Step::Delta("12 dollars.".into())).await?;
        Ok(Answer {
            confidence: Confidence::new(0.8),
            citations: Vec::new(),
            usage: meter.usage(),
            cache_status: CacheStatus::None,
            incomplete: None,
        })
    }
}

/// An agent that may ask two others, in a turn or in a part of one.
fn asking(past: Vec<EventBody>, part: Option<Part>) -> Acting {
    let catalog = Catalog::embedded();
    let own = acting(&Refund::new(Effect::Every, false), past).unwrap();
    let request = TurnRequest {
        part,
        ..own.request.clone()
    };
    let mut agents = catalog.specialists();
    let agent = agents.next().unwrap();
    let colleagues = agents
        .map(|agent| Colleague::new(agent, || Arc::new(Thrifty) as Arc<dyn Responder>))
        .collect();
    Acting::new(
        agent,
        |_| String::new(),
        Taken::default(),
        None,
        None,
        colleagues,
        &request,
    )
    .unwrap()
}

fn ask(id: &str, offer: &ToolOffer) -> ToolCall {
    ToolCall {
        name: offer.name.clone(),
        ..call(id, json!({"question": "How much is it?"}))
    }
}

#[tokio::test]
async fn who_was_asked_waits_for_a_decision_on_a_budget_and_is_asked_again_then() {
    let first = asking(Vec::new(), None);
    let offers = first.offers();
    first.want("", vec![ask("a", &offers[0]), ask("b", &offers[1])]);
    let (recorded, pause) = go_on(&first).await;
    assert_eq!(statuses(&recorded), [ToolCallStatus::Started; 2], "neither has failed");
    let Some(Pause::Approval(wanted)) = pause else {
        panic!("it asks: {pause:?}")
    };
    let [wanted] = &wanted[..] else {
        panic!("one budget is asked about once: {wanted:?}")
    };
    assert_eq!(
        (wanted.call_id.as_deref(), wanted.tool.as_str()),
        (None, "exceed_budget")
    );
    let approval_id = ApprovalId::new();
    let mut past: Vec<_> = recorded.into_iter().map(EventBody::ToolCall).collect();
    past.push(EventBody::ApprovalRequested(ApprovalRequested {
        approval_id,
        tool: wanted.tool.clone(),
        arguments: wanted.arguments.clone(),
        reason: wanted.rule.reason.clone(),
        expires_at: Timestamp::now(),
        otherwise: None,
        call_id: None,
        agent: None,
        round: None,
        place: None,
        signature: None,
        spent: None,
    }));
    past.push(EventBody::ApprovalResolved(ApprovalResolved {
        approval_id,
        decision: Decision::Approved,
        by: "Kim".into(),
        reason: None,
        arguments: None,
    }));
    let again = asking(past, None);
    let (recorded, pause) = go_on(&again).await;
    assert_eq!((statuses(&recorded), pause), (vec![ToolCallStatus::Succeeded; 2], None));
    assert!(
        told(&again).iter().all(|told| told.contains("12 dollars.")),
        "{:?}",
        told(&again)
    );
}

#[tokio::test]
async fn parts_whose_providers_name_calls_alike_do_not_read_each_others_and_neither_do_those_whom_they_ask() {
    let catalog = Catalog::embedded();
    let agents: Vec<&AgentDefinition> = catalog.specialists().collect();
    let [first, second, asked] = agents[..] else {
        panic!("three specialists come with it")
    };
    let of_part = |asker: Option<Asker>| Part {
        standalone: None,
        asker,
    };
    let refund = Refund::new(Effect::None, false);
    let acting_of = |agent: &AgentDefinition, past: &[EventBody], part: Part| {
        let own = acting(&refund, past.to_vec()).unwrap();
        let request = TurnRequest {
            part: Some(part),
            ..own.request.clone()
        };
        let taken = Taken {
            tools: vec![Arc::clone(&refund) as Arc<dyn Tool>],
            ..Taken::default()
        };
        Acting::new(agent, |_| String::new(), taken, None, None, Vec::new(), &request).unwrap()
    };
    let mut past = Vec::new();
    let mut names = Vec::new();
    for (agent, eur) in [(first, 1), (second, 2)] {
        let part = acting_of(agent, &[], of_part(None));
        part.want("", vec![call("call_0", json!({"eur": eur}))]);
        let (recorded, _) = go_on(&part).await;
        let own = recorded[0].call_id.clone();
        past.extend(recorded.into_iter().map(EventBody::ToolCall));
        let asker = Asker {
            call_id: own.clone(),
            chain: vec![agent.id.clone()],
            can_wait: false,
        };
        let colleague = acting_of(asked, &[], of_part(Some(asker)));
        colleague.want("", vec![call("call_0", json!({"eur": eur + 10}))]);
        let (recorded, _) = go_on(&colleague).await;
        names.extend([own.clone(), recorded[0].call_id.clone()]);
        past.extend(recorded.into_iter().map(EventBody::ToolCall));
    }
    let apart: HashSet<&String> = names.iter().collect();
    assert_eq!(apart.len(), 4, "{names:?}");
    for (agent, eur, own) in [(first, 1, &names[0]), (second, 2, &names[2])] {
        let told_again = told(&acting_of(agent, &past, of_part(None)));
        assert_eq!(told_again, [format!("{eur} paid back ({own})")]);
        let asker = Asker {
            call_id: own.clone(),
            chain: vec![agent.id.clone()],
            can_wait: false,
        };
        let of_asked = told(&acting_of(asked, &past, of_part(Some(asker))));
        assert!(
            of_asked.len() == 1 && of_asked[0].starts_with(&format!("{} paid", eur + 10)),
            "{of_asked:?}"
        );
    }
}

#[tokio::test]
async fn a_part_of_a_message_does_not_wait_for_whom_it_asks() {
    let part = Part {
        standalone: None,
        asker: None,
    };
    let acting = asking(Vec::new(), Some(part));
    let offer = acting.offers().remove(0);
    acting.want("", vec![ask("a", &offer)]);
    let (recorded, pause) = go_on(&acting).await;
    assert_eq!(statuses(&recorded), [ToolCallStatus::Started, ToolCallStatus::Failed]);
    assert_eq!(pause, None);
    assert!(
        told(&acting)[0].contains("The budget \"day\" has not enough left."),
        "{:?}",
        told(&acting)
    );
}
