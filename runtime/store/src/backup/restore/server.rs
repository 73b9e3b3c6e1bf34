//! Into a database of a PostgreSQL server, in one transaction.

use std::{
    io::Read,
    time::{Duration, Instant},
};

use sea_orm::{DatabaseConnection, DbErr};
use sea_orm_migration::SchemaManager;

use super::{RestoreError, Restored, fill::fill};
use crate::{
    OpenError, StoreError,
    backup::{archive::ArchiveReader, table::TABLES},
    dialect::{
        self,
        postgres::{self, JournalLock, ServerRole},
    },
};

/// Tables of ours that are in no backup.
const OTHERS: [&str; 6] = [
    "seaql_migrations",
    "meta",
    "session_snapshots",
    "nodes",
    "index_part_makers",
    "spending_reservations",
];

/// How long the lock of a connection that has ended may still be held: its process at the server takes a moment to notice.
const LOCK_PATIENCE: Duration = Duration::from_secs(2);

pub(super) async fn restore<R: Read>(url: &str, archive: ArchiveReader<R>) -> Result<Restored, RestoreError> {
    let address = postgres::address(url)?;
    let location = address.to_string();
    let failed = |source: StoreError| RestoreError::Database {
        location: location.clone(),
        source,
    };
    let connection = postgres::connect(&address, ServerRole::Copier)
        .await
        .map_err(|error| failed(error.into()))?;
    let restored = restore_into(&connection, &location, archive, failed).await;
    // Where something failed, the server undoes it when the connection is gone.
    let closed = connection.close().await;
    let restored = restored?;
    closed.map_err(|error| failed(error.into()))?;
    Ok(restored)
}

async fn restore_into<R: Read>(
    connection: &DatabaseConnection,
    location: &str,
    archive: ArchiveReader<R>,
    failed: impl Fn(StoreError) -> RestoreError,
) -> Result<Restored, RestoreError> {
    let engine_failed = |error: DbErr| failed(error.into());
    // No server begins while this goes on: its lock is that of the connection.
    let give_up_at = Instant::now() + LOCK_PATIENCE;
    while !postgres::try_journal_lock(connection, JournalLock::Alone)
        .await
        .map_err(engine_failed)?
    {
        if Instant::now() >= give_up_at {
            return Err(OpenError::Taken {
                location: location.to_owned(),
            }
            .into());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let transaction = dialect::begin_write(connection).await.map_err(engine_failed)?;
    let schema = SchemaManager::new(&transaction);
    for table in TABLES.iter().map(|table| table.name).chain(OTHERS) {
        if schema.has_table(table).await.map_err(engine_failed)? {
            return Err(RestoreError::NotEmpty {
                location: location.to_owned(),
                table,
            });
        }
    }
    let restored = fill(&transaction, archive, &failed).await?;
    transaction.commit().await.map_err(engine_failed)?;
    Ok(restored)
}
