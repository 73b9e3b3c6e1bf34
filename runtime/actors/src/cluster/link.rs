//! This node's end of a subscription to a session of another node: takes what the client says as a session would.

use actix::{Actor, ActorContext, Addr, Context, Handler};

use super::{bridge::Over, exchange::Exchange, exchange::Said};
use crate::session::messages::Command;

/// Stands for a session of another node, for one subscriber.
pub(super) struct DistantSession {
    /// The number of the subscription.
    subscription: u64,
    exchange: Addr<Exchange>,
}

impl DistantSession {
    pub(super) fn new(subscription: u64, exchange: Addr<Exchange>) -> Self {
        Self { subscription, exchange }
    }
}

impl Actor for DistantSession {
    type Context = Context<Self>;
}

impl Handler<Command> for DistantSession {
    type Result = ();

    fn handle(&mut self, command: Command, _: &mut Self::Context) {
        #[expect(
            clippy::disallowed_methods,
            reason = "bounded by this mailbox, and by what the subscriber was sent"
        )]
        self.exchange.do_send(Said {
            subscription: self.subscription,
            command,
        });
    }
}

impl Handler<Over> for DistantSession {
    type Result = ();

    fn handle(&mut self, _: Over, ctx: &mut Self::Context) {
        ctx.stop();
    }
}
