//! What can be measured.

pub(crate) mod backends;
pub(crate) mod idle;
pub(crate) mod knowledge;
pub(crate) mod nodes;
pub(crate) mod providers;
pub(crate) mod stalled;
pub(crate) mod start;
pub(crate) mod suite;
