//! How a server stops in good order.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tokio::{sync::oneshot, time::timeout};

use super::{Gateway, RECONNECT_AFTER, ShardHandle};
use crate::{registry::CaptureAll, session::messages::Drain, snapshotter::WriteAll};

/// How long sessions may take to give their states when the server stops, and how long these may take to be written.
const CAPTURE_MAX: Duration = Duration::from_secs(1);
const FLUSH_MAX: Duration = Duration::from_secs(5);

impl Gateway {
    /// Stops in good order: takes in nothing new, tells subscribers to come back later, waits up to `limit` for what is
    /// under way, then closes the subscribers and sends away who waits for the end of a turn. What has not ended by then is
    /// taken up again at the next start.
    pub async fn drain(&self, limit: Duration) {
        self.inner.admission.close();
        self.tell_all(Drain {
            close: false,
            reconnect_after: RECONNECT_AFTER,
        });
        let began = Instant::now();
        while self.inner.admission.in_flight() > 0 && began.elapsed() < limit {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        self.inner.gave_up.cancel();
        self.tell_all(Drain {
            close: true,
            reconnect_after: RECONNECT_AFTER,
        });
        self.flush_snapshots().await;
    }

    /// Writes a snapshot of every session that has changed since its last one, as far as that can be done in a moment. What
    /// cannot be is in the journal.
    async fn flush_snapshots(&self) {
        for (limit, flush) in [
            (
                CAPTURE_MAX,
                ShardHandle::capture_all as fn(&ShardHandle, oneshot::Sender<()>),
            ),
            (FLUSH_MAX, ShardHandle::write_all),
        ] {
            let all = self
                .inner
                .shards
                .iter()
                .filter(|shard| shard.snapshotter.is_some())
                .map(|shard| {
                    let (sender, done) = oneshot::channel();
                    flush(shard, sender);
                    done
                });
            if timeout(limit, join_all(all.collect::<Vec<_>>())).await.is_err() {
                tracing::warn!("not all snapshots were written; sessions will be started from the journal");
            }
        }
    }

    fn tell_all(&self, drain: Drain) {
        for shard in &self.inner.shards {
            #[expect(clippy::disallowed_methods, reason = "twice in a process's life")]
            shard.drain.do_send(drain);
        }
    }
}

impl ShardHandle {
    fn capture_all(&self, done: oneshot::Sender<()>) {
        #[expect(clippy::disallowed_methods, reason = "once in a process's life")]
        self.capture.do_send(CaptureAll(done));
    }

    fn write_all(&self, done: oneshot::Sender<()>) {
        if let Some(snapshotter) = &self.snapshotter {
            #[expect(clippy::disallowed_methods, reason = "once in a process's life")]
            snapshotter.do_send(WriteAll(done));
        }
    }
}
