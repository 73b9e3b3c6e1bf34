//! A language model that answers from what was found.
//!
//! It is given the sources numbered by their rank ([`super::prompt`]), and cites by these numbers, which are read from its text as it
//! streams ([`super::marks`]). An answer is one where it cites a source that it was given and does not say itself that there is none:
//! its confidence is then 0.5 and more, by how near the best of the cited sources is to the question. Everything else is below 0.5.

use std::sync::Arc;

use futures_util::{StreamExt, stream};
use orchestratai_shared::{Citation, Confidence};

use super::{
    ChunkRead, Model, ModelError, ModelEvent, ModelOutcome, ModelStream, ModelTask, confidence::ANSWERS, marks::Marks,
    prompt,
};
use crate::{
    knowledge::SearchResult,
    language::{ChatEvent, ChatRequest, ChatStream, LanguageModel, Price, ResponseFormat, StopReason, TokenUsage},
    turn::{OpenUpstream, Usage, UsageMeter},
};

/// The confidence of an answer that cites nothing, at most.
const UNCITED_MAX: f64 = ANSWERS - 0.01;

/// Answers by a language model.
pub struct Generative {
    name: Arc<str>,
    model: Arc<dyn LanguageModel>,
    price: Option<Price>,
    max_tokens: u32,
    temperature: Option<f32>,
}

impl Generative {
    /// A model that is called `name` in agent files. `price` is what its tokens cost, where that is known.
    #[must_use]
    pub fn new(
        name: &str,
        model: Arc<dyn LanguageModel>,
        price: Option<Price>,
        max_tokens: u32,
        temperature: Option<f32>,
    ) -> Self {
        Self {
            name: name.into(),
            model,
            price,
            max_tokens,
            temperature,
        }
    }
}

impl Model for Generative {
    fn name(&self) -> &str {
        &self.name
    }

    fn answer<'a>(&'a self, task: ModelTask<'a>, meter: &'a UsageMeter) -> ModelStream<'a> {
        let request = ChatRequest {
            messages: prompt::messages(&task),
            tools: Vec::new(),
            format: ResponseFormat::Text,
            max_tokens: Some(self.max_tokens),
            temperature: self.temperature,
            stop: Vec::new(),
            spender: task.spender.cloned(),
        };
        let sources = u32::try_from(task.found.chunks.len()).unwrap_or(u32::MAX);
        let answering = Answering {
            model: self,
            found: task.found,
            meter,
            stream: self.model.chat(Arc::new(request)),
            upstream: None,
            marks: Marks::new(sources),
            used: TokenUsage::default(),
            state: State::Unread,
        };
        Box::pin(stream::unfold(answering, |mut answering| async move {
            let event = answering.next().await?;
            Some((event, answering))
        }))
    }
}

struct Answering<'a> {
    model: &'a Generative,
    found: &'a SearchResult,
    meter: &'a UsageMeter,
    // Dropped before the guard, which says that it is closed.
    stream: ChatStream,
    upstream: Option<OpenUpstream<'a>>,
    marks: Marks,
    used: TokenUsage,
    state: State,
}

#[derive(PartialEq)]
enum State {
    /// What is read has not been said.
    Unread,
    Speaking,
    Stopped(StopReason),
    Ended,
}

impl Answering<'_> {
    async fn next(&mut self) -> Option<Result<ModelEvent, ModelError>> {
        match self.state {
            State::Unread => {
                self.state = State::Speaking;
                return Some(Ok(ModelEvent::Read(self.read())));
            }
            State::Stopped(reason) => {
                self.state = State::Ended;
                return Some(Ok(ModelEvent::Finished(self.outcome(reason))));
            }
            State::Ended => return None,
            State::Speaking => {}
        }
        let meter = self.meter;
        self.upstream.get_or_insert_with(|| meter.open_upstream());
        loop {
            let text = match self.stream.next().await {
                Some(Ok(ChatEvent::TextDelta(piece))) => self.marks.push(&piece),
                Some(Ok(ChatEvent::Usage(used))) => {
                    self.bill(used);
                    continue;
                }
                // None are offered.
                Some(Ok(ChatEvent::ToolCall(_))) => continue,
                Some(Ok(ChatEvent::Stopped(reason))) => {
                    self.upstream = None;
                    self.state = State::Stopped(reason);
                    let rest = self.marks.finish();
                    if rest.is_empty() {
                        self.state = State::Ended;
                        return Some(Ok(ModelEvent::Finished(self.outcome(reason))));
                    }
                    rest
                }
                Some(Err(error)) => {
                    self.upstream = None;
                    self.state = State::Ended;
                    return Some(Err(ModelError::from(error)));
                }
                None => {
                    self.upstream = None;
                    self.state = State::Ended;
                    return Some(Err(ModelError::CutShort));
                }
            };
            if !text.is_empty() {
                return Some(Ok(ModelEvent::Delta(text)));
            }
        }
    }

    fn read(&self) -> Vec<ChunkRead> {
        let numbers = 0..u32::try_from(self.found.chunks.len()).unwrap_or(u32::MAX);
        numbers
            .map(|chunk| ChunkRead {
                chunk,
                reason: format!("Given to {} as source {}.", self.model.name, chunk + 1),
            })
            .collect()
    }

    /// Adds what is new of `used` to the meter: providers report what there was so far, some of them several times.
    fn bill(&mut self, used: TokenUsage) {
        let (before, now) = (self.usage(self.used), self.usage(used));
        self.used = used;
        self.meter.add(
            &self.model.name,
            Usage {
                tokens: now.tokens.saturating_sub(before.tokens),
                cost: (now.cost - before.cost).max(0.0),
                unpriced_tokens: now.unpriced_tokens.saturating_sub(before.unpriced_tokens),
            },
        );
    }

    fn usage(&self, used: TokenUsage) -> Usage {
        let tokens = used.total();
        match self.model.price {
            Some(price) => Usage {
                tokens,
                cost: price.of(used),
                unpriced_tokens: 0,
            },
            None => Usage {
                tokens,
                cost: 0.0,
                unpriced_tokens: tokens,
            },
        }
    }

    fn outcome(&self, reason: StopReason) -> ModelOutcome {
        let citations: Vec<Citation> = self
            .marks
            .cited()
            .iter()
            .filter_map(|number| {
                let chunk_id = number - 1;
                let found = self.found.chunks.get(chunk_id as usize)?;
                Some(Citation {
                    index: *number,
                    chunk_id,
                    source: found.chunk.origin.source.clone(),
                })
            })
            .collect();
        let near = |chunk: u32| {
            let found = self.found.chunks.get(chunk as usize);
            found.map_or(0.0, |found| found.scores.similarity())
        };
        let is_answer = !citations.is_empty() && !self.marks.says_no_answer() && reason != StopReason::Refused;
        let confidence = if is_answer {
            let nearest = citations
                .iter()
                .map(|citation| near(citation.chunk_id))
                .fold(0.0, f64::max);
            ANSWERS + nearest * (1.0 - ANSWERS)
        } else {
            (near(0) * ANSWERS).min(UNCITED_MAX)
        };
        ModelOutcome {
            confidence: Confidence::new(confidence),
            citations,
            is_stand_in: false,
        }
    }
}
