//! The built-in tool by which an agent searches its own collections with a query of its own.

use orchestratai_shared::{DocumentRead, DocumentsRead, LogData, LogStatus, VectorSearch};
use serde_json::{Value, json};

use super::sources::Found;
use crate::{
    knowledge::{CollectionName, Filter, Knowledge, SearchResult},
    language::ToolOffer,
    tool::ToolError,
    turn::{Payer, Step},
};

/// The name of the tool.
pub const SEARCH_KNOWLEDGE: &str = "search_knowledge";
/// Characters of a query.
const QUERY_CHARACTERS_MAX: usize = 1_000;
/// Chunks that a search gives where the model says nothing of that.
const LIMIT: u64 = 5;
/// Chunks that a search gives at most.
const LIMIT_MAX: u64 = 10;

/// What an agent may search.
#[derive(Clone)]
pub struct KnowledgeSearch {
    knowledge: Knowledge,
    collections: Vec<CollectionName>,
    filter: Filter,
    offer: ToolOffer,
}

/// What the model wants searched.
struct Wanted<'a> {
    query: &'a str,
    limit: usize,
}

impl KnowledgeSearch {
    /// Searches these collections, in what `filter` admits.
    #[must_use]
    pub fn new(knowledge: Knowledge, collections: Vec<CollectionName>, filter: Filter) -> Self {
        let offer = ToolOffer {
            name: SEARCH_KNOWLEDGE.into(),
            description: "Searches the documents with a query of your own, where the sources that you were given do not answer the \
                          question or a part of it. What it finds are sources with numbers, to be cited like the others."
                .into(),
            parameters: json!({
                "type": "object",
                "properties": {
                    "query": {"type": "string", "description": "What to look for: a question or words, complete in itself."},
                    "limit": {"type": "integer", "minimum": 1, "maximum": LIMIT_MAX, "description": "How many sources at most; 5 without it."},
                },
                "required": ["query"],
                "additionalProperties": false,
            }),
        };
        Self {
            knowledge,
            collections,
            filter,
            offer,
        }
    }

    pub(super) fn offer(&self) -> &ToolOffer {
        &self.offer
    }

    pub(super) fn check(arguments: &Value) -> Result<(), ToolError> {
        wanted(arguments).map(|_| ())
    }

    /// Searches; `payer` pays for what a provider takes for it.
    pub(super) async fn search(&self, arguments: &Value, payer: &Payer<'_>) -> Result<SearchResult, ToolError> {
        let Wanted { query, limit } = wanted(arguments)?;
        let search = (self.knowledge).search_paid_by(Some(payer), query, &self.collections, &self.filter, limit);
        search.await.map_err(|error| {
            let error: &dyn std::error::Error = &error;
            tracing::warn!(error, "an agent's own search failed");
            ToolError::NotMade("the knowledge base cannot be searched".into())
        })
    }
}

fn wanted(arguments: &Value) -> Result<Wanted<'_>, ToolError> {
    let wrong = |what: &str| ToolError::Arguments(what.into());
    let query = arguments.get("query").and_then(Value::as_str).map(str::trim);
    let query = query.filter(|query| !query.is_empty() && query.chars().count() <= QUERY_CHARACTERS_MAX);
    let query = query.ok_or_else(|| wrong("`query` must be a text of 1 to 1000 characters"))?;
    let limit = match arguments.get("limit") {
        None | Some(Value::Null) => Some(LIMIT),
        Some(limit) => limit.as_u64().filter(|limit| (1..=LIMIT_MAX).contains(limit)),
    };
    let limit = limit.and_then(|limit| usize::try_from(limit).ok());
    let limit = limit.ok_or_else(|| wrong("`limit` must be a whole number from 1 to 10"))?;
    Ok(Wanted { query, limit })
}

/// The steps that show what was found, as for any other search; `numbers` are those of its chunks.
pub(super) fn steps(query: &str, result: &SearchResult, numbers: &[u32], found: &Found) -> Vec<Step> {
    let count = result.chunks.len();
    let of = if count == 1 { "chunk" } else { "chunks" };
    let collection = result.collection_names();
    let ids = numbers.iter().map(|number| number - 1);
    let chunks = ids.zip(&result.chunks);
    let mut title = format!("Found {count} {of} in {collection} for “{query}”, which the agent has searched for");
    let missed = result.second_stage.missed();
    if let Some(reason) = missed {
        title += &format!("; ranked by the first stage alone: {reason}");
    }
    let mut steps = vec![Step::Log {
        agent: None,
        title,
        status: if count == 0 || missed.is_some() {
            LogStatus::Warning
        } else {
            LogStatus::Success
        },
        data: LogData::VectorSearch(VectorSearch {
            collection,
            chunks_retrieved: u32::try_from(count).unwrap_or(u32::MAX),
            chunks: chunks
                .clone()
                .map(|(id, chunk)| chunk.document_chunk(id, false))
                .collect(),
            // To the microsecond.
            latency: (result.took.as_secs_f64() * 1_000_000.0).round() / 1_000.0,
        }),
    }];
    let is_new = |id: u32| found.sources.iter().any(|source| source.number == id + 1);
    let documents: Vec<DocumentRead> = chunks
        .filter(|(id, _)| is_new(*id))
        .map(|(id, chunk)| DocumentRead {
            chunk_id: id,
            source: chunk.chunk.origin.source.clone(),
            heading_path: chunk.chunk.heading_path(),
            similarity: chunk.scores.similarity(),
            reason: format!("The agent has searched for it. It is source {}.", id + 1),
        })
        .collect();
    if !documents.is_empty() {
        steps.push(Step::Log {
            agent: None,
            title: match documents.as_slice() {
                [one] => format!("Read {}", one.source),
                several => format!("Read {} chunks", several.len()),
            },
            status: LogStatus::Success,
            data: LogData::Documents(DocumentsRead {
                documents,
                revision: result.revision,
            }),
        });
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_a_text_and_a_limit_a_small_number() {
        for arguments in [
            json!({"query": "keys"}),
            json!({"query": " keys ", "limit": 10}),
            json!({"query": "k", "limit": null}),
        ] {
            assert!(KnowledgeSearch::check(&arguments).is_ok(), "{arguments}");
        }
        assert_eq!(wanted(&json!({"query": " keys "})).unwrap().query, "keys");
        for (arguments, said) in [
            (json!({}), "`query`"),
            (json!({"query": "  "}), "`query`"),
            (json!({"query": 7}), "`query`"),
            (json!({"query": "x".repeat(1_001)}), "`query`"),
            (json!({"query": "keys", "limit": 0}), "`limit`"),
            (json!({"query": "keys", "limit": 2.5}), "`limit`"),
            (json!("keys"), "`query`"),
        ] {
            let error = KnowledgeSearch::check(&arguments).unwrap_err();
            assert!(error.to_string().contains(said), "{arguments}: {error}");
        }
    }
}
