//! Pure RAG and Pure CAG.

use futures_util::StreamExt;
use orchestratai_shared::{CacheStatus, LogData, LogStatus};

use super::{
    evidence::{self, Origin},
    specialist::{Specialist, Work},
};
use crate::{
    cache::{self, CachedAnswer, Lookup},
    knowledge::SearchResult,
    model::{ChunkRead, ModelError, ModelEvent, ModelOutcome, ModelTask},
    turn::{AgentError, Answer},
};

/// Chunks that are retrieved for an answer.
const RETRIEVED_CHUNKS_MAX: usize = 5;
/// An answer below this confidence is not kept: it says that there is none.
const KEPT_CONFIDENCE: f64 = 0.5;

/// Whether the cache may be asked, and what it said.
pub(super) enum Asked {
    /// It was asked.
    Yes(Lookup),
    /// It was passed by.
    No {
        /// Whether the answer may be kept all the same.
        keep: bool,
    },
}

impl Specialist {
    /// Retrieves, then answers.
    pub(super) async fn pure_rag(&self, work: &mut Work<'_>) -> Result<Answer, AgentError> {
        let found = self.search(work).await?;
        evidence::show_found(&work.voice, &found, Origin::Search).await?;
        let made = self.make_answer(work, found).await?;
        Ok(answer(made.outcome, CacheStatus::None))
    }

    /// Asks the cache first; on a miss retrieves, answers and stores.
    pub(super) async fn pure_cag(&self, work: &mut Work<'_>) -> Result<Answer, AgentError> {
        let asked = self.ask_cache(work);
        self.show_cache(work, &asked).await?;
        let (keep, status) = match asked {
            Asked::Yes(Lookup {
                answer: Some(cached), ..
            }) => {
                evidence::show_found(&work.voice, &cached.found, Origin::Cache).await?;
                return give_again(work, &cached, &cached.found, &cached.read, cached.outcome.clone()).await;
            }
            Asked::Yes(Lookup { answer: None, .. }) => (true, CacheStatus::Miss),
            Asked::No { keep } => (keep, CacheStatus::None),
        };
        let found = self.search(work).await?;
        evidence::show_found(&work.voice, &found, Origin::Search).await?;
        let made = self.make_answer(work, found).await?;
        let outcome = made.outcome.clone();
        self.keep(work, keep, made);
        Ok(answer(outcome, status))
    }

    pub(super) async fn search(&self, work: &Work<'_>) -> Result<SearchResult, AgentError> {
        let question = work.request.message.as_str();
        let search = self
            .knowledge
            .search(question, &self.definition.collections, RETRIEVED_CHUNKS_MAX);
        search.await.map_err(AgentError::KnowledgeUnavailable)
    }

    pub(super) fn ask_cache(&self, work: &Work<'_>) -> Asked {
        let request = work.request;
        let question = request.message.as_str();
        if cache::leans_on_conversation(question, !request.history.is_empty()) {
            return Asked::No { keep: false };
        }
        if request.fresh {
            return Asked::No { keep: true };
        }
        let key = self.cache_key(request, self.knowledge.revision());
        Asked::Yes(self.cache.look_up(&key, question))
    }

    /// The `cache` step.
    pub(super) async fn show_cache(&self, work: &Work<'_>, asked: &Asked) -> Result<(), AgentError> {
        let (title, log) = match asked {
            Asked::Yes(Lookup { answer: Some(_), log }) => ("Answered before", log.clone()),
            Asked::Yes(Lookup { answer: None, log }) => ("Not answered before", log.clone()),
            Asked::No { keep: true } => (
                "Passed by the cache",
                self.cache.passed_by("A fresh answer was asked for."),
            ),
            Asked::No { keep: false } => {
                let reason = "The question leans on the conversation, and is never answered from the cache.";
                ("Passed by the cache", self.cache.passed_by(reason))
            }
        };
        Ok(work.voice.log(title, LogStatus::Success, LogData::Cache(log)).await?)
    }

    /// Lets the model answer from what was found, and streams what it says.
    pub(super) async fn make_answer(
        &self,
        work: &mut Work<'_>,
        found: SearchResult,
    ) -> Result<CachedAnswer, AgentError> {
        let task = ModelTask {
            question: work.request.message.as_str(),
            prompt: &self.definition.prompt,
            found: &found,
            history: &work.request.history,
        };
        let (mut read, mut pieces, mut outcome) = (Vec::new(), Vec::new(), None);
        let mut events = self.model.answer(task, work.meter);
        while let Some(event) = events.next().await {
            match event.map_err(AgentError::Model)? {
                ModelEvent::Read(chunks) => {
                    evidence::show_read(&work.voice, &found, &chunks).await?;
                    read = chunks;
                }
                ModelEvent::Delta(piece) => {
                    pieces.push(piece.clone());
                    work.voice.say(piece).await?;
                }
                ModelEvent::Finished(finished) => {
                    work.meter.add(finished.usage);
                    outcome = Some(finished);
                }
            }
        }
        drop(events);
        let outcome = outcome.ok_or(AgentError::Model(ModelError::CutShort))?;
        Ok(CachedAnswer {
            pieces,
            outcome,
            found,
            read,
        })
    }

    /// Keeps an answer, if it is one.
    pub(super) fn keep(&self, work: &Work<'_>, keep: bool, made: CachedAnswer) {
        if keep && made.outcome.confidence.get() >= KEPT_CONFIDENCE {
            let key = self.cache_key(work.request, made.found.revision);
            self.cache.store(key, work.request.message.as_str(), made);
        }
    }
}

/// Gives a cached answer again; `found`, `read` and `outcome` as they are in this turn.
pub(super) async fn give_again(
    work: &mut Work<'_>,
    cached: &CachedAnswer,
    found: &SearchResult,
    read: &[ChunkRead],
    outcome: ModelOutcome,
) -> Result<Answer, AgentError> {
    evidence::show_read(&work.voice, found, read).await?;
    for piece in &cached.pieces {
        work.voice.say(piece.clone()).await?;
    }
    // Nothing was spent on it this time.
    Ok(Answer {
        usage: crate::turn::Usage::default(),
        ..answer(outcome, CacheStatus::Hit)
    })
}

pub(super) fn answer(outcome: ModelOutcome, cache_status: CacheStatus) -> Answer {
    Answer {
        confidence: outcome.confidence,
        citations: outcome.citations,
        usage: outcome.usage,
        cache_status,
    }
}
