//! The store against real files, and a real PostgreSQL.

#![allow(
    clippy::unwrap_used,
    reason = "a test that panics has failed, which is what it should do"
)]

mod agent_turns;
mod backup;
mod bus;
mod child;
mod conversation;
mod crash;
mod documents;
mod erasure;
mod export;
mod feedback;
mod home;
mod index_parts;
mod journal;
mod model;
mod nodes;
mod opening;
mod pages;
mod questions;
mod redis_log;
mod redis_places;
mod server;
mod session_list;
mod snapshot_keepers;
mod snapshots;
mod spending;
mod takeovers;
mod user_facts;
mod view;

use std::path::Path;

use orchestratai_store::{Access, Durability, Store, StoreSettings};

/// Opens the store in a folder. Tests that do not try the loss of power need not wait for the device.
async fn open(folder: &Path) -> Store {
    let settings = StoreSettings {
        durability: Durability::Process,
        ..StoreSettings::sqlite(&folder.join("orchestratai.db"))
    };
    Store::open(&settings).await.expect("the store opens")
}

/// Opens it beside the one that writes sessions.
async fn open_beside(folder: &Path) -> Store {
    let settings = StoreSettings {
        access: Access::Documents,
        ..StoreSettings::sqlite(&folder.join("orchestratai.db"))
    };
    Store::open(&settings).await.expect("the store opens")
}
