//! The semantic cache, shared with all servers that have the same Redis: what one has answered, the others know.
//!
//! Each look-up stays in memory. What a server learns it appends to a log in Redis, which all of them read into caches of
//! their own, from its start; so one that starts knows what the others know, and what it knew itself before.

use std::{
    ops::ControlFlow,
    sync::{Arc, Weak},
};

use orchestratai_agents::{
    StaticEmbedder,
    cache::{ENTRIES_MAX, ENTRY_BYTES_MAX, Peers, Refusal, SemanticCache, Sharing, TIME_TO_LIVE},
    definition::Catalog,
};
use orchestratai_store::{LogEvent, RedisLog, RedisLogSettings};
use orchestratai_telemetry::{CacheReceiptOutcome, CacheShareOutcome, Metrics};

use crate::{build_info::VERSION, failure::CommandFailure, models::embedder_identity, settings::Settings};

/// The key of the log.
const KEY: &str = "orchestratai:cache";

/// The cache of this server; it shares what it learns where the settings say so and there is a Redis, which is not waited for.
///
/// # Errors
/// Where the system gives no thread.
pub(crate) fn open(
    settings: &Settings,
    catalog: &Catalog,
    embedder: &Arc<StaticEmbedder>,
    metrics: &Metrics,
) -> Result<Arc<SemanticCache>, CommandFailure> {
    let cache = SemanticCache::new(Arc::clone(embedder));
    let Some(address) = settings.redis.as_ref().filter(|_| settings.shared_cache) else {
        return Ok(Arc::new(cache));
    };
    let log = RedisLogSettings {
        address: address.clone(),
        key: KEY,
        length: ENTRIES_MAX,
        ttl: TIME_TO_LIVE,
    };
    let counted = metrics.clone();
    let observe = move |event| match event {
        LogEvent::Sent(count) => counted.cache_entries_shared(CacheShareOutcome::Sent, count),
        LogEvent::Refused(count) => counted.cache_entries_shared(CacheShareOutcome::Refused, count),
    };
    let log = RedisLog::start(log, observe).map_err(|error| CommandFailure::because("Redis cannot be used", error))?;
    let peers = LogPeers {
        log: log.clone(),
        metrics: metrics.clone(),
    };
    // What another embedder finds first may be another answer.
    let build = match embedder_identity(settings) {
        Some(identity) => format!("{VERSION} {identity}"),
        None => VERSION.to_owned(),
    };
    let cache = Arc::new(cache.shared(Sharing::new(catalog, &build, peers)));
    log.follow(take_into(Arc::downgrade(&cache), metrics.clone()));
    Ok(cache)
}

/// Other servers, by way of the log.
struct LogPeers {
    log: RedisLog,
    metrics: Metrics,
}

impl Peers for LogPeers {
    fn tell(&self, entry: Vec<u8>) {
        let dropped = if entry.len() > ENTRY_BYTES_MAX {
            Some(CacheShareOutcome::TooLong)
        } else {
            self.log.append(entry).err().map(|_full| CacheShareOutcome::QueueFull)
        };
        if let Some(outcome) = dropped {
            self.metrics.cache_entries_shared(outcome, 1);
        }
    }
}

/// Takes entries into the cache for as long as there is one.
fn take_into(cache: Weak<SemanticCache>, metrics: Metrics) -> impl FnMut(&[u8]) -> ControlFlow<()> {
    move |entry| {
        let Some(cache) = cache.upgrade() else {
            return ControlFlow::Break(());
        };
        let outcome = match cache.take_in(entry) {
            Ok(()) => CacheReceiptOutcome::Taken,
            Err(Refusal::Unreadable) => CacheReceiptOutcome::Unreadable,
            Err(Refusal::OtherBuild) => CacheReceiptOutcome::OtherBuild,
            Err(Refusal::OtherAgent) => CacheReceiptOutcome::OtherAgent,
            Err(Refusal::Expired) => CacheReceiptOutcome::Expired,
        };
        metrics.cache_entry_received(outcome);
        ControlFlow::Continue(())
    }
}
