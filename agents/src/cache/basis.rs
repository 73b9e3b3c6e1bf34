//! What an answer stands on, so short that it can be sent: a fingerprint of the chunks that were found for it.

use serde::Serialize;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::knowledge::{FoundChunk, SearchResult, hex};

/// A fingerprint of all that a model is shown of what was found: of the text, and not of numbers that only one database
/// knows, such as ids and revisions. Equal where the model would be given the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Basis {
    /// How many chunks were found.
    pub(super) chunks: u32,
    /// The SHA-256 of all of them in their order, as 64 hexadecimal digits.
    pub(super) sha256: String,
}

impl Basis {
    /// Of what was found. Some 10 KB are hashed for each search.
    pub(super) fn of(found: &SearchResult) -> Self {
        let mut hasher = Sha256::new();
        for FoundChunk { chunk, .. } in &found.chunks {
            let origin = &chunk.origin;
            let shown = Shown {
                collection: origin.collection.as_str(),
                source: &origin.source,
                title: &origin.title,
                front_matter: &origin.front_matter,
                headings: &chunk.headings,
                text: &chunk.text,
            };
            let shown = serde_json::to_vec(&shown).expect("texts and values of JSON have a JSON form");
            // With its length in front, no two lists of chunks are the same bytes.
            hasher.update((shown.len() as u64).to_le_bytes());
            hasher.update(shown);
        }
        Self {
            chunks: u32::try_from(found.chunks.len()).unwrap_or(u32::MAX),
            sha256: hex(&hasher.finalize()),
        }
    }
}

/// What a model is shown of a chunk. How its text is written follows from the name of its source.
#[derive(Serialize)]
struct Shown<'a> {
    collection: &'a str,
    source: &'a str,
    title: &'a str,
    front_matter: &'a Map<String, Value>,
    headings: &'a [String],
    text: &'a str,
}
