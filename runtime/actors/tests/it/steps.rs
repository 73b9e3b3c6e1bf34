//! The steps of a turn are shown when they happen, not when the answer is there.

use std::{sync::Arc, thread, time::Duration};

use async_trait::async_trait;
use orchestratai_agents::turn::{AgentError, Answer, Responder, Step, Steps, TurnRequest, Usage, UsageMeter};
use orchestratai_shared::{
    CacheStatus, Confidence, DocumentsRead, Event, EventBody, LogData, LogStatus, SessionId, Timestamp,
};
use tokio::sync::Notify;

use crate::house::{House, answer_of, settings};

/// How long the responder that never waits works between its two steps.
const WORK: Duration = Duration::from_millis(300);

fn step(title: &str) -> Step {
    let data = LogData::Documents(DocumentsRead {
        documents: vec![],
        revision: 1,
    });
    Step::Log {
        agent: None,
        title: title.into(),
        status: LogStatus::Success,
        data,
    }
}

async fn end(steps: &Steps) -> Result<Answer, AgentError> {
    steps.send(step("second")).await?;
    steps.send(Step::Delta("Done.".into())).await?;
    Ok(Answer {
        confidence: Confidence::new(0.9),
        citations: vec![],
        usage: Usage::default(),
        cache_status: CacheStatus::None,
        incomplete: None,
    })
}

/// Logs a step, and goes on only when the test says so.
#[derive(Default)]
struct Held(Notify);

#[async_trait]
impl Responder for Held {
    async fn answer(&self, _: &TurnRequest, steps: &Steps, _: &UsageMeter) -> Result<Answer, AgentError> {
        steps.send(step("first")).await?;
        self.0.notified().await;
        end(steps).await
    }
}

/// Logs a step, and then works without ever letting go of its thread, as a model does that runs in this process.
struct Busy;

#[async_trait]
impl Responder for Busy {
    async fn answer(&self, _: &TurnRequest, steps: &Steps, _: &UsageMeter) -> Result<Answer, AgentError> {
        steps.send(step("first")).await?;
        thread::sleep(WORK);
        end(steps).await
    }
}

fn recorded_at(events: &[Arc<Event>], title: &str) -> Timestamp {
    let is_step = |event: &&Arc<Event>| matches!(&event.body, EventBody::RetrievalLog(log) if log.title == title);
    events.iter().find(is_step).expect("the step is recorded").at
}

#[actix_rt::test]
async fn a_follower_has_a_step_before_the_agent_goes_on() {
    let responder = Arc::new(Held::default());
    let house = House::start(settings(), Arc::<Held>::clone(&responder) as Arc<dyn Responder>).await;
    let session_id = SessionId::new();
    let mut follower = house.follow(session_id).await;
    let turn = house.say(session_id, "how much is the invoice?").await;
    // Until the signal is given nothing can come that lies after the first step.
    loop {
        let frame = follower.until("retrieval_log").await;
        assert!(!frame.text.contains("\"second\""), "{}", frame.text);
        if frame.text.contains("\"first\"") {
            break;
        }
    }
    responder.0.notify_one();
    assert_eq!(answer_of(&house.events(turn).await), Some("Done."));
}

#[actix_rt::test]
async fn a_step_of_an_agent_that_never_waits_is_taken_before_its_work_goes_on() {
    let house = House::start(settings(), Arc::new(Busy)).await;
    let turn = house.say(SessionId::new(), "how much is the invoice?").await;
    let events = house.events(turn).await;
    let between = recorded_at(&events, "second").millis_since(recorded_at(&events, "first"));
    assert!(
        between >= u64::try_from(WORK.as_millis()).unwrap() - 1,
        "the first step was recorded {between} ms before the second, and {} ms of work lay between them",
        WORK.as_millis()
    );
}
