//! Drives an `OrchestratAI` server with real WebSocket and REST clients from a process of its own, and measures it.

// What it is told.
mod args;
mod commands;
// What it does.
mod arrival;
mod clients;
mod control;
mod load;
mod provider;
mod questions;
mod scenario;
mod server;
// What it finds.
mod histogram;
mod proc;
mod report;
mod run;
mod tally;
// What it stands on.
mod descriptors;
mod error;
mod progress;
#[cfg(test)]
mod standin;

use std::{error::Error, process::ExitCode};

use clap::Parser;

fn main() -> ExitCode {
    match descriptors::raise_limit().and_then(|()| commands::run(&args::Arguments::parse())) {
        Ok(code) => code,
        Err(error) => {
            progress::say(&format!("error: {error}"));
            let mut cause = error.source();
            while let Some(error) = cause {
                progress::say(&format!("  because: {error}"));
                cause = error.source();
            }
            ExitCode::FAILURE
        }
    }
}
