//! Whether answers hold what was asked for, stand on their sources, and are refused where there is nothing to say.
//!
//! Each question is put to a specialist as a turn of a conversation, so that whatever stands between a message and its answer is
//! measured with it: what was said before is answered first and becomes the history. The semantic cache is passed by.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::{StreamExt, TryStreamExt, stream};
use orchestratai_agents::{
    definition::Catalog,
    routing::Router,
    strategy::Means,
    turn::{AgentError, FromClient, Responder, Step, Steps, TurnRequest, Usage, UsageMeter},
};
use orchestratai_shared::{
    AgentId, Citation, DocumentChunk, Intent, LogData, LogStatus, Message, MessageContent, MessageId, MessageRole,
    SessionId, Timestamp, TurnId,
};
use tokio::sync::mpsc;

use crate::{Question, QuestionKind, calibration::Judged, judge::Judgement, support};

/// Below this confidence an answer says that there is none: the contract of the events.
pub const ANSWERS_FROM: f64 = 0.5;

/// A question with its answer.
#[derive(Debug, Clone)]
pub struct Answered<'a> {
    /// The question.
    pub question: &'a Question,
    /// Who was asked.
    pub agent: AgentId,
    /// The whole answer.
    pub text: String,
    /// How sure it is, 0 to 1.
    pub confidence: f64,
    /// The share of what is needed that the answer holds, 0 to 1; 0 where it is refused or there is nothing to hold.
    pub held: f64,
    /// What the answer says and no cited source does.
    pub unsupported: Vec<String>,
    /// What the citations of the answer stand for, each with its number.
    pub sources: Vec<(u32, String)>,
    /// What it took.
    pub effort: Effort,
    /// Why there is no answer, where the agent failed.
    pub failure: Option<String>,
    /// What a model that judges makes of it, where one was asked.
    pub judgement: Option<Judgement>,
}

/// What an answer took, without what was said before the question.
#[derive(Debug, Clone, Copy, Default)]
pub struct Effort {
    /// From the question to the first piece of the answer; none where there was none.
    pub first_piece: Option<Duration>,
    /// From the question to the end of the answer.
    pub whole: Duration,
    /// Tokens and their price, as providers reported them.
    pub usage: Usage,
}

impl Answered<'_> {
    /// Whether it says that there is no answer.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        self.confidence < ANSWERS_FROM
    }

    /// Whether the documents have an answer.
    #[must_use]
    pub fn is_answerable(&self) -> bool {
        self.question.kind != QuestionKind::Unanswerable
    }

    /// Whether it holds all that is needed.
    #[must_use]
    pub fn is_right(&self) -> bool {
        self.held >= 1.0
    }

    /// Whether it is not what it should be: an answerable question whose answer lacks something, an unanswerable one that is answered,
    /// or a sentence of its own.
    #[must_use]
    pub fn is_wrong(&self) -> bool {
        let as_it_should_be = if self.is_answerable() {
            self.is_right()
        } else {
            self.is_refused()
        };
        !as_it_should_be || !self.unsupported.is_empty()
    }

    /// Its confidence against whether it is right.
    #[must_use]
    pub fn judged(&self) -> Judged {
        Judged {
            confidence: self.confidence,
            is_right: self.is_right(),
        }
    }
}

/// Why a question could not be put.
#[derive(Debug, thiserror::Error)]
#[error("{question}: {problem}")]
pub struct AnswerError {
    /// Which question.
    question: String,
    /// What is wrong.
    problem: String,
}

/// Puts each question to the specialist who is responsible: the one whose collection has the passages; where the documents do not
/// say, the one whom routing finds most probable. `at_once` are put at the same time; the answers come in the order of the questions. An
/// agent that fails has refused, and the answer says why it did.
///
/// # Errors
/// [`AnswerError`] where a question cannot be put or has no specialist.
pub async fn answer<'a>(
    means: &Means,
    responders: &HashMap<AgentId, Arc<dyn Responder>>,
    questions: &'a [Question],
    at_once: usize,
) -> Result<Vec<Answered<'a>>, AnswerError> {
    stream::iter(questions)
        .map(|question| put(means, responders, question))
        .buffered(at_once.max(1))
        .try_collect()
        .await
}

async fn put<'a>(
    means: &Means,
    responders: &HashMap<AgentId, Arc<dyn Responder>>,
    question: &'a Question,
) -> Result<Answered<'a>, AnswerError> {
    let broken = |problem: String| AnswerError {
        question: question.id.clone(),
        problem,
    };
    let agent = responsible(&means.catalog, &means.router, question)
        .ok_or_else(|| broken("no specialist reads its collection".into()))?;
    let responder = responders
        .get(&agent)
        .ok_or_else(|| broken(format!("{agent} does not answer")))?;
    let parsed = |text: &str| MessageContent::parse(text).map_err(|error| broken(error.to_string()));
    let before = question
        .after
        .iter()
        .map(|text| parsed(text))
        .collect::<Result<Vec<_>, _>>()?;
    let content = parsed(&question.question)?;
    let mut asking = Asking {
        responder: responder.as_ref(),
        router: &means.router,
        agent: &agent,
        session: SessionId::new(),
        history: Vec::new(),
    };
    let mut given = Ok(Given::default());
    for content in before.into_iter().chain([content]) {
        given = asking.ask(content).await;
        if given.is_err() {
            break;
        }
    }
    let (given, failure) = match given {
        Ok(mut given) => {
            let failure = given.failure.take();
            (given, failure)
        }
        Err(error) => (Given::default(), Some(error.to_string())),
    };
    let is_refused = given.confidence < ANSWERS_FROM;
    Ok(Answered {
        question,
        held: if is_refused { 0.0 } else { held(question, &given.text) },
        unsupported: if is_refused {
            Vec::new()
        } else {
            support::unsupported(&given.text, &given.sources)
        },
        agent,
        text: given.text,
        confidence: given.confidence,
        sources: given.sources,
        effort: given.effort,
        failure,
        judgement: None,
    })
}

fn responsible(catalog: &Catalog, router: &Router, question: &Question) -> Option<AgentId> {
    let of_collection = |collection: &str| {
        let reads = |agent: &&orchestratai_agents::definition::AgentDefinition| {
            agent.collections.iter().any(|name| name.as_str() == collection)
        };
        catalog.specialists().find(reads).map(|agent| agent.id.clone())
    };
    if let Some(gold) = question.gold.first() {
        return gold
            .source
            .split_once('/')
            .and_then(|(collection, _)| of_collection(collection));
    }
    let specialists: Vec<&AgentId> = catalog.specialists().map(|agent| &agent.id).collect();
    let decision = router.route(&question.question);
    let most_probable = decision.candidates.into_iter().map(|candidate| candidate.agent);
    most_probable
        .chain(specialists.iter().map(|agent| (*agent).clone()))
        .find(|agent| specialists.contains(&agent))
}

/// One conversation with one agent.
struct Asking<'a> {
    responder: &'a dyn Responder,
    router: &'a Router,
    agent: &'a AgentId,
    session: SessionId,
    history: Vec<Arc<Message>>,
}

/// What came back.
#[derive(Default)]
struct Given {
    text: String,
    confidence: f64,
    /// By the number in the text, what each citation stands for.
    sources: Vec<(u32, String)>,
    effort: Effort,
    /// What went wrong first, where nothing came of it.
    failure: Option<String>,
}

impl Asking<'_> {
    async fn ask(&mut self, content: MessageContent) -> Result<Given, AgentError> {
        let request = TurnRequest {
            session_id: self.session,
            turn_id: TurnId::new(),
            intent: self.intent(&content),
            message: content.clone(),
            fresh: true,
            history: self.history.clone(),
            organization: "evaluation".into(),
            user: None,
            past: Vec::new(),
            part: None,
            client: FromClient::default(),
        };
        let (sender, mut receiver) = mpsc::channel(64);
        let began = Instant::now();
        let collect = async {
            let (mut text, mut chunks, mut first_piece, mut trouble) = (String::new(), Vec::new(), None, None);
            while let Some(step) = receiver.recv().await {
                match step {
                    Step::Delta(piece) => {
                        first_piece.get_or_insert_with(|| began.elapsed());
                        text.push_str(&piece);
                    }
                    Step::Reset { .. } => text.clear(),
                    // Nothing of an evaluation is on record.
                    Step::ToolCall { durable, .. } => durable.tell(),
                    Step::Log {
                        data: LogData::VectorSearch(found),
                        ..
                    } => {
                        // An agent may search several times. What bears an id last is what it means.
                        chunks.retain(|known: &DocumentChunk| found.chunks.iter().all(|chunk| chunk.id != known.id));
                        chunks.extend(found.chunks);
                    }
                    Step::Log {
                        status: LogStatus::Warning,
                        data: LogData::Routing(routing),
                        ..
                    } => {
                        trouble.get_or_insert(routing.reasoning);
                    }
                    Step::Log { .. } => {}
                }
            }
            (text, chunks, first_piece, trouble)
        };
        let meter = UsageMeter::default();
        let turn = async {
            let steps = Steps::new(sender);
            self.responder.answer(&request, &steps, &meter).await
        };
        let (answer, (text, chunks, first_piece, trouble)) = tokio::join!(turn, collect);
        let whole = began.elapsed();
        let answer = answer?;
        let source = |citation: &Citation| {
            let chunk = chunks.iter().find(|chunk| chunk.id == citation.chunk_id)?;
            Some((citation.index, chunk.content.clone()))
        };
        let given = Given {
            confidence: answer.confidence.get(),
            // Who says that nothing can be said just now is not at all sure of it.
            failure: trouble.filter(|_| answer.confidence.get() <= 0.0),
            sources: answer.citations.iter().filter_map(source).collect(),
            text,
            effort: Effort {
                first_piece,
                whole,
                usage: answer.usage,
            },
        };
        self.say(MessageRole::User, content.as_str().to_owned());
        self.say(MessageRole::Assistant, given.text.clone());
        Ok(given)
    }

    fn intent(&self, content: &MessageContent) -> Intent {
        self.router.route(content.as_str()).intent
    }

    fn say(&mut self, role: MessageRole, content: String) {
        self.history.push(Arc::new(Message {
            id: MessageId::new(),
            agent: (role == MessageRole::Assistant).then(|| self.agent.clone()),
            role,
            content,
            confidence: None,
            timestamp: Timestamp::now(),
            session_id: self.session,
        }));
    }
}

/// The share of the passages' answers that `text` holds; where any of them is enough, all or nothing.
fn held(question: &Question, text: &str) -> f64 {
    let text = support::plain(text);
    let has = question
        .gold
        .iter()
        .filter(|gold| text.contains(&support::plain(&gold.answer)))
        .count();
    if question.any {
        return f64::from(u8::from(has > 0));
    }
    #[expect(clippy::cast_precision_loss, reason = "a question has a handful of passages")]
    let share = has as f64 / question.gold.len().max(1) as f64;
    share
}
