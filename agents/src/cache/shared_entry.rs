//! An entry as it goes from one server to another: one JSON object, with a version.
//!
//! It holds the question and its answer, and of the chunks that the answer stands on a fingerprint alone: whoever gives the
//! answer again has found the same chunks itself. What can be told from those, such as the names of sources, is not sent.

use orchestratai_shared::{AgentId, Citation, Confidence, MessageContent, Timestamp};
use serde::{Deserialize, Serialize};

use super::{CacheKey, CachedAnswer, basis::Basis};
use crate::{
    knowledge::SearchResult,
    model::{ChunkRead, ModelOutcome},
};

/// The version that this build writes, and the only one that it reads.
const FORMAT: u32 = 1;

/// A longer entry is neither sent nor taken, in bytes: an answer of some 10,000 words.
pub const ENTRY_BYTES_MAX: usize = 64 << 10;

/// An answer of another server, with the question that it was given to.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct SharedEntry {
    pub(super) organization: String,
    pub(super) agent: AgentId,
    pub(super) agent_version: String,
    pub(super) model: String,
    pub(super) question: String,
    pub(super) made_at: Timestamp,
    pub(super) answer: SharedAnswer,
}

/// An answer whose chunks are known by their fingerprint alone. Every chunk that it names is one of them.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct SharedAnswer {
    pub(super) pieces: Vec<String>,
    pub(super) confidence: Confidence,
    /// Each `[n]` of the text, with the place of its chunk.
    pub(super) citations: Vec<(u32, u32)>,
    pub(super) read: Vec<ChunkRead>,
    pub(super) basis: Basis,
}

/// Why an entry is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It is longer than [`ENTRY_BYTES_MAX`], or not what this version writes.
    #[error("it is not what this version writes")]
    Unreadable,
    /// It was written by another version, or made by a build that may answer otherwise.
    #[error("it was made by another build")]
    OtherBuild,
    /// No agent of that id, version and model answers here.
    #[error("its agent is none of those that answer here")]
    OtherAgent,
    /// It is too old to be given again.
    #[error("it is too old")]
    Expired,
}

impl SharedEntry {
    pub(super) fn new(key: &CacheKey, question: &str, answer: &CachedAnswer, made_at: Timestamp) -> Self {
        let citations = answer.outcome.citations.iter();
        Self {
            organization: key.organization.to_string(),
            agent: key.agent.clone(),
            agent_version: key.agent_version.clone(),
            model: key.model.clone(),
            question: question.to_owned(),
            made_at,
            answer: SharedAnswer {
                pieces: answer.pieces.clone(),
                confidence: answer.outcome.confidence,
                citations: citations.map(|citation| (citation.index, citation.chunk_id)).collect(),
                read: answer.read.clone(),
                basis: Basis::of(&answer.found),
            },
        }
    }

    /// As it is sent; `build` names what made it.
    pub(super) fn encode(self, build: &str) -> Vec<u8> {
        let answer = self.answer;
        let read = answer.read.into_iter();
        let body = Body {
            organization: self.organization,
            agent: self.agent.to_string(),
            agent_version: self.agent_version,
            model: self.model,
            question: self.question,
            made_at: self.made_at,
            pieces: answer.pieces,
            confidence: answer.confidence.get(),
            citations: answer.citations,
            read: read.map(|read| (read.chunk, read.reason)).collect(),
            chunks: answer.basis.chunks,
            chunks_sha256: answer.basis.sha256,
        };
        let written = Written {
            format: FORMAT,
            build: build.to_owned(),
            entry: body,
        };
        serde_json::to_vec(&written).expect("texts and numbers have a JSON form")
    }

    /// Reads what a server of the same `build` has sent. Whatever the bytes are, what comes of them is sound: a question as a
    /// client may put it, an answer that is one, and no chunk that is not among those it stands on.
    pub(super) fn decode(bytes: &[u8], build: &str) -> Result<Self, Refusal> {
        if bytes.len() > ENTRY_BYTES_MAX {
            return Err(Refusal::Unreadable);
        }
        let head: Head = serde_json::from_slice(bytes).map_err(|_no_head| Refusal::Unreadable)?;
        if head.format != FORMAT || head.build != build {
            return Err(Refusal::OtherBuild);
        }
        let written: Written = serde_json::from_slice(bytes).map_err(|_no_entry| Refusal::Unreadable)?;
        Self::parse(written.entry).ok_or(Refusal::Unreadable)
    }

    fn parse(body: Body) -> Option<Self> {
        let is_known = |chunk: u32| chunk < body.chunks;
        let is_sound = MessageContent::parse(body.question.as_str()).is_ok()
            && body.pieces.iter().any(|piece| !piece.is_empty())
            && body.citations.iter().all(|(_, chunk)| is_known(*chunk))
            && body.read.iter().all(|(chunk, _)| is_known(*chunk))
            && body.chunks_sha256.len() == 64;
        if !is_sound {
            return None;
        }
        let read = body.read.into_iter().map(|(chunk, reason)| ChunkRead { chunk, reason });
        Some(Self {
            organization: body.organization,
            agent: AgentId::parse(&body.agent).ok()?,
            agent_version: body.agent_version,
            model: body.model,
            question: body.question,
            made_at: body.made_at,
            answer: SharedAnswer {
                pieces: body.pieces,
                confidence: Confidence::new(body.confidence),
                citations: body.citations,
                read: read.collect(),
                basis: Basis {
                    chunks: body.chunks,
                    sha256: body.chunks_sha256,
                },
            },
        })
    }
}

impl SharedAnswer {
    /// The answer as one of this server; `found` is what it stands on, as it was found here.
    pub(super) fn with_chunks(&self, found: SearchResult) -> CachedAnswer {
        let source = |chunk: u32| {
            let found = found.chunks.get(chunk as usize);
            found.map(|found| found.chunk.origin.source.clone()).unwrap_or_default()
        };
        let citations = self.citations.iter().map(|(index, chunk)| Citation {
            index: *index,
            chunk_id: *chunk,
            source: source(*chunk),
        });
        CachedAnswer {
            pieces: self.pieces.clone(),
            outcome: ModelOutcome {
                confidence: self.confidence,
                citations: citations.collect(),
                // Others are not sent.
                is_for_once: false,
                incomplete: None,
            },
            read: self.read.clone(),
            found,
        }
    }
}

/// What must be right before the rest is looked at.
#[derive(Deserialize)]
struct Head {
    format: u32,
    build: String,
}

#[derive(Serialize, Deserialize)]
struct Written {
    format: u32,
    build: String,
    entry: Body,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Body {
    organization: String,
    agent: String,
    agent_version: String,
    model: String,
    question: String,
    made_at: Timestamp,
    pieces: Vec<String>,
    confidence: f64,
    citations: Vec<(u32, u32)>,
    read: Vec<(u32, String)>,
    chunks: u32,
    chunks_sha256: String,
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    const BUILD: &str = "1.2.3";

    fn entry() -> impl Strategy<Value = SharedEntry> {
        let answer = (1_u32..6).prop_flat_map(|chunks| {
            (
                vec(".{1,40}", 1..5),
                0.0..=1.0,
                vec((any::<u32>(), 0..chunks), 0..4),
                vec((0..chunks, ".{0,40}"), 0..4),
                "[0-9a-f]{64}",
            )
                .prop_map(move |(pieces, confidence, citations, read, sha256)| SharedAnswer {
                    pieces,
                    confidence: Confidence::new(confidence),
                    citations,
                    read: read
                        .into_iter()
                        .map(|(chunk, reason)| ChunkRead { chunk, reason })
                        .collect(),
                    basis: Basis { chunks, sha256 },
                })
        });
        let names = (".{0,20}", "[a-z]{1,12}", ".{0,20}", ".{0,20}");
        // Within the years that RFC 3339 can write.
        (names, ".{0,60}[a-z]", 0_i64..200_000_000_000_000, answer).prop_map(
            |((organization, agent, agent_version, model), question, millis, answer)| SharedEntry {
                organization,
                agent: AgentId::parse(&agent).unwrap(),
                agent_version,
                model,
                question,
                made_at: Timestamp::from_millis(millis),
                answer,
            },
        )
    }

    proptest! {
        #[test]
        fn an_entry_is_read_as_it_was_written(entry in entry()) {
            prop_assert_eq!(SharedEntry::decode(&entry.clone().encode(BUILD), BUILD), Ok(entry));
        }

        #[test]
        fn what_another_build_has_written_is_refused(entry in entry(), build in ".{0,10}") {
            prop_assume!(build != BUILD);
            prop_assert_eq!(SharedEntry::decode(&entry.encode(&build), BUILD), Err(Refusal::OtherBuild));
        }

        #[test]
        fn any_bytes_are_refused(bytes in vec(any::<u8>(), 0..400)) {
            prop_assert_eq!(SharedEntry::decode(&bytes, BUILD), Err(Refusal::Unreadable));
        }

        #[test]
        fn whatever_becomes_of_an_entry_what_is_read_of_it_is_sound(
            entry in entry(),
            changes in vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
            end in any::<prop::sample::Index>(),
            cuts in any::<bool>(),
        ) {
            let mut bytes = entry.encode(BUILD);
            for (at, byte) in changes {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            if cuts {
                bytes.truncate(end.index(bytes.len()));
            }
            if let Ok(SharedEntry { question, answer, .. }) = SharedEntry::decode(&bytes, BUILD) {
                prop_assert!(MessageContent::parse(question).is_ok());
                let mut named = answer.citations.iter().map(|(_, chunk)| *chunk);
                prop_assert!(named.all(|chunk| chunk < answer.basis.chunks));
                prop_assert!(answer.read.iter().all(|read| read.chunk < answer.basis.chunks));
                prop_assert!((0.0..=1.0).contains(&answer.confidence.get()));
            }
        }
    }

    #[test]
    fn an_entry_that_names_a_chunk_it_does_not_stand_on_is_refused() {
        let written = |chunk: u32| {
            format!(
                r#"{{"format":1,"build":"1.2.3","entry":{{"organization":"o","agent":"billing","agentVersion":"v","model":"m",
                "question":"What?","madeAt":"2026-01-31T08:00:00.000Z","pieces":["That."],"confidence":0.9,
                "citations":[[1,{chunk}]],"read":[],"chunks":2,"chunksSha256":"{}"}}}}"#,
                "0".repeat(64)
            )
        };
        assert!(SharedEntry::decode(written(1).as_bytes(), BUILD).is_ok());
        let refused = SharedEntry::decode(written(2).as_bytes(), BUILD);
        assert_eq!(refused, Err(Refusal::Unreadable));
    }
}
