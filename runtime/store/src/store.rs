//! Opening and closing.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use sea_orm::{ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbErr, TransactionTrait};
use sea_orm_migration::MigratorTrait;
use tokio::sync::{Mutex, MutexGuard};
use uuid::Uuid;

use crate::{
    Durability, OpenError, StoreError, StoreSettings,
    checkpoint::{Bounds, Checkpointer},
    dialect::{self, Role},
    meta,
    migration::Migrator,
};

/// A database file is checked in whole when it is opened up to this size, in bytes: some 20 ms.
const QUICK_CHECK_BYTES_MAX: u64 = 8 << 20;

/// The system of record. Clones share the same connections.
#[derive(Debug, Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    writer: Arc<Mutex<Writer>>,
    readers: DatabaseConnection,
    checkpointer: Checkpointer,
    epoch: String,
    is_new: bool,
}

/// The one connection that writes. Who holds it is alone with the write side of this process.
#[derive(Debug)]
pub(crate) struct Writer {
    path: PathBuf,
    durability: Durability,
    /// None after an error that left it in doubt; it is opened anew by the next write.
    connection: Option<DatabaseConnection>,
}

impl Writer {
    /// The connection, opened anew where the last one was given up.
    pub(crate) async fn connection(&mut self) -> Result<&DatabaseConnection, StoreError> {
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => dialect::connect(&self.path, Role::Writer(self.durability), 1).await?,
        };
        Ok(self.connection.insert(connection))
    }

    /// Gives up the connection. SQLite ends a transaction by itself where the disk is full or fails, which its driver does
    /// not notice: that connection would refuse to begin another one for good.
    pub(crate) async fn give_up(&mut self) {
        if let Some(connection) = self.connection.take()
            && let Err(error) = connection.close().await
        {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "a database connection could not be closed"
            );
        }
    }
}

impl Store {
    /// Opens a store. A missing file is made, with its folders; an older schema is brought to the present one.
    ///
    /// Must be called in a Tokio runtime, which must live as long as the store: it copies the write-ahead log into the
    /// database file in the background.
    ///
    /// # Errors
    /// [`OpenError`] says what is wrong with which file, and what to do.
    pub async fn open(settings: &StoreSettings) -> Result<Self, OpenError> {
        Self::open_with(settings, Bounds::default()).await
    }

    pub(crate) async fn open_with(settings: &StoreSettings, bounds: Bounds) -> Result<Self, OpenError> {
        let path = sqlite_path(&settings.url_or_path)?;
        prepare_file(&path)?;
        let failed = |error: StoreError| open_error(&path, error);
        let mut writer = Writer {
            path: path.clone(),
            durability: settings.durability,
            connection: None,
        };
        let connection = connect_patiently(&mut writer).await.map_err(failed)?;
        let bytes = std::fs::metadata(&path).map_or(0, |metadata| metadata.len());
        if bytes <= QUICK_CHECK_BYTES_MAX {
            dialect::quick_check(connection)
                .await
                .map_err(|error| failed(error.into()))?;
        }
        let (is_new, epoch) = migrate(&path, connection).await?;
        let readers = dialect::connect(&path, Role::Reader, settings.readers.clamp(1, 64))
            .await
            .map_err(|error| failed(error.into()))?;
        let writer = Arc::new(Mutex::new(writer));
        let checkpointer = Checkpointer::start(&path, Arc::clone(&writer), bounds)
            .await
            .map_err(failed)?;
        Ok(Self {
            inner: Arc::new(Inner {
                path,
                writer,
                readers,
                checkpointer,
                epoch,
                is_new,
            }),
        })
    }

    /// Whether opening it has made the database.
    #[must_use]
    pub fn is_new(&self) -> bool {
        self.inner.is_new
    }

    /// Names the journal's lineage: the same through restarts and crashes.
    #[must_use]
    pub fn epoch(&self) -> &str {
        &self.inner.epoch
    }

    /// Where the database file is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.inner.path
    }

    /// Asks the database for an answer.
    ///
    /// # Errors
    /// [`StoreError`] where there is none.
    pub async fn ping(&self) -> Result<(), StoreError> {
        self.inner.readers.execute_unprepared("SELECT 1").await?;
        Ok(())
    }

    /// Copies the whole write-ahead log into the database file and empties it; writes wait meanwhile.
    ///
    /// # Errors
    /// [`StoreError`] where that fails, [`StoreError::Busy`] where another process reads or writes for too long.
    pub async fn checkpoint(&self) -> Result<(), StoreError> {
        self.inner.checkpointer.truncate().await
    }

    /// Ends the background work, copies the log into the database file, and closes the connections. Calls to other clones
    /// fail from then on. A store that is dropped instead loses nothing: the next one to open it takes up the log.
    ///
    /// # Errors
    /// [`StoreError`] where the log could not be copied; everything is closed all the same.
    pub async fn close(self) -> Result<(), StoreError> {
        self.inner.checkpointer.stop();
        let copied = self.checkpoint().await;
        self.inner.writer.lock().await.give_up().await;
        self.inner.checkpointer.close().await;
        self.inner.readers.close_by_ref().await?;
        match copied {
            // Another process uses the database, and will copy the log itself.
            Err(StoreError::Busy(_)) => Ok(()),
            copied => copied,
        }
    }

    /// The connections that read.
    pub(crate) fn readers(&self) -> &DatabaseConnection {
        &self.inner.readers
    }

    /// Begins to read at one moment: all that the transaction reads is of the same commit.
    pub(crate) async fn read(&self) -> Result<DatabaseTransaction, DbErr> {
        self.inner.readers.begin().await
    }

    /// The connection that writes, once it is free.
    pub(crate) async fn writer(&self) -> MutexGuard<'_, Writer> {
        self.inner.writer.lock().await
    }

    /// Tells the checkpointer of a commit.
    pub(crate) fn committed(&self, bytes: u64, erased: bool) {
        self.inner.checkpointer.committed(bytes, erased);
    }
}

fn sqlite_path(url_or_path: &str) -> Result<PathBuf, OpenError> {
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
            return location("this build knows SQLite only, as a path or `sqlite:PATH`");
        }
        Some(_) | None => url_or_path,
    };
    if path.is_empty() || path == ":memory:" {
        return location("a store needs a file");
    }
    Ok(path.into())
}

/// Makes the folder and sees whether the file can be written, for a clear error.
fn prepare_file(path: &Path) -> Result<(), OpenError> {
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

/// Opens the writer; another process may be making the database at this moment, which SQLite does not wait for.
async fn connect_patiently(writer: &mut Writer) -> Result<&DatabaseConnection, StoreError> {
    let give_up_at = std::time::Instant::now() + dialect::BUSY_TIMEOUT;
    loop {
        match dialect::connect(&writer.path, Role::Writer(writer.durability), 1)
            .await
            .map_err(StoreError::from)
        {
            Ok(connection) => return Ok(writer.connection.insert(connection)),
            Err(StoreError::Busy(_)) if std::time::Instant::now() < give_up_at => {
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
            Err(error) => return Err(error),
        }
    }
}

/// Brings the schema to the present one. Whether the database is new, and its epoch.
///
/// All in one transaction that holds the write lock: of two processes that open a new database, one makes it, and the
/// other finds it made.
async fn migrate(path: &Path, connection: &DatabaseConnection) -> Result<(bool, String), OpenError> {
    let failed = |error: DbErr| open_error(path, error.into());
    let transaction = dialect::begin_write(connection).await.map_err(failed)?;
    let applied = Migrator::get_migration_models(&transaction).await.map_err(failed)?;
    let known = Migrator::migrations();
    if let Some(newer) = applied
        .iter()
        .find(|row| known.iter().all(|known| known.name() != row.version))
    {
        return Err(OpenError::Newer {
            path: path.to_owned(),
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
                .map_err(|error| open_error(path, error))?;
            epoch
        }
    };
    transaction.commit().await.map_err(failed)?;
    Ok((is_new, epoch))
}

fn open_error(path: &Path, source: StoreError) -> OpenError {
    let path = path.to_owned();
    match source {
        StoreError::Corrupt(_) => OpenError::Corrupt { path, source },
        StoreError::Io(_) => OpenError::NotWritable {
            path,
            source: std::io::Error::other(source),
        },
        StoreError::Busy(_)
        | StoreError::DiskFull(_)
        | StoreError::Conflict(_)
        | StoreError::Database(_)
        | StoreError::Unreadable { .. }
        | StoreError::UnknownCursor => OpenError::Database { path, source },
    }
}
