//! The sessions of one shard: finds them by id, starts them on first use from the journal, lets them end when idle, and
//! starts anew whatever has died with work left. What is for a session of another node is sent there.

mod loading;
pub(crate) mod survey;

use std::{
    collections::HashMap,
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use actix::{Actor, ActorFutureExt, Addr, AsyncContext, Context, Handler, Message, WrapFuture};
use orchestratai_shared::{SessionId, UserId};
use orchestratai_store::NodeId;
use orchestratai_telemetry::ActorKind;
use tokio::sync::oneshot;

use self::loading::{Loaded, load};
use crate::{
    admission,
    cluster::Forward,
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

/// What becomes of a session that is unknown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Creation {
    /// Nothing: there is none.
    Refused,
    /// It is created, for this user where one is known.
    For(Option<UserId>),
}

impl Creation {
    /// Whether it is created.
    pub(crate) fn is_wanted(&self) -> bool {
        match self {
            Self::Refused => false,
            Self::For(_) => true,
        }
    }
}

impl From<bool> for Creation {
    /// Created or not, for nobody who is known.
    fn from(create: bool) -> Self {
        if create { Self::For(None) } else { Self::Refused }
    }
}

/// A command for a session, wherever it is: the registry starts the session where it is not live.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Dispatch {
    /// Which session.
    pub(crate) session_id: SessionId,
    /// Whether it is created where it is unknown.
    pub(crate) create: Creation,
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

impl SessionRegistry {
    pub(crate) fn new(shard: Rc<Shard>) -> Self {
        Self {
            shard,
            sessions: HashMap::new(),
        }
    }

    fn start(&mut self, session_id: SessionId, create: Creation, waiting: Vec<Dispatch>, ctx: &mut Context<Self>) {
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
                let (creators, others): (Vec<_>, Vec<_>) =
                    waiting.into_iter().partition(|dispatch| dispatch.create.is_wanted());
                others
                    .into_iter()
                    .for_each(|dispatch| drop(dispatch.declined.send(Declined::Unknown)));
                if let Some(first) = creators.first() {
                    self.start(session_id, first.create.clone(), creators, ctx);
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
                self.start(session_id, first.create.clone(), waiting, ctx);
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
            create: dispatch.create.is_wanted(),
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
                    registry.start(session_id, first.create.clone(), here, ctx);
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
                self.start(dispatch.session_id, dispatch.create.clone(), vec![dispatch], ctx);
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
        let load = async move { load(&shard, session_id, Creation::Refused).await };
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
