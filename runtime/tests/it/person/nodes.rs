//! A person and a session of another node.

use orchestratai_testing::{Postgres, Redis};

use super::*;
use crate::cluster::{follow, nodes};

#[tokio::test]
async fn a_session_is_taken_over_through_any_node() {
    let (database, redis) = (Postgres::shared().database(), Redis::start());
    let [one, other] = nodes(&database, &redis.url()).await;
    let mut here = one.socket("").await;
    let id = here.ready().await.session_id();
    here.turn("hello there").await;
    // Through the node that does not own it.
    let rest = other.rest();
    take_over(&rest, id, false).await;
    here.until(|frame| frame.kind() == "handoff").await;
    here.say(QUESTION).await;
    let turn_id = until_it_waits(&mut here).await[0].turn_id().unwrap();
    for node in [&one, &other] {
        let live = shown(&node.rest(), id, |live| live.turn.is_some()).await;
        assert_eq!(
            (live.state, live.person.unwrap().name),
            (SessionState::Person, "Kim".to_owned())
        );
    }
    check(
        &rest
            .post(&format!("/api/session/{id}/takeover"), &json!({"name": "Sam"}))
            .await,
        ErrorCode::Conflict,
        None,
    );
    let key = ClientMessageId::new();
    let said = reply(&rest, id, key, "Open Settings.").await;
    assert_eq!(said.body["turnId"], json!(turn_id), "{}", said.body);
    let completed = here.until(Frame::is_terminal).await;
    assert_eq!(completed.last().unwrap().data()["message"], said.body["message"]);
    let again = reply(&one.rest(), id, key, "Open Settings.").await;
    assert_eq!(again.body["repeated"], true, "{}", again.body);
    release(&rest, id).await;
    let frames = here.turn(QUESTION).await;
    assert_eq!(frames.last().unwrap().data()["message"]["agent"], "technical");
}

#[tokio::test]
async fn what_waits_on_a_node_that_is_killed_or_stops_goes_on_waiting_on_another() {
    let (database, redis) = (Postgres::shared().database(), Redis::start());
    let [one, mut two, three] = nodes(&database, &redis.url()).await;
    let mut here = one.socket("").await;
    let id = here.ready().await.session_id();
    take_over(&one.rest(), id, false).await;
    here.say(QUESTION).await;
    let frames = until_it_waits(&mut here).await;
    let waits = frames.last().unwrap();
    let (turn_id, last_seq) = (waits.turn_id().unwrap(), waits.seq().unwrap());
    drop(one.kill());
    // Whoever takes it over: it waits for the same person, and nothing is said of it.
    let live = shown(&two.rest(), id, |live| live.person.is_some()).await;
    assert_eq!(live.turn.as_ref().map(|turn| turn.turn_id), Some(turn_id));
    let mut there = follow(&two, id, last_seq).await;
    let mut beside = follow(&three, id, last_seq).await;
    there.say("hello there").await;
    let second = until_it_waits(&mut there).await[0].turn_id().unwrap();
    assert_eq!(until_it_waits(&mut beside).await[0].turn_id(), Some(second));

    // A node that stops waits for no person.
    let began = Instant::now();
    two.terminate();
    assert!(two.ended().await.success());
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
    let live = shown(&three.rest(), id, |live| live.person.is_some()).await;
    assert_eq!(live.open_turns, 2);
    for expected in [turn_id, second] {
        let said = reply(&three.rest(), id, ClientMessageId::new(), "I am here.").await;
        assert_eq!(said.body["turnId"], json!(expected), "{}", said.body);
        let completed = beside.until(Frame::is_terminal).await;
        assert_eq!(completed.last().unwrap().turn_id(), Some(expected));
    }
    let events = three.rest().events(id).await;
    assert!(events.iter().map(|event| event.seq).eq(1..=events.len() as u64));
}
