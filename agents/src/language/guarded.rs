//! What stands before a model: room for so many requests at once, the breaker, and asking again while nothing of the answer has left.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use futures_util::{StreamExt, stream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{
    Breaker, BreakerState, ChatEvent, ChatRequest, ChatStream, FailureKind, LanguageError, LanguageModel, RetryPolicy,
    TokenUsage,
};

/// A provider that one or several models are asked of: what they share.
#[derive(Debug)]
pub struct Upstream {
    room: Arc<Semaphore>,
    room_wait: Duration,
    breaker: Mutex<Breaker>,
}

impl Upstream {
    /// A provider that takes `requests` at once; one more waits up to `room_wait` for one of them to end.
    #[must_use]
    pub fn new(requests: usize, room_wait: Duration) -> Self {
        Self {
            room: Arc::new(Semaphore::new(requests.clamp(1, Semaphore::MAX_PERMITS))),
            room_wait,
            breaker: Mutex::default(),
        }
    }

    /// Whether it is asked now.
    #[must_use]
    pub fn state(&self) -> BreakerState {
        self.breaker().state(Instant::now())
    }

    /// Room for one request, where the provider is asked now. Who has it says how the request ended by [`Self::concluded`] or
    /// [`Self::abandoned`].
    ///
    /// # Errors
    /// [`LanguageError::Busy`] and [`LanguageError::Resting`].
    pub(super) async fn admit(&self) -> Result<OwnedSemaphorePermit, LanguageError> {
        let room = tokio::time::timeout(self.room_wait, Arc::clone(&self.room).acquire_owned()).await;
        let Ok(Ok(room)) = room else {
            return Err(LanguageError::Busy);
        };
        let admitted = self.breaker().admit(Instant::now());
        admitted.map_err(|retry_after| LanguageError::Resting { retry_after })?;
        Ok(room)
    }

    /// The answer to a request has begun.
    fn answers(&self) {
        self.breaker().answers(Instant::now());
    }

    /// A request has ended so.
    pub(super) fn concluded(&self, result: Result<(), &LanguageError>) {
        let mut breaker = self.breaker();
        match result {
            Ok(()) => breaker.succeeded(Instant::now()),
            Err(error) => breaker.failed(error, Instant::now()),
        }
    }

    /// Nobody waited for the end of a request.
    pub(super) fn abandoned(&self) {
        self.breaker().abandoned();
    }

    fn breaker(&self) -> MutexGuard<'_, Breaker> {
        // Nothing panics while it is held, and a breaker is sound after every step.
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Is told of every request to a provider.
pub trait AttemptWatch: Send + Sync {
    /// A request has ended. `first_token` is how long the answer's first piece took, where one came.
    fn ended(&self, outcome: AttemptOutcome, first_token: Option<Duration>);
}

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AttemptOutcome {
    /// The answer is complete.
    Completed,
    /// It failed, or was not made.
    Failed(FailureKind),
    /// Nobody wanted the answer any more.
    Cancelled,
}

/// A model, and what stands before it. Asking it never gives two answers: once a piece of one has left, a failure is the end.
pub struct Guarded(Arc<Inner>);

struct Inner {
    model: Arc<dyn LanguageModel>,
    upstream: Arc<Upstream>,
    policy: RetryPolicy,
    watch: Arc<dyn AttemptWatch>,
}

impl Guarded {
    /// Stands before `model`, which is asked of `upstream`.
    #[must_use]
    pub fn new(
        model: Arc<dyn LanguageModel>,
        upstream: Arc<Upstream>,
        policy: RetryPolicy,
        watch: Arc<dyn AttemptWatch>,
    ) -> Self {
        Self(Arc::new(Inner {
            model,
            upstream,
            policy,
            watch,
        }))
    }
}

impl LanguageModel for Guarded {
    fn chat(&self, request: Arc<ChatRequest>) -> ChatStream {
        let call = Call {
            guarded: Arc::clone(&self.0),
            request: Some(request),
            current: None,
            attempts: 0,
            used_before: TokenUsage::default(),
            used_now: TokenUsage::default(),
            has_ended: false,
        };
        Box::pin(stream::unfold(call, |mut call| async move {
            let event = call.next().await?;
            Some((event, call))
        }))
    }
}

/// One request of ours, in as many attempts as it takes.
struct Call {
    guarded: Arc<Inner>,
    /// Let go of when the answer has begun: it is not sent again then, and is the largest part of what a turn takes.
    request: Option<Arc<ChatRequest>>,
    current: Option<Attempt>,
    attempts: u32,
    /// What the attempts before the current one were billed.
    used_before: TokenUsage,
    used_now: TokenUsage,
    has_ended: bool,
}

impl Call {
    async fn next(&mut self) -> Option<Result<ChatEvent, LanguageError>> {
        while !self.has_ended {
            match self.step().await {
                Ok(event) => {
                    self.has_ended = matches!(event, ChatEvent::Stopped(_));
                    return Some(Ok(event));
                }
                Err(Failed { error, has_spoken }) => {
                    let wait = (!has_spoken)
                        .then(|| self.guarded.policy.wait_after(self.attempts, &error, rand::random()))
                        .flatten();
                    let Some(wait) = wait else {
                        self.has_ended = true;
                        return Some(Err(error));
                    };
                    tracing::debug!(error = %error, attempt = self.attempts, wait_ms = wait.as_millis(), "a model is asked again");
                    tokio::time::sleep(wait).await;
                }
            }
        }
        None
    }

    /// The next event of the current attempt, which is begun where there is none.
    async fn step(&mut self) -> Result<ChatEvent, Failed> {
        if self.current.is_none() {
            self.attempts += 1;
            self.used_before = self.used_before.plus(std::mem::take(&mut self.used_now));
            let Some(request) = &self.request else {
                return Err(Failed {
                    error: LanguageError::CutShort,
                    has_spoken: true,
                });
            };
            let begun = Attempt::begin(&self.guarded, request).await;
            self.current = Some(begun.map_err(|error| Failed {
                error,
                has_spoken: false,
            })?);
        }
        let attempt = self
            .current
            .as_mut()
            .expect("it was begun just now where there was none");
        let event = attempt.stream.next().await.unwrap_or(Err(LanguageError::CutShort));
        match event {
            Ok(event) => {
                if event.is_answer() && attempt.first_token.is_none() {
                    attempt.first_token = Some(attempt.begun.elapsed());
                    attempt.guarded.upstream.answers();
                    self.request = None;
                }
                Ok(match event {
                    ChatEvent::Usage(used) => {
                        self.used_now = used;
                        ChatEvent::Usage(self.used_before.plus(used))
                    }
                    ChatEvent::Stopped(reason) => {
                        if let Some(attempt) = self.current.take() {
                            attempt.conclude(Ok(()));
                        }
                        ChatEvent::Stopped(reason)
                    }
                    ChatEvent::TextDelta(_) | ChatEvent::ToolCall(_) | ChatEvent::Warned(_) => event,
                })
            }
            Err(error) => {
                let has_spoken = attempt.first_token.is_some();
                if let Some(attempt) = self.current.take() {
                    attempt.conclude(Err(&error));
                }
                Err(Failed { error, has_spoken })
            }
        }
    }
}

struct Failed {
    error: LanguageError,
    /// Whether a part of the answer has left.
    has_spoken: bool,
}

/// One request to the provider. Where it is dropped before its end, it was cancelled.
struct Attempt {
    // Dropped first: the room is free only once the connection is closed.
    stream: ChatStream,
    guarded: Arc<Inner>,
    begun: Instant,
    first_token: Option<Duration>,
    outcome: AttemptOutcome,
    _room: OwnedSemaphorePermit,
}

impl Attempt {
    async fn begin(guarded: &Arc<Inner>, request: &Arc<ChatRequest>) -> Result<Self, LanguageError> {
        let room = guarded.upstream.admit().await.inspect_err(|error| {
            guarded.watch.ended(AttemptOutcome::Failed(error.kind()), None);
        })?;
        Ok(Self {
            stream: guarded.model.chat(Arc::clone(request)),
            guarded: Arc::clone(guarded),
            begun: Instant::now(),
            first_token: None,
            outcome: AttemptOutcome::Cancelled,
            _room: room,
        })
    }

    fn conclude(mut self, result: Result<(), &LanguageError>) {
        self.guarded.upstream.concluded(result);
        self.outcome = match result {
            Ok(()) => AttemptOutcome::Completed,
            Err(error) => AttemptOutcome::Failed(error.kind()),
        };
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        if self.outcome == AttemptOutcome::Cancelled {
            self.guarded.upstream.abandoned();
        }
        self.guarded.watch.ended(self.outcome, self.first_token);
    }
}
