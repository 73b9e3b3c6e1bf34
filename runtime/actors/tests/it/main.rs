//! Tests of the actors from outside.
mod simulation;
