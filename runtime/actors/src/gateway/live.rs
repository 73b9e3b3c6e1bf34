//! Sessions in progress, of all nodes.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use actix::Recipient;
use orchestratai_shared::LiveSessions;
use tokio::sync::Mutex;

use super::Gateway;
use crate::registry::survey::{Survey, Surveyed, survey};

/// A survey serves everybody who asks within this time: what looking on costs does not grow with those who do.
const FRESH_FOR: Duration = Duration::from_millis(500);

/// Makes surveys, one at a time.
pub(crate) struct Surveyor {
    shards: Arc<[Recipient<Survey>]>,
    last: Mutex<Option<(Instant, Arc<LiveSessions>)>>,
}

impl Surveyor {
    pub(crate) fn new(shards: Arc<[Recipient<Survey>]>) -> Self {
        Self {
            shards,
            last: Mutex::default(),
        }
    }
}

impl Gateway {
    /// So many sessions are listed at most.
    pub const LIVE_SESSIONS_MAX: usize = 200;

    /// The sessions in progress, of all nodes, the latest active first: those that somebody follows or that have a turn which has
    /// not ended. Up to half a second old.
    pub async fn live_sessions(&self) -> Arc<LiveSessions> {
        // Whoever comes while one is made waits for that one.
        let mut last = self.inner.surveyor.last.lock().await;
        if let Some((made, live)) = &*last
            && made.elapsed() < FRESH_FOR
        {
            return Arc::clone(live);
        }
        let live = Arc::new(self.survey().await);
        *last = Some((Instant::now(), Arc::clone(&live)));
        live
    }

    async fn survey(&self) -> LiveSessions {
        let limit = Self::LIVE_SESSIONS_MAX;
        let here = survey(Arc::clone(&self.inner.surveyor.shards), limit);
        let elsewhere = async {
            match &self.inner.cluster {
                Some(cluster) => cluster.survey(limit).await,
                None => Vec::new(),
            }
        };
        let (here, elsewhere) = tokio::join!(here, elsewhere);
        let missing = elsewhere.iter().filter(|(_, surveyed)| surveyed.is_none());
        let mut missing_nodes: Vec<String> = missing.map(|(node, _)| node.to_string()).collect();
        let surveyed = elsewhere.into_iter().filter_map(|(_, surveyed)| surveyed);
        let Surveyed { total, sessions } = Surveyed::merge(surveyed.chain([here]), limit);
        missing_nodes.sort_unstable();
        LiveSessions {
            has_more: total > sessions.len(),
            total,
            sessions,
            missing_nodes,
        }
    }
}
