//! Parts of the search index that nobody uses any more: another chunker or embedder has come in the place of theirs.

use std::time::Duration;

use orchestratai_shared::Timestamp;
use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseTransaction, EntityTrait, QueryFilter, QuerySelect,
    entity::prelude::DateTimeUtc,
    sea_query::{OnConflict, Query},
};

use crate::{
    Store, StoreError, dialect,
    entity::{index_part, index_part_maker},
    rows::{ROWS_MAX, insert, time},
    transaction,
};

impl Store {
    /// Notes that these makers are in use, and removes what others have made that nobody has said that of for `unused_for`. Gives how
    /// many parts are removed.
    ///
    /// # Errors
    /// [`StoreError`]; some may be removed then.
    pub async fn remove_unused_index_parts(&self, makers: &[&str], unused_for: Duration) -> Result<u64, StoreError> {
        let now = Timestamp::now();
        let unused_for = i64::try_from(unused_for.as_millis()).unwrap_or(i64::MAX);
        let before = Timestamp::from_millis(now.as_millis().saturating_sub(unused_for));
        let there: Vec<String> = index_part::Entity::find()
            .select_only()
            .column(index_part::Column::Maker)
            .distinct()
            .into_tuple()
            .all(self.readers())
            .await?;
        let writing = transaction::begin(self.writer()).await?;
        let noted = note_makers(&writing.transaction, there, makers, now).await;
        writing.end(noted).await?;
        let unused: Vec<String> = index_part_maker::Entity::find()
            .select_only()
            .column(index_part_maker::Column::Maker)
            .filter(index_part_maker::Column::UsedAt.lt(DateTimeUtc::from(before)))
            .into_tuple()
            .all(self.readers())
            .await?;
        let mut removed = 0;
        for maker in unused {
            loop {
                let writing = transaction::begin(self.writer()).await?;
                let some = remove_some(&writing.transaction, &maker, before).await;
                let some = writing.end(some).await?;
                self.committed(0, true);
                removed += some;
                if some == 0 {
                    break;
                }
            }
        }
        Ok(removed)
    }
}

/// Notes these makers as in use, and others that there are and are not known yet as in use until now.
async fn note_makers(
    transaction: &DatabaseTransaction,
    there: Vec<String>,
    makers: &[&str],
    now: Timestamp,
) -> Result<(), StoreError> {
    let backend = transaction.get_database_backend();
    let columns = [index_part_maker::Column::Maker, index_part_maker::Column::UsedAt];
    let on_conflict = || OnConflict::column(index_part_maker::Column::Maker);
    let known = on_conflict().do_nothing().to_owned();
    let used = on_conflict().update_column(index_part_maker::Column::UsedAt).to_owned();
    let row = |maker: String| [maker.into(), time(now)];
    let others = there.into_iter().map(row);
    let mut statements = insert(backend, index_part_maker::Entity, &columns, others, Some(&known));
    let ours = makers.iter().map(|maker| row((*maker).to_owned()));
    statements.extend(insert(backend, index_part_maker::Entity, &columns, ours, Some(&used)));
    dialect::execute_all(transaction, statements).await?;
    Ok(())
}

/// Removes some parts of a maker that has not been used since; of a maker without parts, what is known of it.
async fn remove_some(transaction: &DatabaseTransaction, maker: &str, before: Timestamp) -> Result<u64, StoreError> {
    // It may be in use again by now.
    let is_unused = index_part_maker::Entity::find_by_id(maker.to_owned())
        .filter(index_part_maker::Column::UsedAt.lt(DateTimeUtc::from(before)))
        .one(transaction)
        .await?;
    if is_unused.is_none() {
        return Ok(0);
    }
    let some = Query::select()
        .column(index_part::Column::DocumentId)
        .from(index_part::Entity)
        .and_where(index_part::Column::Maker.eq(maker))
        .limit(ROWS_MAX as u64)
        .to_owned();
    let removed = index_part::Entity::delete_many()
        .filter(index_part::Column::Maker.eq(maker))
        .filter(index_part::Column::DocumentId.in_subquery(some))
        .exec(transaction)
        .await?;
    if removed.rows_affected == 0 {
        index_part_maker::Entity::delete_by_id(maker.to_owned())
            .exec(transaction)
            .await?;
    }
    Ok(removed.rows_affected)
}
