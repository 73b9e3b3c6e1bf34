//! What is counted of the nodes that share a database.

use prometheus::{IntCounter, IntGauge, Registry};

use crate::{
    metrics::Metrics,
    names,
    registration::{counter, gauge},
};

/// The metrics of a node among others.
#[derive(Debug)]
pub(crate) struct ClusterMetrics {
    nodes: IntGauge,
    lease_held: IntGauge,
    leases_lost: IntCounter,
    bus_up: IntGauge,
    bus_sent: IntCounter,
    bus_received: IntCounter,
    bus_breaks: IntCounter,
    subscriptions_relayed: IntGauge,
    sessions_taken_over: IntCounter,
}

impl ClusterMetrics {
    pub(crate) fn register(registry: &Registry) -> Self {
        Self {
            nodes: gauge(registry, &names::CLUSTER_NODES),
            lease_held: gauge(registry, &names::CLUSTER_LEASE_HELD),
            leases_lost: counter(registry, &names::CLUSTER_LEASES_LOST),
            bus_up: gauge(registry, &names::BUS_UP),
            bus_sent: counter(registry, &names::BUS_SENT),
            bus_received: counter(registry, &names::BUS_RECEIVED),
            bus_breaks: counter(registry, &names::BUS_BREAKS),
            subscriptions_relayed: gauge(registry, &names::SUBSCRIPTIONS_RELAYED),
            sessions_taken_over: counter(registry, &names::SESSIONS_TAKEN_OVER),
        }
    }
}

impl Metrics {
    /// So many nodes are there, this one among them; `is_held` says whether its own lease is.
    pub fn nodes(&self, count: usize, is_held: bool) {
        self.cluster().nodes.set(i64::try_from(count).unwrap_or(i64::MAX));
        self.cluster().lease_held.set(i64::from(is_held));
    }

    /// This node was declared gone, and goes on as another one.
    pub fn node_lease_lost(&self) {
        self.cluster().leases_lost.inc();
    }

    /// Whether the other nodes can be reached.
    pub fn bus_up(&self, is_up: bool) {
        self.cluster().bus_up.set(i64::from(is_up));
    }

    /// Something is sent to another node.
    pub fn bus_sent(&self) {
        self.cluster().bus_sent.inc();
    }

    /// Something has arrived from another node.
    pub fn bus_received(&self) {
        self.cluster().bus_received.inc();
    }

    /// All that was under way with another node was given up.
    pub fn bus_broken(&self) {
        self.cluster().bus_breaks.inc();
    }

    /// So many clients of other nodes follow sessions of this one.
    pub fn subscriptions_relayed(&self, count: usize) {
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        self.cluster().subscriptions_relayed.set(count);
    }

    /// So many sessions with open turns were taken over from nodes that are gone.
    pub fn sessions_taken_over(&self, count: usize) {
        self.cluster().sessions_taken_over.inc_by(count as u64);
    }
}
