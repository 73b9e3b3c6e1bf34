//! Search in two stages.
//!
//! The first scores every chunk by the cosine of its static embedding and by BM25, and the best of them once more by the
//! cosine of their nearest passage, since a sentence may answer a question that its section as a whole is far from, by how much
//! of the question their words say, be it in related ones, and by the best chunk of their document, which is about the same. Where the
//! best are close together, the second stage asks a transformer, and ranks the best hundred by what it says. Where a provider's model stands
//! in its place, that is asked for every question and ranks all chunks: what the static table does not understand is found as well.

use std::{sync::Arc, time::Duration};

use orchestratai_shared::{ChunkMetadata, DocumentChunk};
use serde::Serialize;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::{
    CollectionName, KnowledgeError,
    cascade::{Asked, SecondStageUse},
    chunk::Chunk,
    filter::Filter,
    index::{ByChunk, CollectionIndex, full_text},
    lexical::{self, KnownWord, Lexical},
    ranking::{Pooled, Ranking, Rough, insert, sort},
    resemblance::{Resemblance, raise},
    scores::{FIRST, ROUGH, ROUGH_SECOND, SECOND, Scores, Weights},
    spelling::{self, Correction},
};
use crate::{
    embedder::{QuantisedVector, StaticEmbedder},
    words::{distinct_words, word_number},
};

/// Chunks that the second stage ranks.
const POOL: usize = 100;
/// Chunks whose passages are read. In the collection of the agent who is asked the first stage then has the passage among the first five
/// for 0.88 of the questions to develop on; of 16 chunks for 0.85.
const READ: usize = 24;
/// The first stage is sure where the third chunk lies this far behind the first: so it asks the transformer for 45 of 100 of
/// the questions to develop on, and the next ten would gain half a point of recall.
const SURE_LEAD: f32 = 0.085;
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
    /// What the second stage had to do with it.
    pub second_stage: SecondStageUse,
    /// The words that were read as others.
    pub corrections: Vec<Correction>,
    /// Words that were added to the question, since it leans on what was said before.
    pub from_conversation: Vec<String>,
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

/// A question as search and models see it.
#[derive(Debug, PartialEq)]
pub(crate) struct Query {
    /// Of unit length, or all 0.
    pub(crate) vector: QuantisedVector,
    /// The numbers of its words that the knowledge base knows, with their inverse document frequency.
    pub(crate) words: Vec<(u32, f32)>,
    /// How many of its words the knowledge base does not know.
    pub(crate) unknown_words: usize,
    /// The share of it that all chunks say together whose passages were read, 0 to 1: what is left is nowhere near.
    pub(crate) said: f32,
}

/// A search under way.
pub(super) struct Search {
    indexes: Vec<Arc<CollectionIndex>>,
    question: String,
    corrections: Vec<Correction>,
    filter: Filter,
    limit: usize,
    embedder: Arc<StaticEmbedder>,
    query: Query,
    /// What the first stage says of all chunks, in the order of the indexes.
    rankings: Vec<Ranking>,
    /// The best chunks, best first.
    pool: Vec<Pooled>,
    /// For each word of the question, how near the nearest word of the chunks comes whose passages were read.
    nearest_words: Vec<f32>,
}

impl Search {
    pub(super) fn new(
        indexes: Vec<Arc<CollectionIndex>>,
        question: &str,
        filter: &Filter,
        limit: usize,
        embedder: Arc<StaticEmbedder>,
    ) -> Self {
        let vocabularies: Vec<_> = indexes.iter().map(|index| &index.vocabulary).collect();
        let (question, corrections) = spelling::correct(question, &vocabularies, &embedder);
        let query = Query {
            vector: QuantisedVector::new(&embedder.embed(&question)),
            words: Vec::new(),
            unknown_words: 0,
            said: 0.0,
        };
        Self {
            indexes,
            question,
            corrections,
            filter: filter.clone(),
            limit,
            embedder,
            query,
            rankings: Vec::new(),
            pool: Vec::new(),
            nearest_words: Vec::new(),
        }
    }

    pub(super) fn indexes(&self) -> &[Arc<CollectionIndex>] {
        &self.indexes
    }

    /// How many chunks there are to be searched.
    pub(super) fn chunks(&self) -> usize {
        self.indexes.iter().map(|index| index.chunks.len()).sum()
    }

    /// The question, its spelling corrected.
    pub(super) fn question(&self) -> &str {
        &self.question
    }

    /// Scores every chunk, and the best of them by their passages.
    ///
    /// # Errors
    /// [`KnowledgeError::FullText`] where the full-text index fails.
    pub(super) fn first_stage(&mut self) -> Result<(), KnowledgeError> {
        let words = distinct_words(&self.question);
        let mut known: Vec<Vec<Option<KnownWord>>> = Vec::with_capacity(self.indexes.len());
        for index in &self.indexes {
            let known_here: tantivy::Result<_> = words.iter().map(|word| index.lexical.word(word)).collect();
            known.push(known_here.map_err(full_text(&index.collection))?);
        }
        // What a word says is asked of all collections together, so that their scores compare.
        let chunks: u64 = self.indexes.iter().map(|index| index.lexical.len()).sum();
        let idf: Vec<Option<f32>> = (0..words.len())
            .map(|word| {
                let with = known.iter().filter_map(|known| known[word].as_ref());
                let with: u64 = with.map(|word| word.chunks).sum();
                (with > 0).then(|| lexical::inverse_document_frequency(chunks, with))
            })
            .collect();
        let bm25_reachable = Lexical::reachable(idf.iter().flatten().sum());
        let size = POOL.max(self.limit);
        let mut rough: Vec<Rough> = Vec::new();
        let mut rankings: Vec<Ranking> = Vec::with_capacity(self.indexes.len());
        for ((at, index), known) in self.indexes.iter().enumerate().zip(known) {
            let mut bm25 = vec![0.0_f32; index.chunks.len()];
            for (word, idf) in known.into_iter().zip(&idf) {
                if let (Some(word), Some(idf)) = (word, idf) {
                    index.lexical.add_scores(word, *idf, &mut bm25);
                }
            }
            let cosines = index.vectors.cosines(&self.query.vector);
            let ranking = Ranking {
                cosines,
                bm25,
                bm25_reachable,
            };
            for chunk in 0..index.chunks.len() {
                if self.filter.admits_chunk(index, chunk) {
                    let fused = ranking.scores(index, chunk).fused;
                    insert(
                        &mut rough,
                        size,
                        Rough {
                            index: at,
                            chunk,
                            fused,
                        },
                    );
                }
            }
            rankings.push(ranking);
        }
        let pooled = rough.into_iter().map(|Rough { index, chunk, .. }| Pooled {
            index,
            chunk,
            scores: rankings[index].scores(&self.indexes[index], chunk),
        });
        self.pool = pooled.collect();
        self.rankings = rankings;
        self.query.unknown_words = idf.iter().filter(|idf| idf.is_none()).count();
        let words = words.iter().zip(&idf);
        self.query.words = words
            .filter_map(|(word, idf)| Some((word_number(word), (*idf)?)))
            .collect();
        self.score_documents();
        self.read_passages(&FIRST);
        Ok(())
    }

    /// Whether the first stage is sure of its order, or that there is nothing.
    pub(super) fn is_sure(&self) -> bool {
        let fused = |at: usize| self.pool.get(at).map(|pooled| pooled.scores.fused);
        match (fused(0), fused(2)) {
            (Some(first), Some(third)) => first <= 0.0 || first - third >= SURE_LEAD,
            _ => true,
        }
    }

    /// Ranks the pool anew by what the second stage says of the question.
    pub(super) fn second_stage(&mut self, asked: &Asked) {
        let vectors = self.vectors_by(asked);
        for pooled in &mut self.pool {
            let of_chunk = self.indexes[pooled.index].shown_as(pooled.chunk);
            pooled.scores.transformer = cosine(asked, vectors[pooled.index].as_deref(), of_chunk);
            pooled.scores.fused = ROUGH_SECOND.fuse(&pooled.scores);
        }
        sort(&mut self.pool);
        self.read_passages(&SECOND);
    }

    /// Ranks all chunks by what the second stage says of the question; what is not in the pool yet may come into it.
    pub(super) fn second_stage_of_all(&mut self, asked: &Asked) {
        let size = POOL.max(self.limit);
        let vectors = self.vectors_by(asked);
        let mut rough: Vec<Rough> = Vec::new();
        let scored = |index: usize, chunk: usize| {
            let mut scores = self.rankings[index].scores(&self.indexes[index], chunk);
            let of_chunk = self.indexes[index].shown_as(chunk);
            scores.transformer = cosine(asked, vectors[index].as_deref(), of_chunk);
            scores.fused = ROUGH_SECOND.fuse(&scores);
            scores
        };
        for (at, index) in self.indexes.iter().enumerate() {
            for chunk in 0..index.chunks.len() {
                if self.filter.admits_chunk(index, chunk) {
                    let fused = scored(at, chunk).fused;
                    let one = Rough {
                        index: at,
                        chunk,
                        fused,
                    };
                    insert(&mut rough, size, one);
                }
            }
        }
        let pooled = rough.into_iter().map(|Rough { index, chunk, .. }| {
            let before = self
                .pool
                .iter()
                .find(|known| (known.index, known.chunk) == (index, chunk));
            let scores = scored(index, chunk);
            Pooled {
                index,
                chunk,
                scores: Scores {
                    // Passages are not read twice.
                    passage: before.and_then(|known| known.scores.passage),
                    said: before.and_then(|known| known.scores.said),
                    document: before.and_then(|known| known.scores.document),
                    ..scores
                },
            }
        });
        self.pool = pooled.collect();
        self.read_passages(&SECOND);
    }

    /// For each index, the vectors of its chunks by the model that has read the question.
    fn vectors_by(&self, asked: &Asked) -> Vec<Option<Arc<ByChunk>>> {
        let of_model =
            |index: &Arc<CollectionIndex>| index.transformer().filter(|vectors| vectors.model == asked.model);
        self.indexes.iter().map(of_model).collect()
    }

    /// Scores the best of the pool by their passages, and puts the rest behind them.
    fn read_passages(&mut self, weights: &Weights) {
        let count = READ.max(self.limit).min(self.pool.len());
        let resemblance = Resemblance::new(&self.question, &self.query, &self.embedder);
        self.nearest_words.resize(resemblance.words(), 0.0);
        let mut nearest_words = Vec::new();
        for pooled in &mut self.pool[..count] {
            if pooled.scores.passage.is_none() {
                let passages = self.indexes[pooled.index].chunks[pooled.chunk].passages(&self.embedder);
                let nearest = passages.all.iter().map(|passage| passage.cosine(&self.query.vector));
                pooled.scores.passage = nearest.max_by(f32::total_cmp);
                resemblance.nearest_into(&passages.all_ids, &mut nearest_words);
                raise(&mut self.nearest_words, &nearest_words);
                pooled.scores.said = Some(resemblance.share(&nearest_words));
            }
            pooled.scores.fused = weights.fuse(&pooled.scores);
        }
        self.query.said = resemblance.share(&self.nearest_words);
        sort(&mut self.pool[..count]);
    }

    /// Gives the chunks whose passages are read next the score of the best chunk of their document.
    fn score_documents(&mut self) {
        let document = |pooled: &Pooled| &self.indexes[pooled.index].chunks[pooled.chunk].origin;
        let count = READ.max(self.limit).min(self.pool.len());
        // The pool is in order, so the first of a document is its best.
        let best = |at: usize| {
            let of_document = |other: &&Pooled| Arc::ptr_eq(document(other), document(&self.pool[at]));
            self.pool.iter().find(of_document).map(|best| best.scores.fused)
        };
        let scores: Vec<Option<f32>> = (0..count).map(best).collect();
        for (pooled, score) in self.pool.iter_mut().zip(scores) {
            pooled.scores.document = score;
        }
    }

    pub(super) fn finish(mut self, revision: u64, second_stage: SecondStageUse, took: Duration) -> SearchResult {
        self.pool.truncate(self.limit);
        // A text without any known word or word piece resembles nothing, whatever comes first.
        let is_near = |pooled: &&Pooled| pooled.scores.transformer.is_some() || ROUGH.fuse(&pooled.scores) > 0.0;
        let chunks = self.pool.iter().filter(is_near).map(|pooled| FoundChunk {
            chunk: Arc::clone(&self.indexes[pooled.index].chunks[pooled.chunk]),
            scores: pooled.scores,
        });
        SearchResult {
            chunks: chunks.collect(),
            collections: self.indexes.iter().map(|index| index.collection.clone()).collect(),
            revision,
            took,
            second_stage,
            corrections: self.corrections,
            from_conversation: Vec::new(),
            query: Arc::new(self.query),
        }
    }
}

/// The cosine of question and chunk as the second stage sees them, on the scale of the transformer; none where there is no vector of the
/// chunk that could be compared.
fn cosine(asked: &Asked, vectors: Option<&ByChunk>, chunk: usize) -> Option<f32> {
    let of_chunk = vectors?.vectors.get(chunk)?;
    (of_chunk.values().len() == asked.vector.values().len()).then(|| {
        let cosine = of_chunk.cosine(&asked.vector);
        asked.scale.map_or(cosine, |scale| scale.of_transformer(cosine))
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

/// What clients are told of a chunk.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Metadata<'a> {
    title: &'a str,
    headings: &'a [String],
    collection: &'a str,
    document_id: Uuid,
    #[serde(skip_serializing_if = "Option::is_none")]
    scores: Option<Scores>,
    #[serde(skip_serializing_if = "Option::is_none")]
    front_matter: Option<&'a Map<String, Value>>,
}

impl FoundChunk {
    /// The chunk as clients see it; `rank` from 0.
    #[must_use]
    pub fn document_chunk(&self, rank: u32, with_scores: bool) -> DocumentChunk {
        let origin = &self.chunk.origin;
        let front_matter = Some(&origin.front_matter).filter(|front_matter| with_scores && !front_matter.is_empty());
        let metadata = Metadata {
            title: &origin.title,
            headings: &self.chunk.headings,
            collection: origin.collection.as_str(),
            document_id: origin.document_id.0,
            scores: with_scores.then_some(self.scores),
            front_matter,
        };
        DocumentChunk {
            id: rank,
            content: self.chunk.text.to_string(),
            similarity: self.scores.similarity(),
            source: origin.source.clone(),
            metadata: Some(
                ChunkMetadata::new(&metadata).expect("it holds nothing that JSON cannot: no map keys but strings"),
            ),
        }
    }
}
