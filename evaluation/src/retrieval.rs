//! Whether the passages that answer are found, and how far up.

use std::{collections::HashSet, sync::Arc};

use orchestratai_agents::{
    conversation::standalone,
    knowledge::{AskSecondStage, CollectionName, FoundChunk, Knowledge, KnowledgeError, SecondStageUse},
};
use orchestratai_shared::{Message, MessageId, MessageRole, SessionId, Timestamp};

use crate::{Gold, Question, QuestionKind};

/// How the chunks that were found are ranked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ranker {
    /// As agents get them.
    Fused,
    /// By the embeddings alone.
    Vectors,
    /// By the words alone.
    Bm25,
    /// As agents get them where there is no second stage.
    FirstStage,
    /// By the transformer alone, asked for every question.
    Transformer,
}

/// Where the passages of one question stand among all chunks.
#[derive(Debug, Clone)]
pub struct Ranked<'a> {
    /// The question.
    pub question: &'a Question,
    /// The rank of each of its passages, from 1.
    pub ranks: Vec<Option<usize>>,
    /// The rank of the document of each of its passages among the distinct documents, from 1.
    pub document_ranks: Vec<Option<usize>>,
    /// Whether the transformer was asked.
    pub asked_transformer: bool,
}

/// Where is searched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// In all collections at once.
    All,
    /// In the collection that has the first of the passages, as the agent does who reads it.
    Own,
}

/// Ranks the chunks of each question that has an answer.
///
/// # Errors
/// [`KnowledgeError`] where the index fails.
pub async fn rank<'a>(
    knowledge: &Knowledge,
    questions: &'a [Question],
    ranker: Ranker,
    scope: Scope,
) -> Result<Vec<Ranked<'a>>, KnowledgeError> {
    let collections = knowledge.collection_names();
    let mut ranked = Vec::new();
    for question in questions
        .iter()
        .filter(|question| question.kind != QuestionKind::Unanswerable)
    {
        let own: Vec<CollectionName> = match scope {
            Scope::All => collections.clone(),
            Scope::Own => own_collections(question),
        };
        let ask = match ranker {
            Ranker::Transformer => AskSecondStage::Always,
            Ranker::FirstStage => AskSecondStage::Never,
            Ranker::Fused | Ranker::Vectors | Ranker::Bm25 => AskSecondStage::WhereUnsure,
        };
        // As a turn asks: after what its user said before.
        let standalone = standalone(&question.question, &conversation(&question.after));
        let asked = standalone.map_or_else(|| question.question.clone(), |standalone| standalone.text);
        let found = knowledge.search_as(&asked, &own, usize::MAX, ask).await?;
        let mut chunks = found.chunks;
        let score = |chunk: &FoundChunk| match ranker {
            Ranker::Fused | Ranker::FirstStage => chunk.scores.fused,
            Ranker::Vectors => chunk.scores.cosine,
            Ranker::Bm25 => chunk.scores.bm25,
            Ranker::Transformer => chunk.scores.transformer.unwrap_or(f32::NEG_INFINITY),
        };
        // Stable: of equals the one that agents would get first stands first.
        chunks.sort_by(|a, b| score(b).total_cmp(&score(a)));
        let place = |gold: &Gold| chunks.iter().position(|chunk| is_of(chunk, gold)).map(|at| at + 1);
        let documents = distinct_documents(&chunks);
        let place_of_document = |gold: &Gold| {
            documents
                .iter()
                .position(|chunk| is_of_document(chunk, gold))
                .map(|at| at + 1)
        };
        ranked.push(Ranked {
            question,
            asked_transformer: matches!(found.second_stage, SecondStageUse::Ranked { .. }),
            ranks: question.gold.iter().map(place).collect(),
            document_ranks: question.gold.iter().map(place_of_document).collect(),
        });
    }
    Ok(ranked)
}

/// What the user said before, as messages; what was answered is not known.
fn conversation(after: &[String]) -> Vec<Arc<Message>> {
    let session_id = SessionId::new();
    let said = |content: &String| {
        Arc::new(Message {
            id: MessageId::new(),
            role: MessageRole::User,
            content: content.clone(),
            agent: None,
            confidence: None,
            timestamp: Timestamp::now(),
            session_id,
        })
    };
    after.iter().map(said).collect()
}

fn own_collections(question: &Question) -> Vec<CollectionName> {
    let first = question.gold.first().and_then(|gold| gold.source.split_once('/'));
    first
        .and_then(|(collection, _)| CollectionName::parse(collection).ok())
        .into_iter()
        .collect()
}

/// The first chunk of each document, in the order of the ranking.
fn distinct_documents(chunks: &[FoundChunk]) -> Vec<&FoundChunk> {
    let mut seen = HashSet::new();
    let is_new = |found: &&FoundChunk| seen.insert(found.chunk.origin.document_id);
    chunks.iter().filter(is_new).collect()
}

fn is_of_document(found: &FoundChunk, gold: &Gold) -> bool {
    let origin = &found.chunk.origin;
    gold.source
        .split_once('/')
        .is_some_and(|(collection, path)| collection == origin.collection.as_str() && path == origin.source)
}

fn is_of(found: &FoundChunk, gold: &Gold) -> bool {
    is_of_document(found, gold)
        && found
            .chunk
            .heading_path()
            .last()
            .is_some_and(|heading| *heading == gold.heading)
}

impl Ranked<'_> {
    /// The share of what is needed among the first `depth` chunks.
    #[must_use]
    pub fn recall(&self, depth: usize) -> f64 {
        self.share_within(&self.ranks, depth)
    }

    /// The share of the documents that are needed among the first `depth` distinct ones.
    #[must_use]
    pub fn document_recall(&self, depth: usize) -> f64 {
        self.share_within(&self.document_ranks, depth)
    }

    /// One by the rank of the first passage, 0 below `depth`.
    #[must_use]
    pub fn reciprocal_rank(&self, depth: usize) -> f64 {
        reciprocal(&self.ranks, depth)
    }

    /// One by the rank of the first document among the distinct ones, 0 below `depth`.
    #[must_use]
    pub fn document_reciprocal_rank(&self, depth: usize) -> f64 {
        reciprocal(&self.document_ranks, depth)
    }

    fn share_within(&self, ranks: &[Option<usize>], depth: usize) -> f64 {
        let within = |rank: &&Option<usize>| rank.is_some_and(|rank| rank <= depth);
        let (found, needed) = (ranks.iter().filter(within).count(), ranks.len());
        if self.question.any || needed == 1 {
            return f64::from(u8::from(found > 0));
        }
        #[expect(clippy::cast_precision_loss, reason = "a question has a handful of passages")]
        let share = found as f64 / needed.max(1) as f64;
        share
    }
}

fn reciprocal(ranks: &[Option<usize>], depth: usize) -> f64 {
    let first = ranks.iter().flatten().min().filter(|rank| **rank <= depth);
    #[expect(clippy::cast_precision_loss, reason = "ranks are small")]
    let reciprocal = first.map_or(0.0, |rank| 1.0 / *rank as f64);
    reciprocal
}
