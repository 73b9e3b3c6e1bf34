//! A stop in good order. What it waited for is looked up in the store, for the gateway itself would wait.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use orchestratai_agents::turn::{AgentError, Answer, Responder, Steps, TurnRequest, UsageMeter};
use orchestratai_shared::{ClientMessageId, ErrorCode, Event, EventBody, MessageContent, SessionId};

use crate::house::{House, Obedient, SLOW, answer_of, end_of, settings, submission};

/// Answers whatever it is asked, even to wait.
struct Willing;

#[async_trait]
impl Responder for Willing {
    async fn answer(&self, request: &TurnRequest, steps: &Steps, meter: &UsageMeter) -> Result<Answer, AgentError> {
        let content = MessageContent::parse("how much is the invoice?").unwrap();
        let request = TurnRequest {
            message: content,
            ..request.clone()
        };
        Obedient.answer(&request, steps, meter).await
    }
}

#[actix_rt::test]
async fn a_drain_refuses_new_turns_and_has_waited_for_those_under_way() {
    let house = House::start(settings(), Arc::new(Obedient)).await;
    let session_id = SessionId::new();
    let first = house.say(session_id, "slowly, how much is the invoice?").await;
    let queued = house.say(session_id, "slowly, how much is the next one?").await;
    let began = Instant::now();
    house.gateway.drain(Duration::from_secs(15)).await;
    let took = began.elapsed();
    for turn in [first, queued] {
        let row = house.store.turn(turn).await.unwrap().unwrap();
        assert!(row.ended_seq.is_some(), "the drain returned before {turn} had ended");
        assert_eq!(end_of(&house.events(turn).await), "message_completed");
    }
    assert!(took >= SLOW && took < Duration::from_secs(15), "it took {took:?}");
    let refused = house
        .gateway
        .submit(submission(session_id, ClientMessageId::new(), "hello"))
        .await;
    assert_eq!(refused.unwrap_err().failure.code, ErrorCode::Overloaded);
}

#[actix_rt::test]
async fn a_drain_gives_up_at_its_limit_and_the_next_start_takes_up_what_had_not_ended() {
    let house = House::start(settings(), Arc::new(Obedient)).await;
    let session_id = SessionId::new();
    let mut follower = house.follow(session_id).await;
    let turn = house.say(session_id, "please wait for the invoice").await;
    let queued = house.say(session_id, "how much is the invoice?").await;
    follower.until("message_delta").await;
    let asked = submission(session_id, ClientMessageId::new(), "how much is the last one?");
    let key = asked.client_message_id;
    let conversing = actix_rt::spawn({
        let gateway = house.gateway.clone();
        async move { gateway.converse(asked).await }
    });
    let last = loop {
        let frame = follower.until("message_accepted").await;
        let event: Event = serde_json::from_str(&frame.text).unwrap();
        if let EventBody::MessageAccepted(accepted) = &event.body
            && accepted.client_message_id == key
        {
            break event.turn_id.unwrap();
        }
    };
    let (began, limit) = (Instant::now(), Duration::from_millis(300));
    house.gateway.drain(limit).await;
    let took = began.elapsed();
    let sent_away = conversing.await.unwrap().unwrap_err();
    assert_eq!(sent_away.failure.code, ErrorCode::Overloaded);
    assert_eq!(sent_away.turn_id, Some(last));
    assert!(took >= limit && took < Duration::from_secs(5), "it took {took:?}");
    for turn in [turn, queued, last] {
        assert_eq!(house.store.turn(turn).await.unwrap().unwrap().ended_seq, None);
    }

    let again = House::start_in(house.copy(), settings(), Arc::new(Willing)).await;
    assert_eq!(again.gateway.resume_interrupted().await, Ok(1));
    for turn in [turn, queued, last] {
        assert_eq!(answer_of(&again.events(turn).await), Some("Well, yes."));
    }
}
