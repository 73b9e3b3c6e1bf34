//! The embedded model: chooses the passages that answer, word for word, and says so where none does.
//!
//! Every passage of what was found is judged by how probable it is that it has the answer ([`super::features`],
//! [`super::weights`]). From the most probable one on, passages are added as long as they promise something more
//! ([`super::choice`]). The answer begins with the chunk of the most probable one; within a chunk it keeps the order of the source,
//! with an `[n]` after each passage. Where two sources say different things of the same, these come first, the newest on top
//! ([`super::differences`]).

use std::{borrow::Cow, collections::VecDeque, sync::Arc};

use futures_util::stream;
use orchestratai_shared::{Citation, Confidence};

use super::{
    ChunkRead, DIFFERENCE, FEATURES_TARGET, Model, ModelEvent, ModelOutcome, ModelStream, ModelTask,
    choice::{Choice, choose},
    confidence::{ANSWERS, confidence},
    dated,
    differences::{self, Statement, day},
    features::{self, AnswerFeatures, Seen},
    table,
};
use crate::{
    embedder::StaticEmbedder,
    knowledge::{Passage, PassageKind, Passages, Resemblance, SearchResult},
    turn::UsageMeter,
};

/// An answer of one sentence up to this many bytes is continued.
const SHORT_BYTES_MAX: usize = 200;
/// Passages left out between two of one paragraph that are said as well.
const GAP_MAX: usize = 2;
/// Topics that are named where there is no answer.
const TOPICS_MAX: usize = 3;

/// The embedded model. Needs no network and no key; reports 0 tokens.
#[derive(Debug)]
pub struct Extractive {
    embedder: Arc<StaticEmbedder>,
}

impl Extractive {
    /// Its name in agent files.
    pub const NAME: &'static str = "embedded-extractive";

    /// A model that compares by `embedder`.
    #[must_use]
    pub fn new(embedder: Arc<StaticEmbedder>) -> Self {
        Self { embedder }
    }

    /// The whole answer, as events.
    fn events(&self, question: &str, found: &SearchResult) -> VecDeque<ModelEvent> {
        let draft = Draft::new(question, found, self);
        let confidence = Confidence::new(draft.confidence);
        if (draft.chosen.is_empty() && draft.differing.is_empty()) || confidence.get() < ANSWERS {
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
    passages: Vec<Arc<Passages>>,
    /// Passages that differ from each other, by chunk and place, the newest first.
    differing: Vec<(usize, usize)>,
    /// The other chosen passages in the order of the answer: chunk in what was found, and place in it.
    chosen: Vec<(usize, usize)>,
    /// Tables of them that are not shown whole, as they are shown.
    tables: Vec<((usize, usize), String)>,
    /// How sure the answer is, 0 to 1; below [`ANSWERS`] there is none.
    confidence: f64,
}

impl<'a> Draft<'a> {
    fn new(question: &str, found: &'a SearchResult, model: &Extractive) -> Self {
        let passages: Vec<Arc<Passages>> = found
            .chunks
            .iter()
            .map(|found| found.chunk.passages(&model.embedder))
            .collect();
        let asked = question;
        let question = &*as_read(asked, found);
        let resemblance = Resemblance::new(question, &found.query, &model.embedder);
        let seen = features::of_passages(question, &found.query, &found.chunks, &passages, &resemblance);
        let Choice { chosen, held_back } = choose(&seen, |seen| {
            &found.chunks[seen.chunk].chunk.text[passages[seen.chunk].all[seen.place].range.clone()]
        });
        let answer: AnswerFeatures = features::of_answer(question, found, &chosen, &passages, &resemblance);
        let place = |seen: &&Seen| (seen.chunk, seen.place);
        let mut places: Vec<(usize, usize)> = chosen.iter().map(place).collect();
        let mut draft = Self {
            found,
            passages,
            differing: Vec::new(),
            chosen: Vec::new(),
            tables: Vec::new(),
            confidence: if chosen.is_empty() { 0.0 } else { confidence(&answer) },
        };
        draft.close_gaps(&mut places);
        draft.add_introductions(&mut places);
        draft.continue_short(&mut places);
        // The chunk of the most probable passage comes first, as people read no further than they must; within a chunk passages keep
        // the order of their source.
        let before = |chunk: usize| chosen.iter().position(|seen| seen.chunk == chunk);
        places.sort_unstable_by_key(|(chunk, place)| (before(*chunk), *chunk, *place));
        places.dedup();
        draft.differing = draft.differing(&places, held_back.iter().map(place));
        draft.tables = draft.cut_tables(&places, &resemblance, &model.embedder);
        if tracing::enabled!(target: FEATURES_TARGET, tracing::Level::TRACE) {
            let seen = features::as_json(
                asked,
                found,
                &draft.passages,
                &seen,
                &answer,
                &places.iter().map(|at| draft.shown(*at)).collect::<Vec<_>>(),
                draft.differing.len(),
            );
            tracing::trace!(target: FEATURES_TARGET, "{seen}");
        }
        places.retain(|place| !draft.differing.contains(place));
        draft.chosen = places;
        draft
    }

    /// Those of the chosen passages that say something else than one of another document, and those held back that say something else
    /// than a chosen one: the newest first; one whose document has no date comes last.
    fn differing(
        &self,
        chosen: &[(usize, usize)],
        held_back: impl Iterator<Item = (usize, usize)>,
    ) -> Vec<(usize, usize)> {
        let document = |(chunk, _): (usize, usize)| self.found.chunks[chunk].chunk.origin.document_id;
        let has_number = |(chunk, place): &&(usize, usize)| {
            let passage = self.passage(*chunk, *place);
            passage.form.number && matches!(passage.kind, PassageKind::Sentence | PassageKind::Item)
        };
        let mut with_number: Vec<(usize, usize)> = chosen.iter().filter(has_number).copied().collect();
        if with_number.is_empty() {
            return with_number;
        }
        let held_back = held_back.filter(|at| !chosen.contains(at));
        with_number.extend(held_back.filter(|at| has_number(&at)));
        let words = |(chunk, place): (usize, usize)| self.passage(chunk, place).words.as_slice();
        // Most have no counterpart, and reading one costs far more than this.
        let has_counterpart = |at: &&(usize, usize)| {
            let may_differ = |other: &(usize, usize)| {
                document(**at) != document(*other) && differences::may_differ(words(**at), words(*other))
            };
            with_number.iter().any(may_differ)
        };
        let sentences: Vec<(Statement, (usize, usize))> = with_number
            .iter()
            .filter(has_counterpart)
            .map(|at| (Statement::of(self.text(at.0, at.1)), *at))
            .collect();
        let differs = |(own, at): &&(Statement, (usize, usize))| {
            let from = |(other, of): &(Statement, (usize, usize))| {
                let is_said = chosen.contains(at) || chosen.contains(of);
                is_said && document(*at) != document(*of) && own.differs_from(other)
            };
            sentences.iter().any(from)
        };
        let mut differing: Vec<(usize, usize)> = sentences.iter().filter(differs).map(|(_, at)| *at).collect();
        // Days sort as text; none is the least.
        differing.sort_by(|(a, _), (b, _)| day(&self.found.chunks[*b]).cmp(&day(&self.found.chunks[*a])));
        differing
    }

    /// A list, a table or code is introduced by the sentence before it, if that ends with a colon; a sentence that begins
    /// with a pronoun needs the one before.
    fn add_introductions(&self, places: &mut Vec<(usize, usize)>) {
        for at in 0..places.len() {
            let (chunk, place) = places[at];
            let Some(before) = place.checked_sub(1) else { continue };
            let text = |place: usize| self.text(chunk, place);
            let is_block = self.passage(chunk, place).kind != PassageKind::Sentence;
            let same_block = self.passage(chunk, place).block == self.passage(chunk, before).block;
            let introduces = is_block && self.passage(chunk, before).form.introduces;
            let leans = !is_block && same_block && begins_with_pronoun(text(place));
            if introduces || leans {
                places.push((chunk, before));
            }
        }
    }

    /// What is left out between two passages of one paragraph or list is what the second stands on, more often than not.
    fn close_gaps(&self, places: &mut Vec<(usize, usize)>) {
        let mut sorted = places.clone();
        sorted.sort_unstable();
        for pair in sorted.windows(2) {
            let [(chunk, from), (other, to)] = [pair[0], pair[1]];
            let passages = &self.passages[chunk].all;
            let is_gap = chunk == other && (2..=GAP_MAX + 1).contains(&(to - from));
            if is_gap && passages[from].block == passages[to].block {
                places.extend((from + 1..to).map(|place| (chunk, place)));
            }
        }
    }

    /// A single short sentence is continued by the next of its paragraph, which tends to say the rest.
    fn continue_short(&self, places: &mut Vec<(usize, usize)>) {
        let [(chunk, place)] = places[..] else { return };
        let passages = &self.passages[chunk].all;
        let (one, Some(next)) = (&passages[place], passages.get(place + 1)) else {
            return;
        };
        let is_sentence = |passage: &Passage| passage.kind == PassageKind::Sentence;
        if is_sentence(one) && is_sentence(next) && one.block == next.block && one.range.len() <= SHORT_BYTES_MAX {
            places.push((chunk, place + 1));
        }
    }

    /// Tables that are shown without some of their rows.
    fn cut_tables(
        &self,
        places: &[(usize, usize)],
        resemblance: &Resemblance,
        embedder: &StaticEmbedder,
    ) -> Vec<((usize, usize), String)> {
        let is_table = |(chunk, place): &&(usize, usize)| self.passage(*chunk, *place).kind == PassageKind::Table;
        let cut = |at: &(usize, usize)| match table::shown(self.text(at.0, at.1), resemblance, embedder) {
            Cow::Owned(cut) => Some((*at, cut)),
            Cow::Borrowed(_) => None,
        };
        places.iter().filter(is_table).filter_map(cut).collect()
    }

    /// The text of a passage as the answer shows it.
    fn shown(&self, at: (usize, usize)) -> &str {
        let cut = self.tables.iter().find(|(of, _)| *of == at);
        cut.map_or_else(|| self.text(at.0, at.1), |(_, table)| table)
    }

    fn passage(&self, chunk: usize, place: usize) -> &Passage {
        &self.passages[chunk].all[place]
    }

    fn text(&self, chunk: usize, place: usize) -> &str {
        &self.found.chunks[chunk].chunk.text[self.passage(chunk, place).range.clone()]
    }

    fn events(&self, confidence: Confidence) -> VecDeque<ModelEvent> {
        let mut read: Vec<ChunkRead> = Vec::new();
        let mut citations: Vec<Citation> = Vec::new();
        let mut deltas = VecDeque::new();
        let mut last: Option<(usize, usize)> = None;
        if !self.differing.is_empty() {
            deltas.push_back(ModelEvent::Delta(DIFFERENCE.into()));
        }
        for &(chunk, place) in self.differing.iter().chain(&self.chosen) {
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
                    let all = self.differing.iter().chain(&self.chosen);
                    let taken = all.filter(|(other, _)| *other == chunk).count();
                    let passages = if taken == 1 { "one passage" } else { "passages" };
                    read.push(ChunkRead {
                        chunk: number,
                        reason: format!("It has {passages} that the answer takes over."),
                    });
                    index
                }
            };
            let piece = if self.differing.contains(&(chunk, place)) {
                self.dated_piece((chunk, place), index)
            } else {
                self.piece(last, (chunk, place), index)
            };
            // What is of one chunk leaves as one: the answer is complete by now, and each delta costs its frame.
            match deltas.back_mut() {
                Some(ModelEvent::Delta(said)) if last.is_some_and(|(last, _)| last == chunk) => said.push_str(&piece),
                _ => deltas.push_back(ModelEvent::Delta(piece)),
            }
            last = Some((chunk, place));
        }
        deltas.push_front(ModelEvent::Read(read));
        deltas.push_back(ModelEvent::Finished(ModelOutcome {
            confidence,
            citations,
            is_for_once: false,
            incomplete: None,
        }));
        deltas
    }

    /// One passage with what stands between it and the one before, and its citation.
    fn piece(&self, last: Option<(usize, usize)>, (chunk, place): (usize, usize), index: u32) -> String {
        let passage = self.passage(chunk, place);
        let between = match last {
            None => "",
            Some((last_chunk, last_place)) => {
                let before = self.passage(last_chunk, last_place);
                let is_apart = self.differing.contains(&(last_chunk, last_place));
                let same_block = last_chunk == chunk && before.block == passage.block && !is_apart;
                match (same_block, passage.kind) {
                    (true, PassageKind::Sentence) => " ",
                    (true, PassageKind::Item | PassageKind::Steps | PassageKind::Code | PassageKind::Table) => "\n",
                    (false, _) => "\n\n",
                }
            }
        };
        let text = self.shown((chunk, place));
        match passage.kind {
            // A mark inside of a table or of code would become a part of it.
            PassageKind::Code | PassageKind::Table => format!("{between}{text}\n\n[{index}]"),
            PassageKind::Sentence | PassageKind::Item | PassageKind::Steps => format!("{between}{text} [{index}]"),
        }
    }

    /// A passage that another one differs from, with the day of its source.
    fn dated_piece(&self, (chunk, place): (usize, usize), index: u32) -> String {
        let day = day(&self.found.chunks[chunk]).map(dated).unwrap_or_default();
        format!("\n\n{day}{} [{index}]", self.text(chunk, place))
    }
}

/// The question with its misspelt words as search read them: what nobody could find says nothing about what was found.
fn as_read<'a>(question: &'a str, found: &SearchResult) -> Cow<'a, str> {
    let mut read = Cow::Borrowed(question);
    for correction in &found.corrections {
        read = Cow::Owned(read.replace(&correction.written, &correction.read));
    }
    read
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
        is_for_once: false,
        incomplete: None,
    };
    events.push_back(ModelEvent::Finished(outcome));
    events
}
