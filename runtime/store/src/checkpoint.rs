//! The bound on SQLite's write-ahead log.
//!
//! SQLite copies the log into the database file inside some transaction, once the log is long enough; that transaction is then
//! slow. Here a task does it beside them, on a connection of its own. While it copies, transactions add to the log, so under
//! constant load it never reaches the end, and SQLite begins the log anew only when all of it was copied. So when the log
//! has grown to [`Bounds::log_pages_max`], the task first copies what it can, then holds the writer while it copies the rest,
//! which is little: the next transaction begins the log anew.
//!
//! What is copied must be flushed before the log is begun anew, and a flush of much holds up the flushes that commits wait
//! for. SQLite flushes the database file only when it has copied the log to its end (`walCheckpoint` in its source). So most is
//! copied while a reader stands before the end, which makes it no flush, and is [handed to the device](crate::write_back) bit by bit;
//! the flush at the end of the log finds little left to write.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use sea_orm::{ConnectionTrait, DatabaseConnection, DbErr, TransactionTrait};
use tokio::{
    sync::{Mutex, Notify, watch},
    task::JoinHandle,
    time::{sleep, timeout},
};

use crate::{
    StoreError,
    background::BackgroundHandle,
    commit_log::CommitLog,
    dialect::{self, CheckpointMode, CheckpointOutcome, Role},
    store::Writer,
    write_back::WriteBack,
};

/// When the log is copied, and when it is begun anew. "The log" is SQLite's own here, not the commit log.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// Payload bytes committed after which the log is copied. What lands in the log is some four times as much.
    pub(crate) copy_after_bytes: u64,
    /// Commits that have rested in the log for so long are copied however little they are.
    pub(crate) copy_after: Duration,
    /// Pages of 4 KiB in the log from which it is begun anew.
    pub(crate) log_pages_max: u64,
    /// Bytes of a file of the commit log.
    pub(crate) segment_bytes: u64,
}

impl Default for Bounds {
    /// A copy about every 32 MiB of log: pages that many transactions touch are then copied once. It is begun anew at 128 MiB.
    fn default() -> Self {
        Self {
            copy_after_bytes: 12 << 20,
            copy_after: Duration::from_secs(5),
            log_pages_max: 32_768,
            segment_bytes: CommitLog::SEGMENT_BYTES,
        }
    }
}

/// Copies the log into the database file in the background.
#[derive(Debug)]
pub(crate) struct Checkpointer {
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    bounds: Bounds,
    connection: DatabaseConnection,
    /// For a reader that stands before the end of the log.
    readers: DatabaseConnection,
    writer: Arc<Mutex<Writer>>,
    write_back: WriteBack,
    /// Transactions that were committed.
    transactions: watch::Sender<u64>,
    /// Payload bytes committed since the last copy.
    bytes: AtomicU64,
    /// Whether erased text may still stand in the log.
    erased: AtomicBool,
    wake: Notify,
}

impl Checkpointer {
    /// Starts the task.
    pub(crate) async fn start(
        path: &Path,
        writer: Arc<Mutex<Writer>>,
        readers: DatabaseConnection,
        bounds: Bounds,
        background: &BackgroundHandle,
    ) -> Result<Self, StoreError> {
        let connection = background.connect(path, Role::Checkpointer).await?;
        let write_back = WriteBack::open(path).map_err(|error| StoreError::Io(DbErr::Custom(error.to_string())))?;
        let shared = Arc::new(Shared {
            bounds,
            connection,
            readers,
            writer,
            write_back,
            transactions: watch::Sender::new(0),
            bytes: AtomicU64::new(0),
            erased: AtomicBool::new(false),
            wake: Notify::new(),
        });
        let task = background.spawn(run(Arc::clone(&shared)));
        Ok(Self { shared, task })
    }

    /// Takes note of a transaction.
    pub(crate) fn committed(&self, bytes: u64, erased: bool) {
        self.shared.transactions.send_modify(|count| *count += 1);
        let limit = self.shared.bounds.copy_after_bytes;
        let before = self.shared.bytes.fetch_add(bytes.max(1), Ordering::Relaxed);
        if erased {
            self.shared.erased.store(true, Ordering::Release);
        }
        if erased || before < limit && before + bytes >= limit {
            self.shared.wake.notify_one();
        }
    }

    /// Copies everything and empties the log; nobody writes meanwhile. Waits a while for readers, without the writer.
    pub(crate) async fn truncate(&self) -> Result<(), StoreError> {
        let give_up_at = Instant::now() + dialect::BUSY_TIMEOUT;
        loop {
            match self.shared.truncate().await {
                Err(StoreError::Busy(_)) if Instant::now() < give_up_at => sleep(Duration::from_millis(20)).await,
                ended => return ended,
            }
        }
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

/// How long a copy waits for the transaction after the one that it copies up to. Under load there are some twenty a second.
const FOLLOWED_WITHIN: Duration = Duration::from_millis(200);

async fn run(shared: Arc<Shared>) {
    loop {
        let _ = timeout(shared.bounds.copy_after, shared.wake.notified()).await;
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
        let outcome = self.copy_without_flush().await?;
        if outcome.log >= self.bounds.log_pages_max {
            // What has come in meanwhile is little, and what comes in while that is copied is less.
            self.passive().await?;
            let _writer = self.writer.lock().await;
            self.passive().await?;
        }
        Ok(())
    }

    /// Copies what is in the log now, and lets the device have it bit by bit.
    async fn copy_without_flush(&self) -> Result<CheckpointOutcome, StoreError> {
        let reader = self.readers.begin().await?;
        // It stands where the log ends when it first reads.
        reader.execute_unprepared("SELECT 1 FROM meta LIMIT 1").await?;
        let mut transactions = self.transactions.subscribe();
        // Where none follows, it stands at the end, and there is a flush; but then nobody is held up by it either.
        let _ = timeout(FOLLOWED_WITHIN, transactions.changed()).await;
        let outcome = self.passive().await;
        reader.rollback().await?;
        self.write_back.run().await;
        outcome
    }

    async fn passive(&self) -> Result<CheckpointOutcome, StoreError> {
        Ok(dialect::checkpoint(&self.connection, CheckpointMode::Passive).await?)
    }

    async fn truncate(&self) -> Result<(), StoreError> {
        self.passive().await?;
        let _writer = self.writer.lock().await;
        let outcome = dialect::checkpoint(&self.connection, CheckpointMode::Truncate).await?;
        if outcome.busy {
            return Err(StoreError::Busy(DbErr::Custom(
                "a reader or writer holds on to the log".to_owned(),
            )));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use orchestratai_shared::SessionId;

    use super::*;
    use crate::{DocumentChanges, NewDocument, Store, StoreSettings};

    #[tokio::test]
    async fn the_log_stays_bounded_under_constant_load() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bounded.db");
        let bounds = Bounds {
            copy_after_bytes: 64 << 10,
            copy_after: Duration::from_secs(5),
            log_pages_max: 256,
            ..Bounds::default()
        };
        let store = Store::open_with(&StoreSettings::sqlite(&path), bounds).await.unwrap();
        let content = "x".repeat(16 << 10);
        let mut largest = 0;
        for round in 0..1_200 {
            let document = NewDocument {
                organization: "default".to_owned(),
                collection: "load".to_owned(),
                root: "here".to_owned(),
                path: format!("{}.md", round % 7),
                title: String::new(),
                content: content.clone(),
                front_matter: serde_json::Map::new(),
                content_hash: SessionId::new().to_string(),
            };
            let changes = DocumentChanges {
                put: vec![document],
                ..DocumentChanges::default()
            };
            store.change_documents(changes).await.unwrap();
            largest = largest.max(std::fs::metadata(folder.path().join("bounded.db-wal")).unwrap().len());
        }
        // 1,200 documents make some 16 MiB of log; the bound is 1 MiB, and what comes in while it is copied.
        assert!(largest < 6 << 20, "the log grew to {largest} bytes");
        store.close().await.unwrap();
    }
}
