//! What can be seen of a passage that may answer a question, and of the answer that was made.
//!
//! Most features compare a passage with the others that were found for the same question, so that they keep their meaning when
//! the scale of a score changes with the way chunks are found.

use std::sync::Arc;

use super::{form::Form, weights};
use crate::{
    knowledge::{FoundChunk, PassageKind, Passages, Query, Resemblance, SearchResult, raise},
    words::word_numbers,
};

/// The features of a passage.
pub(super) const PASSAGE_NAMES: [&str; 21] = [
    // The cosine to the question, and how far it lies behind the best one.
    "cosine",
    "cosine_behind_best",
    // The weighted share of the question's words that it has.
    "overlap_behind_best",
    "overlap_with_headings",
    "neighbours_overlap",
    // Where its chunk stands among those that were found.
    "chunk_rank",
    "chunk_behind_best",
    // The share of the question that its words say, be it in others.
    "said_behind_best",
    "said_with_headings_behind_best",
    "said_with_headings",
    // Whether its form is that of an answer to such a question.
    "number_wanted",
    "number_of_its_kind",
    "verdict_wanted",
    "code_wanted",
    "code_unwanted",
    "table_wanted",
    "table_unwanted",
    "steps_wanted",
    "steps_unwanted",
    "introduces",
    "place",
];

/// The features of an answer. Others do no better on questions that the weights were not fitted to: its best score or cosine, the share of
/// the question's words that the knowledge base does not know or of its BM25 that the first chunk reaches, how many chunks are of one
/// document, whether it has a number of the kind that is asked for, or the transformer's cosine where that was asked.
pub(super) const ANSWER_NAMES: [&str; 7] = [
    // The log odds of its best passage.
    "best_log_odds",
    // How far the last of five chunks lies behind the first.
    "spread",
    // How many words the question has that say something, as a logarithm: of many words no passage says as large a share.
    "words",
    // How far the word that the answer and its headings say least is said by them, be it by others.
    "weakest",
    // How far the second chunk lies behind the first.
    "lead",
    // The share of the question that all chunks say together that search has read.
    "said_by_all",
    // Whether the question has a name that the knowledge base does not know.
    "unknown_name",
];

/// By [`PASSAGE_NAMES`].
pub(super) type PassageFeatures = [f32; PASSAGE_NAMES.len()];
/// By [`ANSWER_NAMES`].
pub(super) type AnswerFeatures = [f32; ANSWER_NAMES.len()];

/// No passage is less probable than this.
const LEAST_LOG_ODDS: f32 = -9.0;

/// Chunks over which scores spread, and how far they do for half of the questions.
const SPREAD_CHUNKS: usize = 5;
const USUAL_SPREAD: f32 = 0.18;

/// A passage with its features.
pub(super) struct Seen {
    /// The chunk's place in what was found.
    pub(super) chunk: usize,
    /// The passage's place in its chunk.
    pub(super) place: usize,
    pub(super) features: PassageFeatures,
    /// The log odds that it has the answer.
    pub(super) log_odds: f32,
}

/// Looks at every passage of `considered`, whose passages are `passages`.
pub(super) fn of_passages(
    question: &str,
    query: &Query,
    considered: &[FoundChunk],
    passages: &[Arc<Passages>],
    resemblance: &Resemblance,
) -> Vec<Seen> {
    let form = Form::of(question);
    let wanted = Wanted::by(query);
    let mut nearest = Vec::new();
    let best_fused = considered.first().map_or(0.0, |found| found.scores.fused);
    let mut seen = Vec::new();
    for (chunk, (found, passages)) in considered.iter().zip(passages).enumerate() {
        let of_headings = resemblance.nearest(&passages.heading_ids);
        let overlaps: Vec<f32> = passages
            .all
            .iter()
            .map(|passage| wanted.share(&passage.words, &[]))
            .collect();
        for (place, passage) in passages.all.iter().enumerate() {
            let neighbour = |at: Option<usize>| at.and_then(|at| overlaps.get(at)).copied().unwrap_or_default();
            let is = |condition: bool| f32::from(u8::from(condition));
            let kind = |wanted: PassageKind| passage.kind == wanted;
            let cosine = passage.cosine(&query.vector);
            resemblance.nearest_into(&passage.word_ids, &mut nearest);
            let said = resemblance.share(&nearest);
            raise(&mut nearest, &of_headings);
            let said_with_headings = resemblance.share(&nearest);
            seen.push(Seen {
                chunk,
                place,
                features: [
                    cosine,
                    // Here, and where else something is behind the best: the own figure, until the best is known.
                    cosine,
                    overlaps[place],
                    wanted.share(&passage.words, &passages.heading_words),
                    neighbour(place.checked_sub(1)).max(neighbour(Some(place + 1))),
                    1.0 / (chunk + 1) as f32,
                    best_fused - found.scores.fused,
                    said,
                    said_with_headings,
                    said_with_headings,
                    is(form.number && passage.form.number),
                    is(form.asks_for(&passage.form)),
                    is(form.verdict && passage.form.verdict),
                    is(form.code && kind(PassageKind::Code)),
                    is(!form.code && kind(PassageKind::Code)),
                    is(form.figures && kind(PassageKind::Table)),
                    is(!form.figures && kind(PassageKind::Table)),
                    is(form.steps && kind(PassageKind::Steps)),
                    is(!form.steps && kind(PassageKind::Steps)),
                    is(passage.form.introduces),
                    1.0 / (place + 1) as f32,
                ],
                log_odds: 0.0,
            });
        }
    }
    for behind in [1, 2, 7, 8] {
        let best = seen.iter().map(|seen| seen.features[behind]).fold(0.0, f32::max);
        for seen in &mut seen {
            seen.features[behind] = best - seen.features[behind];
        }
    }
    for seen in &mut seen {
        seen.log_odds = weights::passage_log_odds(&seen.features);
    }
    seen
}

/// Looks at the answer to `question` that is made of `chosen`; `passages` are those of all chunks that were found.
pub(super) fn of_answer(
    question: &str,
    found: &SearchResult,
    chosen: &[&Seen],
    passages: &[Arc<Passages>],
    resemblance: &Resemblance,
) -> AnswerFeatures {
    let query = &*found.query;
    let best = chosen.iter().map(|seen| seen.log_odds).fold(LEAST_LOG_ODDS, f32::max);
    let spread = match (found.chunks.first(), found.chunks.get(SPREAD_CHUNKS - 1)) {
        (Some(first), Some(last)) => first.scores.fused - last.scores.fused,
        // A knowledge base of a few chunks has no spread that means anything.
        _ => USUAL_SPREAD,
    };
    let fused = |at: usize| found.chunks.get(at).map(|found| found.scores.fused);
    let first = fused(0).unwrap_or_default();
    let mut said = resemblance.nearest(&[]);
    for seen in chosen {
        let of_chunk = &passages[seen.chunk];
        raise(&mut said, &resemblance.nearest(&of_chunk.all[seen.place].word_ids));
        raise(&mut said, &resemblance.nearest(&of_chunk.heading_ids));
    }
    let weakest = said.iter().copied().fold(1.0, f32::min);
    [
        best,
        spread,
        (1.0 + said.len() as f32).ln(),
        // Of no words, none is said.
        if said.is_empty() { 0.0 } else { weakest },
        first - fused(1).unwrap_or_default(),
        query.said,
        f32::from(u8::from(has_unknown_name(question, query))),
    ]
}

/// Whether a question has a name that the knowledge base does not know: a word with a capital letter, but for the first of a sentence
/// where only its first letter is one.
fn has_unknown_name(question: &str, query: &Query) -> bool {
    let mut begins_sentence = true;
    for piece in question.split_inclusive(|c: char| !c.is_alphanumeric()) {
        let word = piece.trim_end_matches(|c: char| !c.is_alphanumeric());
        let from = usize::from(begins_sentence);
        let is_name = word.chars().skip(from).any(char::is_uppercase);
        let is_known = |number| query.words.iter().any(|(known, _)| *known == number);
        // A stop word, such as "I", has no number.
        if is_name && word_numbers(word).into_iter().any(|number| !is_known(number)) {
            return true;
        }
        begins_sentence = piece.ends_with(['.', '!', '?', ':']) || (begins_sentence && word.is_empty());
    }
    false
}

/// What was seen, as one line of JSON.
pub(super) fn as_json(
    question: &str,
    found: &SearchResult,
    passages: &[Arc<Passages>],
    seen: &[Seen],
    answer: &AnswerFeatures,
    chosen: &[&str],
    differing: usize,
) -> String {
    let text = |chunk: usize, place: usize| &found.chunks[chunk].chunk.text[passages[chunk].all[place].range.clone()];
    let passage = |seen: &Seen| serde_json::json!({"chunk": seen.chunk, "text": text(seen.chunk, seen.place), "features": seen.features});
    serde_json::json!({
        "question": question,
        "passage_names": PASSAGE_NAMES,
        "passages": seen.iter().map(passage).collect::<Vec<_>>(),
        "answer_names": ANSWER_NAMES,
        "answer": answer,
        "differing": differing,
        "chosen": chosen,
    })
    .to_string()
}

/// The words of a question, for passages to be held against.
struct Wanted<'a> {
    words: &'a [(u32, f32)],
    /// How much all of them say together.
    all: f32,
}

impl<'a> Wanted<'a> {
    fn by(query: &'a Query) -> Self {
        // A word that the knowledge base does not know says as much as its rarest ones: the answer lacks it.
        let rarest = query.words.iter().map(|(_, idf)| *idf).fold(1.0, f32::max);
        let known: f32 = query.words.iter().map(|(_, idf)| idf).sum();
        Self {
            words: &query.words,
            all: known + rarest * query.unknown_words as f32,
        }
    }

    /// The weighted share of the question's words among `words`; those in `weak` count half. Both are sorted.
    fn share(&self, words: &[u32], weak: &[u32]) -> f32 {
        let has = |word: &u32| {
            if words.binary_search(word).is_ok() {
                1.0
            } else if weak.binary_search(word).is_ok() {
                0.5
            } else {
                0.0
            }
        };
        let shared: f32 = self.words.iter().map(|(word, idf)| idf * has(word)).sum();
        if self.all > 0.0 { shared / self.all } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        embedder::QuantisedVector,
        words::{distinct_words, word_number},
    };

    #[test]
    fn a_name_is_unknown_where_the_knowledge_base_never_has_it() {
        let words = distinct_words("Okta GitHub data sync")
            .iter()
            .map(|word| (word_number(word), 1.0))
            .collect();
        let query = Query {
            vector: QuantisedVector::new(&[]),
            words,
            unknown_words: 0,
            said: 0.0,
        };
        for question in [
            "Can data sync read from MongoDB?",
            "iPhone app?",
            "Yes. But Discord? No",
            "an ETF",
        ] {
            assert!(has_unknown_name(question, &query), "{question}");
        }
        for question in [
            "Voucher for Okta?",
            "Can I use GitHub",
            "It works. Voucher? Yes: Really",
            "  Voucher",
            "a voucher",
            "",
        ] {
            assert!(!has_unknown_name(question, &query), "{question}");
        }
    }
}
