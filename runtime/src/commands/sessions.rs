//! `orchestratai sessions`: the snapshots of sessions, and whole sessions from the journal.

mod export;
mod show;

use std::{
    io::{self, Write},
    time::Duration,
};

use orchestratai_store::{Access, SnapshotFields, Store};

use crate::{
    arguments::{ConfigurationArguments, ListArguments, SessionsCommand},
    failure::CommandFailure,
    house::open_store,
    settings::Settings,
    snapshots::SessionSnapshots,
};

/// How long a command waits for Redis.
const PATIENCE: Duration = Duration::from_secs(5);

/// Lists, shows or exports; works beside a running server and without one.
///
/// # Errors
/// Where the data cannot be read, or there is no such session.
pub(crate) fn run(command: &SessionsCommand) -> Result<(), CommandFailure> {
    match command {
        SessionsCommand::List(arguments) => super::block_on(list(arguments)),
        SessionsCommand::Show(arguments) => super::block_on(show::run(arguments)),
        SessionsCommand::Export(arguments) => super::block_on(export::run(arguments)),
    }
}

/// What a command looks at.
struct Open {
    store: Store,
    snapshots: Option<SessionSnapshots>,
}

impl Open {
    async fn new(configuration: &ConfigurationArguments) -> Result<Self, CommandFailure> {
        let mut settings = super::settings(configuration)?;
        // A person waits for longer than a session does.
        settings.snapshots.load_timeout = PATIENCE;
        let store = open_existing(&settings).await?;
        let snapshots = SessionSnapshots::open(&settings, &store, |_| {})?;
        Ok(Self { store, snapshots })
    }

    /// The snapshots, once they can be asked for.
    async fn snapshots(&self) -> Result<&SessionSnapshots, CommandFailure> {
        let off = || CommandFailure::plain("snapshots are not kept: snapshots.enabled is false");
        let snapshots = self.snapshots.as_ref().ok_or_else(off)?;
        snapshots
            .within(PATIENCE)
            .await
            .map_err(|why| CommandFailure::plain(format!("Redis cannot be asked: {why}")))?;
        Ok(snapshots)
    }
}

/// Opens the database; a command that looks makes none.
async fn open_existing(settings: &Settings) -> Result<Store, CommandFailure> {
    if !settings.database().may_exist() {
        return Err(CommandFailure::plain(format!(
            "there is no data in {}; `orchestratai serve` makes it",
            settings.store.data_dir.display()
        )));
    }
    open_store(settings, Access::Documents).await
}

async fn list(arguments: &ListArguments) -> Result<(), CommandFailure> {
    let open = Open::new(&arguments.configuration).await?;
    let snapshots = open.snapshots().await?;
    let failed = |error| CommandFailure::because("the snapshots cannot be listed", error);
    let found = snapshots.list(arguments.limit as usize).await.map_err(failed)?;
    let mut out = io::stdout().lock();
    if arguments.json {
        let rows: Vec<_> = found.iter().map(as_json).collect();
        serde_json::to_writer_pretty(&mut out, &rows).map_err(io::Error::from)?;
        writeln!(out)?;
    } else {
        write_table(&mut out, &found)?;
    }
    Ok(out.flush()?)
}

/// A snapshot's fields but its state, as they are named where it is kept.
fn as_json(fields: &SnapshotFields) -> serde_json::Value {
    let session = &fields.session;
    let mut object = serde_json::json!({ "id": session.id });
    if let Some(user_id) = &session.user_id {
        object["user_id"] = user_id.as_str().into();
    }
    object["start_time"] = session.start_time.to_string().into();
    object["last_activity"] = session.last_activity.to_string().into();
    object["total_tokens"] = session.total_tokens.into();
    object["total_cost"] = session.total_cost.into();
    object["message_count"] = session.message_count.into();
    object["last_seq"] = fields.last_seq.into();
    object
}

fn write_table(out: &mut impl Write, found: &[SnapshotFields]) -> io::Result<()> {
    let head = ["ID", "USER", "LAST ACTIVITY", "MESSAGES", "TOKENS", "COST", "LAST SEQ"];
    let mut rows = vec![head.map(str::to_owned)];
    rows.extend(found.iter().map(|fields| {
        let session = &fields.session;
        // Whoever names users may have put anything into the name.
        let user = session.user_id.as_deref().unwrap_or("-");
        [
            session.id.to_string(),
            user.chars().filter(|c| !c.is_control()).collect(),
            session.last_activity.to_string(),
            session.message_count.to_string(),
            session.total_tokens.to_string(),
            session.total_cost.to_string(),
            fields.last_seq.to_string(),
        ]
    }));
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; 7] = std::array::from_fn(width);
    for row in &rows {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
        writeln!(out, "{}", cells.collect::<Vec<_>>().join("  ").trim_end())?;
    }
    Ok(())
}
