//! The steps that show what an answer is made from.

use std::fmt::Write as _;

use orchestratai_shared::{DocumentRead, DocumentsRead, LogData, LogStatus, VectorSearch};

use super::voice::Voice;
use crate::{
    acting::Source,
    knowledge::{Correction, SearchResult},
    model::ChunkRead,
    turn::Gone,
};

/// Where chunks come from.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// They were searched for in this turn.
    Search,
    /// They had been found for an answer that is given again.
    Cache,
    /// Both.
    Both,
}

/// The `vector_search` step: what was found.
pub(super) async fn show_found(voice: &Voice<'_>, found: &SearchResult, origin: Origin) -> Result<(), Gone> {
    let count = found.chunks.len();
    let chunks = if count == 1 { "chunk" } else { "chunks" };
    let collection = found.collection_names();
    let mut title = match origin {
        Origin::Search => format!("Found {count} {chunks} in {collection}"),
        Origin::Cache => format!("From the cache: {count} {chunks} found before in {collection}"),
        Origin::Both => format!("Found {count} {chunks} in {collection}, with those of the cached answer"),
    };
    let mut status = if count == 0 {
        LogStatus::Warning
    } else {
        LogStatus::Success
    };
    if origin != Origin::Cache {
        if !found.from_conversation.is_empty() {
            let _ = write!(
                title,
                "; with “{}” of what was said before",
                found.from_conversation.join(" ")
            );
        }
        for Correction { written, read } in &found.corrections {
            let _ = write!(title, "; “{written}” read as “{read}”");
        }
        if let Some(reason) = found.second_stage.missed() {
            status = LogStatus::Warning;
            let _ = write!(title, "; ranked by the first stage alone: {reason}");
        }
    }
    let latency = match origin {
        Origin::Search | Origin::Both => found.took.as_secs_f64() * 1_000.0,
        Origin::Cache => 0.0,
    };
    let data = VectorSearch {
        collection,
        chunks_retrieved: u32::try_from(count).unwrap_or(u32::MAX),
        chunks: found.document_chunks(false),
        // To the microsecond.
        latency: (latency * 1_000.0).round() / 1_000.0,
    };
    voice.log(title, status, LogData::VectorSearch(data)).await
}

/// The steps that show again what an agent has found by itself before the turn was cut off.
pub(super) async fn show_known(voice: &Voice<'_>, found: &SearchResult, sources: &[Source]) -> Result<(), Gone> {
    let count = sources.len();
    let of = if count == 1 { "source" } else { "sources" };
    let data = VectorSearch {
        collection: found.collection_names(),
        chunks_retrieved: u32::try_from(count).unwrap_or(u32::MAX),
        chunks: sources.iter().map(Source::document_chunk).collect(),
        latency: 0.0,
    };
    let title = format!("{count} {of} that the agent had found before");
    voice
        .log(title, LogStatus::Success, LogData::VectorSearch(data))
        .await?;
    let data = DocumentsRead {
        documents: sources.iter().map(Source::document_read).collect(),
        revision: found.revision,
    };
    let title = format!("Read {count} {of} again");
    voice.log(title, LogStatus::Success, LogData::Documents(data)).await
}

/// The `documents` step: what was read, and why.
pub(super) async fn show_read(voice: &Voice<'_>, found: &SearchResult, read: &[ChunkRead]) -> Result<(), Gone> {
    let documents = documents_read(found, read);
    let (title, status) = match documents.len() {
        0 => ("Nothing that was found is near enough".to_owned(), LogStatus::Warning),
        1 => (format!("Read {}", documents[0].source), LogStatus::Success),
        count => (format!("Read {count} chunks"), LogStatus::Success),
    };
    voice
        .log(
            title,
            status,
            LogData::Documents(DocumentsRead {
                documents,
                revision: found.revision,
            }),
        )
        .await
}

/// The data of a `documents` step about these chunks.
pub(super) fn documents(found: &SearchResult, read: &[ChunkRead]) -> LogData {
    LogData::Documents(DocumentsRead {
        documents: documents_read(found, read),
        revision: found.revision,
    })
}

fn documents_read(found: &SearchResult, read: &[ChunkRead]) -> Vec<DocumentRead> {
    read.iter()
        .filter_map(|read| {
            let chunk = found.chunks.get(read.chunk as usize)?;
            Some(DocumentRead {
                chunk_id: read.chunk,
                source: chunk.chunk.origin.source.clone(),
                heading_path: chunk.chunk.heading_path(),
                similarity: chunk.scores.similarity(),
                reason: read.reason.clone(),
            })
        })
        .collect()
}
