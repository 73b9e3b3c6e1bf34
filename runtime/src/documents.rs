//! Joins what the agents want of documents with the store that keeps them.

use std::{
    collections::{BTreeSet, HashMap},
    time::Duration,
};

use async_trait::async_trait;
use orchestratai_agents::knowledge::{
    ChangeOutcome, CollectionName, Document, DocumentChanges, DocumentFilter, DocumentId, DocumentPage, DocumentStore,
    DocumentStoreError, DocumentSummary, DocumentsSince, IndexPart, IndexPartStore, NewDocument, NewIndexPart,
    StoredCollection,
};
use orchestratai_store as store;
use orchestratai_store::{DEFAULT_ORGANIZATION, Store};

/// The documents of the one organization that there is.
#[derive(Debug, Clone)]
pub(crate) struct StoredDocuments {
    store: Store,
}

impl StoredDocuments {
    pub(crate) fn new(store: Store) -> Self {
        Self { store }
    }

    /// Names the lineage of the database that they are in.
    pub(crate) fn epoch(&self) -> &str {
        self.store.epoch()
    }
}

#[async_trait]
impl DocumentStore for StoredDocuments {
    async fn revision(&self) -> Result<u64, DocumentStoreError> {
        self.store.knowledge_revision().await.map_err(DocumentStoreError::new)
    }

    async fn since(&self, revision: u64) -> Result<DocumentsSince, DocumentStoreError> {
        let since = self
            .store
            .documents_since(revision)
            .await
            .map_err(DocumentStoreError::new)?;
        let changed = since
            .changed
            .into_iter()
            .filter(|document| document.document.organization == DEFAULT_ORGANIZATION);
        Ok(DocumentsSince {
            revision: since.revision,
            changed: changed.map(document).collect::<Result<_, _>>()?,
            removed: (since.removed.into_iter())
                .map(|(id, name)| Ok((DocumentId(id.0), collection(&name)?)))
                .collect::<Result<_, DocumentStoreError>>()?,
        })
    }

    async fn content_hashes(
        &self,
        collection: &CollectionName,
        root: &str,
    ) -> Result<HashMap<String, String>, DocumentStoreError> {
        let root = store::DocumentRoot {
            organization: DEFAULT_ORGANIZATION.into(),
            collection: collection.to_string(),
            root: root.to_owned(),
        };
        self.store.content_hashes(&root).await.map_err(DocumentStoreError::new)
    }

    async fn change(&self, changes: DocumentChanges) -> Result<ChangeOutcome, DocumentStoreError> {
        let changes = store::DocumentChanges {
            put: changes.put.into_iter().map(stored).collect(),
            remove: changes.remove.into_iter().map(|id| store::DocumentId(id.0)).collect(),
            replace_root: changes.replace_root.map(|(collection, root)| store::DocumentRoot {
                organization: DEFAULT_ORGANIZATION.into(),
                collection: collection.to_string(),
                root,
            }),
            keep: changes.keep,
            parts: changes.parts.into_iter().map(new_part).collect(),
        };
        let changed = self
            .store
            .change_documents(changes)
            .await
            .map_err(DocumentStoreError::new)?;
        Ok(ChangeOutcome {
            revision: changed.revision,
            ids: changed.ids.into_iter().map(|id| DocumentId(id.0)).collect(),
            added: changed.added,
            updated: changed.updated,
            unchanged: changed.unchanged,
            removed: changed.removed,
        })
    }

    async fn list(
        &self,
        wanted: &DocumentFilter,
        limit: usize,
        before: Option<DocumentId>,
    ) -> Result<DocumentPage, DocumentStoreError> {
        let wanted = store::DocumentFilter {
            collection: wanted.collection.as_ref().map(ToString::to_string),
            holding: wanted.holding.clone(),
        };
        let before = before.map(|before| store::DocumentId(before.0));
        let page = self.store.documents(DEFAULT_ORGANIZATION, &wanted, limit, before).await;
        let page = page.map_err(DocumentStoreError::new)?;
        let items = page.items.into_iter().map(summary).collect::<Result<_, _>>()?;
        let has_more = page.has_more;
        Ok(DocumentPage { items, has_more })
    }

    async fn at_path(
        &self,
        collection: Option<&CollectionName>,
        path: &str,
    ) -> Result<Vec<DocumentSummary>, DocumentStoreError> {
        let name = collection.map(CollectionName::as_str);
        let found = self.store.documents_at(DEFAULT_ORGANIZATION, name, path).await;
        found
            .map_err(DocumentStoreError::new)?
            .into_iter()
            .map(summary)
            .collect()
    }

    async fn read(&self, id: DocumentId) -> Result<Option<(DocumentSummary, String)>, DocumentStoreError> {
        let stored = self.store.document(store::DocumentId(id.0)).await;
        let stored = stored.map_err(DocumentStoreError::new)?;
        stored
            .filter(|stored| stored.document.organization == DEFAULT_ORGANIZATION)
            .map(|stored| {
                let document = stored.document;
                let summary = DocumentSummary {
                    id,
                    collection: collection(&document.collection)?,
                    root: document.root,
                    path: document.path,
                    title: document.title,
                    revision: stored.revision,
                    created_at: stored.created_at,
                    updated_at: stored.updated_at,
                };
                Ok((summary, document.content))
            })
            .transpose()
    }

    async fn collections(&self) -> Result<Vec<StoredCollection>, DocumentStoreError> {
        let collections = self.store.collections(DEFAULT_ORGANIZATION).await;
        let stored = |stored: store::StoredCollection| {
            Ok(StoredCollection {
                name: collection(&stored.name)?,
                documents: usize::try_from(stored.documents).unwrap_or(usize::MAX),
                updated_at: stored.updated_at,
            })
        };
        collections
            .map_err(DocumentStoreError::new)?
            .into_iter()
            .map(stored)
            .collect()
    }
}

#[async_trait]
impl IndexPartStore for StoredDocuments {
    async fn index_parts(
        &self,
        documents: &[DocumentId],
        makers: &[&str],
    ) -> Result<Vec<IndexPart>, DocumentStoreError> {
        let parts = self.store.index_parts(&stored_ids(documents), makers).await;
        let part = |part: store::IndexPart| IndexPart {
            document: DocumentId(part.document.0),
            revision: part.revision,
            maker: part.maker,
            body: part.body,
        };
        Ok(parts.map_err(DocumentStoreError::new)?.into_iter().map(part).collect())
    }

    async fn documents_without_part(&self, maker: &str) -> Result<BTreeSet<DocumentId>, DocumentStoreError> {
        let without = self.store.documents_without_part(DEFAULT_ORGANIZATION, maker).await;
        let without = without.map_err(DocumentStoreError::new)?;
        Ok(without.into_iter().map(|id| DocumentId(id.0)).collect())
    }

    async fn keep_index_parts(&self, parts: Vec<IndexPart>) -> Result<(), DocumentStoreError> {
        let part = |part: IndexPart| store::IndexPart {
            document: store::DocumentId(part.document.0),
            revision: part.revision,
            maker: part.maker,
            body: part.body,
        };
        let parts = parts.into_iter().map(part).collect();
        self.store
            .keep_index_parts(parts)
            .await
            .map_err(DocumentStoreError::new)?;
        Ok(())
    }

    async fn claim_index_parts(
        &self,
        documents: &[DocumentId],
        maker: &str,
        lasts: Duration,
    ) -> Result<BTreeSet<DocumentId>, DocumentStoreError> {
        let claimed = self.store.claim_index_parts(&stored_ids(documents), maker, lasts).await;
        let claimed = claimed.map_err(DocumentStoreError::new)?;
        Ok(claimed.into_iter().map(|id| DocumentId(id.0)).collect())
    }

    async fn remove_unused_index_parts(
        &self,
        makers: &[&str],
        unused_for: Duration,
    ) -> Result<u64, DocumentStoreError> {
        let removed = self.store.remove_unused_index_parts(makers, unused_for).await;
        removed.map_err(DocumentStoreError::new)
    }
}

fn stored_ids(documents: &[DocumentId]) -> Vec<store::DocumentId> {
    documents.iter().map(|id| store::DocumentId(id.0)).collect()
}

fn new_part(part: NewIndexPart) -> store::NewIndexPart {
    store::NewIndexPart {
        document: part.document,
        maker: part.maker,
        body: part.body,
    }
}

fn stored(document: NewDocument) -> store::NewDocument {
    store::NewDocument {
        organization: DEFAULT_ORGANIZATION.into(),
        collection: document.collection.to_string(),
        root: document.root,
        path: document.path,
        title: document.title,
        content: document.content,
        front_matter: document.front_matter,
        content_hash: document.content_hash,
    }
}

fn document(stored: store::Document) -> Result<Document, DocumentStoreError> {
    let document = stored.document;
    Ok(Document {
        id: DocumentId(stored.id.0),
        document: NewDocument {
            collection: collection(&document.collection)?,
            root: document.root,
            path: document.path,
            title: document.title,
            content: document.content,
            front_matter: document.front_matter,
            content_hash: document.content_hash,
        },
        revision: stored.revision,
    })
}

fn summary(stored: store::DocumentSummary) -> Result<DocumentSummary, DocumentStoreError> {
    Ok(DocumentSummary {
        id: DocumentId(stored.id.0),
        collection: collection(&stored.collection)?,
        root: stored.root,
        path: stored.path,
        title: stored.title,
        revision: stored.revision,
        created_at: stored.created_at,
        updated_at: stored.updated_at,
    })
}

/// A name that was a good one when it was stored.
fn collection(name: &str) -> Result<CollectionName, DocumentStoreError> {
    CollectionName::parse(name)
        .map_err(|invalid| DocumentStoreError::new(format!("the stored collection {name:?} {invalid}")))
}

#[cfg(test)]
mod tests {
    use orchestratai_store::StoreSettings;

    use super::*;

    fn new(path: &str, text: &str) -> NewDocument {
        NewDocument {
            collection: CollectionName::parse("billing").unwrap(),
            root: "r".into(),
            path: path.into(),
            title: path.into(),
            content: text.into(),
            front_matter: serde_json::Map::new(),
            content_hash: text.into(),
        }
    }

    #[tokio::test]
    async fn documents_come_back_as_they_were_put_and_lists_page_from_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&StoreSettings::sqlite(&folder.path().join("x.db")))
            .await
            .unwrap();
        let documents = StoredDocuments::new(store);
        let put: Vec<_> = (0..5).map(|n| new(&format!("{n}.md"), &format!("text {n}"))).collect();
        let outcome = documents
            .change(DocumentChanges {
                put: put.clone(),
                ..Default::default()
            })
            .await
            .unwrap();
        assert_eq!(
            (outcome.added, outcome.revision),
            (5, documents.revision().await.unwrap())
        );

        let since = documents.since(0).await.unwrap();
        let mut back: Vec<_> = since.changed.into_iter().map(|document| document.document).collect();
        back.sort_by(|a, b| a.path.cmp(&b.path));
        assert_eq!(back, put);

        let all = documents.list(&DocumentFilter::default(), 10, None).await.unwrap();
        assert_eq!((all.items.len(), all.has_more), (5, false));
        let last = documents.list(&DocumentFilter::default(), 2, None).await.unwrap();
        assert_eq!((last.items.as_slice(), last.has_more), (&all.items[3..], true));
        let before = documents
            .list(&DocumentFilter::default(), 2, Some(last.items[0].id))
            .await
            .unwrap();
        assert_eq!((before.items.as_slice(), before.has_more), (&all.items[1..3], true));
        let first = documents
            .list(&DocumentFilter::default(), 2, Some(before.items[0].id))
            .await
            .unwrap();
        assert_eq!((first.items.as_slice(), first.has_more), (&all.items[..1], false));

        let removed = DocumentChanges {
            remove: vec![all.items[0].id],
            ..Default::default()
        };
        assert_eq!(documents.change(removed).await.unwrap().removed, 1);
        let since = documents.since(outcome.revision).await.unwrap();
        assert_eq!(
            since.removed,
            [(all.items[0].id, CollectionName::parse("billing").unwrap())]
        );
    }
}
