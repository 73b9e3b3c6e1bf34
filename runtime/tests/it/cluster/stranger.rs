//! A node that a test speaks for: what it says, and when, is the test's.

use std::time::{Duration, Instant};

use orchestratai_testing::{Postgres, Redis};
use serde_json::{Value, json};
use uuid::Uuid;

use super::*;

/// A node of the same database and the same Redis that is no process of ours.
struct Stranger {
    id: Uuid,
    /// Whom it speaks with.
    other: String,
    redis: redis::Connection,
    channel: Uuid,
    /// Lines that it has said.
    said: u64,
    /// The last entry of its inbox that it has read.
    read: String,
    /// Lines that it has read and not looked at.
    heard: Vec<Value>,
    greeted: Option<Instant>,
}

impl Stranger {
    /// Joins the nodes of a database as one that has a lease for an hour.
    fn join(database: &str, redis: &Redis, other: &str) -> Self {
        let id = Uuid::now_v7();
        let join = format!(
            "INSERT INTO nodes (id, place, started_at, held_since, lease_until, served_revision) \
             VALUES ('{id}', 'elsewhere', now(), now(), now() + interval '1 h', 0)"
        );
        Postgres::shared().sql(database, &join);
        let mut redis = redis::Client::open(redis.url()).unwrap().get_connection().unwrap();
        let inbox = inbox(&id.to_string());
        let mut make = redis::cmd("XGROUP");
        make.arg("CREATE").arg(inbox).arg("node").arg("0").arg("MKSTREAM");
        make.query::<()>(&mut redis).unwrap();
        Self {
            id,
            other: other.to_owned(),
            redis,
            channel: Uuid::new_v4(),
            said: 0,
            read: "0".into(),
            heard: Vec::new(),
            greeted: None,
        }
    }

    /// Says something to the other node.
    fn say(&mut self, parcel: &Value) {
        let mut say = redis::cmd("XADD");
        say.arg(inbox(&self.other)).arg("*");
        say.arg("from").arg(self.id.to_string());
        say.arg("channel").arg(self.channel.to_string());
        say.arg("first").arg(self.said);
        say.arg("lines").arg(parcel.to_string());
        say.query::<()>(&mut self.redis).unwrap();
        self.said += 1;
    }

    /// The next subscription that it is asked for: its number. Meanwhile it shows that it lives.
    async fn asked_for_subscription(&mut self) -> u64 {
        let began = Instant::now();
        loop {
            while !self.heard.is_empty() {
                let parcel = self.heard.remove(0);
                if let Some(number) = parcel["Ask"]["question"]["Subscribe"]["subscription"].as_u64() {
                    return number;
                }
            }
            assert!(began.elapsed() < Duration::from_secs(20), "nobody asks");
            self.greet();
            self.listen();
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn greet(&mut self) {
        if self.greeted.is_none_or(|at| at.elapsed() > Duration::from_millis(500)) {
            self.greeted = Some(Instant::now());
            self.say(&json!({"Hello": {"agents": []}}));
        }
    }

    fn listen(&mut self) {
        let mut read = redis::cmd("XRANGE");
        read.arg(inbox(&self.id.to_string()))
            .arg(format!("({}", self.read))
            .arg("+");
        let entries: redis::streams::StreamRangeReply = read.query(&mut self.redis).unwrap();
        for entry in entries.ids {
            let lines: String = entry.get("lines").unwrap();
            self.heard
                .extend(lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()));
            self.read = entry.id;
        }
    }

    /// Publishes frames for a subscription.
    fn publish(&mut self, subscription: u64, frames: &[Value]) {
        let frames: Vec<Value> = (frames.iter())
            .map(|frame| json!({"seq": frame["seq"], "text": frame}))
            .collect();
        self.say(&json!({"Publish": {"subscription": subscription, "published": {"Frames": frames}}}));
    }
}

fn inbox(node: &str) -> String {
    format!("orchestratai:inbox:{{{node}}}")
}

/// The first frame of a session with so many events.
fn ready(session_id: SessionId, last_seq: u64) -> Value {
    let now = Timestamp::now();
    json!({"type": "session_ready", "sessionId": session_id, "at": now, "data": {
        "session": {"id": session_id, "startTime": now, "lastActivity": now, "totalTokens": 0, "totalCost": 0.0, "messageCount": 0},
        "agents": [], "epoch": "e", "lastSeq": last_seq, "recovered": true}})
}

fn event(session_id: SessionId, seq: u64) -> Value {
    json!({"type": "agent_status", "seq": seq, "sessionId": session_id, "at": Timestamp::now(),
        "data": {"agent": "billing", "status": "idle"}})
}

#[tokio::test]
async fn what_an_abandoned_subscription_has_published_comes_once() {
    let (database, redis) = (Postgres::shared().database(), Redis::start());
    let launch = launch(&database, &redis.url()).argument("--no-demo");
    let server = launch.clone().start().await;
    let session_id = server.rest().post("/api/session", &json!({})).await.body["session_id"].clone();
    let session_id: SessionId = serde_json::from_value(session_id).unwrap();
    let folder = server.kill();
    // Whoever starts has no session in memory.
    let server = launch.in_folder_of(&folder).start().await;
    let name = database.rsplit_once('/').unwrap().1;
    let other = Postgres::shared().sql(name, "SELECT id FROM nodes WHERE fenced_at IS NULL");
    let mut stranger = Stranger::join(name, &redis, &other);
    let take = format!(
        "UPDATE sessions SET owner = '{}' WHERE id = '{session_id}'",
        stranger.id
    );
    Postgres::shared().sql(name, &take);
    know_each_other(&server.rest(), 2).await;

    let mut socket = server.socket(&format!("?session_id={session_id}&after_seq=0")).await;
    let first = stranger.asked_for_subscription().await;
    let (ready, one, two) = (ready(session_id, 1), event(session_id, 1), event(session_id, 2));
    // It publishes, and then all is given up before it has said that the subscription is taken.
    stranger.publish(first, &[ready.clone(), one.clone()]);
    stranger.say(&json!("Reset"));
    let second = stranger.asked_for_subscription().await;
    assert_ne!(first, second);
    stranger.publish(second, &[ready.clone(), one.clone()]);
    stranger.say(&json!({"Answer": {"n": second, "answer": "Subscribed"}}));
    // The one that was given up may go on for a while.
    stranger.publish(first, std::slice::from_ref(&two));
    stranger.publish(second, std::slice::from_ref(&two));
    let seen = socket.until(|frame| frame.seq() == Some(2)).await;
    let seen: Vec<&Value> = seen.iter().map(|frame| &frame.0).collect();
    assert_eq!(seen, [&ready, &one, &two]);

    // A break later on: it comes back with what it has.
    stranger.say(&json!("Reset"));
    let third = stranger.asked_for_subscription().await;
    stranger.say(&json!({"Answer": {"n": third, "answer": "Subscribed"}}));
    let three = event(session_id, 3);
    stranger.publish(third, &[ready.clone(), three.clone()]);
    let seen = socket.until(|frame| frame.seq() == Some(3)).await;
    let seen: Vec<&Value> = seen.iter().map(|frame| &frame.0).collect();
    assert_eq!(seen, [&ready, &three]);
}
