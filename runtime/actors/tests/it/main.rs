//! Tests of the actors from outside: in life, in simulation, and what they stand on.

mod framework;
mod house;
mod living;
mod simulation;
