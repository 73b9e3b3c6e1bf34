//! Changing documents.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use orchestratai_shared::Timestamp;
use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseTransaction, EntityTrait, QueryFilter, QuerySelect,
    entity::prelude::TextUuid,
    sea_query::{Expr, OnConflict},
};
use serde_json::Value;
use uuid::Uuid;

use super::{
    DocumentChanges, DocumentId, DocumentRoot, DocumentsChanged, NewDocument, NewIndexPart,
    parts::{self, Part},
};
use crate::{
    Store, StoreError, dialect,
    entity::{document, removed_document},
    meta,
    rows::{ROWS_MAX, insert, number, storable, storable_json, text, time},
    transaction,
};

impl Store {
    /// Changes documents in one transaction that raises the knowledge revision, or leaves all as it is where nothing would
    /// be changed. Works beside a running server, from this process or another; what was committed waits meanwhile to be read,
    /// so have the documents ready.
    ///
    /// # Errors
    /// [`StoreError`]; nothing was changed then.
    pub async fn change_documents(&self, changes: DocumentChanges) -> Result<DocumentsChanged, StoreError> {
        let of_documents = changes.put.iter().map(|document| document.content.len() as u64);
        let of_parts = changes.parts.iter().map(|part| part.body.len() as u64);
        let bytes = of_documents.chain(of_parts).sum();
        let writing = transaction::begin(self.writer()).await?;
        let changed = change(&writing.transaction, changes).await;
        let changed = writing.end(changed).await?;
        self.committed(bytes, changed.removed > 0);
        Ok(changed)
    }
}

/// Organization, collection and root.
type Root = (String, String, String);

/// What is stored at a place.
struct Stored {
    id: DocumentId,
    content_hash: String,
}

async fn change(transaction: &DatabaseTransaction, changes: DocumentChanges) -> Result<DocumentsChanged, StoreError> {
    let DocumentChanges {
        put,
        remove,
        replace_root,
        keep,
        parts,
    } = changes;
    let revision = meta::number(transaction, meta::KNOWLEDGE_REVISION).await?;
    let mut removed: BTreeSet<DocumentId> = existing(transaction, &remove).await?;
    let mut outcome = DocumentsChanged {
        revision,
        ids: Vec::with_capacity(put.len()),
        added: 0,
        updated: 0,
        unchanged: 0,
        removed: 0,
    };

    // Of documents for the same place the last one counts.
    let mut by_root: BTreeMap<Root, BTreeMap<String, NewDocument>> = BTreeMap::new();
    let places: Vec<_> = put.iter().map(|new| (root_of(new), new.path.clone())).collect();
    for new in put {
        by_root.entry(root_of(&new)).or_default().insert(new.path.clone(), new);
    }
    let mut ids = HashMap::new();
    let (mut rows, mut updated) = (Vec::new(), Vec::new());
    for (root, documents) in by_root {
        let mut stored = stored_at(transaction, &root, documents.keys()).await?;
        for (path, new) in documents {
            let id = match stored.remove(&path) {
                Some(stored) if stored.content_hash == new.content_hash && !removed.contains(&stored.id) => {
                    outcome.unchanged += 1;
                    stored.id
                }
                Some(stored) => {
                    outcome.updated += 1;
                    updated.push(stored.id);
                    // Put beats remove.
                    removed.remove(&stored.id);
                    rows.push((stored.id, new));
                    stored.id
                }
                None => {
                    outcome.added += 1;
                    let id = DocumentId(Uuid::now_v7());
                    rows.push((id, new));
                    id
                }
            };
            ids.insert((root.clone(), path), id);
        }
    }
    outcome.ids.extend(places.iter().map(|place| ids[place]));
    let parts = parts_of_rows(parts, &places, &ids, &rows);
    if let Some(root) = replace_root {
        let mut kept: BTreeSet<DocumentId> = ids.values().copied().collect();
        let place = (root.organization.clone(), root.collection.clone(), root.root.clone());
        for (_, stored) in stored_at(transaction, &place, keep.iter()).await? {
            // Put beats keep, and remove does.
            if !removed.contains(&stored.id) && kept.insert(stored.id) {
                outcome.unchanged += 1;
                outcome.ids.push(stored.id);
            }
        }
        let there = ids_of_root(transaction, root).await?;
        removed.extend(
            there
                .into_iter()
                .map(|id| DocumentId(id.0))
                .filter(|id| !kept.contains(id)),
        );
    }
    outcome.removed = removed.len();
    if rows.is_empty() && removed.is_empty() {
        return Ok(outcome);
    }

    outcome.revision = revision + 1;
    meta::set(transaction, meta::KNOWLEDGE_REVISION, &outcome.revision.to_string()).await?;
    put_rows(transaction, rows, outcome.revision).await?;
    // What was made of another content is of no use any more.
    parts::remove(transaction, &updated).await?;
    for batch in parts::batches(parts) {
        parts::write(transaction, batch).await?;
    }
    remove_rows(transaction, removed, outcome.revision).await?;
    Ok(outcome)
}

/// The parts that belong to a document that is written, and were made of what is written of it.
fn parts_of_rows(
    parts: Vec<NewIndexPart>,
    places: &[(Root, String)],
    ids: &HashMap<(Root, String), DocumentId>,
    rows: &[(DocumentId, NewDocument)],
) -> Vec<Part> {
    let hashes: HashMap<DocumentId, &str> = rows.iter().map(|(id, new)| (*id, new.content_hash.as_str())).collect();
    let last_at: HashMap<&(Root, String), usize> = (0..).zip(places).map(|(at, place)| (place, at)).collect();
    let bound = |part: NewIndexPart| {
        let place = places.get(part.document)?;
        let id = ids.get(place).filter(|_| last_at.get(place) == Some(&part.document))?;
        Some(Part {
            document: *id,
            content_hash: (*hashes.get(id)?).to_owned(),
            maker: part.maker,
            body: part.body,
        })
    };
    parts.into_iter().filter_map(bound).collect()
}

fn root_of(document: &NewDocument) -> Root {
    (
        document.organization.clone(),
        document.collection.clone(),
        document.root.clone(),
    )
}

/// Which of these ids there are.
async fn existing(transaction: &DatabaseTransaction, ids: &[DocumentId]) -> Result<BTreeSet<DocumentId>, StoreError> {
    let mut found = BTreeSet::new();
    for ids in ids.chunks(ROWS_MAX) {
        let rows: Vec<TextUuid> = document::Entity::find()
            .select_only()
            .column(document::Column::Id)
            .filter(document::Column::Id.is_in(ids.iter().map(|id| TextUuid(id.0))))
            .into_tuple()
            .all(transaction)
            .await?;
        found.extend(rows.into_iter().map(|id| DocumentId(id.0)));
    }
    Ok(found)
}

async fn stored_at(
    transaction: &DatabaseTransaction,
    (organization, collection, root): &Root,
    paths: impl Iterator<Item = &String>,
) -> Result<HashMap<String, Stored>, StoreError> {
    let paths: Vec<&str> = paths.map(String::as_str).collect();
    let mut stored = HashMap::new();
    for paths in paths.chunks(ROWS_MAX) {
        let rows: Vec<(TextUuid, String, String)> = document::Entity::find()
            .select_only()
            .columns([
                document::Column::Id,
                document::Column::Path,
                document::Column::ContentHash,
            ])
            .filter(document::Column::OrganizationId.eq(organization))
            .filter(document::Column::Collection.eq(collection))
            .filter(document::Column::Root.eq(root))
            .filter(document::Column::Path.is_in(paths.iter().copied()))
            .into_tuple()
            .all(transaction)
            .await?;
        stored.extend(rows.into_iter().map(|(id, path, content_hash)| {
            (
                path,
                Stored {
                    id: DocumentId(id.0),
                    content_hash,
                },
            )
        }));
    }
    Ok(stored)
}

async fn ids_of_root(transaction: &DatabaseTransaction, root: DocumentRoot) -> Result<Vec<TextUuid>, StoreError> {
    let ids = document::Entity::find()
        .select_only()
        .column(document::Column::Id)
        .filter(document::Column::OrganizationId.eq(root.organization))
        .filter(document::Column::Collection.eq(root.collection))
        .filter(document::Column::Root.eq(root.root))
        .into_tuple()
        .all(transaction)
        .await?;
    Ok(ids)
}

async fn put_rows(
    transaction: &DatabaseTransaction,
    rows: Vec<(DocumentId, NewDocument)>,
    revision: u64,
) -> Result<(), StoreError> {
    let now = Timestamp::now();
    let columns = [
        document::Column::Id,
        document::Column::OrganizationId,
        document::Column::Collection,
        document::Column::Root,
        document::Column::Path,
        document::Column::Title,
        document::Column::Content,
        document::Column::FrontMatter,
        document::Column::ContentHash,
        document::Column::Revision,
        document::Column::CreatedAt,
        document::Column::UpdatedAt,
    ];
    let backend = transaction.get_database_backend();
    let rows = rows.into_iter().map(|(id, new)| -> [Expr; 12] {
        [
            text(id.0),
            new.organization.into(),
            new.collection.into(),
            new.root.into(),
            new.path.into(),
            storable(backend, new.title).into(),
            storable(backend, new.content).into(),
            storable_json(backend, Value::Object(new.front_matter)).into(),
            new.content_hash.into(),
            number(revision),
            time(now),
            time(now),
        ]
    });
    let replace = OnConflict::column(document::Column::Id)
        .update_columns([
            document::Column::Title,
            document::Column::Content,
            document::Column::FrontMatter,
            document::Column::ContentHash,
            document::Column::Revision,
            document::Column::UpdatedAt,
        ])
        .to_owned();
    let statements = insert(backend, document::Entity, &columns, rows, Some(&replace));
    dialect::execute_all(transaction, statements).await?;
    Ok(())
}

async fn remove_rows(
    transaction: &DatabaseTransaction,
    removed: BTreeSet<DocumentId>,
    revision: u64,
) -> Result<(), StoreError> {
    let removed: Vec<TextUuid> = removed.into_iter().map(|id| TextUuid(id.0)).collect();
    for ids in removed.chunks(ROWS_MAX) {
        let rows: Vec<(TextUuid, String, String)> = document::Entity::find()
            .select_only()
            .columns([
                document::Column::Id,
                document::Column::OrganizationId,
                document::Column::Collection,
            ])
            .filter(document::Column::Id.is_in(ids.iter().copied()))
            .into_tuple()
            .all(transaction)
            .await?;
        let columns = [
            removed_document::Column::Id,
            removed_document::Column::OrganizationId,
            removed_document::Column::Collection,
            removed_document::Column::Revision,
        ];
        let rows = rows.into_iter().map(|(id, organization, collection)| -> [Expr; 4] {
            [text(id.0), organization.into(), collection.into(), number(revision)]
        });
        let statements = insert(
            transaction.get_database_backend(),
            removed_document::Entity,
            &columns,
            rows,
            None,
        );
        dialect::execute_all(transaction, statements).await?;
        document::Entity::delete_many()
            .filter(document::Column::Id.is_in(ids.iter().copied()))
            .exec(transaction)
            .await?;
        let ids: Vec<DocumentId> = ids.iter().map(|id| DocumentId(id.0)).collect();
        parts::remove(transaction, &ids).await?;
    }
    Ok(())
}
