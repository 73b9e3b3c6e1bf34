//! The agent actor: one for each agent definition and shard. It lets as many turns run at once as its definition allows,
//! keeps a bounded number waiting, and reports to each turn's session what the responder does.
//!
//! Each run is a task of its own on the actor's thread, and not a future of the actor: whatever wakes an actor has it poll all of its
//! futures, so that each piece of an answer would cost as much as there are answers under way.

pub(crate) mod board;

use std::{
    collections::VecDeque,
    panic::AssertUnwindSafe,
    pin::pin,
    sync::Arc,
    time::{Duration, Instant},
};

use actix::{Actor, Addr, AsyncContext, Context, Handler, Message, Recipient};
use futures_util::FutureExt;
use orchestratai_agents::{
    definition::Limits,
    turn::{AgentError, Responder, Step, Steps, TurnRequest, Usage, UsageMeter},
};
use orchestratai_shared::{AgentId, ErrorCode, Failure};
use orchestratai_telemetry::{Live, Mailbox, Metrics};
use tokio::{sync::mpsc, task::JoinSet};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use crate::session::{
    core::Run,
    messages::{AgentReport, Failed, RunEnd},
    turn::Receipt,
};
use board::Tally;

/// Answers turns with one responder.
pub(crate) struct Agent {
    id: AgentId,
    limits: Limits,
    responder: Arc<dyn Responder>,
    tally: Arc<Tally>,
    running: usize,
    /// Goes with the actor, and takes with it what has not ended.
    runs: JoinSet<()>,
    waiting: VecDeque<(RunTurn, Live)>,
    metrics: Metrics,
}

/// Lets the agent work at a turn. Answered by [`AgentReport`]s, the last of which bears the end.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct RunTurn {
    /// The run.
    pub(crate) run: Run,
    /// The part of the message that is to be answered, from 0; 0 where it is all of it.
    pub(crate) part: usize,
    /// What is to be answered.
    pub(crate) request: TurnRequest,
    /// Cancelled when the turn is to be stopped.
    pub(crate) stop: CancellationToken,
    /// The turn's span; the run is a child of it.
    pub(crate) span: tracing::Span,
    /// Whom to report to.
    pub(crate) session: Recipient<AgentReport>,
}

/// Steps that may wait for their session; a responder that is faster waits.
const STEPS_WAITING_MAX: usize = 64;

impl Agent {
    pub(crate) fn new(
        id: AgentId,
        limits: Limits,
        responder: Arc<dyn Responder>,
        tally: Arc<Tally>,
        metrics: Metrics,
    ) -> Self {
        Self {
            id,
            limits,
            responder,
            tally,
            running: 0,
            runs: JoinSet::new(),
            waiting: VecDeque::new(),
            metrics,
        }
    }

    fn start_next(&mut self, ctx: &mut Context<Self>) {
        while self.running < self.limits.concurrency {
            let Some((run, _)) = self.waiting.pop_front() else {
                return;
            };
            self.running += 1;
            let over = Over(ctx.address());
            let (responder, tally, timeout) = (
                Arc::clone(&self.responder),
                Arc::clone(&self.tally),
                self.limits.timeout,
            );
            let failed = tracing::field::Empty;
            let span = tracing::info_span!(parent: &run.span, "run", agent.id = %self.id, error.code = failed);
            let work = async move {
                let _over = over;
                let _running = tally.begin();
                let report = work(&run, responder.as_ref(), &tally, timeout).await;
                if let Some(RunEnd::Finished(Err(failed))) = &report.end {
                    tracing::Span::current().record("error.code", failed.failure.code.name());
                }
                report.deliver(&run.session).await;
            };
            self.runs.spawn_local(work.instrument(span));
        }
    }
}

/// Tells the agent that a run is over, however it ended.
struct Over(Addr<Agent>);

#[derive(Message)]
#[rtype(result = "()")]
struct RunOver;

impl Drop for Over {
    fn drop(&mut self) {
        #[expect(
            clippy::disallowed_methods,
            reason = "once for each run, and runs are bounded by turn permits"
        )]
        self.0.do_send(RunOver);
    }
}

impl Actor for Agent {
    type Context = Context<Self>;
}

impl Handler<RunTurn> for Agent {
    type Result = ();

    fn handle(&mut self, run: RunTurn, ctx: &mut Self::Context) {
        if self.running >= self.limits.concurrency && self.waiting.len() >= self.limits.queue {
            let full = Failure::new(ErrorCode::Overloaded, "The agent has more to do than it can take.");
            let report = failed(&run, Vec::new(), full, Usage::default());
            #[expect(
                clippy::disallowed_methods,
                reason = "a run ends once, and runs are bounded by turn permits"
            )]
            run.session.do_send(report);
            return;
        }
        self.waiting.push_back((run, self.metrics.queued(Mailbox::Agent)));
        self.start_next(ctx);
    }
}

impl Handler<RunOver> for Agent {
    type Result = ();

    fn handle(&mut self, _: RunOver, ctx: &mut Self::Context) {
        while self.runs.try_join_next().is_some() {}
        self.running -= 1;
        self.start_next(ctx);
    }
}

/// Runs the responder for as long as `limit` lets it, passes on what it does as it does it, and gives the last report.
async fn work(run: &RunTurn, responder: &dyn Responder, tally: &Tally, limit: Duration) -> AgentReport {
    let (sender, mut receiver) = mpsc::channel(STEPS_WAITING_MAX);
    let (steps, meter) = (Steps::new(sender), UsageMeter::default());
    let mut gathered = Vec::new();
    // A panic ends this turn and no other.
    let mut answer = Box::pin(AssertUnwindSafe(responder.answer(&run.request, &steps, &meter)).catch_unwind());
    let mut too_long = pin!(tokio::time::sleep(limit));
    let ended = loop {
        tokio::select! {
            // First of all the stop; then the responder, which lets each of its steps be taken before it goes on.
            biased;
            () = run.stop.cancelled() => break Ended::Stopped,
            outcome = &mut answer => break Ended::ByItself(outcome),
            () = &mut too_long => break Ended::TooLate,
            _ = receiver.recv_many(&mut gathered, STEPS_WAITING_MAX) => {
                tally.stepped(&gathered, run.request.intent);
                run.report(std::mem::take(&mut gathered), None).deliver(&run.session).await;
            }
        }
    };
    let (asked, was_open) = (Instant::now(), meter.upstream_open());
    // Dropping the responder's future closes what it has open upstream.
    drop(answer);
    tally.billed(&meter);
    let outcome = match ended {
        Ended::ByItself(outcome) => outcome,
        Ended::TooLate => return failed(run, Vec::new(), timed_out(), meter.usage()),
        Ended::Stopped => {
            let receipt = Receipt {
                upstream_closed_ms: was_open.then(|| u64::try_from(asked.elapsed().as_millis()).unwrap_or(u64::MAX)),
                tokens_billed: meter.usage().tokens,
            };
            return run.report(Vec::new(), Some(RunEnd::Stopped(receipt)));
        }
    };
    while let Ok(step) = receiver.try_recv() {
        gathered.push(step);
    }
    tally.stepped(&gathered, run.request.intent);
    let failure = match outcome {
        Ok(Ok(answer)) => {
            tally.answered(&answer);
            return run.report(gathered, Some(RunEnd::Finished(Ok(answer))));
        }
        Ok(Err(AgentError::Paused(pause))) => {
            return run.report(gathered, Some(RunEnd::Paused(pause, meter.usage())));
        }
        Ok(Err(error)) => {
            tracing::warn!(turn.id = %run.run.turn_id, error = %error, "an agent failed");
            error.failure()
        }
        Err(_panic) => {
            tracing::error!(turn.id = %run.run.turn_id, "an agent panicked");
            Failure::new(ErrorCode::InternalError, "The agent failed unexpectedly.")
        }
    };
    failed(run, gathered, failure, meter.usage())
}

/// How a responder's work came to its end.
enum Ended<T> {
    /// It gave an answer, failed or panicked.
    ByItself(T),
    Stopped,
    TooLate,
}

fn failed(run: &RunTurn, steps: Vec<Step>, failure: Failure, used: Usage) -> AgentReport {
    run.report(steps, Some(RunEnd::Finished(Err(Failed { failure, used }))))
}

impl RunTurn {
    /// A report on this run.
    pub(crate) fn report(&self, steps: Vec<Step>, end: Option<RunEnd>) -> AgentReport {
        AgentReport {
            run: self.run,
            part: self.part,
            steps,
            part_end: None,
            end,
        }
    }
}

fn timed_out() -> Failure {
    Failure::new(ErrorCode::Timeout, "The agent took too long.")
}

impl AgentReport {
    /// Waits until the session has taken it in: a session that is busy slows its agents, and no queue grows. A session
    /// that is gone has taken the turn with it: its successor begins the turn anew.
    async fn deliver(self, session: &Recipient<AgentReport>) {
        let _ = session.send(self).await;
    }
}
