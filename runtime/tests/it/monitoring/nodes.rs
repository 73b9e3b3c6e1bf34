//! A cluster as operators see it: every panel of its row moves when something happens to real nodes, and the alerts for what
//! is lost are raised while it is, and only then.

use std::{collections::BTreeMap, time::Duration};

use futures_util::future::join_all;
use orchestratai_shared::ClientMessageId;
use orchestratai_testing::{Postgres, Redis};
use serde_json::json;

use super::{dashboards, filled_in, items, load, observer::Observer, wait_until_seen};
use crate::{
    cluster::{LEASE, follow, nodes, signal},
    server::Server,
};

/// Panels that show something only where a node was gone.
const OF_TROUBLE: [&str; 3] = ["Leases lost", "Breaks of the bus", "Sessions taken over"];

/// Clients whose turns are under way when their node stands still, and how many of these each has.
const CLIENTS: usize = 16;
const TURNS: usize = 4;

/// How often a node may stand still before one of these turns was under way at the right moment.
const ROUNDS: usize = 5;

/// What the row of the cluster shows: the title of each panel, and its queries.
fn row() -> Vec<(String, Vec<String>)> {
    let dashboards = dashboards();
    let (_, dashboard) = dashboards
        .iter()
        .find(|(name, _)| name == "orchestratai-nodes")
        .unwrap();
    let variables: BTreeMap<String, String> = [("__rate_interval", "1m"), ("instance", ".*")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
    let panels = items(&dashboard["panels"])
        .skip_while(|panel| panel["type"] != "row" || panel["title"] != "Cluster")
        .skip(1)
        .take_while(|panel| panel["type"] != "row");
    panels
        .map(|panel| {
            let queries =
                items(&panel["targets"]).map(|target| filled_in(target["expr"].as_str().unwrap(), &variables));
            (panel["title"].as_str().unwrap().to_owned(), queries.collect())
        })
        .collect()
}

/// Waits until every query of some panels gives a number above 0.
async fn wait_for_panels(observer: &Observer, panels: &[(String, Vec<String>)]) {
    let queries: Vec<&str> = panels
        .iter()
        .flat_map(|(_, queries)| queries)
        .map(String::as_str)
        .collect();
    wait_until_seen(observer, &queries).await;
}

/// Waits until an alert is raised for both nodes, whether it is told yet or waits to be.
async fn wait_for_alert(observer: &Observer, name: &str) {
    let raised = format!("count(ALERTS{{alertname=\"{name}\"}}) == 2");
    wait_until_seen(observer, &[&raised]).await;
}

/// Waits until both nodes see both, and nothing is said to be lost. Breaks and lost leases are told of for a while after.
async fn wait_for_peace(observer: &Observer) {
    let lost = "OrchestrataiLeaseNotHeld|OrchestrataiBusDown|OrchestrataiNodesDisagree|OrchestrataiNodeUnwatched";
    let nothing = format!("absent(ALERTS{{alertname=~\"{lost}\"}})");
    let known = "count(orchestratai_cluster_nodes == 2 and orchestratai_cluster_lease_held == 1) == 2";
    wait_until_seen(observer, &[known, &nothing]).await;
}

/// Lets a node stand still for longer than its lease, with turns under way.
async fn stand_still(node: &Server) {
    let mut sockets = join_all((0..CLIENTS).map(|_| node.socket(""))).await;
    for socket in &mut sockets {
        socket.ready().await;
    }
    for socket in &mut sockets {
        for _ in 0..TURNS {
            // An answer from the cache would be there before the node stands still.
            let content = "How do I rotate an API key without downtime?";
            let data = json!({"clientMessageId": ClientMessageId::new(), "content": content, "fresh": true});
            socket.send(&json!({"type": "send_message", "data": data})).await;
        }
    }
    let last = sockets.last_mut().unwrap();
    last.until(|frame| frame.kind() == "message_accepted").await;
    signal(node, "-STOP");
    tokio::time::sleep(2 * LEASE + Duration::from_secs(1)).await;
    signal(node, "-CONT");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_dashboard_shows_what_happens_to_a_cluster_and_alerts_are_raised_for_what_it_lost() {
    let (mut postgres, mut redis) = (Postgres::start(), Redis::start());
    let [one, other] = nodes(&postgres.database(), &redis.url()).await;
    let addresses = [one.address(), other.address()];
    let observer = tokio::task::spawn_blocking(move || Observer::start(&addresses, &[], load::TOKEN))
        .await
        .unwrap();
    wait_for_peace(&observer).await;
    let (of_trouble, of_every_day): (Vec<_>, Vec<_>) = row()
        .into_iter()
        .partition(|(title, _)| OF_TROUBLE.contains(&title.as_str()));
    assert_eq!((of_trouble.len(), of_every_day.len()), (3, 5));

    let mut here = one.socket("").await;
    let session_id = here.ready().await.session_id();
    here.turn("hello there").await;
    let _there = follow(&other, session_id, 0).await;
    wait_for_panels(&observer, &of_every_day).await;

    let taken_over = "sum(orchestratai_sessions_taken_over_total) > 0";
    for _ in 0..ROUNDS {
        stand_still(&one).await;
        wait_for_peace(&observer).await;
        if !observer.query(taken_over).await.unwrap().is_empty() {
            break;
        }
    }
    wait_for_panels(&observer, &of_trouble).await;

    redis.kill();
    wait_for_alert(&observer, "OrchestrataiBusDown").await;
    tokio::task::block_in_place(|| redis.start_again());
    wait_for_peace(&observer).await;

    postgres.stop();
    wait_for_alert(&observer, "OrchestrataiLeaseNotHeld").await;
    tokio::task::block_in_place(|| postgres.start_again());
    wait_for_peace(&observer).await;
}
