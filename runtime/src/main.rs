//! The binary: command line, configuration, wiring, start-up and shutdown. It knows every other crate and holds no logic
//! of theirs.
//!
//! In reading order: [`arguments`] and [`settings`] say what is wanted, [`commands`] does it, [`failure`] is how it ends
//! where it does not succeed. What the commands stand on: [`data_dir`] (the folder and who has it), [`house`] (database,
//! agents, knowledge base), [`documents`] (joins agents and store), [`demo`], [`console`] (the web console), [`models`] (language models and what stands before them), [`budgets`] (what these may spend), [`tools`] (where tools come from), [`knowledge_watch`], [`snapshots`] (where they are kept), [`signals`]; and
//! [`chat`], the terminal client.

mod arguments;
mod budgets;
mod build_info;
mod chat;
mod commands;
mod console;
mod data_dir;
mod demo;
mod documents;
mod facts;
mod failure;
mod house;
mod knowledge_watch;
mod models;
mod progress_bar;
mod settings;
mod shared_cache;
mod signals;
mod snapshots;
mod tools;

use std::{
    io::{self, Write},
    process::ExitCode,
};

use clap::Parser;

use crate::{arguments::Arguments, failure::Chain};

/// Gives less memory away between the threads of many small actors than the system's allocator does.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    keep_pages_small();
    match commands::run(Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if failure.is_worth_telling() {
                // Where not even this can be written, the exit code is all that is left to say.
                let _ = writeln!(io::stderr(), "orchestratai: {}", Chain(&failure));
            }
            failure.exit_code()
        }
    }
}

/// Asks the system for no pages of 2 MiB. The allocator would accept them for its arenas, of which many small actors then
/// hold whole ones: an idle session takes 17 KiB without them and 28 KiB with them, the server alone 72 MiB and 107 MiB, for
/// the same speed.
fn keep_pages_small() {
    #[cfg(target_os = "linux")]
    // Where it cannot be had, more memory is used.
    let _ = rustix::thread::disable_transparent_huge_pages(true);
}
