//! The sets that come with the project, and what is measured on them.
#![allow(clippy::unwrap_used, reason = "all of it is tests, also what stands in no #[test]")]

mod figures;
mod sets;
