//! Follows the documents: what another process ingests is answered from within a moment.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use orchestratai_actors::{Probe, ServiceHealth, ServiceState};
use orchestratai_agents::{
    knowledge::{Knowledge, KnowledgeError},
    routing::Router,
};
use orchestratai_store::Store;
use orchestratai_telemetry::Metrics;

use crate::failure::Chain;

/// How often the revision is looked at: one read of one row.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// What makers of chunks and vectors have made is kept for so long after they were in use last: a node that comes back with another
/// transformer, or the version before, finds its own.
const UNUSED_PARTS_KEPT: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// How long after the second stage could not read what is new it is tried again: a provider that was away comes back. Twice as long each time:
/// what a provider never takes is paid for each time, as far as it had come.
const DEEPEN_AGAIN_AFTER: Duration = Duration::from_secs(10);
const DEEPEN_AGAIN_MAX: Duration = Duration::from_secs(60 * 60);
/// How often it is noted which are in use, and what is not is removed.
const SWEEP_EVERY: Duration = Duration::from_secs(60 * 60);

/// Keeps the index at the documents' revision, and says which one is served.
pub(crate) struct KnowledgeWatch {
    knowledge: Knowledge,
    router: Arc<Router>,
    store: Store,
    metrics: Metrics,
    /// What was seen last; `None`: nothing yet.
    seen: Option<u64>,
    /// Which revision was last said to be served, with all that belongs to it.
    told: Option<u64>,
    /// For which revision the second stage was last asked to read what is new.
    deepened: Option<u64>,
    /// When it has failed to, and how long it waits since; `None`: it has not.
    deepening_failed: Option<(Instant, Duration)>,
    /// When unused parts of indexes were removed last.
    swept: Option<Instant>,
    fails: Arc<AtomicBool>,
}

impl KnowledgeWatch {
    pub(crate) fn new(knowledge: Knowledge, router: Arc<Router>, store: Store, metrics: Metrics) -> Self {
        Self {
            knowledge,
            router,
            store,
            metrics,
            seen: None,
            told: None,
            deepened: None,
            deepening_failed: None,
            swept: None,
            fails: Arc::default(),
        }
    }

    /// How it is doing, for `/api/health/services`.
    pub(crate) fn probe(&self) -> Probe {
        let (fails, knowledge) = (Arc::clone(&self.fails), self.knowledge.clone());
        Box::new(move || {
            let fails = fails.load(Ordering::Relaxed);
            let revision = knowledge.revision();
            ServiceHealth {
                name: "knowledge".into(),
                state: if fails {
                    ServiceState::Degraded
                } else {
                    ServiceState::Up
                },
                detail: fails.then(|| format!("the index cannot be brought up to date; revision {revision} is served")),
            }
        })
    }

    /// Brings the index and routing up to date; gives the revision. What the second stage of search needs is not waited for.
    ///
    /// # Errors
    /// Where documents or index cannot be read or written; what was served is served on.
    pub(crate) async fn look(&mut self) -> Result<u64, KnowledgeError> {
        let revision = self.knowledge.refresh().await?.revision;
        if self.seen == Some(revision) {
            return Ok(revision);
        }
        self.learn().await;
        let collections = self.knowledge.collections();
        self.metrics.knowledge_served(
            revision,
            collections
                .iter()
                .map(|collection| (collection.name.as_str(), collection.chunks)),
        );
        let chunks: usize = collections.iter().map(|collection| collection.chunks).sum();
        tracing::info!(
            knowledge.revision = revision,
            knowledge.collections = collections.len(),
            knowledge.chunks = chunks,
            "the knowledge base is served"
        );
        self.seen = Some(revision);
        Ok(revision)
    }

    /// Brings all up to date, the second stage of search too, and then says which revision is served.
    async fn follow_up(&mut self) -> Result<(), KnowledgeError> {
        let revision = self.look().await?;
        if self.told == Some(revision) {
            if (self.deepening_failed).is_some_and(|(failed, wait)| failed.elapsed() >= wait) {
                self.deepened = None;
                self.deepen(revision).await?;
            }
            self.sweep().await;
            return Ok(());
        }
        self.deepen(revision).await?;
        match self.store.set_served_revision(revision).await {
            Ok(()) => self.told = Some(revision),
            // It is told again at the next look: an `ingest` that waits for it must not wait in vain.
            Err(error) => tracing::warn!(error = %Chain(&error), "the served knowledge revision cannot be noted"),
        }
        Ok(())
    }

    /// Waits until the second stage has what it needs; what comes meanwhile is served meanwhile.
    async fn deepen(&mut self, revision: u64) -> Result<(), KnowledgeError> {
        if self.deepened == Some(revision) {
            return Ok(());
        }
        // Where it fails the revision is served all the same: the first stage serves without it.
        self.deepened = Some(revision);
        let knowledge = self.knowledge.clone();
        let mut deepening = std::pin::pin!(async move { knowledge.deepen().await });
        loop {
            tokio::select! {
                deepened = &mut deepening => {
                    self.note(deepened);
                    return Ok(());
                }
                () = tokio::time::sleep(LOOK_EVERY) => {
                    self.look().await?;
                }
            }
        }
    }

    /// Takes note of how the second stage has fared with what is new: said once, and not each time that it is tried again.
    fn note(&mut self, deepened: Result<(), KnowledgeError>) {
        let before = self.deepening_failed.take();
        let failed_before = before.is_some();
        match deepened {
            Ok(()) if failed_before => tracing::info!("the second stage of search has read the documents"),
            Ok(()) => {}
            Err(error) => {
                if !failed_before {
                    tracing::error!(
                        error = %Chain(&error),
                        "the second stage of search cannot read the documents; it is tried again and again"
                    );
                }
                let wait = before.map_or(DEEPEN_AGAIN_AFTER, |(_, wait)| (wait * 2).min(DEEPEN_AGAIN_MAX));
                self.deepening_failed = Some((Instant::now(), wait));
            }
        }
    }

    /// Removes, now and then, what was made by chunkers and embedders that nobody uses any more.
    async fn sweep(&mut self) {
        if self.swept.is_some_and(|swept| swept.elapsed() < SWEEP_EVERY) {
            return;
        }
        self.swept = Some(Instant::now());
        match self.knowledge.remove_unused_parts(UNUSED_PARTS_KEPT).await {
            Ok(0) => {}
            Ok(parts) => tracing::info!(
                parts,
                "chunks and vectors of makers that are not in use any more are removed"
            ),
            Err(error) => tracing::warn!(error = %Chain(&error), "unused chunks and vectors cannot be removed"),
        }
    }

    /// Lets routing learn what is served now; some milliseconds of computing, where they harm nobody.
    async fn learn(&self) {
        let (knowledge, router) = (self.knowledge.clone(), Arc::clone(&self.router));
        let learnt = tokio::task::spawn_blocking(move || router.learn(&knowledge.evidence())).await;
        if let Err(error) = learnt {
            tracing::error!(%error, "routing could not learn from the knowledge base, and goes on with what it had");
        }
    }

    /// Looks again and again, for as long as it is polled.
    pub(crate) async fn follow(mut self) {
        loop {
            match self.follow_up().await {
                Ok(()) => {
                    if self.fails.swap(false, Ordering::Relaxed) {
                        tracing::info!("the knowledge base is up to date again");
                    }
                }
                Err(error) => {
                    // Once for each time that it begins to fail, not five times a second.
                    if !self.fails.swap(true, Ordering::Relaxed) {
                        tracing::error!(error = %Chain(&error), "the knowledge base cannot be brought up to date");
                    }
                }
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}
