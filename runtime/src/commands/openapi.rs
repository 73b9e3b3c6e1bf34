//! `orchestratai openapi`: the document that describes the REST API.

use std::io::{self, Write};

use crate::failure::CommandFailure;

/// Prints the document.
///
/// # Errors
/// Where it cannot be printed.
pub(crate) fn run() -> Result<(), CommandFailure> {
    let mut out = io::stdout().lock();
    out.write_all(&orchestratai_web::openapi::document())?;
    writeln!(out)?;
    out.flush()?;
    Ok(())
}
