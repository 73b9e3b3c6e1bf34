//! What sessions and agents do in life: failing, stopping, waiting, sleeping.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use orchestratai_actors::{CancelRefusal, DoubleTexting, SessionSettings};
use orchestratai_agents::turn::{AgentError, Answer, Responder, Step, Steps, TurnRequest, Usage, UsageMeter};
use orchestratai_shared::{
    CacheStatus, ClientMessageId, Confidence, ErrorCode, EventBody, LogData, LogStatus, SessionId,
};

use crate::house::{House, Obedient, answer_of, end_of, settings, submission};

async fn house(settings: SessionSettings) -> House {
    House::start(settings, Arc::new(Obedient)).await
}

#[actix_rt::test]
async fn a_panicking_agent_ends_one_turn_and_no_other() {
    let house = house(settings()).await;
    let (ill, well) = (SessionId::new(), SessionId::new());
    let waiting = house.say(well, "please wait for the invoice").await;
    let turn = house.say(ill, "panic about the invoice").await;
    let events = house.events(turn).await;
    assert_eq!(end_of(&events), "turn_failed");
    let next = house.say(ill, "how much is the invoice?").await;
    assert_eq!(answer_of(&house.events(next).await), Some("Well, yes."));
    assert!(
        house.gateway.cancel(waiting).await.is_ok(),
        "the other session's turn goes on"
    );
}

#[actix_rt::test]
async fn a_failing_agent_gives_way_with_a_warning_that_says_why() {
    let house = house(settings()).await;
    let turn = house.say(SessionId::new(), "please fail with the invoice").await;
    let events = house.events(turn).await;
    let mut warnings = Vec::new();
    for event in &events {
        if let EventBody::RetrievalLog(log) = &event.body
            && let (LogStatus::Warning, LogData::Routing(analysis)) = (log.status, &log.data)
        {
            warnings.push(analysis.reasoning.clone());
        }
    }
    assert!(!warnings.is_empty(), "{events:#?}");
    assert!(warnings[0].contains("took too long"), "{warnings:?}");
    assert_eq!(end_of(&events), "turn_failed");
}

#[actix_rt::test]
async fn a_cancelled_turn_leaves_a_receipt_and_what_was_said() {
    let house = house(settings()).await;
    let session_id = SessionId::new();
    let mut follower = house.follow(session_id).await;
    let turn = house.say(session_id, "please wait for the invoice").await;
    follower.until("message_delta").await;
    let receipt = house.gateway.cancel(turn).await.unwrap();
    assert_eq!((receipt.kept, receipt.tokens_billed), (6, 12));
    assert!(receipt.upstream_closed_ms.is_some());
    let messages = house
        .gateway
        .messages(session_id, 10, None)
        .await
        .unwrap()
        .unwrap()
        .items;
    assert_eq!(messages.last().map(|message| message.content.as_str()), Some("Well, "));
    assert_eq!(messages.last().map(|message| message.id), receipt.message_id);
    assert_eq!(house.gateway.cancel(turn).await, Err(CancelRefusal::Ended));
}

#[actix_rt::test]
async fn a_message_while_a_turn_runs_waits_its_turn() {
    let house = house(settings()).await;
    let session_id = SessionId::new();
    let first = house.say(session_id, "please wait for the invoice").await;
    let second = house.say(session_id, "how much is the invoice?").await;
    house.gateway.cancel(first).await.unwrap();
    let (first, second) = (house.events(first).await, house.events(second).await);
    assert_eq!(
        (end_of(&first), end_of(&second)),
        ("turn_cancelled", "message_completed")
    );
    assert!(first.last().unwrap().seq < second.last().unwrap().seq);
}

/// Takes its time, and answers with what it is shown of the conversation.
struct Remembering;

#[async_trait]
impl Responder for Remembering {
    async fn answer(&self, request: &TurnRequest, steps: &Steps, _: &UsageMeter) -> Result<Answer, AgentError> {
        tokio::time::sleep(Duration::from_millis(50)).await;
        let shown = request.history.iter().map(|message| message.content.as_str());
        let shown = shown.collect::<Vec<_>>().join(", ");
        steps.send(Step::Delta(format!("({shown})"))).await?;
        Ok(Answer {
            confidence: Confidence::new(0.9),
            citations: vec![],
            usage: Usage::default(),
            cache_status: CacheStatus::None,
            incomplete: None,
        })
    }
}

#[actix_rt::test]
async fn an_agent_is_shown_what_was_said_before_and_not_what_waits() {
    let house = House::start(settings(), Arc::new(Remembering)).await;
    let session_id = SessionId::new();
    let mut turns = Vec::new();
    for message in ["the invoice?", "the refund?", "the receipt?"] {
        turns.push(house.say(session_id, message).await);
    }
    for (turn, answer) in turns.into_iter().zip([
        "()",
        "(the invoice?, ())",
        // In the order in which it was said.
        "(the invoice?, the refund?, (), (the invoice?, ()))",
    ]) {
        assert_eq!(answer_of(&house.events(turn).await), Some(answer));
    }
}

#[actix_rt::test]
async fn a_message_while_a_turn_runs_interrupts_it_or_is_refused_as_configured() {
    let interrupting = house(SessionSettings {
        double_texting: DoubleTexting::Interrupt,
        ..settings()
    })
    .await;
    let session_id = SessionId::new();
    let first = interrupting.say(session_id, "please wait for the invoice").await;
    let second = interrupting.say(session_id, "how much is the invoice?").await;
    assert_eq!(end_of(&interrupting.events(first).await), "turn_cancelled");
    assert_eq!(end_of(&interrupting.events(second).await), "message_completed");

    let rejecting = house(SessionSettings {
        double_texting: DoubleTexting::Reject,
        ..settings()
    })
    .await;
    let session_id = SessionId::new();
    rejecting.say(session_id, "please wait for the invoice").await;
    let refused = rejecting
        .gateway
        .submit(submission(session_id, ClientMessageId::new(), "and now?"))
        .await;
    assert_eq!(refused.unwrap_err().failure.code, ErrorCode::Conflict);
}

#[actix_rt::test]
async fn a_key_is_accepted_once_and_bound_to_its_content() {
    let house = house(settings()).await;
    let (session_id, key) = (SessionId::new(), ClientMessageId::new());
    let first = house
        .gateway
        .submit(submission(session_id, key, "how much is the invoice?"))
        .await
        .unwrap();
    let again = house
        .gateway
        .submit(submission(session_id, key, "how much is the invoice?"))
        .await
        .unwrap();
    assert!(again.repeated && !first.repeated);
    assert_eq!(
        (first.turn_id, first.message_id, first.seq),
        (again.turn_id, again.message_id, again.seq)
    );
    let other = house
        .gateway
        .submit(submission(session_id, key, "something else"))
        .await;
    let conflict = other.unwrap_err();
    assert_eq!(conflict.failure.code, ErrorCode::Conflict);
    assert_eq!(
        conflict.turn_id,
        Some(first.turn_id),
        "it names what the key stands for"
    );
}

#[actix_rt::test]
async fn before_all_is_there_nothing_is_begun_and_nothing_taken_up() {
    let before = house(settings()).await;
    let session_id = SessionId::new();
    let turn = before.say(session_id, "please wait for the invoice").await;
    let starting = House::start_unready_in(before.copy(), settings(), Arc::new(Obedient)).await;
    let gateway = &starting.gateway;
    for session_id in [session_id, SessionId::new()] {
        let message = submission(session_id, ClientMessageId::new(), "how much is the invoice?");
        let refused = gateway.submit(message).await.unwrap_err();
        assert_eq!(refused.failure.code, ErrorCode::Overloaded);
        assert!(refused.retry_after.is_some());
        let refused = gateway.create_session(Some(session_id), None).await.unwrap_err();
        assert_eq!(refused.failure.code, ErrorCode::Overloaded);
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    let events = starting.store.events_after(session_id, 1, 10, usize::MAX).await;
    let events = events.unwrap().unwrap().frames;
    let of_another_attempt = events
        .iter()
        .filter(|event| event.text.contains("Taken up again"))
        .count();
    assert_eq!(of_another_attempt, 0);
    gateway.set_ready();
    assert_eq!(gateway.resume_interrupted().await, Ok(1));
    gateway.cancel(turn).await.unwrap();
    let events = starting.events(turn).await;
    assert_eq!(end_of(&events), "turn_cancelled");
}

#[actix_rt::test]
async fn what_finds_no_room_is_refused_with_a_time_to_come_back() {
    let house = house(SessionSettings {
        turns_in_flight: 2,
        queue_max: 1,
        ..settings()
    })
    .await;
    let session_id = SessionId::new();
    house.say(session_id, "please wait for the invoice").await;
    house.say(session_id, "please wait for the invoice").await;
    let refused = house
        .gateway
        .submit(submission(SessionId::new(), ClientMessageId::new(), "hello"))
        .await;
    let refused = refused.unwrap_err();
    assert_eq!(refused.failure.code, ErrorCode::Overloaded);
    assert!(refused.retry_after.is_some());
}

#[actix_rt::test]
async fn an_idle_session_sleeps_and_wakes_where_it_was() {
    let house = house(SessionSettings {
        idle_after: Duration::from_millis(60),
        ..settings()
    })
    .await;
    let session_id = SessionId::new();
    let first = house.say(session_id, "how much is the invoice?").await;
    let last = house.events(first).await.last().unwrap().seq;
    tokio::time::sleep(Duration::from_millis(600)).await;
    let second = house.say(session_id, "how much is the invoice?").await;
    assert_eq!(house.events(second).await.first().unwrap().seq, last + 1);
    assert_eq!(
        house.gateway.session(session_id).await.unwrap().unwrap().message_count,
        4
    );
}

#[actix_rt::test]
async fn an_erased_session_is_gone_and_its_turn_with_it() {
    let house = house(settings()).await;
    let session_id = SessionId::new();
    house.say(session_id, "please wait for the invoice").await;
    assert_eq!(house.gateway.erase_session(session_id).await, Ok(true));
    assert!(house.gateway.session(session_id).await.unwrap().is_none());
    assert_eq!(house.gateway.erase_session(session_id).await, Ok(false));
}

#[actix_rt::test]
async fn a_message_to_a_session_that_is_being_erased_begins_a_new_one() {
    let house = house(settings()).await;
    let session_id = SessionId::new();
    house.say(session_id, "please wait for the invoice").await;
    let message = submission(session_id, ClientMessageId::new(), "how much is the invoice?");
    let erased = house.gateway.erase_session(session_id);
    let (erased, accepted) = futures_util::join!(erased, house.gateway.submit(message));
    assert_eq!(erased, Ok(true));
    let accepted = accepted.unwrap();
    assert_eq!((accepted.seq, accepted.repeated), (1, false));
    assert_eq!(end_of(&house.events(accepted.turn_id).await), "message_completed");
}
