//! What stands before a model that makes vectors: the same as before one that answers, and a bound on all of it together.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use tokio::{
    sync::OwnedSemaphorePermit,
    time::{Instant as Moment, timeout_at},
};

use super::{
    AttemptOutcome, AttemptWatch, EmbeddingModel, EmbeddingRequest, Embeddings, LanguageError, RetryPolicy, Upstream,
};

/// A model that makes vectors, and what stands before it.
pub struct GuardedEmbedding {
    model: Arc<dyn EmbeddingModel>,
    upstream: Arc<Upstream>,
    policy: RetryPolicy,
    watch: Arc<dyn AttemptWatch>,
}

impl GuardedEmbedding {
    /// Stands before `model`, which is asked of `upstream`.
    #[must_use]
    pub fn new(
        model: Arc<dyn EmbeddingModel>,
        upstream: Arc<Upstream>,
        policy: RetryPolicy,
        watch: Arc<dyn AttemptWatch>,
    ) -> Self {
        Self {
            model,
            upstream,
            policy,
            watch,
        }
    }

    /// One request to the provider, ended by `until`.
    async fn attempt(&self, request: &EmbeddingRequest, until: Moment) -> Result<Embeddings, LanguageError> {
        let late = LanguageError::TimedOut { limit: request.within };
        let admitted = timeout_at(until, self.upstream.admit()).await;
        // Who finds no room in time has not met a fault of the provider.
        let room = admitted.unwrap_or(Err(LanguageError::Busy)).inspect_err(|error| {
            self.watch.ended(AttemptOutcome::Failed(error.kind()), None);
        })?;
        let mut attempt = Attempt::begun(self, room);
        let made = timeout_at(until, self.model.embed(request)).await.unwrap_or(Err(late));
        match &made {
            // Slow is not sick: less is asked for next, and whoever has a question is not to wait for that.
            Err(error @ LanguageError::TimedOut { .. }) if request.texts.len() > 1 => attempt.was_too_much(error),
            made => attempt.conclude(made.as_ref().map(|_| ())),
        }
        made
    }
}

#[async_trait]
impl EmbeddingModel for GuardedEmbedding {
    async fn embed(&self, request: &EmbeddingRequest) -> Result<Embeddings, LanguageError> {
        let until = Moment::now() + request.within;
        let mut attempts = 0;
        loop {
            attempts += 1;
            let error = match self.attempt(request, until).await {
                Ok(embeddings) => return Ok(embeddings),
                Err(error) => error,
            };
            // Who asked for so much at once had better ask for less.
            if matches!(error, LanguageError::TimedOut { .. }) && request.texts.len() > 1 {
                return Err(error);
            }
            let wait = self.policy.wait_after(attempts, &error, rand::random());
            // What would come too late is not waited for.
            let Some(wait) = wait.filter(|wait| Moment::now() + *wait < until) else {
                return Err(error);
            };
            tracing::debug!(error = %error, attempt = attempts, wait_ms = wait.as_millis(), "a model is asked again for vectors");
            tokio::time::sleep(wait).await;
        }
    }
}

/// One request to the provider. Where it is dropped before its end, it was cancelled.
struct Attempt<'a> {
    guarded: &'a GuardedEmbedding,
    begun: Instant,
    took: Option<Duration>,
    outcome: AttemptOutcome,
    _room: OwnedSemaphorePermit,
}

impl<'a> Attempt<'a> {
    fn begun(guarded: &'a GuardedEmbedding, room: OwnedSemaphorePermit) -> Self {
        Self {
            guarded,
            begun: Instant::now(),
            took: None,
            outcome: AttemptOutcome::Cancelled,
            _room: room,
        }
    }

    /// So much at once was not answered in time, which says nothing of the provider.
    fn was_too_much(&mut self, error: &LanguageError) {
        self.guarded.upstream.abandoned();
        self.outcome = AttemptOutcome::Failed(error.kind());
    }

    fn conclude(&mut self, result: Result<(), &LanguageError>) {
        self.guarded.upstream.concluded(result);
        self.outcome = match result {
            Ok(()) => {
                // Vectors come all at once: their first piece is the last.
                self.took = Some(self.begun.elapsed());
                AttemptOutcome::Completed
            }
            Err(error) => AttemptOutcome::Failed(error.kind()),
        };
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        if self.outcome == AttemptOutcome::Cancelled {
            self.guarded.upstream.abandoned();
        }
        self.guarded.watch.ended(self.outcome, self.took);
    }
}
