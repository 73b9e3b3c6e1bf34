//! Redis, whatever it is used for: one server, a master that Sentinel names, or a cluster.
//!
//! - [`address`]: where it is;
//! - `link`: a connection to it;
//! - `backoff`: the time between attempts to connect.
//!
//! A [`Link`] that waits for something, as a blocking read does, holds up whoever shares it: whoever waits has one of their own.

pub mod address;
mod backoff;
mod link;

pub use address::RedisAddress;
pub(crate) use backoff::Backoff;
pub(crate) use link::{Link, is_of_no_use};
