//! The answers of several agents to one message, put together.
//!
//! Each agent answers the part of the message that is its concern. The agents work side by side, and what they do shows at once;
//! what they say is told one after the other, in the order of the message: the first part as it comes, the others as soon as it is
//! their turn. So the whole is one answer with one stream, and its text does not depend on who was quicker.
//!
//! Each part stands under the user's own words for it. Its `[n]` go on from those of the parts before it. The ranks of what its
//! agent found go on from what was found in the turn before, so that a chunk's id names one chunk in the whole turn. An agent may
//! search several times: its own ids then go on by themselves, and beside those of the others.

mod marks;
mod ranks;
mod wording;

use orchestratai_shared::{CacheStatus, Citation, Confidence, ErrorCode, Failure, LogData, MessageContent};

use self::marks::Marks;
pub(crate) use self::ranks::Ranks;
use crate::{
    conversation,
    routing::Concern,
    turn::{Answer, Part, Step, TurnRequest, Usage},
};

/// At most this many parts of a message are answered.
pub const PARTS_MAX: usize = 3;
/// An agent whose turn it is not yet has no room for more once so much of what it says waits.
const WAITING_BYTES_MAX: usize = 64 * 1_024;
/// An answer below this confidence says itself that there is none.
const ANSWERS: f64 = 0.5;

/// What the agent of a concern is asked, as a part of `whole`.
#[must_use]
pub fn question(whole: &TurnRequest, concern: &Concern) -> TurnRequest {
    let message = whole.message.as_str();
    TurnRequest {
        // Pieces of a message that were told in several places may be a little longer together than the message was.
        message: MessageContent::parse(concern.text.as_str()).unwrap_or_else(|_too_long| whole.message.clone()),
        intent: concern.intent,
        part: Some(Part {
            standalone: conversation::standalone_part(&concern.text, message),
            asker: None,
        }),
        ..whole.clone()
    }
}

/// An answer in the making, of several parts. Pure: it is told what the agents do, and tells what may leave.
#[derive(Debug)]
pub struct JointAnswer {
    parts: Vec<PartAnswer>,
    /// The words of what nobody was asked about, each with why.
    left_out: Vec<(String, &'static str)>,
    /// Whether that has been said, or need not be.
    left_out_told: bool,
    /// Whose turn it is to be told; the number of parts where all have been.
    current: usize,
    /// All that has left and was not withdrawn.
    said: String,
    /// How many chunks the turn has shown.
    chunks_shown: u32,
}

/// One part in the making.
#[derive(Debug)]
struct PartAnswer {
    lead: String,
    progress: Progress,
    /// What its agent has said and has not left.
    waiting: String,
    marks: Marks,
    /// Where it begins in what has left, once it has begun.
    begins_at: Option<usize>,
    /// The ids that the chunks of its searches have in the turn.
    ranks: Ranks,
    /// How many chunks its agent has read, once it has said so.
    read: Option<u32>,
}

#[derive(Debug)]
enum Progress {
    AtWork,
    Answered(Answer),
    Failed(Failure),
}

impl JointAnswer {
    /// An answer to these concerns, which are as they are told in the message. The first [`PARTS_MAX`] of them are its parts; it says
    /// of the others, and of what no specialist takes, that they are left out.
    #[must_use]
    pub fn new(concerns: &[Concern]) -> Self {
        let (asked, beyond) = concerns.split_at(concerns.len().min(PARTS_MAX));
        let beyond = beyond.iter().map(|concern| (&concern.text, wording::LEFT_OUT));
        let nobodys = concerns.iter().flat_map(|concern| &concern.left_out);
        let left_out = beyond.chain(nobodys.map(|part| (part, wording::NOBODYS)));
        let left_out: Vec<_> = left_out.map(|(part, why)| (wording::lead(part), why)).collect();
        let part = |concern: &Concern| PartAnswer {
            lead: wording::lead(&concern.text),
            progress: Progress::AtWork,
            waiting: String::new(),
            marks: Marks::default(),
            begins_at: None,
            ranks: Ranks::default(),
            read: None,
        };
        Self {
            parts: asked.iter().map(part).collect(),
            left_out_told: left_out.is_empty(),
            left_out,
            current: 0,
            said: String::new(),
            chunks_shown: 0,
        }
    }

    /// Takes in what the agent of a part did, in order. Gives what may leave now, in order.
    #[must_use]
    pub fn take(&mut self, part: usize, steps: Vec<Step>) -> Vec<Step> {
        let mut leaving = Vec::with_capacity(steps.len());
        if !self.parts.get(part).is_some_and(PartAnswer::is_at_work) {
            return leaving;
        }
        for step in steps {
            match step {
                Step::Log {
                    agent,
                    title,
                    status,
                    data,
                } => leaving.push(Step::Log {
                    agent,
                    title,
                    status,
                    data: self.placed(part, data),
                }),
                Step::Delta(text) => {
                    if let Some(part) = self.parts.get_mut(part) {
                        part.waiting.push_str(&text);
                    }
                    self.advance(&mut leaving);
                }
                Step::ToolCall { .. } => leaving.push(step),
                Step::Reset { reason } => self.withdraw(part, &reason, &mut leaving),
            }
        }
        leaving
    }

    /// Takes in how a part ended. Gives what may leave now, in order. A part ends once: what comes later changes nothing.
    #[must_use]
    pub fn end(&mut self, at: usize, outcome: Result<Answer, Failure>) -> Vec<Step> {
        let mut leaving = Vec::new();
        let Some(part) = self.parts.get(at).filter(|part| part.is_at_work()) else {
            return leaving;
        };
        let is_empty = part.begins_at.is_none() && part.waiting.trim().is_empty();
        let progress = match outcome {
            Ok(_) if is_empty => Progress::Failed(Failure::new(
                ErrorCode::InternalError,
                "The agent gave an empty answer.",
            )),
            Ok(answer) => Progress::Answered(answer),
            Err(failure) => {
                self.withdraw(at, &failure.message, &mut leaving);
                Progress::Failed(failure)
            }
        };
        if let Some(part) = self.parts.get_mut(at) {
            part.progress = progress;
        }
        self.advance(&mut leaving);
        leaving
    }

    /// Why a part has no answer, where it has ended without one.
    #[must_use]
    pub fn failure(&self, part: usize) -> Option<&Failure> {
        match &self.parts.get(part)?.progress {
            Progress::Failed(failure) => Some(failure),
            Progress::AtWork | Progress::Answered(_) => None,
        }
    }

    /// Whether the agent of a part may say more now. It is not bounded where it is told as it comes.
    #[must_use]
    pub fn has_room(&self, part: usize) -> bool {
        let waits = |part: &PartAnswer| part.waiting.len() >= WAITING_BYTES_MAX;
        part <= self.current || !self.parts.get(part).is_some_and(waits)
    }

    /// The whole, once all parts have ended: an answer where at least one part has one, else why the first has none.
    #[must_use]
    pub fn outcome(&self) -> Option<Result<Answer, Failure>> {
        let (mut answers, mut failure) = (Vec::new(), None);
        for part in &self.parts {
            match &part.progress {
                Progress::AtWork => return None,
                Progress::Answered(answer) => answers.push((part, answer)),
                Progress::Failed(failed) => failure = failure.or(Some(failed)),
            }
        }
        if answers.is_empty() {
            return failure.cloned().map(Err);
        }
        let is_whole = failure.is_none() && self.left_out.is_empty();
        Some(Ok(self.joined(&answers, is_whole)))
    }

    fn joined(&self, answers: &[(&PartAnswer, &Answer)], is_whole: bool) -> Answer {
        let (mut citations, mut usage, mut marks) = (Vec::new(), Usage::default(), 0);
        // Nobody is to take the whole for surer than its weakest part is; of what has no answer nothing is sure.
        let mut confidence = if is_whole { 1.0 } else { 0.0 };
        for (part, answer) in answers {
            citations.extend(answer.citations.iter().map(|citation| Citation {
                index: citation.index.saturating_add(marks),
                chunk_id: part.ranks.in_turn(citation.chunk_id),
                source: citation.source.clone(),
            }));
            marks += highest_mark(answer);
            usage = usage.plus(answer.usage);
            confidence = answer.confidence.get().min(confidence);
        }
        let is = |status: CacheStatus| move |(_, answer): &(&PartAnswer, &Answer)| answer.cache_status == status;
        let cache_status = if answers.iter().all(is(CacheStatus::Hit)) {
            CacheStatus::Hit
        } else if answers.iter().all(is(CacheStatus::None)) {
            CacheStatus::None
        } else {
            CacheStatus::Miss
        };
        Answer {
            confidence: Confidence::new(confidence),
            citations,
            usage,
            cache_status,
            incomplete: answers.iter().find_map(|(_, answer)| answer.incomplete),
        }
    }

    /// The data of a step as they are in the turn: ids of chunks go on from what was shown before.
    fn placed(&mut self, part: usize, mut data: LogData) -> LogData {
        let Some(part) = self.parts.get_mut(part) else {
            return data;
        };
        match &mut data {
            LogData::VectorSearch(search) => {
                part.ranks.show(&mut search.chunks, &mut self.chunks_shown);
            }
            LogData::Documents(read) => {
                let highest = (read.documents.iter()).map(|document| document.chunk_id.saturating_add(1));
                let count = u32::try_from(read.documents.len()).unwrap_or(u32::MAX);
                part.read = match (part.read, highest.max()) {
                    // What an agent finds in the middle of its work is cited by the number that goes with its id.
                    (Some(before), Some(highest)) if part.ranks.are_further(&read.documents) => {
                        Some(before.max(highest))
                    }
                    (_, _) => Some(count),
                };
                for document in &mut read.documents {
                    document.chunk_id = part.ranks.in_turn(document.chunk_id);
                }
            }
            LogData::Routing(_) | LogData::Cache(_) => {}
        }
        data
    }

    /// A part begins anew. The wire can withdraw only all that was said: what stands is said again.
    fn withdraw(&mut self, at: usize, reason: &str, leaving: &mut Vec<Step>) {
        let Some(part) = self.parts.get_mut(at) else { return };
        part.waiting.clear();
        part.marks = Marks::default();
        part.read = None;
        if let Some(begins_at) = part.begins_at.take() {
            self.said.truncate(begins_at);
            leaving.push(Step::Reset { reason: reason.into() });
            if !self.said.is_empty() {
                leaving.push(Step::Delta(self.said.clone()));
            }
        }
    }

    /// Tells what can be told, part by part.
    fn advance(&mut self, leaving: &mut Vec<Step>) {
        while let Some(part) = self.parts.get(self.current) {
            match &part.progress {
                Progress::AtWork => {
                    if part.flows() {
                        self.tell(self.current, leaving);
                    }
                    return;
                }
                Progress::Answered(answer) => {
                    let is_refusal = !part.flows() && answer.confidence.get() < ANSWERS;
                    if is_refusal && let Some(part) = self.parts.get_mut(self.current) {
                        part.waiting = wording::shortened(&part.waiting);
                    }
                    self.tell(self.current, leaving);
                }
                Progress::Failed(failure) => {
                    // Where nobody has an answer the turn fails, and nothing is to be withdrawn then.
                    if !self.somebody_answers() {
                        return;
                    }
                    let sentence = wording::unanswered(failure);
                    self.begin(self.current, &sentence, leaving);
                }
            }
            self.current += 1;
        }
        if !self.left_out_told && self.somebody_answers() {
            self.left_out_told = true;
            for (lead, why) in &self.left_out {
                let text = wording::under(&self.said, lead, why);
                self.said.push_str(&text);
                leaving.push(Step::Delta(text));
            }
        }
    }

    fn somebody_answers(&self) -> bool {
        self.parts.iter().any(|part| match &part.progress {
            Progress::Answered(_) => true,
            Progress::AtWork => part.flows() && !part.waiting.is_empty(),
            Progress::Failed(_) => false,
        })
    }

    /// Tells what of a part waits and is complete.
    fn tell(&mut self, at: usize, leaving: &mut Vec<Step>) {
        let marks_before = self.parts[..at].iter().map(PartAnswer::highest_mark).sum();
        let part = &mut self.parts[at];
        let is_all = !part.is_at_work();
        let cited_max = part.read.unwrap_or(0);
        let text = part.marks.moved(&mut part.waiting, cited_max, marks_before, is_all);
        if part.begins_at.is_some() {
            if !text.is_empty() {
                self.said.push_str(&text);
                leaving.push(Step::Delta(text));
            }
        } else if !text.trim().is_empty() {
            self.begin(at, text.trim_start(), leaving);
        }
    }

    /// Tells the first words of a part, under what names it.
    fn begin(&mut self, at: usize, text: &str, leaving: &mut Vec<Step>) {
        let part = &mut self.parts[at];
        part.begins_at = Some(self.said.len());
        let text = wording::under(&self.said, &part.lead, text);
        self.said.push_str(&text);
        leaving.push(Step::Delta(text));
    }
}

impl PartAnswer {
    fn is_at_work(&self) -> bool {
        matches!(self.progress, Progress::AtWork)
    }

    /// Whether it is told as it comes. One that nothing was read for will say so, and is told when it is known how.
    fn flows(&self) -> bool {
        self.read != Some(0)
    }

    fn highest_mark(&self) -> u32 {
        match &self.progress {
            Progress::Answered(answer) => highest_mark(answer),
            Progress::AtWork | Progress::Failed(_) => 0,
        }
    }
}

fn highest_mark(answer: &Answer) -> u32 {
    answer
        .citations
        .iter()
        .map(|citation| citation.index)
        .max()
        .unwrap_or(0)
}

#[cfg(test)]
mod tests;
