//! The one writer of the journal, with group commit: what gathers during one commit goes into the next.
//!
//! A commit costs nearly the same whatever is in it, and a disk may be so fast that hardly anything gathers meanwhile. Where many
//! turns are under way, and each waits for others anyway, the writer lets more gather, as `PostgreSQL` does with `commit_delay` and
//! `commit_siblings`.

mod gathering;

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
use orchestratai_telemetry::{ActorKind, Metrics};
use tokio::sync::oneshot;

use self::gathering::{GATHERING_MAX, Gathering};
use crate::{admission::Admission, session::messages::Committed};

/// Writes what sessions append, many at a time, and tells each when its own is durable.
///
/// What waits is bounded without a limit of its own: a session has at most one append under way, and sessions are bounded.
pub(crate) struct JournalWriter {
    store: Store,
    metrics: Metrics,
    /// Whether the last commit failed, for all to see.
    fails: Arc<AtomicBool>,
    gathering: Arc<Gathering>,
    state: State,
}

/// What the writer does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Idle,
    /// It begins a commit once more has gathered, or soon.
    Gathering,
    Committing,
}

/// Asks for one write. Answered by [`Committed`] when it is durable, or when it has failed and nothing of it is stored.
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
    gathering: Arc<Gathering>,
    present: Mutex<Addr<JournalWriter>>,
}

impl Journal {
    /// Starts the writer on an arbiter of its own. `fails` says whether the last commit failed; `admission` knows how many turns are
    /// under way.
    pub(crate) fn start(store: Store, metrics: Metrics, fails: Arc<AtomicBool>, admission: Admission) -> Self {
        let arbiter = Arbiter::new().handle();
        let gathering = Arc::new(Gathering::new(admission, metrics.clone()));
        let writer = JournalWriter::new(
            store.clone(),
            metrics.clone(),
            Arc::clone(&fails),
            Arc::clone(&gathering),
        );
        let present = JournalWriter::start_in_arbiter(&arbiter, move |_| writer);
        Self(Arc::new(Writers {
            arbiter,
            store,
            metrics,
            fails,
            gathering,
            present: Mutex::new(present),
        }))
    }

    /// Hands over one write. There is one under way for each session at most, and one for each that is started or erased.
    pub(crate) fn append(&self, append: Append) {
        if self.0.gathering.add(append) {
            #[expect(
                clippy::disallowed_methods,
                reason = "told when a gathering begins and when it is enough: commits bound it"
            )]
            self.writer().do_send(Look);
        }
    }

    fn writer(&self) -> Addr<JournalWriter> {
        // Nothing panics while it is held.
        let mut present = self.0.present.lock().unwrap_or_else(PoisonError::into_inner);
        if !present.connected() {
            tracing::error!("the journal writer was gone and is started anew");
            self.0.metrics.actor_restarted(ActorKind::JournalWriter);
            let (store, metrics) = (self.0.store.clone(), self.0.metrics.clone());
            let writer = JournalWriter::new(store, metrics, Arc::clone(&self.0.fails), Arc::clone(&self.0.gathering));
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

impl JournalWriter {
    fn new(store: Store, metrics: Metrics, fails: Arc<AtomicBool>, gathering: Arc<Gathering>) -> Self {
        Self {
            store,
            metrics,
            fails,
            gathering,
            state: State::Idle,
        }
    }

    /// Sees to it that what waits is committed: now where it is enough, else soon, when more has gathered.
    fn look(&mut self, ctx: &mut Context<Self>) {
        match self.state {
            State::Idle | State::Gathering if self.gathering.is_enough() => self.commit(ctx),
            State::Idle if !self.gathering.is_over() => {
                self.state = State::Gathering;
                ctx.notify_later(LongEnough, GATHERING_MAX);
            }
            State::Idle | State::Gathering | State::Committing => {}
        }
    }

    fn commit(&mut self, ctx: &mut Context<Self>) {
        self.state = State::Committing;
        let batch = self.gathering.take();
        let (writes, replies): (Vec<_>, Vec<_>) = batch.into_iter().map(|append| (append.write, append.reply)).unzip();
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
            writer.state = State::Idle;
            writer.look(ctx);
        }));
    }
}

impl Actor for JournalWriter {
    type Context = Context<Self>;
}

impl Drop for JournalWriter {
    fn drop(&mut self) {
        self.gathering.abandon();
    }
}

/// Something waits, or has become enough.
#[derive(Message)]
#[rtype(result = "()")]
struct Look;

impl Handler<Look> for JournalWriter {
    type Result = ();

    fn handle(&mut self, _: Look, ctx: &mut Self::Context) {
        self.look(ctx);
    }
}

/// What gathers has waited for long enough. One of an earlier gathering may come late; then it spares this one its rest.
#[derive(Message)]
#[rtype(result = "()")]
struct LongEnough;

impl Handler<LongEnough> for JournalWriter {
    type Result = ();

    fn handle(&mut self, _: LongEnough, ctx: &mut Self::Context) {
        if self.state == State::Gathering {
            self.commit(ctx);
        }
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
    use std::time::Duration;

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

    /// The creation of a session: its id, what to append, and what tells of it.
    fn create() -> (SessionId, Append, oneshot::Receiver<Result<(), CommitFailed>>) {
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
    }

    #[actix::test]
    async fn where_many_turns_are_under_way_writes_gather_and_none_waits_for_long() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&StoreSettings::sqlite(&folder.path().join("journal.db")))
            .await
            .unwrap();
        let metrics = Metrics::new(&BuildInfo::default());
        let admission = Admission::new(80, metrics.clone());
        let _under_way: Vec<_> = (0..80).map(|_| admission.admit_promised()).collect();
        let journal = Journal::start(store, metrics.clone(), Arc::default(), admission);
        let append = |count: usize| {
            let answers = (0..count).map(|_| {
                let (_, append, answer) = create();
                journal.append(append);
                answer
            });
            futures_util::future::join_all(answers.collect::<Vec<_>>())
        };
        let commits = || {
            let rendered = metrics.render();
            let count = rendered.lines().find_map(|line| {
                let count = line.strip_prefix("orchestratai_journal_commit_duration_seconds_count ")?;
                count.parse::<usize>().ok()
            });
            count.unwrap()
        };
        let began = Instant::now();
        while began.elapsed() < Duration::from_millis(200) {
            assert!(append(100).await.iter().all(|answer| matches!(answer, Ok(Ok(())))));
        }
        // Twenty are enough among eighty turns that write much; the first is told to the writer before the others are there.
        let before = commits();
        assert!(append(20).await.iter().all(|answer| matches!(answer, Ok(Ok(())))));
        let of_twenty = commits() - before;
        assert!(of_twenty <= 5, "{of_twenty}");
        // Three are not, and are committed all the same.
        assert!(append(3).await.iter().all(|answer| matches!(answer, Ok(Ok(())))));
        assert!(commits() > before + of_twenty);
    }

    #[actix::test]
    async fn a_writer_that_is_gone_is_started_anew_and_nobody_waits_for_the_old_one() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&StoreSettings::sqlite(&folder.path().join("journal.db")))
            .await
            .unwrap();
        let metrics = Metrics::new(&BuildInfo::default());
        let journal = Journal::start(
            store.clone(),
            metrics.clone(),
            Arc::default(),
            Admission::new(1, metrics.clone()),
        );
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
