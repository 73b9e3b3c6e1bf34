//! A database that is copied.

use std::time::{Duration, Instant};

use futures_util::TryStreamExt;
use orchestratai_shared::Timestamp;
use sea_orm::{ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbErr, EntityTrait, QueryOrder, StreamTrait};
use sea_orm_migration::{SchemaManager, seaql_migrations};
use tokio::time::sleep;

use super::{
    BackupError,
    archive::BackupOrigin,
    commit_log_end::{CommitLogEnd, take_up_if_left},
    row::{self, Cell},
    table::{Column, Table},
};
use crate::{
    OpenError, StoreError, StoreSettings,
    dialect::{
        self, Role,
        postgres::{self, Address, ServerRole},
    },
    meta, migration,
    store::{open_error, sqlite_path},
};

/// How long what was acknowledged may take to the database file. It takes some 50 ms, and seconds where the disk cannot keep up.
const PATIENCE: Duration = Duration::from_secs(10);
const ASK_EVERY: Duration = Duration::from_millis(10);

/// A database, to be read.
#[derive(Debug)]
pub(super) struct Source {
    location: String,
    connection: DatabaseConnection,
}

/// It as of one moment.
pub(super) struct SourceSnapshot {
    pub(super) origin: BackupOrigin,
    location: String,
    transaction: DatabaseTransaction,
    connection: DatabaseConnection,
}

impl Source {
    /// Opens a database, and changes nothing of it.
    ///
    /// # Errors
    /// Why it cannot be opened.
    pub(super) async fn open(settings: &StoreSettings) -> Result<Self, OpenError> {
        let location = &settings.url_or_path;
        if Address::is_one(location) {
            let address = postgres::address(location)?;
            let connection = postgres::connect(&address, ServerRole::Copier).await;
            return Ok(Self {
                location: address.to_string(),
                connection: connection.map_err(|error| OpenError::Database {
                    location: address.to_string(),
                    source: error.into(),
                })?,
            });
        }
        let path = sqlite_path(location)?;
        let connection = dialect::connect(&path, Role::Reader, 1).await;
        Ok(Self {
            location: path.display().to_string(),
            connection: connection.map_err(|error| open_error(&path, error.into()))?,
        })
    }

    /// Waits until it has what was in the commit log; false where that takes too long. A server that ends meanwhile leaves its log.
    pub(super) async fn has_reached(&self, end: CommitLogEnd, settings: &StoreSettings) -> Result<bool, BackupError> {
        let give_up_at = Instant::now() + PATIENCE;
        loop {
            let look = async {
                let epoch = meta::get(&self.connection, meta::EPOCH).await?.unwrap_or_default();
                let applied = meta::number(&self.connection, meta::APPLIED).await?;
                Ok::<_, StoreError>(end.is_reached(&epoch, applied))
            };
            if end.is_none() || look.await.map_err(|source| self.failed(source))? {
                return Ok(true);
            }
            if take_up_if_left(settings).await? {
                return Ok(true);
            }
            if Instant::now() >= give_up_at {
                return Ok(false);
            }
            sleep(ASK_EVERY).await;
        }
    }

    /// Takes it as of now.
    pub(super) async fn begin(self, version: &str) -> Result<SourceSnapshot, BackupError> {
        let failed = |error: DbErr| self.failed(error.into());
        let taken_at = Timestamp::now();
        let transaction = dialect::begin_read(&self.connection).await.map_err(failed)?;
        let is_ours = SchemaManager::new(&transaction).has_table("seaql_migrations").await;
        if !is_ours.map_err(failed)? {
            return Err(BackupError::Nothing(self.location));
        }
        let last = seaql_migrations::Entity::find()
            .order_by_desc(seaql_migrations::Column::Version)
            .one(&transaction)
            .await
            .map_err(failed)?;
        let schema = last.map(|last| last.version).unwrap_or_default();
        if migration::ordinal(&schema).is_none() {
            let location = self.location;
            return Err(OpenError::Newer {
                location,
                migration: schema,
            }
            .into());
        }
        if schema != migration::latest() {
            return Err(BackupError::Earlier {
                location: self.location,
                migration: schema,
            });
        }
        let epoch = meta::get(&transaction, meta::EPOCH).await.map_err(failed)?;
        let revision = meta::number(&transaction, meta::KNOWLEDGE_REVISION).await;
        let revision = revision.map_err(|source| self.failed(source))?;
        Ok(SourceSnapshot {
            origin: BackupOrigin::new(version, schema, epoch.unwrap_or_default(), taken_at, revision),
            location: self.location,
            transaction,
            connection: self.connection,
        })
    }

    fn failed(&self, source: StoreError) -> BackupError {
        BackupError::Database {
            location: self.location.clone(),
            source,
        }
    }
}

impl SourceSnapshot {
    /// Gives every row of a table to `take`, one after the other.
    pub(super) async fn rows(
        &self,
        table: &Table,
        take: impl FnMut(Vec<Cell>) -> Result<(), BackupError>,
    ) -> Result<(), BackupError> {
        let failed = |error: DbErr| BackupError::Database {
            location: self.location.clone(),
            source: error.into(),
        };
        each_row(&self.transaction, table.name, table.columns, failed, take).await
    }

    /// Ends the reading.
    pub(super) async fn end(self) -> Result<(), BackupError> {
        let ended = async {
            self.transaction.rollback().await?;
            self.connection.close().await
        };
        ended.await.map_err(|error| BackupError::Database {
            location: self.location,
            source: error.into(),
        })
    }
}

/// Reads these columns of all rows of a table, and holds few of them at a time.
pub(super) async fn each_row<E>(
    transaction: &DatabaseTransaction,
    table: &str,
    columns: &[Column],
    failed: impl Fn(DbErr) -> E,
    mut take: impl FnMut(Vec<Cell>) -> Result<(), E>,
) -> Result<(), E> {
    let query = ConnectionTrait::get_database_backend(transaction).build(&row::select(table, columns));
    let mut rows = transaction.stream_raw(query).await.map_err(&failed)?;
    while let Some(found) = rows.try_next().await.map_err(&failed)? {
        take(row::read(&found, columns).map_err(&failed)?)?;
    }
    Ok(())
}
