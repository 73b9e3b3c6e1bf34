//! The other nodes: who is there, who can be reached, and what becomes of what is under way with them.

use std::time::{Duration, Instant};

use actix::Context;
use orchestratai_store::{BusEvent, NodeId};

use super::{exchange::Exchange, parcel::Parcel};
use crate::registry::{Disown, Moved};

/// How often the others are told that this node is there, and looked after.
pub(super) const LOOK_EVERY: Duration = Duration::from_millis(500);
/// A node that was not heard of for so long cannot be reached.
const SILENT_MAX: Duration = Duration::from_secs(3);

/// Another node.
pub(super) struct Peer {
    /// When it was heard of last.
    pub(super) heard: Instant,
    /// Whether it is still to be told that all was given up.
    pub(super) owes_reset: bool,
    /// When it was told so last.
    pub(super) reset_at: Option<Instant>,
    /// Whether it was given up because it was not.
    pub(super) is_silent: bool,
    /// How often everything that was under way with it was given up.
    pub(super) breaks: u64,
}

impl Exchange {
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

    /// Gives up everything that is under way with a node.
    pub(super) fn give_up(&mut self, node: NodeId) {
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
    pub(super) fn reset(&mut self, ctx: &Context<Self>) {
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

    pub(super) fn give_up_all(&mut self) {
        let nodes: Vec<NodeId> = self.peers.keys().copied().collect();
        nodes.into_iter().for_each(|node| self.give_up(node));
    }

    pub(super) fn greet(&mut self, ctx: &mut Context<Self>) {
        let agents = self.parts.board.counts();
        let others: Vec<NodeId> = self.peers.keys().copied().collect();
        for node in others {
            let hello = Parcel::Hello { agents: agents.clone() };
            self.send(node, &hello, ctx);
        }
    }

    /// Sees who is there.
    pub(super) fn look_at_nodes(&mut self) {
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

    pub(super) fn look(&mut self, ctx: &mut Context<Self>) {
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
