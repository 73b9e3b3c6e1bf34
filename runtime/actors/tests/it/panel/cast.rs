//! Two agents who do as they are told, and are told apart by what they are asked.

use std::{
    future::pending,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use orchestratai_agents::turn::{AgentError, Answer, Responder, Step, Steps, TurnRequest, Usage, UsageMeter};
use orchestratai_shared::{CacheLookup, CacheOutcome, CacheStatus, Confidence, LogData, LogStatus};
use tokio::sync::Semaphore;

use crate::house::{House, settings};

/// What they are asked together.
pub(super) const MESSAGE: &str = "My invoice is wrong and the webhook returns 401";

/// What an agent does with its part.
#[derive(Clone, Copy)]
pub(super) enum Act {
    /// Answers.
    Answer,
    /// Says something, and answers when the test lets it.
    AnswerWhenLet,
    /// Answers at length, more than may wait.
    Flood,
    /// Fails before it says anything.
    Fail,
    /// Says something, and fails when the test lets it.
    FailWhenLet,
    /// Says something, spends something, and never comes to an end.
    Wait,
    /// Panics.
    Panic,
}

/// Pieces of a long answer, and the bytes of one.
pub(super) const PIECES: usize = 400;
pub(super) const PIECE_BYTES: usize = 1_024;

/// Two agents, told apart by what they are asked.
pub(super) struct Cast {
    billing: Act,
    technical: Act,
    /// What the whole message is answered with, where it comes to that.
    pub(super) whole: Act,
    /// One permit lets one of them go on.
    pub(super) let_go: Semaphore,
    /// How many work now.
    pub(super) at_work: AtomicUsize,
    /// How many pieces of long answers have been said.
    pub(super) pieces: AtomicUsize,
}

impl Cast {
    pub(super) fn new(billing: Act, technical: Act) -> Arc<Self> {
        Arc::new(Self {
            billing,
            technical,
            whole: Act::Fail,
            let_go: Semaphore::new(0),
            at_work: AtomicUsize::new(0),
            pieces: AtomicUsize::new(0),
        })
    }

    pub(super) async fn house(self: &Arc<Self>) -> House {
        House::start(settings(), Arc::<Self>::clone(self) as Arc<dyn Responder>).await
    }
}

/// An agent at work, until it is dropped.
struct AtWork<'a>(&'a AtomicUsize);

impl Drop for AtWork<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[async_trait]
impl Responder for Cast {
    async fn answer(&self, request: &TurnRequest, steps: &Steps, meter: &UsageMeter) -> Result<Answer, AgentError> {
        // Before a part the agent is shown the whole.
        let before = request.history.last().map(|message| message.content.as_str());
        assert_eq!(before == Some(MESSAGE), request.part.is_some());
        self.at_work.fetch_add(1, Ordering::SeqCst);
        let _at_work = AtWork(&self.at_work);
        let (name, act) = match (request.message.as_str(), request.part.is_some()) {
            ("My invoice is wrong", true) => ("billing", self.billing),
            ("the webhook returns 401", true) => ("technical", self.technical),
            (MESSAGE, false) => ("whole", self.whole),
            (other, _) => panic!("nobody says “{other}”"),
        };
        let data = LogData::Cache(CacheLookup {
            status: CacheOutcome::Miss,
            hit_rate: 0.0,
            size: 0,
            reason: None,
            similarity: None,
        });
        let (title, status) = (format!("step of {name}"), LogStatus::Success);
        let failed = || AgentError::TimedOut {
            limit: Duration::from_millis(1),
        };
        match act {
            Act::Panic => panic!("it was told to panic"),
            Act::Fail => return Err(failed()),
            Act::Flood => {
                for piece in 0..PIECES {
                    steps.send(Step::Delta(format!("{piece:0>PIECE_BYTES$}"))).await?;
                    self.pieces.fetch_add(1, Ordering::SeqCst);
                }
            }
            Act::Answer | Act::AnswerWhenLet | Act::FailWhenLet | Act::Wait => {
                steps.send(Step::Delta(format!("{name} says "))).await?;
            }
        }
        steps
            .send(Step::Log {
                agent: None,
                title,
                status,
                data,
            })
            .await?;
        match act {
            Act::AnswerWhenLet | Act::FailWhenLet => {
                self.let_go.acquire().await.expect("it stays open").forget();
            }
            Act::Wait => {
                let _upstream = meter.open_upstream();
                let used = Usage {
                    tokens: 12,
                    prompt_tokens: 7,
                    cost: 0.5,
                    unpriced_tokens: 0,
                };
                meter.add(&"a-model".into(), used);
                pending::<()>().await;
            }
            Act::Answer | Act::Flood | Act::Fail | Act::Panic => {}
        }
        if matches!(act, Act::FailWhenLet) {
            return Err(failed());
        }
        steps.send(Step::Delta("yes.".into())).await?;
        let used = Usage {
            tokens: 3,
            prompt_tokens: 2,
            cost: 0.25,
            unpriced_tokens: 0,
        };
        meter.add(&"a-model".into(), used);
        Ok(Answer {
            confidence: Confidence::new(0.9),
            citations: vec![],
            usage: meter.usage(),
            cache_status: CacheStatus::None,
            incomplete: None,
        })
    }
}
