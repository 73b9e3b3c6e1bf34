//! Several servers on one database: each is a node, and each session has one owner among them.
//!
//! A node holds a lease in the database, which it renews. Its id is new with each start and whenever its lease was lost, so
//! that it serves as a fencing token (Kleppmann, Designing Data-Intensive Applications, chapter 8): every commit names the
//! owner that it is made for, and the database refuses it where the session has another one by now or the lease is gone. A
//! process that stood still for a while therefore writes nothing that it has no right to, whatever it believes.
//!
//! - `lease`: the thread that renews it, and declares those gone who do not.

pub(crate) mod lease;

use std::{fmt, str::FromStr, time::Duration};

use orchestratai_shared::SessionId;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use uuid::Uuid;

use crate::{Store, StoreError, dialect::membership, store::Commits};

/// Names a node, from when it joined until its lease is lost or it leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NodeId(pub Uuid);

impl NodeId {
    /// One that was never there before.
    #[must_use]
    pub(crate) fn new() -> Self {
        Self(Uuid::now_v7())
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for NodeId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

/// How a server takes part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NodeSettings {
    /// Names the folder that the server keeps its things in, for as long as the folder is there. It has one server at a time:
    /// one that starts there knows that the one before it has ended.
    pub place: Uuid,
    /// So long after the last sign of life of a node others have taken over its sessions.
    pub lease: Duration,
}

impl NodeSettings {
    /// How long the lease in the database is held after a renewal. What is left of the time is for finding out that it has lapsed,
    /// and for taking over.
    fn held(self) -> Duration {
        self.lease * 2 / 3
    }
}

/// The nodes as this one sees them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nodes {
    /// The node itself. It becomes another one where its lease was lost: then no session is its own any more.
    pub me: NodeId,
    /// Whether its lease is held, as far as is known.
    pub is_held: bool,
    /// All that are not gone, itself among them, in the order of their ids.
    pub all: Vec<NodeId>,
}

impl Nodes {
    /// Whether there is no other.
    #[must_use]
    pub fn is_alone(&self) -> bool {
        self.all.iter().all(|node| *node == self.me)
    }
}

/// What became of a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    /// The session was this node's already.
    Ours,
    /// It is this node's from now on. Another one may have written it before.
    Claimed,
    /// It is that node's.
    Theirs(NodeId),
    /// There is no such session.
    Unknown,
}

/// How often a session is asked for whose owner changes while it is asked for.
const CLAIMS_MAX: u32 = 5;

impl Store {
    /// The nodes of this database, for a store that was opened as one of them.
    #[must_use]
    pub fn nodes(&self) -> Option<watch::Receiver<Nodes>> {
        self.membership().map(lease::Membership::watch)
    }

    /// Whether sessions can be claimed and written: the lease is held, or there are no nodes.
    #[must_use]
    pub fn holds_lease(&self) -> bool {
        self.membership().is_none_or(|membership| membership.me().is_ok())
    }

    /// Which node this one is at present; none where there are no nodes. What is claimed afterwards is claimed as this one or as a
    /// later one.
    #[must_use]
    pub fn node(&self) -> Option<NodeId> {
        self.membership().map(lease::Membership::present)
    }

    /// Whether what a session knows that was claimed as `node` is the last word on it: no other node can have taken it over by now.
    /// So it is without nodes.
    #[must_use]
    pub fn is_owner_still(&self, node: Option<NodeId>) -> bool {
        self.membership()
            .is_none_or(|membership| membership.me().is_ok_and(|me| Some(me) == node))
    }

    /// Makes this node the owner of a session that nobody owns, or says who does. A store that is no node owns every session.
    ///
    /// # Errors
    /// [`StoreError`] where the database cannot be asked, or the node's own lease is not held.
    pub async fn claim(&self, id: SessionId) -> Result<Claim, StoreError> {
        let (Some(membership), Commits::Direct(committer)) = (self.membership(), self.commits()) else {
            let exists = self.session(id).await?.is_some();
            return Ok(if exists { Claim::Ours } else { Claim::Unknown });
        };
        let session = id.to_string();
        for _ in 0..CLAIMS_MAX {
            let me = membership.me()?;
            let connection = membership.claims();
            let owner = match membership::owner(connection, &session).await? {
                None => return Ok(Claim::Unknown),
                Some(owner) => owner.and_then(|owner| owner.parse::<NodeId>().ok()),
            };
            if owner == Some(me) {
                return Ok(Claim::Ours);
            }
            if membership::claim(connection, &me.to_string(), &session).await? {
                // What this node may know of it from before is no more to be trusted.
                committer.forget(id);
                return Ok(Claim::Claimed);
            }
            if let Some(owner) = owner.filter(|owner| membership.knows(*owner)) {
                return Ok(Claim::Theirs(owner));
            }
            // It is one that has just come or gone: by the next look that is known.
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Err(StoreError::LeaseLost)
    }

    /// Makes this node the owner of sessions with open turns that nobody owns, of `limit` at most, and gives them. Nodes that
    /// ask at the same time get different ones.
    ///
    /// # Errors
    /// [`StoreError`] where the database cannot be asked, or the node's own lease is not held.
    pub async fn claim_interrupted(&self, limit: u32) -> Result<Vec<SessionId>, StoreError> {
        let (Some(membership), Commits::Direct(committer)) = (self.membership(), self.commits()) else {
            return self.sessions_with_open_turns().await;
        };
        let me = membership.me()?.to_string();
        let claimed = membership::claim_interrupted(membership.claims(), &me, limit).await?;
        let parse = |id: &String| {
            id.parse()
                .map(SessionId)
                .map_err(|error: uuid::Error| StoreError::Unreadable {
                    what: "session id",
                    source: error.into(),
                })
        };
        let sessions: Vec<SessionId> = claimed.iter().map(parse).collect::<Result<_, _>>()?;
        sessions.iter().for_each(|id| committer.forget(*id));
        Ok(sessions)
    }

    /// Lets another node have a session that is this one's. To be called once nothing of it is under way here.
    ///
    /// # Errors
    /// [`StoreError`] where the database cannot be asked.
    pub async fn release(&self, id: SessionId) -> Result<(), StoreError> {
        let Some(membership) = self.membership() else {
            return Ok(());
        };
        let me = membership.me()?.to_string();
        membership::release(membership.claims(), &me, &id.to_string()).await?;
        Ok(())
    }
}
