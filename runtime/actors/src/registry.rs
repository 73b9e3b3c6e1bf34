//! The sessions of one shard: finds them by id, starts them on first use from the journal, lets them end when idle, and
//! starts anew whatever has died with work left.

use std::{collections::HashMap, rc::Rc, sync::Arc, time::Duration};

use actix::{Actor, ActorFutureExt, Addr, AsyncContext, Context, Handler, Message, WrapFuture};
use orchestratai_shared::{ChatSession, ErrorCode, SessionId, Timestamp};
use orchestratai_store::{Candidate, Rehydrated, SessionRecord, SnapshotUse, StoreError, Write};
use orchestratai_telemetry::{ActorKind, SnapshotLoadOutcome};
use tokio::sync::oneshot;

use crate::{
    journal::{Append, AppendReply},
    refusal::Refusal,
    session::{
        Session,
        messages::{Command, Drain, Sweep},
    },
    shard::Shard,
    snapshotter::{Capture, FlushGuard},
};

/// Knows the sessions of one shard.
pub(crate) struct SessionRegistry {
    shard: Rc<Shard>,
    sessions: HashMap<SessionId, Entry>,
}

enum Entry {
    /// It is being started; these wait for it.
    Starting(Vec<Dispatch>),
    /// It runs.
    Live(Addr<Session>),
}

/// A command for a session, wherever it is: the registry starts the session where it is not live.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Dispatch {
    /// Which session.
    pub(crate) session_id: SessionId,
    /// Whether it is created where it is unknown.
    pub(crate) create: bool,
    /// What it is asked.
    pub(crate) command: Command,
    /// Told why where the session cannot be had: `None` where there is no such session.
    pub(crate) refused: oneshot::Sender<Option<Refusal>>,
}

/// A session actor has ended; with `unfinished` it left turns open, and must be started anew.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct SessionEnded {
    /// Which.
    pub(crate) session_id: SessionId,
    /// Whether it left turns open.
    pub(crate) unfinished: bool,
}

/// Starts a session although nobody asks for it: it has a turn that was cut off.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct Resume(pub(crate) SessionId);

/// How long a session that could not be started anew waits for the next try.
const RESTART_AFTER: Duration = Duration::from_secs(1);

impl SessionRegistry {
    pub(crate) fn new(shard: Rc<Shard>) -> Self {
        Self {
            shard,
            sessions: HashMap::new(),
        }
    }

    fn start(&mut self, session_id: SessionId, create: bool, waiting: Vec<Dispatch>, ctx: &mut Context<Self>) {
        self.sessions.insert(session_id, Entry::Starting(waiting));
        let shard = Rc::clone(&self.shard);
        let load = async move { load(&shard, session_id, create).await };
        ctx.spawn(
            load.into_actor(self)
                .map(move |loaded, registry, ctx| registry.started(session_id, loaded, ctx)),
        );
    }

    fn started(&mut self, session_id: SessionId, loaded: Result<Option<Rehydrated>, Refusal>, ctx: &mut Context<Self>) {
        let waiting = match self.sessions.remove(&session_id) {
            Some(Entry::Starting(waiting)) => waiting,
            Some(Entry::Live(_)) | None => return,
        };
        let rehydrated = match loaded {
            Ok(Some(rehydrated)) => rehydrated,
            Ok(None) => {
                // Somebody who would have it created may have come to wait behind somebody who would not.
                let (creators, others): (Vec<_>, Vec<_>) = waiting.into_iter().partition(|dispatch| dispatch.create);
                others
                    .into_iter()
                    .for_each(|dispatch| drop(dispatch.refused.send(None)));
                if !creators.is_empty() {
                    self.start(session_id, true, creators, ctx);
                }
                return;
            }
            Err(refusal) => {
                waiting
                    .into_iter()
                    .for_each(|dispatch| drop(dispatch.refused.send(Some(refusal.clone()))));
                return;
            }
        };
        let session = Session::start_from(rehydrated, Rc::clone(&self.shard), ctx.address());
        self.shard.metrics.session_rehydrated();
        for dispatch in waiting {
            pass(&session, dispatch.command);
        }
        self.sessions.insert(session_id, Entry::Live(session));
    }

    /// Passivates the sessions that have been idle longest where there are more than are allowed.
    fn idle_after(&self) -> Duration {
        let live = self.sessions.len();
        let (idle_after, most) = (self.shard.settings.idle_after, self.shard.live_sessions_max.max(1));
        match live * 100 / most {
            0..75 => idle_after,
            75..90 => idle_after / 10,
            _ => Duration::ZERO,
        }
    }
}

/// The session from its snapshot and the journal; created where it is unknown and may be.
async fn load(shard: &Shard, session_id: SessionId, create: bool) -> Result<Option<Rehydrated>, Refusal> {
    let unavailable = |reason: String, is_retryable: bool| {
        tracing::error!(session.id = %session_id, error = %reason, "a session could not be started");
        if is_retryable {
            let words = "The session's journal cannot be read or written just now.";
            return Refusal::overloaded(words, RESTART_AFTER);
        }
        Refusal::new(ErrorCode::InternalError, "The session's journal cannot be read.")
    };
    let unreadable = |error: StoreError| unavailable(error.to_string(), error.is_retryable());
    let (candidate, failed) = candidate(shard, session_id).await;
    let found = shard
        .store
        .rehydrate_from(session_id, shard.settings.transcript_messages, candidate)
        .await;
    if let Some(rehydrated) = found.map_err(unreadable)? {
        if let Some(outcome) = failed.or(shard.snapshots.is_some().then(|| outcome_of(rehydrated.snapshot))) {
            shard.metrics.snapshot_loaded(outcome);
        }
        return Ok(Some(rehydrated));
    }
    if !create {
        return Ok(None);
    }
    let now = Timestamp::now();
    let session = ChatSession {
        id: session_id,
        user_id: None,
        start_time: now,
        last_activity: now,
        total_tokens: 0,
        total_cost: 0.0,
        message_count: 0,
    };
    // Asked before the session is stored: afterwards the answer would have to wait for the database to have the session.
    let erased_through = shard.store.erased_through(session_id).await;
    let erased_through = erased_through.map_err(unreadable)?;
    let (sender, committed) = oneshot::channel();
    let write = Write::CreateSession {
        session: session.clone(),
        organization: Arc::clone(&shard.organization),
    };
    shard.journal.append(Append {
        write,
        reply: AppendReply::caller(sender),
    });
    match committed.await {
        Ok(Ok(())) => {}
        Ok(Err(failed)) => return Err(unavailable(failed.to_string(), true)),
        Err(_gone) => return Err(unavailable("the journal writer is gone".into(), true)),
    }
    let record = SessionRecord {
        session,
        organization: Arc::clone(&shard.organization),
        last_seq: 0,
        keys: Vec::new(),
        open_turns: Vec::new(),
        transcript: Vec::new(),
        erased_through,
    };
    Ok(Some(Rehydrated {
        record,
        snapshot: SnapshotUse::Absent,
        last_event: None,
    }))
}

/// What a session may be started from, and what it was worth where nothing could be asked.
async fn candidate(shard: &Shard, session_id: SessionId) -> (Candidate, Option<SnapshotLoadOutcome>) {
    let Some(snapshots) = &shard.snapshots else {
        return (Candidate::Absent, None);
    };
    match snapshots.snapshots.keeper.candidate(session_id).await {
        Ok(candidate) => (candidate, None),
        Err(error) => {
            tracing::debug!(session.id = %session_id, error = %error, "a snapshot could not be asked for");
            (Candidate::Absent, Some(SnapshotLoadOutcome::Failed))
        }
    }
}

fn outcome_of(used: SnapshotUse) -> SnapshotLoadOutcome {
    match used {
        SnapshotUse::Used { .. } => SnapshotLoadOutcome::Used,
        SnapshotUse::Absent => SnapshotLoadOutcome::Absent,
        SnapshotUse::Stale(_) => SnapshotLoadOutcome::Stale,
        SnapshotUse::Unreadable => SnapshotLoadOutcome::Unreadable,
    }
}

/// Passes a command on. It is not lost on a session that ends just now: whoever asked sees that its reply was dropped.
fn pass(session: &Addr<Session>, command: Command) {
    #[expect(
        clippy::disallowed_methods,
        reason = "commands are bounded by the registry's own mailbox and by turn permits"
    )]
    session.do_send(command);
}

impl Actor for SessionRegistry {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(4_096);
        ctx.run_interval(self.shard.settings.sweep_every(), |registry, _| registry.sweep());
    }
}

impl SessionRegistry {
    fn sweep(&mut self) {
        let sweep = Sweep {
            idle_after: self.idle_after(),
        };
        self.sessions.retain(|_, entry| match entry {
            Entry::Live(session) => session.connected(),
            Entry::Starting(_) => true,
        });
        for entry in self.sessions.values() {
            if let Entry::Live(session) = entry {
                // A session that is too busy to be swept is swept the next time.
                let _ = session.try_send(sweep);
            }
        }
    }
}

impl Handler<Dispatch> for SessionRegistry {
    type Result = ();

    fn handle(&mut self, dispatch: Dispatch, ctx: &mut Self::Context) {
        match self.sessions.get_mut(&dispatch.session_id) {
            Some(Entry::Live(session)) if session.connected() => pass(session, dispatch.command),
            Some(Entry::Starting(waiting)) => waiting.push(dispatch),
            Some(Entry::Live(_)) | None => {
                self.start(dispatch.session_id, dispatch.create, vec![dispatch], ctx);
            }
        }
    }
}

impl Handler<SessionEnded> for SessionRegistry {
    type Result = ();

    fn handle(&mut self, ended: SessionEnded, ctx: &mut Self::Context) {
        let is_dead =
            matches!(self.sessions.get(&ended.session_id), Some(Entry::Live(session)) if !session.connected());
        if is_dead {
            self.sessions.remove(&ended.session_id);
        }
        if ended.unfinished {
            self.shard.metrics.actor_restarted(ActorKind::Session);
            ctx.notify_later(Resume(ended.session_id), RESTART_AFTER / 4);
        }
    }
}

impl Handler<Resume> for SessionRegistry {
    type Result = ();

    fn handle(&mut self, Resume(session_id): Resume, ctx: &mut Self::Context) {
        match self.sessions.get(&session_id) {
            Some(Entry::Live(session)) if session.connected() => return,
            Some(Entry::Starting(_)) => {
                // It may fail to start, which whoever waits for it is told; the turn that it left open is not given up.
                ctx.notify_later(Resume(session_id), RESTART_AFTER);
                return;
            }
            Some(Entry::Live(_)) | None => {}
        }
        self.sessions.insert(session_id, Entry::Starting(Vec::new()));
        let shard = Rc::clone(&self.shard);
        let load = async move { load(&shard, session_id, false).await };
        ctx.spawn(load.into_actor(self).map(move |loaded, registry, ctx| {
            let failed = loaded.is_err();
            registry.started(session_id, loaded, ctx);
            if failed {
                ctx.notify_later(Resume(session_id), RESTART_AFTER);
            }
        }));
    }
}

impl Handler<Drain> for SessionRegistry {
    type Result = ();

    fn handle(&mut self, drain: Drain, _: &mut Self::Context) {
        for entry in self.sessions.values() {
            if let Entry::Live(session) = entry {
                #[expect(clippy::disallowed_methods, reason = "twice in a process's life")]
                session.do_send(drain);
            }
        }
    }
}

/// Lets every live session give its state for a snapshot. Answered when all have.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct CaptureAll(pub(crate) oneshot::Sender<()>);

impl Handler<CaptureAll> for SessionRegistry {
    type Result = ();

    fn handle(&mut self, CaptureAll(done): CaptureAll, _: &mut Self::Context) {
        let guard = FlushGuard::new(done);
        for entry in self.sessions.values() {
            if let Entry::Live(session) = entry {
                #[expect(clippy::disallowed_methods, reason = "once in a process's life")]
                session.do_send(Capture {
                    asker: Some(Arc::clone(&guard)),
                });
            }
        }
    }
}
