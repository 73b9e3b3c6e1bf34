//! A responder that answers from the knowledge base, with its fallback chain.

use std::sync::Arc;

use async_trait::async_trait;
use orchestratai_shared::{AgentId, Confidence, Fact, LogData, LogStatus, QueryAnalysis};

use super::{
    Means,
    direct::{self},
    responder,
    voice::Voice,
};
use crate::{
    acting::{Acting, BuiltIn, Colleague, KnowledgeSearch, OFFERS_MAX, Remembering},
    budget,
    cache::{CacheKey, SemanticCache},
    conversation::{self, Standalone},
    definition::{AgentDefinition, Strategy},
    embedder::StaticEmbedder,
    facts::OwnFacts,
    guardrail::Topics,
    knowledge::Knowledge,
    language::Spender,
    model::{Model, ModelError},
    turn::{AgentError, Answer, Responder, Steps, TurnRequest, UsageMeter},
};

/// Tools that are too many are named up to so many.
const LEFT_OUT_NAMED_MAX: usize = 20;

/// Answers from the knowledge base by its strategy.
pub(super) struct Specialist {
    pub(super) definition: AgentDefinition,
    pub(super) model: Arc<dyn Model>,
    pub(super) knowledge: Knowledge,
    pub(super) cache: Arc<SemanticCache>,
    means: Means,
    pub(super) topics: Topics,
    pub(super) embedder: Arc<StaticEmbedder>,
    /// What is said where nothing can be searched.
    unavailable: String,
}

/// One turn at work.
pub(super) struct Work<'a> {
    pub(super) request: &'a TurnRequest,
    /// The message made to stand on its own, where it leans on what was said before.
    pub(super) standalone: Option<Standalone>,
    pub(super) voice: Voice<'a>,
    /// What it may do beside answering.
    pub(super) acting: Option<Acting>,
    /// What the person has said of themselves before, where the model is told that.
    pub(super) facts: Vec<Fact>,
    pub(super) meter: &'a UsageMeter,
    /// How its model failed in this turn: it is not asked again.
    pub(super) failed: Option<ModelError>,
}

impl Work<'_> {
    /// The question as it is searched for and answered.
    pub(super) fn question(&self) -> &str {
        let message = self.request.message.as_str();
        self.standalone
            .as_ref()
            .map_or(message, |standalone| standalone.text.as_str())
    }
}

impl Specialist {
    pub(super) fn new(agent: &AgentDefinition, model: Arc<dyn Model>, means: &Means) -> Self {
        Self {
            definition: agent.clone(),
            model,
            knowledge: means.knowledge.clone(),
            cache: Arc::clone(&means.cache),
            means: means.clone(),
            topics: Topics::new(&agent.blocked_topics, &means.embedder),
            embedder: Arc::clone(&means.embedder),
            unavailable: direct::texts(agent, &means.catalog).unavailable,
        }
    }

    async fn attempt(&self, strategy: Strategy, work: &mut Work<'_>) -> Result<Answer, AgentError> {
        match strategy {
            Strategy::Hybrid => self.hybrid(work).await,
            Strategy::PureRag => self.pure_rag(work).await,
            Strategy::PureCag => self.pure_cag(work).await,
            Strategy::Direct => direct::say(&mut work.voice, &self.unavailable, 0.0).await,
        }
    }

    /// What this agent may do in a turn beside answering.
    async fn acting(&self, work: &Work<'_>, own_facts: Option<OwnFacts>) -> Result<Option<Acting>, AgentError> {
        let taken = self.means.tools.take(&self.definition.tools).await;
        for (source, why) in &taken.missing {
            let reason = format!("The tools of {source} are not to be had: {why}. Going on without them.");
            let data = self.stepped_down(work.request, &reason);
            work.voice
                .log(format!("Without the tools of {source}"), LogStatus::Warning, data)
                .await?;
        }
        let purpose = |id: &AgentId| {
            self.means
                .catalog
                .agent(id)
                .map_or_else(String::new, |agent| agent.purpose.clone())
        };
        let search = (taken.built_in.contains(&BuiltIn::SearchKnowledge)).then(|| {
            let (collections, filter) = (self.definition.collections.clone(), self.definition.filter.clone());
            KnowledgeSearch::new(self.knowledge.clone(), collections, filter)
        });
        let colleagues = self.colleagues(work.request);
        let acting = Acting::new(
            &self.definition,
            purpose,
            taken,
            search,
            own_facts.map(Remembering::new),
            colleagues,
            work.request,
        );
        self.show_left_out(work, acting.as_ref()).await?;
        self.show_client_tools(work, acting.as_ref()).await?;
        Ok(acting)
    }

    /// Says which tools the model is not offered, since they are too many.
    async fn show_left_out(&self, work: &Work<'_>, acting: Option<&Acting>) -> Result<(), AgentError> {
        let left_out = acting.map(Acting::left_out).unwrap_or_default();
        if left_out.is_empty() {
            return Ok(());
        }
        let named = left_out.len().min(LEFT_OUT_NAMED_MAX);
        let rest = match left_out.len() - named {
            0 => String::new(),
            rest => format!(" and {rest} more"),
        };
        let reason = format!(
            "{} has more tools than a model is offered at once ({OFFERS_MAX}). Not offered are {}{rest}. Fewer patterns in its `tools` would choose.",
            self.definition.name,
            left_out[..named].join(", ")
        );
        let data = self.stepped_down(work.request, &reason);
        Ok(work
            .voice
            .log("Without some of its tools", LogStatus::Warning, data)
            .await?)
    }

    /// Says which of the client's tools are not offered to the model, and why.
    async fn show_client_tools(&self, work: &Work<'_>, acting: Option<&Acting>) -> Result<(), AgentError> {
        if work.request.client.tools.is_none() {
            return Ok(());
        }
        let reason = if !self.model.calls_tools() {
            format!(
                "{} has no model that calls tools. Those of the client are passed over.",
                self.definition.name
            )
        } else {
            let not_offered = acting.map(Acting::not_offered).unwrap_or_default();
            if not_offered.is_empty() {
                return Ok(());
            }
            format!(
                "The model of {} is not offered these tools of the client: {}. The agent has tools of its own that are called so, or all \
                 together are more than a model is offered at once ({OFFERS_MAX}).",
                self.definition.name,
                not_offered.join(", ")
            )
        };
        let data = self.stepped_down(work.request, &reason);
        Ok(work
            .voice
            .log("Without tools of the client", LogStatus::Warning, data)
            .await?)
    }

    /// Whether who asks is another agent that may know facts of the person who is answered, and repeat them in its question.
    pub(super) fn may_be_told_by_asker(&self, request: &TurnRequest) -> bool {
        let is_asked_by_agent = request.part.as_ref().is_some_and(|part| part.asker.is_some());
        is_asked_by_agent && request.user.is_some() && self.means.facts.is_some()
    }

    /// What there is of the facts of the person who is answered; none where nothing is kept, or the model reads nothing of it.
    fn own_facts(&self, request: &TurnRequest) -> Option<OwnFacts> {
        let facts = self.means.facts.as_ref().filter(|_| self.model.takes_facts())?;
        facts.of(request)
    }

    /// What the model is told of the person.
    async fn facts(&self, work: &Work<'_>, own_facts: Option<&OwnFacts>) -> Result<Vec<Fact>, AgentError> {
        let Some(own_facts) = own_facts.filter(|_| self.definition.takes_facts) else {
            return Ok(Vec::new());
        };
        match own_facts.known().await {
            Ok(facts) => Ok(facts),
            Err(error) => {
                tracing::warn!(
                    agent.id = %self.definition.id,
                    error = &error as &dyn std::error::Error,
                    "an agent is told nothing of the person"
                );
                let reason = "What this person has said before cannot be read just now. Going on without it.";
                let data = self.stepped_down(work.request, reason);
                let title = "Without what this person has said before";
                work.voice.log(title, LogStatus::Warning, data).await?;
                Ok(Vec::new())
            }
        }
    }

    /// Whom it may ask in a turn.
    fn colleagues(&self, request: &TurnRequest) -> Vec<Colleague> {
        let agent = &self.definition;
        let others = Colleague::may_be_asked(&agent.asks, &agent.id, request);
        let colleague = |id: &AgentId| {
            let other = self.means.catalog.agent(id)?;
            let (means, id) = (self.means.clone(), id.clone());
            let responder = move || {
                let other = means
                    .catalog
                    .agent(&id)
                    .expect("it is there: the catalog never changes");
                responder(other, &means)
            };
            Some(Colleague::new(other, responder))
        };
        others.filter_map(colleague).collect()
    }

    /// The data of a step that says that something simpler, or somebody else, answers now.
    pub(super) fn stepped_down(&self, request: &TurnRequest, reason: &str) -> LogData {
        LogData::Routing(QueryAnalysis {
            intent: request.intent,
            confidence: Confidence::new(1.0),
            target_agent: self.definition.id.clone(),
            reasoning: reason.into(),
            attempt: None,
        })
    }

    /// For whom a model is asked in this turn.
    pub(super) fn spender(&self, request: &TurnRequest) -> Spender {
        Spender {
            organization: Arc::clone(&request.organization),
            user: request.user.clone(),
            agent: self.definition.id.clone(),
            session_id: request.session_id,
            turn_id: request.turn_id,
            can_wait: request.can_wait(),
            decided: budget::decisions(&request.past),
        }
    }

    /// What an answer of this agent is kept under in the cache.
    pub(super) fn cache_key(&self, request: &TurnRequest, revision: u64) -> CacheKey {
        CacheKey {
            organization: Arc::clone(&request.organization),
            agent: self.definition.id.clone(),
            agent_version: self.definition.version.clone(),
            revision,
            model: self.model.name().to_owned(),
        }
    }
}

#[async_trait]
impl Responder for Specialist {
    fn calls_tools(&self) -> bool {
        self.model.calls_tools()
    }

    async fn tools(&self) -> Option<Vec<String>> {
        if !self.calls_tools() {
            return None;
        }
        let taken = self.means.tools.take(&self.definition.tools).await;
        Some(taken.tools.iter().map(|tool| tool.offer().name.clone()).collect())
    }

    async fn answer(&self, request: &TurnRequest, steps: &Steps, meter: &UsageMeter) -> Result<Answer, AgentError> {
        let mut work = Work {
            request,
            standalone: match &request.part {
                Some(part) => part.standalone.clone(),
                None => conversation::standalone(request.message.as_str(), &request.history),
            },
            voice: Voice::new(steps),
            acting: None,
            facts: Vec::new(),
            meter,
            failed: None,
        };
        if let Some(answer) = self.blocked(&mut work).await? {
            return Ok(answer);
        }
        let own_facts = self.own_facts(request);
        work.facts = self.facts(&work, own_facts.as_ref()).await?;
        work.acting = self.acting(&work, own_facts).await?;
        let mut strategy = self.definition.strategy_for(request.intent);
        loop {
            let error = match self.attempt(strategy, &mut work).await {
                // What was withdrawn was billed as well.
                Ok(answer) => {
                    let usage = meter.usage();
                    return Ok(Answer { usage, ..answer });
                }
                Err(
                    error @ (AgentError::Abandoned(_)
                    | AgentError::Paused(_)
                    | AgentError::TimedOut { .. }
                    | AgentError::Overloaded { .. }
                    // Something simpler would ask the same model, and the client is to hear of the budget.
                    | AgentError::Model(ModelError::OverBudget { .. })),
                ) => {
                    return Err(error);
                }
                Err(
                    error @ (AgentError::KnowledgeUnavailable(_)
                    | AgentError::Model(ModelError::Upstream { .. } | ModelError::CutShort)),
                ) => error,
            };
            if let AgentError::Model(failed) = &error {
                work.failed = Some(failed.clone());
            }
            let Some(simpler) = simpler(strategy, work.failed.is_some()) else {
                return Err(error);
            };
            tracing::warn!(
                agent.id = %self.definition.id,
                error = &error as &(dyn std::error::Error + 'static),
                "a strategy failed and a simpler one is tried"
            );
            let reason = format!(
                "{} failed: {error}. Going on with {}.",
                strategy.label(),
                simpler.label()
            );
            work.voice.withdraw(&reason).await?;
            let title = format!("Stepped down from {} to {}", strategy.label(), simpler.label());
            let data = self.stepped_down(request, &reason);
            work.voice.log(title, LogStatus::Warning, data).await?;
            strategy = simpler;
        }
    }
}

/// The next simpler strategy, among those that can do without the model where that has failed: it was tried again and its stand-ins were
/// asked before it failed, and whoever waits would wait for all of that once more.
fn simpler(strategy: Strategy, has_failed: bool) -> Option<Strategy> {
    match strategy {
        // It has asked the cache already.
        Strategy::Hybrid if has_failed => Some(Strategy::Direct),
        Strategy::Hybrid => Some(Strategy::PureRag),
        Strategy::PureRag => Some(Strategy::PureCag),
        Strategy::PureCag => Some(Strategy::Direct),
        Strategy::Direct => None,
    }
}

#[cfg(test)]
mod tests {
    use futures_util::stream;
    use orchestratai_shared::{MessageContent, SessionId, TurnId};
    use tokio::sync::mpsc;

    use super::*;
    use crate::{
        definition::Catalog,
        knowledge::{
            ChangeOutcome, CollectionName, DocumentChanges, DocumentFilter, DocumentId, DocumentPage, DocumentStore,
            DocumentStoreError, DocumentSummary, DocumentsSince, IndexPartStore, StoredCollection,
        },
        model::{ModelEvent, ModelStream, ModelTask, Models},
        routing::Router,
        testing::embedder,
        tool_box::ToolBox,
        turn::{FromClient, Step},
    };

    /// A knowledge base without documents.
    struct NoDocuments;

    impl IndexPartStore for NoDocuments {}

    #[async_trait]
    impl DocumentStore for NoDocuments {
        async fn revision(&self) -> Result<u64, DocumentStoreError> {
            Ok(0)
        }

        async fn since(&self, _: u64) -> Result<DocumentsSince, DocumentStoreError> {
            Ok(DocumentsSince::default())
        }

        async fn content_hashes(
            &self,
            _: &CollectionName,
            _: &str,
        ) -> Result<std::collections::HashMap<String, String>, DocumentStoreError> {
            Ok(std::collections::HashMap::new())
        }

        async fn change(&self, _: DocumentChanges) -> Result<ChangeOutcome, DocumentStoreError> {
            Ok(ChangeOutcome::default())
        }

        async fn list(
            &self,
            _: &DocumentFilter,
            _: usize,
            _: Option<DocumentId>,
        ) -> Result<DocumentPage, DocumentStoreError> {
            Ok(DocumentPage {
                items: Vec::new(),
                has_more: false,
            })
        }

        async fn at_path(
            &self,
            _: Option<&CollectionName>,
            _: &str,
        ) -> Result<Vec<DocumentSummary>, DocumentStoreError> {
            Ok(Vec::new())
        }

        async fn read(&self, _: DocumentId) -> Result<Option<(DocumentSummary, String)>, DocumentStoreError> {
            Ok(None)
        }

        async fn collections(&self) -> Result<Vec<StoredCollection>, DocumentStoreError> {
            Ok(Vec::new())
        }
    }

    /// A model whose provider goes away in the middle of each answer.
    struct Faltering;

    impl Model for Faltering {
        fn name(&self) -> &str {
            "faltering"
        }

        fn answer<'a>(&'a self, _: ModelTask<'a>, _: &'a UsageMeter) -> ModelStream<'a> {
            Box::pin(stream::iter([
                Ok(ModelEvent::Read(Vec::new())),
                Ok(ModelEvent::Delta("The answer is".into())),
                Err(ModelError::Upstream {
                    reason: "status 529".into(),
                }),
            ]))
        }
    }

    /// What the agent of this strategy, whose provider goes away in the middle of each answer, shows of a complex question.
    async fn steps_of(strategy: Strategy) -> Vec<String> {
        let dir = tempfile::tempdir().unwrap();
        let catalog = Arc::new(Catalog::embedded());
        let means = Means {
            tools: ToolBox::default(),
            facts: None,
            models: Arc::new(Models::embedded(embedder())),
            router: Arc::new(Router::new(&catalog, Arc::clone(embedder()))),
            knowledge: Knowledge::open(dir.path(), Arc::new(NoDocuments), Arc::clone(embedder()))
                .await
                .unwrap(),
            cache: Arc::new(SemanticCache::new(Arc::clone(embedder()))),
            embedder: Arc::clone(embedder()),
            catalog,
        };
        let technical = means
            .catalog
            .specialists()
            .find(|agent| agent.complex_strategy == Some(Strategy::Hybrid));
        let agent = AgentDefinition {
            complex_strategy: Some(strategy),
            ..technical.unwrap().clone()
        };
        let specialist = Specialist::new(&agent, Arc::new(Faltering), &means);
        let request = TurnRequest {
            session_id: SessionId::new(),
            turn_id: TurnId::new(),
            message: MessageContent::parse("How do I rotate a key?").unwrap(),
            fresh: false,
            intent: orchestratai_shared::Intent::ComplexQuestion,
            history: Vec::new(),
            organization: "default".into(),
            user: None,
            past: Vec::new(),
            part: None,
            client: FromClient::default(),
        };
        let (sender, mut receiver) = mpsc::channel(64);
        let answer = specialist
            .answer(&request, &Steps::new(sender), &UsageMeter::default())
            .await
            .unwrap();
        assert_eq!(answer.confidence.get(), 0.0);
        let mut steps = Vec::new();
        while let Some(step) = receiver.recv().await {
            steps.push(match step {
                Step::Log {
                    title,
                    status: LogStatus::Warning,
                    data: LogData::Routing(_),
                    ..
                } => title,
                Step::Log { data, .. } => serde_json::to_value(data.kind()).unwrap().as_str().unwrap().to_owned(),
                Step::Delta(text) => text,
                Step::Reset { .. } => "reset".to_owned(),
                Step::ToolCall { call, .. } => call.tool.clone(),
            });
        }
        steps
    }

    const ATTEMPT: [&str; 4] = ["vector_search", "documents", "The answer is", "reset"];
    const UNAVAILABLE: &str = "I cannot look that up just now. Please try again in a moment.";

    #[tokio::test]
    async fn a_model_that_failed_is_not_asked_again() {
        let mut expected = vec!["cache"];
        expected.extend(ATTEMPT);
        expected.extend(["Stepped down from Hybrid RAG/CAG to direct", UNAVAILABLE]);
        assert_eq!(steps_of(Strategy::Hybrid).await, expected);
    }

    #[tokio::test]
    async fn the_cache_is_asked_where_the_model_failed_and_each_step_down_is_shown() {
        let mut expected = ATTEMPT.to_vec();
        expected.extend(["Stepped down from Pure RAG to Pure CAG", "cache"]);
        expected.extend(["Stepped down from Pure CAG to direct", UNAVAILABLE]);
        assert_eq!(steps_of(Strategy::PureRag).await, expected);
    }
}
