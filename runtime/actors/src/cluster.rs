//! Sessions that live on other nodes, and what other nodes ask of the sessions that live here.
//!
//! A session has one owner among the nodes (see [`orchestratai_store::node`]). A command for a session of another node goes to
//! the [`exchange`] instead of a session actor, which asks the owner's exchange, where it is dispatched as if it had come in
//! there. Who follows a session from another node is a subscriber of it like all others: a `bridge` on the owner's side takes
//! what is published, with credits and catching up as everywhere, and on the other side a `link` takes what the client says.
//!
//! What the nodes say to each other may be lost, and then both know (see [`orchestratai_store::bus`]). Everything that is under
//! way between them is given up then: commands are asked again, which is safe since all are idempotent, and clients subscribe
//! anew with the last `seq` that they have.
//!
//! - `parcel`: what is said;
//! - `way`: how other parts of the node reach the exchange;
//! - `exchange`: who says it and hears it; `peers`: to whom, and whether they are there;
//! - `asking`: commands for sessions of other nodes; `serving`: those of other nodes for sessions here;
//! - `bridge`, `link`: the two ends of a subscription; `following`: what is known of it on the client's side;
//! - `surveying`: which sessions are in progress on other nodes, and what these have counted;
//! - `takeover`: turns whose node is gone.

mod asking;
mod bridge;
mod exchange;
mod following;
mod link;
mod parcel;
mod peers;
mod serving;
mod surveying;
mod takeover;
mod way;

pub(crate) use way::{Cluster, ExchangeParts, Forward, ShardDoors};
