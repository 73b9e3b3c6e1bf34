//! Trials: a turn of an agent that nobody hears of, by its definition or by a draft of another one.

use std::{
    panic::AssertUnwindSafe,
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::FutureExt;
use orchestratai_agents::{
    definition::AgentDefinition,
    turn::{FromClient, Responder, Step, Steps, TurnRequest, UsageMeter},
};
use orchestratai_shared::{
    AgentId, AgentTurn, Citation, Confidence, ErrorCode, Failure, LogId, MessageContent, MessageId, RetrievalLog,
    SessionId, Timestamp, TurnId,
};
use orchestratai_store::{DEFAULT_ORGANIZATION, Page};
use tokio::{sync::mpsc, time::timeout};

use super::{Gateway, unreadable};
use crate::refusal::Refusal;

/// Makes what answers a trial by a definition: it takes nothing from the semantic cache and leaves nothing in it.
pub type TrialResponder = Arc<dyn Fn(&AgentDefinition) -> Arc<dyn Responder> + Send + Sync>;

/// What a trial came to.
#[derive(Debug, Clone, PartialEq)]
pub struct Trial {
    /// The answer, as far as it came.
    pub answer: String,
    /// How sure it is; none where there is no whole answer.
    pub confidence: Option<Confidence>,
    /// What each `[n]` in the answer stands for.
    pub citations: Vec<Citation>,
    /// What the agent did, step by step.
    pub logs: Vec<RetrievalLog>,
    /// How long it took.
    pub latency: Duration,
    /// Tokens that providers have reported.
    pub tokens: u64,
    /// What they cost, in USD.
    pub cost: f64,
    /// Why there is no whole answer, where there is none.
    pub failure: Option<Failure>,
}

/// Trials at once: turns of real people come first.
pub(crate) const TRIALS_MAX: usize = 2;
/// How long a trial waits for a place, and how long it may take at most, whatever the definition says.
const PLACE_PATIENCE: Duration = Duration::from_secs(5);
const TRIAL_MAX: Duration = Duration::from_secs(30);
/// Steps that may wait to be taken.
const STEPS_WAITING_MAX: usize = 64;

impl Gateway {
    /// The last `limit` turns that an agent has had, or the last before `before`, newest last.
    ///
    /// # Errors
    /// [`Refusal`] where the store cannot be read, or there is no turn `before`.
    pub async fn turns_of_agent(
        &self,
        agent: &AgentId,
        limit: usize,
        before: Option<TurnId>,
    ) -> Result<Page<AgentTurn>, Refusal> {
        let store = &self.inner.store;
        let page = store.turns_of_agent(DEFAULT_ORGANIZATION, agent, limit, before).await;
        page.map_err(|error| unreadable(&error))
    }

    /// Lets agents answer a message by these definitions, one after the other, as the first message of a session. Nothing of it is
    /// stored or published, and nothing counted as a turn.
    ///
    /// # Errors
    /// [`Refusal`] where too many trials are under way, or not all is there yet that an answer needs.
    pub async fn try_out(
        &self,
        definitions: &[&AgentDefinition],
        message: &MessageContent,
    ) -> Result<Vec<Trial>, Refusal> {
        if !self.is_ready() {
            return Err(Refusal::overloaded("The server is starting.", Duration::from_secs(2)));
        }
        let place = timeout(PLACE_PATIENCE, self.inner.trials.acquire()).await;
        let _place = place.map_err(|_elapsed| {
            Refusal::overloaded(
                "As many trials are under way as can be at once.",
                Duration::from_secs(2),
            )
        })?;
        let intent = self.route(message).intent;
        let mut trials = Vec::with_capacity(definitions.len());
        for definition in definitions {
            let request = TurnRequest {
                session_id: SessionId::new(),
                turn_id: TurnId::new(),
                message: message.clone(),
                fresh: true,
                intent,
                history: Vec::new(),
                organization: DEFAULT_ORGANIZATION.into(),
                user: None,
                past: Vec::new(),
                part: None,
                client: FromClient::default(),
            };
            let responder = (self.inner.trial_responder)(definition);
            let limit = Ord::min(definition.limits.timeout, TRIAL_MAX);
            trials.push(run(responder.as_ref(), &request, limit).await);
        }
        Ok(trials)
    }
}

async fn run(responder: &dyn Responder, request: &TurnRequest, limit: Duration) -> Trial {
    let (sender, mut receiver) = mpsc::channel(STEPS_WAITING_MAX);
    let (steps, meter) = (Steps::new(sender), UsageMeter::default());
    let mut told = Told {
        session_id: request.session_id,
        message_id: MessageId::new(),
        answer: String::new(),
        logs: Vec::new(),
    };
    let began = Instant::now();
    // A panic ends this trial and nothing else.
    let mut answer = Box::pin(AssertUnwindSafe(responder.answer(request, &steps, &meter)).catch_unwind());
    let work = async {
        loop {
            tokio::select! {
                biased;
                outcome = &mut answer => break outcome,
                Some(step) = receiver.recv() => told.take(step),
            }
        }
    };
    let outcome = timeout(limit, work).await;
    let latency = began.elapsed();
    // Dropping the responder's future closes what it has open upstream.
    drop(answer);
    while let Ok(step) = receiver.try_recv() {
        told.take(step);
    }
    let outcome = match outcome {
        Ok(Ok(Ok(answer))) => Ok(answer),
        Ok(Ok(Err(error))) => Err(error.failure()),
        Ok(Err(_panic)) => Err(Failure::new(ErrorCode::InternalError, "The agent failed unexpectedly.")),
        Err(_elapsed) => Err(Failure::new(ErrorCode::Timeout, "The agent took too long.")),
    };
    let (answer, failure) = match outcome {
        Ok(answer) => (Some(answer), None),
        Err(failure) => (None, Some(failure)),
    };
    Trial {
        answer: told.answer,
        confidence: answer.as_ref().map(|answer| answer.confidence),
        logs: told.logs,
        latency,
        tokens: meter.usage().tokens,
        cost: meter.usage().cost,
        citations: answer.map(|answer| answer.citations).unwrap_or_default(),
        failure,
    }
}

/// What has come of a trial so far.
struct Told {
    session_id: SessionId,
    message_id: MessageId,
    answer: String,
    logs: Vec<RetrievalLog>,
}

impl Told {
    fn take(&mut self, step: Step) {
        match step {
            Step::Delta(text) => self.answer += &text,
            Step::Reset { .. } => self.answer.clear(),
            // A trial is on no record.
            Step::ToolCall { durable, .. } => durable.tell(),
            Step::Log {
                agent,
                title,
                status,
                data,
            } => self.logs.push(RetrievalLog {
                id: LogId::new(),
                data,
                title,
                timestamp: Timestamp::now(),
                status,
                chunks: None,
                session_id: self.session_id,
                message_id: self.message_id,
                agent,
            }),
        }
    }
}
