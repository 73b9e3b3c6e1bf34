//! Starts the actors: one arbiter for the journal writer, one for each shard.

use std::{
    cell::RefCell,
    collections::HashMap,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64},
    },
};

use actix::{Actor, Arbiter};
use orchestratai_agents::{definition::Catalog, routing::Router, turn::Responder};
use orchestratai_shared::AgentId;
use orchestratai_store::Store;
use orchestratai_telemetry::Metrics;
use tokio_util::sync::CancellationToken;

use crate::{
    admission::Admission,
    agent::board::AgentBoard,
    gateway::{Gateway, Inner, ShardHandle},
    health::Probe,
    journal::Journal,
    orchestrator::Crew,
    registry::SessionRegistry,
    shard::{SessionSettings, Shard},
};

/// All that the actors are made of.
pub struct Parts {
    /// Where everything durable goes.
    pub store: Store,
    /// The agents' definitions.
    pub catalog: Arc<Catalog>,
    /// Decides who answers.
    pub router: Arc<Router>,
    /// What answers, by agent.
    pub responders: HashMap<AgentId, Arc<dyn Responder>>,
    /// Metrics.
    pub metrics: Metrics,
    /// Limits and habits of sessions.
    pub settings: SessionSettings,
    /// Number of shards, at least 1.
    pub shards: usize,
    /// Whom new sessions belong to.
    pub organization: Arc<str>,
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
        responders,
        metrics,
        settings,
        shards,
        organization,
        probes,
    } = parts;
    let admission = Admission::new(settings.turns_in_flight, metrics.clone());
    let board = AgentBoard::new(&catalog, &metrics);
    let crew = Crew {
        catalog,
        router: Arc::clone(&router),
        responders: Arc::new(responders),
        board: board.clone(),
    };
    let journal_fails = Arc::new(AtomicBool::new(false));
    let journal = Journal::start(
        store.clone(),
        metrics.clone(),
        Arc::clone(&journal_fails),
        admission.clone(),
    );

    let shards = shards.max(1);
    let handles = (0..shards).map(|_| {
        let arbiter = Arbiter::new().handle();
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
        };
        let registry = SessionRegistry::start_in_arbiter(&arbiter, move |_| SessionRegistry::new(Rc::new(shard)));
        ShardHandle {
            dispatch: registry.clone().recipient(),
            resume: registry.clone().recipient(),
            drain: registry.recipient(),
        }
    });
    Gateway::new(Inner {
        shards: handles.collect(),
        store,
        router,
        board,
        admission,
        journal_fails,
        probes,
        connections: AtomicU64::new(0),
        gave_up: CancellationToken::new(),
    })
}
