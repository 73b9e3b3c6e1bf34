//! The ids of chunks that the agent of a part has found, as they are in the whole turn.

use std::collections::HashMap;

use orchestratai_shared::{DocumentChunk, DocumentRead};

/// From the ids of a part to those of the turn.
#[derive(Debug, Default)]
pub(crate) struct Ranks {
    in_turn: HashMap<u32, u32>,
    /// How many chunks it was given from the start; what it finds later by itself has ids behind these.
    given: u32,
}

impl Ranks {
    /// Chunks are shown, with the ids that the agent gives them: these become those of the turn, in which `shown` chunks have been
    /// before. Where the agent has used an id before, the chunk that is shown now is what it means from here on.
    pub(crate) fn show(&mut self, chunks: &mut [DocumentChunk], shown: &mut u32) {
        if (0..).zip(&*chunks).all(|(rank, chunk)| chunk.id == rank) {
            self.given = u32::try_from(chunks.len()).unwrap_or(u32::MAX);
        }
        for chunk in chunks {
            self.in_turn.insert(chunk.id, *shown);
            chunk.id = *shown;
            *shown = shown.saturating_add(1);
        }
    }

    /// The id in the turn of a chunk that was shown.
    pub(crate) fn in_turn(&self, id: u32) -> u32 {
        self.in_turn.get(&id).copied().unwrap_or(id)
    }

    /// Whether all of these are beside what it was given from the start.
    pub(crate) fn are_further(&self, documents: &[DocumentRead]) -> bool {
        documents.iter().all(|document| document.chunk_id >= self.given)
    }
}
