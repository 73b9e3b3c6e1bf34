//! Reading documents.

use std::collections::HashMap;

use orchestratai_shared::Timestamp;
use sea_orm::{
    ColumnTrait, EntityTrait, ExprTrait, FromQueryResult, QueryFilter, QueryOrder, QuerySelect,
    entity::prelude::{DateTimeUtc, TextUuid},
};
use serde_json::{Map, Value};

use super::{
    Document, DocumentFilter, DocumentId, DocumentRoot, DocumentSummary, DocumentsSince, NewDocument, StoredCollection,
};
use crate::{
    Page, Store, StoreError, dialect,
    entity::{document, removed_document, signed, unsigned},
    meta,
};

/// Documents read by one statement: their texts are all in memory at once anyway, but not their rows as well.
const DOCUMENTS_AT_ONCE: u64 = 256;

impl Store {
    /// A document, or none.
    ///
    /// # Errors
    /// [`StoreError`] where the database cannot be read.
    pub async fn document(&self, id: DocumentId) -> Result<Option<Document>, StoreError> {
        let row = document::Entity::find_by_id(TextUuid(id.0)).one(self.readers()).await?;
        Ok(row.map(Document::from))
    }

    /// The last `limit` documents of an organization that are wanted, or the last before the document `before`, without their texts. Their order is that of their ids, which is the order in which they first came.
    ///
    /// # Errors
    /// [`StoreError::UnknownCursor`] where the organization has no document `before`; else where the database cannot be read.
    pub async fn documents(
        &self,
        organization: &str,
        wanted: &DocumentFilter,
        limit: usize,
        before: Option<DocumentId>,
    ) -> Result<Page<DocumentSummary>, StoreError> {
        let of_organization = document::Column::OrganizationId.eq(organization);
        let mut select = document::Entity::find().filter(of_organization.clone());
        if let Some(collection) = &wanted.collection {
            select = select.filter(document::Column::Collection.eq(collection));
        }
        if let Some(searched) = &wanted.holding {
            let backend = self.readers().get_database_backend();
            let in_column = |column: document::Column| dialect::holds(backend, column.into_expr(), searched);
            select = select.filter(in_column(document::Column::Title).or(in_column(document::Column::Path)));
        }
        if let Some(before) = before {
            document::Entity::find_by_id(TextUuid(before.0))
                .select_only()
                .column(document::Column::Id)
                .filter(of_organization)
                .into_tuple::<TextUuid>()
                .one(self.readers())
                .await?
                .ok_or(StoreError::UnknownCursor)?;
            select = select.filter(document::Column::Id.lt(TextUuid(before.0)));
        }
        let mut rows: Vec<SummaryRow> = select
            .select_only()
            .columns(SUMMARY_COLUMNS)
            .order_by_desc(document::Column::Id)
            .limit(limit as u64 + 1)
            .into_model()
            .all(self.readers())
            .await?;
        let has_more = rows.len() > limit;
        rows.truncate(limit);
        Ok(Page {
            items: rows.into_iter().rev().map(DocumentSummary::from).collect(),
            has_more,
        })
    }

    /// The documents of an organization at a path, in one of its collections or in all, without their texts, the one that was changed
    /// last first: each root may have one there.
    ///
    /// # Errors
    /// [`StoreError`] where the database cannot be read.
    pub async fn documents_at(
        &self,
        organization: &str,
        collection: Option<&str>,
        path: &str,
    ) -> Result<Vec<DocumentSummary>, StoreError> {
        let mut select = document::Entity::find()
            .filter(document::Column::OrganizationId.eq(organization))
            .filter(document::Column::Path.eq(path));
        if let Some(collection) = collection {
            select = select.filter(document::Column::Collection.eq(collection));
        }
        let rows: Vec<SummaryRow> = select
            .select_only()
            .columns(SUMMARY_COLUMNS)
            .order_by_desc(document::Column::UpdatedAt)
            .order_by_desc(document::Column::Id)
            .into_model()
            .all(self.readers())
            .await?;
        Ok(rows.into_iter().map(DocumentSummary::from).collect())
    }

    /// The collections of an organization that have documents, by name.
    ///
    /// # Errors
    /// [`StoreError`] where the database cannot be read.
    pub async fn collections(&self, organization: &str) -> Result<Vec<StoredCollection>, StoreError> {
        let rows: Vec<(String, i64, DateTimeUtc)> = document::Entity::find()
            .select_only()
            .column(document::Column::Collection)
            .column_as(document::Column::Id.count(), "documents")
            .column_as(document::Column::UpdatedAt.max(), "updated_at")
            .filter(document::Column::OrganizationId.eq(organization))
            .group_by(document::Column::Collection)
            .order_by_asc(document::Column::Collection)
            .into_tuple()
            .all(self.readers())
            .await?;
        let collection = |(name, documents, updated_at): (String, i64, DateTimeUtc)| StoredCollection {
            name,
            documents: unsigned(documents),
            updated_at: updated_at.into(),
        };
        Ok(rows.into_iter().map(collection).collect())
    }

    /// The content hashes of the documents of a root, by path.
    ///
    /// # Errors
    /// [`StoreError`] where the database cannot be read.
    pub async fn content_hashes(&self, root: &DocumentRoot) -> Result<HashMap<String, String>, StoreError> {
        let rows: Vec<(String, String)> = document::Entity::find()
            .select_only()
            .columns([document::Column::Path, document::Column::ContentHash])
            .filter(document::Column::OrganizationId.eq(&root.organization))
            .filter(document::Column::Collection.eq(&root.collection))
            .filter(document::Column::Root.eq(&root.root))
            .into_tuple()
            .all(self.readers())
            .await?;
        Ok(rows.into_iter().collect())
    }

    /// What has changed in all collections since a knowledge revision; since 0, all documents there are. Read at one
    /// moment.
    ///
    /// # Errors
    /// [`StoreError`] where the database cannot be read.
    pub async fn documents_since(&self, revision: u64) -> Result<DocumentsSince, StoreError> {
        let reader = self.read().await?;
        let now = meta::number(&reader, meta::KNOWLEDGE_REVISION).await?;
        let mut changed = Vec::new();
        let mut after: Option<TextUuid> = None;
        loop {
            let mut select = document::Entity::find().filter(document::Column::Revision.gt(signed(revision)));
            if let Some(after) = after {
                select = select.filter(document::Column::Id.gt(after));
            }
            let rows = select
                .order_by_asc(document::Column::Id)
                .limit(DOCUMENTS_AT_ONCE)
                .all(&reader)
                .await?;
            let is_last = (rows.len() as u64) < DOCUMENTS_AT_ONCE;
            after = rows.last().map(|row| row.id);
            changed.extend(rows.into_iter().map(Document::from));
            if is_last {
                break;
            }
        }
        let removed = removed_document::Entity::find()
            .filter(removed_document::Column::Revision.gt(signed(revision)))
            .order_by_asc(removed_document::Column::Id)
            .all(&reader)
            .await?;
        reader.commit().await?;
        let removed = removed
            .into_iter()
            .map(|row| (DocumentId(row.id.0), row.collection))
            .collect();
        Ok(DocumentsSince {
            revision: now,
            changed,
            removed,
        })
    }
}

/// What a summary is made of.
const SUMMARY_COLUMNS: [document::Column; 10] = [
    document::Column::Id,
    document::Column::OrganizationId,
    document::Column::Collection,
    document::Column::Root,
    document::Column::Path,
    document::Column::Title,
    document::Column::ContentHash,
    document::Column::Revision,
    document::Column::CreatedAt,
    document::Column::UpdatedAt,
];

#[derive(FromQueryResult)]
struct SummaryRow {
    id: TextUuid,
    organization_id: String,
    collection: String,
    root: String,
    path: String,
    title: String,
    content_hash: String,
    revision: i64,
    created_at: DateTimeUtc,
    updated_at: DateTimeUtc,
}

impl From<SummaryRow> for DocumentSummary {
    fn from(row: SummaryRow) -> Self {
        Self {
            id: DocumentId(row.id.0),
            organization: row.organization_id,
            collection: row.collection,
            root: row.root,
            path: row.path,
            title: row.title,
            content_hash: row.content_hash,
            revision: unsigned(row.revision),
            created_at: row.created_at.into(),
            updated_at: row.updated_at.into(),
        }
    }
}

impl From<document::Model> for Document {
    fn from(row: document::Model) -> Self {
        let front_matter = match row.front_matter {
            Value::Object(fields) => fields,
            // Nothing else is written.
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => Map::new(),
        };
        Self {
            id: DocumentId(row.id.0),
            document: NewDocument {
                organization: row.organization_id,
                collection: row.collection,
                root: row.root,
                path: row.path,
                title: row.title,
                content: row.content,
                front_matter,
                content_hash: row.content_hash,
            },
            revision: unsigned(row.revision),
            created_at: Timestamp::from(row.created_at),
            updated_at: Timestamp::from(row.updated_at),
        }
    }
}
