//! The panel: one for each turn that several agents answer together. To each agent it stands in the session's place; to the session
//! it is the agent of the turn: one run, one stream, one end.
//!
//! What it says is decided by a pure [`JointAnswer`]. It ends with the turn. Should it end before, its session misses the end of
//! the run, as it would that of an agent that is gone, and gives the turn up in time.

use std::{sync::Arc, time::Duration};

use actix::{
    Actor, ActorContext, ActorFutureExt, AsyncContext, Context, ContextFutureSpawner, Handler, Recipient, Response,
    WrapFuture,
};
use orchestratai_agents::{
    joint::JointAnswer,
    turn::{AgentError, Answer, Usage},
};
use orchestratai_telemetry::TurnOutcome;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use crate::{
    agent::{RunTurn, board::Tally},
    session::{
        core::Run,
        messages::{AgentReport, Failed, RunEnd},
        turn::Receipt,
    },
};

/// After a stop the receipts of agents that have not given one are waited for no longer than this: a part that stands in its agent's
/// queue hears of the stop only when it is taken out. The session waits twice as long for the whole.
const RECEIPTS_WITHIN: Duration = Duration::from_secs(1);

/// Puts together what several agents do in one turn.
pub(crate) struct Panel {
    run: Run,
    joint: JointAnswer,
    seats: Vec<Seat>,
    stop: CancellationToken,
    session: Recipient<AgentReport>,
    /// What the parts that have ended cost, should the turn be stopped.
    receipt: Receipt,
    /// What parts without an answer have used.
    lost: Usage,
    was_stopped: bool,
}

/// An agent at its part.
struct Seat {
    tally: Option<Arc<Tally>>,
    has_ended: bool,
    /// Lets the agent go on that waits for room.
    waits: Option<oneshot::Sender<()>>,
}

impl Panel {
    /// A panel for a run of a session; `tallies` are those of its agents, by part.
    pub(crate) fn new(run: &RunTurn, joint: JointAnswer, tallies: Vec<Option<Arc<Tally>>>) -> Self {
        let seat = |tally| Seat {
            tally,
            has_ended: false,
            waits: None,
        };
        Self {
            run: run.run,
            joint,
            seats: tallies.into_iter().map(seat).collect(),
            stop: run.stop.clone(),
            session: run.session.clone(),
            receipt: Receipt::default(),
            lost: Usage::default(),
            was_stopped: false,
        }
    }

    /// Takes in how a part ended. Gives what of it is to be reported at once.
    fn ended(&mut self, part: usize, end: RunEnd, report: &mut AgentReport) {
        let Some(seat) = self.seats.get_mut(part).filter(|seat| !seat.has_ended) else {
            return;
        };
        seat.has_ended = true;
        let end = match end {
            // Agents are offered nothing that pauses where they answer a part.
            RunEnd::Paused(pause, used) => RunEnd::Finished(Err(Failed {
                failure: AgentError::Paused(pause).failure(),
                used,
            })),
            end @ (RunEnd::Finished(_) | RunEnd::Stopped(_)) => end,
        };
        let outcome = match end {
            RunEnd::Paused(..) => return,
            RunEnd::Finished(outcome) => {
                let used = match &outcome {
                    Ok(answer) => answer.usage,
                    Err(failed) => failed.used,
                };
                self.receipt.tokens_billed += used.tokens;
                let outcome = outcome.map_err(|failed| failed.failure);
                report.steps.extend(self.joint.end(part, outcome));
                let failure = self.joint.failure(part).cloned();
                // An answer without a text is none.
                if failure.is_some() {
                    self.lost = self.lost.plus(used);
                }
                let outcome = failure.map_or(Ok(()), Err);
                report.part_end = Some(outcome.clone());
                outcome.map_or(TurnOutcome::Failed, |()| TurnOutcome::Completed)
            }
            RunEnd::Stopped(receipt) => {
                self.was_stopped = true;
                self.receipt.tokens_billed += receipt.tokens_billed;
                // The upstream is closed when all that was open is.
                self.receipt.upstream_closed_ms = self.receipt.upstream_closed_ms.max(receipt.upstream_closed_ms);
                TurnOutcome::Cancelled
            }
        };
        if let Some(tally) = &seat.tally {
            tally.metrics().part_ended(outcome);
        }
    }

    /// The end of the run, once all parts have ended.
    fn end(&self) -> Option<RunEnd> {
        if !self.seats.iter().all(|seat| seat.has_ended) {
            return None;
        }
        if self.was_stopped {
            return Some(RunEnd::Stopped(self.receipt));
        }
        let outcome = match self.joint.outcome()? {
            Ok(answer) => Ok(Answer {
                usage: answer.usage.plus(self.lost),
                ..answer
            }),
            Err(failure) => Err(Failed {
                failure,
                used: self.lost,
            }),
        };
        Some(RunEnd::Finished(outcome))
    }

    /// Hands on a report. The mailbox rests until the session has taken it in, so that reports keep their order and a busy session
    /// slows all agents.
    fn hand_on(&self, report: AgentReport, ctx: &mut Context<Self>) {
        let is_last = report.end.is_some();
        let taken = self.session.send(report).into_actor(self);
        taken
            .map(move |_taken_or_gone, _, ctx| {
                if is_last {
                    ctx.stop();
                }
            })
            .wait(ctx);
    }

    fn let_go_on(&mut self, everybody: bool) {
        for (part, seat) in self.seats.iter_mut().enumerate() {
            if (everybody || self.joint.has_room(part))
                && let Some(waits) = seat.waits.take()
            {
                let _ = waits.send(());
            }
        }
    }

    fn report(&self, part: usize) -> AgentReport {
        AgentReport {
            run: self.run,
            part,
            steps: Vec::new(),
            part_end: None,
            end: None,
        }
    }
}

impl Actor for Panel {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        let stop = self.stop.clone();
        let stopped = async move { stop.cancelled().await }.into_actor(self);
        ctx.spawn(stopped.map(|(), panel, ctx| {
            // Whoever waits for room has to hear of the stop.
            panel.let_go_on(true);
            ctx.run_later(RECEIPTS_WITHIN, |panel, ctx| {
                let end = Some(RunEnd::Stopped(panel.receipt));
                panel.hand_on(AgentReport { end, ..panel.report(0) }, ctx);
            });
        }));
    }
}

impl Handler<AgentReport> for Panel {
    type Result = Response<()>;

    /// Answered as soon as the agent may go on: at once, or, where it is not its turn and much waits already, when there is room.
    fn handle(&mut self, done: AgentReport, ctx: &mut Self::Context) -> Self::Result {
        let part = done.part;
        let mut report = self.report(part);
        report.steps = self.joint.take(part, done.steps);
        if let Some(end) = done.end {
            self.ended(part, end, &mut report);
        }
        report.end = self.end();
        self.let_go_on(false);
        if !report.steps.is_empty() || report.part_end.is_some() || report.end.is_some() {
            self.hand_on(report, ctx);
        }
        let is_open = !self.stop.is_cancelled();
        match self.seats.get_mut(part).filter(|seat| is_open && !seat.has_ended) {
            Some(seat) if !self.joint.has_room(part) => {
                let (sender, room) = oneshot::channel();
                seat.waits = Some(sender);
                Response::fut(async move {
                    let _ = room.await;
                })
            }
            Some(_) | None => Response::reply(()),
        }
    }
}
