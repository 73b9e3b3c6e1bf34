//! `orchestratai sessions export`: a whole session, from the journal.

use std::{
    fs::File,
    io::{self, BufWriter, Write},
};

use orchestratai_store::ExportFormat;

use super::open_existing;
use crate::{
    arguments::{ExportArguments, ExportAs},
    failure::CommandFailure,
};

/// Writes a session as one document.
pub(super) async fn run(arguments: &ExportArguments) -> Result<(), CommandFailure> {
    let settings = super::super::settings(&arguments.of.configuration)?;
    let store = open_existing(&settings).await?;
    let id = arguments.of.session;
    let unread = |error| CommandFailure::because("the session cannot be read", error);
    let format = match arguments.format {
        ExportAs::Json => ExportFormat::Json,
        ExportAs::Markdown => ExportFormat::Markdown,
    };
    let Some(mut export) = store.export_session(id, format).await.map_err(unread)? else {
        return Err(CommandFailure::plain(format!("there is no session {id}")));
    };
    let mut out: Box<dyn Write> = match &arguments.output {
        None => Box::new(io::stdout().lock()),
        Some(path) => {
            let failed = |error| CommandFailure::because(format!("{} cannot be written", path.display()), error);
            Box::new(BufWriter::new(File::create(path).map_err(failed)?))
        }
    };
    while let Some(piece) = export.next().await.map_err(unread)? {
        out.write_all(piece.as_bytes())?;
    }
    Ok(out.flush()?)
}
