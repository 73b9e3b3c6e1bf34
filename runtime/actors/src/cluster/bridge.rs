//! The owner's end of a subscription from another node: a subscriber that passes on what it is told.

use std::sync::Arc;

use actix::{Actor, Addr, Context, Handler};
use orchestratai_store::NodeId;

use super::exchange::{Exchange, Relay};
use crate::{Cut, Publish};

/// Names a subscription from another node: who, and by which number.
pub(super) type SubscriptionId = (NodeId, u64);

/// Passes on what a session publishes.
pub(super) struct Bridge {
    id: SubscriptionId,
    exchange: Addr<Exchange>,
}

/// Cuts the transport on the other node.
pub(super) struct DistantCut {
    id: SubscriptionId,
    exchange: Addr<Exchange>,
}

impl Bridge {
    pub(super) fn new(id: SubscriptionId, exchange: Addr<Exchange>) -> Self {
        Self { id, exchange }
    }

    /// What cuts the transport that it leads to.
    pub(super) fn cut(&self) -> Arc<dyn Cut> {
        Arc::new(DistantCut {
            id: self.id,
            exchange: self.exchange.clone(),
        })
    }
}

impl Actor for Bridge {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        // A session counts on as much room as a connection has.
        ctx.set_mailbox_capacity(MAILBOX);
    }
}

/// Messages that a session may have sent and that are not passed on: credits bound their bytes.
const MAILBOX: usize = 256;

impl Handler<Publish> for Bridge {
    type Result = ();

    fn handle(&mut self, publish: Publish, _: &mut Self::Context) {
        #[expect(
            clippy::disallowed_methods,
            reason = "what a session publishes is bounded by credits"
        )]
        self.exchange.do_send(Relay {
            id: self.id,
            publish: Some(publish),
        });
    }
}

/// The subscription is over.
#[derive(actix::Message)]
#[rtype(result = "()")]
pub(super) struct Over;

impl Handler<Over> for Bridge {
    type Result = ();

    fn handle(&mut self, _: Over, ctx: &mut Self::Context) {
        actix::ActorContext::stop(ctx);
    }
}

impl Cut for DistantCut {
    fn cut(&self) {
        #[expect(clippy::disallowed_methods, reason = "once in a subscriber's life")]
        self.exchange.do_send(Relay {
            id: self.id,
            publish: None,
        });
    }
}
