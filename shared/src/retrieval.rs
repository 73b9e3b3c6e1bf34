//! The steps of a turn as people see them: retrieval logs.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value, value::RawValue};

use crate::{
    content::Confidence,
    id::{AgentId, LogId, MessageId, SessionId},
    time::Timestamp,
};

/// How an agent finds what it answers from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub enum RetrievalStrategy {
    /// Retrieve, then answer.
    #[serde(rename = "Pure RAG")]
    PureRag,
    /// Ask the semantic cache first; on a miss retrieve, answer and store.
    #[serde(rename = "Pure CAG")]
    PureCag,
    /// Cache and retrieval at once, put together.
    #[serde(rename = "Hybrid RAG/CAG")]
    Hybrid,
}

/// What a message wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Intent {
    /// A question about the assistant itself.
    MetaQuestion,
    /// A greeting, thanks, small talk.
    SimpleChat,
    /// A question about prices, invoices, payment.
    PricingQuestion,
    /// A question about rules, rights and obligations.
    PolicyQuestion,
    /// A question about the subject of a specialist.
    DomainQuestion,
    /// A question with several parts or steps.
    ComplexQuestion,
}

/// The kind of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum LogType {
    /// Who answers, and why; also a step down and an attempt after an interruption.
    Routing,
    /// What was found.
    VectorSearch,
    /// What the semantic cache said.
    Cache,
    /// What was read, and why.
    Documents,
}

/// How a step went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum LogStatus {
    /// As intended.
    Success,
    /// Something was missing, and the turn went on another way.
    Warning,
    /// It failed.
    Error,
}

/// Why an agent was chosen: the data of a `routing` step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct QueryAnalysis {
    /// What the message wants.
    pub intent: Intent,
    /// How sure the decision is.
    pub confidence: Confidence,
    /// Who answers.
    pub target_agent: AgentId,
    /// The reason, for people.
    pub reasoning: String,
    /// Which attempt at the turn this is, from 2; left out at the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub attempt: Option<u32>,
}

/// A part of a document that retrieval found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct DocumentChunk {
    /// Its rank in this result, from 0. Where several agents answer one message, ranks go on from one result of the turn to the
    /// next, so that an id names one chunk in the turn.
    pub id: u32,
    /// Its text.
    pub content: String,
    /// How near it is to the question, 0 to 1.
    #[schema(minimum = 0.0, maximum = 1.0)]
    pub similarity: f64,
    /// The document's path relative to the ingested folder, without fragment.
    pub source: String,
    /// Title, heading path, collection, front matter and, in a search, the score of each ranker.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional, type = "Record<string, unknown>"))]
    #[schema(value_type = Option<Object>)]
    pub metadata: Option<ChunkMetadata>,
}

/// What is known of a chunk beside its text: a JSON object, kept as text. It is written once, most often with a step of a turn, and
/// nobody between there and the client looks into it.
#[derive(Debug, Clone, Serialize)]
#[serde(transparent)]
pub struct ChunkMetadata(Box<RawValue>);

impl ChunkMetadata {
    /// Writes it.
    ///
    /// # Errors
    /// Where `value` cannot be written as JSON, or is not an object there.
    pub fn new(value: &impl Serialize) -> Result<Self, serde_json::Error> {
        let text = serde_json::value::to_raw_value(value)?;
        if text.get().starts_with('{') {
            Ok(Self(text))
        } else {
            Err(serde::de::Error::custom("the metadata of a chunk is an object"))
        }
    }

    /// The object's text.
    #[must_use]
    pub fn text(&self) -> &str {
        self.0.get()
    }
}

impl PartialEq for ChunkMetadata {
    fn eq(&self, other: &Self) -> bool {
        self.text() == other.text()
    }
}

impl<'de> Deserialize<'de> for ChunkMetadata {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Not as it stands: within a tagged enum there is no text any more.
        let object = Map::<String, Value>::deserialize(deserializer)?;
        Self::new(&object).map_err(serde::de::Error::custom)
    }
}

/// What was found: the data of a `vector_search` step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct VectorSearch {
    /// The collection, or several joined by commas.
    pub collection: String,
    /// How many chunks were found.
    pub chunks_retrieved: u32,
    /// The chunks, best first.
    pub chunks: Vec<DocumentChunk>,
    /// How long it took, in milliseconds.
    pub latency: f64,
}

/// What the semantic cache said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum CacheOutcome {
    /// It had an answer that may be given again.
    Hit,
    /// It had none.
    Miss,
}

/// The data of a `cache` step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct CacheLookup {
    /// Hit or miss.
    pub status: CacheOutcome,
    /// Hits among all look-ups so far, 0 to 1.
    pub hit_rate: f64,
    /// Entries in the cache.
    #[cfg_attr(test, ts(type = "number"))]
    pub size: u64,
    /// Why it was a hit or a miss, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub reason: Option<String>,
    /// Cosine similarity of the nearest entry, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub similarity: Option<f64>,
}

/// One chunk that an answer was taken from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct DocumentRead {
    /// Its rank in the turn's `vector_search` result, from 0.
    pub chunk_id: u32,
    /// The document's path relative to the ingested folder.
    pub source: String,
    /// Title and headings above the chunk, outermost first.
    pub heading_path: Vec<String>,
    /// How near it is to the question, 0 to 1.
    pub similarity: f64,
    /// Why it was read, for people.
    pub reason: String,
}

/// The data of a `documents` step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct DocumentsRead {
    /// What was read, in the order of reading; empty where nothing found was near enough.
    pub documents: Vec<DocumentRead>,
    /// The knowledge revision that was read.
    #[cfg_attr(test, ts(type = "number"))]
    pub revision: u64,
}

/// The data of a step, by its kind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(tag = "type", content = "data", rename_all = "snake_case")]
pub enum LogData {
    /// Who answers, and why.
    Routing(QueryAnalysis),
    /// What was found.
    VectorSearch(VectorSearch),
    /// What the semantic cache said.
    Cache(CacheLookup),
    /// What was read.
    Documents(DocumentsRead),
}

impl LogData {
    /// The kind of step that this is the data of.
    #[must_use]
    pub fn kind(&self) -> LogType {
        match self {
            Self::Routing(_) => LogType::Routing,
            Self::VectorSearch(_) => LogType::VectorSearch,
            Self::Cache(_) => LogType::Cache,
            Self::Documents(_) => LogType::Documents,
        }
    }
}

/// One step of a turn.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct RetrievalLog {
    /// Its id.
    pub id: LogId,
    /// Its kind and data: `type` and `data` on the wire.
    #[serde(flatten)]
    pub data: LogData,
    /// What happened, in a few words.
    pub title: String,
    /// When it happened.
    pub timestamp: Timestamp,
    /// How it went.
    pub status: LogStatus,
    /// The chunks that the step is about, where they are not already in `data`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub chunks: Option<Vec<DocumentChunk>>,
    /// The session it belongs to.
    pub session_id: SessionId,
    /// The user's message that the step helps to answer.
    pub message_id: MessageId,
    /// Who took the step, where several agents answer one message; left out where one does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub agent: Option<AgentId>,
}
