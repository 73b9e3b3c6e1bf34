//! A subscription of a client of this node to a session of another one: what it is told, and when no more.

use std::sync::Arc;

use actix::{Addr, Recipient};
use orchestratai_shared::SessionId;
use orchestratai_store::NodeId;

use super::{bridge::Over, link::DistantSession};
use crate::{Cut, Publish};

/// A subscription of a client of this node to a session of another one.
pub(super) struct Followed {
    pub(super) node: NodeId,
    pub(super) session_id: SessionId,
    subscriber: Recipient<Publish>,
    cut: Option<Arc<dyn Cut>>,
    stage: FollowedStage,
}

/// How far a subscription is.
enum FollowedStage {
    /// The owner has not answered. What it publishes already waits here: if the answer is lost, the subscriber asks again from where it
    /// is, and gets the same from the next subscription. Bounded by the credits that it has at first.
    Asked(Vec<Publish>),
    /// The owner has taken it.
    Taken(Addr<DistantSession>),
    /// The subscriber is told nothing more: it has left, or knows that it is over.
    Over(Option<Addr<DistantSession>>),
}

impl Followed {
    /// A subscription that the owner is asked for.
    pub(super) fn new(
        node: NodeId,
        session_id: SessionId,
        subscriber: Recipient<Publish>,
        cut: Option<Arc<dyn Cut>>,
    ) -> Self {
        Self {
            node,
            session_id,
            subscriber,
            cut,
            stage: FollowedStage::Asked(Vec::new()),
        }
    }

    /// Cuts the subscriber's transport.
    pub(super) fn cut(&self) {
        if let Some(cut) = &self.cut {
            cut.cut();
        }
    }

    /// Passes on what the owner publishes, or keeps it where the subscription is not taken yet.
    pub(super) fn publish(&mut self, publish: Publish) {
        if let FollowedStage::Asked(early) = &mut self.stage {
            return early.push(publish);
        }
        let is_last = matches!(publish, Publish::Gone | Publish::Close(_));
        #[expect(
            clippy::disallowed_methods,
            reason = "bounded by credits, which the session's owner keeps"
        )]
        self.subscriber.do_send(publish);
        if is_last {
            self.end();
        }
    }

    /// The owner has taken it. Gives what it has published before, which is to be passed on once the subscriber knows.
    pub(super) fn taken(&mut self, link: Addr<DistantSession>) -> Vec<Publish> {
        match std::mem::replace(&mut self.stage, FollowedStage::Taken(link)) {
            FollowedStage::Asked(early) => early,
            FollowedStage::Taken(_) | FollowedStage::Over(_) => Vec::new(),
        }
    }

    /// The subscriber is to be told nothing more.
    pub(super) fn end(&mut self) {
        let link = match &self.stage {
            FollowedStage::Asked(_) => None,
            FollowedStage::Taken(link) => Some(link.clone()),
            FollowedStage::Over(link) => link.clone(),
        };
        self.stage = FollowedStage::Over(link);
    }

    pub(super) fn is_over(&self) -> bool {
        matches!(self.stage, FollowedStage::Over(_))
    }
}

impl Drop for Followed {
    /// However it comes to that, also by a panic of the exchange: a subscriber whose subscription was taken and has not ended comes back.
    fn drop(&mut self) {
        let (link, is_abandoned) = match &self.stage {
            FollowedStage::Asked(_) | FollowedStage::Over(None) => return,
            FollowedStage::Taken(link) => (link, true),
            FollowedStage::Over(Some(link)) => (link, false),
        };
        #[expect(clippy::disallowed_methods, reason = "twice in a subscription's life")]
        {
            if is_abandoned {
                self.subscriber.do_send(Publish::Gone);
            }
            link.do_send(Over);
        }
    }
}
