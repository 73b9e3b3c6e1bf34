//! The one writer of the journal, with group commit: what gathers during one commit goes into the next.

use std::{
    collections::HashMap,
    panic::AssertUnwindSafe,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use actix::{Actor, ActorFutureExt, AsyncContext, Context, Handler, Message, Recipient, WrapFuture};
use futures_util::FutureExt;
use orchestratai_store::{CommitError, Store, Write};
use orchestratai_telemetry::{Live, Mailbox, Metrics};

use crate::session::messages::Committed;

/// Writes what sessions append, many at a time, and tells each when its own is durable.
///
/// Its queue is bounded without a limit of its own: a session has at most one append under way, and sessions are bounded.
pub(crate) struct JournalWriter {
    store: Store,
    metrics: Metrics,
    /// Whether the last commit failed, for all to see.
    fails: Arc<AtomicBool>,
    waiting: Vec<(Append, Live)>,
    committing: bool,
}

/// Asks for one write. Answered by [`Committed`] when it is durable, or when it has failed and nothing of it is stored.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Append {
    /// What to write.
    pub(crate) write: Write,
    /// Whom to tell.
    pub(crate) reply: AppendReply,
}

/// Whom to tell of a commit.
pub(crate) enum AppendReply {
    /// A session.
    Session(Recipient<Committed>),
    /// Somebody who waits.
    Caller(tokio::sync::oneshot::Sender<Result<(), CommitFailed>>),
}

/// A commit has failed; nothing of it is stored.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the journal could not be written: {reason}")]
pub(crate) struct CommitFailed {
    /// Why, with all causes.
    pub(crate) reason: String,
}

/// Writes that go into one commit at most: it bounds how long a commit takes, and so how long the next one waits.
const WRITES_PER_COMMIT_MAX: usize = 512;

impl JournalWriter {
    pub(crate) fn new(store: Store, metrics: Metrics, fails: Arc<AtomicBool>) -> Self {
        Self {
            store,
            metrics,
            fails,
            waiting: Vec::new(),
            committing: false,
        }
    }

    fn commit_waiting(&mut self, ctx: &mut Context<Self>) {
        if self.committing || self.waiting.is_empty() {
            return;
        }
        self.committing = true;
        let rest = self.waiting.split_off(self.waiting.len().min(WRITES_PER_COMMIT_MAX));
        let batch = std::mem::replace(&mut self.waiting, rest);
        let (writes, replies): (Vec<_>, Vec<_>) = batch
            .into_iter()
            .map(|(append, _)| (append.write, append.reply))
            .unzip();
        let events = writes.iter().map(events_in).sum();
        let store = self.store.clone();
        let began = Instant::now();
        // A panic below must not end the writer: its address is what every session holds.
        let commit = AssertUnwindSafe(async move { store.commit_each(writes).await }).catch_unwind();
        ctx.spawn(commit.into_actor(self).map(move |outcome, writer, ctx| {
            let outcome = match outcome {
                Ok(Ok(refused)) => Ok(refused),
                Ok(Err(error)) => Err(CommitFailed { reason: chain(&error) }),
                Err(_panic) => Err(CommitFailed {
                    reason: "the writer panicked".into(),
                }),
            };
            match &outcome {
                Ok(_) => writer.metrics.journal_committed(began.elapsed(), events),
                Err(failed) => {
                    writer.metrics.journal_commit_failed();
                    tracing::error!(error = %failed.reason, "a journal commit failed; nothing of it is stored");
                }
            }
            writer.fails.store(outcome.is_err(), Ordering::Relaxed);
            let (refused, failed) = outcome.map_or_else(|failed| (Vec::new(), Some(failed)), |refused| (refused, None));
            let mut refused: HashMap<usize, CommitError> = refused.into_iter().collect();
            for (place, reply) in replies.into_iter().enumerate() {
                let answer = match (refused.remove(&place), &failed) {
                    (Some(error), _) => {
                        // One session and its journal disagree; the others of the batch have nothing to do with it.
                        writer.metrics.journal_commit_failed();
                        let reason = chain(&error);
                        tracing::error!(error = %reason, "a write contradicts the journal; nothing of it is stored");
                        Err(CommitFailed { reason })
                    }
                    (None, Some(failed)) => Err(failed.clone()),
                    (None, None) => Ok(()),
                };
                tell(reply, answer);
            }
            writer.committing = false;
            writer.commit_waiting(ctx);
        }));
    }
}

impl Actor for JournalWriter {
    type Context = Context<Self>;
}

impl Handler<Append> for JournalWriter {
    type Result = ();

    fn handle(&mut self, append: Append, ctx: &mut Self::Context) {
        self.waiting.push((append, self.metrics.queued(Mailbox::JournalWriter)));
        if !self.committing && self.waiting.len() == 1 {
            // What else stands in the mailbox now goes into the same commit.
            ctx.notify(CommitWaiting);
        }
    }
}

/// Begins a commit once the mailbox has been looked through.
#[derive(Message)]
#[rtype(result = "()")]
struct CommitWaiting;

impl Handler<CommitWaiting> for JournalWriter {
    type Result = ();

    fn handle(&mut self, _: CommitWaiting, ctx: &mut Self::Context) {
        self.commit_waiting(ctx);
    }
}

fn events_in(write: &Write) -> usize {
    match write {
        Write::Append(append) => append.entries.len(),
        Write::CreateSession { .. } | Write::EraseSession { .. } => 0,
    }
}

fn tell(reply: AppendReply, outcome: Result<(), CommitFailed>) {
    match reply {
        #[expect(
            clippy::disallowed_methods,
            reason = "a session has one append under way, so it is told once"
        )]
        AppendReply::Session(session) => session.do_send(Committed(outcome)),
        // Whoever asked may be gone by now.
        AppendReply::Caller(caller) => drop(caller.send(outcome)),
    }
}

fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
