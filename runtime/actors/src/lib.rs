//! Who does what when: the actors, and all concurrency of the runtime.
//!
//! A message's way: [`Gateway`] → `SessionRegistry` → `Session` → `JournalWriter` (commit, then publish) →
//! `Orchestrator` → `Agent` → back to the `Session`, event by event. The decisions of a session are pure
//! ([`session::core`], [`session::turn`]); the actors perform them.
//!
//! This crate knows no HTTP and no WebSocket: a subscriber is a `Recipient<Publish>`, and how its socket is cut is a
//! [`Cut`].
//!
//! In reading order: [`session`], `registry`, `orchestrator`, `agent`, `panel`, `journal`, [`snapshotter`], `shard`, `admission`, [`gateway`],
//! `link`, [`publish`], `cluster`, `start`.

mod admission;
mod agent;
mod cluster;
pub mod gateway;
mod health;
mod journal;
mod link;
mod orchestrator;
mod panel;
pub mod publish;
pub mod refusal;
mod registry;
pub mod session;
mod shard;
pub mod snapshotter;
mod start;

pub use gateway::{
    Accepted, Conversed, FleetOverview, Gateway, NodeOverview, Submission, Subscription, TurnRecord, Verdict,
    trials::{Trial, TrialResponder},
};
pub use health::{Probe, ServiceHealth, ServiceState};
pub use link::{LinkError, SessionLink};
pub use publish::{CloseReason, Cut, Frame, Publish};
pub use refusal::{CancelRefusal, Refusal};
pub use session::core::{Awaited, DoubleTexting, Recorded, Said};
pub use shard::SessionSettings;
pub use snapshotter::{Snapshots, keeper::SnapshotKeeper};
pub use start::{Parts, start};
