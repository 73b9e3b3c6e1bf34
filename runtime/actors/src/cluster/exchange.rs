//! The actor that speaks with the exchanges of the other nodes.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, atomic::Ordering},
    time::Instant,
};

use actix::{Actor, ActorContext, AsyncContext, Context, Handler, Message, WrapFuture};
use orchestratai_shared::SessionId;
use orchestratai_store::{Bus, BusError, BusEvent, NodeId, Nodes};
use orchestratai_telemetry::OverviewPart;

use super::{
    asking::Asked,
    bridge::SubscriptionId,
    following::Followed,
    parcel::{Parcel, Published},
    peers::{LOOK_EVERY, Peer},
    serving::Served,
    surveying::Asking,
    way::{ExchangeParts, Forward, ShardDoors},
};
use crate::{Publish, registry::survey::Surveyed, session::messages::Command, shard::shard_of};

/// Speaks with the other nodes.
pub(crate) struct Exchange {
    pub(super) parts: ExchangeParts,
    /// None before it is started.
    pub(super) bus: Option<Bus>,
    /// The nodes as they were looked at last.
    pub(super) nodes: Nodes,
    pub(super) peers: HashMap<NodeId, Peer>,
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

impl Exchange {
    pub(super) fn new(parts: ExchangeParts) -> Self {
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

    pub(super) fn hear(&mut self, event: BusEvent, ctx: &mut Context<Self>) {
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

    fn set_trouble(&self, trouble: Option<Arc<str>>) {
        self.parts.metrics.bus_up(trouble.is_none());
        *self.parts.trouble.lock().unwrap_or_else(PoisonError::into_inner) = trouble;
    }

    pub(super) fn set_relayed(&self) {
        self.parts.metrics.subscriptions_relayed(self.served.len());
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
