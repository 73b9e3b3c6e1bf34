//! What is said of all chunks of a collection, and the best of them.

use super::{
    index::CollectionIndex,
    scores::{ROUGH, Scores},
};

/// What is said of all chunks of a collection, by their numbers.
pub(super) struct Ranking {
    pub(super) cosines: Vec<f32>,
    pub(super) bm25: Vec<f32>,
    pub(super) bm25_reachable: f32,
}

impl Ranking {
    /// What is said of one chunk.
    pub(super) fn scores(&self, index: &CollectionIndex, chunk: usize) -> Scores {
        let mut scores = Scores {
            cosine: self.cosines[chunk],
            // What is folded is all but the same as what it is folded into, and only that has words in the index.
            bm25: self.bm25[index.shown_as(chunk)],
            bm25_reachable: self.bm25_reachable,
            passage: None,
            said: None,
            document: None,
            transformer: None,
            fused: 0.0,
        };
        scores.fused = ROUGH.fuse(&scores);
        scores
    }
}

/// A chunk in the pool: its collection and its number there.
pub(super) struct Pooled {
    pub(super) index: usize,
    pub(super) chunk: usize,
    pub(super) scores: Scores,
}

/// A chunk that may be in the pool; small, since most of them make room for others.
pub(super) struct Rough {
    pub(super) index: usize,
    pub(super) chunk: usize,
    pub(super) fused: f32,
}

/// Keeps the best `size` in order; equal scores keep the order in which they come.
pub(super) fn insert(best: &mut Vec<Rough>, size: usize, one: Rough) {
    let is_full = best.len() == size;
    if is_full && best.last().is_none_or(|worst| one.fused <= worst.fused) {
        return;
    }
    let place = best.partition_point(|other| other.fused >= one.fused);
    if is_full {
        best.pop();
    }
    best.insert(place, one);
}

/// Best first; equal scores keep their order.
pub(super) fn sort(pool: &mut [Pooled]) {
    pool.sort_by(|a, b| b.scores.fused.total_cmp(&a.scores.fused));
}
