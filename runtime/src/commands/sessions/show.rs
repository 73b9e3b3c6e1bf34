//! `orchestratai sessions show`: one snapshot, and whether it agrees with the journal.

use std::io::{self, Write};

use orchestratai_store::{Candidate, SnapshotUse, Staleness};

use super::{Open, as_json};
use crate::{arguments::SessionArguments, failure::CommandFailure};

/// As many messages as any setting may ask a snapshot for would make a good one look too short.
const NO_MESSAGES: usize = 0;

/// Shows the snapshot of a session.
pub(super) async fn run(arguments: &SessionArguments) -> Result<(), CommandFailure> {
    let id = arguments.session;
    let open = Open::new(&arguments.configuration).await?;
    let snapshots = open.snapshots().await?;
    let failed = |error| CommandFailure::because("the snapshot cannot be read", error);
    let candidate = snapshots.load(id).await.map_err(failed)?;
    let given = match &candidate {
        Candidate::Given(fields) => Some(fields.clone()),
        Candidate::Absent | Candidate::Unreadable(_) | Candidate::Embedded => None,
    };
    let unread = |error| CommandFailure::because("the journal cannot be read", error);
    let rehydrated = open
        .store
        .rehydrate_from(id, NO_MESSAGES, candidate)
        .await
        .map_err(unread)?;
    let (agreement, journal) = match &rehydrated {
        None if given.is_none() => {
            return Err(CommandFailure::plain(format!(
                "there is no session {id}, and no snapshot of one"
            )));
        }
        None => (
            "of a session that the journal does not have".to_owned(),
            "none".to_owned(),
        ),
        Some(rehydrated) => (said(rehydrated.snapshot), rehydrated.record.last_seq.to_string()),
    };
    let mut out = io::stdout().lock();
    writeln!(out, "snapshot       in {}: {agreement}", snapshots.place())?;
    writeln!(out, "journal        last_seq {journal}")?;
    let Some(fields) = given else { return Ok(out.flush()?) };
    if let Some(object) = as_json(&fields).as_object() {
        for (name, value) in object {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            let text: String = text.chars().filter(|c| !c.is_control()).collect();
            writeln!(out, "{name:<14} {text}")?;
        }
    }
    match fields.decode() {
        Err(error) => writeln!(out, "state          {} bytes; {error}", fields.state.len())?,
        Ok(snapshot) => writeln!(
            out,
            "state          {} bytes: organization {}, {} idempotency keys, {} open turns, {} messages, erased through {}, epoch {}",
            fields.state.len(),
            snapshot.organization,
            snapshot.keys.len(),
            snapshot.open_turns.len(),
            snapshot.transcript.len(),
            snapshot.erased_through,
            snapshot.epoch
        )?,
    }
    Ok(out.flush()?)
}

/// Whether the snapshot agrees with the journal, in words.
fn said(used: SnapshotUse) -> String {
    match used {
        SnapshotUse::Used { behind: 0 } => "in step with the journal".to_owned(),
        SnapshotUse::Used { behind } => format!("behind the journal by {behind}"),
        SnapshotUse::Absent => "absent; the session is started from the journal".to_owned(),
        SnapshotUse::Stale(Staleness::Beyond) => "beyond the journal; it is not used".to_owned(),
        SnapshotUse::Stale(staleness) => format!("not used: {staleness}"),
        SnapshotUse::Unreadable => "unreadable; the session is started from the journal".to_owned(),
    }
}
