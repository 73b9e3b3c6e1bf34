//! One module for each thing that the binary does.

mod agents;
mod backup;
mod check_config;
mod completions;
mod eval;
mod healthcheck;
mod ingest;
mod openapi;
mod restore;
mod search;
mod serve;
mod sessions;

use std::{env, future::Future};

use crate::{
    arguments::{Arguments, Command, ConfigurationArguments},
    chat,
    failure::CommandFailure,
    settings::Settings,
};

/// Does what the command line asks for.
///
/// # Errors
/// What went wrong; the exit code is part of it.
pub(crate) fn run(arguments: Arguments) -> Result<(), CommandFailure> {
    match arguments.command {
        Command::Serve(arguments) => serve::run(&arguments),
        Command::Chat(arguments) => chat::run(&arguments),
        Command::Ingest(arguments) => ingest::run(&arguments),
        Command::Search(arguments) => search::run(&arguments),
        Command::Sessions { command } => sessions::run(&command),
        Command::Backup(arguments) => backup::run(&arguments),
        Command::Restore(arguments) => restore::run(&arguments),
        Command::Eval(arguments) => eval::run(&arguments),
        Command::Agents(arguments) => agents::run(&arguments),
        Command::CheckConfig(arguments) => check_config::run(&arguments),
        Command::Openapi => openapi::run(),
        Command::Completions { shell } => completions::run(shell),
        Command::Healthcheck { url } => healthcheck::run(&url),
    }
}

/// The settings of a command that has no flags of its own for them.
fn settings(arguments: &ConfigurationArguments) -> Result<Settings, CommandFailure> {
    Ok(Settings::load(
        arguments.config.as_deref(),
        env::vars_os(),
        &arguments.overrides(),
    )?)
}

/// Runs a command that works on the data and ends.
fn block_on(work: impl Future<Output = Result<(), CommandFailure>>) -> Result<(), CommandFailure> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| CommandFailure::because("the command cannot start", error))?
        .block_on(work)
}
