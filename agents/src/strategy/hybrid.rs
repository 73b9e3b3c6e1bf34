//! Hybrid RAG/CAG: cache and retrieval at once, put together.
//!
//! Both are asked at the same time. A cached answer is given again only where retrieval confirms it: the first chunk that
//! it was made from must be among the best that were found now. Otherwise the model answers anew, from what was found
//! and from what the cached answer stood on.

use std::sync::Arc;

use orchestratai_shared::CacheStatus;

use super::{
    evidence::{self, Origin},
    pure::{Asked, Keep, answer, give_again},
    specialist::{Specialist, Work},
};
use crate::{
    cache::{CachedAnswer, Lookup},
    knowledge::{FoundChunk, SearchResult},
    model::{ChunkRead, ModelOutcome},
    turn::{AgentError, Answer},
};

/// The cached answer's first chunk must be among this many of the chunks that were found now.
const CONFIRMING_CHUNKS: usize = 3;

impl Specialist {
    /// Asks cache and knowledge base at once, and puts together what they say.
    pub(super) async fn hybrid(&self, work: &mut Work<'_>) -> Result<Answer, AgentError> {
        let (asked, found) = tokio::join!(self.ask_cache(work), self.search(work));
        let asked = asked?;
        self.show_cache(work, &asked).await?;
        let mut found = found?;
        let (keep, status) = match asked {
            Asked::Yes {
                lookup: Lookup {
                    answer: Some(cached), ..
                },
                ..
            } => {
                let ranks = add_missing(&mut found, &cached.found);
                evidence::show_found(&work.voice, &found, Origin::Both).await?;
                if is_confirmed(&cached, &ranks) {
                    let (read, outcome) = renumbered(&cached, &ranks);
                    return give_again(work, &cached, &found, &read, outcome).await;
                }
                (Keep::from(true), CacheStatus::Miss)
            }
            Asked::Yes { flight, .. } => {
                evidence::show_found(&work.voice, &found, Origin::Search).await?;
                (Keep::Yes(flight), CacheStatus::Miss)
            }
            Asked::No(passed_by) => {
                evidence::show_found(&work.voice, &found, Origin::Search).await?;
                (passed_by.keeps().into(), CacheStatus::None)
            }
        };
        let made = self.make_answer(work, found).await?;
        let outcome = made.outcome.clone();
        self.keep(work, keep, made);
        Ok(answer(outcome, status))
    }
}

/// Adds the chunks of the cached answer that were not found now. Gives, for each cached chunk, its rank in the result.
fn add_missing(found: &mut SearchResult, cached: &SearchResult) -> Vec<u32> {
    let rank_of = |chunks: &[FoundChunk], wanted: &FoundChunk| {
        chunks.iter().position(|chunk| Arc::ptr_eq(&chunk.chunk, &wanted.chunk))
    };
    let mut ranks = Vec::with_capacity(cached.chunks.len());
    for chunk in &cached.chunks {
        let rank = rank_of(&found.chunks, chunk).unwrap_or_else(|| {
            found.chunks.push(chunk.clone());
            found.chunks.len() - 1
        });
        ranks.push(u32::try_from(rank).unwrap_or(u32::MAX));
    }
    ranks
}

fn is_confirmed(cached: &CachedAnswer, ranks: &[u32]) -> bool {
    let first = cached.read.first().and_then(|read| ranks.get(read.chunk as usize));
    first.is_some_and(|rank| (*rank as usize) < CONFIRMING_CHUNKS)
}

/// What was read and cited, by the ranks of this turn.
fn renumbered(cached: &CachedAnswer, ranks: &[u32]) -> (Vec<ChunkRead>, ModelOutcome) {
    let rank = |chunk: u32| ranks.get(chunk as usize).copied().unwrap_or(chunk);
    let read = cached
        .read
        .iter()
        .map(|read| ChunkRead {
            chunk: rank(read.chunk),
            ..read.clone()
        })
        .collect();
    let mut outcome = cached.outcome.clone();
    for citation in &mut outcome.citations {
        citation.chunk_id = rank(citation.chunk_id);
    }
    (read, outcome)
}
