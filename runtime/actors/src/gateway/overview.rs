//! What was counted lately, by all nodes.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use orchestratai_store::NodeId;
use orchestratai_telemetry::{History, Overview, OverviewPart};
use tokio::sync::Mutex;

use super::Gateway;
use crate::cluster::Cluster;

/// What nodes have said serves everybody who asks within this time: what looking on costs them does not grow with those who do.
const FRESH_FOR: Duration = Duration::from_millis(500);

/// How the servers have been doing.
#[derive(Debug)]
pub struct FleetOverview {
    /// All that have answered, together.
    pub all: Overview,
    /// Each node by itself, in the order of their ids; none where no other shares the database.
    pub nodes: Vec<NodeOverview>,
}

/// How one node has been doing.
#[derive(Debug)]
pub struct NodeOverview {
    /// Which.
    pub node: NodeId,
    /// Nothing where it has not answered: it cannot be reached, is too busy, or is of a version that does not know the question.
    pub overview: Option<Overview>,
}

/// Asks the nodes, one thing at a time.
pub(crate) struct Measurer {
    history: Arc<History>,
    /// For each window that was asked for: when, and what was said.
    last: Mutex<Vec<(Duration, Instant, Arc<FleetOverview>)>>,
}

impl Measurer {
    pub(crate) fn new(history: Arc<History>) -> Self {
        Self {
            history,
            last: Mutex::default(),
        }
    }

    fn alone(&self, window: Duration) -> FleetOverview {
        let step = self.history.step(window);
        FleetOverview {
            all: Overview::of(&[self.history.part(window, step)], step),
            nodes: Vec::new(),
        }
    }

    async fn together(&self, window: Duration, me: NodeId, cluster: &Cluster) -> FleetOverview {
        let step = History::step_of_several(window);
        let elsewhere = cluster.measure(window, step).await;
        let here = self.history.part(window, step);
        let by_itself = |part: &OverviewPart| Overview::of(std::slice::from_ref(part), step);
        let mut nodes = vec![NodeOverview {
            node: me,
            overview: Some(by_itself(&here)),
        }];
        nodes.extend(elsewhere.iter().map(|(node, part)| NodeOverview {
            node: *node,
            overview: part.as_ref().map(by_itself),
        }));
        nodes.sort_unstable_by_key(|of| of.node);
        let answered = elsewhere.into_iter().filter_map(|(_, part)| part);
        let parts: Vec<OverviewPart> = [here].into_iter().chain(answered).collect();
        FleetOverview {
            all: Overview::of(&parts, step),
            nodes,
        }
    }
}

impl Gateway {
    /// How this server and all other nodes have been doing in the last `window`. Waits up to three seconds for another node; with other
    /// nodes it is up to half a second old.
    pub async fn overview(&self, window: Duration) -> Arc<FleetOverview> {
        let measurer = &self.inner.measurer;
        let (Some(cluster), Some(me)) = (&self.inner.cluster, self.node()) else {
            return Arc::new(measurer.alone(window));
        };
        // Whoever comes while they are asked waits for that.
        let mut last = measurer.last.lock().await;
        last.retain(|(_, asked, _)| asked.elapsed() < FRESH_FOR);
        if let Some((.., overview)) = last.iter().find(|(known, ..)| *known == window) {
            return Arc::clone(overview);
        }
        let overview = Arc::new(measurer.together(window, me, cluster).await);
        last.push((window, Instant::now(), Arc::clone(&overview)));
        overview
    }
}
