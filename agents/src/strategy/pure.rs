//! Pure RAG and Pure CAG.

use futures_util::StreamExt;
use orchestratai_shared::{CacheStatus, LogData, LogStatus};
use tracing::{Instrument, field::Empty};

use super::{
    evidence::{self, Origin},
    specialist::{Specialist, Work},
};
use crate::{
    acting::{Acting, GIVEN_MAX},
    cache::{self, Admission, CachedAnswer, Flight, Landing, Lookup},
    knowledge::SearchResult,
    model::{ChunkRead, HandedOver, ModelError, ModelEvent, ModelOutcome, ModelTask},
    turn::{AgentError, Answer, Payer, Usage},
};

/// Chunks that are retrieved for an answer.
const RETRIEVED_CHUNKS_MAX: usize = GIVEN_MAX;
/// How often a turn waits for another's answer, or takes over where that failed, before it makes its own.
const TAKE_OVERS_MAX: usize = 8;
/// An answer below this confidence is not kept: it says that there is none.
const KEPT_CONFIDENCE: f64 = 0.5;

/// Whether the cache may be asked, and what it said.
#[expect(
    clippy::large_enum_variant,
    reason = "there is one for each turn, and it is never kept"
)]
pub(super) enum Asked<'a> {
    /// It was asked.
    Yes {
        /// What it said.
        lookup: Lookup,
        /// Where it had no answer: others may wait for the one that is made now.
        flight: Option<Flight<'a>>,
    },
    /// It was passed by.
    No(PassedBy),
}

/// Why the cache is not asked.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum PassedBy {
    /// A fresh answer was asked for; it may be kept.
    Fresh,
    /// The question leans on the conversation.
    Leans,
    /// The model is told what the person has said before, and answers them alone.
    Personal,
    /// The client has tools of its own.
    ClientTools,
}

impl PassedBy {
    /// Whether the answer may be kept all the same.
    pub(super) fn keeps(self) -> bool {
        match self {
            Self::Fresh => true,
            Self::Leans | Self::Personal | Self::ClientTools => false,
        }
    }
}

/// Whether an answer may be kept.
pub(super) enum Keep<'a> {
    /// It may; others may wait for it.
    Yes(Option<Flight<'a>>),
    /// It is for this turn alone.
    No,
}

impl From<bool> for Keep<'_> {
    fn from(keep: bool) -> Self {
        if keep { Self::Yes(None) } else { Self::No }
    }
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
        let asked = self.ask_cache(work).await?;
        self.show_cache(work, &asked).await?;
        let (keep, status) = match asked {
            Asked::Yes {
                lookup: Lookup {
                    answer: Some(cached), ..
                },
                ..
            } => {
                evidence::show_found(&work.voice, &cached.found, Origin::Cache).await?;
                return give_again(work, &cached, &cached.found, &cached.read, cached.outcome.clone()).await;
            }
            Asked::Yes { flight, .. } => (Keep::Yes(flight), CacheStatus::Miss),
            Asked::No(passed_by) => (passed_by.keeps().into(), CacheStatus::None),
        };
        if let Some(failed) = &work.failed {
            return Err(AgentError::Model(failed.clone()));
        }
        let found = self.search(work).await?;
        evidence::show_found(&work.voice, &found, Origin::Search).await?;
        let made = self.make_answer(work, found).await?;
        let outcome = made.outcome.clone();
        self.keep(work, keep, made);
        Ok(answer(outcome, status))
    }

    pub(super) async fn search(&self, work: &Work<'_>) -> Result<SearchResult, AgentError> {
        let mut found = self.search_for(work, work.question()).await?;
        if let Some(standalone) = &work.standalone {
            found.from_conversation.clone_from(&standalone.taken);
        }
        Ok(found)
    }

    async fn search_for(&self, work: &Work<'_>, question: &str) -> Result<SearchResult, AgentError> {
        let agent = &self.definition;
        let payer = Payer {
            spender: self.spender(work.request),
            meter: work.meter,
        };
        let span = tracing::debug_span!("retrieve", collections = Empty, chunks = Empty);
        let search = self
            .knowledge
            .search_paid_by(
                Some(&payer),
                question,
                &agent.collections,
                &agent.filter,
                RETRIEVED_CHUNKS_MAX,
            )
            .instrument(span.clone());
        let found = search.await.map_err(AgentError::KnowledgeUnavailable)?;
        if !span.is_disabled() {
            span.record("collections", found.collection_names());
            span.record("chunks", i64::try_from(found.chunks.len()).unwrap_or(i64::MAX));
        }
        Ok(found)
    }

    /// Asks the cache. Where another turn answers the same question just now, waits for that.
    pub(super) async fn ask_cache(&self, work: &Work<'_>) -> Result<Asked<'_>, AgentError> {
        let span = tracing::debug_span!("cache", hit = Empty);
        let asked = self.ask_cache_unseen(work).instrument(span.clone()).await?;
        if let Asked::Yes { lookup, .. } = &asked {
            span.record("hit", lookup.answer.is_some());
        }
        Ok(asked)
    }

    async fn ask_cache_unseen(&self, work: &Work<'_>) -> Result<Asked<'_>, AgentError> {
        let request = work.request;
        if request.client.has_any() {
            return Ok(Asked::No(PassedBy::ClientTools));
        }
        let question = request.message.as_str();
        let leans = work.standalone.is_some() || cache::leans_on_conversation(question, !request.history.is_empty());
        if leans {
            return Ok(Asked::No(PassedBy::Leans));
        }
        if !work.facts.is_empty() || self.may_be_told_by_asker(request) {
            return Ok(Asked::No(PassedBy::Personal));
        }
        if request.fresh {
            return Ok(Asked::No(PassedBy::Fresh));
        }
        let mut lookup = self.look_up(work, None).await?;
        for _ in 0..TAKE_OVERS_MAX {
            if lookup.answer.is_some() {
                break;
            }
            let key = self.cache_key(request, self.knowledge.revision());
            let flight = match self.cache.enter(&key, question) {
                Admission::Lead(flight) => Some(flight),
                Admission::Alone => None,
                Admission::Landed => {
                    lookup = self.look_up(work, Some(lookup)).await?;
                    continue;
                }
                Admission::Wait(waiting) => match waiting.landing().await {
                    Landing::Kept | Landing::Failed => {
                        lookup = self.look_up(work, Some(lookup)).await?;
                        continue;
                    }
                    Landing::NotKept | Landing::TooLong => None,
                },
            };
            return Ok(Asked::Yes { lookup, flight });
        }
        Ok(Asked::Yes { lookup, flight: None })
    }

    /// Looks into the cache; once more where `before` had no answer. An answer from an earlier state of the knowledge base
    /// is only taken where a search for its question finds the same now.
    async fn look_up(&self, work: &Work<'_>, before: Option<Lookup>) -> Result<Lookup, AgentError> {
        let request = work.request;
        let question = request.message.as_str();
        let key = self.cache_key(request, self.knowledge.revision());
        let mut lookup = match &before {
            None => self.cache.look_up(&key, question),
            Some(_) => self.cache.look_again(&key, question),
        };
        if let Some(outdated) = lookup.outdated.take() {
            let found = self.search_for(work, &outdated.question).await?;
            lookup = self.cache.renew(&key, &outdated, found);
        }
        if before.is_some() && lookup.answer.is_some() {
            lookup.log.reason = Some("It was asked at the same moment by another, and is answered once.".into());
        }
        Ok(lookup)
    }

    /// The `cache` step.
    pub(super) async fn show_cache(&self, work: &Work<'_>, asked: &Asked<'_>) -> Result<(), AgentError> {
        let (title, log) = match asked {
            Asked::Yes { lookup, .. } if lookup.answer.is_some() => ("Answered before", lookup.log.clone()),
            Asked::Yes { lookup, .. } => ("Not answered before", lookup.log.clone()),
            Asked::No(passed_by) => {
                let reason = match passed_by {
                    PassedBy::Fresh => "A fresh answer was asked for.",
                    PassedBy::Leans => "The question leans on the conversation, and is never answered from the cache.",
                    PassedBy::ClientTools => {
                        "The client has tools of its own: what they do is never answered from the cache."
                    }
                    PassedBy::Personal => "The agent is told what this person has said before, and answers them alone.",
                };
                ("Passed by the cache", self.cache.passed_by(reason))
            }
        };
        Ok(work.voice.log(title, LogStatus::Success, LogData::Cache(log)).await?)
    }

    /// Lets the model answer from what was found, and streams what it says.
    pub(super) async fn make_answer(
        &self,
        work: &mut Work<'_>,
        mut found: SearchResult,
    ) -> Result<CachedAnswer, AgentError> {
        // Where the turn goes on, the numbers of what the agent has found by itself are on record.
        if let Some(given_max) = work.acting.as_ref().and_then(Acting::given_max) {
            found.chunks.truncate(given_max);
        }
        let question = work.question().to_owned();
        let spender = self.spender(work.request);
        let task = ModelTask {
            question: &question,
            prompt: &self.definition.prompt,
            found: &found,
            history: &work.request.history,
            facts: &work.facts,
            spender: Some(&spender),
            acting: work.acting.as_ref(),
            client: Some(&work.request.client),
            handed_over: HandedOver::to(&self.definition.id, &work.request.past),
            answer_characters: self.definition.limits.answer_characters,
        };
        let (mut read, mut pieces, mut outcome) = (Vec::new(), Vec::new(), None);
        let mut events = self.model.answer(task, work.meter);
        let span = tracing::debug_span!("answer", model = self.model.name());
        while let Some(event) = events.next().instrument(span.clone()).await {
            match event.map_err(AgentError::Model)? {
                ModelEvent::Read(chunks) => {
                    evidence::show_read(&work.voice, &found, &chunks).await?;
                    self.show_known(work, &found).await?;
                    read = chunks;
                }
                ModelEvent::Delta(piece) => {
                    pieces.push(piece.clone());
                    work.voice.say(piece).await?;
                }
                ModelEvent::Withdrawn { title, reason } => {
                    pieces.clear();
                    let data = self.stepped_down(work.request, &reason);
                    work.voice.withdraw(&reason).await?;
                    work.voice.log(title, LogStatus::Warning, data).await?;
                }
                ModelEvent::ToolCalls(calls) => work.voice.record(calls).await?,
                ModelEvent::Step(step) => work.voice.pass_on(*step).await?,
                ModelEvent::Paused(pause) => return Err(AgentError::Paused(pause)),
                ModelEvent::Judged(verdict) => self.show_verdict(work, &found, verdict).await?,
                ModelEvent::Finished(finished) => outcome = Some(finished),
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

    /// Shows what is on record of the agent's finds, where it answers a part of the turn or another agent: whoever puts together the
    /// turn gives ids to what was shown in this run, and those of before are gone with the run that was cut off.
    async fn show_known(&self, work: &Work<'_>, found: &SearchResult) -> Result<(), AgentError> {
        let Some(acting) = work.acting.as_ref().filter(|_| work.request.part.is_some()) else {
            return Ok(());
        };
        // What is found in this run is shown when it is found.
        if acting.goes_on() {
            evidence::show_known(&work.voice, found, &acting.sources()).await?;
        }
        Ok(())
    }

    /// Keeps an answer, if it is one, and gives it to those who wait for it.
    pub(super) fn keep(&self, work: &Work<'_>, keep: Keep<'_>, made: CachedAnswer) {
        let Keep::Yes(flight) = keep else { return };
        let is_answer = made.outcome.confidence.get() >= KEPT_CONFIDENCE && !made.outcome.is_for_once;
        // What was found while the provider's model could not be asked may not be the best that there is.
        let is_answer = is_answer && !made.found.second_stage.has_missed_provider();
        if is_answer {
            let key = self.cache_key(work.request, made.found.revision);
            self.cache.store(&key, work.request.message.as_str(), made);
        }
        if let Some(flight) = flight {
            flight.land(is_answer);
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
    Ok(answer(outcome, CacheStatus::Hit))
}

/// What it took is known when the turn ends.
pub(super) fn answer(outcome: ModelOutcome, cache_status: CacheStatus) -> Answer {
    Answer {
        confidence: outcome.confidence,
        citations: outcome.citations,
        usage: Usage::default(),
        cache_status,
        incomplete: outcome.incomplete,
    }
}
