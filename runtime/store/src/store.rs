//! Opening and closing.

mod opening;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use orchestratai_shared::SessionId;
use sea_orm::{ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbErr, TransactionTrait};
use tokio::sync::Mutex;

use self::opening::{connect_patiently, lock_log, migrate, open_error, prepare_file, sqlite_path, take_up_log};
use crate::{
    Access, Durability, OpenError, StoreError, StoreSettings, apply,
    background::{Background, BackgroundHandle},
    backlog::{ApplyLag, Backlog},
    checkpoint::{Bounds, Checkpointer},
    commit::Committer,
    dialect::{self, Role},
    wipe::Wiper,
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
    checkpointer: Arc<Checkpointer>,
    /// None where another process writes sessions.
    journal: Option<Journal>,
    epoch: String,
    is_new: bool,
    _background: Background,
}

/// The way of what is committed.
#[derive(Debug)]
pub(crate) struct Journal {
    pub(crate) committer: Arc<Mutex<Committer>>,
    pub(crate) backlog: Arc<Backlog>,
    pub(crate) wiper: Wiper,
    /// Brings the backlog into the database.
    applier: tokio::task::JoinHandle<()>,
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.applier.abort();
    }
}

/// The one connection that writes. Who holds it is alone with the write side of this process.
#[derive(Debug)]
pub(crate) struct Writer {
    path: PathBuf,
    durability: Durability,
    background: BackgroundHandle,
    /// None after an error that left it in doubt; it is opened anew by the next write.
    connection: Option<DatabaseConnection>,
}

impl Writer {
    /// The connection, opened anew where the last one was given up.
    pub(crate) async fn connection(&mut self) -> Result<&DatabaseConnection, StoreError> {
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.connect().await?,
        };
        Ok(self.connection.insert(connection))
    }

    /// The path of a file beside the database.
    pub(crate) fn beside(&self, ending: &str) -> PathBuf {
        let mut path = self.path.as_os_str().to_owned();
        path.push(ending);
        path.into()
    }

    async fn connect(&self) -> Result<DatabaseConnection, DbErr> {
        self.background.connect(&self.path, Role::Writer(self.durability)).await
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
    /// With [`Access::Journal`] it takes the commit log, waiting a while for another process that has it, and first brings
    /// into the database what a crash has left there.
    ///
    /// To be called in a Tokio runtime.
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
        // Who is to write sessions has the log before it asks the database anything: what it is told then stays true.
        let log = match settings.access {
            Access::Journal => Some(lock_log(&path).await?),
            Access::Documents => None,
        };
        let not_writable = |source| OpenError::NotWritable {
            path: path.clone(),
            source,
        };
        let background = Background::start().map_err(not_writable)?;
        let mut writer = Writer {
            path: path.clone(),
            durability: settings.durability,
            background: background.handle(),
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
        let checkpointer = Checkpointer::start(
            &path,
            Arc::clone(&writer),
            readers.clone(),
            bounds,
            &background.handle(),
        )
        .await
        .map_err(failed)?;
        let checkpointer = Arc::new(checkpointer);
        let journal = match log {
            None => None,
            Some(log) => {
                let is_flushed = settings.durability == Durability::Full;
                let taken_up = take_up_log(log, &path, &epoch, &writer, is_flushed, bounds).await?;
                if taken_up.was_cut_off {
                    // What that run had erased may still stand in SQLite's log.
                    checkpointer.committed(0, true);
                }
                let heads = dialect::connect(&path, Role::Reader, 1)
                    .await
                    .map_err(|error| failed(error.into()))?;
                let backlog = Arc::new(Backlog::new(taken_up.applied));
                let apply = apply::run(Arc::clone(&writer), Arc::clone(&backlog), Arc::clone(&checkpointer));
                let committer = Arc::new(Mutex::new(Committer::new(taken_up.log, heads)));
                Some(Journal {
                    wiper: Wiper::start(Arc::clone(&committer), Arc::clone(&backlog), &background.handle()),
                    committer,
                    backlog,
                    applier: background.handle().spawn(apply),
                })
            }
        };
        Ok(Self {
            inner: Arc::new(Inner {
                path,
                writer,
                readers,
                checkpointer,
                journal,
                epoch,
                is_new,
                _background: background,
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

    /// Why what was committed cannot be brought into the database at present, if so. Nothing is lost then: it is kept in the
    /// commit log, but no more is accepted.
    #[must_use]
    pub fn trouble(&self) -> Option<Arc<StoreError>> {
        self.inner.journal.as_ref()?.backlog.failure()
    }

    /// How far the database is behind what was committed.
    #[must_use]
    pub fn apply_lag(&self) -> ApplyLag {
        let journal = self.inner.journal.as_ref();
        journal.map(|journal| journal.backlog.lag()).unwrap_or_default()
    }

    /// Brings all that was committed into the database file, empties SQLite's write-ahead log, and waits until no text of a
    /// session that was erased is in the commit log.
    ///
    /// # Errors
    /// [`StoreError`] where that fails, [`StoreError::Busy`] where another process reads or writes for too long.
    pub async fn checkpoint(&self) -> Result<(), StoreError> {
        self.settle_all().await?;
        if let Some(journal) = &self.inner.journal {
            journal.wiper.finish().await;
        }
        self.inner.checkpointer.truncate().await
    }

    /// Ends the background work, brings everything into the database file, and closes the connections. Calls to other clones
    /// fail from then on. A store that is dropped instead loses nothing: the next one to open it takes up the logs.
    ///
    /// # Errors
    /// [`StoreError`] where something had to stay in a log; everything is closed all the same.
    pub async fn close(self) -> Result<(), StoreError> {
        self.inner.checkpointer.stop();
        if let Some(journal) = &self.inner.journal {
            journal.committer.lock().await.close().await;
        }
        let settled = self.settle_all().await;
        let copied = match &settled {
            Ok(()) => self.inner.checkpointer.truncate().await,
            Err(_) => Ok(()),
        };
        if let Some(journal) = &self.inner.journal {
            journal.applier.abort();
            if settled.is_ok()
                && let Err(error) = journal.committer.lock().await.log.remove()
            {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "the commit log could not be removed"
                );
            }
        }
        self.inner.writer.lock().await.give_up().await;
        self.inner.checkpointer.close().await;
        self.inner.readers.close_by_ref().await?;
        settled?;
        match copied {
            // Another process uses the database, and will copy the log itself.
            Err(StoreError::Busy(_)) => Ok(()),
            copied => copied,
        }
    }

    /// Waits until the database has what was committed of a session before.
    pub(crate) async fn settle(&self, id: SessionId) -> Result<(), StoreError> {
        match &self.inner.journal {
            Some(journal) => journal.backlog.settle(id).await,
            None => Ok(()),
        }
    }

    /// Waits until the database has all that was committed before.
    pub(crate) async fn settle_all(&self) -> Result<(), StoreError> {
        match &self.inner.journal {
            Some(journal) => journal.backlog.settle_all().await,
            None => Ok(()),
        }
    }

    /// What commits go through, unless another process writes sessions.
    pub(crate) fn journal(&self) -> Option<&Journal> {
        self.inner.journal.as_ref()
    }

    /// The connections that read.
    pub(crate) fn readers(&self) -> &DatabaseConnection {
        &self.inner.readers
    }

    /// Begins to read at one moment: all that the transaction reads is of the same commit.
    pub(crate) async fn read(&self) -> Result<DatabaseTransaction, DbErr> {
        self.inner.readers.begin().await
    }

    /// The connection that writes.
    pub(crate) fn writer(&self) -> &Mutex<Writer> {
        &self.inner.writer
    }

    /// Tells the checkpointer of a transaction.
    pub(crate) fn committed(&self, bytes: u64, erased: bool) {
        self.inner.checkpointer.committed(bytes, erased);
    }
}
