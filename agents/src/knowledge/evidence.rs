//! What routing may learn from the knowledge base.

use super::{Knowledge, index::CollectionIndex};
use crate::routing::{CollectionEvidence, KnowledgeEvidence, PassageEvidence};

/// At most this many passages are given out, of all collections together: what is learnt from is compared with every message.
const PASSAGES_MAX: usize = 1_200;

impl Knowledge {
    /// What is served, for [`crate::routing::Router::learn`]: of a large collection passages at even distances, so that every
    /// part of it speaks.
    #[must_use]
    pub fn evidence(&self) -> KnowledgeEvidence {
        let snapshot = self.snapshot();
        let share = PASSAGES_MAX / snapshot.collections.len().max(1);
        KnowledgeEvidence {
            revision: snapshot.revision,
            collections: snapshot
                .collections
                .values()
                .map(|index| of_collection(index, share.max(1)))
                .collect(),
        }
    }
}

fn of_collection(index: &CollectionIndex, passages_max: usize) -> CollectionEvidence {
    let found: Vec<usize> = (0..index.chunks.len())
        .filter(|chunk| index.folded[*chunk].is_none())
        .collect();
    let taken = found.len().min(passages_max);
    let passages = (0..taken).map(|number| {
        let at = found[number * found.len() / taken];
        let chunk = &index.chunks[at];
        PassageEvidence {
            heading: chunk.heading_path().join(" "),
            text: chunk.text.to_string(),
            front_matter: chunk.origin.front_matter.clone(),
            vector: index.vectors.vector(at),
        }
    });
    CollectionEvidence {
        name: index.collection.clone(),
        passages: passages.collect(),
    }
}
