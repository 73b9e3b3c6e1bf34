//! `orchestratai check-config`: what every setting is, and where it was set.

use std::io::{self, Write};

use crate::{arguments::ConfigurationArguments, failure::CommandFailure, settings::ReadValue};

/// Prints every setting; or every problem, as an error.
pub(crate) fn run(arguments: &ConfigurationArguments) -> Result<(), CommandFailure> {
    let settings = super::settings(arguments)?;
    let mut out = io::stdout().lock();
    let width = settings
        .read
        .iter()
        .map(|value| value.key.len())
        .max()
        .unwrap_or_default();
    for ReadValue {
        key,
        origin,
        shown,
        allowed: _,
    } in &settings.read
    {
        writeln!(out, "{key:width$} = {shown}  ({origin})")?;
    }
    for notice in &settings.notices {
        writeln!(out, "note: {notice}")?;
    }
    writeln!(out, "the configuration is valid")?;
    out.flush()?;
    Ok(())
}
