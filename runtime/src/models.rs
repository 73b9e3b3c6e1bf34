//! The language models of the configuration, as agents use them: who is asked, what stands before it, who stands in for it.

use std::{collections::BTreeMap, num::NonZero, sync::Arc, thread::available_parallelism, time::Duration};

use orchestratai_actors::{Probe, ServiceHealth, ServiceState};
use orchestratai_agents::{
    StaticEmbedder,
    budget::{Books, Budgeted},
    guardrail::{Guardrails, OffersRead},
    language::{AttemptOutcome, AttemptWatch, BreakerState, FailureKind, Guarded, LanguageModel, Price, Upstream},
    model::{Chain, ContextWindow, Extractive, Generative, Model, ModelNames, Models},
};
use orchestratai_providers::HttpModel;
use orchestratai_telemetry::{Metrics, ProviderFailure, ProviderMetrics, ProviderOutcome};
use tokio::sync::Semaphore;

use crate::{
    failure::CommandFailure,
    settings::{GuardrailSettings, ModelSettings, models::NamedModel},
};

/// The models, and the providers behind them.
pub(crate) struct LanguageModels {
    pub(crate) models: Models,
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
        let upstreams = upstreams(&settings.named);
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
        Ok(Self { models, upstreams })
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
    let upstream = |(name, (requests, wait))| (name, Arc::new(Upstream::new(requests as usize, wait)));
    least.into_iter().map(upstream).collect()
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
    let model = guarded(named, price, &upstreams(std::slice::from_ref(named)), books, metrics)?;
    Ok(Some((Arc::new(model), price)))
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
        Arc::new(guarded(named, price, upstreams, books, metrics)?),
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

/// What asks the provider, with what stands before it.
fn guarded(
    named: &NamedModel,
    price: Option<Price>,
    upstreams: &BTreeMap<String, Arc<Upstream>>,
    books: &Arc<Books>,
    metrics: &Metrics,
) -> Result<Guarded, CommandFailure> {
    let model = HttpModel::new(named.endpoint.clone(), named.common.timeouts)
        .map_err(|error| CommandFailure::because(format!("[models.{}] cannot be used", named.name), error))?;
    let upstream = upstreams
        .get(&place(named))
        .expect("there is one for the place of each model");
    // Each attempt is charged by itself, and none that is not made.
    let budgeted = Budgeted::new(Arc::new(model), Arc::clone(books), price, named.common.max_tokens);
    Ok(Guarded::new(
        Arc::new(budgeted),
        Arc::clone(upstream),
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
