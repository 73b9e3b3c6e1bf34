//! Transactions that write: one at a time in this process, and patient with others.

use std::{
    fs::OpenOptions,
    io::{self, Write as _},
    path::PathBuf,
    time::{Duration, Instant},
};

use sea_orm::DatabaseTransaction;
use tokio::sync::{Mutex, MutexGuard};

use crate::{StoreError, Write, commit_log, dialect, store::Writer};

/// How long a write goes on asking for the write lock when another process holds it. Each attempt waits up to
/// [`dialect::BUSY_TIMEOUT`].
const LOCK_PATIENCE: Duration = Duration::from_secs(12);

/// What a transaction that writes locks from its beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Locks {
    /// All that such transactions write.
    Database,
    /// The rows that it changes, where the engine can; else the same.
    Rows,
}

/// Begins a transaction that holds the write lock, as soon as this process and others let it.
pub(crate) async fn begin(writer: &Mutex<Writer>) -> Result<Writing<'_>, StoreError> {
    begin_with(writer, Locks::Database).await
}

/// Begins a transaction that holds so much, as soon as this process and others let it.
pub(crate) async fn begin_with(writer: &Mutex<Writer>, locks: Locks) -> Result<Writing<'_>, StoreError> {
    let mut writer = writer.lock().await;
    let give_up_at = Instant::now() + LOCK_PATIENCE;
    loop {
        let connection = writer.connection().await?;
        let begun = match locks {
            Locks::Database => dialect::begin_write(connection).await,
            Locks::Rows => dialect::begin_rows(connection).await,
        };
        match begun.map_err(StoreError::from) {
            Ok(transaction) => return Ok(Writing { transaction, writer }),
            Err(StoreError::Busy(_)) if Instant::now() < give_up_at => {}
            Err(error) => {
                writer.give_up().await;
                return Err(error);
            }
        }
    }
}

/// A transaction that writes. Dropped, it is undone.
pub(crate) struct Writing<'writer> {
    // Is dropped before the writer is free again.
    pub(crate) transaction: DatabaseTransaction,
    writer: MutexGuard<'writer, Writer>,
}

impl Writing<'_> {
    /// Adds a write that cannot be applied to a file beside the database, for whoever finds out what has happened. Gives the
    /// file.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn keep_aside(&self, write: &Write) -> io::Result<PathBuf> {
        let path = self.writer.beside("-aside").ok_or(io::ErrorKind::Unsupported)?;
        let mut file = OpenOptions::new().append(true).create(true).open(&path)?;
        let mut text = commit_log::text_of(write);
        text.push(b'\n');
        file.write_all(&text)?;
        file.sync_all()?;
        Ok(path)
    }

    /// Undoes the work, and gives what it found.
    pub(crate) async fn undo<T>(self, found: T) -> Result<T, StoreError> {
        let Self {
            transaction,
            mut writer,
        } = self;
        if let Err(error) = transaction.rollback().await {
            writer.give_up().await;
            return Err(error.into());
        }
        Ok(found)
    }

    /// Commits where the work succeeded, else undoes it.
    pub(crate) async fn end<T>(self, worked: Result<T, StoreError>) -> Result<T, StoreError> {
        let Self {
            transaction,
            mut writer,
        } = self;
        let (ended, answer) = match worked {
            Ok(done) => match transaction.commit().await {
                Ok(()) => (true, Ok(done)),
                Err(error) => (false, Err(error.into())),
            },
            Err(error) => (transaction.rollback().await.is_ok(), Err(error)),
        };
        if !ended {
            writer.give_up().await;
        }
        answer
    }
}
