//! Which passages an answer is made of.

use crate::knowledge::{Passage, PassageKind, Query, SearchResult};

/// Passages in an answer.
const PASSAGES_MAX: usize = 4;
/// An answer is not continued beyond this many bytes.
const ANSWER_BYTES_MAX: usize = 1_600;
/// What each sign adds to the score of a passage.
const COSINE: f32 = 0.5;
const OVERLAP: f32 = 0.5;
const CHUNK_LAG: f32 = 0.9;

/// A passage that may become a part of the answer.
pub(super) struct Candidate<'a> {
    /// The chunk's place in what was found.
    pub(super) chunk: usize,
    /// The passage's place in its chunk.
    pub(super) place: usize,
    pub(super) passage: &'a Passage,
    pub(super) score: f32,
}

/// The score of a passage: its cosine, its share of the question's words, how far its chunk lies behind the best one (in
/// fused score), and how well its form fits.
pub(super) fn score(cosine: f32, overlap: f32, chunk_lag: f32, bonus: f32) -> f32 {
    COSINE * cosine + OVERLAP * overlap - CHUNK_LAG * chunk_lag + bonus
}

/// From the best candidate on, those that are nearly as good; of another chunk only those that are as good as that.
pub(super) fn choose<'a, 'b>(candidates: &'b [Candidate<'a>], found: &SearchResult) -> Vec<&'b Candidate<'a>> {
    let Some(best) = candidates.first() else {
        return Vec::new();
    };
    let mut chosen: Vec<&Candidate<'a>> = Vec::new();
    let mut bytes = 0;
    for candidate in candidates {
        let of_best_chunk = candidate.chunk == best.chunk;
        let is_near = candidate.score >= best.score - if of_best_chunk { 0.14 } else { 0.05 };
        if chosen.len() == PASSAGES_MAX {
            break;
        }
        let length = candidate.passage.range.len();
        let repeats = chosen.iter().any(|other| says_the_same(other, candidate, found));
        if !is_near || repeats || (!chosen.is_empty() && bytes + length > ANSWER_BYTES_MAX) {
            continue;
        }
        bytes += length;
        chosen.push(candidate);
    }
    chosen
}

fn says_the_same(a: &Candidate<'_>, b: &Candidate<'_>, found: &SearchResult) -> bool {
    let text = |candidate: &Candidate<'_>| &found.chunks[candidate.chunk].chunk.text[candidate.passage.range.clone()];
    text(a) == text(b)
}

/// The weighted share of the question's words among `words`; those in `weak` count half. Both are sorted.
pub(super) fn overlap(query: &Query, words: &[u32], weak: &[u32]) -> f32 {
    // A word that the knowledge base does not know says as much as its rarest ones: the answer lacks it.
    let rarest = query.words.iter().map(|(_, idf)| *idf).fold(1.0, f32::max);
    let all: f32 = query.words.iter().map(|(_, idf)| idf).sum::<f32>() + rarest * query.unknown_words as f32;
    let has = |word: &u32| {
        if words.binary_search(word).is_ok() {
            1.0
        } else if weak.binary_search(word).is_ok() {
            0.5
        } else {
            0.0
        }
    };
    let shared: f32 = query.words.iter().map(|(word, idf)| idf * has(word)).sum();
    if all > 0.0 { shared / all } else { 0.0 }
}

/// What the form of a question says about the form of its answer.
pub(super) struct Wants {
    steps: bool,
    code: bool,
    figures: bool,
    number: bool,
}

impl Wants {
    /// Reads the form of a question.
    pub(super) fn of(question: &str) -> Self {
        let words = crate::routing::words(question);
        let line = format!(" {} ", words.join(" "));
        let has = |phrases: &str| phrases.split(", ").any(|phrase| line.contains(&format!(" {phrase} ")));
        Self {
            steps: has("how do, how can, how to, how would, how should, steps, set up, where do i, way to"),
            code: has(
                "command, cli, curl, code, example, snippet, terminal, python, typescript, go, java, script, request",
            ),
            figures: has(
                "compare, which plan, which plans, how many, how much, limit, limits, plans, per plan, each plan, list, table, codes",
            ),
            number: has(
                "how long, how much, how many, how often, how soon, how fast, how quickly, how large, when, price, cost, costs, deadline",
            ),
        }
    }

    /// How well a passage fits, by its kind, its place in its chunk and its text.
    pub(super) fn bonus(&self, kind: PassageKind, place: usize, text: &str) -> f32 {
        let fits = match kind {
            PassageKind::Steps if self.steps => 0.16,
            PassageKind::Code if self.code => 0.14,
            // Code without being asked for is often only an illustration.
            PassageKind::Code => -0.05,
            PassageKind::Table if self.figures => 0.08,
            PassageKind::Sentence | PassageKind::Item | PassageKind::Steps | PassageKind::Table => 0.0,
        };
        // Who asks for an amount or a time is answered by a number.
        let counts = if self.number && text.bytes().any(|byte| byte.is_ascii_digit()) {
            0.08
        } else {
            0.0
        };
        // The first sentence of a section tends to say what the section is about.
        fits + counts + if place == 0 { 0.04 } else { 0.0 }
    }
}
