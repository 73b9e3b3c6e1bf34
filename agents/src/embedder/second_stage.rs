//! A transformer that is there only while it is needed: loaded when it is first asked, released when nobody has asked for
//! a while, and never asked by more at once than it can serve.

use std::{
    fmt,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use rayon::{ThreadPool, ThreadPoolBuilder};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::{Embedder, Transformer, TransformerError};

/// Questions that may wait for each worker: more could not be served within any time that a turn would wait.
const WAITING_PER_WORKER: usize = 4;

/// What it asks. A call through a pointer is nothing beside the 10 ms that a text takes.
type Model = dyn Embedder<Error = TransformerError>;
/// Loads it.
type Load = dyn Fn() -> Result<Arc<Model>, TransformerError> + Send + Sync;

/// A transformer on threads of its own. Clones share it.
#[derive(Clone)]
pub struct SecondStage(Arc<Inner>);

struct Inner {
    load: Box<Load>,
    name: String,
    idle_after: Duration,
    workers: ThreadPool,
    /// One permit for each question that computes or waits for a worker.
    places: Arc<Semaphore>,
    /// Held while it is loaded, so only by threads that may wait.
    model: Mutex<Option<Arc<Model>>>,
    usage: Mutex<Usage>,
}

#[derive(Default)]
struct Usage {
    asked: Option<Instant>,
    /// Whether somebody watches for it to become idle.
    watched: bool,
}

/// Why there is no embedding.
#[derive(Debug, Clone, thiserror::Error)]
pub enum NotEmbedded {
    /// It was not there in time.
    #[error("the transformer did not answer within {} ms", .waited.as_millis())]
    TimedOut {
        /// How long it was waited for.
        waited: Duration,
    },
    /// More questions wait than can be served.
    #[error("the transformer has more to do than it can take")]
    Busy,
    /// It cannot be loaded, or fails on this text.
    #[error("the transformer fails")]
    Failed(#[source] Arc<TransformerError>),
}

impl SecondStage {
    /// The compiled-in transformer, or the one in `folder`; not loaded yet. It is released when it was not asked for
    /// `idle_after`. At least one core is left to everything else.
    ///
    /// # Errors
    /// [`TransformerError::Io`] where the folder has no weights.
    pub fn new(folder: Option<PathBuf>, idle_after: Duration) -> Result<Self, TransformerError> {
        let name = Transformer::name_in(folder.as_deref())?;
        let load = move || -> Result<Arc<Model>, TransformerError> {
            Ok(Arc::new(match &folder {
                None => Transformer::embedded()?,
                Some(folder) => Transformer::from_folder(folder)?,
            }))
        };
        Ok(Self::of(name, load, idle_after))
    }

    /// Any other model, called `name`, that `load` loads each time that it is wanted and not there.
    #[must_use]
    pub fn of(
        name: String,
        load: impl Fn() -> Result<Arc<dyn Embedder<Error = TransformerError>>, TransformerError> + Send + Sync + 'static,
        idle_after: Duration,
    ) -> Self {
        let threads = (cores() / 2).max(1);
        Self(Arc::new(Inner {
            load: Box::new(load),
            name,
            idle_after,
            workers: pool(threads),
            places: Arc::new(Semaphore::new(threads * (1 + WAITING_PER_WORKER))),
            model: Mutex::default(),
            usage: Mutex::default(),
        }))
    }

    /// Names its weights; see [`Embedder::name`].
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Whether the model is in memory.
    #[must_use]
    pub fn is_loaded(&self) -> bool {
        // Where the lock is taken, it is being loaded.
        self.0.model.try_lock().is_ok_and(|model| model.is_some())
    }

    /// The embedding of one text, waited for at most `wait`. What is not waited for any longer is computed to its end, and
    /// takes up its place until then.
    ///
    /// # Errors
    /// [`NotEmbedded`], where the caller goes on without it.
    pub async fn embed(&self, text: &str, wait: Duration) -> Result<Vec<f32>, NotEmbedded> {
        let place = Arc::clone(&self.0.places)
            .try_acquire_owned()
            .map_err(|_full| NotEmbedded::Busy)?;
        self.watch();
        let (answer, answered) = oneshot::channel();
        let (inner, text) = (Arc::clone(&self.0), text.to_owned());
        self.0.workers.spawn(move || {
            let _place: OwnedSemaphorePermit = place;
            // Who asked may have gone while this waited for a worker.
            if !answer.is_closed() {
                let vector = inner.model().and_then(|model| Ok(model.embed(&text)?));
                let _ = answer.send(vector);
            }
        });
        match tokio::time::timeout(wait, answered).await {
            Ok(Ok(Ok(vector))) => Ok(vector),
            Ok(Ok(Err(error))) => Err(NotEmbedded::Failed(error)),
            // The worker's thread broke off.
            Ok(Err(_)) => Err(NotEmbedded::Busy),
            Err(_) => Err(NotEmbedded::TimedOut { waited: wait }),
        }
    }

    /// The embeddings of all texts, in their order, on all cores; blocks for 10 to 40 ms a text and core. Called within a
    /// tokio runtime.
    ///
    /// # Errors
    /// [`TransformerError`] of one of the texts that fail.
    pub fn embed_all(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, Arc<TransformerError>> {
        let model = self.0.model()?;
        let vectors = pool(cores()).install(|| model.embed_batch(texts));
        self.watch();
        vectors.map_err(Arc::new)
    }

    /// Sees to it that the model is released once it is idle.
    fn watch(&self) {
        let is_watched = {
            let mut usage = self.0.usage.lock().unwrap_or_else(PoisonError::into_inner);
            usage.asked = Some(Instant::now());
            std::mem::replace(&mut usage.watched, true)
        };
        if is_watched {
            return;
        }
        let (inner, idle_after) = (Arc::downgrade(&self.0), self.0.idle_after);
        tokio::spawn(async move {
            let mut rest = idle_after;
            while !rest.is_zero() {
                tokio::time::sleep(rest).await;
                let Some(inner) = inner.upgrade() else { return };
                rest = inner.release_if_idle();
            }
        });
    }
}

impl Inner {
    /// The model, loaded if it is not; two that load it at once are one.
    fn model(&self) -> Result<Arc<Model>, Arc<TransformerError>> {
        // Held while it loads: whoever comes meanwhile waits for the same.
        let mut loaded = self.model.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(model) = &*loaded {
            return Ok(Arc::clone(model));
        }
        let began = Instant::now();
        let model = (self.load)().map_err(Arc::new)?;
        tracing::debug!(
            model = self.name,
            took_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
            "the transformer is loaded"
        );
        *loaded = Some(Arc::clone(&model));
        Ok(model)
    }

    /// Releases the model where it is idle; else gives how long it may still be so before it is.
    fn release_if_idle(&self) -> Duration {
        let mut usage = self.usage.lock().unwrap_or_else(PoisonError::into_inner);
        let idle = usage.asked.map_or(self.idle_after, |asked| asked.elapsed());
        if idle < self.idle_after {
            return self.idle_after - idle;
        }
        // Where the lock is taken, it is being loaded for somebody.
        let Ok(mut model) = self.model.try_lock() else {
            return self.idle_after;
        };
        *model = None;
        usage.watched = false;
        tracing::debug!(model = self.name, "the transformer was idle and is released");
        Duration::ZERO
    }
}

impl fmt::Debug for SecondStage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecondStage")
            .field("name", &self.0.name)
            .field("loaded", &self.is_loaded())
            .finish_non_exhaustive()
    }
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get)
}

/// Matrices are multiplied on the pool of the thread that asks: a pool of its own keeps that off all others.
fn pool(threads: usize) -> ThreadPool {
    ThreadPoolBuilder::new()
        .num_threads(threads)
        .thread_name(|number| format!("transformer-{number}"))
        .build()
        .expect("threads can be started: the runtime that asks runs on some")
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn the_model_is_there_while_it_is_asked_and_gone_when_it_is_idle() {
        let stage = SecondStage::new(None, Duration::from_secs(2)).unwrap();
        assert!(!stage.is_loaded());
        let vector = stage.embed("a question", LONG).await.unwrap();
        assert_eq!(vector.len(), 384);
        assert!(stage.is_loaded());
        assert_eq!(stage.embed_all(&["a question", "another"]).unwrap()[0], vector);
        for _ in 0..200 {
            tokio::time::sleep(Duration::from_millis(50)).await;
            if !stage.is_loaded() {
                // It comes back where it is asked again.
                assert_eq!(stage.embed("a question", LONG).await.unwrap(), vector);
                return;
            }
        }
        panic!("it stays in memory");
    }

    #[tokio::test]
    async fn who_cannot_wait_goes_on_and_more_than_it_can_serve_are_sent_away() {
        let stage = SecondStage::new(None, LONG).unwrap();
        let hurried = stage.embed("a question", Duration::ZERO).await;
        assert!(matches!(hurried, Err(NotEmbedded::TimedOut { .. })), "{hurried:?}");
        let all = (0..1_000).map(|_| stage.embed("a question", LONG));
        let all = futures_util::future::join_all(all).await;
        let busy = all.iter().filter(|made| matches!(made, Err(NotEmbedded::Busy))).count();
        let made = all.iter().filter(|made| made.is_ok()).count();
        assert!(busy > 500 && made > 0 && busy + made == all.len(), "{busy} {made}");
    }

    /// Says how long a text is.
    struct Lengths;

    impl Embedder for Lengths {
        type Error = TransformerError;

        fn name(&self) -> &str {
            "lengths"
        }

        fn dimensions(&self) -> usize {
            1
        }

        fn embed(&self, text: &str) -> Result<Vec<f32>, TransformerError> {
            if text.is_empty() {
                return Err(TransformerError::Tensor("none".into()));
            }
            Ok(vec![text.len() as f32])
        }
    }

    #[tokio::test]
    async fn any_model_can_be_put_in_and_keeps_order_and_errors() {
        let stage = SecondStage::of("lengths".into(), || Ok(Arc::new(Lengths)), LONG);
        assert_eq!(stage.name(), "lengths");
        assert_eq!(stage.embed("four", LONG).await.unwrap(), [4.0]);
        assert_eq!(stage.embed_all(&["a", "bb", "ccc"]).unwrap(), [[1.0], [2.0], [3.0]]);
        assert!(stage.embed_all(&["a", ""]).is_err());
        assert!(matches!(stage.embed("", LONG).await, Err(NotEmbedded::Failed(_))));
    }

    #[tokio::test]
    async fn a_folder_without_a_model_is_told_at_once_and_a_broken_one_when_it_is_asked() {
        let folder = tempfile::tempdir().unwrap();
        assert!(SecondStage::new(Some(folder.path().to_owned()), LONG).is_err());
        std::fs::write(folder.path().join("model.safetensors"), b"nothing").unwrap();
        let stage = SecondStage::new(Some(folder.path().to_owned()), LONG).unwrap();
        let made = stage.embed("a question", LONG).await;
        assert!(matches!(made, Err(NotEmbedded::Failed(_))), "{made:?}");
    }
}
