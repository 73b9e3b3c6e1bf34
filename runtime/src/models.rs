//! The language models of the configuration, as agents use them: who is asked, what stands before it, who stands in for it.

use std::{collections::BTreeMap, num::NonZero, sync::Arc, thread::available_parallelism, time::Duration};

use orchestratai_actors::{Probe, ServiceHealth, ServiceState};
use orchestratai_agents::{
    StaticEmbedder,
    budget::{Books, Budgeted, BudgetedEmbedding},
    definition::Catalog,
    embedder::{ProvidedEmbedder, ProvidedSettings},
    guardrail::{Guardrails, OffersRead},
    language::{
        AttemptOutcome, AttemptWatch, BreakerState, FailureKind, Guarded, GuardedEmbedding, LanguageModel, Price,
        Upstream,
    },
    model::{Chain, ContextWindow, Extractive, Generative, Model, ModelNames, Models},
    routing::{Adviser, AdviserSettings},
    turn::Usage,
};
use orchestratai_providers::{HttpEmbedding, HttpModel, Timeouts};
use orchestratai_telemetry::{Metrics, ProviderFailure, ProviderMetrics, ProviderOutcome};
use tokio::sync::Semaphore;

use crate::{
    budgets,
    build_info::BUILD,
    failure::CommandFailure,
    settings::{GuardrailSettings, ModelSettings, Settings, models::NamedModel},
};

/// How much longer than it may take a model is waited for that decides who answers.
const ROUTING_GRACE: Duration = Duration::from_millis(100);

/// The models, and the providers behind them.
pub(crate) struct LanguageModels {
    pub(crate) models: Models,
    /// Makes the vectors of the knowledge base, where a provider is to.
    pub(crate) embedder: Option<ProvidedEmbedder>,
    upstreams: BTreeMap<String, Arc<Upstream>>,
}

/// The names that agent files may have.
pub(crate) fn names(settings: &ModelSettings) -> ModelNames {
    ModelNames::with(settings.named.iter().map(|model| model.name.as_str()))
}

impl LanguageModels {
    /// Sets up what the configuration names. Nothing is sent to anybody before a turn asks.
    ///
    /// # Errors
    /// Where a model cannot be set up.
    pub(crate) fn new(
        settings: &ModelSettings,
        guardrails: &GuardrailSettings,
        embedder: &Arc<StaticEmbedder>,
        books: &Arc<Books>,
        metrics: &Metrics,
    ) -> Result<Self, CommandFailure> {
        let mut upstreams = upstreams(&settings.named);
        let provided = provided(settings, guardrails, &mut upstreams, books, metrics)?;
        let guardrails = Guardrails {
            embedder: Arc::clone(embedder),
            suspicious: guardrails.suspicious_sources,
            redact_prompts: guardrails.redact_prompts,
            measured_at_once: Arc::new(Semaphore::new(available_parallelism().map_or(1, NonZero::get))),
            offers_read: OffersRead::default(),
        };
        let mut alone: BTreeMap<&str, Arc<dyn Model>> = BTreeMap::new();
        alone.insert(Extractive::NAME, Arc::new(Extractive::new(Arc::clone(embedder))));
        for named in &settings.named {
            let model = generative(named, settings, &upstreams, books, metrics)?;
            alone.insert(&named.name, Arc::new(model.guarded_by(guardrails.clone())));
        }
        // Who stands in is asked alone: the list of the model that failed rules, and not its own.
        let mut models = Models::embedded(embedder);
        for named in &settings.named {
            let stand_ins = named
                .fallbacks
                .iter()
                .filter_map(|name| alone.get(name.as_str()).cloned());
            if let Some(first) = alone.get(named.name.as_str()) {
                models = models.with(Arc::new(Chain::new(Arc::clone(first), stand_ins.collect())));
            }
        }
        Ok(Self {
            models,
            embedder: provided,
            upstreams,
        })
    }

    /// The model that decides who answers where the router is unsure, where one is to.
    ///
    /// # Errors
    /// Where it cannot be set up.
    pub(crate) fn adviser(
        &mut self,
        settings: &Settings,
        catalog: &Catalog,
        books: &Arc<Books>,
        metrics: &Metrics,
    ) -> Result<Option<Arc<Adviser>>, CommandFailure> {
        let (models, routing) = (&settings.models, settings.models.routing.as_ref());
        let Some(named) = routing.and_then(|name| models.named.iter().find(|model| model.name == *name)) else {
            return Ok(None);
        };
        let price = price(named, models);
        // Who does not begin to answer in time has failed: without that, its breaker would never hear of it.
        let timeouts = Timeouts {
            first_token: named.common.timeouts.first_token.min(models.routing_wait),
            ..named.common.timeouts
        };
        let upstream = upstream_for("routing", named, &mut self.upstreams);
        let model = guarded(named, timeouts, price, upstream, books, metrics)?;
        let settings = AdviserSettings {
            price,
            // A moment longer, so that the model's own failure is heard of.
            within: models.routing_wait + ROUTING_GRACE,
            redacts: settings.guardrails.redact_prompts,
        };
        Ok(Some(Arc::new(Adviser::new(
            &named.name,
            Arc::new(model),
            settings,
            catalog,
        ))))
    }

    /// How each provider is doing, for `/api/health/services`.
    pub(crate) fn probes(&self) -> impl Iterator<Item = Probe> + '_ {
        self.upstreams.iter().map(|(name, upstream)| {
            let (name, upstream) = (format!("provider {name}"), Arc::clone(upstream));
            let probe: Probe = Box::new(move || health(&name, upstream.state()));
            probe
        })
    }
}

fn health(name: &str, state: BreakerState) -> ServiceHealth {
    let (state, detail) = match state {
        BreakerState::Closed => (ServiceState::Up, None),
        BreakerState::HalfOpen => (
            ServiceState::Degraded,
            Some("It is about to be tried again.".to_owned()),
        ),
        BreakerState::Open(left) => {
            let detail = format!(
                "It has failed, or asks to be left alone, and is not asked for another {} s.",
                left.as_secs() + 1
            );
            (ServiceState::Degraded, Some(detail))
        }
    };
    ServiceHealth {
        name: name.to_owned(),
        state,
        detail,
    }
}

/// Where a model is asked, for people: models with the same one share a breaker and the room for requests.
fn place(named: &NamedModel) -> String {
    let url = &named.endpoint.base_url;
    // A query may hold what is nobody's business.
    let url = url.split('?').next().unwrap_or(url);
    format!("{} at {url}", named.endpoint.kind.name())
}

fn upstreams(named: &[NamedModel]) -> BTreeMap<String, Arc<Upstream>> {
    let mut least: BTreeMap<String, (u32, Duration)> = BTreeMap::new();
    for model in named {
        let own = (model.common.requests_max, model.common.room_wait);
        least
            .entry(place(model))
            .and_modify(|known| *known = (known.0.min(own.0), known.1.min(own.1)))
            .or_insert(own);
    }
    let shared = |(name, (requests, wait))| (name, Arc::new(Upstream::new(requests as usize, wait)));
    least.into_iter().map(shared).collect()
}

/// A model, and what its tokens cost, where that is known.
pub(crate) type PricedModel = (Arc<dyn LanguageModel>, Option<Price>);

/// A model that is asked for something else than the answer of a turn; `None` where it has no section.
///
/// # Errors
/// Where it cannot be set up.
pub(crate) fn language_model(
    name: &str,
    settings: &ModelSettings,
    books: &Arc<Books>,
    metrics: &Metrics,
) -> Result<Option<PricedModel>, CommandFailure> {
    let Some(named) = settings.named.iter().find(|model| model.name == name) else {
        return Ok(None);
    };
    let price = price(named, settings);
    let upstream = upstream(named, &upstreams(std::slice::from_ref(named)));
    let model = guarded(named, named.common.timeouts, price, upstream, books, metrics)?;
    Ok(Some((Arc::new(model), price)))
}

/// The embedder of a command that has no other use for models.
///
/// # Errors
/// Where it cannot be set up.
pub(crate) fn embedder_of_command(settings: &Settings) -> Result<Option<ProvidedEmbedder>, CommandFailure> {
    let metrics = Metrics::new(&BUILD);
    let books = budgets::of_command(settings, &metrics);
    provided(
        &settings.models,
        &settings.guardrails,
        &mut BTreeMap::new(),
        &books,
        &metrics,
    )
}

/// Whose vectors a knowledge base is searched by, for those who are to know whether theirs are the same.
pub(crate) fn embedder_identity(settings: &Settings) -> Option<String> {
    let named = embedding(&settings.models)?;
    Some(identity(named, settings.guardrails.redact_prompts))
}

fn embedding(settings: &ModelSettings) -> Option<&NamedModel> {
    let name = settings.embedding.as_ref()?;
    settings.named.iter().find(|model| model.name == *name)
}

/// All that makes other vectors of the same text. Not the address: the same model may be reached by several.
fn identity(named: &NamedModel, redacts: bool) -> String {
    let mut identity = format!("{}:{}", named.endpoint.kind.name(), named.endpoint.model);
    let vectors = &named.vectors;
    if !vectors.question_prefix.is_empty() || !vectors.passage_prefix.is_empty() {
        identity += &format!(" {:?} {:?}", vectors.question_prefix, vectors.passage_prefix);
    }
    if redacts {
        identity += " redacted";
    }
    identity
}

fn provided(
    settings: &ModelSettings,
    guardrails: &GuardrailSettings,
    upstreams: &mut BTreeMap<String, Arc<Upstream>>,
    books: &Arc<Books>,
    metrics: &Metrics,
) -> Result<Option<ProvidedEmbedder>, CommandFailure> {
    let Some(named) = embedding(settings) else {
        return Ok(None);
    };
    let price = price(named, settings);
    let model = HttpEmbedding::new(named.endpoint.clone(), named.vectors.dimensions, named.common.timeouts)
        .map_err(|error| CommandFailure::because(format!("[models.{}] cannot be used", named.name), error))?;
    let budgeted = BudgetedEmbedding::new(Arc::new(model), Arc::clone(books), price);
    let guarded = GuardedEmbedding::new(
        Arc::new(budgeted),
        upstream_for("vectors", named, upstreams),
        named.common.retries,
        Arc::new(Counted(metrics.provider(&named.name))),
    );
    let provided = ProvidedSettings {
        name: named.name.as_str().into(),
        identity: identity(named, guardrails.redact_prompts),
        price,
        question_prefix: named.vectors.question_prefix.clone(),
        passage_prefix: named.vectors.passage_prefix.clone(),
        redacts: guardrails.redact_prompts,
    };
    let counted = metrics.passages(&named.name);
    let spent = move |usage: Usage| counted.spent(usage.tokens, usage.cost, usage.unpriced_tokens);
    Ok(Some(ProvidedEmbedder::new(provided, Arc::new(guarded), spent)))
}

fn generative(
    named: &NamedModel,
    settings: &ModelSettings,
    upstreams: &BTreeMap<String, Arc<Upstream>>,
    books: &Arc<Books>,
    metrics: &Metrics,
) -> Result<Generative, CommandFailure> {
    let price = price(named, settings);
    Ok(Generative::new(
        &named.name,
        Arc::new(guarded(
            named,
            named.common.timeouts,
            price,
            upstream(named, upstreams),
            books,
            metrics,
        )?),
        price,
        ContextWindow {
            tokens: named.common.context_tokens,
            history_tokens: named.common.history_tokens,
            counter: Arc::clone(&named.counter),
        },
        named.common.max_tokens,
        named.temperature,
    ))
}

fn price(named: &NamedModel, settings: &ModelSettings) -> Option<Price> {
    settings.prices.price(named.endpoint.kind.name(), &named.endpoint.model)
}

/// What is waited for less long than an answer has a breaker of its own: that it is late says nothing of answers.
fn upstream_for(what: &str, named: &NamedModel, upstreams: &mut BTreeMap<String, Arc<Upstream>>) -> Arc<Upstream> {
    let upstream = Arc::new(Upstream::new(
        named.common.requests_max as usize,
        named.common.room_wait,
    ));
    upstreams.insert(format!("{}, for {what}", place(named)), Arc::clone(&upstream));
    upstream
}

fn upstream(named: &NamedModel, upstreams: &BTreeMap<String, Arc<Upstream>>) -> Arc<Upstream> {
    let upstream = upstreams.get(&place(named));
    Arc::clone(upstream.expect("there is one for the place of each model"))
}

/// What asks the provider, with what stands before it.
fn guarded(
    named: &NamedModel,
    timeouts: Timeouts,
    price: Option<Price>,
    upstream: Arc<Upstream>,
    books: &Arc<Books>,
    metrics: &Metrics,
) -> Result<Guarded, CommandFailure> {
    let model = HttpModel::new(named.endpoint.clone(), timeouts)
        .map_err(|error| CommandFailure::because(format!("[models.{}] cannot be used", named.name), error))?;
    // Each attempt is charged by itself, and none that is not made.
    let budgeted = Budgeted::new(Arc::new(model), Arc::clone(books), price, named.common.max_tokens);
    Ok(Guarded::new(
        Arc::new(budgeted),
        upstream,
        named.common.retries,
        Arc::new(Counted(metrics.provider(&named.name))),
    ))
}

/// Counts requests.
struct Counted(ProviderMetrics);

impl AttemptWatch for Counted {
    fn ended(&self, outcome: AttemptOutcome, first_token: Option<Duration>) {
        let (outcome, failure) = match outcome {
            AttemptOutcome::Completed => (ProviderOutcome::Completed, None),
            AttemptOutcome::Cancelled => (ProviderOutcome::Cancelled, None),
            AttemptOutcome::Failed(kind) => (ProviderOutcome::Failed, Some(counted(kind))),
        };
        self.0.ended(outcome, failure, first_token);
    }
}

fn counted(kind: FailureKind) -> ProviderFailure {
    match kind {
        FailureKind::Unreachable => ProviderFailure::Unreachable,
        FailureKind::TimedOut => ProviderFailure::TimedOut,
        FailureKind::RateLimited => ProviderFailure::RateLimited,
        FailureKind::Unavailable => ProviderFailure::Unavailable,
        FailureKind::Unauthorized => ProviderFailure::Unauthorized,
        FailureKind::Rejected => ProviderFailure::Rejected,
        FailureKind::Protocol => ProviderFailure::Protocol,
        FailureKind::CutShort => ProviderFailure::CutShort,
        FailureKind::Resting => ProviderFailure::Resting,
        FailureKind::Busy => ProviderFailure::Busy,
        FailureKind::OverBudget => ProviderFailure::OverBudget,
        FailureKind::Unaccounted => ProviderFailure::Unaccounted,
    }
}
