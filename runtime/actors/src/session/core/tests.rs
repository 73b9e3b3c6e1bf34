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
    handle(&mut core, cancel(2));
    let effects = commit(&mut core);
    assert!(
        effects
            .iter()
            .any(|effect| matches!(effect, Effect::Reply(ReplyTo(2), Reply::Cancelled(_)))),
        "{effects:?}"
    );
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
