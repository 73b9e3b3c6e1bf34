//! Nodes that are killed or stand still, and a Redis that goes away, under load: every promise holds.

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    process::Command,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use orchestratai_shared::{Event, EventBody};
use orchestratai_testing::{RedisCluster, RedisSentinel};
use rand::seq::IndexedRandom;
use tokio::task::JoinHandle;

use super::*;
use crate::crash::{Persistent, check};

/// Clients that talk at once, each in a session of its own.
const CLIENTS: usize = 24;

/// Clients that talk with one node after the other.
struct Crowd {
    addresses: Arc<Mutex<Vec<SocketAddr>>>,
    is_over: Arc<AtomicBool>,
    talks: Vec<JoinHandle<Persistent>>,
}

impl Crowd {
    /// Lets clients talk with whatever nodes there are.
    fn gather(nodes: &[Server]) -> Self {
        let addresses: Arc<Mutex<Vec<_>>> = Arc::new(Mutex::new(nodes.iter().map(Server::address).collect()));
        let is_over = Arc::new(AtomicBool::new(false));
        let talk = |_| {
            let (addresses, is_over) = (Arc::clone(&addresses), Arc::clone(&is_over));
            tokio::spawn(async move {
                let mut client = Persistent::patient();
                loop {
                    let says_more = !is_over.load(Ordering::Relaxed);
                    let address = addresses.lock().unwrap().choose(&mut rand::rng()).copied();
                    if let Some(address) = address {
                        client = client.talk_for(Duration::from_secs(2), address, says_more).await;
                    }
                    if !says_more && client.said.len() == client.ended() {
                        return client;
                    }
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            })
        };
        Self {
            talks: (0..CLIENTS).map(talk).collect(),
            addresses: Arc::clone(&addresses),
            is_over,
        }
    }

    /// Nobody comes to that node any more.
    fn leave(&self, node: &Server) {
        self.addresses
            .lock()
            .unwrap()
            .retain(|address| *address != node.address());
    }

    /// One may come to that node.
    fn come_to(&self, node: &Server) {
        self.addresses.lock().unwrap().push(node.address());
    }

    /// Waits for everything that was said to be answered, and sees that every promise was kept. Gives how much was said.
    async fn disperse(self, rest: &Rest) -> usize {
        self.is_over.store(true, Ordering::Relaxed);
        let mut said = 0;
        for talk in self.talks {
            let client = tokio::time::timeout(Duration::from_secs(120), talk).await;
            let client = client
                .expect("all is answered in time")
                .expect("a client found a promise broken");
            check(&client, &rest.events(client.session_id).await);
            said += client.said.len();
        }
        eprintln!("{said} messages were said");
        said
    }
}

/// For how long nodes are killed at least, and how often.
const KILLING: Duration = Duration::from_secs(60);
const KILLS: usize = 8;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_nodes_of_which_one_is_killed_every_few_seconds_keep_every_promise() {
    let (database, redis) = (Postgres::shared().database(), Redis::start());
    let mut nodes: Vec<Server> = nodes::<3>(&database, &redis.url()).await.into();
    let crowd = Crowd::gather(&nodes);
    let began = Instant::now();
    let (mut kills, mut taken_over) = (0, 0.0);
    let mut cut_off = Vec::new();
    while began.elapsed() < KILLING || kills < KILLS {
        tokio::time::sleep(Duration::from_millis(2_500)).await;
        let killed = nodes.remove(0);
        crowd.leave(&killed);
        // The crowd may have nothing under way just now: clients are slower than nodes.
        let (address, pid) = (killed.address(), killed.pid());
        let asked = tokio::task::spawn_blocking(move || ask_and_stop(address, pid))
            .await
            .unwrap();
        cut_off.extend(asked.expect("the node is there").0);
        let folder = killed.kill();
        kills += 1;
        if kills % 2 == 0 {
            // Nobody starts it again for a while: the others take over.
            tokio::time::sleep(LEASE + Duration::from_secs(1)).await;
        }
        for node in &nodes {
            taken_over += metric(&node.rest(), "orchestratai_sessions_taken_over_total ").await;
        }
        let again = launch(&database, &redis.url()).in_folder_of(&folder).start().await;
        crowd.come_to(&again);
        nodes.push(again);
    }
    let said = crowd.disperse(&nodes[0].rest()).await;
    for session_id in cut_off {
        let events = all_ended(&nodes[0], session_id).await;
        assert!(events.iter().map(|event| event.seq).eq(1..=events.len() as u64));
    }
    eprintln!("{kills} kills, {taken_over} sessions seen to be taken over");
    assert!(taken_over > 0.0, "nothing was under way when a node was killed");
    assert!(said >= 4 * CLIENTS, "only {said} messages were said");
}

/// Sends a node's process a signal, such as `-STOP`.
pub(crate) fn signal(node: &Server, name: &str) {
    send_signal(node.pid(), name);
}

fn send_signal(pid: u32, name: &str) {
    let sent = Command::new("kill").arg(name).arg(pid.to_string()).status();
    assert!(sent.unwrap().success());
}

/// Sessions in which a node is asked much at once, and the questions in each: it has to do for longer than a signal takes.
const MUCH: (usize, usize) = (12, 8);

/// Asks much of a node, in sessions that nobody follows, and stops it as soon as it has begun to answer; gives the sessions, and
/// when it stopped. On a thread of its own, and in as few words as possible: the crowd keeps the others busy, and the node is quick.
fn ask_and_stop(node: SocketAddr, pid: u32) -> io::Result<(Vec<SessionId>, Timestamp)> {
    let sessions: Vec<_> = (0..MUCH.0).map(|_| SessionId::new()).collect();
    let mut streams = Vec::new();
    for session_id in &sessions {
        let body = json!({"message": REFUND, "session_id": session_id, "fresh": true}).to_string();
        let request = format!(
            "POST /api/chat/stream/initiate HTTP/1.1\r\nHost: {node}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let mut stream = TcpStream::connect(node)?;
        stream.set_read_timeout(Some(Duration::from_secs(20)))?;
        stream.write_all(request.repeat(MUCH.1).as_bytes())?;
        streams.push(stream);
    }
    if let Some(last) = streams.last_mut() {
        last.read_exact(&mut [0])?;
    }
    send_signal(pid, "-STOP");
    Ok((sessions, Timestamp::now()))
}

/// Sees that every message that was accepted has ended.
///
/// # Errors
/// Where there are not as many of both.
fn check_ended(events: &[Event]) -> Result<(), String> {
    let is_accepted = |event: &&Event| matches!(event.body, EventBody::MessageAccepted(_));
    let accepted = events.iter().filter(is_accepted).count();
    let ended = events.iter().filter(|event| event.body.is_terminal()).count();
    match accepted == ended {
        true => Ok(()),
        false => Err(format!("{accepted} messages were accepted, and {ended} ended")),
    }
}

/// Every event of a session, once all that was accepted in it has ended.
pub(super) async fn all_ended(node: &Server, session_id: SessionId) -> Vec<Event> {
    let began = Instant::now();
    loop {
        let events = node.rest().events_if_any(session_id).await.unwrap_or_default();
        let Err(why) = check_ended(&events) else {
            return events;
        };
        assert!(
            began.elapsed() < Duration::from_secs(30),
            "nobody takes it up, {why}: {events:?}"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Lets a node stand still in the middle of turns that nobody else asks for; gives their sessions, and since when it does.
pub(super) async fn stop_in_the_middle(node: &Server, other: &Server) -> (Vec<SessionId>, Timestamp) {
    // It may be without its lease for a moment, or have answered all when it stops.
    for _ in 0..20 {
        let (address, pid) = (node.address(), node.pid());
        let asked = tokio::task::spawn_blocking(move || ask_and_stop(address, pid))
            .await
            .unwrap();
        let (asked, since) = asked.expect("the node is there");
        // What was on its way to the database arrives.
        tokio::time::sleep(Duration::from_millis(100)).await;
        for session_id in &asked {
            let events = other.rest().events_if_any(*session_id).await.unwrap_or_default();
            // The other node may have answered in its place by now.
            let is_later = |event: &Event| event.body.is_terminal() && event.at.millis_since(since) > 0;
            if check_ended(&events).is_err() || events.iter().any(is_later) {
                return (asked, since);
            }
        }
        signal(node, "-CONT");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    panic!("every turn ends before the node stands still");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_stood_still_for_longer_than_its_lease_writes_nothing_of_what_others_have() {
    let (database, redis) = (Postgres::shared().database(), Redis::start());
    let nodes = nodes::<2>(&database, &redis.url()).await;
    let crowd = Crowd::gather(&nodes);
    let [one, other] = &nodes;
    let mut cut_off = Vec::new();
    for _ in 0..2 {
        tokio::time::sleep(Duration::from_secs(2)).await;
        let lost = metric(&one.rest(), "orchestratai_cluster_leases_lost_total ").await;
        cut_off.extend(stop_in_the_middle(one, other).await.0);
        tokio::time::sleep(2 * LEASE + Duration::from_secs(1)).await;
        know_each_other(&other.rest(), 1).await;
        signal(one, "-CONT");
        let began = Instant::now();
        while metric(&one.rest(), "orchestratai_cluster_leases_lost_total ").await <= lost {
            assert!(began.elapsed() < Duration::from_secs(10), "it goes on as the same node");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        know_each_other(&one.rest(), 2).await;
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    let taken_over = metric(&other.rest(), "orchestratai_sessions_taken_over_total ").await;
    assert!(
        taken_over >= 2.0,
        "turns were cut off twice, and {taken_over} sessions taken over"
    );
    let said = crowd.disperse(&other.rest()).await;
    assert!(said >= 4 * CLIENTS, "only {said} messages were said");
    for session_id in cut_off {
        let events = all_ended(other, session_id).await;
        assert!(events.iter().map(|event| event.seq).eq(1..=events.len() as u64));
    }
}

/// Lets clients talk with two nodes while something happens to Redis.
async fn through(url: &str, happens: impl AsyncFnOnce(&[Server; 2])) {
    through_with(&Postgres::shared().database(), url, happens).await;
}

/// The same, or to the database.
async fn through_with(database: &str, url: &str, happens: impl AsyncFnOnce(&[Server; 2])) {
    let nodes = nodes::<2>(database, url).await;
    let crowd = Crowd::gather(&nodes);
    tokio::time::sleep(Duration::from_secs(2)).await;
    happens(&nodes).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    for node in &nodes {
        know_each_other(&node.rest(), 2).await;
    }
    let said = crowd.disperse(&nodes[0].rest()).await;
    assert!(said >= 2 * CLIENTS, "only {said} messages were said");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_is_killed_and_starts_again_empty_breaks_no_promise() {
    let redis = Redis::start();
    let url = redis.url();
    through(&url, async move |_: &[Server; 2]| {
        let mut redis = redis;
        for away_ms in [50, 2_000, 4_000] {
            redis = tokio::task::spawn_blocking(move || {
                redis.kill();
                std::thread::sleep(Duration::from_millis(away_ms));
                redis.start_again();
                redis
            })
            .await
            .unwrap();
            tokio::time::sleep(Duration::from_secs(2)).await;
        }
        // It is needed for as long as there is talk.
        std::mem::forget(redis);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_fails_over_breaks_no_promise() {
    let sentinel = tokio::task::spawn_blocking(RedisSentinel::start).await.unwrap();
    let url = format!("redis+sentinel://{}/snapshots", sentinel.host());
    let (give_back, kept) = tokio::sync::oneshot::channel();
    through(&url, async move |_: &[Server; 2]| {
        let sentinel = tokio::task::spawn_blocking(move || {
            let mut sentinel = sentinel;
            sentinel.master().kill();
            sentinel.wait_for_failover();
            sentinel
        });
        let _ = give_back.send(sentinel.await.unwrap());
    })
    .await;
    drop(kept);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_cluster_whose_slots_move_breaks_no_promise() {
    let cluster = Arc::new(tokio::task::spawn_blocking(RedisCluster::start).await.unwrap());
    let url = cluster.url();
    let moving = Arc::clone(&cluster);
    through(&url, async move |_: &[Server; 2]| {
        let moved = tokio::task::spawn_blocking(move || moving.move_slots_of("orchestratai:inbox:"));
        assert!(moved.await.unwrap() >= 2, "the inboxes of both nodes are moved");
    })
    .await;
    drop(cluster);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_comes_and_goes_breaks_no_promise_of_several_nodes() {
    let (postgres, redis) = (Postgres::start(), Redis::start());
    let (give_back, kept) = tokio::sync::oneshot::channel();
    through_with(&postgres.database(), &redis.url(), async move |nodes: &[Server; 2]| {
        let ready = async |node: &Server| node.rest().get("/api/health/ready").await.status;
        let mut postgres = postgres;
        // For less than a lease, and for longer.
        for away in [LEASE / 4, 2 * LEASE] {
            postgres = tokio::task::spawn_blocking(move || {
                postgres.kill();
                postgres
            })
            .await
            .unwrap();
            tokio::time::sleep(away).await;
            for node in nodes.iter().filter(|_| away > LEASE) {
                assert_eq!(ready(node).await, StatusCode::SERVICE_UNAVAILABLE);
                let alive = node.rest().get("/api/health/live").await.status;
                assert_eq!(alive, StatusCode::OK);
            }
            postgres = tokio::task::spawn_blocking(move || {
                postgres.start_again();
                postgres
            })
            .await
            .unwrap();
            for node in nodes {
                know_each_other(&node.rest(), 2).await;
                assert_eq!(ready(node).await, StatusCode::OK);
            }
        }
        // It was the database that was away, so nobody took over from anybody.
        for node in nodes {
            assert_eq!(
                metric(&node.rest(), "orchestratai_cluster_leases_lost_total ").await,
                0.0
            );
        }
        let _ = give_back.send(postgres);
    })
    .await;
    drop(kept);
}

#[tokio::test]
async fn without_redis_a_node_serves_its_own_sessions_and_refuses_those_of_others_until_it_is_back() {
    let (database, mut redis) = (Postgres::shared().database(), Redis::start());
    let [one, other] = nodes(&database, &redis.url()).await;
    let mut here = one.socket("").await;
    let session_id = here.ready().await.session_id();
    let last = here.turn("hello there").await;
    let last_seq = last.last().unwrap().seq().unwrap();
    let mut there = follow(&other, session_id, last_seq).await;

    redis.kill();
    let began = Instant::now();
    while cluster_health(&other.rest()).await["state"] != "degraded" {
        assert!(began.elapsed() < Duration::from_secs(10));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let frames = here.turn(REFUND).await;
    assert_eq!(frames.last().unwrap().kind(), "message_completed");
    let body = json!({"message": REFUND, "session_id": session_id});
    let refused = other.rest().post("/api/chat", &body).await;
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE, "{}", refused.body);
    assert!(refused.headers.contains_key("retry-after"));
    // What is new is its own, wherever it comes.
    let new = json!({"message": REFUND, "session_id": SessionId::new()});
    let new = other.rest().post("/api/chat", &new).await;
    assert_eq!(new.status, StatusCode::OK, "{}", new.body);

    let _redis = tokio::task::spawn_blocking(move || {
        redis.start_again();
        redis
    })
    .await
    .unwrap();
    // The client of the other node gets what it has missed, on the connection that it has.
    let seen = there.until(Frame::is_terminal).await;
    let durable = seen.iter().filter_map(Frame::seq);
    assert!(durable.eq(last_seq + 1..=frames.last().unwrap().seq().unwrap()));
    assert_eq!(seen.last().unwrap().0, frames.last().unwrap().0);
    let again = other.rest().post("/api/chat", &body).await;
    assert_eq!(again.status, StatusCode::OK, "{}", again.body);
}

#[tokio::test]
async fn one_node_alone_needs_no_redis() {
    let (database, redis) = (Postgres::shared().database(), Redis::prepare());
    let node = launch(&database, &redis.url()).start().await;
    let mut socket = node.socket("").await;
    socket.ready().await;
    let frames = socket.turn(REFUND).await;
    assert_eq!(frames.last().unwrap().kind(), "message_completed");
    assert_eq!(cluster_health(&node.rest()).await["state"], "up");
}
