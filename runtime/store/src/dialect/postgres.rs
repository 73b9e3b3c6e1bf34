//! What is peculiar to PostgreSQL: addresses, connections, and locks of the application's own.

mod batch;

use std::{
    fmt,
    str::FromStr,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use sea_orm::{ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr, RuntimeErr, Statement};
use sqlx::{
    ConnectOptions, Connection,
    postgres::{PgConnectOptions, PgPoolOptions},
};

use super::BUSY_TIMEOUT;
use crate::{Durability, OpenError};
pub(crate) use batch::commit_rows;

/// Where a database is. Shown without the password.
#[derive(Clone)]
pub(crate) struct Address {
    options: Box<PgConnectOptions>,
    shown: String,
}

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ServerRole {
    /// Commits to the journal; a single connection, which never becomes another one unnoticed.
    Journal(Durability),
    /// Changes documents and the schema; a single connection.
    Writer,
    /// So many that only read, each transaction as of one moment.
    Readers(u32),
    /// Renews the lease of a node, which is so long; a single connection.
    Lease(Duration),
    /// Claim sessions for a node.
    Claims,
    /// Copies a whole database, out of it or into it, in one transaction; a single connection.
    Copier,
}

/// Connections that claim sessions.
const CLAIMS: u32 = 4;

/// The application's locks in a database, by number.
const WRITE_LOCK: i64 = 0x6f72_6368_0001;
const JOURNAL_LOCK: i64 = 0x6f72_6368_0002;

/// How long it may take to have a connection, making one included: for who reads, and for who commits, behind whom others wait.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(3);
const ACQUIRE_TIMEOUT_JOURNAL: Duration = Duration::from_secs(1);
/// A connection that has rested for longer is asked whether it still is one before it is used.
const RESTED: Duration = Duration::from_secs(5);
/// Look-ups differ in how many ids they name, up to [`ROWS_MAX`](crate::rows::ROWS_MAX) of them.
const STATEMENTS_KEPT: usize = 100;

impl Address {
    /// Whether a location is meant to be one of these.
    pub(crate) fn is_one(location: &str) -> bool {
        location.starts_with("postgres://") || location.starts_with("postgresql://")
    }
}

impl FromStr for Address {
    type Err = &'static str;

    fn from_str(url: &str) -> Result<Self, Self::Err> {
        let options: PgConnectOptions = url
            .parse()
            .map_err(|_unread| "it is no address of a PostgreSQL database")?;
        let database = options.get_database().unwrap_or_else(|| options.get_username());
        let shown = match options.get_socket() {
            Some(socket) => format!("postgres://{}/{database}", socket.display()),
            None => format!("postgres://{}:{}/{database}", options.get_host(), options.get_port()),
        };
        Ok(Self {
            options: Box::new(options),
            shown,
        })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

/// The address that a location names.
///
/// # Errors
/// [`OpenError::Location`], which does not repeat what may hold a password.
pub(crate) fn address(location: &str) -> Result<Address, OpenError> {
    location.parse().map_err(|reason| OpenError::Location {
        location: "postgres://…".to_owned(),
        reason,
    })
}

/// Has long values compressed by LZ4 where the server knows it, from PostgreSQL 14 on if it was built with it. Each turn writes some that
/// are long, and its older compression, the default, took a third of the server's time. Values bear their kind: all are read.
const COMPRESS_BY_LZ4: &str = "SELECT set_config('default_toast_compression', 'lz4', false) FROM pg_settings
WHERE name = 'default_toast_compression' AND 'lz4' = ANY (enumvals)";

/// Connects.
pub(crate) async fn connect(address: &Address, role: ServerRole) -> Result<DatabaseConnection, DbErr> {
    let millis = |time: Duration| time.as_millis().to_string();
    let rest = match role {
        ServerRole::Journal(_)
        | ServerRole::Writer
        | ServerRole::Readers(_)
        | ServerRole::Lease(_)
        | ServerRole::Claims => IDLE_IN_TRANSACTION_MAX,
        ServerRole::Copier => IDLE_COPYING_MAX,
    };
    let mut session = vec![
        // Who is cut off from a network is seen to be gone within half a minute, and holds no lock for longer.
        ("tcp_keepalives_idle", "10".to_owned()),
        ("tcp_keepalives_interval", "5".to_owned()),
        ("tcp_keepalives_count", "4".to_owned()),
        // A process that stands still in the middle of a transaction must not keep its rows locked.
        ("idle_in_transaction_session_timeout", millis(rest)),
        ("lock_timeout", millis(BUSY_TIMEOUT)),
        // Else the log says at each start that the tables are there already.
        ("client_min_messages", "warning".to_owned()),
    ];
    let connections = match role {
        ServerRole::Journal(durability) => {
            let is_flushed = durability == Durability::Full;
            session.push(("synchronous_commit", if is_flushed { "on" } else { "off" }.to_owned()));
            // A batch is planned once, for any number of rows in it and in the tables.
            session.push(("plan_cache_mode", "force_generic_plan".to_owned()));
            session.push(("enable_seqscan", "off".to_owned()));
            session.push(("jit", "off".to_owned()));
            1
        }
        ServerRole::Writer | ServerRole::Copier => 1,
        ServerRole::Lease(lease) => {
            // Who waits for a lock for longer has no lease any more.
            session.push(("lock_timeout", millis(lease / 3)));
            1
        }
        ServerRole::Claims => CLAIMS,
        ServerRole::Readers(connections) => {
            session.push(("default_transaction_isolation", "repeatable read".to_owned()));
            session.push(("default_transaction_read_only", "on".to_owned()));
            connections
        }
    };
    let options = PgConnectOptions::clone(&address.options)
        .application_name("orchestratai")
        .statement_cache_capacity(STATEMENTS_KEPT)
        .options(session)
        .disable_statement_logging();
    let is_journal = matches!(role, ServerRole::Journal(_));
    let mut pool = PgPoolOptions::new()
        .max_connections(connections)
        // None is made unasked in place of the journal's.
        .min_connections(u32::from(!is_journal))
        .acquire_timeout(if is_journal || matches!(role, ServerRole::Lease(_)) {
            ACQUIRE_TIMEOUT_JOURNAL
        } else {
            ACQUIRE_TIMEOUT
        })
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false);
    if is_journal {
        // What the connection stands for, the lock of the journal, would be gone with it.
        let is_second = std::sync::Arc::new(AtomicBool::new(false));
        pool = pool.after_connect(move |_, _| {
            let is_second = is_second.swap(true, Ordering::Relaxed);
            Box::pin(async move {
                match is_second {
                    false => Ok(()),
                    true => Err(sqlx::Error::PoolClosed),
                }
            })
        });
    } else {
        pool = pool.before_acquire(|connection, meta| {
            Box::pin(async move {
                if meta.idle_for > RESTED {
                    connection.ping().await?;
                }
                Ok(true)
            })
        });
    }
    let pool = pool
        .connect_with(options)
        .await
        .map_err(|error| DbErr::Conn(RuntimeErr::SqlxError(error.into())))?;
    if is_journal {
        // It is the only connection that the pool ever has.
        let compress = sqlx::query(COMPRESS_BY_LZ4).execute(&pool).await;
        compress.map_err(|error| DbErr::Conn(RuntimeErr::SqlxError(error.into())))?;
    }
    Ok(pool.into())
}

/// How long a transaction may rest in the middle. No statement of ours waits for anything but the database in there.
const IDLE_IN_TRANSACTION_MAX: Duration = Duration::from_secs(10);
/// The same while a database is copied, which waits for what the copy goes to or comes from: a pipe, another machine.
const IDLE_COPYING_MAX: Duration = Duration::from_secs(600);

/// Waits for the lock of those who change documents or the schema, and keeps it until the transaction ends.
pub(super) async fn take_write_lock(transaction: &DatabaseTransaction) -> Result<(), DbErr> {
    let lock = Statement::from_sql_and_values(
        DbBackend::Postgres,
        "SELECT pg_advisory_xact_lock($1)",
        [WRITE_LOCK.into()],
    );
    transaction.execute_raw(lock).await.map(drop)
}

/// Who may write the journal beside the one that takes its lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum JournalLock {
    /// Nobody: whoever gets it knows that no transaction of the one before is under way any more.
    Alone,
    /// Other nodes, each of which owns other sessions; nobody who wants it alone.
    AmongNodes,
}

/// Takes the lock of those who write the journal, unless another process has it. It is kept for as long as the connection
/// lives: whoever commits on that connection has it.
pub(crate) async fn try_journal_lock(connection: &DatabaseConnection, lock: JournalLock) -> Result<bool, DbErr> {
    let take = match lock {
        JournalLock::Alone => "SELECT pg_try_advisory_lock($1)",
        JournalLock::AmongNodes => "SELECT pg_try_advisory_lock_shared($1)",
    };
    let lock = Statement::from_sql_and_values(DbBackend::Postgres, take, [JOURNAL_LOCK.into()]);
    let row = connection.query_one_raw(lock).await?;
    row.map_or(Ok(false), |row| row.try_get_by_index(0))
}
