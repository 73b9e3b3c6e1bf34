//! A message with several concerns, answered by several agents together.

mod cast;

use std::{
    fs,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use orchestratai_agents::{definition::Catalog, turn::Responder};
use orchestratai_shared::{AgentStatus, Event, EventBody, SessionId};

use self::cast::{Act, Cast, MESSAGE, PIECE_BYTES, PIECES};
use crate::house::{House, answer_of, end_of, settings};

const BILLING: &str = "**My invoice is wrong**";
const TECHNICAL: &str = "**The webhook returns 401**";

/// Each agent's status in the turn, in order.
fn statuses(events: &[Arc<Event>]) -> Vec<(&str, AgentStatus)> {
    let mut statuses = Vec::new();
    for event in events {
        if let EventBody::AgentStatus(changed) = &event.body {
            statuses.push((changed.agent.as_str(), changed.status));
        }
    }
    statuses
}

/// The steps that were taken: their titles, and whose they are.
fn steps(events: &[Arc<Event>]) -> Vec<(String, Option<String>)> {
    let mut steps = Vec::new();
    for event in events {
        if let EventBody::RetrievalLog(log) = &event.body {
            steps.push((log.title.clone(), log.agent.as_ref().map(ToString::to_string)));
        }
    }
    steps
}

async fn until(what: &str, is_so: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < Duration::from_secs(20), "{what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[actix_rt::test]
async fn the_parts_are_told_in_the_order_of_the_message_whoever_is_quicker() {
    let cast = Cast::new(Act::AnswerWhenLet, Act::Answer);
    let house = cast.house().await;
    let session_id = SessionId::new();
    let mut follower = house.follow(session_id).await;
    let turn = house.say(session_id, MESSAGE).await;
    // The second agent is done, and its steps are there; of its words there are none.
    let delta = follower.until("message_delta").await;
    assert!(
        delta.text.contains("billing says ") && !delta.text.contains("technical"),
        "{}",
        delta.text
    );
    until("the second agent is done", || cast.at_work.load(Ordering::SeqCst) == 1).await;
    cast.let_go.add_permits(1);
    let events = house.events(turn).await;
    let whole = format!("{BILLING}\n\nbilling says yes.\n\n{TECHNICAL}\n\ntechnical says yes.");
    assert_eq!(answer_of(&events), Some(whole.as_str()));
    let mut of_agents = steps(&events);
    let routed = of_agents.remove(0);
    assert_eq!(routed, ("Routed to billing and technical".to_owned(), None));
    of_agents.sort();
    let own = |agent: &str| (format!("step of {agent}"), Some(agent.to_owned()));
    assert_eq!(of_agents, [own("billing"), own("technical")]);
    use AgentStatus::{Active, Complete, Routing};
    assert_eq!(
        statuses(&events),
        [
            ("orchestrator", Routing),
            ("billing", Active),
            ("technical", Active),
            ("technical", Complete),
            ("billing", Complete),
            ("orchestrator", Complete),
        ]
    );
    let EventBody::MessageCompleted(completed) = &events.last().unwrap().body else {
        panic!("it is completed")
    };
    assert_eq!(
        completed.message.agent.as_ref().map(|agent| agent.as_str()),
        Some("billing")
    );
    assert_eq!((completed.metrics.tokens_used, completed.metrics.cost), (6, 0.5));
    let agents = house.gateway.agents();
    let tokens = |id: &str| agents.iter().find(|agent| agent.id.as_str() == id).unwrap().tokens_used;
    assert_eq!((tokens("billing"), tokens("technical")), (3, 3));
}

#[actix_rt::test]
async fn a_stop_in_the_middle_stops_all_parts_and_adds_up_what_they_cost() {
    let cast = Cast::new(Act::Wait, Act::Wait);
    let house = cast.house().await;
    let session_id = SessionId::new();
    let mut follower = house.follow(session_id).await;
    let turn = house.say(session_id, MESSAGE).await;
    follower.until("message_delta").await;
    until("both are at work", || cast.at_work.load(Ordering::SeqCst) == 2).await;
    let receipt = house.gateway.cancel(turn).await.unwrap();
    assert_eq!(cast.at_work.load(Ordering::SeqCst), 0, "nobody works any more");
    assert_eq!(receipt.tokens_billed, 24);
    assert!(receipt.upstream_closed_ms.is_some());
    let kept = format!("{BILLING}\n\nbilling says ");
    assert_eq!(receipt.kept, kept.len() as u64);
    let messages = house
        .gateway
        .messages(session_id, 10, None)
        .await
        .unwrap()
        .unwrap()
        .items;
    let last = messages.last().unwrap();
    assert_eq!(
        (last.content.as_str(), last.agent.as_ref().unwrap().as_str()),
        (kept.as_str(), "billing")
    );
}

#[actix_rt::test]
async fn a_part_that_had_ended_before_the_stop_is_billed_too() {
    let cast = Cast::new(Act::Answer, Act::Wait);
    let house = cast.house().await;
    let session_id = SessionId::new();
    let mut follower = house.follow(session_id).await;
    let turn = house.say(session_id, MESSAGE).await;
    while !follower.until("message_delta").await.text.contains("technical says") {}
    let receipt = house.gateway.cancel(turn).await.unwrap();
    assert_eq!(receipt.tokens_billed, 15);
}

#[actix_rt::test]
async fn one_agent_that_fails_leaves_a_sentence_and_the_other_answers() {
    for (billing, technical, failed) in [
        (Act::Fail, Act::Answer, "billing"),
        (Act::Answer, Act::Fail, "technical"),
        (Act::Panic, Act::Answer, "billing"),
    ] {
        let house = Cast::new(billing, technical).house().await;
        let events = house.events(house.say(SessionId::new(), MESSAGE).await).await;
        let answer = answer_of(&events).unwrap();
        assert!(answer.find(BILLING) < answer.find(TECHNICAL), "{answer}");
        assert_eq!(answer.matches("I could not answer this part.").count(), 1, "{answer}");
        assert_eq!(answer.matches("says yes.").count(), 1, "{answer}");
        let no_answer = (format!("No answer from {failed}"), Some(failed.to_owned()));
        assert!(steps(&events).contains(&no_answer), "{:?}", steps(&events));
        assert!(statuses(&events).contains(&(failed, AgentStatus::Idle)));
        let EventBody::MessageCompleted(completed) = &events.last().unwrap().body else {
            panic!("it is completed")
        };
        assert_eq!(completed.message.confidence.unwrap().get(), 0.0);
        assert_eq!(
            completed.message.agent.as_ref().map(|agent| agent.as_str()),
            Some("billing")
        );
    }
}

#[actix_rt::test]
async fn an_agent_that_fails_in_the_middle_withdraws_its_part_alone() {
    let cast = Cast::new(Act::Answer, Act::FailWhenLet);
    let house = cast.house().await;
    let session_id = SessionId::new();
    let mut follower = house.follow(session_id).await;
    let turn = house.say(session_id, MESSAGE).await;
    while !follower.until("message_delta").await.text.contains("technical says") {}
    cast.let_go.add_permits(1);
    follower.until("message_reset").await;
    let again = follower.until("message_delta").await;
    assert!(
        again.text.contains("\"offset\":0") && again.text.contains("billing says yes."),
        "{}",
        again.text
    );
    let events = house.events(turn).await;
    let answer = answer_of(&events).unwrap();
    assert!(
        answer.contains("billing says yes.") && !answer.contains("technical says"),
        "{answer}"
    );
}

#[actix_rt::test]
async fn where_all_agents_fail_the_turn_goes_on_as_that_of_the_first_would() {
    // Nobody else has an answer either.
    let house = Cast::new(Act::Fail, Act::Panic).house().await;
    let events = house.events(house.say(SessionId::new(), MESSAGE).await).await;
    assert_eq!(end_of(&events), "turn_failed");
    let mut titles: Vec<_> = steps(&events).into_iter().map(|(title, _)| title).collect();
    titles[1..3].sort();
    assert_eq!(
        titles,
        [
            "Routed to billing and technical",
            "No answer from billing",
            "No answer from technical",
            "Fell back to orchestrator"
        ]
    );

    let mut cast = Cast::new(Act::Fail, Act::Fail);
    Arc::get_mut(&mut cast).unwrap().whole = Act::Answer;
    let house = cast.house().await;
    let events = house.events(house.say(SessionId::new(), MESSAGE).await).await;
    assert_eq!(answer_of(&events), Some("whole says yes."));
    let own = steps(&events).pop().unwrap();
    assert_eq!(own, ("step of whole".to_owned(), None), "one agent alone needs no name");
}

#[actix_rt::test]
async fn an_agent_whose_turn_it_is_not_waits_once_much_is_to_be_told() {
    let cast = Cast::new(Act::AnswerWhenLet, Act::Flood);
    let house = cast.house().await;
    let turn = house.say(SessionId::new(), MESSAGE).await;
    until("it begins", || cast.pieces.load(Ordering::SeqCst) >= 64).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    let said = cast.pieces.load(Ordering::SeqCst);
    assert!(said < PIECES / 2, "{said} pieces of {PIECES} are said");
    cast.let_go.add_permits(1);
    let events = house.events(turn).await;
    assert_eq!(cast.pieces.load(Ordering::SeqCst), PIECES);
    assert!(answer_of(&events).unwrap().len() > PIECES * PIECE_BYTES);
}

#[actix_rt::test]
async fn an_agent_that_waits_for_room_hears_of_the_stop() {
    let cast = Cast::new(Act::Wait, Act::Flood);
    let house = cast.house().await;
    let turn = house.say(SessionId::new(), MESSAGE).await;
    until("it begins", || cast.pieces.load(Ordering::SeqCst) >= 64).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    let began = Instant::now();
    let receipt = house.gateway.cancel(turn).await.unwrap();
    assert!(began.elapsed() < Duration::from_millis(900), "{:?}", began.elapsed());
    assert_eq!(receipt.tokens_billed, 12);
    assert_eq!(cast.at_work.load(Ordering::SeqCst), 0);
}

/// The agents that come with it, but technical works at one turn at once.
fn narrow() -> Catalog {
    let folder = tempfile::tempdir().unwrap();
    for file in fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../../config/agents")).unwrap() {
        let file = file.unwrap();
        let mut text = fs::read_to_string(file.path()).unwrap();
        if file.file_name() == "technical.toml" {
            text = text.replace("concurrency_turns = 64", "concurrency_turns = 1");
        }
        fs::write(folder.path().join(file.file_name()), text).unwrap();
    }
    Catalog::load(folder.path()).unwrap()
}

#[actix_rt::test]
async fn a_part_in_its_agents_queue_does_not_hold_up_the_receipt() {
    let cast = Cast::new(Act::Wait, Act::Wait);
    let house = House::start_with(narrow(), Arc::<Cast>::clone(&cast) as Arc<dyn Responder>).await;
    // However they fall on the shards, at least one has its second part in a queue.
    let mut turns = Vec::new();
    for _ in 0..3 {
        turns.push(house.say(SessionId::new(), MESSAGE).await);
    }
    until("the first parts are at work", || {
        cast.at_work.load(Ordering::SeqCst) >= 4
    })
    .await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    let at_work = cast.at_work.load(Ordering::SeqCst);
    assert!(at_work < 6, "{at_work} parts are at work");
    // The last one first: whoever is before it in the queue goes on.
    for turn in turns.into_iter().rev() {
        let began = Instant::now();
        let receipt = house.gateway.cancel(turn).await.unwrap();
        assert!(
            receipt.tokens_billed == 12 || receipt.tokens_billed == 24,
            "{receipt:?}"
        );
        assert!(began.elapsed() < Duration::from_millis(1_900), "{:?}", began.elapsed());
    }
}

#[actix_rt::test]
async fn a_turn_that_is_cut_off_in_the_middle_is_taken_up_with_all_its_parts() {
    let before = Cast::new(Act::Answer, Act::Wait);
    let house = before.house().await;
    let session_id = SessionId::new();
    let mut follower = house.follow(session_id).await;
    let turn = house.say(session_id, MESSAGE).await;
    while !follower.until("message_delta").await.text.contains("technical says") {}

    let after = Cast::new(Act::Answer, Act::Answer);
    let again = House::start_in(house.copy(), settings(), after).await;
    assert_eq!(again.gateway.resume_interrupted().await, Ok(1));
    let events = again.events(turn).await;
    let whole = format!("{BILLING}\n\nbilling says yes.\n\n{TECHNICAL}\n\ntechnical says yes.");
    assert_eq!(answer_of(&events), Some(whole.as_str()));
    assert!(events.iter().zip(1..).all(|(event, seq)| event.seq == seq));
    let taken_up = steps(&events)
        .into_iter()
        .filter(|(title, _)| title.starts_with("Taken up again"));
    assert_eq!(taken_up.count(), 1);
}
