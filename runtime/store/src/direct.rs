//! Making a batch durable where the database has a log of its own: one transaction for each batch, and as a rule one statement.
//!
//! The rows are those that come from the commit log elsewhere. What a batch contradicts is found out before, from the heads of the
//! sessions in it, so that one session's mistake does not undo the others' writes; the database looks again, and knows better.
//!
//! A connection can be lost while it commits, and nobody knows then whether the commit was made. Each transaction therefore leaves
//! the name of its batch, which is looked for once the server can be reached again; nothing is written twice. (The server could be
//! asked for the transaction by its number, but one that a crash undid may be given to another transaction after it.)
//!
//! One of several nodes commits what it owns only, while its lease is held: see [`node`](crate::node).

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use orchestratai_shared::SessionId;
use sea_orm::{DatabaseConnection, DatabaseTransaction, DbErr, TransactionTrait};
use tokio::time::{sleep, timeout};
use uuid::Uuid;

use crate::{
    CommitError, Durability, NodeId, StoreError, Write, apply,
    batch::{self, Rows, Step},
    commit::heads,
    dialect::{
        membership,
        postgres::{self, Address, JournalLock, ServerRole},
    },
    heads::{Checked, Heads},
    meta,
    node::lease::Membership,
    rows::ROWS_MAX,
};

/// So long a batch that has something of a turn under way waits for a server that cannot be reached: what a restart takes, or the
/// change to a standby. A turn that waits longer is better taken up again.
const PATIENCE: Duration = Duration::from_secs(15);
/// So long a batch of what comes new waits: what a connection takes that has to be made anew.
const PATIENCE_WITH_NEW: Duration = Duration::from_secs(2);
/// Time between attempts, at first and at most.
const RETRY_AFTER: Duration = Duration::from_millis(20);
const RETRY_AFTER_MAX: Duration = Duration::from_millis(500);
/// So long one attempt may take. A server that stands still, or a network that swallows everything, gives no error.
const ATTEMPT_MAX: Duration = Duration::from_secs(10);
/// How long a connection is given to be closed in good order.
const CLOSE_MAX: Duration = Duration::from_secs(1);
/// How long another process may keep the journal while it ends.
const LOCK_PATIENCE: Duration = Duration::from_secs(10);

/// Writes of a batch that were refused, each with its place.
type Refused = Vec<(usize, CommitError)>;

/// Commits to PostgreSQL, one batch after the other.
#[derive(Debug)]
pub(crate) struct DirectCommitter {
    state: tokio::sync::Mutex<State>,
    trouble: Mutex<Option<Arc<StoreError>>>,
    is_closing: AtomicBool,
    /// Sessions that another node may have written since this one did.
    to_forget: Mutex<Vec<SessionId>>,
}

/// What only one commit at a time may use.
#[derive(Debug)]
struct State {
    address: Address,
    durability: Durability,
    /// It has the lock of the journal. None after an error that left it in doubt.
    connection: Option<DatabaseConnection>,
    heads: Heads,
    /// None where nobody else writes.
    membership: Option<Arc<Membership>>,
}

/// A batch of which it is not known whether it was committed.
struct InDoubt {
    batch_id: String,
    /// The node that it was written as.
    writer: Option<NodeId>,
    refused: Refused,
}

impl DirectCommitter {
    /// Connects, and takes the journal, for all sessions or for those of a node; none where another process keeps it.
    ///
    /// # Errors
    /// Why it cannot connect.
    pub(crate) async fn open(
        address: Address,
        durability: Durability,
        membership: Option<Arc<Membership>>,
    ) -> Result<Option<Self>, StoreError> {
        let mut state = State {
            address,
            durability,
            connection: None,
            heads: Heads::default(),
            membership,
        };
        let give_up_at = Instant::now() + LOCK_PATIENCE;
        while !state.connect().await? {
            if Instant::now() >= give_up_at {
                return Ok(None);
            }
            sleep(RETRY_AFTER).await;
        }
        Ok(Some(Self {
            state: tokio::sync::Mutex::new(state),
            trouble: Mutex::default(),
            is_closing: AtomicBool::new(false),
            to_forget: Mutex::default(),
        }))
    }

    /// Forgets where the journal of a session ends: another node may have written it.
    pub(crate) fn forget(&self, id: SessionId) {
        self.to_forget.lock().unwrap_or_else(PoisonError::into_inner).push(id);
    }

    /// Why commits wait at present.
    pub(crate) fn trouble(&self) -> Option<Arc<StoreError>> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set_trouble(&self, trouble: Option<Arc<StoreError>>) {
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = trouble;
    }

    /// Takes no more.
    pub(crate) async fn close(&self) {
        self.is_closing.store(true, Ordering::Relaxed);
        self.state.lock().await.give_up().await;
    }

    /// Commits what is not refused, if `goes_on` says so of what is. Gives what is refused.
    pub(crate) async fn commit_where(
        &self,
        batch: &[Write],
        goes_on: impl Fn(&[(usize, CommitError)]) -> bool,
    ) -> Result<Refused, StoreError> {
        let mut state = self.state.lock().await;
        if self.is_closing.load(Ordering::Relaxed) {
            return Err(StoreError::Away(DbErr::Custom("the store is closed".to_owned())));
        }
        for id in std::mem::take(&mut *self.to_forget.lock().unwrap_or_else(PoisonError::into_inner)) {
            state.heads.forget(id);
        }
        let is_new = batch.iter().all(Write::is_new);
        let give_up_at = Instant::now() + if is_new { PATIENCE_WITH_NEW } else { PATIENCE };
        let mut retry_after = RETRY_AFTER;
        let mut in_doubt = None;
        let mut is_piecemeal = false;
        let mut has_conflicted = false;
        loop {
            let attempt = timeout(ATTEMPT_MAX, state.attempt(batch, &goes_on, is_piecemeal, &mut in_doubt));
            let attempt = attempt.await.unwrap_or_else(|_elapsed| {
                let reason = "the server does not answer in time";
                Err(StoreError::Away(DbErr::Custom(reason.to_owned())))
            });
            let error = match attempt {
                Ok(refused) => {
                    self.set_trouble(None);
                    return Ok(refused);
                }
                Err(error) => error,
            };
            // Whatever has happened, the database knows better where the journals end.
            state.forget(batch);
            if matches!(error, StoreError::Conflict(_)) && !is_piecemeal {
                // It knew better than the heads; where it still does when these are new, each write is tried for itself.
                is_piecemeal = std::mem::replace(&mut has_conflicted, true);
                continue;
            }
            let waits = match error {
                // It is had again in a moment, or for good by others.
                StoreError::LeaseLost => true,
                StoreError::Away(_) | StoreError::Busy(_) => {
                    state.give_up().await;
                    true
                }
                StoreError::DiskFull(_)
                | StoreError::Corrupt(_)
                | StoreError::Io(_)
                | StoreError::Conflict(_)
                | StoreError::CommitLog(_)
                | StoreError::ReadOnly
                | StoreError::NotApplied(_)
                | StoreError::Database(_)
                | StoreError::Unreadable { .. }
                | StoreError::UnknownCursor => {
                    state.give_up().await;
                    false
                }
            };
            if !waits || self.is_closing.load(Ordering::Relaxed) || Instant::now() >= give_up_at {
                self.set_trouble(None);
                return Err(error);
            }
            if self.trouble().is_none() {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "commits wait for the database server"
                );
            }
            self.set_trouble(Some(Arc::new(error)));
            sleep(retry_after).await;
            retry_after = Ord::min(retry_after * 2, RETRY_AFTER_MAX);
        }
    }
}

impl State {
    /// Makes the connection and takes the journal; false where another process has it.
    async fn connect(&mut self) -> Result<bool, StoreError> {
        let connection = postgres::connect(&self.address, ServerRole::Journal(self.durability)).await?;
        let lock = match self.membership {
            Some(_) => JournalLock::AmongNodes,
            None => JournalLock::Alone,
        };
        if postgres::try_journal_lock(&connection, lock).await? {
            self.connection = Some(connection);
            return Ok(true);
        }
        connection.close().await?;
        Ok(false)
    }

    async fn connection(&mut self) -> Result<DatabaseConnection, StoreError> {
        if self.connection.is_none() && !self.connect().await? {
            let reason = "another server has taken the journal";
            return Err(StoreError::Busy(DbErr::Custom(reason.to_owned())));
        }
        let connection = self.connection.clone();
        connection.ok_or_else(|| StoreError::Away(DbErr::Custom("there is no connection".to_owned())))
    }

    /// Gives up a connection that may be broken, and with it the lock that it has.
    async fn give_up(&mut self) {
        if let Some(connection) = self.connection.take() {
            // It is dropped in any case, which the server notices.
            let _ = timeout(CLOSE_MAX, connection.close()).await;
        }
    }

    fn forget(&mut self, batch: &[Write]) {
        for write in batch {
            self.heads.forget(write.session_id());
        }
    }

    /// Tries to commit a batch. Where that is cut off or fails, `in_doubt` says whether it may have been done.
    async fn attempt(
        &mut self,
        batch: &[Write],
        goes_on: impl Fn(&[(usize, CommitError)]) -> bool,
        is_piecemeal: bool,
        in_doubt: &mut Option<InDoubt>,
    ) -> Result<Refused, StoreError> {
        let connection = self.connection().await?;
        let writer = self.membership.as_ref().map(|membership| membership.me()).transpose()?;
        if let Some(before) = in_doubt {
            let last = match before.writer {
                Some(writer) => membership::last_batch(&connection, &writer.to_string()).await?,
                // The lock of the journal came free with the connection of that time, so what became of it is settled.
                None => meta::get(&connection, meta::LAST_BATCH).await?,
            };
            if last.as_ref() == Some(&before.batch_id) {
                return Ok(std::mem::take(&mut before.refused));
            }
            *in_doubt = None;
        }
        let unknown = self.heads.unknown(batch);
        for ids in unknown.chunks(ROWS_MAX) {
            self.heads.learn(ids, heads(&connection, ids).await?);
        }
        let Checked { staged, mut refused } = self.heads.check(batch);
        if !goes_on(&refused) {
            return Ok(refused);
        }
        let wanted: Vec<(usize, &Write)> = (batch.iter().enumerate())
            .filter(|(place, write)| !write.says_nothing() && !refused.iter().any(|(refused, _)| refused == place))
            .collect();
        if wanted.is_empty() {
            return Ok(refused);
        }
        let batch_id = Uuid::now_v7().to_string();
        let steps = batch::steps(wanted.iter().map(|(_, write)| (*write).clone()));
        // The one statement knows nothing of persons: they write seldom.
        let is_plain = |rows: &Rows| !is_piecemeal && rows.persons.is_empty();
        if let [Step::Rows(rows)] = steps.as_slice()
            && is_plain(rows)
        {
            *in_doubt = Some(InDoubt {
                batch_id: batch_id.clone(),
                writer,
                refused,
            });
            let committed = postgres::commit_rows(&connection, rows, writer, &batch_id).await;
            if let Err(StoreError::Conflict(_)) = &committed {
                *in_doubt = None;
            }
            committed?;
        } else {
            let transaction = connection.begin().await?;
            let write = async {
                if is_piecemeal {
                    write_piecemeal(&transaction, &wanted, writer, &mut refused).await?;
                } else {
                    apply::take_steps(&transaction, steps, writer).await?;
                }
                mark(&transaction, writer, &batch_id).await
            };
            let written = write.await;
            if let Err(error) = written {
                // Where that fails too, the connection is given up, and the server undoes it.
                let _ = transaction.rollback().await;
                return Err(error);
            }
            if is_piecemeal && !goes_on(&refused) {
                transaction.rollback().await?;
                return Ok(refused);
            }
            *in_doubt = Some(InDoubt {
                batch_id,
                writer,
                refused,
            });
            transaction.commit().await?;
        }
        if is_piecemeal {
            self.forget(batch);
        } else {
            // Nothing waits to be applied: any head can be asked of the database again.
            self.heads.advance(staged, |_| true);
        }
        Ok(in_doubt.take().map(|done| done.refused).unwrap_or_default())
    }
}

/// Leaves the name of a batch in its transaction, where that writes as this node or alone.
async fn mark(transaction: &DatabaseTransaction, writer: Option<NodeId>, batch_id: &str) -> Result<(), StoreError> {
    let Some(writer) = writer else {
        return meta::set(transaction, meta::LAST_BATCH, batch_id).await;
    };
    match membership::mark_batch(transaction, &writer.to_string(), batch_id).await? {
        true => Ok(()),
        false => Err(StoreError::LeaseLost),
    }
}

/// Writes each for itself, and refuses what contradicts the database.
async fn write_piecemeal(
    transaction: &DatabaseTransaction,
    wanted: &[(usize, &Write)],
    writer: Option<NodeId>,
    refused: &mut Refused,
) -> Result<(), StoreError> {
    for (place, write) in wanted {
        let savepoint = transaction.begin().await?;
        match apply::take_steps(&savepoint, batch::steps([(*write).clone()]), writer).await {
            Ok(()) => savepoint.commit().await?,
            Err(error @ StoreError::Conflict(_)) => {
                savepoint.rollback().await?;
                refused.push((*place, CommitError::Store(error)));
            }
            Err(error) => return Err(error),
        }
    }
    refused.sort_by_key(|(place, _)| *place);
    Ok(())
}
