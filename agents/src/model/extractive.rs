//! The embedded model: chooses the passages that answer, word for word, and says so where none does.
//!
//! Every passage of the best chunks is scored by its cosine to the question, by the share of the question's words that it
//! has (weighted by how much each says), and by its chunk's rank. From the best one on, passages are added as long as
//! they are nearly as good. The answer keeps the order of the source, chunk by chunk, with an `[n]` after each passage.

use std::{collections::VecDeque, sync::Arc};

use futures_util::stream;
use orchestratai_shared::{Citation, Confidence};

use super::choice::{self, Candidate, Wants, choose, overlap};
use super::{ChunkRead, Model, ModelEvent, ModelOutcome, ModelStream, ModelTask};
use crate::{
    embedder::Embedder,
    knowledge::{FoundChunk, Passage, PassageKind, SearchResult},
    turn::{Usage, UsageMeter},
    words::word_numbers,
};

/// Chunks that an answer may draw on.
const CHUNKS_MAX: usize = 4;
/// An answer of one sentence up to this many bytes is continued.
const SHORT_BYTES_MAX: usize = 200;
/// Topics that are named where there is no answer.
const TOPICS_MAX: usize = 3;
/// Below this confidence there is no answer.
const ANSWERS: f64 = 0.5;

/// The embedded model. Needs no network and no key; reports 0 tokens.
#[derive(Debug)]
pub struct Extractive {
    embedder: Arc<Embedder>,
}

impl Extractive {
    /// Its name in agent files.
    pub const NAME: &'static str = "embedded-extractive";

    /// A model that compares by `embedder`.
    #[must_use]
    pub fn new(embedder: Arc<Embedder>) -> Self {
        Self { embedder }
    }

    /// The whole answer, as events.
    fn events(&self, question: &str, found: &SearchResult) -> VecDeque<ModelEvent> {
        let draft = Draft::new(question, found, &self.embedder);
        let confidence = Confidence::new(draft.confidence());
        if draft.chosen.is_empty() || confidence.get() < ANSWERS {
            return no_answer(found, confidence);
        }
        draft.events(confidence)
    }
}

impl Model for Extractive {
    fn name(&self) -> &str {
        Self::NAME
    }

    fn answer<'a>(&'a self, task: ModelTask<'a>, _meter: &'a UsageMeter) -> ModelStream<'a> {
        Box::pin(stream::iter(self.events(task.question, task.found).into_iter().map(Ok)))
    }
}

/// An answer in the making.
struct Draft<'a> {
    found: &'a SearchResult,
    passages: Vec<Arc<[Passage]>>,
    /// The chosen passages in the order of the answer: chunk in the order of what was found, and place in it.
    chosen: Vec<(usize, usize)>,
    /// The best cosine of a chosen passage.
    cosine: f32,
    /// The weighted share of the question's words that the chosen passages and their headings have.
    coverage: f32,
}

impl<'a> Draft<'a> {
    fn new(question: &str, found: &'a SearchResult, embedder: &Embedder) -> Self {
        let wants = Wants::of(question);
        let query = &*found.query;
        let considered = &found.chunks[..found.chunks.len().min(CHUNKS_MAX)];
        let passages: Vec<Arc<[Passage]>> = considered.iter().map(|found| found.chunk.passages(embedder)).collect();
        let headings: Vec<Vec<u32>> = considered.iter().map(heading_words).collect();
        let mut draft = Self {
            found,
            passages,
            chosen: Vec::new(),
            cosine: 0.0,
            coverage: 0.0,
        };
        let best_fused = considered.first().map_or(0.0, |found| found.scores.fused);
        let mut candidates: Vec<Candidate<'_>> = Vec::new();
        for (chunk, found) in considered.iter().enumerate() {
            for (place, passage) in draft.passages[chunk].iter().enumerate() {
                let text = &found.chunk.text[passage.range.clone()];
                let overlap = overlap(query, &passage.words, &headings[chunk]);
                let lag = best_fused - found.scores.fused;
                let bonus = wants.bonus(passage.kind, place, text);
                let score = choice::score(passage.cosine(&query.vector), overlap, lag, bonus);
                candidates.push(Candidate {
                    chunk,
                    place,
                    passage,
                    score,
                });
            }
        }
        candidates.sort_by(|a, b| b.score.total_cmp(&a.score));
        let chosen = choose(&candidates, found);
        let cosine = chosen
            .iter()
            .map(|candidate| candidate.passage.cosine(&query.vector))
            .fold(0.0, f32::max);
        let mut words: Vec<u32> = chosen
            .iter()
            .flat_map(|candidate| candidate.passage.words.iter().copied())
            .collect();
        words.extend(
            chosen
                .iter()
                .flat_map(|candidate| headings[candidate.chunk].iter().copied()),
        );
        words.sort_unstable();
        let coverage = overlap(query, &words, &[]);
        let mut places: Vec<(usize, usize)> = chosen
            .iter()
            .map(|candidate| (candidate.chunk, candidate.place))
            .collect();
        drop(candidates);
        draft.add_introductions(&mut places);
        draft.continue_short(&mut places);
        // Chunks in the order in which they were found; passages in the order of their source.
        places.sort_unstable();
        places.dedup();
        (draft.chosen, draft.cosine, draft.coverage) = (places, cosine, coverage);
        draft
    }

    /// A list, a table or code is introduced by the sentence before it, if that ends with a colon; a sentence that begins
    /// with a pronoun needs the one before.
    fn add_introductions(&self, places: &mut Vec<(usize, usize)>) {
        for at in 0..places.len() {
            let (chunk, place) = places[at];
            let Some(before) = place.checked_sub(1) else { continue };
            let text = |place: usize| self.text(chunk, place);
            let is_block = self.passages[chunk][place].kind != PassageKind::Sentence;
            let same_block = self.passages[chunk][place].block == self.passages[chunk][before].block;
            let introduces = is_block && text(before).trim_end().ends_with(':');
            let leans = !is_block && same_block && begins_with_pronoun(text(place));
            if introduces || leans {
                places.push((chunk, before));
            }
        }
    }

    /// A single short sentence is continued by the next of its paragraph, which tends to say the rest.
    fn continue_short(&self, places: &mut Vec<(usize, usize)>) {
        let [(chunk, place)] = places[..] else { return };
        let passages = &self.passages[chunk];
        let (one, Some(next)) = (&passages[place], passages.get(place + 1)) else {
            return;
        };
        let is_sentence = |passage: &Passage| passage.kind == PassageKind::Sentence;
        if is_sentence(one) && is_sentence(next) && one.block == next.block && one.range.len() <= SHORT_BYTES_MAX {
            places.push((chunk, place + 1));
        }
    }

    fn text(&self, chunk: usize, place: usize) -> &str {
        &self.found.chunks[chunk].chunk.text[self.passages[chunk][place].range.clone()]
    }

    /// How probable it is that the answer is right, 0 to 1: a logistic function that rises with the best chunk's fused
    /// score, with the best passage's cosine and with the coverage of the question's words. Its weights were set by hand
    /// on questions with and without an answer (`tests/it/questions.rs`), not fitted: it ranks well, and is not yet
    /// calibrated.
    fn confidence(&self) -> f64 {
        let Some(best) = self.found.chunks.first() else {
            return 0.0;
        };
        let evidence = 6.0 * best.scores.fused + 2.0 * self.cosine + 3.0 * self.coverage - 6.0;
        1.0 / (1.0 + f64::from(-evidence).exp())
    }

    fn events(&self, confidence: Confidence) -> VecDeque<ModelEvent> {
        let mut read: Vec<ChunkRead> = Vec::new();
        let mut citations: Vec<Citation> = Vec::new();
        let mut deltas = VecDeque::new();
        let mut last: Option<(usize, usize)> = None;
        for &(chunk, place) in &self.chosen {
            let number = u32::try_from(chunk).unwrap_or(u32::MAX);
            let index = match citations.iter().find(|citation| citation.chunk_id == number) {
                Some(citation) => citation.index,
                None => {
                    let index = u32::try_from(citations.len()).unwrap_or(u32::MAX).saturating_add(1);
                    let source = self.found.chunks[chunk].chunk.origin.source.clone();
                    citations.push(Citation {
                        index,
                        chunk_id: number,
                        source,
                    });
                    let taken = self.chosen.iter().filter(|(other, _)| *other == chunk).count();
                    let passages = if taken == 1 { "one passage" } else { "passages" };
                    read.push(ChunkRead {
                        chunk: number,
                        reason: format!("It has {passages} that the answer takes over."),
                    });
                    index
                }
            };
            deltas.push_back(ModelEvent::Delta(self.piece(last, (chunk, place), index)));
            last = Some((chunk, place));
        }
        deltas.push_front(ModelEvent::Read(read));
        deltas.push_back(ModelEvent::Finished(ModelOutcome {
            confidence,
            citations,
            usage: Usage::default(),
        }));
        deltas
    }

    /// One passage with what stands between it and the one before, and its citation.
    fn piece(&self, last: Option<(usize, usize)>, (chunk, place): (usize, usize), index: u32) -> String {
        let passage = &self.passages[chunk][place];
        let between = match last {
            None => "",
            Some((last_chunk, last_place)) => {
                let before = &self.passages[last_chunk][last_place];
                let same_block = last_chunk == chunk && before.block == passage.block;
                match (same_block, passage.kind) {
                    (true, PassageKind::Sentence) => " ",
                    (true, PassageKind::Item | PassageKind::Steps | PassageKind::Code | PassageKind::Table) => "\n",
                    (false, _) => "\n\n",
                }
            }
        };
        let text = self.text(chunk, place);
        match passage.kind {
            // A mark inside of a table or of code would become a part of it.
            PassageKind::Code | PassageKind::Table => format!("{between}{text}\n\n[{index}]"),
            PassageKind::Sentence | PassageKind::Item | PassageKind::Steps => format!("{between}{text} [{index}]"),
        }
    }
}

fn heading_words(found: &FoundChunk) -> Vec<u32> {
    word_numbers(&found.chunk.heading_path().join(" "))
}

fn begins_with_pronoun(sentence: &str) -> bool {
    const PRONOUNS: &[&str] = &[
        "it",
        "this",
        "that",
        "these",
        "those",
        "they",
        "then",
        "there",
        "both",
        "otherwise",
        "such",
    ];
    let first = sentence
        .split(|c: char| !c.is_alphanumeric())
        .find(|word| !word.is_empty());
    first.is_some_and(|first| PRONOUNS.contains(&first.to_lowercase().as_str()))
}

/// Says that there is no answer, and names the nearest topics.
fn no_answer(found: &SearchResult, confidence: Confidence) -> VecDeque<ModelEvent> {
    let confidence = Confidence::new(confidence.get().min(ANSWERS - 0.01));
    let mut topics: Vec<String> = Vec::new();
    for found in &found.chunks {
        let topic = found.chunk.heading_path().join(" › ");
        if topics.len() < TOPICS_MAX && !topics.contains(&topic) {
            topics.push(topic);
        }
    }
    let mut events = VecDeque::from([ModelEvent::Read(Vec::new())]);
    events.push_back(ModelEvent::Delta(
        "I did not find an answer to this in the knowledge base.".into(),
    ));
    if !topics.is_empty() {
        let list: Vec<String> = topics.iter().map(|topic| format!("\n- {topic}")).collect();
        events.push_back(ModelEvent::Delta(format!(
            "\n\nThe nearest topics there are:\n{}",
            list.concat()
        )));
    }
    events.push_back(ModelEvent::Delta(
        "\n\nIf one of them is what you mean, ask about it in its words; otherwise a person on the support team can help.".into(),
    ));
    let outcome = ModelOutcome {
        confidence,
        citations: Vec::new(),
        usage: Usage::default(),
    };
    events.push_back(ModelEvent::Finished(outcome));
    events
}
