//! The sessions of one shard: finds them by id, starts them on first use from the journal, lets them end when idle, and
//! starts anew whatever has died with work left. What is for a session of another node is sent there.

pub(crate) mod survey;

use std::{
    collections::HashMap,
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use actix::{Actor, ActorFutureExt, Addr, AsyncContext, Context, Handler, Message, WrapFuture};
use orchestratai_shared::{ChatSession, ErrorCode, SessionId, Timestamp};
use orchestratai_store::{Candidate, Claim, NodeId, Rehydrated, SessionRecord, SnapshotUse, StoreError, Write};
use orchestratai_telemetry::{ActorKind, SnapshotLoadOutcome};
use tokio::sync::oneshot;

use crate::{
    admission,
    cluster::Forward,
    journal::{Append, AppendReply},
    refusal::Refusal,
    session::{
        Session,
        face::Face,
        messages::{Abandon, Command, Drain, Sweep, Yield},
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
    Live(Addr<Session>, Face),
    /// It is another node's, as was found out then.
    Elsewhere(NodeId, Instant),
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
    /// Told why where the session cannot be had.
    pub(crate) declined: oneshot::Sender<Declined>,
    /// Where it comes from.
    pub(crate) origin: Origin,
}

/// Why a command was dropped without an answer.
#[derive(Debug)]
pub(crate) enum Declined {
    /// The session cannot be had.
    Refused(Refusal),
    /// There is no such session.
    Unknown,
    /// It is another node's, or will be in a moment: whoever asks finds out which by asking again.
    Elsewhere,
}

/// Where a command comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// From a client of this node.
    Here,
    /// From another node, which takes this one for the owner. It is not passed on: two nodes might do so for ever.
    Peer,
}

/// Sessions that are not, or not any more, where they were found.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub(crate) enum Moved {
    /// This one, which was that node's.
    One(SessionId, NodeId),
    /// All that were that node's.
    All(NodeId),
}

/// No session is this node's any more: its lease was lost.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub(crate) struct Disown;

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
/// How long it is remembered whose a session was that is asked for no more.
const ELSEWHERE_MAX: Duration = Duration::from_secs(60);

/// What was found of a session that is to be started.
enum Loaded {
    /// It is this node's, as which it was claimed.
    Here(Box<Rehydrated>, Option<NodeId>),
    /// It is another node's.
    Elsewhere(NodeId),
    /// There is none.
    Unknown,
}

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

    fn started(&mut self, session_id: SessionId, loaded: Result<Loaded, Refusal>, ctx: &mut Context<Self>) {
        let waiting = match self.sessions.remove(&session_id) {
            Some(Entry::Starting(waiting)) => waiting,
            Some(Entry::Live(..) | Entry::Elsewhere(..)) | None => return,
        };
        let (rehydrated, node) = match loaded {
            Ok(Loaded::Here(rehydrated, node)) => (*rehydrated, node),
            Ok(Loaded::Elsewhere(node)) => {
                let found = Entry::Elsewhere(node, Instant::now());
                self.sessions.insert(session_id, found);
                waiting.into_iter().for_each(|dispatch| self.send_to(node, dispatch));
                return;
            }
            Ok(Loaded::Unknown) => {
                // Somebody who would have it created may have come to wait behind somebody who would not.
                let (creators, others): (Vec<_>, Vec<_>) = waiting.into_iter().partition(|dispatch| dispatch.create);
                others
                    .into_iter()
                    .for_each(|dispatch| drop(dispatch.declined.send(Declined::Unknown)));
                if !creators.is_empty() {
                    self.start(session_id, true, creators, ctx);
                }
                return;
            }
            Err(refusal) => {
                waiting
                    .into_iter()
                    .for_each(|dispatch| drop(dispatch.declined.send(Declined::Refused(refusal.clone()))));
                return;
            }
        };
        if node != self.shard.store.node() {
            // It was claimed by the node that this one was before. Whether anybody asks for it or not, it may have an open turn.
            ctx.notify_later(Resume(session_id), RESTART_AFTER);
            if let Some(first) = waiting.first() {
                self.start(session_id, first.create, waiting, ctx);
            }
            return;
        }
        let (session, face) = Session::start_from(rehydrated, node, Rc::clone(&self.shard), ctx.address());
        self.shard.metrics.session_rehydrated();
        for dispatch in waiting {
            pass(&session, dispatch.command);
        }
        self.sessions.insert(session_id, Entry::Live(session, face));
    }

    /// Sends a command to the node whose session it is for.
    fn send_to(&self, node: NodeId, dispatch: Dispatch) {
        let cluster = self.shard.cluster.get().filter(|_| dispatch.origin == Origin::Here);
        let Some(cluster) = cluster else {
            let _ = dispatch.declined.send(Declined::Elsewhere);
            return;
        };
        cluster.forward(Forward {
            node,
            session_id: dispatch.session_id,
            create: dispatch.create,
            command: dispatch.command,
            declined: dispatch.declined,
        });
    }

    /// Another node has a client for a session that nobody here needs: it may have the session.
    fn give_away(&mut self, dispatch: Dispatch, ctx: &mut Context<Self>) {
        let session_id = dispatch.session_id;
        self.sessions.insert(session_id, Entry::Starting(Vec::new()));
        let store = self.shard.store.clone();
        let release = async move { store.release(session_id).await };
        ctx.spawn(release.into_actor(self).map(move |released, registry, ctx| {
            // All of it is kept up to here: its command, dropped before the reason is told, would look like one without a reason.
            let dispatch = dispatch;
            if let Err(error) = released {
                tracing::debug!(session.id = %session_id, %error, "a session could not be given away");
            }
            let _ = dispatch.declined.send(Declined::Elsewhere);
            // Who has come meanwhile finds out whose it is now.
            if let Some(Entry::Starting(waiting)) = registry.sessions.remove(&session_id) {
                let (here, others): (Vec<_>, Vec<_>) =
                    (waiting.into_iter()).partition(|waiting| waiting.origin == Origin::Here);
                (others.into_iter()).for_each(|dispatch| drop(dispatch.declined.send(Declined::Elsewhere)));
                if let Some(first) = here.first() {
                    registry.start(session_id, first.create, here, ctx);
                }
            }
        }));
    }

    /// Whether this node is about to stop, and others go on: it begins no session any more.
    fn leaves_to_others(&self) -> bool {
        self.shard.cluster.get().is_some() && self.shard.admission.is_draining()
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

/// The session from its snapshot and the journal, once it is this node's; created where it is unknown and may be.
async fn load(shard: &Shard, session_id: SessionId, create: bool) -> Result<Loaded, Refusal> {
    let unavailable = |reason: String, is_retryable: bool| {
        tracing::error!(session.id = %session_id, error = %reason, "a session could not be started");
        if is_retryable {
            let words = "The session's journal cannot be read or written just now.";
            return Refusal::overloaded(words, RESTART_AFTER);
        }
        Refusal::new(ErrorCode::InternalError, "The session's journal cannot be read.")
    };
    let unreadable = |error: StoreError| unavailable(error.to_string(), error.is_retryable());
    // Before it is claimed: as a later one it could be claimed unnoticed, and is not trusted then.
    let node = shard.store.node();
    let is_node = node.is_some();
    if is_node {
        match shard.store.claim(session_id).await.map_err(unreadable)? {
            Claim::Ours | Claim::Claimed => {}
            Claim::Theirs(node) => return Ok(Loaded::Elsewhere(node)),
            Claim::Unknown if !create => return Ok(Loaded::Unknown),
            Claim::Unknown => {}
        }
    }
    let (candidate, failed) = candidate(shard, session_id).await;
    let found = shard
        .store
        .rehydrate_from(session_id, shard.settings.transcript_messages, candidate)
        .await;
    if let Some(rehydrated) = found.map_err(unreadable)? {
        if let Some(outcome) = failed.or(shard.snapshots.is_some().then(|| outcome_of(rehydrated.snapshot))) {
            shard.metrics.snapshot_loaded(outcome);
        }
        return Ok(Loaded::Here(Box::new(rehydrated), node));
    }
    if !create {
        return Ok(Loaded::Unknown);
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
    if is_node {
        match shard.store.claim(session_id).await.map_err(unreadable)? {
            Claim::Ours => {}
            // Another node has made it at the same moment.
            Claim::Theirs(node) => return Ok(Loaded::Elsewhere(node)),
            Claim::Claimed | Claim::Unknown => {
                return Err(unavailable("other nodes make and leave it at this moment".into(), true));
            }
        }
    }
    let record = SessionRecord {
        session,
        organization: Arc::clone(&shard.organization),
        last_seq: 0,
        keys: Vec::new(),
        open_turns: Vec::new(),
        person: None,
        transcript: Vec::new(),
        erased_through,
    };
    let rehydrated = Rehydrated {
        record,
        snapshot: SnapshotUse::Absent,
        last_event: None,
    };
    Ok(Loaded::Here(Box::new(rehydrated), node))
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

/// As [`pass`], to a session that leaves its place to another node instead if nothing of it is under way.
fn yield_or_pass(session: &Addr<Session>, command: Command) {
    #[expect(clippy::disallowed_methods, reason = "as for other commands")]
    session.do_send(Yield(command));
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
            Entry::Live(session, _) => session.connected(),
            Entry::Starting(_) => true,
            Entry::Elsewhere(_, since) => since.elapsed() < ELSEWHERE_MAX,
        });
        for entry in self.sessions.values() {
            if let Entry::Live(session, _) = entry {
                // A session that is too busy to be swept is swept the next time.
                let _ = session.try_send(sweep);
            }
        }
    }
}

impl Handler<Dispatch> for SessionRegistry {
    type Result = ();

    fn handle(&mut self, dispatch: Dispatch, ctx: &mut Self::Context) {
        let leaves_to_others = self.leaves_to_others();
        match self.sessions.get_mut(&dispatch.session_id) {
            Some(Entry::Live(session, _)) if session.connected() => match dispatch.origin {
                Origin::Peer if leaves_to_others => yield_or_pass(session, dispatch.command),
                Origin::Here | Origin::Peer => pass(session, dispatch.command),
            },
            Some(Entry::Starting(waiting)) => waiting.push(dispatch),
            Some(Entry::Elsewhere(node, since)) if dispatch.origin == Origin::Here => {
                *since = Instant::now();
                let node = *node;
                self.send_to(node, dispatch);
            }
            Some(Entry::Elsewhere(..)) => drop(dispatch.declined.send(Declined::Elsewhere)),
            Some(Entry::Live(..)) | None if dispatch.origin == Origin::Peer => self.give_away(dispatch, ctx),
            Some(Entry::Live(..)) | None if leaves_to_others => {
                let _ = dispatch.declined.send(Declined::Refused(admission::stopping()));
            }
            Some(Entry::Live(..)) | None => {
                self.start(dispatch.session_id, dispatch.create, vec![dispatch], ctx);
            }
        }
    }
}

impl Handler<SessionEnded> for SessionRegistry {
    type Result = ();

    fn handle(&mut self, ended: SessionEnded, ctx: &mut Self::Context) {
        let is_dead =
            matches!(self.sessions.get(&ended.session_id), Some(Entry::Live(session, _)) if !session.connected());
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
            Some(Entry::Live(session, _)) if session.connected() => return,
            Some(Entry::Starting(_)) => {
                // It may fail to start, which whoever waits for it is told; the turn that it left open is not given up.
                ctx.notify_later(Resume(session_id), RESTART_AFTER);
                return;
            }
            Some(Entry::Live(..) | Entry::Elsewhere(..)) | None => {}
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

impl Handler<Moved> for SessionRegistry {
    type Result = ();

    fn handle(&mut self, moved: Moved, _: &mut Self::Context) {
        let is_one = |entry: &Entry, node: NodeId| matches!(entry, Entry::Elsewhere(found, _) if *found == node);
        match moved {
            Moved::One(session_id, node) => {
                if self.sessions.get(&session_id).is_some_and(|entry| is_one(entry, node)) {
                    self.sessions.remove(&session_id);
                }
            }
            Moved::All(node) => self.sessions.retain(|_, entry| !is_one(entry, node)),
        }
    }
}

impl Handler<Disown> for SessionRegistry {
    type Result = ();

    fn handle(&mut self, _: Disown, _: &mut Self::Context) {
        self.sessions.retain(|_, entry| !matches!(entry, Entry::Elsewhere(..)));
        for entry in self.sessions.values() {
            if let Entry::Live(session, _) = entry {
                #[expect(clippy::disallowed_methods, reason = "once for each lease that is lost")]
                session.do_send(Abandon);
            }
        }
    }
}

impl Handler<Drain> for SessionRegistry {
    type Result = ();

    fn handle(&mut self, drain: Drain, _: &mut Self::Context) {
        for entry in self.sessions.values() {
            if let Entry::Live(session, _) = entry {
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
            if let Entry::Live(session, _) = entry {
                #[expect(clippy::disallowed_methods, reason = "once in a process's life")]
                session.do_send(Capture {
                    asker: Some(Arc::clone(&guard)),
                });
            }
        }
    }
}
