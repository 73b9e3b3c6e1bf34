use orchestratai_shared::{AnsweredCall, ClientTool, ClientTools, ContextMessage, ErrorCode};

use super::*;

const POLICY: Policy = Policy {
    double_texting: DoubleTexting::Enqueue,
    queue_max: 8,
    attempts_max: 3,
    person_max: Duration::from_secs(600),
};

mod person;

fn handle(core: &mut SessionCore, input: Input) -> Vec<Effect> {
    let mut new_id = Uuid::now_v7;
    core.handle(
        input,
        &mut Context {
            now: Timestamp::now(),
            new_id: &mut new_id,
        },
    )
}

fn commit(core: &mut SessionCore) -> Vec<Effect> {
    let through = core.last_seq;
    handle(core, Input::Committed { through })
}

fn submit(core: &mut SessionCore) {
    let input = Input::Submit {
        client_message_id: ClientMessageId::new(),
        said: UserMessage::new(MessageContent::parse("How much is it?").unwrap()),
        reply_to: ReplyTo(0),
    };
    handle(core, input);
}

#[test]
fn a_cancel_that_names_no_turn_stops_the_running_one_and_never_a_queued_one() {
    let mut core = SessionCore::new(SessionId::new(), POLICY);
    submit(&mut core);
    let effects = commit(&mut core);
    let Some(Effect::Route(request)) = effects.into_iter().find(|effect| matches!(effect, Effect::Route(_))) else {
        panic!("the turn is not routed");
    };
    submit(&mut core);
    // The first turn ends, and its end is not durable yet: nothing runs, and the second waits.
    let failure = Failure::new(ErrorCode::UpstreamError, "away");
    let ended = Input::Routed {
        run: request.run,
        decision: Err(failure),
    };
    handle(&mut core, ended);
    let cancel = |to| Input::Cancel {
        turn_id: None,
        reply_to: ReplyTo(to),
    };
    let effects = handle(&mut core, cancel(1));
    assert!(
        effects
            .iter()
            .any(|effect| matches!(effect, Effect::Reply(ReplyTo(1), Reply::NoOpenTurn))),
        "{effects:?}"
    );
    let effects = commit(&mut core);
    assert!(
        effects.iter().any(|effect| matches!(effect, Effect::Route(_))),
        "the second begins"
    );
    let Some(Effect::Route(second)) = effects.into_iter().find(|effect| matches!(effect, Effect::Route(_))) else {
        panic!("it is routed")
    };
    let effects = handle(&mut core, cancel(2));
    let is_stopped = |effect: &Effect| matches!(effect, Effect::StopAgent(run) if *run == second.run);
    assert!(effects.iter().any(is_stopped), "{effects:?}");
    let receipt = Receipt {
        upstream_closed_ms: Some(1),
        tokens_billed: 7,
    };
    let stopped = Input::Stopped {
        run: second.run,
        receipt,
    };
    handle(&mut core, stopped);
    let effects = commit(&mut core);
    let cancelled = effects.iter().find_map(|effect| {
        let Effect::Reply(ReplyTo(2), Reply::Cancelled(cancelled)) = effect else {
            return None;
        };
        Some(cancelled)
    });
    let cancelled = cancelled.unwrap_or_else(|| panic!("{effects:?}"));
    assert_eq!((cancelled.upstream_closed_ms, cancelled.tokens_billed), (Some(1), 7));
}

#[test]
fn who_is_stopped_while_routing_ends_by_a_decision_that_was_under_way_with_what_it_has_cost() {
    let mut core = SessionCore::new(SessionId::new(), POLICY);
    submit(&mut core);
    let effects = commit(&mut core);
    let Some(Effect::Route(request)) = effects.into_iter().find(|effect| matches!(effect, Effect::Route(_))) else {
        panic!("the turn is not routed");
    };
    let run = request.run;
    let cancel = Input::Cancel {
        turn_id: None,
        reply_to: ReplyTo(1),
    };
    handle(&mut core, cancel);
    let used = Usage {
        tokens: 9,
        ..Usage::default()
    };
    let is_missed = true;
    handle(&mut core, Input::Advised { run, used, is_missed });
    let failure = Failure::new(ErrorCode::UpstreamError, "away");
    let late = Input::Routed {
        run,
        decision: Err(failure),
    };
    let effects = handle(&mut core, late);
    assert!(
        !effects.iter().any(|effect| matches!(effect, Effect::RunAgent { .. })),
        "{effects:?}"
    );
    let effects = commit(&mut core);
    let is_told =
        |effect: &Effect| matches!(effect, Effect::Reply(ReplyTo(1), Reply::Cancelled(end)) if end.tokens_billed == 9);
    assert!(effects.iter().any(is_told), "{effects:?}");
}

#[test]
fn whom_a_message_is_meant_for_and_what_was_said_before_it_survive_a_crash() {
    let said = UserMessage {
        content: MessageContent::parse("And for the annual plan?").unwrap(),
        fresh: true,
        addressee: Some(AgentId::parse("billing").unwrap()),
        context: [ContextMessage::new(MessageRole::User, "How do refunds work?")].into(),
        client_tools: Some(Arc::new(ClientTools {
            tools: vec![ClientTool {
                name: "weather".into(),
                description: "Tells the weather.".into(),
                parameters: serde_json::json!({"type": "object"}),
            }],
            must_call: true,
            one_at_once: true,
        })),
        called: [ContextMessage {
            calls: vec![AnsweredCall {
                call_id: "call_1".into(),
                tool: "weather".into(),
                arguments: serde_json::json!({"city": "Oslo"}),
                result: "rain".into(),
                failed: false,
                signature: Some("c2ln".into()),
            }],
            ..ContextMessage::new(MessageRole::Assistant, "")
        }]
        .into(),
    };
    let mut core = SessionCore::new(SessionId::new(), POLICY);
    let effects = handle(
        &mut core,
        Input::Submit {
            client_message_id: ClientMessageId::new(),
            said: said.clone(),
            reply_to: ReplyTo(0),
        },
    );
    let appended = effects.into_iter().find_map(|effect| {
        let Effect::Append(entries) = effect else { return None };
        Some(entries)
    });
    // What the journal has is JSON.
    let events = appended.unwrap().into_iter().map(|entry| {
        let text = serde_json::to_string(&*entry.event).unwrap();
        serde_json::from_str::<Event>(&text).unwrap()
    });
    let recovered = Recovered {
        last_seq: 1,
        keys: Vec::new(),
        open_turns: vec![events.collect()],
        person: None,
    };
    let mut new_id = Uuid::now_v7;
    let mut ctx = Context {
        now: Timestamp::now(),
        new_id: &mut new_id,
    };
    let (mut core, _) = SessionCore::recover(SessionId::new(), POLICY, recovered, &mut ctx);
    let routed = commit(&mut core).into_iter().find_map(|effect| {
        let Effect::Route(request) = effect else { return None };
        Some(request)
    });
    assert_eq!(routed.expect("it is taken up again").said, said);
}

/// Routes the turn to billing, with policy to take over. Gives its run.
fn running(core: &mut SessionCore) -> Run {
    submit(core);
    let effects = commit(core);
    let Some(Effect::Route(request)) = effects.into_iter().find(|effect| matches!(effect, Effect::Route(_))) else {
        panic!("the turn is not routed");
    };
    let run = request.run;
    let decision = RoutingDecision {
        agent: AgentId::parse("billing").unwrap(),
        intent: Intent::PricingQuestion,
        confidence: Confidence::new(0.9),
        reasoning: "because".into(),
        candidates: vec![],
        concerns: Vec::new(),
    };
    let decision = Ok((decision, vec![AgentId::parse("policy").unwrap()]));
    handle(core, Input::Routed { run, decision });
    commit(core);
    run
}

fn used(tokens: u64) -> Usage {
    Usage {
        tokens,
        cost: 0.25,
        ..Usage::default()
    }
}

fn answered(run: Run, tokens: u64) -> Input {
    let answer = Answer {
        confidence: Confidence::new(0.8),
        citations: vec![],
        usage: used(tokens),
        cache_status: CacheStatus::None,
        incomplete: None,
    };
    Input::Finished {
        run,
        outcome: Ok(answer),
        lost: Usage::default(),
    }
}

fn says(run: Run) -> Input {
    Input::Steps {
        run,
        part: 0,
        steps: vec![Step::Delta("It is".into())],
    }
}

#[test]
fn what_an_agent_has_used_that_failed_is_the_turns() {
    let mut core = SessionCore::new(SessionId::new(), POLICY);
    let run = running(&mut core);
    let failed = Input::Finished {
        run,
        outcome: Err(Failure::new(ErrorCode::Timeout, "The agent took too long.")),
        lost: used(9_000),
    };
    let mut effects = handle(&mut core, failed);
    effects.extend(commit(&mut core));
    let Some(Effect::RunAgent { request, .. }) = effects
        .into_iter()
        .find(|effect| matches!(effect, Effect::RunAgent { .. }))
    else {
        panic!("nobody takes over");
    };
    handle(&mut core, says(request.run));
    let effects = handle(&mut core, answered(request.run, 500));
    let metrics = effects.iter().find_map(|effect| {
        let Effect::Append(entries) = effect else { return None };
        entries.iter().find_map(|entry| {
            let EventBody::MessageCompleted(completed) = &entry.event.body else {
                return None;
            };
            Some(completed.metrics)
        })
    });
    let metrics = metrics.unwrap_or_else(|| panic!("{effects:?}"));
    assert_eq!((metrics.tokens_used, metrics.cost), (9_500, 0.5));
}

#[test]
fn a_stop_that_comes_with_the_end_says_what_the_answer_has_cost() {
    for end in [(|run| answered(run, 7)) as fn(Run) -> Input, |run| Input::Finished {
        run,
        outcome: Err(Failure::new(ErrorCode::Timeout, "The agent took too long.")),
        lost: used(7),
    }] {
        let mut core = SessionCore::new(SessionId::new(), POLICY);
        let run = running(&mut core);
        handle(&mut core, says(run));
        let cancel = Input::Cancel {
            turn_id: None,
            reply_to: ReplyTo(1),
        };
        handle(&mut core, cancel);
        handle(&mut core, end(run));
        let effects = commit(&mut core);
        let is_told = |effect: &Effect| matches!(effect, Effect::Reply(ReplyTo(1), Reply::Cancelled(end)) if end.tokens_billed == 7);
        assert!(effects.iter().any(is_told), "{effects:?}");
    }
}
