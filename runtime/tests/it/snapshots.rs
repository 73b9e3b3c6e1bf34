//! Snapshots of sessions: the real server with a Redis of the test's own, which comes, goes, hangs and forgets.

use std::time::{Duration, Instant};

use orchestratai_shared::SessionId;
use orchestratai_testing::{Certificates, Redis, RedisSentinel, free_port, redis_sentinel::SERVICE};
use serde_json::Value;

use crate::server::{Launch, Server};

const PATIENCE: Duration = Duration::from_secs(30);
const QUESTION: &str = "How do I rotate an API key without downtime?";

fn launch(redis: &Redis) -> Launch {
    Launch::new().variable("REDIS_URL", &redis.url())
}

fn ask<T: redis::FromRedisValue>(redis: &Redis, words: &[&str]) -> T {
    let mut connection = redis::Client::open(redis.url()).unwrap().get_connection().unwrap();
    let mut command = redis::cmd(words[0]);
    command.arg(&words[1..]);
    command.query(&mut connection).unwrap()
}

fn key(id: SessionId) -> String {
    format!("session:{id}")
}

/// A turn in the session; gives its last `seq`.
async fn turn(server: &Server, id: SessionId, content: &str) -> u64 {
    let mut socket = server.socket(&format!("?session_id={id}")).await;
    socket.ready().await;
    let frames = socket.turn(content).await;
    socket.close().await;
    let last = frames.last().unwrap();
    assert_eq!(last.kind(), "message_completed", "{}", last.0);
    last.0["seq"].as_u64().unwrap()
}

/// Waits until Redis has the session up to `seq`.
async fn written(redis: &Redis, server: &Server, id: SessionId, seq: u64) {
    let began = Instant::now();
    loop {
        let last_seq: Option<u64> = ask(redis, &["HGET", &key(id), "last_seq"]);
        if last_seq == Some(seq) {
            return;
        }
        assert!(
            began.elapsed() < PATIENCE,
            "{last_seq:?} is not {seq}:\n{}",
            server.log()
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn metric(server: &Server, line: &str) -> f64 {
    let metrics = server.rest().get("/metrics").await.body;
    let found = metrics.as_str().unwrap().lines().find_map(|it| it.strip_prefix(line));
    found.map_or(0.0, |value| value.trim().parse().unwrap())
}

async fn loads(server: &Server, outcome: &str) -> f64 {
    metric(
        server,
        &format!("orchestratai_snapshot_loads_total{{outcome=\"{outcome}\"}}"),
    )
    .await
}

/// Waits until Redis is said to be in this state.
async fn redis_is(server: &Server, state: &str) -> Value {
    let began = Instant::now();
    loop {
        let body = server.rest().get("/api/health/services").await.body;
        let services = body["services"].as_array().or(body.as_array()).unwrap().clone();
        let redis = services
            .iter()
            .find(|service| service["name"] == "redis")
            .unwrap()
            .clone();
        if redis["state"] == state {
            return redis;
        }
        assert!(began.elapsed() < PATIENCE, "{redis}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Every `seq` from 1 on, once.
async fn has_all(server: &Server, id: SessionId, last_seq: u64) {
    let events = server.rest().events(id).await;
    let seqs: Vec<u64> = events.iter().map(|event| event.seq).collect();
    assert_eq!(seqs, (1..=last_seq).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_session_goes_on_after_a_kill_whatever_its_snapshot_knows() {
    let redis = Redis::start();
    let server = launch(&redis).start().await;
    let id = SessionId::new();
    let first = turn(&server, id, QUESTION).await;
    written(&redis, &server, id, first).await;
    let old: Vec<(String, String)> = ask(&redis, &["HGETALL", &key(id)]);
    let second = turn(&server, id, "Can I get a refund of my annual plan?").await;
    written(&redis, &server, id, second).await;

    // In step.
    let folder = server.kill();
    let server = launch(&redis).in_folder_of(&folder).start().await;
    redis_is(&server, "up").await;
    let third = turn(&server, id, "hello there").await;
    has_all(&server, id, third).await;
    assert_eq!(loads(&server, "used").await, 1.0);

    // Behind: what it lacks is in the journal. The server is killed before it can write a newer one.
    let folder = server.kill();
    ask::<()>(&redis, &["DEL", &key(id)]);
    let mut words = vec!["HSET".to_owned(), key(id)];
    words.extend(old.into_iter().flat_map(|(field, value)| [field, value]));
    ask::<()>(&redis, &words.iter().map(String::as_str).collect::<Vec<_>>());
    let server = launch(&redis).in_folder_of(&folder).start().await;
    redis_is(&server, "up").await;
    let fourth = turn(&server, id, "hello again").await;
    has_all(&server, id, fourth).await;
    assert_eq!(loads(&server, "used").await, 1.0);
    let messages = server.rest().get(&format!("/api/session/{id}/messages")).await.body;
    assert_eq!(messages["messages"].as_array().unwrap().len(), 8);

    // Damaged, and gone.
    let folder = server.kill();
    ask::<u64>(&redis, &["HSET", &key(id), "state", "{\"version\":1}"]);
    let server = launch(&redis).in_folder_of(&folder).start().await;
    redis_is(&server, "up").await;
    let fifth = turn(&server, id, "and again").await;
    has_all(&server, id, fifth).await;
    assert_eq!(loads(&server, "unreadable").await, 1.0);

    // The session is erased, and its snapshot with it.
    written(&redis, &server, id, fifth).await;
    assert_eq!(server.rest().delete(&format!("/api/session/{id}")).await.status, 204);
    let began = Instant::now();
    while ask::<u64>(&redis, &["EXISTS", &key(id)]) > 0 {
        assert!(began.elapsed() < PATIENCE, "{}", server.log());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn redis_may_be_absent_at_the_start_go_under_turns_and_come_again_empty() {
    let mut redis = Redis::prepare();
    let secret = format!("redis://:hidden-word@127.0.0.1:{}", redis.port());
    let server = Launch::new().variable("REDIS_URL", &secret).start().await;
    let id = SessionId::new();
    turn(&server, id, QUESTION).await;
    let away = redis_is(&server, "degraded").await;
    assert!(!away.to_string().contains("hidden-word"), "{away}");
    drop(server);

    let server = launch(&redis).start().await;
    let first = turn(&server, id, QUESTION).await;
    redis.start_again();
    // What is dirty is written as soon as it is there.
    written(&redis, &server, id, first).await;
    redis_is(&server, "up").await;
    assert_eq!(metric(&server, "orchestratai_redis_up").await, 1.0);

    // It goes while turns run, each in a session of its own and in one that lives on.
    let mut socket = server.socket(&format!("?session_id={id}")).await;
    socket.ready().await;
    for round in 0..12 {
        match round {
            3 => redis.kill(),
            8 => redis.start_again(),
            _ => {}
        }
        let last = socket.turn("hello there").await.pop().unwrap();
        assert_eq!(last.kind(), "message_completed", "{}", last.0);
        turn(&server, SessionId::new(), "hello there").await;
    }
    let last = socket.turn("hello there").await.pop().unwrap().0["seq"]
        .as_u64()
        .unwrap();
    written(&redis, &server, id, last).await;
    redis_is(&server, "up").await;
    assert!(metric(&server, "orchestratai_redis_reconnects_total").await >= 1.0);
    has_all(&server, id, last).await;
    assert!(!server.log().contains("hidden-word"));
}

#[tokio::test]
async fn a_redis_that_stands_still_slows_no_turn() {
    let redis = Redis::start();
    let server = launch(&redis).start().await;
    redis_is(&server, "up").await;
    turn(&server, SessionId::new(), "hello there").await;
    let time = async || {
        let mut times = Vec::new();
        for _ in 0..40 {
            let began = Instant::now();
            turn(&server, SessionId::new(), "hello there").await;
            times.push(began.elapsed());
        }
        times.sort();
        times
    };
    let before = time().await;
    redis.pause();
    let during = time().await;
    let away = redis_is(&server, "degraded").await;
    eprintln!(
        "a turn of a new session: median {:?}, with Redis standing still {:?} (longest {:?} and {:?}); {away}",
        before[20], during[20], before[39], during[39]
    );
    // If each waited for it, it would be 50 ms more.
    assert!(during[20] < before[20] + Duration::from_millis(25), "{during:?}");
    redis.go_on();
    redis_is(&server, "up").await;
}

#[tokio::test]
async fn a_busy_session_is_written_at_most_once_a_second() {
    let redis = Redis::start();
    // It says more than a client may.
    let launch = launch(&redis).setting("limits.frames_burst", "100000");
    let server = launch.setting("limits.frames_per_second", "100000").start().await;
    redis_is(&server, "up").await;
    let id = SessionId::new();
    let mut socket = server.socket(&format!("?session_id={id}")).await;
    socket.ready().await;
    ask::<()>(&redis, &["CONFIG", "RESETSTAT"]);
    let began = Instant::now();
    let (mut turns, mut last) = (0, 0);
    while began.elapsed() < Duration::from_secs(5) {
        last = socket.turn("hello there").await.pop().unwrap().0["seq"]
            .as_u64()
            .unwrap();
        turns += 1;
    }
    let took = began.elapsed();
    let stats: String = ask(&redis, &["INFO", "commandstats"]);
    let calls = stats.lines().find_map(|line| line.strip_prefix("cmdstat_eval:calls="));
    let calls: f64 = calls.map_or(0.0, |rest| rest.split(',').next().unwrap().parse().unwrap());
    eprintln!("{turns} turns in {took:?}: {calls} writes");
    assert!(
        calls >= 2.0 && calls <= took.as_secs_f64(),
        "{calls} writes of {turns} turns in {took:?}"
    );
    assert!(turns > 20, "{turns}");
    written(&redis, &server, id, last).await;
}

#[tokio::test]
async fn a_server_that_stops_writes_what_has_changed() {
    let redis = Redis::start();
    let mut server = launch(&redis).setting("snapshots.write_after", "1h").start().await;
    redis_is(&server, "up").await;
    let (one, other) = (SessionId::new(), SessionId::new());
    let first = turn(&server, one, QUESTION).await;
    let second = turn(&server, other, "hello there").await;
    assert_eq!(ask::<u64>(&redis, &["EXISTS", &key(one), &key(other)]), 0);
    server.terminate();
    assert!(server.ended().await.success());
    written(&redis, &server, one, first).await;
    written(&redis, &server, other, second).await;
}

#[tokio::test]
async fn without_redis_sessions_are_kept_in_the_database_when_they_leave_memory_and_when_the_server_stops() {
    let mut server = Launch::new().setting("session.idle_after", "200ms").start().await;
    let (idle, live) = (SessionId::new(), SessionId::new());
    turn(&server, idle, QUESTION).await;
    let written = "orchestratai_snapshot_writes_total{backend=\"embedded\",outcome=\"written\"}";
    let began = Instant::now();
    while metric(&server, written).await < 1.0 {
        assert!(began.elapsed() < PATIENCE, "{}", server.log());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // Which then comes back from there.
    turn(&server, idle, "hello there").await;
    assert_eq!(loads(&server, "used").await, 1.0);
    let mut socket = server.socket(&format!("?session_id={live}")).await;
    socket.ready().await;
    let last = socket.turn("hello there").await.pop().unwrap().0["seq"]
        .as_u64()
        .unwrap();
    server.terminate();
    assert!(server.ended().await.success());
    let server = Launch::new().in_folder_of(&server.folder()).start().await;
    let next = turn(&server, live, "hello there").await;
    assert!(next > last);
    has_all(&server, live, next).await;
    assert_eq!(loads(&server, "used").await, 1.0);
}

#[tokio::test]
async fn what_was_erased_while_redis_stood_still_is_removed_even_by_the_next_server() {
    let redis = Redis::start();
    let server = launch(&redis).start().await;
    let (id, other) = (SessionId::new(), SessionId::new());
    let last_seq = turn(&server, id, QUESTION).await;
    written(&redis, &server, id, last_seq).await;
    let of_other = turn(&server, other, "hello there").await;
    written(&redis, &server, other, of_other).await;
    redis.pause();
    assert_eq!(server.rest().delete(&format!("/api/session/{id}")).await.status, 204);
    let folder = server.kill();
    redis.go_on();
    assert_eq!(ask::<u64>(&redis, &["EXISTS", &key(id)]), 1);
    let server = launch(&redis).in_folder_of(&folder).start().await;
    let began = Instant::now();
    while ask::<u64>(&redis, &["EXISTS", &key(id)]) > 0 {
        assert!(began.elapsed() < PATIENCE, "{}", server.log());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(ask::<u64>(&redis, &["EXISTS", &key(other)]), 1);
}

#[tokio::test]
async fn redis_is_spoken_to_by_tls_where_its_certificate_is_vouched_for() {
    let (certificates, port) = (Certificates::make(), free_port());
    let redis = Redis::start_with(&certificates.for_redis(port));
    let _ = redis.cli(&["CONFIG", "SET", "requirepass", "sesame"]);
    let server = Launch::new()
        .variable("REDIS_URL", &format!("rediss://:sesame@localhost:{port}"))
        .variable("SSL_CERT_FILE", &certificates.authority().to_string_lossy())
        .start()
        .await;
    redis_is(&server, "up").await;
    let id = SessionId::new();
    turn(&server, id, "hello there").await;
    let began = Instant::now();
    while !redis.cli(&["-a", "sesame", "EXISTS", &key(id)]).contains('1') {
        assert!(began.elapsed() < PATIENCE, "{}", server.log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(!server.log().contains("sesame"));
}

#[tokio::test]
async fn turns_go_on_through_a_fail_over_and_snapshots_go_to_the_new_master() {
    let mut sentinel = tokio::task::spawn_blocking(RedisSentinel::start).await.unwrap();
    let url = format!("redis+sentinel://{}/{SERVICE}", sentinel.host());
    let server = Launch::new().variable("REDIS_URL", &url).start().await;
    redis_is(&server, "up").await;
    let id = SessionId::new();
    let first = turn(&server, id, "hello there").await;
    written(sentinel.master(), &server, id, first).await;
    sentinel.master().kill();
    let mut last = 0;
    while !sentinel.replica().cli(&["INFO", "replication"]).contains("role:master") {
        last = turn(&server, id, "hello again").await;
    }
    assert!(last > first);
    written(sentinel.replica(), &server, id, last).await;
    redis_is(&server, "up").await;
    has_all(&server, id, last).await;
}
