//! How far work is that may take minutes, for whoever waits for it.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

/// What is worked through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// Files are read and become documents.
    Files,
    /// The transformer reads chunks.
    Chunks,
}

/// How far work is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// What is worked through.
    pub work: Work,
    /// How many are done, of `of`.
    pub done: usize,
    /// How many there are to do.
    pub of: usize,
}

/// Is told of progress, on whichever thread makes it. Clones tell the same.
#[derive(Clone)]
pub struct Watch(Arc<dyn Fn(Progress) + Send + Sync>);

impl Watch {
    /// Tells `tell`, which must not block: the work waits for it.
    pub fn new(tell: impl Fn(Progress) + Send + Sync + 'static) -> Self {
        Self(Arc::new(tell))
    }

    /// Tells nobody.
    #[must_use]
    pub fn nobody() -> Self {
        Self::new(|_| ())
    }

    pub(super) fn tell(&self, progress: Progress) {
        (self.0)(progress);
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Watch")
    }
}

/// Counts what several threads do of the same work.
pub(super) struct Counter<'a> {
    watch: &'a Watch,
    work: Work,
    done: AtomicUsize,
    of: usize,
}

impl<'a> Counter<'a> {
    /// Tells `watch` that nothing is done yet.
    pub(super) fn begin(watch: &'a Watch, work: Work, of: usize) -> Self {
        watch.tell(Progress { work, done: 0, of });
        Self {
            watch,
            work,
            done: AtomicUsize::new(0),
            of,
        }
    }

    /// So many more are done.
    pub(super) fn add(&self, more: usize) {
        let done = self.done.fetch_add(more, Ordering::Relaxed) + more;
        self.watch.tell(Progress {
            work: self.work,
            done,
            of: self.of,
        });
    }
}
