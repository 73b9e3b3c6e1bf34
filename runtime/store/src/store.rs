//! Opening and closing.

mod opening;
mod writer;

use std::sync::Arc;

use orchestratai_shared::SessionId;
use sea_orm::{ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbErr, TransactionTrait};
use tokio::sync::Mutex;

use self::{
    opening::{connect_patiently, lock_log, migrate, prepare_file, take_up_log},
    writer::Database,
};
pub(crate) use self::{
    opening::{open_error, sqlite_path},
    writer::Writer,
};
use crate::{
    Access, Durability, OpenError, StoreError, StoreSettings, apply,
    background::Background,
    backlog::{ApplyLag, Backlog},
    checkpoint::{Bounds, Checkpointer},
    commit::Committer,
    dialect::{
        self, Role,
        postgres::{self, Address, ServerRole},
    },
    direct::DirectCommitter,
    node::lease::Membership,
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
    location: String,
    writer: Arc<Mutex<Writer>>,
    readers: DatabaseConnection,
    /// None where the engine keeps its own log short.
    checkpointer: Option<Arc<Checkpointer>>,
    commits: Commits,
    /// None where the store is no node.
    membership: Option<Arc<Membership>>,
    epoch: String,
    is_new: bool,
    /// None where the engine has processes of its own.
    _background: Option<Background>,
}

/// How sessions are written.
#[derive(Debug)]
pub(crate) enum Commits {
    /// Into the commit log, and from there into SQLite.
    Logged(Journal),
    /// Straight into PostgreSQL, which has a log of its own.
    Direct(Box<DirectCommitter>),
    /// By another process.
    Elsewhere,
}

/// The way of what is committed through the commit log.
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

impl Store {
    /// Opens a store. A missing file is made, with its folders; an older schema is brought to the present one.
    ///
    /// With [`Access::Journal`] it takes the journal, waiting a while for another process that has it; with SQLite it first
    /// brings into the database what a crash has left in the commit log.
    ///
    /// To be called in a Tokio runtime.
    ///
    /// # Errors
    /// [`OpenError`] says what is wrong with which file or server, and what to do.
    pub async fn open(settings: &StoreSettings) -> Result<Self, OpenError> {
        if Address::is_one(&settings.url_or_path) {
            return Self::open_server(settings).await;
        }
        Self::open_with(settings, Bounds::default()).await
    }

    async fn open_server(settings: &StoreSettings) -> Result<Self, OpenError> {
        let address = postgres::address(&settings.url_or_path)?;
        let location = address.to_string();
        let failed = |source| OpenError::Database {
            location: address.to_string(),
            source,
        };
        let mut writer = Writer::new(Database::Server(address.clone()));
        let connection = connect_patiently(&mut writer).await.map_err(failed)?;
        let (is_new, epoch) = migrate(connection, &location, failed).await?;
        let readers = postgres::connect(&address, ServerRole::Readers(settings.readers.clamp(1, 64))).await;
        let membership = match settings.access {
            Access::Node(node) => Some(Membership::join(&address, node).await.map_err(failed)?),
            Access::Journal | Access::Documents => None,
        };
        let commits = match settings.access {
            Access::Documents => Commits::Elsewhere,
            Access::Journal | Access::Node(_) => {
                let committer = DirectCommitter::open(address.clone(), settings.durability, membership.clone()).await;
                let committer = committer.map_err(failed)?.ok_or_else(|| OpenError::Taken {
                    location: location.clone(),
                })?;
                Commits::Direct(Box::new(committer))
            }
        };
        Ok(Self {
            inner: Arc::new(Inner {
                location,
                writer: Arc::new(Mutex::new(writer)),
                readers: readers.map_err(|error| failed(error.into()))?,
                checkpointer: None,
                commits,
                membership,
                epoch,
                is_new,
                _background: None,
            }),
        })
    }

    pub(crate) async fn open_with(settings: &StoreSettings, bounds: Bounds) -> Result<Self, OpenError> {
        let path = sqlite_path(&settings.url_or_path)?;
        prepare_file(&path)?;
        let failed = |error: StoreError| open_error(&path, error);
        // Who is to write sessions has the log before it asks the database anything: what it is told then stays true.
        let log = match settings.access {
            Access::Journal => Some(lock_log(&path).await?),
            Access::Documents => None,
            Access::Node(_) => {
                let location = path.display().to_string();
                return Err(OpenError::NotShared { location });
            }
        };
        let not_writable = |source| OpenError::NotWritable {
            path: path.clone(),
            source,
        };
        let background = Background::start().map_err(not_writable)?;
        let mut writer = Writer::new(Database::File {
            path: path.clone(),
            durability: settings.durability,
            background: background.handle(),
        });
        let connection = connect_patiently(&mut writer).await.map_err(failed)?;
        let bytes = std::fs::metadata(&path).map_or(0, |metadata| metadata.len());
        if bytes <= QUICK_CHECK_BYTES_MAX {
            dialect::quick_check(connection)
                .await
                .map_err(|error| failed(error.into()))?;
        }
        let location = path.display().to_string();
        let (is_new, epoch) = migrate(connection, &location, failed).await?;
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
        let commits = match log {
            None => Commits::Elsewhere,
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
                Commits::Logged(Journal {
                    wiper: Wiper::start(Arc::clone(&committer), Arc::clone(&backlog), &background.handle()),
                    committer,
                    backlog,
                    applier: background.handle().spawn(apply),
                })
            }
        };
        Ok(Self {
            inner: Arc::new(Inner {
                location,
                writer,
                readers,
                checkpointer: Some(checkpointer),
                commits,
                membership: None,
                epoch,
                is_new,
                _background: Some(background),
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

    /// Where the database is: the path of its file, or its address without user and password.
    #[must_use]
    pub fn location(&self) -> &str {
        &self.inner.location
    }

    /// Asks the database for an answer.
    ///
    /// # Errors
    /// [`StoreError`] where there is none.
    pub async fn ping(&self) -> Result<(), StoreError> {
        self.inner.readers.execute_unprepared("SELECT 1").await?;
        Ok(())
    }

    /// Why commits wait at present, if they do: what was committed cannot be brought from the commit log into the database, or
    /// the database server cannot be reached. Nothing is lost then, but no more should be accepted.
    #[must_use]
    pub fn trouble(&self) -> Option<Arc<StoreError>> {
        match &self.inner.commits {
            Commits::Logged(journal) => journal.backlog.failure(),
            Commits::Direct(committer) => committer.trouble(),
            Commits::Elsewhere => None,
        }
    }

    /// Whether a commit waits for a database server at present. Others would have to wait behind it.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        match &self.inner.commits {
            Commits::Direct(committer) => committer.trouble().is_some(),
            Commits::Logged(_) | Commits::Elsewhere => false,
        }
    }

    /// How far the database is behind what was committed.
    #[must_use]
    pub fn apply_lag(&self) -> ApplyLag {
        self.journal().map(|journal| journal.backlog.lag()).unwrap_or_default()
    }

    /// Brings all that was committed into the database file, empties SQLite's write-ahead log, and waits until no text of a
    /// session that was erased is in the commit log.
    ///
    /// # Errors
    /// [`StoreError`] where that fails, [`StoreError::Busy`] where another process reads or writes for too long.
    pub async fn checkpoint(&self) -> Result<(), StoreError> {
        self.settle_all().await?;
        if let Some(journal) = self.journal() {
            journal.wiper.finish().await;
        }
        self.truncate().await
    }

    /// Empties the engine's own log, where that is for us to do.
    async fn truncate(&self) -> Result<(), StoreError> {
        match &self.inner.checkpointer {
            Some(checkpointer) => checkpointer.truncate().await,
            None => Ok(()),
        }
    }

    /// Ends the background work, brings everything into the database file, and closes the connections. Calls to other clones
    /// fail from then on. A store that is dropped instead loses nothing: the next one to open it takes up the logs.
    ///
    /// # Errors
    /// [`StoreError`] where something had to stay in a log; everything is closed all the same.
    pub async fn close(self) -> Result<(), StoreError> {
        if let Some(checkpointer) = &self.inner.checkpointer {
            checkpointer.stop();
        }
        match &self.inner.commits {
            Commits::Logged(journal) => journal.committer.lock().await.close().await,
            Commits::Direct(committer) => committer.close().await,
            Commits::Elsewhere => {}
        }
        // Only now: nothing is written any more by this one.
        if let Some(membership) = &self.inner.membership {
            membership.leave().await;
        }
        let settled = self.settle_all().await;
        let copied = match &settled {
            Ok(()) => self.truncate().await,
            Err(_) => Ok(()),
        };
        if let Some(journal) = self.journal() {
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
        if let Some(checkpointer) = &self.inner.checkpointer {
            checkpointer.close().await;
        }
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
        match self.journal() {
            Some(journal) => journal.backlog.settle(id).await,
            None => Ok(()),
        }
    }

    /// Waits until the database has all that was committed before.
    pub(crate) async fn settle_all(&self) -> Result<(), StoreError> {
        match self.journal() {
            Some(journal) => journal.backlog.settle_all().await,
            None => Ok(()),
        }
    }

    /// This node among the others, where it is one.
    pub(crate) fn membership(&self) -> Option<&Membership> {
        self.inner.membership.as_deref()
    }

    /// How sessions are written.
    pub(crate) fn commits(&self) -> &Commits {
        &self.inner.commits
    }

    /// The way through the commit log, where there is one.
    pub(crate) fn journal(&self) -> Option<&Journal> {
        match &self.inner.commits {
            Commits::Logged(journal) => Some(journal),
            Commits::Direct(_) | Commits::Elsewhere => None,
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

    /// The connection that writes.
    pub(crate) fn writer(&self) -> &Mutex<Writer> {
        &self.inner.writer
    }

    /// Tells the checkpointer of a transaction.
    pub(crate) fn committed(&self, bytes: u64, erased: bool) {
        if let Some(checkpointer) = &self.inner.checkpointer {
            checkpointer.committed(bytes, erased);
        }
    }
}
