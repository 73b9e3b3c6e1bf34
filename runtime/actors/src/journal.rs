//! The one writer of the journal, with group commit: what gathers during one commit goes into the next.

use std::{
    collections::HashMap,
    panic::AssertUnwindSafe,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use actix::{
    Actor, ActorFutureExt, Addr, Arbiter, ArbiterHandle, AsyncContext, Context, Handler, Message, Recipient, WrapFuture,
};
use futures_util::FutureExt;
use orchestratai_store::{CommitError, Store, Write};
use orchestratai_telemetry::{ActorKind, Live, Mailbox, Metrics};
use tokio::sync::oneshot;

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

/// Whom to tell of a commit. Dropped unanswered, as by a writer that is gone, it tells of a failure.
pub(crate) struct AppendReply(Option<Asker>);

enum Asker {
    Session(Recipient<Committed>),
    Caller(oneshot::Sender<Result<(), CommitFailed>>),
}

impl AppendReply {
    /// A session is to be told.
    pub(crate) fn session(session: Recipient<Committed>) -> Self {
        Self(Some(Asker::Session(session)))
    }

    /// Somebody who waits is to be told.
    pub(crate) fn caller(caller: oneshot::Sender<Result<(), CommitFailed>>) -> Self {
        Self(Some(Asker::Caller(caller)))
    }

    fn tell(mut self, outcome: Result<(), CommitFailed>) {
        self.answer(outcome);
    }

    fn answer(&mut self, outcome: Result<(), CommitFailed>) {
        match self.0.take() {
            #[expect(
                clippy::disallowed_methods,
                reason = "a session has one append under way, so it is told once"
            )]
            Some(Asker::Session(session)) => session.do_send(Committed(outcome)),
            // Whoever asked may be gone by now.
            Some(Asker::Caller(caller)) => drop(caller.send(outcome)),
            None => {}
        }
    }
}

impl Drop for AppendReply {
    fn drop(&mut self) {
        self.answer(Err(CommitFailed {
            reason: "the journal writer is gone".into(),
        }));
    }
}

/// The way to the writer, which is started anew where it is gone: who appends finds one that writes.
#[derive(Clone)]
pub(crate) struct Journal(Arc<Writers>);

struct Writers {
    arbiter: ArbiterHandle,
    store: Store,
    metrics: Metrics,
    fails: Arc<AtomicBool>,
    present: Mutex<Addr<JournalWriter>>,
}

impl Journal {
    /// Starts the writer on an arbiter of its own. `fails` says whether the last commit failed.
    pub(crate) fn start(store: Store, metrics: Metrics, fails: Arc<AtomicBool>) -> Self {
        let arbiter = Arbiter::new().handle();
        let writer = JournalWriter::new(store.clone(), metrics.clone(), Arc::clone(&fails));
        let present = JournalWriter::start_in_arbiter(&arbiter, move |_| writer);
        Self(Arc::new(Writers {
            arbiter,
            store,
            metrics,
            fails,
            present: Mutex::new(present),
        }))
    }

    /// Hands over one write. There is one under way for each session at most, and one for each that is started or erased.
    pub(crate) fn append(&self, append: Append) {
        #[expect(
            clippy::disallowed_methods,
            reason = "one append under way for each session, and sessions are bounded"
        )]
        self.writer().do_send(append);
    }

    fn writer(&self) -> Addr<JournalWriter> {
        // Nothing panics while it is held.
        let mut present = self.0.present.lock().unwrap_or_else(PoisonError::into_inner);
        if !present.connected() {
            tracing::error!("the journal writer was gone and is started anew");
            self.0.metrics.actor_restarted(ActorKind::JournalWriter);
            let (store, metrics) = (self.0.store.clone(), self.0.metrics.clone());
            let writer = JournalWriter::new(store, metrics, Arc::clone(&self.0.fails));
            *present = JournalWriter::start_in_arbiter(&self.0.arbiter, move |_| writer);
        }
        present.clone()
    }
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
                reply.tell(answer);
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

#[cfg(test)]
mod tests {
    use orchestratai_shared::{ChatSession, SessionId, Timestamp};
    use orchestratai_store::StoreSettings;
    use orchestratai_telemetry::BuildInfo;

    use super::*;

    #[derive(Message)]
    #[rtype(result = "()")]
    struct Panic;

    impl Handler<Panic> for JournalWriter {
        type Result = ();

        fn handle(&mut self, _: Panic, _: &mut Self::Context) {
            panic!("a test wants it so");
        }
    }

    #[actix::test]
    async fn a_writer_that_is_gone_is_started_anew_and_nobody_waits_for_the_old_one() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&StoreSettings::sqlite(&folder.path().join("journal.db")))
            .await
            .unwrap();
        let metrics = Metrics::new(&BuildInfo::default());
        let journal = Journal::start(store.clone(), metrics.clone(), Arc::default());
        let create = || {
            let now = Timestamp::now();
            let session = ChatSession {
                id: SessionId::new(),
                user_id: None,
                start_time: now,
                last_activity: now,
                total_tokens: 0,
                total_cost: 0.0,
                message_count: 0,
            };
            let (sender, answer) = oneshot::channel();
            let append = Append {
                write: Write::CreateSession {
                    session: session.clone(),
                    organization: "default".into(),
                },
                reply: AppendReply::caller(sender),
            };
            (session.id, append, answer)
        };
        let writer = journal.writer();
        #[expect(clippy::disallowed_methods, reason = "once in a test")]
        writer.do_send(Panic);
        let (_, behind, answer) = create();
        journal.append(behind);
        // It stood behind the panic, or met a writer that was started anew.
        let _ = answer.await.unwrap();
        while writer.connected() {
            tokio::task::yield_now().await;
        }
        let (id, append, answer) = create();
        journal.append(append);
        assert!(answer.await.unwrap().is_ok());
        assert!(store.session(id).await.unwrap().is_some());
        let restarted = r#"orchestratai_actor_restarts_total{actor="journal_writer"} 1"#;
        assert!(metrics.render().contains(restarted), "{}", metrics.render());
    }
}
