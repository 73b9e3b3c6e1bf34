//! Tests of the actors from outside: in life, in simulation, and what they stand on.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "all of it is tests, also what stands in no #[test]"
)]

mod drain;
mod framework;
mod house;
mod living;
mod panel;
mod simulation;
mod snapshots;
mod spans;
mod steps;
