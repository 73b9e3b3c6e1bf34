//! The way in for everything outside: finds the session's shard, admits turns, and reads what is stored.

mod asking;
mod facts;
mod feedback;
mod live;
mod overview;
mod person;
mod questions;
mod reading;
mod sessions;
mod stopping;
pub(crate) mod trials;
mod turns;
mod vocabulary;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use actix::Recipient;
use orchestratai_agents::{
    definition::AgentDefinition,
    routing::{Router, RoutingDecision},
};
use orchestratai_shared::{
    Agent, AgentId, ChatSession, ErrorCode, Message, MessageContent, MessageId, SessionId, Timestamp, UserId,
    UserMessage,
};
use orchestratai_store::{NodeId, Store, StoreError};
use orchestratai_telemetry::Metrics;
use tokio::sync::{Semaphore, oneshot};
use tokio_util::sync::CancellationToken;

use self::trials::TrialResponder;
use crate::{
    admission::Admission,
    agent::board::AgentBoard,
    cluster::Cluster,
    health::{Probe, ServiceHealth, ServiceState},
    link::SessionLink,
    orchestrator::Crew,
    refusal::Refusal,
    registry::{CaptureAll, Creation, Dispatch, Resume},
    session::{
        messages::{Command, Drain, Subscribe},
        subscriber::ConnectionId,
    },
    snapshotter::{Erased, WriteAll, tally::Tally},
};

pub(crate) use live::Surveyor;
pub(crate) use overview::Measurer;
pub use overview::{FleetOverview, NodeOverview};
pub use person::Verdict;
pub use vocabulary::{Accepted, Conversed, Submission, Subscription, TurnRecord};

/// The way in for everything outside: cheap to clone, usable from any thread.
#[derive(Clone)]
pub struct Gateway {
    inner: Arc<Inner>,
}

/// What all clones of a gateway share.
pub(crate) struct Inner {
    pub(crate) shards: Vec<ShardHandle>,
    pub(crate) surveyor: Surveyor,
    pub(crate) store: Store,
    pub(crate) measurer: Measurer,
    pub(crate) router: Arc<Router>,
    pub(crate) crew: Crew,
    pub(crate) board: AgentBoard,
    pub(crate) admission: Admission,
    pub(crate) journal_fails: Arc<AtomicBool>,
    pub(crate) probes: Vec<Probe>,
    pub(crate) connections: Arc<AtomicU64>,
    /// None where no other node shares the database.
    pub(crate) cluster: Option<Cluster>,
    /// How long somebody who waits for the end of a turn is left to wait where that waits for a person.
    pub(crate) patience: Duration,
    /// Whether the drain waits for no turn any more.
    pub(crate) gave_up: CancellationToken,
    /// Who may search sessions for a text.
    pub(crate) searches: Semaphore,
    /// Makes what answers trials, and who may have one.
    pub(crate) trial_responder: TrialResponder,
    pub(crate) trials: Semaphore,
}

/// The kept handles on one shard's registry.
pub(crate) struct ShardHandle {
    pub(crate) dispatch: Recipient<Dispatch>,
    pub(crate) resume: Recipient<Resume>,
    pub(crate) drain: Recipient<Drain>,
    pub(crate) capture: Recipient<CaptureAll>,
    /// Where snapshots are kept.
    pub(crate) snapshotter: Option<Recipient<WriteAll>>,
    pub(crate) erased: Option<Recipient<Erased>>,
    /// What is dirty in the shard.
    pub(crate) dirty: Arc<Tally>,
}

/// How often a command is tried on a session that ends while it is asked.
const TRIES_MAX: u32 = 20;
/// How long one waits before the next try.
const RETRY_AFTER: Duration = Duration::from_millis(25);
/// When clients may come back after a drain.
const RECONNECT_AFTER: Duration = Duration::from_secs(2);

impl Gateway {
    pub(crate) fn new(inner: Inner) -> Self {
        Self { inner: Arc::new(inner) }
    }

    /// Makes a session, for `user` where one is known, or gives the one that has this id already. It is stored before this returns.
    ///
    /// # Errors
    /// [`Refusal`] where the journal cannot be reached.
    pub async fn create_session(&self, id: Option<SessionId>, user: Option<UserId>) -> Result<ChatSession, Refusal> {
        let id = id.unwrap_or_else(SessionId::new);
        self.ask(id, Creation::For(user), |reply| Command::Describe { reply })
            .await?
            .ok_or_else(unreachable_session)
    }

    /// The session of that id as one of `user`, who is named where it is made: by this, where it is unknown.
    ///
    /// # Errors
    /// A conflict where it is another's or nobody's, and [`Refusal`] where the journal cannot be reached.
    pub async fn session_of(&self, id: SessionId, user: &UserId) -> Result<ChatSession, Refusal> {
        let session = self.create_session(Some(id), Some(user.clone())).await?;
        // Whose it is instead is none of the caller's business.
        let words = match session.user_id.as_deref() {
            Some(known) if known == user.as_str() => return Ok(session),
            Some(_) => "The session is another user's.",
            None => "The session is nobody's: it was begun without a user, and has none ever after.",
        };
        Err(Refusal::new(ErrorCode::Conflict, words))
    }

    /// Erases a session with all it has; `false` where there is none.
    ///
    /// # Errors
    /// [`Refusal`] where the journal cannot be written.
    pub async fn erase_session(&self, id: SessionId) -> Result<bool, Refusal> {
        // An answer may be lost on its way from another node. Asked again, there is no such session any more.
        let mut was_asked = false;
        for _ in 0..TRIES_MAX {
            let (reply, answer) = oneshot::channel();
            let unanswered = self.dispatch(id, false, Command::Erase { reply })?;
            if let Ok(outcome) = answer.await {
                return outcome.map(|()| true);
            }
            if !unanswered.may_be_asked_again().await? {
                return Ok(was_asked);
            }
            was_asked = true;
        }
        Err(unreachable_session())
    }

    /// Follows a session: `session_ready`, then what was missed, then what happens, all through `subscriber`, in order.
    ///
    /// # Errors
    /// [`Refusal`] where the session cannot be had.
    pub async fn subscribe(&self, subscription: Subscription) -> Result<SessionLink, Refusal> {
        let Subscription {
            session_id,
            after_seq,
            epoch,
            is_fresh,
            subscriber,
            cut,
        } = subscription;
        let session_id = session_id.unwrap_or_else(SessionId::new);
        let connection = ConnectionId(self.inner.connections.fetch_add(1, Ordering::Relaxed));
        let session = self.ask(session_id, true, |reply| {
            Command::Subscribe(Subscribe {
                connection,
                after_seq,
                epoch: epoch.clone(),
                is_fresh,
                subscriber: subscriber.clone(),
                cut: cut.clone(),
                is_relayed: false,
                reply,
            })
        });
        let session = session.await?.ok_or_else(unreachable_session)?;
        Ok(SessionLink::new(
            session_id,
            connection,
            session,
            subscriber,
            self.inner.admission.clone(),
        ))
    }

    /// The agents, with status and counters.
    #[must_use]
    pub fn agents(&self) -> Vec<Agent> {
        self.inner.board.agents()
    }

    /// One agent, with status and counters.
    #[must_use]
    pub fn agent(&self, id: &AgentId) -> Option<Agent> {
        self.inner.board.agent(id)
    }

    /// What the agents are: their definitions.
    #[must_use]
    pub fn definitions(&self) -> &[AgentDefinition] {
        self.inner.crew.catalog.agents()
    }

    /// Who would answer this, and why; nothing is stored.
    #[must_use]
    pub fn route(&self, content: &MessageContent) -> RoutingDecision {
        self.inner.router.route(content.as_str())
    }

    /// Who would answer a message with all that it brings along; what its session knows is not looked at. Nothing is stored.
    #[must_use]
    pub fn route_said(&self, said: &UserMessage) -> RoutingDecision {
        let at = Timestamp::now();
        let spoken = said.context.iter().filter(|message| !message.is_blank());
        let history: Vec<Arc<Message>> = spoken
            .map(|message| {
                Arc::new(Message {
                    id: MessageId::new(),
                    role: message.role,
                    content: message.content.clone(),
                    agent: None,
                    confidence: None,
                    timestamp: at,
                    session_id: SessionId::new(),
                })
            })
            .collect();
        self.inner.crew.consider(said, &history).0
    }

    /// The names of the tools that an agent has from sources; `None` where there is no such agent, or it has no model that calls tools.
    pub async fn tools_of(&self, agent: &AgentId) -> Option<Vec<String>> {
        self.inner.crew.responders.get(agent)?.tools().await
    }

    /// Names the journal's lineage.
    #[must_use]
    pub fn epoch(&self) -> &str {
        self.inner.store.epoch()
    }

    /// Measures what is only known when it is asked for.
    pub fn measure(&self, metrics: &Metrics) {
        let lag = self.inner.store.apply_lag();
        metrics.journal_unapplied(lag.bytes, lag.age);
        metrics.ready(self.inner.admission.is_ready() && !self.is_draining() && self.holds_lease());
        let dirty = self.inner.shards.iter().map(|shard| shard.dirty.get());
        let (count, lag) = dirty.fold((0, Duration::ZERO), |(count, lag), (more, age)| {
            (count + more, lag.max(age))
        });
        metrics.snapshots_dirty(count, lag);
    }

    /// How each part is doing.
    pub async fn services(&self) -> Vec<ServiceHealth> {
        let detail = match self.inner.store.ping().await {
            Err(error) => Some((ServiceState::Down, error.to_string())),
            Ok(()) if self.inner.journal_fails.load(Ordering::Relaxed) => Some((
                ServiceState::Degraded,
                "the last commit failed; nothing of it is stored".to_owned(),
            )),
            Ok(()) => (self.inner.store.trouble()).map(|error| (ServiceState::Degraded, error.to_string())),
        };
        let (state, detail) = detail.map_or((ServiceState::Up, None), |(state, detail)| (state, Some(detail)));
        let journal = ServiceHealth {
            name: "journal".into(),
            state,
            detail,
        };
        let are_there = |shard: &ShardHandle| shard.dispatch.connected() && shard.resume.connected();
        let sessions = match self.inner.shards.iter().all(are_there) {
            true => (ServiceState::Up, None),
            // Two registries would start a session twice: only a new process has what one knew.
            false => (
                ServiceState::Down,
                Some("a shard is gone: restart the server".to_owned()),
            ),
        };
        let sessions = ServiceHealth {
            name: "sessions".into(),
            state: sessions.0,
            detail: sessions.1,
        };
        [journal, sessions]
            .into_iter()
            .chain(self.inner.cluster.iter().map(Cluster::health))
            .chain(self.inner.probes.iter().map(|probe| probe()))
            .collect()
    }

    /// Whether all that an answer needs is there.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.inner.admission.is_ready()
    }

    /// Says that all that an answer needs is there. Until then no session is begun or taken up, for it would have its turns
    /// answered from nothing.
    pub fn set_ready(&self) {
        self.inner.admission.open();
    }

    /// Whether sessions can be served, where several nodes share the database: others serve them while this one cannot.
    #[must_use]
    pub fn holds_lease(&self) -> bool {
        self.inner.store.holds_lease()
    }

    /// Which node this is at present; none where no other node shares the database.
    #[must_use]
    pub fn node(&self) -> Option<NodeId> {
        self.inner.store.node()
    }

    /// Whether the server is about to stop.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.inner.admission.is_draining()
    }

    /// Removes the snapshots of sessions that were erased at `since` or later, when that can be done: the process that erased
    /// them may have ended before it could. To be called before any session lives.
    ///
    /// # Errors
    /// [`Refusal`] where the store cannot be read.
    pub async fn forget_erased(&self, since: Timestamp) -> Result<(), Refusal> {
        let erased = self.inner.store.erased_since(since).await;
        for session_id in erased.map_err(|error| unreadable(&error))? {
            if let Some(erased) = &self.shard(session_id).erased {
                #[expect(
                    clippy::disallowed_methods,
                    reason = "one for each erased session, once in a process's life"
                )]
                erased.do_send(Erased(session_id));
            }
        }
        Ok(())
    }

    /// Takes up again the turns that were cut off when the process ended last; gives the number of their sessions.
    ///
    /// # Errors
    /// [`Refusal`] where the store cannot be read.
    pub async fn resume_interrupted(&self) -> Result<usize, Refusal> {
        if self.inner.cluster.is_some() {
            // They are taken over one by one, here and by other nodes.
            return Ok(0);
        }
        let sessions = self
            .inner
            .store
            .sessions_with_open_turns()
            .await
            .map_err(|error| unreadable(&error))?;
        for session_id in &sessions {
            #[expect(
                clippy::disallowed_methods,
                reason = "one for each interrupted session, once in a process's life"
            )]
            self.shard(*session_id).resume.do_send(Resume(*session_id));
        }
        Ok(sessions.len())
    }
}

fn unreachable_session() -> Refusal {
    Refusal::overloaded("The session cannot be reached just now.", Duration::from_secs(1))
}

fn unwritable() -> Refusal {
    Refusal::overloaded("The journal cannot be written just now.", Duration::from_secs(1))
}

/// Refuses what would have to be read from a store that cannot be read.
pub(crate) fn unreadable(error: &StoreError) -> Refusal {
    match error {
        StoreError::UnknownCursor => Refusal::new(
            ErrorCode::ValidationError,
            "before names nothing in this session to page from",
        ),
        StoreError::Away(_)
        | StoreError::Busy(_)
        | StoreError::DiskFull(_)
        | StoreError::Corrupt(_)
        | StoreError::Io(_)
        | StoreError::Conflict(_)
        | StoreError::CommitLog(_)
        | StoreError::ReadOnly
        | StoreError::LeaseLost
        | StoreError::NotApplied(_)
        | StoreError::Database(_)
        | StoreError::Unreadable { .. } => {
            tracing::error!(error = %error, source = ?std::error::Error::source(error), "the store cannot be read");
            match error.is_retryable() {
                true => Refusal::overloaded("The store cannot be read just now.", Duration::from_secs(1)),
                false => Refusal::new(ErrorCode::InternalError, "The store cannot be read."),
            }
        }
    }
}
