//! The tables, as SeaORM knows them.
//!
//! Ids are text in their one hyphenated spelling, on every engine: who reads these tables by SQL sees and types the same
//! ids as in the API and the logs, which an SQLite BLOB would not give, and one set of queries holds for all engines. The
//! twenty bytes more for each id are little beside the payloads. Times are RFC 3339 text on SQLite, `timestamptz` on
//! PostgreSQL.
#![allow(
    unreachable_pub,
    reason = "SeaORM's derives make public items; the module is private"
)]

pub(crate) mod document;
pub(crate) mod erased_session;
pub(crate) mod feedback;
pub(crate) mod index_part;
pub(crate) mod index_part_maker;
pub(crate) mod journal;
pub(crate) mod message;
pub(crate) mod meta;
pub(crate) mod person_reply;
pub(crate) mod person_request;
pub(crate) mod question;
pub(crate) mod removed_document;
pub(crate) mod session;
pub(crate) mod session_snapshot;
pub(crate) mod spending;
pub(crate) mod spending_reservation;
pub(crate) mod takeover;
pub(crate) mod turn;
pub(crate) mod user_fact;

/// A count as it left us: databases know no unsigned numbers.
pub(crate) fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

/// A count for the database; none of ours comes near the bound.
pub(crate) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
