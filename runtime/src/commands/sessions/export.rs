//! `orchestratai sessions export`: a whole session, from the journal.

use std::{
    fs::File,
    io::{self, BufWriter, Write},
};

use orchestratai_shared::{LogId, MessageId, SessionId};
use orchestratai_store::Store;
use serde::Serialize;

use super::open_existing;
use crate::{arguments::ExportArguments, failure::CommandFailure};

/// Entries and bytes that are read at once.
const PAGE: usize = 500;
const PAGE_BYTES: usize = 8 << 20;

/// Writes a session as one JSON object.
pub(super) async fn run(arguments: &ExportArguments) -> Result<(), CommandFailure> {
    let settings = super::super::settings(&arguments.of.configuration)?;
    let store = open_existing(&settings).await?;
    let id = arguments.of.session;
    let unread = |error| CommandFailure::because("the session cannot be read", error);
    let Some(session) = store.session(id).await.map_err(unread)? else {
        return Err(CommandFailure::plain(format!("there is no session {id}")));
    };
    let messages = messages(&store, id).await.map_err(unread)?;
    let logs = logs(&store, id).await.map_err(unread)?;
    let mut out: Box<dyn Write> = match &arguments.output {
        None => Box::new(io::stdout().lock()),
        Some(path) => {
            let failed = |error| CommandFailure::because(format!("{} cannot be written", path.display()), error);
            Box::new(BufWriter::new(File::create(path).map_err(failed)?))
        }
    };
    field(&mut out, "{\n", "session", &session)?;
    field(&mut out, ",\n", "messages", &messages)?;
    field(&mut out, ",\n", "logs", &logs)?;
    write!(out, ",\n\"events\": [")?;
    let mut after = 0;
    loop {
        let page = store.events_after(id, after, PAGE, PAGE_BYTES).await.map_err(unread)?;
        let frames = page.map(|page| page.frames).unwrap_or_default();
        let Some(last) = frames.last() else { break };
        for frame in &frames {
            // As it was sent, byte by byte.
            write!(out, "{}\n{}", if frame.seq == 1 { "" } else { "," }, frame.text)?;
        }
        after = last.seq;
    }
    writeln!(out, "\n]\n}}")?;
    Ok(out.flush()?)
}

fn field(out: &mut impl Write, before: &str, name: &str, value: &impl Serialize) -> io::Result<()> {
    let text = serde_json::to_string(value).map_err(io::Error::from)?;
    write!(out, "{before}\"{name}\": {text}")
}

async fn messages(
    store: &Store,
    id: SessionId,
) -> Result<Vec<orchestratai_shared::Message>, orchestratai_store::StoreError> {
    let mut pages = Vec::new();
    let mut before: Option<MessageId> = None;
    loop {
        let page = store.messages(id, PAGE, before).await?;
        before = page.items.first().map(|message| message.id);
        pages.push(page.items);
        if !page.has_more {
            return Ok(pages.into_iter().rev().flatten().collect());
        }
    }
}

async fn logs(
    store: &Store,
    id: SessionId,
) -> Result<Vec<orchestratai_shared::RetrievalLog>, orchestratai_store::StoreError> {
    let mut pages = Vec::new();
    let mut before: Option<LogId> = None;
    loop {
        let page = store.logs(id, PAGE, before).await?;
        before = page.items.first().map(|log| log.id);
        pages.push(page.items);
        if !page.has_more {
            return Ok(pages.into_iter().rev().flatten().collect());
        }
    }
}
