//! The bound on the write-ahead log.
//!
//! SQLite copies the log into the database file inside some commit, once the log is long enough; that commit is then slow.
//! Here a task does it beside the commits, on a connection of its own. While it copies, commits add to the log, so under
//! constant load it never reaches the end, and SQLite begins the log anew only when all of it was copied. So when the log
//! has grown to [`LOG_PAGES_MAX`], the task first copies what it can, then holds the writer while it copies the rest, which
//! is little: the next commit begins the log anew.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use sea_orm::DatabaseConnection;
use tokio::{
    sync::{Mutex, Notify},
    task::JoinHandle,
    time::timeout,
};

use crate::{
    StoreError,
    dialect::{self, CheckpointMode, CheckpointOutcome, Role},
    store::Writer,
};

/// Payload bytes committed after which the log is copied. What lands in the log is some four times as much.
const COPY_AFTER_BYTES: u64 = 4 << 20;
/// Commits that have rested in the log for so long are copied however little they are.
const COPY_AFTER: Duration = Duration::from_secs(5);
/// Pages in the log from which it is begun anew: 64 MiB.
const LOG_PAGES_MAX: u64 = 16_384;

/// Copies the log into the database file in the background.
#[derive(Debug)]
pub(crate) struct Checkpointer {
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    connection: DatabaseConnection,
    writer: Arc<Mutex<Writer>>,
    /// Payload bytes committed since the last copy.
    bytes: AtomicU64,
    /// Whether erased text may still stand in the log.
    erased: AtomicBool,
    wake: Notify,
}

impl Checkpointer {
    /// Starts the task.
    pub(crate) async fn start(path: &Path, writer: Arc<Mutex<Writer>>) -> Result<Self, StoreError> {
        let connection = dialect::connect(path, Role::Checkpointer, 1).await?;
        let shared = Arc::new(Shared {
            connection,
            writer,
            bytes: AtomicU64::new(0),
            erased: AtomicBool::new(false),
            wake: Notify::new(),
        });
        let task = tokio::spawn(run(Arc::clone(&shared)));
        Ok(Self { shared, task })
    }

    /// Takes note of a commit.
    pub(crate) fn committed(&self, bytes: u64, erased: bool) {
        let before = self.shared.bytes.fetch_add(bytes.max(1), Ordering::Relaxed);
        if erased {
            self.shared.erased.store(true, Ordering::Release);
        }
        if erased || before < COPY_AFTER_BYTES && before + bytes >= COPY_AFTER_BYTES {
            self.shared.wake.notify_one();
        }
    }

    /// Copies everything and empties the log; nobody writes meanwhile.
    pub(crate) async fn truncate(&self) -> Result<(), StoreError> {
        self.shared.truncate().await
    }

    /// Ends the task.
    pub(crate) fn stop(&self) {
        self.task.abort();
    }

    /// Closes its connection.
    pub(crate) async fn close(&self) {
        if let Err(error) = self.shared.connection.close_by_ref().await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "a database connection could not be closed"
            );
        }
    }
}

impl Drop for Checkpointer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn run(shared: Arc<Shared>) {
    loop {
        let _ = timeout(COPY_AFTER, shared.wake.notified()).await;
        if shared.bytes.swap(0, Ordering::Relaxed) == 0 && !shared.erased.load(Ordering::Acquire) {
            continue;
        }
        if let Err(error) = shared.copy().await {
            // Commits go on; the log grows until it can be copied again.
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "the write-ahead log could not be copied"
            );
        }
    }
}

impl Shared {
    async fn copy(&self) -> Result<(), StoreError> {
        if self.erased.swap(false, Ordering::AcqRel) {
            // The erased text stands in the log until the log is emptied.
            let emptied = self.truncate().await;
            if emptied.is_err() {
                self.erased.store(true, Ordering::Release);
            }
            return emptied;
        }
        let outcome = self.passive().await?;
        if outcome.log >= LOG_PAGES_MAX {
            // Once more, since the first one may have had much to copy; what is left then is little.
            self.passive().await?;
            let _writer = self.writer.lock().await;
            self.passive().await?;
        }
        Ok(())
    }

    async fn passive(&self) -> Result<CheckpointOutcome, StoreError> {
        Ok(dialect::checkpoint(&self.connection, CheckpointMode::Passive).await?)
    }

    async fn truncate(&self) -> Result<(), StoreError> {
        self.passive().await?;
        let _writer = self.writer.lock().await;
        let outcome = dialect::checkpoint(&self.connection, CheckpointMode::Truncate).await?;
        if outcome.busy {
            return Err(StoreError::Busy(sea_orm::DbErr::Custom(
                "a reader or writer holds on to the log".to_owned(),
            )));
        }
        Ok(())
    }
}
