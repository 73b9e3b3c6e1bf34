//! A shard: one arbiter with its sessions, its orchestrator and its agents. A session lives on the shard that its id
//! hashes to, and its turns run there too, so that a turn crosses threads only at its ends.

use std::{
    cell::RefCell,
    sync::{Arc, OnceLock},
    time::Duration,
};

use actix::{Actor, Addr};
use orchestratai_shared::{Agent, SessionId};
use orchestratai_store::Store;
use orchestratai_telemetry::{ActorKind, Metrics};

use crate::{
    admission::Admission,
    agent::board::AgentBoard,
    cluster::Cluster,
    journal::Journal,
    orchestrator::{Crew, Orchestrator},
    session::{
        core::{DoubleTexting, Policy},
        subscriber::SubscriberLimits,
    },
    snapshotter::{Snapshots, Snapshotter},
};

/// The limits and habits of sessions, as they are configured.
#[derive(Debug, Clone)]
pub struct SessionSettings {
    /// What happens to a message that arrives while a turn runs.
    pub double_texting: DoubleTexting,
    /// Turns that may wait behind the running one.
    pub queue_max: usize,
    /// A session without subscribers ends itself after it has been idle for this long.
    pub idle_after: Duration,
    /// Messages of the past that an agent is shown.
    pub transcript_messages: usize,
    /// How long an attempt at a turn may take.
    pub turn_max: Duration,
    /// Bytes that may be on their way to a subscriber.
    pub subscriber_window_bytes: usize,
    /// How long a subscriber may take in nothing of what was sent before it is cut off.
    pub slow_client_after: Duration,
    /// How long a subscriber may be silent before it is asked for a sign of life.
    pub heartbeat: Duration,
    /// Live sessions of the whole process; beyond three quarters of it idle ones are passivated earlier.
    pub live_sessions_max: usize,
    /// Turns of the whole process that may be under way.
    pub turns_in_flight: usize,
    /// How long a turn waits for a person who has its session before that is given back to the agents.
    pub person_max: Duration,
}

impl SessionSettings {
    /// How often a turn is begun before it is given up, the first time included.
    pub const ATTEMPTS_MAX: u32 = 3;

    pub(crate) fn policy(&self) -> Policy {
        Policy {
            double_texting: self.double_texting,
            queue_max: self.queue_max,
            attempts_max: Self::ATTEMPTS_MAX,
            person_max: self.person_max,
        }
    }

    pub(crate) fn subscriber_limits(&self) -> SubscriberLimits {
        SubscriberLimits {
            window_bytes: self.subscriber_window_bytes,
            slow_after: self.slow_client_after,
            heartbeat: self.heartbeat,
        }
    }

    /// How often sessions are looked through: often enough for the shortest of their time limits.
    pub(crate) fn sweep_every(&self) -> Duration {
        let shortest = self
            .slow_client_after
            .min(self.heartbeat)
            .min(self.idle_after)
            .min(self.turn_max)
            .min(self.person_max);
        (shortest / 4).clamp(Duration::from_millis(50), Duration::from_secs(1))
    }
}

/// What the sessions of one shard share.
pub(crate) struct Shard {
    /// The sessions' limits.
    pub(crate) settings: SessionSettings,
    /// Live sessions that this shard may have.
    pub(crate) live_sessions_max: usize,
    /// For reading; all writing goes through `journal`.
    pub(crate) store: Store,
    /// The one writer.
    pub(crate) journal: Journal,
    /// What its orchestrators work with.
    pub(crate) crew: Crew,
    /// The shard's orchestrator, once there is one.
    pub(crate) orchestrator: RefCell<Option<Addr<Orchestrator>>>,
    /// Room for turns.
    pub(crate) admission: Admission,
    /// Status and counters of the agents.
    pub(crate) board: AgentBoard,
    /// Metrics.
    pub(crate) metrics: Metrics,
    /// Whom new sessions belong to.
    pub(crate) organization: Arc<str>,
    /// How their snapshots are kept, if they are.
    pub(crate) snapshots: Option<ShardSnapshots>,
    /// The way to sessions of other nodes, where there are any.
    pub(crate) cluster: Arc<OnceLock<Cluster>>,
}

/// How a shard's snapshots are kept.
pub(crate) struct ShardSnapshots {
    pub(crate) snapshots: Snapshots,
    snapshotter: Addr<Snapshotter>,
}

impl ShardSnapshots {
    pub(crate) fn new(snapshots: Snapshots, snapshotter: Addr<Snapshotter>) -> Self {
        Self { snapshots, snapshotter }
    }

    /// The one that writes them.
    pub(crate) fn snapshotter(&self) -> &Addr<Snapshotter> {
        &self.snapshotter
    }

    /// Whether sessions are written while they live, and not only when they leave memory.
    pub(crate) fn writes_live_sessions(&self) -> bool {
        self.snapshots.write_after.is_some()
    }
}

impl Shard {
    /// The shard's orchestrator; one that is gone is started anew. To be called on the shard's arbiter.
    pub(crate) fn orchestrator(&self) -> Addr<Orchestrator> {
        let mut present = self.orchestrator.borrow_mut();
        if present.as_ref().is_some_and(|orchestrator| !orchestrator.connected()) {
            tracing::error!("an orchestrator was gone and is started anew");
            self.metrics.actor_restarted(ActorKind::Orchestrator);
            *present = None;
        }
        let start = || Orchestrator::new(self.crew.clone(), self.metrics.clone()).start();
        present.get_or_insert_with(start).clone()
    }

    /// The agents as the `session_ready` of one session shows them.
    pub(crate) fn agents(&self) -> Vec<Agent> {
        self.board.agents()
    }
}

/// Which of `shards` a session lives on. Ids may be chosen by clients, so all of their bits are mixed.
pub(crate) fn shard_of(session_id: SessionId, shards: usize) -> usize {
    let (high, low) = session_id.0.as_u64_pair();
    // Multiplying by the golden ratio spreads the bits upwards (Knuth, The Art of Computer Programming 3, 6.4).
    let mixed = (high ^ low).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    usize::try_from(mixed >> 32).unwrap_or(0) % shards.max(1)
}
