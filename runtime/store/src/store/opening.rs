//! What opening a store takes: the file, the commit log, the schema, and what a crash has left.

use std::{
    io,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use sea_orm::{DatabaseConnection, DbErr};
use sea_orm_migration::MigratorTrait;
use tokio::sync::Mutex;
use uuid::Uuid;

use super::Writer;
use crate::{
    OpenError, StoreError, apply,
    backlog::Waiting,
    checkpoint::Bounds,
    commit_log::{CommitLog, Left, LockedLog, LogError, Record},
    dialect, meta,
    migration::Migrator,
};

pub(crate) fn sqlite_path(url_or_path: &str) -> Result<PathBuf, OpenError> {
    let location = |reason| {
        // A password stands before the host.
        let shown = match (url_or_path.split_once("://"), url_or_path.rsplit_once('@')) {
            (Some((scheme, _)), Some((_, host))) => format!("{scheme}://…@{host}"),
            _ => url_or_path.to_owned(),
        };
        Err(OpenError::Location {
            location: shown,
            reason,
        })
    };
    let path = match url_or_path.split_once(':') {
        Some(("sqlite", rest)) => {
            let path = rest.strip_prefix("//").unwrap_or(rest);
            path.split_once('?').map_or(path, |(path, _parameters)| path)
        }
        Some((_, rest)) if rest.starts_with("//") => {
            return location("a store is `postgres://…`, `sqlite:PATH` or a path");
        }
        Some(_) | None => url_or_path,
    };
    if path.is_empty() || path == ":memory:" {
        return location("a store needs a file");
    }
    Ok(path.into())
}

/// Makes the folder and sees whether the file can be written, for a clear error.
pub(super) fn prepare_file(path: &Path) -> Result<(), OpenError> {
    let not_writable = |path: &Path| {
        let path = path.to_owned();
        move |source| OpenError::NotWritable { path, source }
    };
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).map_err(not_writable(folder))?;
    }
    std::fs::OpenOptions::new()
        .read(true)
        .append(true)
        .create(true)
        .open(path)
        .map_err(not_writable(path))?;
    Ok(())
}

/// Opens the writer. Another process may be making the database at this moment, which SQLite does not wait for; a server may
/// be starting.
pub(super) async fn connect_patiently(writer: &mut Writer) -> Result<&DatabaseConnection, StoreError> {
    let give_up_at = Instant::now() + dialect::BUSY_TIMEOUT;
    loop {
        match writer.connect().await.map_err(StoreError::from) {
            Ok(connection) => return Ok(writer.connection.insert(connection)),
            Err(StoreError::Busy(_) | StoreError::Away(_)) if Instant::now() < give_up_at => {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            Err(error) => return Err(error),
        }
    }
}

/// Brings the schema to the present one. Whether the database is new, and its epoch.
///
/// All in one transaction that holds the write lock: of two processes that open a new database, one makes it, and the
/// other finds it made.
pub(super) async fn migrate(
    connection: &DatabaseConnection,
    location: &str,
    open_error: impl Fn(StoreError) -> OpenError,
) -> Result<(bool, String), OpenError> {
    let failed = |error: DbErr| open_error(error.into());
    let transaction = dialect::begin_write(connection).await.map_err(failed)?;
    let applied = Migrator::get_migration_models(&transaction).await.map_err(failed)?;
    let known = Migrator::migrations();
    if let Some(newer) = applied
        .iter()
        .find(|row| known.iter().all(|known| known.name() != row.version))
    {
        return Err(OpenError::Newer {
            location: location.to_owned(),
            migration: newer.version.clone(),
        });
    }
    let is_new = applied.is_empty();
    if applied.len() < known.len() {
        Migrator::up(&transaction, None).await.map_err(failed)?;
    }
    let epoch = match meta::get(&transaction, meta::EPOCH).await.map_err(failed)? {
        Some(epoch) => epoch,
        None => {
            let epoch = Uuid::now_v7().to_string();
            meta::set(&transaction, meta::EPOCH, &epoch)
                .await
                .map_err(&open_error)?;
            epoch
        }
    };
    transaction.commit().await.map_err(failed)?;
    Ok((is_new, epoch))
}

/// How long another process may keep the commit log while it ends.
const LOG_PATIENCE: Duration = Duration::from_secs(10);

/// Takes the commit log, once the process that has it has ended.
pub(super) async fn lock_log(path: &Path) -> Result<LockedLog, OpenError> {
    let give_up_at = Instant::now() + LOG_PATIENCE;
    loop {
        match CommitLog::lock(path) {
            Ok(log) => return Ok(log),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && Instant::now() < give_up_at => {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            Err(error) => return Err(log_error(path, error.into())),
        }
    }
}

/// A commit log that has nothing in it.
pub(super) struct TakenUp {
    pub(super) log: CommitLog,
    /// Position of its last record; the database has it.
    pub(super) applied: u64,
    /// Whether the run before was cut off.
    pub(super) was_cut_off: bool,
}

/// Brings what a crash has left in the commit log into the database.
pub(super) async fn take_up_log(
    log: LockedLog,
    path: &Path,
    epoch: &str,
    writer: &Mutex<Writer>,
    is_flushed: bool,
    bounds: Bounds,
) -> Result<TakenUp, OpenError> {
    let failed = |error: StoreError| open_error(path, error);
    let lineage = Uuid::parse_str(epoch).map_err(|error| {
        failed(StoreError::Unreadable {
            what: "epoch",
            source: error.into(),
        })
    })?;
    let applied = {
        let mut writer = writer.lock().await;
        meta::number(writer.connection().await.map_err(failed)?, meta::APPLIED)
            .await
            .map_err(failed)?
    };
    let read = log.read(lineage, applied, is_flushed, bounds.segment_bytes);
    let (mut log, Left { records, was_cut_off }) = read.map_err(|error| log_error(path, error))?;
    let waiting: Vec<Waiting> = records
        .into_iter()
        .map(|Record { position, writes }| Waiting {
            position,
            writes,
            bytes: 0,
            committed: tokio::time::Instant::now(),
        })
        .collect();
    if !waiting.is_empty() {
        tracing::info!(
            records = waiting.len(),
            "what the last run had committed is brought into the database"
        );
    }
    for records in waiting.chunks(RECORDS_AT_ONCE) {
        apply::apply(writer, records).await.map_err(failed)?;
    }
    if was_cut_off {
        // Also where the database has all of it: text of sessions that were erased may stand there.
        log.wipe().map_err(|error| log_error(path, error.into()))?;
    }
    Ok(TakenUp {
        log,
        applied: waiting.last().map_or(applied, |record| record.position),
        was_cut_off,
    })
}

/// Records of a log that is taken up that go into one transaction.
const RECORDS_AT_ONCE: usize = 256;

fn log_error(path: &Path, error: LogError) -> OpenError {
    let reason = match &error {
        LogError::Io(error) if error.kind() == io::ErrorKind::WouldBlock => "another process has it".to_owned(),
        LogError::Io(_) => "it cannot be read or written".to_owned(),
        LogError::Damaged { .. } => error.to_string(),
    };
    let source = match error {
        LogError::Io(error) => Some(error),
        LogError::Damaged { .. } => None,
    };
    OpenError::CommitLog {
        path: path.to_owned(),
        reason,
        source,
    }
}

pub(crate) fn open_error(path: &Path, source: StoreError) -> OpenError {
    let path = path.to_owned();
    match source {
        StoreError::Corrupt(_) => OpenError::Corrupt { path, source },
        StoreError::Io(_) => OpenError::NotWritable {
            path,
            source: std::io::Error::other(source),
        },
        StoreError::Away(_)
        | StoreError::Busy(_)
        | StoreError::DiskFull(_)
        | StoreError::Conflict(_)
        | StoreError::CommitLog(_)
        | StoreError::ReadOnly
        | StoreError::LeaseLost
        | StoreError::NotApplied(_)
        | StoreError::Database(_)
        | StoreError::Unreadable { .. }
        | StoreError::UnknownCursor => OpenError::Database {
            location: path.display().to_string(),
            source,
        },
    }
}
