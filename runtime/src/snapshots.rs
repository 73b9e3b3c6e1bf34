//! Where snapshots of sessions are kept: in Redis where there is one, else in the database.

use std::{sync::Arc, time::Duration};

use orchestratai_actors::{Probe, ServiceHealth, ServiceState, SnapshotKeeper, Snapshots};
use orchestratai_shared::{SessionId, Timestamp};
use orchestratai_store::{
    Candidate, EmbeddedSnapshots, RedisEvent, RedisSettings, RedisSnapshots, SnapshotError, SnapshotFields, Store,
};
use orchestratai_telemetry::Metrics;

use crate::{failure::CommandFailure, settings::Settings};

/// Snapshots as they are configured.
#[derive(Debug, Clone)]
pub(crate) enum SessionSnapshots {
    Redis(RedisSnapshots),
    Embedded(EmbeddedSnapshots),
}

impl SessionSnapshots {
    /// Those that the settings name; none where they say so. Redis is not waited for.
    pub(crate) fn open(
        settings: &Settings,
        store: &Store,
        observe: impl Fn(RedisEvent) + Send + Sync + 'static,
    ) -> Result<Option<Self>, CommandFailure> {
        let ours = &settings.snapshots;
        if !ours.enabled {
            return Ok(None);
        }
        let Some(address) = &settings.redis else {
            return Ok(Some(Self::Embedded(EmbeddedSnapshots::new(store.clone(), ours.ttl))));
        };
        let redis = RedisSettings {
            address: address.clone(),
            ttl: ours.ttl,
            load_timeout: ours.load_timeout,
        };
        let started = RedisSnapshots::start(redis, observe);
        let failed = |error| CommandFailure::because("Redis cannot be used", error);
        Ok(Some(Self::Redis(started.map_err(failed)?)))
    }

    /// The same for the sessions of a server.
    pub(crate) fn for_sessions(&self, settings: &Settings) -> Snapshots {
        match self.clone() {
            Self::Redis(redis) => Snapshots {
                keeper: Arc::new(redis),
                write_after: Some(settings.snapshots.write_after),
            },
            // What the database is asked to do beside the journal is paid for by turns.
            Self::Embedded(embedded) => Snapshots {
                keeper: Arc::new(embedded),
                write_after: None,
            },
        }
    }

    /// How Redis is doing, for `/api/health/services`; the database is looked at already.
    pub(crate) fn probe(&self) -> Option<Probe> {
        let Self::Redis(redis) = self.clone() else { return None };
        Some(Box::new(move || {
            let trouble = redis.trouble();
            ServiceHealth {
                name: "redis".into(),
                state: trouble.as_ref().map_or(ServiceState::Up, |_| ServiceState::Degraded),
                detail: trouble.map(|why| format!("no snapshots, sessions start from the journal: {why}")),
            }
        }))
    }

    /// The snapshot of a session.
    pub(crate) async fn load(&self, id: SessionId) -> Result<Candidate, SnapshotError> {
        match self {
            Self::Redis(redis) => redis.candidate(id).await,
            Self::Embedded(embedded) => {
                let found = embedded.load(id).await?;
                Ok(found.map_or(Candidate::Absent, |fields| Candidate::Given(Box::new(fields))))
            }
        }
    }

    /// The snapshots of the sessions that were active last, newest first; of those in Redis without their states.
    pub(crate) async fn list(&self, limit: usize) -> Result<Vec<SnapshotFields>, SnapshotError> {
        match self {
            Self::Redis(redis) => redis.list(limit).await,
            Self::Embedded(embedded) => embedded.list(limit).await,
        }
    }

    /// Waits until they can be asked for, for so long at most.
    ///
    /// # Errors
    /// Why they cannot be.
    pub(crate) async fn within(&self, limit: Duration) -> Result<(), Arc<str>> {
        let Self::Redis(redis) = self else { return Ok(()) };
        match redis.is_up_within(limit).await {
            true => Ok(()),
            false => Err(redis.trouble().unwrap_or_else(|| "it does not answer".into())),
        }
    }

    /// Where they are, for people.
    pub(crate) fn place(&self) -> &'static str {
        match self {
            Self::Redis(_) => "Redis",
            Self::Embedded(_) => "the database",
        }
    }
}

/// When the oldest snapshot that may still be there was written.
pub(crate) fn oldest(settings: &Settings) -> Timestamp {
    let ttl = i64::try_from(settings.snapshots.ttl.as_millis()).unwrap_or(i64::MAX);
    Timestamp::from_millis(Timestamp::now().as_millis().saturating_sub(ttl))
}

/// Counts what happens to the connection to Redis.
pub(crate) fn count_connections(metrics: Metrics) -> impl Fn(RedisEvent) + Send + Sync + 'static {
    move |event| {
        metrics.redis_up(event != RedisEvent::Lost);
        if event == RedisEvent::Reconnected {
            metrics.redis_reconnected();
        }
    }
}
