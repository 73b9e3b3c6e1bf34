//! What is peculiar to a database engine, and nothing else: connections, pragmas, the view, locks and error codes. The rest
//! of the crate builds its statements with SeaORM and does not ask which engine it talks to.

mod failure;
pub(crate) mod membership;
pub(crate) mod postgres;
mod search;

use std::{path::Path, time::Duration};

use sea_orm::{
    AccessMode, ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr, IsolationLevel, RuntimeErr,
    SqliteTransactionMode, Statement, TransactionOptions, TransactionTrait,
    sea_query::{Alias, Expr, ExprTrait},
};
use sqlx::{
    ConnectOptions,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use crate::Durability;
pub(crate) use search::holds;

/// How long a statement waits for a lock that another process holds.
pub(crate) const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// The one that writes.
    Writer(Durability),
    /// Those that only read.
    Reader,
    /// The one that copies the write-ahead log into the database file.
    Checkpointer,
    /// The one that fills a file that nobody else uses and that is thrown away where that fails.
    Filler,
}

/// Opens `connections` of them on the SQLite file at `path`; the file is made where it is missing.
///
/// Pages stay at 4,096 bytes: a commit touches one index page for each session in it, so larger pages would multiply what
/// goes through the log, and a payload of some 6 KB fills its overflow pages well enough. Nothing is memory-mapped: what is
/// read is read once, and mapped pages would count as resident.
pub(crate) async fn connect(path: &Path, role: Role, connections: u32) -> Result<DatabaseConnection, DbErr> {
    let busy_timeout = match role {
        Role::Writer(_) | Role::Reader | Role::Filler => BUSY_TIMEOUT,
        // Commits wait while it empties the log, so it must not wait long for a reader; it comes again.
        Role::Checkpointer => Duration::from_millis(100),
    };
    let (synchronous, cache_kib) = match role {
        // Holds a batch of some 256 turns, so that no transaction spills into the log before its end.
        Role::Writer(Durability::Full) => (SqliteSynchronous::Full, 16_384),
        Role::Writer(Durability::Process) => (SqliteSynchronous::Normal, 16_384),
        // A checkpoint flushes log and file in any case; with NORMAL too.
        Role::Reader | Role::Checkpointer => (SqliteSynchronous::Normal, 2_048),
        // Indexes are filled in the order of the rows, which is not theirs.
        Role::Filler => (SqliteSynchronous::Off, 65_536),
    };
    let journal_mode = if role == Role::Filler {
        SqliteJournalMode::Off
    } else {
        SqliteJournalMode::Wal
    };
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(matches!(role, Role::Writer(_) | Role::Filler))
        .page_size(4_096)
        .journal_mode(journal_mode)
        .synchronous(synchronous)
        .busy_timeout(busy_timeout)
        // No foreign keys are declared: they would cost a look-up for each row of the hot path, and rows of a session are
        // made and erased in one place.
        .foreign_keys(false)
        // Statements differ in their numbers of rows; more of them than this are not worth their memory.
        .statement_cache_capacity(32)
        .pragma("cache_size", format!("-{cache_kib}"))
        .pragma("temp_store", "memory")
        // A checkpoint inside a commit would make that commit slow; `checkpoint` does it beside them.
        .pragma("wal_autocheckpoint", "0")
        // Erased means erased: freed pages are overwritten with zeros. FAST would leave pages that were freed as a whole,
        // which is what the payload of a journal row is. It costs one page written for each page freed, on deletion only.
        .pragma("secure_delete", "on")
        .pragma("query_only", if role == Role::Reader { "on" } else { "off" })
        .disable_statement_logging();
    let pool = SqlitePoolOptions::new()
        .max_connections(connections)
        .min_connections(1)
        .acquire_timeout(Duration::from_secs(30))
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
        .connect_with(options)
        .await
        .map_err(|error| DbErr::Conn(RuntimeErr::SqlxError(error.into())))?;
    Ok(pool.into())
}

/// Begins a transaction that will write, and takes the write lock at once: one that began as a reader could find, when it
/// comes to write, that it has read what is no longer so.
///
/// PostgreSQL has no such lock; one of the application's own stands for it, so that changes of documents and of the schema
/// come one after the other from all nodes. The journal does not take it: its rows are locked one by one.
pub(crate) async fn begin_write(connection: &DatabaseConnection) -> Result<DatabaseTransaction, DbErr> {
    let transaction = begin_rows(connection).await?;
    if connection.get_database_backend() != DbBackend::Sqlite {
        postgres::take_write_lock(&transaction).await?;
    }
    Ok(transaction)
}

/// The same for one that reads nothing that it relies on but rows that it changes: PostgreSQL locks these one by one, and nothing else.
pub(crate) async fn begin_rows(connection: &DatabaseConnection) -> Result<DatabaseTransaction, DbErr> {
    let is_sqlite = connection.get_database_backend() == DbBackend::Sqlite;
    let sqlite_transaction_mode = is_sqlite.then_some(SqliteTransactionMode::Immediate);
    connection
        .begin_with_options(TransactionOptions {
            sqlite_transaction_mode,
            ..TransactionOptions::default()
        })
        .await
}

/// Begins to read at one moment, on a connection of any kind: all that the transaction reads is of the same commit.
pub(crate) async fn begin_read(connection: &DatabaseConnection) -> Result<DatabaseTransaction, DbErr> {
    let is_sqlite = connection.get_database_backend() == DbBackend::Sqlite;
    connection
        .begin_with_options(TransactionOptions {
            // SQLite has no other.
            isolation_level: (!is_sqlite).then_some(IsolationLevel::RepeatableRead),
            access_mode: (!is_sqlite).then_some(AccessMode::ReadOnly),
            ..TransactionOptions::default()
        })
        .await
}

/// Executes statements in order, and gives the number of rows that they changed in all.
///
/// SQLite takes several as one text: each call hands over to the connection's thread and back, which for a small batch costs
/// more than its rows. PostgreSQL takes one at a time.
pub(crate) async fn execute_all(transaction: &DatabaseTransaction, statements: Vec<Statement>) -> Result<u64, DbErr> {
    let backend = transaction.get_database_backend();
    let at_once = if backend == DbBackend::Sqlite {
        STATEMENTS_MAX
    } else {
        1
    };
    let mut changed = 0;
    let mut statements = statements.into_iter().peekable();
    while statements.peek().is_some() {
        let mut text = String::new();
        let mut values = Vec::new();
        for statement in statements.by_ref().take(at_once) {
            if !text.is_empty() {
                text.push_str(";\n");
            }
            text.push_str(&statement.sql);
            values.extend(statement.values.into_iter().flatten());
        }
        let joined = Statement::from_sql_and_values(backend, text, values);
        changed += transaction.execute_raw(joined).await?.rows_affected();
    }
    Ok(changed)
}

/// Most statements in one text. More of them, at once, took a turn beside them 1.9 ms at p95 instead of 1.6 ms.
const STATEMENTS_MAX: usize = 4;

/// A text of JSON, for a column of it. PostgreSQL takes no text for one.
pub(crate) fn json(backend: DbBackend, text: String) -> Expr {
    let text: Expr = text.into();
    if backend == DbBackend::Postgres {
        text.cast_as(Alias::new("json"))
    } else {
        text
    }
}

/// The statement that makes the view `retrieval_logs`: one row for each `retrieval_log` event, read from the journal.
///
/// The steps of a turn are four rows or more and most of its bytes; as a table they would be written twice. A filter on
/// `session_id` reaches the journal's primary key.
pub(crate) fn create_retrieval_logs(backend: DbBackend) -> &'static str {
    if backend == DbBackend::Postgres {
        return "CREATE VIEW retrieval_logs AS \
                SELECT frame.value #>> '{data,id}' AS id, journal.session_id AS session_id, \
                frame.value #>> '{data,messageId}' AS message_id, frame.value #>> '{data,type}' AS type, \
                frame.value #>> '{data,title}' AS title, frame.value #> '{data,data}' AS data, \
                frame.value #>> '{data,timestamp}' AS created_at, frame.value #>> '{data,status}' AS status \
                FROM journal CROSS JOIN LATERAL json_array_elements(journal.payload::json) AS frame(value) \
                WHERE frame.value ->> 'type' = 'retrieval_log'";
    }
    "CREATE VIEW retrieval_logs AS \
     SELECT frame.value ->> '$.data.id' AS id, journal.session_id AS session_id, \
     frame.value ->> '$.data.messageId' AS message_id, frame.value ->> '$.data.type' AS type, \
     frame.value ->> '$.data.title' AS title, frame.value -> '$.data.data' AS data, \
     frame.value ->> '$.data.timestamp' AS created_at, frame.value ->> '$.data.status' AS status \
     FROM journal, json_each(journal.payload) AS frame \
     WHERE frame.value ->> '$.type' = 'retrieval_log'"
}

/// The statement that works out the hour of every session's last activity.
pub(crate) fn fill_active_hours(backend: DbBackend) -> &'static str {
    if backend == DbBackend::Postgres {
        return "UPDATE sessions SET active_hour = floor(extract(epoch FROM last_activity) / 3600)::bigint";
    }
    "UPDATE sessions SET active_hour = CAST(strftime('%s', last_activity) AS INTEGER) / 3600"
}

/// How far a checkpoint goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CheckpointMode {
    /// Copies what it can without waiting for anybody.
    Passive,
    /// Waits for readers, copies everything, and empties the log file.
    Truncate,
}

/// What a checkpoint found and left, in pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct CheckpointOutcome {
    /// Pages in the log.
    pub(crate) log: u64,
    /// Of these, pages that the database file has.
    pub(crate) copied: u64,
    /// Whether it had to stop before the end for somebody else's sake.
    pub(crate) busy: bool,
}

/// Copies the write-ahead log into the database file. An engine that does so by itself answers at once.
pub(crate) async fn checkpoint(
    connection: &DatabaseConnection,
    mode: CheckpointMode,
) -> Result<CheckpointOutcome, DbErr> {
    let sql = match mode {
        CheckpointMode::Passive => "PRAGMA wal_checkpoint(PASSIVE)",
        CheckpointMode::Truncate => "PRAGMA wal_checkpoint(TRUNCATE)",
    };
    let backend = connection.get_database_backend();
    if backend != DbBackend::Sqlite {
        return Ok(CheckpointOutcome::default());
    }
    let Some(row) = connection.query_one_raw(Statement::from_string(backend, sql)).await? else {
        return Ok(CheckpointOutcome::default());
    };
    let pages = |index: usize| {
        row.try_get_by_index::<i64>(index)
            .map(|pages| u64::try_from(pages).unwrap_or(0))
    };
    Ok(CheckpointOutcome {
        busy: pages(0)? != 0,
        log: pages(1)?,
        copied: pages(2)?,
    })
}

/// Looks for damage in the tables' structure; reads the whole file.
pub(crate) async fn quick_check(connection: &DatabaseConnection) -> Result<(), DbErr> {
    let backend = connection.get_database_backend();
    if backend != DbBackend::Sqlite {
        return Ok(());
    }
    let row = connection
        .query_one_raw(Statement::from_string(backend, "PRAGMA quick_check(1)"))
        .await?;
    match row.map(|row| row.try_get_by_index::<String>(0)).transpose()? {
        Some(finding) if finding != "ok" => Err(DbErr::Custom(format!("{MALFORMED}: {finding}"))),
        Some(_) | None => Ok(()),
    }
}

/// How a finding of [`quick_check`] is told from other errors.
const MALFORMED: &str = "the integrity check found damage";
