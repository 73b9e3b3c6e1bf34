//! What is in the knowledge base: collections, and documents as people read them.

use std::collections::HashMap;

use actix_web::{
    HttpResponse,
    web::{Data, Path},
};
use orchestratai_agents::knowledge::{ChunkView, DocumentId, DocumentView};
use orchestratai_shared::{AgentId, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;

use super::knowledge::{DocumentInfo, DocumentUuid, failed, info};
use crate::{
    error::ApiError,
    openapi::{Busy, Invalid, NotFound, Unexpected},
    site::Site,
};

/// Every collection.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Collections {
    /// The collections, by name.
    collections: Vec<CollectionInfo>,
    /// Always false: this list has one page.
    has_more: bool,
}

/// A collection: documents that are searched together.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CollectionInfo {
    /// Its name.
    #[schema(pattern = "^[a-z][a-z0-9_-]{0,63}$")]
    name: String,
    /// Documents in it.
    documents: usize,
    /// Chunks that are searched; those of a change count once it is served.
    chunks: usize,
    /// When one of its documents was changed last; left out where it has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    updated_at: Option<Timestamp>,
    /// The agents that read it.
    agents: Vec<AgentId>,
}

/// A document with its text.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DocumentText {
    /// What the list says of it.
    #[serde(flatten)]
    info: DocumentInfo,
    /// Its text as it is kept: Markdown, or plain text where the file was such, without front matter.
    content: String,
    /// Its chunks, in order.
    chunks: Vec<ChunkPlace>,
}

/// A chunk of a document: what is searched, and cited.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ChunkPlace {
    /// Its place among the chunks of the document, from 0.
    id: usize,
    /// The headings above it, without the title, outermost first.
    headings: Vec<String>,
    /// Its text as search shows it: a link to another document is reduced to its words.
    content: String,
    /// Where it begins in the document's `content`, in bytes of UTF-8; left out where that cannot be told.
    #[serde(skip_serializing_if = "Option::is_none")]
    start: Option<usize>,
    /// Where it ends there.
    #[serde(skip_serializing_if = "Option::is_none")]
    end: Option<usize>,
}

/// The collections, with what is in them and who reads them.
///
/// A collection that an agent reads is there also where it has no documents yet.
#[utoipa::path(
    get, path = "/api/knowledge/collections", operation_id = "listCollections", tag = "knowledge",
    responses((status = 200, description = "Every collection.", body = Collections), Busy, Unexpected)
)]
pub(crate) async fn collections(site: Data<Site>) -> Result<HttpResponse, ApiError> {
    let stored = site.knowledge.stored_collections().await;
    let stored = stored.map_err(|error| failed(&error))?;
    let served = site.knowledge.collections();
    let chunks: HashMap<&str, usize> = (served.iter())
        .map(|collection| (collection.name.as_str(), collection.chunks))
        .collect();
    let definitions = site.gateway.definitions();
    let mut names: Vec<&str> = (definitions.iter().flat_map(|agent| &agent.collections))
        .chain(stored.iter().map(|collection| &collection.name))
        .map(|name| name.as_str())
        .collect();
    names.sort_unstable();
    names.dedup();
    let collection = |name: &str| {
        let stored = stored.iter().find(|collection| collection.name.as_str() == name);
        let readers = definitions
            .iter()
            .filter(|agent| agent.collections.iter().any(|read| read.as_str() == name));
        CollectionInfo {
            name: name.to_owned(),
            documents: stored.map_or(0, |collection| collection.documents),
            chunks: chunks.get(name).copied().unwrap_or(0),
            updated_at: stored.map(|collection| collection.updated_at),
            agents: readers.map(|agent| agent.id.clone()).collect(),
        }
    };
    Ok(HttpResponse::Ok().json(Collections {
        collections: names.into_iter().map(collection).collect(),
        has_more: false,
    }))
}

/// A document with its text, and where in it each chunk stands.
#[utoipa::path(
    get, path = "/api/knowledge/documents/{document_id}", operation_id = "getDocument", tag = "knowledge",
    params(("document_id" = Uuid, Path, description = "The document.")),
    responses((status = 200, description = "The document.", body = DocumentText), Invalid, NotFound, Busy, Unexpected)
)]
pub(crate) async fn read(site: Data<Site>, path: Path<String>) -> Result<HttpResponse, ApiError> {
    let DocumentUuid(id) = super::path_id("document_id", &path)?;
    let document = site.knowledge.document(DocumentId(id)).await;
    let document = document.map_err(|error| failed(&error))?;
    let DocumentView {
        summary,
        content,
        chunks,
    } = document.ok_or_else(|| ApiError::not_found("document"))?;
    Ok(HttpResponse::Ok().json(DocumentText {
        info: info(summary),
        content,
        chunks: chunks.into_iter().enumerate().map(place).collect(),
    }))
}

fn place((id, chunk): (usize, ChunkView)) -> ChunkPlace {
    let (start, end) = chunk.range.map(|range| (range.start, range.end)).unzip();
    ChunkPlace {
        id,
        headings: chunk.headings,
        content: chunk.text,
        start,
        end,
    }
}
