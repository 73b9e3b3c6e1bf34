//! How far the commit log goes: what a server acknowledged is there first, and in the database file some 50 ms later.

use std::{io, path::PathBuf};

use uuid::Uuid;

use crate::{
    Access, OpenError, Store, StoreSettings,
    commit_log::{self, CommitLog},
    dialect::postgres::Address,
    store::sqlite_path,
};

/// The last record of a running server's commit log, where there is one.
#[derive(Debug)]
pub(super) struct CommitLogEnd(Option<Last>);

/// Where a commit log ends.
#[derive(Debug)]
struct Last {
    lineage: Uuid,
    position: u64,
}

impl CommitLogEnd {
    /// Looks where the log ends. Where a crash has left one and no server has it, it is brought into the database.
    ///
    /// # Errors
    /// Where it cannot be read, or not be taken up.
    pub(super) async fn find(settings: &StoreSettings) -> Result<Self, OpenError> {
        if Address::is_one(&settings.url_or_path) || take_up_if_left(settings).await? {
            return Ok(Self(None));
        }
        let path = sqlite_path(&settings.url_or_path)?;
        match commit_log::last_record(&path) {
            Ok(last) => Ok(Self(last.map(|(lineage, position)| Last { lineage, position }))),
            Err(error) => Err(unread(path, error)),
        }
    }

    /// Whether there is nothing to wait for.
    pub(super) fn is_none(&self) -> bool {
        self.0.is_none()
    }

    /// Whether a database of this name that has been written up to `applied` has all of the log.
    pub(super) fn is_reached(&self, epoch: &str, applied: u64) -> bool {
        self.0.as_ref().is_none_or(|last| {
            // The log of another database is no part of this one.
            Uuid::parse_str(epoch) != Ok(last.lineage) || last.position <= applied
        })
    }
}

/// Brings into the database what is in the log, where no process has it; false where one does.
pub(super) async fn take_up_if_left(settings: &StoreSettings) -> Result<bool, OpenError> {
    let path = sqlite_path(&settings.url_or_path)?;
    if !commit_log::exists(&path) {
        return Ok(true);
    }
    match CommitLog::lock(&path) {
        Ok(free) => drop(free),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
        Err(error) => return Err(unread(path, error)),
    }
    let settings = StoreSettings {
        access: Access::Journal,
        ..settings.clone()
    };
    let closed = Store::open(&settings).await?.close().await;
    closed.map_err(|source| OpenError::Database {
        location: path.display().to_string(),
        source,
    })?;
    Ok(true)
}

fn unread(path: PathBuf, error: io::Error) -> OpenError {
    OpenError::CommitLog {
        path,
        reason: "it cannot be read".to_owned(),
        source: Some(error),
    }
}
