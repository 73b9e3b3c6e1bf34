//! The lease of this node: a thread renews it, and declares other nodes gone that do not renew theirs.

use std::{
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use sea_orm::{DatabaseConnection, DbErr};
use tokio::{
    sync::watch,
    time::{sleep, timeout},
};

use super::{NodeId, NodeSettings, Nodes};
use crate::{
    StoreError,
    background::Background,
    dialect::{
        membership,
        postgres::{self, Address, ServerRole},
    },
};

/// A lease is renewed so many times before it lapses.
const RENEWALS: u32 = 6;
/// How long a node that stops tries to say so. Others find out by themselves.
const LEAVE_MAX: Duration = Duration::from_secs(1);

/// This node among the others.
#[derive(Debug)]
pub(crate) struct Membership {
    address: Address,
    settings: NodeSettings,
    nodes: watch::Sender<Nodes>,
    claims: DatabaseConnection,
    /// When this was made, and for how many milliseconds after that the lease is held for certain: from when its last renewal
    /// was asked for. Time goes on while a process stands still.
    began: Instant,
    held_for: AtomicU64,
    /// The revision of the documents that it answers from.
    served_revision: AtomicU64,
    has_left: AtomicBool,
    _thread: Background,
}

impl Membership {
    /// Joins, and keeps the lease for as long as this is kept.
    ///
    /// # Errors
    /// [`StoreError`] where the database cannot be asked, or the system gives no thread.
    pub(crate) async fn join(address: &Address, settings: NodeSettings) -> Result<Arc<Self>, StoreError> {
        let thread = Background::start_prompt("lease")
            .map_err(|error| StoreError::Database(DbErr::Custom(error.to_string())))?;
        let connection = postgres::connect(address, ServerRole::Lease(settings.held())).await?;
        let claims = postgres::connect(address, ServerRole::Claims).await?;
        let me = NodeId::new();
        membership::join(
            &connection,
            &me.to_string(),
            &settings.place.to_string(),
            settings.held(),
            0,
            true,
        )
        .await?;
        let began = Instant::now();
        let renewed = membership::renew(&connection, &me.to_string(), settings.held()).await?;
        let nodes = Nodes {
            me,
            is_held: renewed.is_some(),
            all: known(renewed.unwrap_or_default()),
        };
        let handle = thread.handle();
        let membership = Arc::new(Self {
            address: address.clone(),
            settings,
            nodes: watch::Sender::new(nodes),
            claims,
            began,
            held_for: AtomicU64::new(millis(settings.held())),
            served_revision: AtomicU64::new(0),
            has_left: AtomicBool::new(false),
            _thread: thread,
        });
        handle.spawn(keep(Arc::downgrade(&membership), connection));
        Ok(membership)
    }

    /// The nodes, as they change.
    pub(crate) fn watch(&self) -> watch::Receiver<Nodes> {
        self.nodes.subscribe()
    }

    /// This node's id at present, whether its lease is held or not.
    pub(crate) fn present(&self) -> NodeId {
        self.nodes.borrow().me
    }

    /// This node's id.
    ///
    /// # Errors
    /// [`StoreError::LeaseLost`] while it does not hold its lease.
    pub(crate) fn me(&self) -> Result<NodeId, StoreError> {
        let nodes = self.nodes.borrow();
        if nodes.is_held && self.is_in_time() {
            Ok(nodes.me)
        } else {
            Err(StoreError::LeaseLost)
        }
    }

    /// Whether nobody can have declared this node gone by now.
    fn is_in_time(&self) -> bool {
        millis(self.began.elapsed()) < self.held_for.load(Ordering::Acquire)
    }

    /// Whether that node is there, as far as is known.
    pub(crate) fn knows(&self, node: NodeId) -> bool {
        self.nodes.borrow().all.contains(&node)
    }

    /// Says which revision of the documents this node answers from.
    ///
    /// # Errors
    /// [`StoreError`] where the database cannot be asked, or the lease is not held.
    pub(crate) async fn set_served_revision(&self, revision: u64) -> Result<(), StoreError> {
        self.served_revision.store(revision, Ordering::Relaxed);
        let me = self.me()?.to_string();
        membership::set_served_revision(&self.claims, &me, revision).await?;
        Ok(())
    }

    /// The connections by which sessions are claimed.
    pub(crate) fn claims(&self) -> &DatabaseConnection {
        &self.claims
    }

    /// Says that this node is gone. To be called when it writes no more.
    pub(crate) async fn leave(&self) {
        self.has_left.store(true, Ordering::Relaxed);
        let me = self.nodes.borrow().me;
        self.nodes.send_modify(|nodes| nodes.is_held = false);
        let id = me.to_string();
        if !matches!(
            timeout(LEAVE_MAX, membership::leave(&self.claims, &id)).await,
            Ok(Ok(()))
        ) {
            tracing::warn!(node.id = %me, "the other nodes could not be told that this one ends; they find out");
        }
        let _ = timeout(LEAVE_MAX, self.claims.close_by_ref()).await;
    }

    fn has_left(&self) -> bool {
        self.has_left.load(Ordering::Relaxed)
    }
}

/// Renews the lease until nobody needs it any more.
async fn keep(membership: Weak<Membership>, first: DatabaseConnection) {
    let mut connection = Some(first);
    let pause = || {
        membership
            .upgrade()
            .map(|membership| membership.settings.held() / RENEWALS)
    };
    while let Some(pause) = pause() {
        sleep(pause).await;
        let Some(membership) = membership.upgrade().filter(|membership| !membership.has_left()) else {
            break;
        };
        let turn = membership.look_after(&mut connection);
        // As long as the lease may be held still, another try is worth more than waiting.
        let looked = timeout(membership.settings.held() / 2, turn).await;
        let failed = match looked {
            Ok(Ok(())) => continue,
            Ok(Err(error)) => error.to_string(),
            Err(_elapsed) => "it does not answer".to_owned(),
        };
        connection = None;
        membership.nodes.send_if_modified(|nodes| {
            let changes = nodes.is_held;
            if changes {
                tracing::warn!(node.id = %nodes.me, reason = %failed, "the node's lease cannot be renewed");
            }
            nodes.is_held = false;
            changes
        });
    }
}

impl Membership {
    /// Renews the lease, or joins anew where this node was declared gone; and declares those gone that are.
    async fn look_after(&self, connection: &mut Option<DatabaseConnection>) -> Result<(), StoreError> {
        let lease = self.settings.held();
        let connection = match connection {
            Some(connection) => connection,
            None => connection.insert(postgres::connect(&self.address, ServerRole::Lease(lease)).await?),
        };
        let me = self.nodes.borrow().me;
        let id = me.to_string();
        let asked = self.began.elapsed();
        let Some(all) = membership::renew(connection, &id, lease).await? else {
            if self.has_left() {
                return Ok(());
            }
            return self.join_anew(connection, me).await;
        };
        self.see(me, known(all), asked);
        for gone in membership::fence_gone(connection, &id, lease).await? {
            tracing::warn!(node.id = %gone, "a node says nothing any more, or was never heard of; its sessions are taken over");
            self.nodes
                .send_modify(|nodes| nodes.all.retain(|node| node.to_string() != gone));
        }
        Ok(())
    }

    async fn join_anew(&self, connection: &DatabaseConnection, before: NodeId) -> Result<(), StoreError> {
        let me = NodeId::new();
        tracing::warn!(
            node.id = %me,
            before = %before,
            "the node's lease was lost: others have its sessions now, and it goes on as a new node"
        );
        let place = self.settings.place.to_string();
        let lease = self.settings.held();
        let served = self.served_revision.load(Ordering::Relaxed);
        membership::join(connection, &me.to_string(), &place, lease, served, false).await?;
        let asked = self.began.elapsed();
        // Declared gone already, it joins once more at the next look. So it does where it is cut off in here: what it has then
        // joined as and knows nothing of is declared gone once it has joined.
        let all = membership::renew(connection, &me.to_string(), lease).await?;
        self.see(me, known(all.ok_or(StoreError::LeaseLost)?), asked);
        Ok(())
    }

    /// Takes note of a renewal that was asked for then.
    fn see(&self, me: NodeId, all: Vec<NodeId>, asked: Duration) {
        let seen = Nodes { me, is_held: true, all };
        self.nodes.send_if_modified(|nodes| {
            let changes = *nodes != seen;
            *nodes = seen;
            changes
        });
        // Last: who sees it held knows under which id.
        self.held_for
            .store(millis(asked + self.settings.held()), Ordering::Release);
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn known(ids: Vec<String>) -> Vec<NodeId> {
    ids.iter().filter_map(|id| id.parse().ok()).collect()
}
