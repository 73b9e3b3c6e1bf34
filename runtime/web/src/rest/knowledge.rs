//! The knowledge base: search as agents search, and the documents themselves.

use std::{collections::BTreeMap, error::Error as _, time::Duration};

use actix_web::{
    HttpRequest, HttpResponse,
    web::{self, Data, Path, Payload, ServiceConfig},
};
use orchestratai_agents::knowledge::{
    CollectionName, DocumentFilter, DocumentId, DocumentSummary, Filter, KnowledgeError, SecondStageUse,
};
use orchestratai_shared::{DocumentChunk, ErrorCode, Invalid as InvalidValue, Timestamp};
use orchestratai_store::StoreError;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{chat::content, documents, get, page::unknown_cursor, resource, upload::Upload};
use crate::{
    body,
    error::ApiError,
    fields::{Fields, parsed, searched, text, whole},
    openapi::{BadBody, Busy, Invalid, NotFound, Unexpected},
    site::Site,
};

pub(crate) fn configure(routes: &mut ServiceConfig) {
    routes
        .service(resource("/api/knowledge/search", "POST").route(web::post().to(search)))
        .service(
            resource("/api/knowledge/documents", "GET, HEAD, POST")
                .route(get().to(list))
                .route(web::post().to(upload)),
        )
        .service(
            resource("/api/knowledge/documents/{document_id}", "GET, HEAD, DELETE")
                .route(get().to(documents::read))
                .route(web::delete().to(delete)),
        )
        .service(resource("/api/knowledge/collections", "GET, HEAD").route(get().to(documents::collections)));
}

/// What to search for.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what `Fields` reads")]
pub(crate) struct SearchRequest {
    /// The question.
    #[schema(min_length = 1, max_length = 2000, pattern = r"\S", example = "rotate an API key")]
    query: String,
    /// Only this collection; all where it is left out.
    #[schema(pattern = "^[a-z][a-z0-9_-]{0,63}$", example = "technical")]
    collection: Option<String>,
    /// Only documents whose front matter has, for every field that is named, one of the values that are named with it.
    #[schema(value_type = Option<HashMap<String, Vec<String>>>)]
    filter: Option<Value>,
    /// Chunks at most.
    #[schema(minimum = 1, maximum = 50, default = 10)]
    limit: Option<u64>,
}

/// What was found.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SearchAnswer {
    /// The chunks, best first; `metadata.scores` has what each ranker says of them.
    chunks: Vec<DocumentChunk>,
    /// What the second stage, a transformer, had to do with their order.
    second_stage: SecondStage,
    /// How long it took over the question, in milliseconds, waiting for its turn included; where it ranked.
    #[serde(skip_serializing_if = "Option::is_none")]
    second_stage_ms: Option<f64>,
    /// How long the whole search took, in milliseconds.
    took_ms: f64,
    /// Words of the question that were read as others. Left out where there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    corrections: Vec<CorrectedWord>,
}

/// What the second stage had to do with a search.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) enum SecondStage {
    /// There is none, or it has not read these chunks yet.
    Absent,
    /// The first stage was sure, so it was not asked.
    NotNeeded,
    /// It ranked what was found.
    Ranked,
    /// It was asked and did not answer in time: the order is the first stage's.
    Missed,
}

/// A word that was read as another one.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CorrectedWord {
    /// As it was written.
    from: String,
    /// As it was read.
    to: String,
}

/// A document without its text.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DocumentInfo {
    /// Its id.
    id: Uuid,
    /// The collection.
    #[schema(pattern = "^[a-z][a-z0-9_-]{0,63}$")]
    collection: String,
    /// Where it came from: the ingested folder, or `uploads`.
    root: String,
    /// Its path relative to the root; what citations name.
    path: String,
    /// Its title.
    title: String,
    /// The knowledge revision that changed it last.
    revision: u64,
    /// When it first came.
    created_at: Timestamp,
    /// When it was changed last.
    updated_at: Timestamp,
}

/// Documents, newest last.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Documents {
    /// The documents.
    documents: Vec<DocumentInfo>,
    /// Whether there are older ones.
    has_more: bool,
}

/// What became of an upload.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct UploadAnswer {
    /// The ids of the documents, in the order of the files that were taken in.
    documents: Vec<Uuid>,
    /// How many are new.
    added: usize,
    /// How many were there with another content.
    updated: usize,
    /// How many were there as they are.
    unchanged: usize,
    /// What was wrong with files.
    problems: Vec<UploadProblem>,
    /// The knowledge revision that answers are taken from now.
    revision: u64,
}

/// Something that is wrong with a file.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct UploadProblem {
    /// The file.
    path: String,
    /// What is wrong.
    reason: String,
    /// Whether it was left out; else it was taken in as far as it could be read.
    skipped: bool,
}

/// Files to take in.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what `Upload` reads")]
#[serde(deny_unknown_fields)]
pub(crate) struct UploadRequest {
    /// The collection.
    #[schema(pattern = "^[a-z][a-z0-9_-]{0,63}$", example = "technical")]
    collection: String,
    /// Markdown, text, HTML, PDF or DOCX, each with its path as filename; a file of the same path is replaced.
    #[schema(value_type = Vec<String>, format = Binary, min_items = 1, max_items = 200)]
    file: Vec<Vec<u8>>,
}

/// Searches the knowledge base as agents do.
///
/// A collection that does not exist has nothing in it.
#[utoipa::path(
    post, path = "/api/knowledge/search", operation_id = "searchKnowledge", tag = "knowledge",
    request_body = SearchRequest,
    responses((status = 200, description = "What was found.", body = SearchAnswer), BadBody, Busy, Unexpected)
)]
pub(crate) async fn search(site: Data<Site>, request: HttpRequest, payload: Payload) -> Result<HttpResponse, ApiError> {
    const LIMIT_DEFAULT: u64 = 10;
    const LIMIT_MAX: u64 = 50;
    let mut fields = body::json(&request, payload).await?;
    let query = fields.required("query", content);
    let collection: Option<CollectionName> = fields.optional("collection", parsed);
    let filter = fields.optional("filter", filter).unwrap_or_default();
    let limit = fields.optional("limit", whole(1, LIMIT_MAX)).unwrap_or(LIMIT_DEFAULT);
    let query = fields.finish(query)?;
    site.check_ready()?;
    let collections = collection.map_or_else(|| site.knowledge.collection_names(), |name| vec![name]);
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let found = site
        .knowledge
        .search_where(query.as_str(), &collections, &filter, limit)
        .await;
    let found = found.map_err(|error| failed(&error))?;
    let (second_stage, took) = match &found.second_stage {
        SecondStageUse::Absent => (SecondStage::Absent, None),
        SecondStageUse::NotNeeded => (SecondStage::NotNeeded, None),
        SecondStageUse::Ranked { took } => (SecondStage::Ranked, Some(*took)),
        SecondStageUse::Missed(_) => (SecondStage::Missed, None),
    };
    let corrections = found.corrections.iter().map(|correction| CorrectedWord {
        from: correction.written.clone(),
        to: correction.read.clone(),
    });
    Ok(HttpResponse::Ok().json(SearchAnswer {
        chunks: found.document_chunks(true),
        second_stage,
        second_stage_ms: took.map(millis),
        took_ms: millis(found.took),
        corrections: corrections.collect(),
    }))
}

/// In milliseconds, to the microsecond.
fn millis(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}

/// Fields of front matter with the values that they may have.
fn filter(value: Value) -> Result<Filter, InvalidValue> {
    let fields: BTreeMap<String, Vec<String>> = serde_json::from_value(value)
        .map_err(|_| InvalidValue::new("must be an object whose fields are lists of texts"))?;
    let fields = fields.into_iter();
    Ok(fields.fold(Filter::default(), |filter, (field, values)| {
        filter.with_field(field, values)
    }))
}

/// Takes in documents.
///
/// Each file stands for itself: one that cannot be read is named in `problems`, and the others are taken in. They are
/// durable, and answers are taken from them, when this answers.
#[utoipa::path(
    post, path = "/api/knowledge/documents", operation_id = "uploadDocuments", tag = "knowledge",
    request_body(content = UploadRequest, content_type = "multipart/form-data"),
    responses(
        (status = 201, description = "There are new documents. What became of each file.", body = UploadAnswer),
        (status = 200, description = "There is no new document: `problems` says why, or the files were there already.", body = UploadAnswer),
        BadBody, Busy, Unexpected
    )
)]
pub(crate) async fn upload(site: Data<Site>, request: HttpRequest, payload: Payload) -> Result<HttpResponse, ApiError> {
    let _place = site.take_upload_place()?;
    let Upload { collection, files } = Upload::read(&request, payload).await?;
    let report = site.knowledge.put_upload(&collection, files).await;
    let report = report.map_err(|error| failed(&error))?;
    let outcome = report.outcome;
    let served = site.knowledge.refresh().await.map_err(|error| failed(&error))?;
    if let Err(error) = site.knowledge.deepen().await {
        // They are found, if by the first stage alone.
        tracing::error!(
            error = &error as &(dyn std::error::Error + 'static),
            "the transformer cannot read new documents"
        );
    }
    let mut response = if outcome.added > 0 {
        HttpResponse::Created()
    } else {
        HttpResponse::Ok()
    };
    Ok(response.json(UploadAnswer {
        documents: outcome.ids.into_iter().map(|id| id.0).collect(),
        added: outcome.added,
        updated: outcome.updated,
        unchanged: outcome.unchanged,
        problems: report
            .problems
            .into_iter()
            .map(|problem| UploadProblem {
                path: problem.path,
                reason: problem.reason,
                skipped: problem.skipped,
            })
            .collect(),
        revision: served.revision,
    }))
}

/// The documents of one collection, or of all.
///
/// The page ends with the newest document, or with the one before `before`. With `search` it has those whose title or path holds that
/// text, without regard to case. With `path` it has the documents at that path, the one that was changed last first: where several
/// folders were ingested, each may have one there.
#[utoipa::path(
    get, path = "/api/knowledge/documents", operation_id = "listDocuments", tag = "knowledge",
    params(
        ("collection" = Option<String>, Query, description = "Only this collection.", pattern = "^[a-z][a-z0-9_-]{0,63}$"),
        ("search" = Option<String>, Query, description = "Only documents whose title or path holds this text.", max_length = 200),
        ("path" = Option<String>, Query, description = "Only documents at this path, such as a citation's `source`."),
        ("limit" = Option<u64>, Query, description = "Documents at most.", minimum = 1, maximum = 200),
        ("before" = Option<Uuid>, Query, description = "Only documents older than this one.")
    ),
    responses((status = 200, description = "A page.", body = Documents), Invalid, NotFound, Busy, Unexpected)
)]
pub(crate) async fn list(site: Data<Site>, request: HttpRequest) -> Result<HttpResponse, ApiError> {
    const LIMIT_DEFAULT: u64 = 50;
    const LIMIT_MAX: u64 = 200;
    let mut fields = Fields::of_query(
        request.query_string(),
        &["collection", "search", "path", "limit", "before"],
    );
    let collection: Option<CollectionName> = fields.optional("collection", parsed);
    let search = fields.optional("search", searched).flatten();
    let path = fields.optional("path", text);
    let limit = fields.optional("limit", whole(1, LIMIT_MAX)).unwrap_or(LIMIT_DEFAULT);
    let before = fields.optional("before", parsed).map(|DocumentUuid(id)| DocumentId(id));
    fields.finish(Some(()))?;
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    if let Some(path) = path {
        let found = site.knowledge.at_path(collection.as_ref(), &path).await;
        let mut found = found.map_err(|error| failed(&error))?;
        // One for each folder that was ingested at most: they are looked through here.
        if let Some(search) = search.map(|search| search.to_lowercase()) {
            let holds = |text: &str| text.to_lowercase().contains(&search);
            found.retain(|document| holds(&document.title) || holds(&document.path));
        }
        let has_more = found.len() > limit;
        found.truncate(limit);
        return Ok(HttpResponse::Ok().json(Documents {
            documents: found.into_iter().map(info).collect(),
            has_more,
        }));
    }
    let wanted = DocumentFilter {
        collection,
        holding: search,
    };
    let page = site.knowledge.list(&wanted, limit, before).await;
    let page = page.map_err(|error| failed(&error))?;
    Ok(HttpResponse::Ok().json(Documents {
        documents: page.items.into_iter().map(info).collect(),
        has_more: page.has_more,
    }))
}

/// Removes a document. Answers are no longer taken from it when this answers.
#[utoipa::path(
    delete, path = "/api/knowledge/documents/{document_id}", operation_id = "deleteDocument", tag = "knowledge",
    params(("document_id" = Uuid, Path, description = "The document.")),
    responses((status = 204, description = "It is removed."), Invalid, NotFound, Busy, Unexpected)
)]
pub(crate) async fn delete(site: Data<Site>, path: Path<String>) -> Result<HttpResponse, ApiError> {
    let DocumentUuid(id) = super::path_id("document_id", &path)?;
    if !site
        .knowledge
        .delete(DocumentId(id))
        .await
        .map_err(|error| failed(&error))?
    {
        return Err(ApiError::not_found("document"));
    }
    site.knowledge.refresh().await.map_err(|error| failed(&error))?;
    Ok(HttpResponse::NoContent().finish())
}

/// A document's id as text has it: in the one spelling that all ids have.
pub(super) struct DocumentUuid(pub(super) Uuid);

impl std::str::FromStr for DocumentUuid {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        text.parse::<orchestratai_shared::MessageId>().map(|id| Self(id.0))
    }
}

pub(super) fn info(summary: DocumentSummary) -> DocumentInfo {
    DocumentInfo {
        id: summary.id.0,
        collection: summary.collection.to_string(),
        root: summary.root,
        path: summary.path,
        title: summary.title,
        revision: summary.revision,
        created_at: summary.created_at,
        updated_at: summary.updated_at,
    }
}

/// What a client is told where the knowledge base fails; the log has the rest.
pub(super) fn failed(error: &KnowledgeError) -> ApiError {
    match error.source().and_then(|cause| cause.downcast_ref::<StoreError>()) {
        Some(StoreError::UnknownCursor) => unknown_cursor(),
        Some(cause) if cause.is_retryable() => {
            tracing::error!(error = %error, cause = %cause, "the documents cannot be reached");
            ApiError::new(ErrorCode::Overloaded, "The documents cannot be reached just now.")
        }
        Some(_) | None => {
            tracing::error!(error = %error, source = ?error.source(), "the knowledge base failed");
            ApiError::new(ErrorCode::InternalError, "The knowledge base failed.")
        }
    }
}
