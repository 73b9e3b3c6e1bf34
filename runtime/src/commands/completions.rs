//! `orchestratai completions`: a completion script for a shell.

use std::io::{self, Write};

use clap::CommandFactory;
use clap_complete::Shell;

use crate::{arguments::Arguments, failure::CommandFailure};

/// Prints the script.
pub(crate) fn run(shell: Shell) -> Result<(), CommandFailure> {
    let mut script = Vec::new(); // Written at once: the generator panics where its output cannot be written.
    clap_complete::generate(shell, &mut Arguments::command(), "orchestratai", &mut script);
    io::stdout().lock().write_all(&script)?;
    Ok(())
}
