//! What nodes say to each other over a real Redis, and what becomes of it when that goes.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use orchestratai_store::{Bus, BusEvent, NodeId, Nodes, RedisAddress};
use orchestratai_testing::{Redis, RedisCluster};
use tokio::{sync::watch, time::sleep};
use uuid::Uuid;

/// One end of the bus, with all that it was told.
struct End {
    id: NodeId,
    bus: Bus,
    told: Arc<Mutex<Vec<BusEvent>>>,
    _nodes: watch::Sender<Nodes>,
}

fn ends<const N: usize>(url: &str) -> [End; N] {
    let ids: [NodeId; N] = std::array::from_fn(|_| NodeId(Uuid::now_v7()));
    ids.map(|id| {
        let nodes = watch::Sender::new(Nodes {
            me: id,
            is_held: true,
            all: ids.to_vec(),
        });
        let told = Arc::new(Mutex::new(Vec::new()));
        let all = Arc::clone(&told);
        let address = RedisAddress::parse(url).unwrap();
        let bus = Bus::start(address, nodes.subscribe(), move |event| all.lock().unwrap().push(event)).unwrap();
        End {
            id,
            bus,
            told,
            _nodes: nodes,
        }
    })
}

impl End {
    fn heard(&self) -> Vec<String> {
        let told = self.told.lock().unwrap();
        let line = |event: &BusEvent| match event {
            BusEvent::Message { body, .. } => Some(body.to_string()),
            BusEvent::Up | BusEvent::Away | BusEvent::Broken(_) => None,
        };
        told.iter().filter_map(line).collect()
    }

    fn count(&self, event: &BusEvent) -> usize {
        self.told.lock().unwrap().iter().filter(|told| *told == event).count()
    }

    async fn until(&self, what: &str, mut is_so: impl FnMut(&Self) -> bool) {
        let began = Instant::now();
        while !is_so(self) {
            assert!(
                began.elapsed() < Duration::from_secs(20),
                "{what}: {:?}",
                self.told.lock().unwrap()
            );
            sleep(Duration::from_millis(5)).await;
        }
    }

    async fn is_up(&self) {
        self.until("it is up", |end| end.bus.trouble().is_none()).await;
    }
}

async fn what_is_said_arrives_in_order_and_once(url: &str) {
    let [one, other, third] = ends(url);
    one.is_up().await;
    other.is_up().await;
    third.is_up().await;
    let said: Vec<String> = (0..3_000).map(|n| format!(r#"{{"n":{n},"text":"ü\n"}}"#)).collect();
    for line in &said {
        one.bus.send(other.id, line.clone()).unwrap();
        third.bus.send(other.id, format!("third {line}")).unwrap();
        other.bus.send(one.id, line.clone()).unwrap();
    }
    other.until("all of it", |end| end.heard().len() == 6_000).await;
    one.until("all of it", |end| end.heard().len() == 3_000).await;
    let (from_third, from_one): (Vec<_>, Vec<_>) =
        other.heard().into_iter().partition(|line| line.starts_with("third"));
    assert_eq!(from_one, said);
    assert_eq!(from_third.len(), 3_000);
    assert_eq!(one.heard(), said);
    for (end, peer) in [(&one, other.id), (&other, one.id), (&other, third.id)] {
        assert_eq!(end.count(&BusEvent::Broken(peer)), 0);
    }
}

#[tokio::test]
async fn what_is_said_over_one_redis_arrives_in_order_and_once() {
    let redis = Redis::start();
    what_is_said_arrives_in_order_and_once(&redis.url()).await;
    // What was read is not kept.
    let keys = redis.cli(&["KEYS", "orchestratai:inbox:*"]);
    for key in keys.lines().filter(|key| !key.is_empty()) {
        let left: u64 = redis.cli(&["XLEN", key]).trim().parse().unwrap();
        assert!(left < 600, "{key}: {left}");
    }
}

#[tokio::test]
async fn what_is_said_over_a_cluster_arrives_in_order_and_once() {
    let cluster = RedisCluster::start();
    what_is_said_arrives_in_order_and_once(&cluster.url()).await;
}

#[tokio::test]
async fn where_redis_starts_anew_and_empty_both_ends_know_that_something_may_be_lost() {
    let mut redis = Redis::start();
    let [one, other] = ends(&redis.url());
    one.is_up().await;
    other.is_up().await;
    one.bus.send(other.id, "before".to_owned()).unwrap();
    other.until("before", |end| end.heard() == ["before"]).await;
    redis = tokio::task::spawn_blocking(move || {
        redis.kill();
        redis
    })
    .await
    .unwrap();
    for end in [&one, &other] {
        end.until("away", |end| end.count(&BusEvent::Away) == 1).await;
        assert!(end.bus.trouble().is_some());
    }
    assert!(one.bus.send(other.id, "lost".to_owned()).is_err());
    let _redis = tokio::task::spawn_blocking(move || {
        redis.start_again();
        redis
    })
    .await
    .unwrap();
    one.is_up().await;
    other.is_up().await;
    for end in [&one, &other] {
        end.until("up again", |end| end.count(&BusEvent::Up) == 2).await;
    }
    one.bus.send(other.id, "after".to_owned()).unwrap();
    other
        .until("after", |end| end.heard().ends_with(&["after".to_owned()]))
        .await;
}

#[tokio::test]
async fn what_is_said_to_one_who_is_not_there_is_told_to_be_lost() {
    let redis = Redis::start();
    let [one, other] = ends(&redis.url());
    one.is_up().await;
    other.is_up().await;
    let gone = other.id;
    drop(other);
    sleep(Duration::from_millis(200)).await;
    one.until("it is told", |end| {
        let _ = end.bus.send(gone, "hello?".to_owned());
        end.count(&BusEvent::Broken(gone)) > 0
    })
    .await;
}

#[tokio::test]
async fn an_inbox_that_loses_entries_breaks_the_channel() {
    let redis = Redis::start();
    let [one, other] = ends(&redis.url());
    one.is_up().await;
    other.is_up().await;
    one.bus.send(other.id, "first".to_owned()).unwrap();
    other.until("first", |end| end.heard() == ["first"]).await;
    // As a fail-over to a replica that lags behind does it, the inbox is emptied with what is in it; time and again, until
    // something was in it.
    let inbox = format!("orchestratai:inbox:{{{}}}", other.id);
    let began = Instant::now();
    while other.count(&BusEvent::Broken(one.id)) + other.count(&BusEvent::Away) == 0 {
        assert!(began.elapsed() < Duration::from_secs(20));
        let _ = one.bus.send(other.id, "maybe".to_owned());
        let _ = redis.cli(&["DEL", &inbox]);
    }
    other.is_up().await;
    one.until("heard again", |one| {
        let _ = one.bus.send(other.id, "again".to_owned());
        other.heard().last().is_some_and(|line| line == "again")
    })
    .await;
}
