//! Starts the actors: one arbiter for the journal writer, one for each shard.

use std::{
    cell::RefCell,
    collections::HashMap,
    rc::Rc,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU64},
    },
};

use actix::{Actor, Addr, Arbiter};
use orchestratai_agents::{
    definition::Catalog,
    routing::{Adviser, Router},
    turn::Responder,
};
use orchestratai_shared::AgentId;
use orchestratai_store::{RedisAddress, Store};
use orchestratai_telemetry::{History, Metrics};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::{
    admission::Admission,
    agent::board::AgentBoard,
    cluster::{Cluster, ExchangeParts, ShardDoors},
    gateway::{
        Gateway, Inner, Measurer, ShardHandle, Surveyor,
        trials::{TRIALS_MAX, TrialResponder},
    },
    health::Probe,
    journal::Journal,
    orchestrator::Crew,
    registry::SessionRegistry,
    shard::{SessionSettings, Shard, ShardSnapshots},
    snapshotter::{Snapshots, Snapshotter, tally::Tally},
};

/// All that the actors are made of.
pub struct Parts {
    /// Where everything durable goes.
    pub store: Store,
    /// The agents' definitions.
    pub catalog: Arc<Catalog>,
    /// Decides who answers.
    pub router: Arc<Router>,
    /// Decides where that one is unsure.
    pub adviser: Option<Arc<Adviser>>,
    /// What answers, by agent.
    pub responders: HashMap<AgentId, Arc<dyn Responder>>,
    /// What answers where an agent is only tried.
    pub trial_responder: TrialResponder,
    /// Metrics.
    pub metrics: Metrics,
    /// What they were a while ago.
    pub history: Arc<History>,
    /// Limits and habits of sessions.
    pub settings: SessionSettings,
    /// Number of shards, at least 1.
    pub shards: usize,
    /// Whom new sessions belong to.
    pub organization: Arc<str>,
    /// How snapshots of sessions are kept; `None`: not at all.
    pub snapshots: Option<Snapshots>,
    /// Where other nodes are reached, for a store that was opened as one of them.
    pub bus: Option<RedisAddress>,
    /// Parts besides the journal that others depend on.
    pub probes: Vec<Probe>,
}

/// Starts the actors. To be called within an actix system.
#[must_use]
pub fn start(parts: Parts) -> Gateway {
    let Parts {
        store,
        catalog,
        router,
        adviser,
        responders,
        trial_responder,
        metrics,
        history,
        settings,
        shards,
        organization,
        snapshots,
        bus,
        probes,
    } = parts;
    let admission = Admission::new(settings.turns_in_flight, metrics.clone());
    let board = AgentBoard::new(&catalog, &metrics);
    let crew = Crew {
        catalog,
        router: Arc::clone(&router),
        adviser,
        responders: Arc::new(responders),
        board: board.clone(),
    };
    let patience = settings.turn_max;
    let journal_fails = Arc::new(AtomicBool::new(false));
    let journal = Journal::start(
        store.clone(),
        metrics.clone(),
        Arc::clone(&journal_fails),
        admission.clone(),
    );

    let shards = shards.max(1);
    let cluster = Arc::new(OnceLock::new());
    let mut doors = Vec::with_capacity(shards);
    let mut surveys = Vec::with_capacity(shards);
    let handles = (0..shards).map(|_| {
        let arbiter = Arbiter::new().handle();
        let tally = Arc::new(Tally::default());
        let snapshots = snapshots.clone().map(|snapshots| {
            let snapshotter = Snapshotter::new(snapshots.clone(), metrics.clone(), Arc::clone(&tally));
            ShardSnapshots::new(snapshots, Snapshotter::start_in_arbiter(&arbiter, move |_| snapshotter))
        });
        let snapshotter = snapshots.as_ref().map(|snapshots| snapshots.snapshotter().clone());
        let shard = Shard {
            live_sessions_max: settings.live_sessions_max / shards,
            settings: settings.clone(),
            store: store.clone(),
            journal: journal.clone(),
            crew: crew.clone(),
            orchestrator: RefCell::default(),
            admission: admission.clone(),
            board: board.clone(),
            metrics: metrics.clone(),
            organization: Arc::clone(&organization),
            snapshots,
            cluster: Arc::clone(&cluster),
        };
        let registry = SessionRegistry::start_in_arbiter(&arbiter, move |_| SessionRegistry::new(Rc::new(shard)));
        surveys.push(registry.clone().recipient());
        doors.push(ShardDoors {
            dispatch: registry.clone().recipient(),
            resume: registry.clone().recipient(),
            moved: registry.clone().recipient(),
            disown: registry.clone().recipient(),
        });
        ShardHandle {
            dispatch: registry.clone().recipient(),
            resume: registry.clone().recipient(),
            drain: registry.clone().recipient(),
            capture: registry.recipient(),
            snapshotter: snapshotter.clone().map(Addr::recipient),
            erased: snapshotter.map(Addr::recipient),
            dirty: tally,
        }
    });
    let handles: Vec<ShardHandle> = handles.collect();
    let connections = Arc::new(AtomicU64::new(0));
    let surveys: Arc<[_]> = surveys.into();
    if let Some((redis, nodes)) = bus.zip(store.nodes()) {
        let parts = ExchangeParts {
            redis,
            nodes,
            store: store.clone(),
            shards: doors.into(),
            surveys: Arc::clone(&surveys),
            connections: Arc::clone(&connections),
            admission: admission.clone(),
            board: board.clone(),
            metrics,
            history: Arc::clone(&history),
            trouble: Arc::default(),
        };
        cluster.get_or_init(|| Cluster::start(parts));
    }
    Gateway::new(Inner {
        shards: handles,
        surveyor: Surveyor::new(surveys),
        store,
        measurer: Measurer::new(history),
        router,
        crew,
        board,
        admission,
        journal_fails,
        probes,
        connections,
        cluster: cluster.get().cloned(),
        patience,
        gave_up: CancellationToken::new(),
        searches: Semaphore::new(1),
        trial_responder,
        trials: Semaphore::new(TRIALS_MAX),
    })
}
