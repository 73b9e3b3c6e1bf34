//! The figures of the overview, held against the metrics that they are made of.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use orchestratai_shared::{ErrorCode, SessionId};
use orchestratai_testing::{Postgres, Redis};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::{
    bad_input::check,
    client::{Frame, Rest},
    cluster,
    server::Server,
};

const QUESTIONS: [&str; 4] = [
    "What does the Team plan cost?",
    "How long is customer data retained?",
    "How do I rotate an API key without downtime?",
    "Hello!",
];

/// One line of the metrics.
struct Sample {
    name: String,
    labels: String,
    value: f64,
}

impl Sample {
    /// The value of a label.
    fn label(&self, name: &str) -> Option<&str> {
        let (_, rest) = self.labels.split_once(&format!("{name}=\""))?;
        rest.split('"').next()
    }
}

struct Metrics(Vec<Sample>);

impl Metrics {
    async fn of(rest: &Rest) -> Self {
        let text = rest.get("/metrics").await.body;
        let lines = text.as_str().unwrap().lines().filter(|line| !line.starts_with('#'));
        let samples = lines.map(|line| {
            let (series, value) = line.rsplit_once(' ').unwrap();
            let (name, labels) = series.split_once('{').unwrap_or((series, ""));
            Sample {
                name: name.to_owned(),
                labels: labels.to_owned(),
                value: value.parse().unwrap(),
            }
        });
        Self(samples.collect())
    }

    fn sum(&self, name: &str, is_of: impl Fn(&Sample) -> bool) -> f64 {
        let found = self.0.iter().filter(|sample| sample.name == name && is_of(sample));
        found.map(|sample| sample.value).sum()
    }

    /// A quantile in milliseconds, as `histogram_quantile` defines it.
    fn quantile_ms(&self, histogram: &str, share: f64, is_of: impl Fn(&Sample) -> bool) -> f64 {
        let bucket = format!("{histogram}_bucket");
        let mut bounds: Vec<f64> = (self.0.iter())
            .filter(|sample| sample.name == bucket)
            .map(|sample| sample.label("le").unwrap().parse().unwrap())
            .collect();
        bounds.sort_by(f64::total_cmp);
        bounds.dedup();
        let up_to = |bound: f64| {
            let is_it = |sample: &Sample| sample.label("le").unwrap().parse() == Ok(bound);
            self.sum(&bucket, |sample| is_it(sample) && is_of(sample))
        };
        let rank = share * up_to(f64::INFINITY);
        let (mut start, mut below) = (0.0, 0.0);
        for bound in bounds {
            let count = up_to(bound);
            if count >= rank {
                return 1e3 * (start + (bound - start) * (rank - below) / (count - below));
            }
            (start, below) = (bound, count);
        }
        panic!("no bucket holds it");
    }
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("no number: {value}"))
}

#[track_caller]
fn near(found: &Value, expected: f64) {
    let found = number(found);
    assert!(
        (found - expected).abs() <= expected.abs() * 1e-6,
        "{found} is not {expected}"
    );
}

async fn overview(rest: &Rest) -> Value {
    let answer = rest.get("/api/overview?window=15m").await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    answer.body
}

/// Asks for as long as it takes the server to look at its metrics twice.
async fn load(server: &Server) {
    let clients = (0..4).map(|client| async move {
        let rest = server.rest();
        let began = Instant::now();
        let mut asked = client;
        while began.elapsed() < Duration::from_secs(12) {
            let question = QUESTIONS[asked % QUESTIONS.len()];
            let body = json!({"message": question, "session_id": SessionId::new()});
            let answer = rest.post("/api/chat", &body).await;
            assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
            asked += 1;
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    });
    join_all(clients).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_overview_says_what_the_metrics_say() {
    let server = Server::start().await;
    let rest = server.rest();
    let first = overview(&rest).await;
    assert_eq!(first["totals"]["turns"], 0);
    for unknown in [
        "latencyP50Ms",
        "latencyP95Ms",
        "latencyP99Ms",
        "firstEventP95Ms",
        "cacheHitRate",
    ] {
        assert!(first["now"].get(unknown).is_none(), "{}", first["now"]);
    }
    assert!(first.get("node").is_none(), "{first}");

    load(&server).await;
    let mut socket = server.socket("").await;
    socket.ready().await;
    assert_eq!(
        socket
            .turn("What does the Pro plan cost?")
            .await
            .last()
            .map(Frame::kind),
        Some("message_completed")
    );
    // A client may see the end of its turn a moment before it is counted; and every turn is to lie in a stretch of the series.
    tokio::time::sleep(Duration::from_secs(11)).await;
    let (metrics, seen) = (Metrics::of(&rest).await, overview(&rest).await);

    let turns = metrics.sum("orchestratai_turns_total", |_| true);
    assert!(turns > 10.0, "{turns}");
    near(&seen["totals"]["turns"], turns);
    let failed = |sample: &Sample| sample.label("outcome") == Some("failed");
    near(
        &seen["totals"]["errors"],
        metrics.sum("orchestratai_turns_total", failed),
    );
    near(
        &seen["totals"]["tokens"],
        metrics.sum("orchestratai_tokens_total", |_| true),
    );
    assert_eq!(seen["now"]["connections"], 1);
    assert_eq!(seen["now"]["turnsInFlight"], 0);
    near(
        &seen["now"]["sessions"],
        metrics.sum("orchestratai_sessions_live", |_| true),
    );

    // Each agent, since the start: the window is longer than the server has run.
    let agents = seen["agents"].as_array().unwrap();
    assert_eq!(agents.len(), 4, "{agents:?}");
    for agent in agents {
        let id = agent["id"].as_str().unwrap();
        let is_its = |sample: &Sample| sample.label("agent") == Some(id);
        near(&agent["turns"], metrics.sum("orchestratai_turns_total", is_its));
        assert!(number(&agent["turns"]) > 0.0, "{agent}");
        assert_eq!(agent["status"], "idle", "{agent}");
        for (name, share) in [("latencyP50Ms", 0.5), ("latencyP95Ms", 0.95)] {
            near(
                &agent[name],
                metrics.quantile_ms("orchestratai_turn_duration_seconds", share, is_its),
            );
        }
    }
    let asked_of = |status: &'static str| {
        let is_it = move |sample: &Sample| {
            sample.label("agent") == Some("billing")
                && status.split('|').any(|status| sample.label("status") == Some(status))
        };
        metrics.sum("orchestratai_cache_requests_total", is_it)
    };
    let billing = agents.iter().find(|agent| agent["id"] == "billing").unwrap();
    near(&billing["cacheHitRate"], asked_of("hit") / asked_of("hit|miss"));

    // The last minute has all of it, where this test has taken no longer.
    if number(&seen["now"]["overSeconds"]) < 59.0 {
        near(
            &seen["now"]["turnsPerSecond"],
            turns / number(&seen["now"]["overSeconds"]),
        );
        let quantile = |share| metrics.quantile_ms("orchestratai_turn_duration_seconds", share, |_| true);
        near(&seen["now"]["latencyP50Ms"], quantile(0.5));
        near(&seen["now"]["latencyP99Ms"], quantile(0.99));
        let first_event = metrics.quantile_ms("orchestratai_time_to_first_event_seconds", 0.95, |_| true);
        near(&seen["now"]["firstEventP95Ms"], first_event);
    }

    // What the points say adds up to all there was, where none is missing.
    let step = number(&seen["stepSeconds"]);
    let series = seen["series"].as_array().unwrap();
    let sum: f64 = series.iter().map(|point| number(&point["turnsPerSecond"]) * step).sum();
    assert!(series.len() >= 4, "{series:?}");
    assert!(sum < turns * 1.05 && sum > turns * 0.5, "{sum} of {turns}: {series:?}");
    assert!(
        series
            .windows(2)
            .all(|points| points[0]["at"].as_str() < points[1]["at"].as_str()),
        "{series:?}"
    );
    assert!(
        series.iter().any(|point| point["latencyP95Ms"].is_number()),
        "{series:?}"
    );
}

#[tokio::test]
async fn only_windows_that_are_kept_can_be_asked_for() {
    let server = crate::server::Launch::new().argument("--no-demo").start().await;
    let rest = server.rest();
    for window in ["15m", "1h", "6h", "24h"] {
        let answer = rest.get(&format!("/api/overview?window={window}")).await;
        assert_eq!(
            (answer.status, &answer.body["window"]),
            (StatusCode::OK, &json!(window))
        );
    }
    assert_eq!(rest.get("/api/overview").await.body["window"], "1h");
    check(
        &rest.get("/api/overview?window=2h").await,
        ErrorCode::ValidationError,
        Some("window"),
    );
}

/// Asks for the overview until it is as it should be.
async fn becomes(rest: &Rest, like: impl Fn(&Value) -> bool) -> Value {
    let began = Instant::now();
    loop {
        let seen = overview(rest).await;
        if like(&seen) {
            return seen;
        }
        assert!(began.elapsed() < Duration::from_secs(20), "{seen}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Asks for one turn.
async fn ask(server: &Server, message: &str) {
    let body = json!({"message": message, "session_id": SessionId::new()});
    let answer = server.rest().post("/api/chat", &body).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
}

/// What is said of a node.
fn part<'a>(overview: &'a Value, node: &Value) -> &'a Value {
    let nodes = overview["nodes"].as_array().unwrap();
    nodes.iter().find(|part| part["node"] == *node).unwrap()
}

#[tokio::test]
async fn of_several_nodes_the_overview_is_of_all_and_names_each() {
    let (database, redis) = (Postgres::shared().database(), Redis::start());
    let [one, other] = cluster::nodes(&database, &redis.url()).await;
    ask(&one, "Hello!").await;
    ask(&one, "What does the Team plan cost?").await;
    ask(&other, "What does the Pro plan cost?").await;
    // A client may have its answer a moment before the turn is counted.
    let all = |seen: &Value| seen["totals"]["turns"] == 3;
    let here = becomes(&one.rest(), all).await;
    let there = becomes(&other.rest(), all).await;
    assert_ne!(here["node"], there["node"]);
    for seen in [&here, &there] {
        assert_eq!(seen["nodes"].as_array().unwrap().len(), 2, "{seen}");
        let turns = |of: &Value| part(seen, &of["node"])["totals"]["turns"].clone();
        assert_eq!((turns(&here), turns(&there)), (json!(2), json!(1)), "{seen}");
        assert!(
            seen["nodes"]
                .as_array()
                .unwrap()
                .iter()
                .all(|part| part["state"] == "answered")
        );
        let of_agent = |id: &str| {
            let agents = seen["agents"].as_array().unwrap();
            agents.iter().find(|agent| agent["id"] == id).unwrap()["turns"].clone()
        };
        assert_eq!((of_agent("orchestrator"), of_agent("billing")), (json!(1), json!(2)));
    }

    // The longest of all: of both nodes, and of each.
    let (metrics_here, metrics_there) = (Metrics::of(&one.rest()).await, Metrics::of(&other.rest()).await);
    let together = Metrics(metrics_here.0.into_iter().chain(metrics_there.0).collect());
    let expected = together.quantile_ms("orchestratai_turn_duration_seconds", 0.95, |_| true);
    near(&here["now"]["latencyP95Ms"], expected);
    // Each stretch of the series has what both did in it.
    let whole = |seen: &Value| {
        let step = number(&seen["stepSeconds"]);
        let series = seen["series"].as_array().unwrap();
        let sum: f64 = series.iter().map(|point| number(&point["turnsPerSecond"]) * step).sum();
        sum.round() == 3.0
    };
    becomes(&one.rest(), whole).await;
}

#[tokio::test]
async fn a_node_that_stands_still_is_named_and_left_out() {
    let (database, redis) = (Postgres::shared().database(), Redis::start());
    let [one, other] = cluster::nodes(&database, &redis.url()).await;
    let gone = overview(&other.rest()).await["node"].clone();
    ask(&one, "Hello!").await;
    becomes(&one.rest(), |seen| seen["totals"]["turns"] == 1).await;
    cluster::signal(&other, "-STOP");
    // It is asked, waited for, and declared gone when its lease has ended.
    let began = Instant::now();
    let seen = becomes(&one.rest(), |seen| part(seen, &gone)["state"] == "silent").await;
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    assert!(part(&seen, &gone).get("totals").is_none(), "{seen}");
    assert_eq!(seen["totals"]["turns"], 1);
    cluster::signal(&other, "-CONT");
    becomes(&one.rest(), |seen| {
        let nodes = seen["nodes"].as_array().unwrap();
        nodes.len() == 2 && nodes.iter().all(|part| part["state"] == "answered")
    })
    .await;
}
