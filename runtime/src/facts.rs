//! What people have said of themselves: the rules of the configuration over the database that all servers share.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use orchestratai_agents::facts::{FactKeeper, FactKept, FactOwner, Facts, FactsUnavailable, NewFact};
use orchestratai_shared::{Fact, FactId, Timestamp};
use orchestratai_store::{Store, StoreError};
use orchestratai_telemetry::{FactOutcome, Metrics};
use tokio::time::MissedTickBehavior;

use crate::settings::Settings;

/// How often what has expired is erased. It is told to nobody from the moment at which it expires.
const FORGET_EVERY: Duration = Duration::from_secs(3_600);

/// The facts of a server: it shares them with all others at the same database; none where nothing is kept.
pub(crate) fn kept(settings: &Settings, store: &Store) -> Option<Facts> {
    let keeper = || Arc::new(StoredFacts(store.clone()));
    settings.memory.map(|rules| Facts::new(rules, keeper()))
}

/// Erases what has expired, for as long as it is let run: also where nothing is kept any more.
pub(crate) async fn look_after(store: Store, metrics: Metrics) {
    let mut forget = tokio::time::interval(FORGET_EVERY);
    forget.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        forget.tick().await;
        match store.forget_expired_facts(Timestamp::now()).await {
            Ok(0) => {}
            Ok(facts) => {
                metrics.facts(FactOutcome::Expired, facts);
                tracing::info!(facts, "what people have said longest ago was forgotten");
            }
            Err(error) => tracing::warn!(
                error = &error as &dyn std::error::Error,
                "what people have said longest ago cannot be forgotten; it is tried again in an hour"
            ),
        }
    }
}

/// Facts in the database.
struct StoredFacts(Store);

#[async_trait]
impl FactKeeper for StoredFacts {
    async fn facts(&self, owner: &FactOwner, at: Timestamp, limit: usize) -> Result<Vec<Fact>, FactsUnavailable> {
        self.0.facts(&stored(owner), at, limit).await.map_err(failed)
    }

    async fn keep(&self, fact: &NewFact, facts_max: usize) -> Result<Option<FactKept>, FactsUnavailable> {
        let new = orchestratai_store::NewFact {
            owner: stored(&fact.owner),
            text: fact.text.clone(),
            words: fact.words.clone(),
            session_id: fact.session_id,
            turn_id: fact.turn_id,
            agent: fact.agent.clone(),
            said_at: fact.said_at,
            kept_until: fact.kept_until,
        };
        let kept = self.0.keep_fact(&new, facts_max).await.map_err(failed)?;
        Ok(kept.map(|kept| FactKept {
            fact: kept.fact,
            is_new: kept.is_new,
            dropped: kept.dropped,
        }))
    }

    async fn forget(&self, owner: &FactOwner, id: FactId) -> Result<bool, FactsUnavailable> {
        self.0.forget_fact(&stored(owner), id).await.map_err(failed)
    }
}

fn stored(owner: &FactOwner) -> orchestratai_store::FactOwner {
    orchestratai_store::FactOwner {
        organization: owner.organization.as_ref().to_owned(),
        user: owner.user.as_ref().to_owned(),
    }
}

fn failed(error: StoreError) -> FactsUnavailable {
    FactsUnavailable(Box::new(error))
}
