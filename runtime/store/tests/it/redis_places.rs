//! Redis wherever it is: behind a Sentinel, as a cluster, with a password, by TLS.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use orchestratai_store::{Candidate, RedisAddress, RedisSettings, RedisSnapshots, SnapshotUse};
use orchestratai_testing::{Certificates, Redis, RedisCluster, RedisSentinel, free_port, redis_sentinel::SERVICE};

use crate::{
    conversation::Conversation,
    open,
    snapshots::{check, take},
};

const WINDOW: usize = 6;
const PATIENCE: Duration = Duration::from_secs(30);

async fn connect(url: &str) -> RedisSnapshots {
    let snapshots = start(url);
    assert!(snapshots.is_up_within(PATIENCE).await, "{:?}", snapshots.trouble());
    snapshots
}

fn start(url: &str) -> RedisSnapshots {
    let settings = RedisSettings {
        address: RedisAddress::parse(url).unwrap(),
        ttl: Duration::from_secs(3_600),
        load_timeout: Duration::from_millis(500),
    };
    RedisSnapshots::start(settings, |_| {}).unwrap()
}

/// Writes snapshots of sessions that were just made, and reads them again; gives how many.
async fn go_round(snapshots: &RedisSnapshots, sessions: usize) {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    let mut batch = Vec::new();
    for _ in 0..sessions {
        let mut talk = Conversation::new();
        store.commit(vec![talk.create()]).await.unwrap();
        store.commit(talk.turn("first").into()).await.unwrap();
        batch.push(Arc::new(take(&store, talk.id, WINDOW).await));
    }
    let ids: Vec<_> = batch.iter().map(|snapshot| snapshot.session.id).collect();
    let began = Instant::now();
    // It may be taken over by another server just now.
    while let Err(error) = snapshots.write(batch.clone()).await {
        assert!(began.elapsed() < PATIENCE, "{error}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    for id in &ids {
        let candidate = snapshots.load(*id).await.unwrap();
        assert_eq!(
            check(&store, *id, WINDOW, candidate).await,
            SnapshotUse::Used { behind: 0 }
        );
    }
    snapshots.remove(&ids[..1]).await.unwrap();
    assert!(matches!(snapshots.load(ids[0]).await.unwrap(), Candidate::Absent));
}

#[tokio::test]
async fn the_master_is_who_sentinel_says_it_is_also_after_a_fail_over() {
    let mut sentinel = tokio::task::spawn_blocking(RedisSentinel::start).await.unwrap();
    // Of several Sentinels one may be away.
    let url = format!(
        "redis+sentinel://127.0.0.1:{},{}/{SERVICE}",
        free_port(),
        sentinel.host()
    );
    let snapshots = connect(&url).await;
    go_round(&snapshots, 3).await;
    let began = Instant::now();
    sentinel.master().kill();
    let sentinel = tokio::task::spawn_blocking(move || {
        sentinel.wait_for_failover();
        sentinel
    });
    let sentinel = sentinel.await.unwrap();
    go_round(&snapshots, 3).await;
    eprintln!(
        "written to the new master {:?} after the old one was killed",
        began.elapsed()
    );
    assert!(sentinel.replica().cli(&["DBSIZE"]).trim() != "0");
}

#[tokio::test]
async fn a_cluster_keeps_snapshots_on_all_its_masters() {
    let cluster = tokio::task::spawn_blocking(RedisCluster::start).await.unwrap();
    let snapshots = connect(&cluster.url()).await;
    go_round(&snapshots, 60).await;
    for master in cluster.masters() {
        let keys: u32 = master.cli(&["DBSIZE"]).trim().parse().unwrap();
        assert!(keys > 5, "{keys} of 59");
    }
    assert!(snapshots.list(10).await.is_err());
}

#[tokio::test]
async fn a_password_is_sent_and_a_wrong_one_is_told_without_it() {
    let redis = Redis::start();
    let _ = redis.cli(&["CONFIG", "SET", "requirepass", "open sesame"]);
    let url = |password: &str| format!("redis://:{password}@127.0.0.1:{}/1", redis.port());
    go_round(&connect(&url("open%20sesame")).await, 2).await;
    let wrong = start(&url("closed-sesame"));
    assert!(!wrong.is_up_within(Duration::from_millis(500)).await);
    let why = wrong.trouble().unwrap();
    assert!(
        why.contains("WRONGPASS") || why.to_lowercase().contains("auth"),
        "{why}"
    );
    assert!(!why.contains("sesame"), "{why}");
    assert!(!format!("{wrong:?}").contains("sesame"));
}

#[tokio::test]
async fn a_certificate_that_nobody_vouches_for_is_refused() {
    let (certificates, port) = (Certificates::make(), free_port());
    let _redis = Redis::start_with(&certificates.for_redis(port));
    let snapshots = start(&format!("rediss://localhost:{port}"));
    assert!(!snapshots.is_up_within(Duration::from_secs(1)).await);
    let why = snapshots.trouble().unwrap().to_lowercase();
    assert!(why.contains("certificate") || why.contains("unknownissuer"), "{why}");
}
