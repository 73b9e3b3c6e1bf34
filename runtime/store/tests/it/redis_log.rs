//! A log in Redis, with real servers that come, go, stand still and forget.

use std::{
    ops::ControlFlow,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use orchestratai_store::{LogEvent, LogFull, RedisAddress, RedisLog, RedisLogSettings};
use orchestratai_testing::{Redis, RedisCluster, RedisSentinel, redis_sentinel::SERVICE};

const KEY: &str = "test:log";
const PATIENCE: Duration = Duration::from_secs(30);

/// A process that writes to the log and reads it.
struct Member {
    log: RedisLog,
    read: Arc<Mutex<Vec<String>>>,
    sent: Arc<AtomicUsize>,
    refused: Arc<AtomicUsize>,
}

impl Member {
    fn start(url: &str) -> Self {
        let settings = RedisLogSettings {
            address: RedisAddress::parse(url).unwrap(),
            key: KEY,
            length: 100,
            ttl: Duration::from_secs(3_600),
        };
        let (sent, refused) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let counted = (Arc::clone(&sent), Arc::clone(&refused));
        let observe = move |event| {
            match event {
                LogEvent::Sent(count) => counted.0.fetch_add(count, Ordering::Relaxed),
                LogEvent::Refused(count) => counted.1.fetch_add(count, Ordering::Relaxed),
            };
        };
        let log = RedisLog::start(settings, observe).unwrap();
        let read = Arc::new(Mutex::new(Vec::new()));
        let taken = Arc::clone(&read);
        log.follow(move |entry| {
            taken.lock().unwrap().push(String::from_utf8_lossy(entry).into_owned());
            ControlFlow::Continue(())
        });
        Self {
            log,
            read,
            sent,
            refused,
        }
    }

    fn append(&self, entry: &str) {
        self.log.append(entry.into()).unwrap();
    }

    fn read(&self) -> Vec<String> {
        self.read.lock().unwrap().clone()
    }

    /// Waits until these were read, and whatever else.
    async fn has_read(&self, entries: &[&str]) {
        let is_there = || {
            let read = self.read();
            entries.iter().all(|entry| read.iter().any(|read| read == entry))
        };
        wait_for(&format!("{entries:?}"), is_there).await;
    }
}

async fn wait_for(what: &str, is_so: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < PATIENCE, "never: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn all_others_read_what_one_appends_in_order_and_from_the_start() {
    let redis = Redis::start();
    let (one, other) = (Member::start(&redis.url()), Member::start(&redis.url()));
    one.append("a");
    one.append("b");
    other.has_read(&["a", "b"]).await;
    other.append("c");
    one.has_read(&["c"]).await;
    let late = Member::start(&redis.url());
    late.has_read(&["c"]).await;
    assert_eq!(late.read(), ["a", "b", "c"]);
    // Nobody reads what it has written itself.
    assert_eq!(
        (one.read(), other.read()),
        (vec!["c".to_owned()], vec!["a".into(), "b".into()])
    );
    assert_eq!(one.sent.load(Ordering::Relaxed), 2);
    let left: u64 = redis.cli(&["PTTL", KEY]).trim().parse().unwrap();
    assert!(left > 3_500_000, "{left}");
}

#[tokio::test]
async fn what_is_appended_while_redis_is_away_or_stands_still_is_read_afterwards() {
    let mut redis = Redis::prepare();
    let (one, other) = (Member::start(&redis.url()), Member::start(&redis.url()));
    one.append("before it came");
    redis.start_again();
    other.has_read(&["before it came"]).await;

    redis.kill();
    one.append("while it was dead");
    redis.start_again();
    other.has_read(&["while it was dead"]).await;

    redis.pause();
    one.append("while it stood still");
    // Longer than an answer may take.
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    redis.go_on();
    other.has_read(&["while it stood still"]).await;

    let _ = redis.cli(&["FLUSHALL"]);
    one.append("after it was emptied");
    other.has_read(&["after it was emptied"]).await;
    other.append("and back");
    one.has_read(&["and back"]).await;
}

#[tokio::test]
async fn no_more_than_a_bound_wait_for_redis_and_nobody_waits_to_append() {
    let redis = Redis::prepare();
    let one = Member::start(&redis.url());
    let mut taken = 0;
    let began = Instant::now();
    let full = loop {
        match one.log.append(format!("{taken}").into()) {
            Ok(()) => taken += 1,
            Err(full) => break full,
        }
        assert!(taken < 1_000);
    };
    assert_eq!(full, LogFull);
    assert!((256..=320).contains(&taken), "{taken}");
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
}

#[tokio::test]
async fn the_log_is_kept_short() {
    let redis = Redis::start();
    let one = Member::start(&redis.url());
    for number in 0..1_000 {
        let entry = format!("{number}");
        while one.log.append(entry.clone().into()).is_err() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    wait_for("all sent", || one.sent.load(Ordering::Relaxed) == 1_000).await;
    let length: usize = redis.cli(&["XLEN", KEY]).trim().parse().unwrap();
    assert!((100..=200).contains(&length), "{length}");
}

#[tokio::test]
async fn what_is_no_entry_is_given_as_no_bytes_and_another_kind_of_key_stops_nothing_for_good() {
    let redis = Redis::start();
    let one = Member::start(&redis.url());
    let other = Member::start(&redis.url());
    let _ = redis.cli(&["XADD", KEY, "*", "what", "ever"]);
    one.append("good");
    other.has_read(&["good"]).await;
    assert_eq!(other.read(), ["", "good"]);

    let _ = redis.cli(&["SET", KEY, "taken"]);
    one.append("in vain");
    wait_for("a refusal", || one.refused.load(Ordering::Relaxed) == 1).await;
    let _ = redis.cli(&["DEL", KEY]);
    one.append("good again");
    other.has_read(&["good again"]).await;
    assert!(!other.read().contains(&"in vain".to_owned()));
}

#[tokio::test]
async fn a_log_that_begins_anew_with_earlier_numbers_is_read_from_its_start() {
    let mut redis = Redis::start();
    let other = Member::start(&redis.url());
    let _ = redis.cli(&["XADD", KEY, "99999999999999-0", "entry", "of a clock that is ahead"]);
    other.has_read(&["of a clock that is ahead"]).await;
    redis.kill();
    redis.start_again();
    let one = Member::start(&redis.url());
    one.append("by the right time");
    other.has_read(&["by the right time"]).await;
}

#[tokio::test]
async fn reading_ends_where_the_reader_breaks_off() {
    let redis = Redis::start();
    let one = Member::start(&redis.url());
    let other = Member::start(&redis.url());
    let read = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&read);
    other.log.follow(move |_| {
        counted.fetch_add(1, Ordering::Relaxed);
        ControlFlow::Break(())
    });
    one.append("a");
    one.append("b");
    one.append("c");
    other.has_read(&["a", "b", "c"]).await;
    assert_eq!(read.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_fail_over_and_a_cluster_change_nothing() {
    let mut sentinel = tokio::task::spawn_blocking(RedisSentinel::start).await.unwrap();
    let url = format!("redis+sentinel://{}/{SERVICE}", sentinel.host());
    let (one, other) = (Member::start(&url), Member::start(&url));
    one.append("to the old master");
    other.has_read(&["to the old master"]).await;
    sentinel.master().kill();
    one.append("to the new one");
    let sentinel = tokio::task::spawn_blocking(move || {
        sentinel.wait_for_failover();
        sentinel
    });
    let _sentinel = sentinel.await.unwrap();
    other.has_read(&["to the new one"]).await;

    let cluster = tokio::task::spawn_blocking(RedisCluster::start).await.unwrap();
    let (one, other) = (Member::start(&cluster.url()), Member::start(&cluster.url()));
    one.append("a");
    other.has_read(&["a"]).await;
    // A read that waits longer than an idle one does.
    tokio::time::sleep(Duration::from_secs(6)).await;
    one.append("b");
    other.has_read(&["b"]).await;
    assert_eq!(other.read(), ["a", "b"]);
}
