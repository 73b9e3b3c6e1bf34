//! A language model that answers from what was found.
//!
//! It is given the sources numbered by their rank ([`super::prompt`]), and cites by these numbers, which are read from its text as it
//! streams ([`super::marks`]). An answer is one where it cites a source that it was given and does not say itself that there is none:
//! its confidence is then 0.5 and more, by how near the best of the cited sources is to the question and by how much of it the sources bear
//! out ([`super::grounded`]). What stands on the result of a tool alone, or on what the person has said before, is an answer of 0.5. Everything
//! else is below that, and so is what the sources do not bear out.
//!
//! Where the model wants tools called, that is done ([`crate::acting`]), and it is asked again with what they gave back. Sources that
//! calls have found are cited like those that it was given. Where it wants tools of the client called, it ends with that.

use std::{collections::VecDeque, sync::Arc};

use futures_util::{
    FutureExt, StreamExt,
    future::BoxFuture,
    stream::{self, FuturesUnordered},
};
use orchestratai_shared::{Citation, Confidence, Incomplete};
use tokio::sync::mpsc;

use super::{
    ChunkRead, ContextWindow, Model, ModelError, ModelEvent, ModelOutcome, ModelStream, ModelTask, confidence::ANSWERS,
    grounded, guarded_turn::GuardedTurn, marks::Marks, prompt,
};
use crate::{
    acting::{Acting, Made, Next, Source, Surroundings, within_levels},
    guardrail::Guardrails,
    language::{
        ChatEvent, ChatMessage, ChatRequest, ChatStream, LanguageModel, Price, ResponseFormat, StopReason, TokenUsage,
        ToolCall,
    },
    turn::{OpenUpstream, Pause, Step, Usage, UsageMeter},
};

/// The confidence of an answer that cites nothing, at most.
const UNCITED_MAX: f64 = ANSWERS - 0.01;

/// Steps of calls that may wait to be told; a call that does more waits.
const STEPS_WAITING_MAX: usize = 16;

/// Answers by a language model.
pub struct Generative {
    name: Arc<str>,
    model: Arc<dyn LanguageModel>,
    price: Option<Price>,
    max_tokens: u32,
    temperature: Option<f32>,
    window: ContextWindow,
    guardrails: Option<Guardrails>,
}

impl Generative {
    /// A model that is called `name` in agent files. `price` is what its tokens cost, where that is known;
    /// `window` holds what it is told and `max_tokens` of its answer.
    #[must_use]
    pub fn new(
        name: &str,
        model: Arc<dyn LanguageModel>,
        price: Option<Price>,
        window: ContextWindow,
        max_tokens: u32,
        temperature: Option<f32>,
    ) -> Self {
        Self {
            name: name.into(),
            model,
            price,
            max_tokens,
            temperature,
            window,
            guardrails: None,
        }
    }

    /// The same with guardrails around it.
    #[must_use]
    pub fn guarded_by(self, guardrails: Guardrails) -> Self {
        let guardrails = Some(guardrails);
        Self { guardrails, ..self }
    }
}

impl Model for Generative {
    fn name(&self) -> &str {
        &self.name
    }

    fn takes_facts(&self) -> bool {
        true
    }

    fn calls_tools(&self) -> bool {
        true
    }

    fn answer<'a>(&'a self, task: ModelTask<'a>, meter: &'a UsageMeter) -> ModelStream<'a> {
        let sources = u32::try_from(task.found.chunks.len()).unwrap_or(u32::MAX);
        let answering = Answering {
            model: self,
            task,
            meter,
            // A call that is due comes first.
            stream: None,
            upstream: None,
            told: Vec::new(),
            said: String::new(),
            calls: Vec::new(),
            under_way: FuturesUnordered::new(),
            steps: task.acting.map(|_| mpsc::channel(STEPS_WAITING_MAX)),
            due: VecDeque::new(),
            marks: Marks::new(sources),
            guard: GuardedTurn::new(self.guardrails.as_ref(), &task),
            used: TokenUsage::default(),
            used_before: TokenUsage::default(),
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
    task: ModelTask<'a>,
    meter: &'a UsageMeter,
    // Dropped before the guard, which says that it is closed.
    stream: Option<ChatStream>,
    upstream: Option<OpenUpstream<'a>>,
    /// What it is told before anything that it does.
    told: Vec<ChatMessage>,
    /// What it has said since it was last asked.
    said: String,
    /// What it wants called.
    calls: Vec<ToolCall>,
    /// The calls that are being made, and what they do meanwhile, where it may act.
    under_way: FuturesUnordered<BoxFuture<'a, Made>>,
    steps: Option<(mpsc::Sender<Step>, mpsc::Receiver<Step>)>,
    /// What is to be told of a call that was made, before anything else happens.
    due: VecDeque<ModelEvent>,
    marks: Marks,
    guard: GuardedTurn<'a>,
    used: TokenUsage,
    /// What it had used when it was last asked.
    used_before: TokenUsage,
    state: State,
}

#[derive(PartialEq)]
enum State {
    /// What is read has not been said.
    Unread,
    /// What it wants done is done, as far as that is due.
    Acting,
    Speaking,
    Stopped(StopReason),
    Ended,
}

impl Answering<'_> {
    async fn next(&mut self) -> Option<Result<ModelEvent, ModelError>> {
        loop {
            if let Some(verdict) = self.guard.verdict() {
                return Some(Ok(ModelEvent::Judged(verdict)));
            }
            match std::mem::replace(&mut self.state, State::Ended) {
                State::Unread => {
                    self.fit().await;
                    self.state = State::Acting;
                    return Some(Ok(ModelEvent::Read(self.read())));
                }
                State::Acting => {
                    if let Some(event) = self.act().await {
                        return Some(Ok(event));
                    }
                    self.ask().await;
                    self.state = State::Speaking;
                }
                State::Speaking => match self.listen().await {
                    Ok(Some(text)) => {
                        // Where it has stopped, `listen` has said so.
                        if self.state == State::Ended {
                            self.state = State::Speaking;
                        }
                        if text.is_empty() {
                            // Something else is to be told first.
                            continue;
                        }
                        return Some(Ok(ModelEvent::Delta(text)));
                    }
                    // It has stopped.
                    Ok(None) => {}
                    Err(ModelError::OverBudget {
                        question: Some(question),
                        ..
                    }) => return Some(Ok(ModelEvent::Paused(question.pause()))),
                    Err(error) => return Some(Err(error)),
                },
                State::Stopped(reason) => {
                    if self.is_answer(reason)
                        && let Some(verdict) = self.guard.measure(&self.task, self.marks.cited()).await
                    {
                        self.state = State::Stopped(reason);
                        return Some(Ok(ModelEvent::Judged(verdict)));
                    }
                    return Some(Ok(ModelEvent::Finished(self.outcome(reason))));
                }
                State::Ended => return None,
            }
        }
    }

    /// Does what is due of what the model wants done. Gives what is to be told of it; `None` where nothing is due.
    async fn act(&mut self) -> Option<ModelEvent> {
        let acting = self.task.acting?;
        let (tell, told) = self.steps.as_mut()?;
        let event = loop {
            if let Some(event) = self.due.pop_front() {
                break event;
            }
            match acting.next()? {
                Next::Record(calls) => break ModelEvent::ToolCalls(calls),
                Next::Make(calls) => {
                    let around = Surroundings {
                        given: &self.task.found.chunks,
                        meter: self.meter,
                        steps: tell.clone(),
                    };
                    let made = calls
                        .into_iter()
                        .map(|call| acting.make_call(call, around.clone()).boxed());
                    self.under_way.extend(made);
                }
                Next::Wait => tokio::select! {
                    biased;
                    Some(step) = told.recv() => break ModelEvent::Step(Box::new(step)),
                    made = self.under_way.next() => {
                        let Made { steps, event } = made?;
                        // What it has done before it ended comes first.
                        let before = std::iter::from_fn(|| told.try_recv().ok());
                        let steps = before.chain(steps).map(|step| ModelEvent::Step(Box::new(step)));
                        self.due.extend(steps.chain(event.map(|event| ModelEvent::ToolCalls(vec![event]))));
                    }
                },
                Next::Pause(Pause::ClientCalls { calls, .. }) => {
                    let citations = self.citations();
                    return Some(ModelEvent::Paused(Pause::ClientCalls { calls, citations }));
                }
                Next::Pause(pause @ (Pause::Approval(_) | Pause::HandOff { .. })) => {
                    return Some(ModelEvent::Paused(pause));
                }
            }
        };
        self.state = State::Acting;
        Some(event)
    }

    /// Settles what it is told, as far as that fits.
    async fn fit(&mut self) {
        self.task.handed_over = self.guard.screen_handed_over(self.task.handed_over);
        let mut telling = prompt::telling(&self.task, self.guard.left_out());
        self.guard.screen(&mut telling.history);
        let rules = telling.rules.clone();
        let mut fitted = self.model.window.fit(telling, self.model.max_tokens).await;
        let left_out = std::mem::take(&mut fitted.left_out);
        self.guard
            .leave_out(&self.model.name, self.model.window.tokens, left_out);
        self.guard.tell_facts(&self.model.name, fitted.facts.len());
        self.told = prompt::messages(&rules, fitted);
    }

    async fn ask(&mut self) {
        self.marks
            .admit(self.further_sources().iter().map(|source| source.number));
        let (mut offers, mut done) =
            (self.task.acting).map_or_else(Default::default, |acting| (acting.offers(), acting.messages()));
        self.guard.screen(&mut done);
        self.guard.screen_offers(&mut offers);
        let answer = self.model.max_tokens;
        let done = self.model.window.fit_done(&self.told, done, &offers, answer).await;
        let mut messages = if self.task.acting.is_some() {
            [self.told.as_slice(), done.as_slice()].concat()
        } else {
            // It is asked once, and what it is told is the largest part of what a turn takes.
            std::mem::take(&mut self.told)
        };
        self.guard.before_asking(&mut messages);
        let request = ChatRequest {
            messages,
            tools: offers,
            context_tokens: Some(self.model.window.tokens),
            format: ResponseFormat::Text,
            max_tokens: Some(self.model.max_tokens),
            temperature: self.model.temperature,
            stop: Vec::new(),
            spender: self.task.spender.cloned(),
            must_call: self.task.acting.is_some_and(Acting::must_call),
            calls_one_at_once: self.task.acting.is_some_and(Acting::calls_one_at_once),
        };
        self.said.clear();
        self.used_before = self.used;
        self.stream = Some(self.guard.listen(self.model.model.chat(Arc::new(request))));
    }

    /// The next piece of the answer, empty where a verdict comes first; `None` where the model has stopped, and the state says why.
    async fn listen(&mut self) -> Result<Option<String>, ModelError> {
        let Some(stream) = &mut self.stream else {
            return Err(ModelError::CutShort);
        };
        let meter = self.meter;
        self.upstream.get_or_insert_with(|| meter.open_upstream());
        loop {
            let text = match stream.next().await {
                Some(Ok(ChatEvent::TextDelta(piece))) => {
                    self.said.push_str(&piece);
                    self.guard.heard(self.marks.push(&piece))
                }
                Some(Ok(ChatEvent::Usage(used))) => {
                    let used = self.used_before.plus(used);
                    let before = std::mem::replace(&mut self.used, used);
                    bill(self.model, self.meter, before, used);
                    continue;
                }
                Some(Ok(ChatEvent::ToolCall(call))) => {
                    self.calls.push(within_levels(call));
                    continue;
                }
                Some(Ok(ChatEvent::Warned(notice))) => {
                    self.guard.warn(notice);
                    return Ok(Some(String::new()));
                }
                Some(Ok(ChatEvent::Stopped(reason))) => {
                    (self.stream, self.upstream) = (None, None);
                    return Ok(self.stopped(reason));
                }
                end @ (Some(Err(_)) | None) => {
                    (self.stream, self.upstream) = (None, None);
                    return Err(match end {
                        Some(Err(error)) => ModelError::from(error),
                        Some(Ok(_)) | None => ModelError::CutShort,
                    });
                }
            };
            if self.guard.is_full() {
                // Closed: what it would go on to say is nobody's.
                (self.stream, self.upstream) = (None, None);
                self.state = State::Stopped(StopReason::MaxTokens);
                return Ok(Some(text).filter(|text| !text.is_empty()));
            }
            if !text.is_empty() {
                return Ok(Some(text));
            }
        }
    }

    /// It has stopped: for an answer, or for calls. Gives what it has said and was held back.
    fn stopped(&mut self, reason: StopReason) -> Option<String> {
        let calls = std::mem::take(&mut self.calls);
        let is_of_client = |acting: &&Acting| calls.iter().any(|call| acting.is_of_client(call));
        let acting =
            (self.task.acting).filter(|acting| is_of_client(acting) || !calls.is_empty() && acting.may_go_on());
        // What it says behind calls is a paragraph of its own; behind those of the client alone it says nothing.
        let ends = acting.is_some_and(|acting| calls.iter().all(|call| acting.is_of_client(call)));
        let gap = if acting.is_none() || ends || self.said.trim().is_empty() {
            ""
        } else {
            "\n\n"
        };
        let text = self.guard.ended(self.marks.finish() + gap);
        self.state = match acting {
            // Who has said all that he may does nothing more either.
            Some(acting) if !self.guard.is_full() => {
                acting.want(&self.said, calls);
                State::Acting
            }
            Some(_) | None => {
                if !self.guard.is_full() {
                    self.guard.tell_incomplete(&self.model.name, incomplete(reason));
                }
                State::Stopped(if self.guard.is_full() {
                    StopReason::MaxTokens
                } else {
                    reason
                })
            }
        };
        Some(text).filter(|text| !text.is_empty())
    }

    fn read(&self) -> Vec<ChunkRead> {
        let numbers = 0..u32::try_from(self.task.found.chunks.len()).unwrap_or(u32::MAX);
        numbers
            .filter(|chunk| !self.guard.left_out().contains(chunk))
            .map(|chunk| ChunkRead {
                chunk,
                reason: format!("Given to {} as source {}.", self.model.name, chunk + 1),
            })
            .collect()
    }

    /// The sources that calls have found.
    fn further_sources(&self) -> Vec<Source> {
        self.task.acting.map_or_else(Vec::new, Acting::sources)
    }

    /// Whether it may be an answer; it is one where it stands on something.
    fn is_answer(&self, reason: StopReason) -> bool {
        !self.marks.says_no_answer() && reason != StopReason::Refused
    }

    /// The document of a source that the model was given, or that one of its calls has found, and how near it is.
    fn source(&self, number: u32, further: &[Source]) -> Option<(String, f64)> {
        let place = number
            .checked_sub(1)
            .filter(|place| !self.guard.left_out().contains(place))?;
        let given = self.task.found.chunks.get(place as usize);
        let given = given.map(|found| (found.chunk.origin.source.clone(), found.scores.similarity()));
        given.or_else(|| {
            let found = further.iter().find(|source| source.number == number)?;
            Some((found.document.clone(), found.similarity))
        })
    }

    /// What the marks stand for in what it has said.
    fn citations(&self) -> Vec<Citation> {
        let further = self.further_sources();
        let cited = |number: &u32| {
            Some(Citation {
                index: *number,
                chunk_id: number - 1,
                source: self.source(*number, &further)?.0,
            })
        };
        self.marks.cited().iter().filter_map(cited).collect()
    }

    fn outcome(&self, reason: StopReason) -> ModelOutcome {
        let further = self.further_sources();
        let citations = self.citations();
        let near = |number: u32| self.source(number, &further).map_or(0.0, |(_, similarity)| similarity);
        let acting = self.task.acting;
        let stands_on = !citations.is_empty() || acting.is_some_and(Acting::has_result) || self.guard.stands_on_facts();
        let confidence = if stands_on && self.is_answer(reason) {
            let nearest = citations
                .iter()
                .map(|citation| near(citation.index))
                .fold(0.0, f64::max);
            grounded::confidence(nearest, self.guard.supported())
        } else {
            (near(1) * ANSWERS).min(UNCITED_MAX)
        };
        let incomplete = incomplete(reason);
        ModelOutcome {
            confidence: Confidence::new(confidence),
            citations,
            // What another agent has told to this one may be about the person.
            is_for_once: incomplete.is_some()
                || self.task.handed_over.is_some()
                || acting.is_some_and(Acting::has_acted),
            incomplete,
        }
    }
}

/// What stopping so leaves of an answer.
fn incomplete(reason: StopReason) -> Option<Incomplete> {
    match reason {
        StopReason::Complete | StopReason::ToolCalls => None,
        StopReason::MaxTokens => Some(Incomplete::MaxTokens),
        StopReason::Refused => Some(Incomplete::Refused),
    }
}

/// Adds what is new to the meter.
fn bill(model: &Generative, meter: &UsageMeter, before: TokenUsage, now: TokenUsage) {
    let of = |used| Usage::of(used, model.price);
    meter.add(&model.name, of(now).since(of(before)));
}
