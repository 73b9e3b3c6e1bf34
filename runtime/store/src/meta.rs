//! What there is once in a database.

use sea_orm::{
    ConnectionTrait, DbBackend, DbErr, EntityTrait,
    sea_query::{OnConflict, Query},
};

use crate::{Store, StoreError, dialect::membership, entity::meta, transaction};

/// Names the journal's lineage.
pub(crate) const EPOCH: &str = "epoch";
/// Position of the last record of the commit log that the database has.
pub(crate) const APPLIED: &str = "applied";
/// Names the last batch that was written straight to the database.
pub(crate) const LAST_BATCH: &str = "last_batch";
/// The revision of the documents: how many changes there have been.
pub(crate) const KNOWLEDGE_REVISION: &str = "knowledge_revision";
/// The revision of the documents that the server answers from.
pub(crate) const SERVED_REVISION: &str = "served_revision";

impl Store {
    /// The revision of the documents: 0 at first, and one more with each change. Another process may have made it.
    ///
    /// # Errors
    /// [`StoreError`] where the database cannot be read.
    pub async fn knowledge_revision(&self) -> Result<u64, StoreError> {
        number(self.readers(), KNOWLEDGE_REVISION).await
    }

    /// The revision of the documents that the server answers from, or that all nodes do, as they said last; 0 where it never did.
    ///
    /// # Errors
    /// [`StoreError`] where the database cannot be read.
    pub async fn served_revision(&self) -> Result<u64, StoreError> {
        if self.readers().get_database_backend() == DbBackend::Postgres
            && let Some(revision) = membership::served_revision(self.readers()).await?
        {
            return Ok(revision);
        }
        number(self.readers(), SERVED_REVISION).await
    }

    /// Says which revision of the documents the server answers from, for those who wait for it in another process.
    ///
    /// # Errors
    /// [`StoreError`] where it cannot be written.
    pub async fn set_served_revision(&self, revision: u64) -> Result<(), StoreError> {
        if let Some(membership) = self.membership() {
            return membership.set_served_revision(revision).await;
        }
        let writing = transaction::begin(self.writer()).await?;
        let written = set(&writing.transaction, SERVED_REVISION, &revision.to_string()).await;
        writing.end(written).await
    }
}

/// Reads a number; 0 where it was never set.
pub(crate) async fn number(connection: &impl ConnectionTrait, name: &str) -> Result<u64, StoreError> {
    let Some(text) = get(connection, name).await? else {
        return Ok(0);
    };
    text.parse()
        .map_err(|error: std::num::ParseIntError| StoreError::Unreadable {
            what: "number",
            source: error.into(),
        })
}

/// Reads a value.
pub(crate) async fn get(connection: &impl ConnectionTrait, name: &str) -> Result<Option<String>, DbErr> {
    Ok(meta::Entity::find_by_id(name.to_owned())
        .one(connection)
        .await?
        .map(|row| row.value))
}

/// Writes a value over the one before.
pub(crate) async fn set(connection: &impl ConnectionTrait, name: &str, value: &str) -> Result<(), StoreError> {
    let insert = Query::insert()
        .into_table(meta::Entity)
        .columns([meta::Column::Name, meta::Column::Value])
        .values_panic([name.into(), value.into()])
        .on_conflict(
            OnConflict::column(meta::Column::Name)
                .update_column(meta::Column::Value)
                .to_owned(),
        )
        .to_owned();
    connection.execute(&insert).await?;
    Ok(())
}
