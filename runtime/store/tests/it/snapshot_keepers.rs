//! Snapshots as they are kept: in a Redis of the test's own, and in the database.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use orchestratai_shared::SessionId;
use orchestratai_store::{
    Candidate, EmbeddedSnapshots, RedisAddress, RedisEvent, RedisSettings, RedisSnapshots, Snapshot, SnapshotError,
    SnapshotUse, Store, Write, Written,
};
use orchestratai_testing::Redis;

use crate::{
    conversation::Conversation,
    home::{Home, on_each_engine},
    open,
    snapshots::{check, take},
};

const WINDOW: usize = 6;
const TTL: Duration = Duration::from_secs(86_400);
const PATIENCE: Duration = Duration::from_secs(20);

fn settings(url: &str) -> RedisSettings {
    RedisSettings {
        address: RedisAddress::parse(url).unwrap(),
        ttl: TTL,
        load_timeout: Duration::from_millis(50),
    }
}

async fn connect(redis: &Redis) -> RedisSnapshots {
    let snapshots = RedisSnapshots::start(settings(&redis.url()), |_| {}).unwrap();
    assert!(snapshots.is_up_within(PATIENCE).await, "{:?}", snapshots.trouble());
    snapshots
}

/// Asks Redis as anybody would.
fn ask<T: redis::FromRedisValue>(redis: &Redis, words: &[&str]) -> T {
    let mut connection = redis::Client::open(redis.url()).unwrap().get_connection().unwrap();
    let mut command = redis::cmd(words[0]);
    command.arg(&words[1..]);
    command.query(&mut connection).unwrap()
}

async fn talk_of(store: &Store, turns: usize) -> Conversation {
    let mut talk = Conversation::new();
    store.commit(vec![talk.create()]).await.unwrap();
    for turn in 0..turns {
        store.commit(talk.turn(&format!("turn {turn}")).into()).await.unwrap();
    }
    talk
}

fn written(written: u64, stale: u64) -> Written {
    Written {
        written,
        stale,
        too_long: 0,
    }
}

async fn loaded(snapshots: &RedisSnapshots, id: SessionId) -> Candidate {
    let began = Instant::now();
    loop {
        match snapshots.load(id).await {
            Ok(candidate) => return candidate,
            // A busy machine may be late once.
            Err(error) => assert!(began.elapsed() < PATIENCE, "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_snapshot_in_redis_is_a_hash_with_these_fields_that_lives_for_a_day() {
    let (folder, redis) = (tempfile::tempdir().unwrap(), Redis::start());
    let store = open(folder.path()).await;
    let snapshots = connect(&redis).await;
    let talk = talk_of(&store, 2).await;
    let snapshot = take(&store, talk.id, WINDOW).await;
    let with_user = |user_id: Option<&str>| {
        let mut snapshot = snapshot.clone();
        snapshot.session.user_id = user_id.map(str::to_owned);
        vec![Arc::new(snapshot)]
    };
    assert_eq!(snapshots.write(with_user(Some("ada"))).await.unwrap(), written(1, 0));
    let key = format!("session:{}", talk.id);
    let fields = |redis: &Redis| {
        let mut fields: Vec<String> = ask(redis, &["HKEYS", &key]);
        fields.sort();
        fields
    };
    let all = [
        "id",
        "last_activity",
        "last_seq",
        "message_count",
        "start_time",
        "state",
        "total_cost",
        "total_tokens",
    ];
    let mut with_user_id: Vec<_> = all.iter().copied().chain(["user_id"]).collect();
    with_user_id.sort_unstable();
    assert_eq!(fields(&redis), with_user_id);
    let value = |field: &str| ask::<String>(&redis, &["HGET", &key, field]);
    assert_eq!(value("id"), talk.id.to_string());
    assert_eq!(value("start_time"), snapshot.session.start_time.to_string());
    assert_eq!(value("last_activity"), snapshot.session.last_activity.to_string());
    assert_eq!(
        (value("total_tokens"), value("total_cost")),
        ("20".to_owned(), "0.000002".to_owned())
    );
    assert_eq!(
        (value("message_count"), value("last_seq")),
        ("4".to_owned(), "10".to_owned())
    );
    // Without somebody there is no such field, also where there was one.
    assert_eq!(snapshots.write(with_user(None)).await.unwrap(), written(1, 0));
    assert_eq!(fields(&redis), all);

    // It lives for as long as is set, from the last write on.
    let left = |redis: &Redis| ask::<i64>(redis, &["PTTL", &key]);
    assert!((86_390_000..=86_400_000).contains(&left(&redis)), "{}", left(&redis));
    ask::<u64>(&redis, &["PEXPIRE", &key, "5000"]);
    snapshots.write(with_user(None)).await.unwrap();
    assert!(left(&redis) > 86_390_000);

    let used = check(&store, talk.id, WINDOW, loaded(&snapshots, talk.id).await).await;
    assert_eq!(used, SnapshotUse::Used { behind: 0 });
    let listed = snapshots.list(10).await.unwrap();
    assert_eq!(
        listed
            .iter()
            .map(|fields| (fields.session.id, fields.last_seq))
            .collect::<Vec<_>>(),
        [(talk.id, 10)]
    );
    snapshots.remove(&[talk.id]).await.unwrap();
    assert!(matches!(loaded(&snapshots, talk.id).await, Candidate::Absent));
}

/// Writes one snapshot, wherever it is kept.
async fn write_one(redis: Option<&RedisSnapshots>, embedded: &EmbeddedSnapshots, snapshot: &Snapshot) -> Written {
    let batch = vec![Arc::new(snapshot.clone())];
    match redis {
        Some(redis) => redis.write(batch).await.unwrap(),
        None => embedded.write(batch).await.unwrap(),
    }
}

async fn an_older_snapshot_never_replaces_a_newer_one(home: Home) {
    let redis = Redis::start();
    let store = home.open().await;
    let embedded = EmbeddedSnapshots::new(store.clone(), TTL);
    let in_redis = connect(&redis).await;
    for redis in [Some(&in_redis), None] {
        let mut talk = talk_of(&store, 1).await;
        let id = talk.id;
        let first = take(&store, talk.id, WINDOW).await;
        store.commit(talk.turn("more").into()).await.unwrap();
        let second = take(&store, talk.id, WINDOW).await;
        let write = async |snapshot: &Snapshot| write_one(redis, &embedded, snapshot).await;
        let kept = async || match redis {
            Some(redis) => loaded(redis, id).await,
            None => Candidate::Given(Box::new(embedded.load(id).await.unwrap().unwrap())),
        };
        assert_eq!(write(&second).await, written(1, 0));
        assert_eq!(write(&first).await, written(0, 1));
        assert_eq!(
            check(&store, talk.id, WINDOW, kept().await).await,
            SnapshotUse::Used { behind: 0 }
        );
        assert_eq!(write(&second).await, written(1, 0), "the same again renews it");

        // A later life of the session replaces it, and is not replaced by what comes late of an earlier one.
        let erase = Write::EraseSession { session_id: talk.id };
        tokio::time::sleep(Duration::from_millis(2)).await;
        store.commit(vec![erase, talk.create()]).await.unwrap();
        talk.seq = 0;
        store.commit(talk.turn("anew").into()).await.unwrap();
        let anew = take(&store, talk.id, WINDOW).await;
        assert_eq!(write(&anew).await, written(1, 0));
        assert_eq!(write(&second).await, written(0, 1));
        assert_eq!(
            check(&store, talk.id, WINDOW, kept().await).await,
            SnapshotUse::Used { behind: 0 }
        );

        // Of another journal nobody can say which is newer.
        let elsewhere = Snapshot {
            epoch: "another".into(),
            last_seq: 1,
            ..second.clone()
        };
        assert_eq!(write(&elsewhere).await, written(1, 0));
        assert!(matches!(
            check(&store, talk.id, WINDOW, kept().await).await,
            SnapshotUse::Stale(_)
        ));
        assert_eq!(write(&anew).await, written(1, 0));
    }
}

async fn the_snapshot_in_the_database_is_read_with_the_journal_and_goes_with_the_session(home: Home) {
    let store = home.open().await;
    let embedded = EmbeddedSnapshots::new(store.clone(), TTL);
    let mut batch = Vec::new();
    let mut talks = Vec::new();
    for _ in 0..150 {
        let talk = talk_of(&store, 1).await;
        batch.push(Arc::new(take(&store, talk.id, WINDOW).await));
        talks.push(talk);
    }
    assert_eq!(embedded.write(batch).await.unwrap(), written(150, 0));
    assert_eq!(embedded.list(1_000).await.unwrap().len(), 150);
    let talk = &mut talks[149];
    assert_eq!(
        check(&store, talk.id, WINDOW, Candidate::Embedded).await,
        SnapshotUse::Used { behind: 0 }
    );
    store.commit(talk.turn("more").into()).await.unwrap();
    assert_eq!(
        check(&store, talk.id, WINDOW, Candidate::Embedded).await,
        SnapshotUse::Used { behind: 5 }
    );
    let erase = Write::EraseSession { session_id: talk.id };
    store.commit(vec![erase]).await.unwrap();
    assert_eq!(store.session(talk.id).await.unwrap(), None);
    assert_eq!(embedded.load(talk.id).await.unwrap(), None);
    // What has expired is not read, and goes with the next write.
    let short = EmbeddedSnapshots::new(store.clone(), Duration::from_millis(1));
    let other = take(&store, talks[0].id, WINDOW).await;
    short.write(vec![Arc::new(other.clone())]).await.unwrap();
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert_eq!(embedded.load(talks[0].id).await.unwrap(), None);
    assert_eq!(
        check(&store, talks[0].id, WINDOW, Candidate::Embedded).await,
        SnapshotUse::Absent
    );
}

#[tokio::test]
async fn redis_may_come_late_go_and_come_again() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    let talk = talk_of(&store, 1).await;
    let snapshot = vec![Arc::new(take(&store, talk.id, WINDOW).await)];
    let mut redis = Redis::prepare();
    let (ups, losses) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let counted = (Arc::clone(&ups), Arc::clone(&losses));
    let snapshots = RedisSnapshots::start(settings(&redis.url()), move |event| {
        let counter = if event == RedisEvent::Lost {
            &counted.1
        } else {
            &counted.0
        };
        counter.fetch_add(1, Ordering::SeqCst);
    });
    let snapshots = snapshots.unwrap();
    // Nobody waits for it.
    let began = Instant::now();
    assert!(matches!(
        snapshots.write(snapshot.clone()).await,
        Err(SnapshotError::Away(_))
    ));
    assert!(matches!(snapshots.load(talk.id).await, Err(SnapshotError::Away(_))));
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    assert!(snapshots.trouble().is_some());

    redis.start_again();
    assert!(snapshots.is_up_within(PATIENCE).await);
    snapshots.write(snapshot.clone()).await.unwrap();
    assert!(matches!(loaded(&snapshots, talk.id).await, Candidate::Given(_)));

    redis.kill();
    let began = Instant::now();
    while snapshots.trouble().is_none() {
        assert!(began.elapsed() < PATIENCE);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    redis.start_again();
    assert!(snapshots.is_up_within(PATIENCE).await);
    assert!(
        matches!(loaded(&snapshots, talk.id).await, Candidate::Absent),
        "it has forgotten"
    );
    snapshots.write(snapshot).await.unwrap();
    assert!(matches!(loaded(&snapshots, talk.id).await, Candidate::Given(_)));
    assert_eq!((ups.load(Ordering::SeqCst), losses.load(Ordering::SeqCst)), (2, 1));
}

#[tokio::test]
async fn one_that_stands_still_is_waited_for_once_and_briefly() {
    let redis = Redis::start();
    let snapshots = connect(&redis).await;
    redis.pause();
    let began = Instant::now();
    for _ in 0..100 {
        assert!(snapshots.load(SessionId::new()).await.is_err());
    }
    // 50 ms for the first, and next to nothing for each of the others.
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    assert!(snapshots.trouble().is_some());
    redis.go_on();
    let began = Instant::now();
    while snapshots.load(SessionId::new()).await.is_err() {
        assert!(began.elapsed() < PATIENCE, "{:?}", snapshots.trouble());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn what_is_no_snapshot_of_ours_is_neither_used_nor_destroyed() {
    let (folder, redis) = (tempfile::tempdir().unwrap(), Redis::start());
    let store = open(folder.path()).await;
    let snapshots = connect(&redis).await;
    let talk = talk_of(&store, 1).await;
    let key = format!("session:{}", talk.id);
    ask::<()>(&redis, &["SET", &key, "somebody else's"]);
    assert!(matches!(snapshots.load(talk.id).await, Err(SnapshotError::Refused(_))));
    let batch = vec![Arc::new(take(&store, talk.id, WINDOW).await)];
    assert!(matches!(
        snapshots.write(batch.clone()).await,
        Err(SnapshotError::Refused(_))
    ));
    assert_eq!(ask::<String>(&redis, &["GET", &key]), "somebody else's");
    ask::<()>(&redis, &["DEL", &key]);
    for (field, value) in [
        ("total_cost", "much"),
        ("state", "{"),
        ("last_seq", "-3"),
        ("start_time", "yesterday"),
        ("id", "somebody"),
        ("user_id", "mallory"),
    ] {
        ask::<()>(&redis, &["DEL", &key]);
        snapshots.write(batch.clone()).await.unwrap();
        ask::<u64>(&redis, &["HSET", &key, field, value]);
        let used = check(&store, talk.id, WINDOW, loaded(&snapshots, talk.id).await).await;
        assert_eq!(used, SnapshotUse::Unreadable, "{field}");
    }
    ask::<u64>(&redis, &["HDEL", &key, "message_count"]);
    let used = check(&store, talk.id, WINDOW, loaded(&snapshots, talk.id).await).await;
    assert_eq!(used, SnapshotUse::Unreadable);
}

on_each_engine!(
    an_older_snapshot_never_replaces_a_newer_one,
    the_snapshot_in_the_database_is_read_with_the_journal_and_goes_with_the_session,
);
