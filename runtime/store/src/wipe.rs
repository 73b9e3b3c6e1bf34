//! Overwrites the text of erased sessions in the commit log, while commits go on.
//!
//! Either file of the log may hold such text. The one that is not written to is overwritten as soon as the database has all
//! of it; then the log goes on in that one, and the other is overwritten.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{Mutex, watch},
    task::JoinHandle,
    time::sleep,
};

use crate::{StoreError, background::BackgroundHandle, backlog::Backlog, commit::Committer};

/// Overwrites the log when it is told to.
#[derive(Debug)]
pub(crate) struct Wiper {
    /// How often it was told to, and how many of these it has done.
    told: watch::Sender<u64>,
    done: watch::Receiver<u64>,
    task: JoinHandle<()>,
}

/// How long it waits after a failure.
const RETRY_AFTER: Duration = Duration::from_millis(500);

impl Wiper {
    /// Starts the task.
    pub(crate) fn start(
        committer: Arc<Mutex<Committer>>,
        backlog: Arc<Backlog>,
        background: &BackgroundHandle,
    ) -> Self {
        let (told, asked) = watch::channel(0);
        let (doing, done) = watch::channel(0);
        let task = background.spawn(run(committer, backlog, asked, doing));
        Self { told, done, task }
    }

    /// Tells it that an erasure is in the log.
    pub(crate) fn wake(&self) {
        self.told.send_modify(|count| *count += 1);
    }

    /// Waits until no text of a session that is erased by now is in the log.
    pub(crate) async fn finish(&self) {
        let told = *self.told.borrow();
        // It fails only where the task has ended with the store.
        let _ = self.done.clone().wait_for(|done| *done >= told).await;
    }
}

impl Drop for Wiper {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn run(
    committer: Arc<Mutex<Committer>>,
    backlog: Arc<Backlog>,
    mut asked: watch::Receiver<u64>,
    doing: watch::Sender<u64>,
) {
    while asked.changed().await.is_ok() {
        let told = *asked.borrow_and_update();
        while let Err(error) = wipe(&committer, &backlog).await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "text of an erased session is still in the commit log"
            );
            sleep(RETRY_AFTER).await;
        }
        doing.send_replace(told);
    }
}

/// Overwrites both files, one after the other.
async fn wipe(committer: &Mutex<Committer>, backlog: &Backlog) -> Result<(), StoreError> {
    let first = committer.lock().await.log.at_rest();
    for file in [first, 1 - first] {
        let retired = loop {
            let begun = committer.lock().await.log.retire(file, backlog.applied_position());
            match begun {
                Ok(retired) => break retired,
                Err(until) => backlog.applied(until).await?,
            }
        };
        backlog.applied(retired.last_position()).await?;
        retired.wipe().await.map_err(StoreError::CommitLog)?;
    }
    Ok(())
}
