//! Who makes parts of the search index just now, so that not all nodes make the same.

use std::{collections::BTreeSet, time::Duration};

use orchestratai_shared::Timestamp;
use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseTransaction, EntityTrait, QueryFilter, QuerySelect,
    entity::prelude::{DateTimeUtc, TextUuid},
    sea_query::{Expr, ExprTrait, OnConflict, Query},
};

use super::{
    DocumentId,
    parts::{COLUMNS, KEY, id_of},
};
use crate::{
    Store, StoreError,
    entity::{document, index_part},
    rows::{ROWS_MAX, text, time},
    transaction,
};

impl Store {
    /// Asks for the making of parts: gives those documents, of the ones that are asked for, that nobody else makes them of just now. For
    /// `lasts` nobody else is given them, or until they are kept.
    ///
    /// It spares work and guards nothing: by the nodes' own clocks, two may be given the same.
    ///
    /// # Errors
    /// [`StoreError`]; none is given then.
    pub async fn claim_index_parts(
        &self,
        documents: &[DocumentId],
        maker: &str,
        lasts: Duration,
    ) -> Result<BTreeSet<DocumentId>, StoreError> {
        let writing = transaction::begin(self.writer()).await?;
        let claimed = claim(&writing.transaction, documents, maker, lasts).await;
        let claimed = writing.end(claimed).await?;
        self.committed(0, false);
        Ok(claimed)
    }
}

async fn claim(
    transaction: &DatabaseTransaction,
    documents: &[DocumentId],
    maker: &str,
    lasts: Duration,
) -> Result<BTreeSet<DocumentId>, StoreError> {
    let now = Timestamp::now();
    let lasts = i64::try_from(lasts.as_millis()).unwrap_or(i64::MAX);
    let until = Timestamp::from_millis(now.as_millis().saturating_add(lasts));
    let mut claimed = BTreeSet::new();
    for documents in documents.chunks(ROWS_MAX) {
        let there: Vec<(TextUuid, String)> = document::Entity::find()
            .select_only()
            .columns([document::Column::Id, document::Column::ContentHash])
            .filter(document::Column::Id.is_in(documents.iter().map(|id| TextUuid(id.0))))
            .into_tuple()
            .all(transaction)
            .await?;
        if there.is_empty() {
            continue;
        }
        let held = Expr::col((index_part::Entity, index_part::Column::ClaimedUntil));
        let is_free = (held.clone().is_null()).or(held.lte(DateTimeUtc::from(now)));
        let take = OnConflict::columns(KEY)
            .update_column(index_part::Column::ClaimedUntil)
            .action_and_where(is_free)
            .to_owned();
        let mut insert = Query::insert();
        insert
            .into_table(index_part::Entity)
            .columns(COLUMNS)
            .on_conflict(take)
            .returning_col(index_part::Column::DocumentId);
        for (id, content_hash) in there {
            insert.values_panic([
                text(id.0),
                maker.into(),
                content_hash.into(),
                Option::<Vec<u8>>::None.into(),
                time(until),
            ]);
        }
        for row in transaction.query_all(&insert).await? {
            claimed.insert(id_of(&row, 0)?);
        }
    }
    Ok(claimed)
}
