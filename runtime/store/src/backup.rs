//! Copies of everything durable, to be kept elsewhere and restored into an empty database of either engine.
//!
//! In reading order:
//! - `table`, `row`, `digest`: what is copied, and how a row is written;
//! - `archive`: the file;
//! - `source`: the database as of one moment; `commit_log_end`: what a server has acknowledged and not yet brought there;
//! - `restore`: the way back, into a file or a server.
//!
//! All of it reads and writes its file on the calling thread: it is for commands, not for a server's threads.

mod archive;
mod commit_log_end;
mod digest;
mod restore;
mod row;
mod source;
mod table;

use std::io::{Read, Write};

use self::{
    archive::{ArchiveReader, ArchiveWriter, Entry},
    commit_log_end::CommitLogEnd,
    source::Source,
};
pub use self::{
    archive::{BackupContents, BackupOrigin, TableContents, UnreadableBackup},
    restore::{RestoreError, Restored, restore},
};
use crate::{OpenError, StoreError, StoreSettings};

/// What [`back_up`] has written.
#[derive(Debug)]
pub struct BackedUp<W> {
    /// What it was written to.
    pub out: W,
    /// What is in it.
    pub contents: BackupContents,
    /// Whether something is missing that a running server had acknowledged before, because it does not bring it into the database
    /// file. Without a server, and with PostgreSQL, nothing ever is.
    pub is_behind: bool,
}

/// Why there is no backup.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The database cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The database has no tables of ours.
    #[error("there is nothing to back up: {0} was never opened by a server")]
    Nothing(String),
    /// An earlier version has written the database.
    #[error(
        "{location} is as an earlier version left it (its last migration is `{migration}`): back it up with that version, or start this one's server on it first"
    )]
    Earlier {
        /// The file, or the address without its password.
        location: String,
        /// Its last migration.
        migration: String,
    },
    /// The database cannot be read.
    #[error("{location} cannot be read")]
    Database {
        /// The file, or the address without its password.
        location: String,
        /// What the engine says.
        #[source]
        source: StoreError,
    },
    /// The backup cannot be written.
    #[error("the backup cannot be written")]
    Write(#[source] std::io::Error),
}

/// Writes a backup of a database to `out`, also while a server uses it; `version` is that of the program.
///
/// It is the state of one moment, and has all that was acknowledged before the call. The database is only read, but for what a
/// crash has left in the commit log, which is brought into the file first where no server has it. Memory stays bounded, and the database
/// is read in one transaction: SQLite's own log grows by what is written meanwhile.
///
/// # Errors
/// [`BackupError`]; what was written to `out` is no backup then.
pub async fn back_up<W: Write>(settings: &StoreSettings, version: &str, out: W) -> Result<BackedUp<W>, BackupError> {
    let end = CommitLogEnd::find(settings).await?;
    let source = Source::open(settings).await?;
    let is_behind = !source.has_reached(end, settings).await?;
    let snapshot = source.begin(version).await?;
    let mut archive = ArchiveWriter::new(out, snapshot.origin.clone()).map_err(BackupError::Write)?;
    for table in &table::TABLES {
        archive.begin_table(table).map_err(BackupError::Write)?;
        snapshot
            .rows(table, |cells| archive.add_row(&cells).map_err(BackupError::Write))
            .await?;
    }
    snapshot.end().await?;
    let (out, contents) = archive.finish().map_err(BackupError::Write)?;
    Ok(BackedUp {
        out,
        contents,
        is_behind,
    })
}

/// Reads a backup to its end: whether it is whole, and every row can be read.
///
/// # Errors
/// Why it cannot be used.
pub fn check_backup(input: impl Read) -> Result<BackupContents, UnreadableBackup> {
    let mut archive = ArchiveReader::new(input)?;
    loop {
        match archive.next()? {
            Entry::Table { .. } | Entry::Row { .. } => {}
            Entry::End(contents) => return Ok(contents),
        }
    }
}
