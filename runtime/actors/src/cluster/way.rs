//! The way to the exchange, for all other parts of the node.

use std::{
    sync::{Arc, Mutex, PoisonError, atomic::AtomicU64},
    time::Duration,
};

use actix::{Actor, Addr, Arbiter, ArbiterHandle, Message, Recipient};
use orchestratai_shared::SessionId;
use orchestratai_store::{NodeId, Nodes, RedisAddress, Store};
use orchestratai_telemetry::{ActorKind, History, Metrics, OverviewPart};
use tokio::sync::{oneshot, watch};

use super::{
    exchange::Exchange,
    surveying::{Answers, MeasureOthers, SurveyOthers},
};
use crate::{
    admission::Admission,
    agent::board::AgentBoard,
    health::{ServiceHealth, ServiceState},
    registry::{
        Declined, Disown, Dispatch, Moved, Resume,
        survey::{Survey, Surveyed},
    },
    session::messages::Command,
};

/// The way to the exchange, which is started anew where it is gone. Clones share it.
#[derive(Clone)]
pub(crate) struct Cluster(Arc<Inner>);

struct Inner {
    arbiter: ArbiterHandle,
    parts: ExchangeParts,
    present: Mutex<Addr<Exchange>>,
}

/// What an exchange works with.
#[derive(Clone)]
pub(crate) struct ExchangeParts {
    /// Where the others are reached.
    pub(crate) redis: RedisAddress,
    pub(crate) nodes: watch::Receiver<Nodes>,
    pub(crate) store: Store,
    pub(crate) shards: Arc<[ShardDoors]>,
    /// To ask for the sessions in progress here.
    pub(crate) surveys: Arc<[Recipient<Survey>]>,
    /// Numbers subscribers, those of this node too, and what is asked of others.
    pub(crate) connections: Arc<AtomicU64>,
    pub(crate) admission: Admission,
    pub(crate) board: AgentBoard,
    pub(crate) metrics: Metrics,
    /// What the others are told of what was counted here.
    pub(crate) history: Arc<History>,
    /// Why the others cannot be reached, for all to see.
    pub(crate) trouble: Arc<Mutex<Option<Arc<str>>>>,
}

/// The kept handles on the registry of one shard.
#[derive(Clone)]
pub(crate) struct ShardDoors {
    pub(crate) dispatch: Recipient<Dispatch>,
    pub(crate) resume: Recipient<Resume>,
    pub(crate) moved: Recipient<Moved>,
    pub(crate) disown: Recipient<Disown>,
}

impl Cluster {
    /// Starts the exchange on an arbiter of its own.
    pub(crate) fn start(parts: ExchangeParts) -> Self {
        let arbiter = Arbiter::new().handle();
        let exchange = Exchange::new(parts.clone());
        let present = Exchange::start_in_arbiter(&arbiter, move |_| exchange);
        Self(Arc::new(Inner {
            arbiter,
            parts,
            present: Mutex::new(present),
        }))
    }

    /// Asks something of a session that another node owns.
    pub(crate) fn forward(&self, forward: Forward) {
        #[expect(
            clippy::disallowed_methods,
            reason = "bounded by the registry's own mailbox and by turn permits"
        )]
        self.exchange().do_send(forward);
    }

    /// The sessions in progress on other nodes, so many of each at most.
    pub(crate) async fn survey(&self, limit: usize) -> Answers<Surveyed> {
        let (reply, answers) = oneshot::channel();
        #[expect(clippy::disallowed_methods, reason = "the gateway makes one survey at a time")]
        self.exchange().do_send(SurveyOthers { limit, reply });
        // An exchange that is gone while it is asked knows of nobody.
        answers.await.unwrap_or_default()
    }

    /// What other nodes have counted in the time up to now, by stretches of `step`.
    pub(crate) async fn measure(&self, window: Duration, step: Duration) -> Answers<OverviewPart> {
        let (reply, answers) = oneshot::channel();
        #[expect(clippy::disallowed_methods, reason = "the gateway asks one thing at a time")]
        self.exchange().do_send(MeasureOthers { window, step, reply });
        answers.await.unwrap_or_default()
    }

    /// How it is with the other nodes, for people.
    pub(crate) fn health(&self) -> ServiceHealth {
        let parts = &self.0.parts;
        let nodes = parts.nodes.borrow().clone();
        let trouble = parts.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let count = nodes.all.len();
        let (state, detail) = match (nodes.is_held, trouble) {
            (false, _) => (
                ServiceState::Degraded,
                "the node's lease is not held: the database cannot be reached in time".to_owned(),
            ),
            (true, Some(why)) if !nodes.is_alone() => (
                ServiceState::Degraded,
                format!("{count} nodes, which cannot reach each other: {why}"),
            ),
            (true, _) => (ServiceState::Up, format!("node {} of {count}", nodes.me)),
        };
        ServiceHealth {
            name: "cluster".into(),
            state,
            detail: Some(detail),
        }
    }

    fn exchange(&self) -> Addr<Exchange> {
        // Nothing panics while it is held.
        let mut present = self.0.present.lock().unwrap_or_else(PoisonError::into_inner);
        if !present.connected() {
            tracing::error!("the exchange with the other nodes was gone and is started anew");
            self.0.parts.metrics.actor_restarted(ActorKind::Exchange);
            let exchange = Exchange::new(self.0.parts.clone());
            *present = Exchange::start_in_arbiter(&self.0.arbiter, move |_| exchange);
        }
        present.clone()
    }
}

/// A command for a session that another node owns.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Forward {
    /// The owner.
    pub(crate) node: NodeId,
    /// The session.
    pub(crate) session_id: SessionId,
    /// Whether it is created where it is unknown.
    pub(crate) create: bool,
    /// What it is asked.
    pub(crate) command: Command,
    /// Told why where it cannot be asked.
    pub(crate) declined: oneshot::Sender<Declined>,
}
