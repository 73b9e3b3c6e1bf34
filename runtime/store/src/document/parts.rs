//! What was made of documents for the search index: chunks, and vectors of them.
//!
//! They are derived and can be made again, but that takes long; so one node makes them and all others read them. A part belongs to one
//! content of its document: it goes when that does, and a part of another content is not given to anybody.

use std::collections::{BTreeSet, HashMap};

use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseTransaction, DbErr, EntityTrait, QueryFilter, QueryResult, QuerySelect,
    entity::prelude::{DateTimeUtc, TextUuid},
    sea_query::{Condition, Expr, ExprTrait, JoinType, OnConflict, Query, SelectStatement},
};

use super::{DocumentId, IndexPart};
use crate::{
    Store, StoreError, dialect,
    entity::{document, index_part, unsigned},
    rows::{ROWS_MAX, insert, text},
    transaction,
};

/// Bytes that are written by one statement, but at least one part.
const BYTES_MAX: usize = 4 << 20;

/// A part on its way into the database.
pub(super) struct Part {
    pub(super) document: DocumentId,
    pub(super) content_hash: String,
    pub(super) maker: String,
    pub(super) body: Vec<u8>,
}

impl Store {
    /// What these makers have made of these documents as they are now.
    ///
    /// # Errors
    /// [`StoreError`] where the database cannot be read.
    pub async fn index_parts(&self, documents: &[DocumentId], makers: &[&str]) -> Result<Vec<IndexPart>, StoreError> {
        let mut parts = Vec::new();
        for documents in documents.chunks(ROWS_MAX) {
            let mut select = of_present_content();
            select
                .columns([
                    (index_part::Entity, index_part::Column::DocumentId),
                    (index_part::Entity, index_part::Column::Maker),
                    (index_part::Entity, index_part::Column::Body),
                ])
                .column((document::Entity, document::Column::Revision))
                .and_where(index_part::Column::DocumentId.is_in(documents.iter().map(|id| TextUuid(id.0))))
                .and_where(index_part::Column::Maker.is_in(makers.iter().copied()))
                .and_where(index_part::Column::Body.is_not_null());
            for row in self.readers().query_all(&select).await? {
                parts.push(IndexPart {
                    document: id_of(&row, 0)?,
                    maker: row.try_get_by_index(1)?,
                    body: row.try_get_by_index(2)?,
                    revision: unsigned(row.try_get_by_index(3)?),
                });
            }
        }
        Ok(parts)
    }

    /// The documents of an organization of which this maker has made nothing as they are now.
    ///
    /// # Errors
    /// [`StoreError`] where the database cannot be read.
    pub async fn documents_without_part(
        &self,
        organization: &str,
        maker: &str,
    ) -> Result<BTreeSet<DocumentId>, StoreError> {
        let with = of_present_content()
            .column((index_part::Entity, index_part::Column::DocumentId))
            .and_where(index_part::Column::Maker.eq(maker))
            .and_where(index_part::Column::Body.is_not_null())
            .to_owned();
        let select = Query::select()
            .column(document::Column::Id)
            .from(document::Entity)
            .and_where(document::Column::OrganizationId.eq(organization))
            .and_where(document::Column::Id.not_in_subquery(with))
            .to_owned();
        let rows = self.readers().query_all(&select).await?;
        Ok(rows.iter().map(|row| id_of(row, 0)).collect::<Result<_, _>>()?)
    }

    /// Keeps parts, in place of what the same makers made before. Where a document is not at that revision any more, nothing is kept of
    /// it. Gives how many are kept. The same part may be kept by several at once.
    ///
    /// # Errors
    /// [`StoreError`]; some may be kept then.
    pub async fn keep_index_parts(&self, mut parts: Vec<IndexPart>) -> Result<usize, StoreError> {
        let mut kept = 0;
        // In one order by all who write, so that none waits for another in a circle.
        parts.sort_by(|a, b| (a.document, &a.maker).cmp(&(b.document, &b.maker)));
        for batch in batches(parts) {
            let bytes = batch.iter().map(|part| part.body.len() as u64).sum();
            let writing = transaction::begin(self.writer()).await?;
            let written = keep(&writing.transaction, batch).await;
            kept += writing.end(written).await?;
            self.committed(bytes, false);
        }
        Ok(kept)
    }
}

/// Parts that are of their document as it is.
fn of_present_content() -> SelectStatement {
    let same = |part: index_part::Column, of: document::Column| {
        Expr::col((index_part::Entity, part)).equals((document::Entity, of))
    };
    let of_it = Condition::all()
        .add(same(index_part::Column::DocumentId, document::Column::Id))
        .add(same(index_part::Column::ContentHash, document::Column::ContentHash));
    Query::select()
        .from(index_part::Entity)
        .join(JoinType::InnerJoin, document::Entity, of_it)
        .to_owned()
}

pub(super) fn id_of(row: &QueryResult, index: usize) -> Result<DocumentId, DbErr> {
    Ok(DocumentId(row.try_get_by_index::<TextUuid>(index)?.0))
}

/// Batches for one statement each.
pub(super) fn batches<T: HasBody>(parts: Vec<T>) -> Vec<Vec<T>> {
    let mut batches: Vec<Vec<T>> = Vec::new();
    let mut bytes = 0;
    for part in parts {
        bytes += part.body_bytes();
        match batches.last_mut() {
            Some(batch) if batch.len() < ROWS_MAX && bytes <= BYTES_MAX => batch.push(part),
            _ => {
                bytes = part.body_bytes();
                batches.push(vec![part]);
            }
        }
    }
    batches
}

/// What is counted in bytes.
pub(super) trait HasBody {
    fn body_bytes(&self) -> usize;
}

impl HasBody for Part {
    fn body_bytes(&self) -> usize {
        self.body.len()
    }
}

impl HasBody for IndexPart {
    fn body_bytes(&self) -> usize {
        self.body.len()
    }
}

async fn keep(transaction: &DatabaseTransaction, parts: Vec<IndexPart>) -> Result<usize, StoreError> {
    let ids: BTreeSet<DocumentId> = parts.iter().map(|part| part.document).collect();
    let present: Vec<(TextUuid, String, i64)> = document::Entity::find()
        .select_only()
        .columns([
            document::Column::Id,
            document::Column::ContentHash,
            document::Column::Revision,
        ])
        .filter(document::Column::Id.is_in(ids.iter().map(|id| TextUuid(id.0))))
        .into_tuple()
        .all(transaction)
        .await?;
    let present: HashMap<(DocumentId, u64), String> = (present.into_iter())
        .map(|(id, content_hash, revision)| ((DocumentId(id.0), unsigned(revision)), content_hash))
        .collect();
    let current = |part: IndexPart| {
        let content_hash = present.get(&(part.document, part.revision))?.clone();
        Some(Part {
            document: part.document,
            content_hash,
            maker: part.maker,
            body: part.body,
        })
    };
    let parts: Vec<Part> = parts.into_iter().filter_map(current).collect();
    let kept = parts.len();
    write(transaction, parts).await?;
    Ok(kept)
}

/// Writes parts of documents that are there, in place of those before.
pub(super) async fn write(transaction: &DatabaseTransaction, parts: Vec<Part>) -> Result<(), StoreError> {
    let replaced = [
        index_part::Column::ContentHash,
        index_part::Column::Body,
        index_part::Column::ClaimedUntil,
    ];
    let rows = parts.into_iter().map(|part| -> [Expr; 5] {
        [
            text(part.document.0),
            part.maker.into(),
            part.content_hash.into(),
            part.body.into(),
            Option::<DateTimeUtc>::None.into(),
        ]
    });
    let replace = OnConflict::columns(KEY).update_columns(replaced).to_owned();
    let backend = transaction.get_database_backend();
    let statements = insert(backend, index_part::Entity, &COLUMNS, rows, Some(&replace));
    dialect::execute_all(transaction, statements).await?;
    Ok(())
}

pub(super) const KEY: [index_part::Column; 2] = [index_part::Column::DocumentId, index_part::Column::Maker];

pub(super) const COLUMNS: [index_part::Column; 5] = [
    index_part::Column::DocumentId,
    index_part::Column::Maker,
    index_part::Column::ContentHash,
    index_part::Column::Body,
    index_part::Column::ClaimedUntil,
];

/// Removes all that was made of documents.
pub(super) async fn remove(transaction: &DatabaseTransaction, documents: &[DocumentId]) -> Result<(), StoreError> {
    for documents in documents.chunks(ROWS_MAX) {
        index_part::Entity::delete_many()
            .filter(index_part::Column::DocumentId.is_in(documents.iter().map(|id| TextUuid(id.0))))
            .exec(transaction)
            .await?;
    }
    Ok(())
}
