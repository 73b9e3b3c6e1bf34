//! One turn as an agent sees it: what it is asked, what it does step by step, what it answers, how it fails.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use orchestratai_shared::{
    AgentId, CacheStatus, Citation, ClientCall, ClientTools, Confidence, ContextMessage, ErrorCode, Event, Failure,
    Incomplete, Intent, LogData, LogStatus, Message, MessageContent, SessionId, TurnId, UserMessage, event::ToolCall,
};
use tokio::sync::{Notify, mpsc};

use crate::{
    conversation::Standalone,
    knowledge::KnowledgeError,
    language::{Price, Spender, TokenUsage},
    model::ModelError,
    tool::ApprovalRule,
};

/// Answers turns: an agent at work.
///
/// Cancelling is dropping the future: nothing is left running, and what is open upstream closes with it.
#[async_trait]
pub trait Responder: Send + Sync {
    /// Answers one turn. Steps leave through `steps` when they happen, the answer as [`Step::Delta`]s; its text is what
    /// the deltas since the last [`Step::Reset`] add up to. `meter` is kept up to date while the answer is made.
    ///
    /// # Errors
    /// [`AgentError`] where there is no answer; deltas already sent are then withdrawn by the caller.
    async fn answer(&self, request: &TurnRequest, steps: &Steps, meter: &UsageMeter) -> Result<Answer, AgentError>;

    /// Whether it has a model that calls tools, and so may call a client's.
    fn calls_tools(&self) -> bool {
        false
    }

    /// The names of the tools that sources have for it; `None` where it has no model that calls any.
    async fn tools(&self) -> Option<Vec<String>> {
        None
    }
}

/// What is to be answered.
#[derive(Debug, Clone)]
pub struct TurnRequest {
    /// The session it belongs to.
    pub session_id: SessionId,
    /// The turn.
    pub turn_id: TurnId,
    /// What the user says.
    pub message: MessageContent,
    /// Whether the semantic cache is to be passed by.
    pub fresh: bool,
    /// What the message wants, as routing found.
    pub intent: Intent,
    /// The transcript before this message, oldest first; the last few messages of it. Before a part stands the whole message.
    pub history: Vec<Arc<Message>>,
    /// Whose session it is: nothing is shared across organizations.
    pub organization: Arc<str>,
    /// Whose session it is in that organization, where that is known.
    pub user: Option<Arc<str>>,
    /// What the turn has done so far that counts when an agent goes on with it: its calls of tools, requests for approval and
    /// decisions on them, oldest first.
    pub past: Vec<Arc<Event>>,
    /// Where the message is a part of what the user said, the rest of which others answer: what is known of that.
    pub part: Option<Part>,
    /// What the client has brought along of its own tools.
    pub client: FromClient,
}

/// What a client has brought along that has tools of its own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FromClient {
    /// What may be called in this turn; the turn ends with such calls.
    pub tools: Option<Arc<ClientTools>>,
    /// What was called for the message in turns before that have ended so, with what came back; oldest first.
    pub called: Arc<[ContextMessage]>,
    /// What was said before the message, with what was called then. [`TurnRequest::history`] begins with those of it that are not blank.
    pub context: Arc<[ContextMessage]>,
}

impl FromClient {
    /// Whether the answer to the message may have to do with the client's tools.
    #[must_use]
    pub fn has_any(&self) -> bool {
        self.tools.is_some() || !self.called.is_empty()
    }
}

impl From<&UserMessage> for FromClient {
    fn from(said: &UserMessage) -> Self {
        Self {
            tools: said.client_tools.clone(),
            called: Arc::clone(&said.called),
            context: Arc::clone(&said.context),
        }
    }
}

impl TurnRequest {
    /// Whether the turn can wait for a person who decides on a budget. It cannot for one of several parts of a message: what the others have
    /// answered is on no record before all of it is, and would have to be paid for again.
    #[must_use]
    pub fn can_wait(&self) -> bool {
        let Some(part) = &self.part else { return true };
        part.asker.as_ref().is_some_and(|asker| asker.can_wait)
    }
}

/// What is known of a message that is a part of another (see [`JointAnswer`](crate::joint::JointAnswer)), or another agent's question. It is
/// offered no tool that waits for a person, and does not give the turn away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// The part made to stand on its own, where it leans on the rest.
    pub standalone: Option<Standalone>,
    /// Who asks, where it is another agent's question and none of the user's.
    pub asker: Option<Asker>,
}

/// An agent that asks another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asker {
    /// The call by which it asks.
    pub call_id: String,
    /// It and those that have asked it, the turn's own agent first.
    pub chain: Vec<AgentId>,
    /// Whether the turn can wait for a person who decides on a budget.
    pub can_wait: bool,
}

/// One thing that an agent does in a turn.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// A step for people to see.
    Log {
        /// Who took it, where that is another agent than the one that answers.
        agent: Option<AgentId>,
        /// What happened, in a few words.
        title: String,
        /// How it went.
        status: LogStatus,
        /// The kind and data of the step.
        data: LogData,
    },
    /// The next piece of the answer.
    Delta(String),
    /// All deltas so far are withdrawn; the answer begins anew.
    Reset {
        /// Why, for people.
        reason: String,
    },
    /// A tool is called, or its call has ended.
    ToolCall {
        /// What is recorded of it.
        call: Box<ToolCall>,
        /// Is told once that is durable.
        durable: Durable,
    },
}

/// Is told once that something is durable.
#[derive(Debug, Clone, Default)]
pub struct Durable(Arc<Notify>);

impl Durable {
    /// It is durable.
    pub fn tell(&self) {
        self.0.notify_one();
    }

    /// Waits until it is. One waits at most.
    pub async fn wait(&self) {
        self.0.notified().await;
    }
}

impl PartialEq for Durable {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

/// Why an agent stops without an answer, though nothing has failed.
#[derive(Debug, Clone, PartialEq)]
pub enum Pause {
    /// The client is to call tools of its own. The turn ends with that; what came back is brought along by another one.
    ClientCalls {
        /// Which, at least one.
        calls: Vec<ClientCall>,
        /// What each `[n]` stands for in what was said beside them.
        citations: Vec<Citation>,
    },
    /// A person has to decide whether tools may be called, on each by itself; at least one. The turn goes on by the same agent once all of that is
    /// decided, from what it has done so far.
    Approval(Vec<ApprovalWanted>),
    /// Another agent is to go on.
    HandOff {
        /// Which.
        to: AgentId,
        /// Why, and what the other should know, for people and for the other agent.
        reason: String,
    },
}

/// What a person is to decide on.
#[derive(Debug, Clone, PartialEq)]
pub struct ApprovalWanted {
    /// The call that waits; none where the model has called nothing.
    pub call_id: Option<String>,
    /// What was called together has the same number.
    pub round: Option<u32>,
    /// Its place among that, from 0.
    pub place: Option<u32>,
    /// What the model's provider wants to see again with the call, unread.
    pub signature: Option<String>,
    /// The tool.
    pub tool: String,
    /// What it would be given.
    pub arguments: serde_json::Value,
    /// Whether a person has to, why, and within what time.
    pub rule: ApprovalRule,
}

/// Where steps go: the sending half of a bounded channel, so that a slow taker slows the agent.
#[derive(Debug, Clone)]
pub struct Steps(mpsc::Sender<Step>);

impl Steps {
    /// Sends to `sender`.
    #[must_use]
    pub fn new(sender: mpsc::Sender<Step>) -> Self {
        Self(sender)
    }

    /// Hands over one step; waits while the channel is full. After a log step it waits in any case until the step can have
    /// been taken: an agent that never has to wait for anything else would show all of them at its end.
    ///
    /// # Errors
    /// [`Gone`] where nobody takes steps any more.
    pub async fn send(&self, step: Step) -> Result<(), Gone> {
        let is_log = matches!(step, Step::Log { .. });
        self.0.send(step).await.map_err(|_closed| Gone)?;
        if is_log {
            tokio::task::yield_now().await;
        }
        Ok(())
    }
}

/// Nobody takes the steps of this turn any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("nobody takes the steps of this turn any more")]
pub struct Gone;

/// A finished answer; its text is what the deltas add up to.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// How sure it is; below 0.5 it says itself that the knowledge base has no answer.
    pub confidence: Confidence,
    /// What each `[n]` in the text stands for, by rising `index`.
    pub citations: Vec<Citation>,
    /// What it took.
    pub usage: Usage,
    /// Whether the semantic cache answered.
    pub cache_status: CacheStatus,
    /// Why it is not whole; `None` where it is.
    pub incomplete: Option<Incomplete>,
}

/// Tokens and their price, as the provider reported them.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Usage {
    /// Tokens; 0 for the embedded model.
    pub tokens: u64,
    /// Those of `tokens` that models were sent; the others they have written.
    pub prompt_tokens: u64,
    /// Price in USD, of those whose price is known.
    pub cost: f64,
    /// Those of `tokens` whose price is not known.
    pub unpriced_tokens: u64,
}

impl Usage {
    /// What these tokens are, at a price where one is known.
    #[must_use]
    pub fn of(used: TokenUsage, price: Option<Price>) -> Self {
        let tokens = used.total();
        Self {
            tokens,
            prompt_tokens: used.input,
            cost: price.map_or(0.0, |price| price.of(used)),
            unpriced_tokens: if price.is_some() { 0 } else { tokens },
        }
    }

    /// What is new of it since `before`: providers report what there was so far, some of them several times.
    #[must_use]
    pub fn since(self, before: Self) -> Self {
        Self {
            tokens: self.tokens.saturating_sub(before.tokens),
            prompt_tokens: self.prompt_tokens.saturating_sub(before.prompt_tokens),
            cost: (self.cost - before.cost).max(0.0),
            unpriced_tokens: self.unpriced_tokens.saturating_sub(before.unpriced_tokens),
        }
    }

    /// The tokens whose price is not known, where there are any.
    #[must_use]
    pub fn unpriced(self) -> Option<u64> {
        (self.unpriced_tokens > 0).then_some(self.unpriced_tokens)
    }

    /// The tokens that models were sent, and those that they have written, where there are any.
    #[must_use]
    pub fn sent_and_written(self) -> Option<(u64, u64)> {
        let written = self.tokens.saturating_sub(self.prompt_tokens);
        (self.tokens > 0).then_some((self.prompt_tokens, written))
    }

    /// Both together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            tokens: self.tokens.saturating_add(other.tokens),
            prompt_tokens: self.prompt_tokens.saturating_add(other.prompt_tokens),
            cost: self.cost + other.cost,
            unpriced_tokens: self.unpriced_tokens.saturating_add(other.unpriced_tokens),
        }
    }
}

/// What a turn has used so far, readable at any time from outside, also after the turn's future was dropped.
#[derive(Debug, Default)]
pub struct UsageMeter {
    /// By model: a turn may use several, where one stands in for another.
    used: Mutex<Vec<(Arc<str>, Usage)>>,
    upstreams_open: AtomicUsize,
    had_upstream: AtomicBool,
}

impl UsageMeter {
    /// Adds what a provider has reported of a model, by its name in agent files. A price below zero, or that is no number, counts as
    /// none.
    pub fn add(&self, model: &Arc<str>, usage: Usage) {
        let usage = Usage {
            cost: if usage.cost > 0.0 { usage.cost } else { 0.0 },
            ..usage
        };
        let mut used = self.used();
        match used.iter_mut().find(|(known, _)| known == model) {
            Some((_, sum)) => *sum = sum.plus(usage),
            None => used.push((Arc::clone(model), usage)),
        }
    }

    /// What was used so far of each model.
    #[must_use]
    pub fn by_model(&self) -> Vec<(Arc<str>, Usage)> {
        self.used().clone()
    }

    /// What was used so far.
    #[must_use]
    pub fn usage(&self) -> Usage {
        let used = self.used();
        used.iter().fold(Usage::default(), |sum, (_, usage)| sum.plus(*usage))
    }

    fn used(&self) -> MutexGuard<'_, Vec<(Arc<str>, Usage)>> {
        // Nothing panics while it is held.
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that a request to a provider or a call of a tool is open, until the guard is dropped: with the turn's future, if not before. Several may be.
    #[must_use = "the upstream counts as open only as long as the guard lives"]
    pub fn open_upstream(&self) -> OpenUpstream<'_> {
        self.had_upstream.store(true, Ordering::Relaxed);
        self.upstreams_open.fetch_add(1, Ordering::Relaxed);
        OpenUpstream(self)
    }

    /// Whether a request to a provider or a call of a tool is open now.
    #[must_use]
    pub fn upstream_open(&self) -> bool {
        self.upstreams_open.load(Ordering::Relaxed) > 0
    }

    /// Whether there ever was one in this turn.
    #[must_use]
    pub fn had_upstream(&self) -> bool {
        self.had_upstream.load(Ordering::Relaxed)
    }
}

/// Who pays for a request to a provider that is no answer, and where what it uses is noted.
#[derive(Debug, Clone)]
pub struct Payer<'a> {
    /// For whom it is made.
    pub spender: Spender,
    /// The turn's.
    pub meter: &'a UsageMeter,
}

/// A request to a provider that is under way; see [`UsageMeter::open_upstream`].
#[derive(Debug)]
pub struct OpenUpstream<'a>(&'a UsageMeter);

impl Drop for OpenUpstream<'_> {
    fn drop(&mut self) {
        self.0.upstreams_open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Why an agent has no answer.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// The knowledge base cannot be searched.
    #[error("the knowledge base cannot be searched")]
    KnowledgeUnavailable(#[source] KnowledgeError),
    /// The model failed.
    #[error("the model failed")]
    Model(#[source] ModelError),
    /// It took longer than the agent's limit.
    #[error("the agent took longer than {} ms", .limit.as_millis())]
    TimedOut {
        /// The limit.
        limit: Duration,
    },
    /// More turns wait for the agent than its limit allows.
    #[error("more turns wait for the agent than it can take")]
    Overloaded {
        /// When it makes sense to try again, where that is known.
        retry_after: Option<Duration>,
    },
    /// There is no answer of this agent now, and nothing has failed: nobody stands in.
    #[error("the turn pauses")]
    Paused(Pause),
    /// Nobody takes the steps of the turn any more.
    #[error("the turn was abandoned")]
    Abandoned(#[from] Gone),
}

impl AgentError {
    /// The failure as the client sees it; causes stay in the log.
    #[must_use]
    pub fn failure(&self) -> Failure {
        match self {
            Self::KnowledgeUnavailable(_) => Failure::new(
                ErrorCode::InternalError,
                "The knowledge base cannot be searched just now.",
            ),
            Self::Model(error) => error.failure(),
            Self::TimedOut { .. } => Failure::new(ErrorCode::Timeout, "The agent took too long."),
            Self::Overloaded { .. } => Failure::new(
                ErrorCode::Overloaded,
                "The agent has more to do than it can take. Try again shortly.",
            ),
            // Where a turn cannot pause, as in a part of it, no tool that pauses is offered; a trial may come to the end of a budget.
            Self::Paused(Pause::Approval(wanted)) => Failure::new(
                ErrorCode::InternalError,
                format!(
                    "Nobody can be waited for here, and a person would have to decide. {}",
                    wanted
                        .iter()
                        .map(|wanted| wanted.rule.reason.as_str())
                        .collect::<Vec<_>>()
                        .join(" ")
                ),
            ),
            Self::Paused(Pause::HandOff { .. }) => {
                Failure::new(ErrorCode::InternalError, "The agent cannot hand off here.")
            }
            Self::Paused(Pause::ClientCalls { .. }) => Failure::new(
                ErrorCode::InternalError,
                "No client can be asked to call its tools here.",
            ),
            Self::Abandoned(_) => Failure::new(ErrorCode::InternalError, "The turn was abandoned."),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_meter_knows_what_was_used_and_open_after_the_future_is_dropped() {
        let meter = UsageMeter::default();
        let work = async {
            let _upstream = meter.open_upstream();
            let usage = Usage {
                tokens: 7,
                prompt_tokens: 4,
                cost: 0.001_5,
                unpriced_tokens: 0,
            };
            meter.add(&"m".into(), usage);
            std::future::pending::<()>().await;
        };
        let mut work = Box::pin(work);
        let waker = std::task::Waker::noop();
        assert!(std::future::Future::poll(work.as_mut(), &mut std::task::Context::from_waker(waker)).is_pending());
        assert!(meter.upstream_open());
        drop(work);
        assert!(!meter.upstream_open() && meter.had_upstream());
        assert_eq!(meter.usage().tokens, 7);
        assert!((meter.usage().cost - 0.001_5).abs() < 1e-9);
    }

    #[test]
    fn models_are_told_apart_and_a_price_is_never_less_than_nothing() {
        let meter = UsageMeter::default();
        let usage = |tokens, cost, unpriced_tokens| Usage {
            tokens,
            prompt_tokens: tokens / 2,
            cost,
            unpriced_tokens,
        };
        meter.add(&"a".into(), usage(2, 0.5, 0));
        meter.add(&"b".into(), usage(2, f64::NAN, 2));
        meter.add(&"a".into(), usage(4, -3.0, 0));
        assert_eq!(
            meter.by_model(),
            [("a".into(), usage(6, 0.5, 0)), ("b".into(), usage(2, 0.0, 2))]
        );
        assert_eq!(meter.usage(), usage(8, 0.5, 2));
        assert_eq!(meter.usage().sent_and_written(), Some((4, 4)));
        assert_eq!(Usage::default().sent_and_written(), None);
    }

    #[tokio::test]
    async fn a_step_to_nobody_is_an_error_and_no_panic() {
        let (sender, receiver) = mpsc::channel(1);
        drop(receiver);
        assert_eq!(Steps::new(sender).send(Step::Delta("x".into())).await, Err(Gone));
    }
}
