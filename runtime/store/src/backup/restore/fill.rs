//! Writing the rows, and reading them back.

use std::io::Read;

use sea_orm::{
    ConnectionTrait, DatabaseTransaction,
    sea_query::{Alias, Query},
};
use sea_orm_migration::MigratorTrait;
use uuid::Uuid;

use super::{RestoreError, Restored};
use crate::{
    StoreError,
    backup::{
        archive::{ArchiveReader, Entry},
        digest::{RowDigest, TableDigest},
        row::{self, Cell},
        source::each_row,
        table::{Column, Table},
    },
    dialect, meta,
    migration::{self, Migrator},
    rows::ROWS_MAX,
};

/// Bytes of rows that are written by one statement, but at least one row.
const BYTES_MAX: usize = 4 << 20;

/// Fills an empty database, in a transaction that is the caller's to commit: the schema as it was; the rows, which are read again to
/// see whether they are what was written; then later migrations, and the epoch.
pub(super) async fn fill<R: Read>(
    transaction: &DatabaseTransaction,
    mut archive: ArchiveReader<R>,
    failed: impl Fn(StoreError) -> RestoreError,
) -> Result<Restored, RestoreError> {
    let steps = migration::ordinal(&archive.origin().schema);
    let migrated = Migrator::up(transaction, steps).await;
    migrated.map_err(|error| failed(error.into()))?;
    let mut written: Vec<Written> = Vec::new();
    let contents = loop {
        match archive.next()? {
            Entry::Table { table, columns } => {
                if let Some(last) = written.last_mut() {
                    last.flush(transaction).await.map_err(&failed)?;
                }
                written.push(Written::new(table, columns));
            }
            Entry::Row { cells, digest, bytes } => {
                // The reader knows no row without a table.
                let Some(table) = written.last_mut() else { continue };
                table.add(cells, digest, bytes, transaction).await.map_err(&failed)?;
            }
            Entry::End(contents) => break contents,
        }
    };
    for table in &mut written {
        table.flush(transaction).await.map_err(&failed)?;
        table.check(transaction, &failed).await?;
    }
    let finish = async {
        Migrator::up(transaction, None).await?;
        let epoch = Uuid::now_v7().to_string();
        meta::set(transaction, meta::EPOCH, &epoch).await?;
        let revision = contents.origin.knowledge_revision;
        if revision > 0 {
            meta::set(transaction, meta::KNOWLEDGE_REVISION, &revision.to_string()).await?;
        }
        Ok(epoch)
    };
    let epoch = finish.await.map_err(&failed)?;
    Ok(Restored { contents, epoch })
}

/// What was written of a table.
struct Written {
    table: &'static Table,
    columns: Vec<Column>,
    /// Of all rows, as the engine can hold them.
    digest: TableDigest,
    /// Those of them that wait for the next statement, and the length of their lines.
    waiting: Vec<Vec<Cell>>,
    bytes: usize,
}

impl Written {
    fn new(table: &'static Table, columns: Vec<Column>) -> Self {
        Self {
            table,
            columns,
            digest: TableDigest::default(),
            waiting: Vec::new(),
            bytes: 0,
        }
    }

    async fn add(
        &mut self,
        mut cells: Vec<Cell>,
        digest: RowDigest,
        bytes: usize,
        transaction: &DatabaseTransaction,
    ) -> Result<(), StoreError> {
        let has_changed = row::fit(&mut cells, &self.columns, transaction.get_database_backend());
        self.digest.add(if has_changed { digest_of(&cells) } else { digest });
        self.waiting.push(cells);
        self.bytes += bytes;
        if self.waiting.len() >= ROWS_MAX || self.bytes >= BYTES_MAX {
            self.flush(transaction).await?;
        }
        Ok(())
    }

    /// Writes what waits.
    async fn flush(&mut self, transaction: &DatabaseTransaction) -> Result<(), StoreError> {
        self.bytes = 0;
        if self.waiting.is_empty() {
            return Ok(());
        }
        let backend = transaction.get_database_backend();
        let mut insert = Query::insert();
        insert
            .into_table(Alias::new(self.table.name))
            .columns(self.columns.iter().map(|column| Alias::new(column.name)));
        for row in self.waiting.drain(..) {
            let values = row.into_iter().zip(&self.columns);
            insert.values_panic(values.map(|(cell, column)| row::expr(cell, column.kind, backend)));
        }
        dialect::execute_all(transaction, vec![backend.build(&insert)]).await?;
        Ok(())
    }

    /// Reads all of it.
    async fn check(
        &self,
        transaction: &DatabaseTransaction,
        failed: &impl Fn(StoreError) -> RestoreError,
    ) -> Result<(), RestoreError> {
        let mut found = TableDigest::default();
        let add = |cells: Vec<Cell>| {
            found.add(digest_of(&cells));
            Ok(())
        };
        let name = self.table.name;
        each_row(transaction, name, &self.columns, |error| failed(error.into()), add).await?;
        if found == self.digest {
            Ok(())
        } else {
            Err(RestoreError::NotAsWritten(name))
        }
    }
}

fn digest_of(cells: &[Cell]) -> RowDigest {
    let mut line = String::new();
    row::encode(cells, &mut line);
    RowDigest::of(&line)
}
