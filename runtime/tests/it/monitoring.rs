//! What operators look at, with the real things: a Prometheus that scrapes the server finds data for every query of every
//! dashboard and rule; alerts reach an Alertmanager, which sends them where they belong; documents name what there is.

mod files;
mod load;
mod nodes;
mod observer;
mod promql;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::PathBuf,
    time::{Duration, Instant},
};

use orchestratai_shared::SessionId;
use serde_json::Value;

use crate::{acting::shop::Shop, deployment::proxy::Proxy};
use observer::Observer;
use promql::{comparing, metric, selectors};

/// How long Prometheus may take to see what has happened: it scrapes and evaluates twice a second.
const PATIENCE: Duration = Duration::from_secs(60);

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// A dashboard: its name and what it is made of.
fn dashboards() -> Vec<(String, Value)> {
    let entries = fs::read_dir(root().join("dashboards")).unwrap();
    let mut dashboards: Vec<(String, Value)> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .map(|path| {
            let text = fs::read_to_string(&path).unwrap();
            let dashboard = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            (path.file_stem().unwrap().to_str().unwrap().to_owned(), dashboard)
        })
        .collect();
    dashboards.sort_by(|one, other| one.0.cmp(&other.0));
    assert!(dashboards.len() >= 5, "{} dashboards", dashboards.len());
    dashboards
}

fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// The values of a dashboard's variables, as Grafana asks for them, one after the other: a later one may use an earlier one.
async fn variables(observer: &Observer, name: &str, dashboard: &Value) -> BTreeMap<String, String> {
    // What Grafana computes from the time range; any window with some samples shows the same here.
    let mut variables: BTreeMap<String, String> = [("__rate_interval", "1m"), ("__interval", "15s"), ("__range", "1h")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
    for variable in items(&dashboard["templating"]["list"]) {
        let query = variable["query"]["query"].as_str().unwrap();
        let (selector, label) = query
            .strip_prefix("label_values(")
            .and_then(|rest| rest.strip_suffix(')'))
            .and_then(|arguments| arguments.rsplit_once(','))
            .unwrap_or_else(|| panic!("{name}: no label_values(selector, label): {query}"));
        let selector = filled_in(selector.trim(), &variables);
        let values = observer.label_values(&selector, label.trim()).await;
        assert!(
            !values.is_empty(),
            "{name}: the variable {} has no value",
            variable["name"]
        );
        // Several chosen values become alternatives of a regular expression.
        let chosen = values.join("|").replace('.', "\\\\.");
        variables.insert(variable["name"].as_str().unwrap().to_owned(), chosen);
    }
    variables
}

fn filled_in(expression: &str, variables: &BTreeMap<String, String>) -> String {
    let mut text = expression.to_owned();
    for (name, value) in variables {
        text = text
            .replace(&format!("${{{name}}}"), value)
            .replace(&format!("${name}"), value);
    }
    assert!(!text.contains('$'), "a variable of {expression} is not known");
    text
}

/// Every query of every dashboard, filled in, with where it stands.
async fn dashboard_queries(observer: &Observer) -> Vec<(String, String)> {
    let mut queries = Vec::new();
    for (name, dashboard) in dashboards() {
        let variables = variables(observer, &name, &dashboard).await;
        for panel in items(&dashboard["panels"]) {
            for target in items(&panel["targets"]) {
                let place = format!("{name}, {}, {}", panel["title"], target["refId"]);
                let expression = filled_in(target["expr"].as_str().unwrap(), &variables);
                queries.push((place, expression));
            }
        }
        for annotation in items(&dashboard["annotations"]["list"]) {
            let expression = filled_in(annotation["expr"].as_str().unwrap(), &variables);
            queries.push((format!("{name}, {}", annotation["name"]), comparing(&expression)));
        }
    }
    assert!(
        queries.len() > 60,
        "only {} queries are found in the dashboards",
        queries.len()
    );
    queries
}

/// The metrics that docs/metrics.md lists, as Prometheus knows them.
fn documented_metrics() -> BTreeSet<String> {
    let text = fs::read_to_string(root().join("docs/metrics.md")).unwrap();
    let mut metrics: BTreeSet<String> = BTreeSet::from(["up".to_owned()]);
    for line in text.lines() {
        let mut cells = line.split('|').map(str::trim).skip(1);
        if let (Some(name), Some(kind)) = (cells.next(), cells.next()) {
            let name = name.trim_matches('`').to_owned();
            if kind == "histogram" {
                metrics.extend(["bucket", "sum", "count"].map(|part| format!("{name}_{part}")));
            }
            metrics.insert(name);
        }
        metrics.extend(
            line.split('`')
                .filter(|word| word.starts_with("process_"))
                .map(str::to_owned),
        );
    }
    metrics
}

/// The metrics of a proxy, by what it says itself: no document of ours lists them.
async fn metrics_of_the_proxy(proxy: &Proxy) -> BTreeSet<String> {
    let text = proxy.observed().get("/metrics").await.body;
    let names = text.as_str().unwrap().lines();
    let names = names.filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next());
    names.map(str::to_owned).collect()
}

/// Asks all of it again and again until each has given a number; says what has not when patience is at its end.
async fn wait_for_data(observer: &Observer, mut missing: Vec<(String, String)>) {
    let began = Instant::now();
    loop {
        let mut still = Vec::new();
        for (place, expression) in missing {
            let values = observer
                .query(&expression)
                .await
                .unwrap_or_else(|why| panic!("{place}: {why}\n{expression}"));
            let is_number = |value: &String| value.parse::<f64>().is_ok_and(f64::is_finite);
            if !values.iter().any(is_number) {
                still.push((place, expression));
            }
        }
        if still.is_empty() {
            return;
        }
        let shown: Vec<String> = still
            .iter()
            .map(|(place, query)| format!("{place}\n    {query}"))
            .collect();
        assert!(
            began.elapsed() < PATIENCE,
            "no data for\n{}\n{}",
            shown.join("\n"),
            observer.log()
        );
        missing = still;
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
}

/// Waits until a query gives a number above 0: until Prometheus has seen something happen.
async fn wait_until_seen(observer: &Observer, queries: &[&str]) {
    let began = Instant::now();
    for query in queries {
        loop {
            let values = observer.query(query).await.unwrap();
            if values
                .iter()
                .any(|value| value.parse::<f64>().is_ok_and(|value| value > 0.0))
            {
                break;
            }
            assert!(
                began.elapsed() < PATIENCE,
                "{query} stays at {values:?}\n{}",
                observer.log()
            );
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_query_of_dashboards_and_rules_has_data_under_load_and_an_alert_reaches_its_receiver() {
    let provider = load::provider().await;
    let (caller, shop, agents) = (load::caller().await, Shop::open(Duration::ZERO).await, load::agents());
    let server = load::start(&provider, &caller, &shop, &agents).await;
    // Before this server, and two more that are away.
    let proxy = Proxy::before(&[server.address()]).await;
    let (address, observers, token) = (server.address(), proxy.observers(), load::TOKEN);
    let observer = tokio::task::spawn_blocking(move || Observer::start(&[address], &[observers], token))
        .await
        .unwrap();
    // A counter's growth is seen between two scrapes: the first before anything happens, and one in the middle.
    wait_until_seen(&observer, &["up", "orchestratai_ready"]).await;
    load::tools(&server).await;
    wait_until_seen(&observer, &[r#"orchestratai_facts_total{outcome="refused"}"#]).await;
    load::tools(&server).await;
    let session_id = SessionId::new();
    load::questions(&server, session_id).await;
    load::refusals(&server).await;
    load::a_person(&server).await;
    wait_until_seen(&observer, &["orchestratai_sessions_passivated_total"]).await;
    load::questions(&server, session_id).await;
    load::misbehaviour(&server).await;
    load::refusals(&server).await;
    // What the load was is said by the figures themselves.
    wait_until_seen(
        &observer,
        &[
            r#"count(sum by (agent) (orchestratai_turns_total{agent!="person"} > 0)) == 4"#,
            r#"sum(orchestratai_cache_requests_total{status="hit"})"#,
            r#"orchestratai_second_stage_total{outcome="ranked"}"#,
            "sum(orchestratai_turn_parts_total)",
            r#"orchestratai_provider_requests_total{outcome="completed"}"#,
            r#"orchestratai_provider_errors_total{kind="unavailable"}"#,
            "sum(orchestratai_tokens_unpriced_total)",
            r#"orchestratai_admission_refused_total{reason="queue"}"#,
            r#"orchestratai_slow_consumers_total{action="lagging"}"#,
            r#"orchestratai_slow_consumers_total{action="cut"}"#,
            r#"orchestratai_websocket_closes_total{code="4029"}"#,
            "orchestratai_sessions_rehydrated_total",
            r#"orchestratai_tool_calls_total{outcome="failed",tool="away_orders"}"#,
            r#"orchestratai_tool_calls_total{outcome="not_made",tool="shop_refund"}"#,
            r#"orchestratai_facts_total{outcome="kept"} == 2"#,
            r#"orchestratai_approval_wait_seconds_count{outcome="approved"} == 2"#,
            r#"orchestratai_person_wait_seconds_count{outcome="replied"}"#,
            r#"haproxy_server_status{state="UP"}"#,
            r#"haproxy_server_status{state="DOWN"}"#,
        ],
    )
    .await;

    let rules = observer.rules().await;
    assert!(rules.iter().filter(|rule| rule.is_alert).count() > 20, "{rules:?}");
    let mut queries = dashboard_queries(&observer).await;
    for rule in &rules {
        assert_eq!(rule.trouble, "", "{}", rule.name);
        let expression = if rule.is_alert {
            comparing(&rule.expression)
        } else {
            rule.expression.clone()
        };
        queries.push((rule.name.clone(), expression));
    }
    // Each series by itself too: of `a or b` either would do, and a label that no series has is a mistake.
    let mut known = documented_metrics();
    known.extend(rules.iter().filter(|rule| !rule.is_alert).map(|rule| rule.name.clone()));
    known.extend(metrics_of_the_proxy(&proxy).await);
    let mut series = BTreeMap::new();
    for (place, expression) in &queries {
        for selector in selectors(expression) {
            assert!(
                known.contains(metric(&selector)),
                "{place}: there is no metric {selector}"
            );
            series.insert(selector, place.clone());
        }
    }
    queries.extend(
        series
            .into_iter()
            .map(|(selector, place)| (place, format!("count({selector})"))),
    );
    for (place, expression) in files::documented_queries() {
        observer
            .query(&expression)
            .await
            .unwrap_or_else(|why| panic!("{place}: {why}\n{expression}"));
        for selector in selectors(&expression) {
            assert!(
                known.contains(metric(&selector)),
                "{place}: there is no metric {selector}"
            );
        }
    }
    wait_for_data(&observer, queries).await;
    files::check_exposition(&server).await;
    files::check_documented_paths(&server).await;

    // From a real cause through Prometheus and Alertmanager to who is to be told.
    let began = Instant::now();
    let expected = ("OrchestrataiUnauthenticated".to_owned(), "mail".to_owned());
    loop {
        let told = observer.told().await;
        if told.contains(&expected) {
            break;
        }
        assert!(
            began.elapsed() < PATIENCE,
            "Alertmanager was told of {told:?}\n{}",
            observer.log()
        );
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}
