//! The actor that speaks with the exchanges of the other nodes.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use actix::{
    Actor, ActorContext, Addr, Arbiter, ArbiterHandle, AsyncContext, Context, Handler, Message, Recipient, WrapFuture,
};
use orchestratai_shared::SessionId;
use orchestratai_store::{Bus, BusError, BusEvent, NodeId, Nodes, RedisAddress, Store};
use orchestratai_telemetry::{ActorKind, History, Metrics, OverviewPart};
use tokio::sync::{oneshot, watch};

use super::{
    asking::{Asked, Followed},
    bridge::SubscriptionId,
    parcel::{Parcel, Published},
    serving::Served,
    surveying::{Answers, Asking, MeasureOthers, SurveyOthers},
};
use crate::{
    Publish,
    admission::Admission,
    agent::board::AgentBoard,
    health::{ServiceHealth, ServiceState},
    registry::{
        Declined, Disown, Dispatch, Moved, Resume,
        survey::{Survey, Surveyed},
    },
    session::messages::Command,
    shard::shard_of,
};

/// How often the others are told that this node is there, and looked after.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// A node that was not heard of for so long cannot be reached.
const SILENT_MAX: Duration = Duration::from_secs(3);

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
    pub(crate) dispatch: actix::Recipient<Dispatch>,
    pub(crate) resume: actix::Recipient<Resume>,
    pub(crate) moved: actix::Recipient<Moved>,
    pub(crate) disown: actix::Recipient<Disown>,
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

/// Speaks with the other nodes.
pub(crate) struct Exchange {
    pub(super) parts: ExchangeParts,
    /// None before it is started.
    bus: Option<Bus>,
    /// The nodes as they were looked at last.
    pub(super) nodes: Nodes,
    peers: HashMap<NodeId, Peer>,
    /// What was asked of others and is not answered.
    pub(super) asked: HashMap<u64, Asked>,
    /// Subscriptions of this node's clients to sessions of others.
    pub(super) followed: HashMap<u64, Followed>,
    /// Subscriptions of others to sessions of this node.
    pub(super) served: HashMap<SubscriptionId, Served>,
    pub(super) is_taking_over: bool,
    /// What nodes were asked for: their sessions, and what they have counted.
    pub(super) surveys: Asking<Surveyed>,
    pub(super) measures: Asking<OverviewPart>,
}

/// Another node.
struct Peer {
    /// When it was heard of last.
    heard: Instant,
    /// Whether it is still to be told that all was given up.
    owes_reset: bool,
    /// When it was told so last.
    reset_at: Option<Instant>,
    /// Whether it was given up because it was not.
    is_silent: bool,
    /// How often everything that was under way with it was given up.
    breaks: u64,
}

impl Exchange {
    fn new(parts: ExchangeParts) -> Self {
        let nodes = parts.nodes.borrow().clone();
        Self {
            parts,
            bus: None,
            nodes,
            peers: HashMap::new(),
            asked: HashMap::new(),
            followed: HashMap::new(),
            served: HashMap::new(),
            is_taking_over: false,
            surveys: Asking::default(),
            measures: Asking::default(),
        }
    }

    /// The next number of something that is asked or subscribed to, never the same twice in a process: the others may still answer
    /// what an exchange asked that is gone.
    pub(super) fn number(&self) -> u64 {
        self.next_connection()
    }

    pub(super) fn shard(&self, session_id: SessionId) -> &ShardDoors {
        &self.parts.shards[shard_of(session_id, self.parts.shards.len())]
    }

    /// The next number of a subscriber.
    pub(super) fn next_connection(&self) -> u64 {
        self.parts.connections.fetch_add(1, Ordering::Relaxed)
    }

    /// The other nodes, as far as they are known.
    pub(super) fn others(&self) -> Vec<NodeId> {
        self.peers.keys().copied().collect()
    }

    /// Whether that node can be asked something.
    pub(super) fn reaches(&mut self, node: NodeId) -> bool {
        if !self.peers.contains_key(&node) {
            self.look_at_nodes();
        }
        self.bus.as_ref().is_some_and(|bus| bus.trouble().is_none())
            && self
                .peers
                .get(&node)
                .is_some_and(|peer| peer.heard.elapsed() < SILENT_MAX)
    }

    /// How often everything that was under way with that node was given up.
    pub(super) fn breaks(&self, node: NodeId) -> u64 {
        self.peers.get(&node).map_or(0, |peer| peer.breaks)
    }

    /// Says something to another node. What cannot be sent breaks what is under way with it.
    pub(super) fn send(&self, to: NodeId, parcel: &Parcel, ctx: &Context<Self>) {
        let sent = self.bus.as_ref().map(|bus| bus.send(to, parcel.to_line()));
        match sent {
            Some(Ok(())) => self.parts.metrics.bus_sent(),
            // All is given up when the bus says that it is away.
            Some(Err(BusError::Away)) | None => {}
            Some(Err(BusError::Full)) => {
                #[expect(clippy::disallowed_methods, reason = "once for each message that finds no room")]
                ctx.address().do_send(Heard(BusEvent::Broken(to)));
            }
        }
    }

    fn hear(&mut self, event: BusEvent, ctx: &mut Context<Self>) {
        match event {
            BusEvent::Up => {
                // The bus speaks as whom this node is now.
                self.look_at_nodes();
                self.set_trouble(None);
                let others: Vec<NodeId> = self.peers.keys().copied().collect();
                for node in others {
                    // Something may have been asked since the bus was up, and would be given up there alone.
                    self.give_up(node);
                    self.send(node, &Parcel::Reset, ctx);
                }
                self.greet(ctx);
            }
            BusEvent::Away => {
                let why = self.bus.as_ref().and_then(Bus::trouble);
                self.set_trouble(Some(why.unwrap_or_else(|| "Redis is away".into())));
                self.parts.metrics.bus_broken();
                self.give_up_all();
            }
            BusEvent::Broken(node) => {
                self.parts.metrics.bus_broken();
                self.give_up(node);
                if let Some(peer) = self.peers.get_mut(&node) {
                    peer.owes_reset = true;
                }
                self.reset(ctx);
            }
            BusEvent::Message { from, body } => {
                self.parts.metrics.bus_received();
                if let Some(peer) = self.peers.get_mut(&from) {
                    peer.heard = Instant::now();
                    peer.is_silent = false;
                }
                match Parcel::read(&body) {
                    Ok(parcel) => self.take(from, parcel, ctx),
                    Err(error) => {
                        tracing::warn!(node.id = %from, %error, "what another node says is not understood");
                    }
                }
            }
        }
    }

    fn take(&mut self, from: NodeId, parcel: Parcel, ctx: &mut Context<Self>) {
        match parcel {
            Parcel::Hello { agents } => self.parts.board.heard_of(from, agents),
            Parcel::Reset => self.give_up(from),
            Parcel::Ask {
                n,
                session_id,
                create,
                question,
            } => self.serve(from, n, session_id, create, question, ctx),
            Parcel::Say { subscription, word } => self.pass_on((from, subscription), word, ctx),
            Parcel::Answer { n, answer } => self.answered(from, n, answer, ctx),
            Parcel::Publish {
                subscription,
                published,
            } => self.published(from, subscription, published, ctx),
            Parcel::Settled { n } => self.settled(from, n),
            Parcel::Survey { n, limit } => self.show_sessions(from, n, limit, ctx),
            Parcel::Surveyed { n, total, sessions } => self.shown(from, n, Surveyed { total, sessions }),
            Parcel::Measure { n, window, step } => self.show_counts(from, n, window, step, ctx),
            Parcel::Measured { n, part } => self.counted(from, n, *part),
        }
    }

    /// Gives up everything that is under way with a node.
    fn give_up(&mut self, node: NodeId) {
        if let Some(peer) = self.peers.get_mut(&node) {
            peer.breaks += 1;
        }
        // Whose the sessions are is looked up anew: it may be that the node has just gone.
        for shard in self.parts.shards.iter() {
            #[expect(clippy::disallowed_methods, reason = "once for each break")]
            shard.moved.do_send(Moved::All(node));
        }
        self.stop_asking(node);
        self.surveys.give_up(node);
        self.measures.give_up(node);
        self.stop_serving(node);
        self.set_relayed();
    }

    /// Tells those who are to be told that all was given up, each once in a while: the word itself may be what is lost.
    fn reset(&mut self, ctx: &Context<Self>) {
        let is_due = |peer: &Peer| peer.owes_reset && peer.reset_at.is_none_or(|at| at.elapsed() >= LOOK_EVERY);
        let due: Vec<NodeId> = (self.peers.iter_mut())
            .filter(|(_, peer)| is_due(peer))
            .map(|(node, peer)| {
                (peer.owes_reset, peer.reset_at) = (false, Some(Instant::now()));
                *node
            })
            .collect();
        for node in due {
            // What was asked since is given up there, too.
            self.give_up(node);
            self.send(node, &Parcel::Reset, ctx);
        }
    }

    fn give_up_all(&mut self) {
        let nodes: Vec<NodeId> = self.peers.keys().copied().collect();
        nodes.into_iter().for_each(|node| self.give_up(node));
    }

    fn set_trouble(&self, trouble: Option<Arc<str>>) {
        self.parts.metrics.bus_up(trouble.is_none());
        *self.parts.trouble.lock().unwrap_or_else(PoisonError::into_inner) = trouble;
    }

    pub(super) fn set_relayed(&self) {
        self.parts.metrics.subscriptions_relayed(self.served.len());
    }

    fn greet(&mut self, ctx: &mut Context<Self>) {
        let agents = self.parts.board.counts();
        let others: Vec<NodeId> = self.peers.keys().copied().collect();
        for node in others {
            let hello = Parcel::Hello { agents: agents.clone() };
            self.send(node, &hello, ctx);
        }
    }

    /// Sees who is there.
    fn look_at_nodes(&mut self) {
        let seen = self.parts.nodes.borrow().clone();
        if seen.me != self.nodes.me {
            self.give_up_all();
            self.parts.metrics.node_lease_lost();
            for shard in self.parts.shards.iter() {
                #[expect(clippy::disallowed_methods, reason = "once for each lease that is lost")]
                shard.disown.do_send(Disown);
            }
        }
        self.parts.metrics.nodes(seen.all.len(), seen.is_held);
        let gone: Vec<NodeId> = (self.peers.keys().copied())
            .filter(|node| !seen.all.contains(node))
            .collect();
        for node in gone {
            self.parts.metrics.bus_broken();
            self.give_up(node);
            self.peers.remove(&node);
            self.parts.board.forget(node);
        }
        let now = Instant::now();
        for node in seen.all.iter().filter(|node| **node != seen.me) {
            self.peers.entry(*node).or_insert(Peer {
                heard: now,
                owes_reset: false,
                reset_at: None,
                is_silent: false,
                breaks: 0,
            });
        }
        self.nodes = seen;
    }

    fn look(&mut self, ctx: &mut Context<Self>) {
        self.look_at_nodes();
        let is_new = |peer: &Peer| !peer.is_silent && peer.heard.elapsed() >= SILENT_MAX;
        let silent: Vec<NodeId> = (self.peers.iter_mut())
            .filter(|(_, peer)| is_new(peer))
            .map(|(node, peer)| {
                peer.is_silent = true;
                *node
            })
            .collect();
        for node in silent {
            tracing::warn!(node.id = %node, "a node was not heard of for a while");
            self.hear(BusEvent::Broken(node), ctx);
        }
        self.stop_waiting();
        self.reset(ctx);
        self.greet(ctx);
        self.take_over(ctx);
    }
}

impl Actor for Exchange {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        let exchange = ctx.address();
        let bus = Bus::start(self.parts.redis.clone(), self.parts.nodes.clone(), move |event| {
            #[expect(
                clippy::disallowed_methods,
                reason = "what the other nodes send is bounded by what they wait for, and by credits"
            )]
            exchange.do_send(Heard(event));
        });
        match bus {
            Ok(bus) => self.bus = Some(bus),
            Err(error) => {
                tracing::error!(%error, "there is no thread to reach the other nodes by");
                ctx.stop();
            }
        }
        self.look_at_nodes();
        ctx.run_interval(LOOK_EVERY, |exchange, ctx| exchange.look(ctx));
        // Who goes is missed at once, and not only at the next look.
        let (mut nodes, exchange) = (self.parts.nodes.clone(), ctx.address());
        let follow = async move {
            while nodes.changed().await.is_ok() {
                #[expect(clippy::disallowed_methods, reason = "once for each change of the nodes")]
                exchange.do_send(NodesChanged);
            }
        };
        ctx.spawn(follow.into_actor(self));
    }
}

/// The bus has something to tell.
#[derive(Message)]
#[rtype(result = "()")]
struct Heard(BusEvent);

impl Handler<Heard> for Exchange {
    type Result = ();

    fn handle(&mut self, Heard(event): Heard, ctx: &mut Self::Context) {
        self.hear(event, ctx);
    }
}

/// A node has come or gone, or this one has become another.
#[derive(Message)]
#[rtype(result = "()")]
struct NodesChanged;

impl Handler<NodesChanged> for Exchange {
    type Result = ();

    fn handle(&mut self, _: NodesChanged, ctx: &mut Self::Context) {
        self.look_at_nodes();
        self.take_over(ctx);
    }
}

impl Handler<Forward> for Exchange {
    type Result = ();

    fn handle(&mut self, forward: Forward, ctx: &mut Self::Context) {
        self.ask(forward, ctx);
    }
}

/// From a bridge: a session publishes something for another node; with nothing the transport is to be cut.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Relay {
    pub(super) id: SubscriptionId,
    pub(super) publish: Option<Publish>,
}

impl Handler<Relay> for Exchange {
    type Result = ();

    fn handle(
        &mut self,
        Relay {
            id: (node, subscription),
            publish,
        }: Relay,
        ctx: &mut Self::Context,
    ) {
        let is_last = matches!(publish, Some(Publish::Gone | Publish::Close(_)));
        let published = publish.map_or(Published::Cut, Published::of);
        let parcel = Parcel::Publish {
            subscription,
            published,
        };
        self.send(node, &parcel, ctx);
        if is_last {
            self.served.remove(&(node, subscription));
            self.set_relayed();
        }
    }
}

/// From the link of a subscriber: it says something to a session of another node.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Said {
    pub(super) subscription: u64,
    pub(super) command: Command,
}

impl Handler<Said> for Exchange {
    type Result = ();

    fn handle(&mut self, said: Said, ctx: &mut Self::Context) {
        self.say(said.subscription, said.command, ctx);
    }
}
