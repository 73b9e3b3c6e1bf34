//! Search: every chunk of the chosen collections is scored by cosine and BM25, fused on one absolute scale.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use orchestratai_shared::DocumentChunk;
use serde_json::{Map, Value, json};

use super::{
    CollectionName, KnowledgeError,
    chunk::Chunk,
    index::{CollectionIndex, full_text},
    lexical::Lexical,
};
use crate::{
    embedder::{Embedder, cosine},
    words::{distinct_words, word_number},
};

/// Weight of BM25 in the fused score.
const LEXICAL_WEIGHT: f32 = 0.5;
/// The fused score at which a chunk is as likely to answer as not, and how quickly that changes around it. Set by hand
/// between the best scores of questions with and without an answer (`tests/it/questions.rs`), not fitted.
const SIMILARITY_MIDDLE: f32 = 0.62;
const SIMILARITY_WIDTH: f32 = 0.11;

/// What a search found.
#[derive(Debug, Clone)]
pub struct SearchResult {
    /// The chunks, best first.
    pub chunks: Vec<FoundChunk>,
    /// The collections that were searched.
    pub collections: Vec<CollectionName>,
    /// The knowledge revision that was searched.
    pub revision: u64,
    /// How long it took.
    pub took: Duration,
    pub(crate) query: Arc<Query>,
}

/// A chunk that was found.
#[derive(Debug, Clone)]
pub struct FoundChunk {
    /// The chunk.
    pub chunk: Arc<Chunk>,
    /// What each ranker says of it.
    pub scores: Scores,
}

/// What each ranker says of a chunk.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scores {
    /// Cosine of the embeddings of question and chunk, -1 to 1.
    pub cosine: f32,
    /// BM25 of the question's words, 0 or more.
    pub bm25: f32,
    /// The largest BM25 that the question can reach in this collection.
    pub bm25_reachable: f32,
    /// `cosine + 0.5 * bm25 / bm25_reachable`; chunks are ranked by it.
    pub fused: f32,
}

impl Scores {
    /// How near the chunk is to the question, 0 to 1: a logistic function of the fused score, so that it ranks the same,
    /// 0.5 where a chunk is as likely to answer as not.
    #[must_use]
    pub fn similarity(&self) -> f64 {
        let steps = f64::from((self.fused - SIMILARITY_MIDDLE) / SIMILARITY_WIDTH);
        // Three places: more would pretend to know more, and lengthen every event.
        ((1.0 / (1.0 + (-steps).exp())) * 1_000.0).round() / 1_000.0
    }
}

/// A question as search and models see it.
#[derive(Debug, PartialEq)]
pub(crate) struct Query {
    /// Of unit length, or all 0.
    pub(crate) vector: Vec<f32>,
    /// The numbers of its words that the knowledge base knows, with their inverse document frequency.
    pub(crate) words: Vec<(u32, f32)>,
    /// How many of its words the knowledge base does not know.
    pub(crate) unknown_words: usize,
}

/// Fuses a cosine and a BM25 score into one on an absolute scale: `cosine + weight * bm25 / reachable`. `cosine` in
/// -1..=1; `bm25` and `reachable` (the largest score that the question can reach) in the index's own unit, 0 or more.
/// Gives `cosine` where the question has no known word.
fn fused_score(cosine: f32, bm25: f32, reachable: f32, weight: f32) -> f32 {
    if reachable > 0.0 {
        cosine + weight * bm25 / reachable
    } else {
        cosine
    }
}

/// Searches collections; `limit` chunks at most, best first.
///
/// # Errors
/// [`KnowledgeError::FullText`] where the full-text index fails.
pub(crate) fn search(
    indexes: &[Arc<CollectionIndex>],
    question: &str,
    limit: usize,
    embedder: &Embedder,
    revision: u64,
) -> Result<SearchResult, KnowledgeError> {
    let began = Instant::now();
    let vector = embedder.embed(question);
    let words = distinct_words(question);
    let mut known: Vec<Option<f32>> = vec![None; words.len()];
    let mut best: Vec<(usize, usize, Scores)> = Vec::new();
    for (at, index) in indexes.iter().enumerate() {
        let mut bm25 = vec![0.0_f32; index.chunks.len()];
        let mut idf_sum = 0.0;
        for (word, known) in words.iter().zip(&mut known) {
            if let Some(word) = index.lexical.word(word).map_err(full_text(&index.collection))? {
                idf_sum += word.idf;
                *known = Some(known.map_or(word.idf, |idf| idf.max(word.idf)));
                index.lexical.add_scores(word, &mut bm25);
            }
        }
        let reachable = Lexical::reachable(idf_sum);
        for (chunk, &bm25) in bm25.iter().enumerate() {
            if index.folded[chunk].is_some() {
                continue;
            }
            let cosine = cosine(index.vector(chunk), &vector);
            let fused = fused_score(cosine, bm25, reachable, LEXICAL_WEIGHT);
            let is_full = best.len() == limit;
            if is_full && best.last().is_none_or(|(_, _, worst)| fused <= worst.fused) {
                continue;
            }
            // An insertion into a short sorted list; equal scores keep the order of the index.
            let place = best.partition_point(|(_, _, other)| other.fused >= fused);
            if is_full {
                best.pop();
            }
            best.insert(
                place,
                (
                    at,
                    chunk,
                    Scores {
                        cosine,
                        bm25,
                        bm25_reachable: reachable,
                        fused,
                    },
                ),
            );
        }
    }
    // A text without any known word or word piece resembles nothing, whatever comes first.
    best.retain(|(_, _, scores)| scores.fused > 0.0);
    let chunks = best
        .into_iter()
        .map(|(at, chunk, scores)| FoundChunk {
            chunk: Arc::clone(&indexes[at].chunks[chunk]),
            scores,
        })
        .collect();
    let query = Query {
        vector,
        unknown_words: known.iter().filter(|idf| idf.is_none()).count(),
        words: words
            .iter()
            .zip(&known)
            .filter_map(|(word, idf)| Some((word_number(word), (*idf)?)))
            .collect(),
    };
    Ok(SearchResult {
        chunks,
        collections: indexes.iter().map(|index| index.collection.clone()).collect(),
        revision,
        took: began.elapsed(),
        query: Arc::new(query),
    })
}

impl SearchResult {
    /// The chunks as clients see them; `id` is the rank. With `scores`, the metadata has what each ranker says.
    #[must_use]
    pub fn document_chunks(&self, scores: bool) -> Vec<DocumentChunk> {
        (0_u32..)
            .zip(&self.chunks)
            .map(|(rank, found)| found.document_chunk(rank, scores))
            .collect()
    }

    /// The names of the collections, joined by commas.
    #[must_use]
    pub fn collection_names(&self) -> String {
        self.collections
            .iter()
            .map(CollectionName::as_str)
            .collect::<Vec<_>>()
            .join(",")
    }
}

impl FoundChunk {
    /// The chunk as clients see it; `rank` from 0.
    #[must_use]
    pub fn document_chunk(&self, rank: u32, with_scores: bool) -> DocumentChunk {
        let origin = &self.chunk.origin;
        let mut metadata = Map::new();
        metadata.insert("title".into(), Value::from(origin.title.clone()));
        metadata.insert("headings".into(), Value::from(self.chunk.headings.clone()));
        metadata.insert("collection".into(), Value::from(origin.collection.as_str()));
        metadata.insert("documentId".into(), Value::from(origin.document_id.0.to_string()));
        if with_scores {
            let Scores {
                cosine,
                bm25,
                bm25_reachable,
                fused,
            } = self.scores;
            metadata.insert(
                "scores".into(),
                json!({"cosine": cosine, "bm25": bm25, "bm25Reachable": bm25_reachable, "fused": fused}),
            );
            if !origin.front_matter.is_empty() {
                metadata.insert("frontMatter".into(), Value::Object(origin.front_matter.clone()));
            }
        }
        DocumentChunk {
            id: rank,
            content: self.chunk.text.to_string(),
            similarity: self.scores.similarity(),
            source: origin.source.clone(),
            metadata: Some(metadata),
        }
    }
}
