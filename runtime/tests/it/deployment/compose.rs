//! The compose file: one node, or three behind a proxy, and a Prometheus that knows which.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::{
    check_config, read, root, seconds, setting,
    yaml::{document, items, text, texts},
};

fn services() -> Map<String, Value> {
    document("docker-compose.yml")["services"].as_object().unwrap().clone()
}

/// Services that are a server of ours.
fn nodes() -> BTreeSet<String> {
    let nodes: BTreeSet<String> = services()
        .into_iter()
        .filter(|(_, service)| service["image"] == "orchestratai")
        .map(|(name, _)| name)
        .collect();
    assert_eq!(nodes.len(), 3, "{nodes:?}");
    nodes
}

/// Text without the first variable in it: with that variable's default.
fn by_default(text: &str) -> String {
    let Some((before, rest)) = text.split_once("${") else {
        return text.to_owned();
    };
    let (variable, after) = rest.split_once('}').unwrap();
    let default = variable.split_once(":-").map_or("", |(_, default)| default);
    format!("{before}{default}{after}")
}

/// Hosts that a folder of targets lists in a file, without ports.
fn hosts(file: &str, port: &str) -> BTreeSet<String> {
    let groups = document(format!("deploy/prometheus/targets/{file}"));
    let targets = items(&groups).flat_map(|group| texts(&group["targets"]));
    targets
        .map(|target| match target.split_once(':') {
            Some((host, found)) if found == port => host.to_owned(),
            _ => panic!("{file}: {target} is not at port {port}"),
        })
        .collect()
}

/// The servers of the proxy, as `host:port`.
fn behind_the_proxy() -> BTreeSet<String> {
    let configuration = read("deploy/proxy/haproxy.cfg");
    let servers = configuration
        .lines()
        .filter_map(|line| line.trim().strip_prefix("server "));
    servers
        .map(|server| server.split_whitespace().nth(1).unwrap().to_owned())
        .collect()
}

#[test]
fn what_is_mounted_is_there() {
    let mut mounts = 0;
    for (name, service) in services() {
        for volume in items(&service["volumes"]) {
            let from = by_default(&text(volume));
            if let Some((path, _)) = from.strip_prefix("./").and_then(|rest| rest.split_once(':')) {
                assert!(root().join(path).is_dir(), "{name}: {volume}");
                mounts += 1;
            }
        }
    }
    assert_eq!(mounts, 6, "two of Prometheus, two of Grafana, Alertmanager, the proxy");
    let home = "/var/lib/orchestratai/dashboards/orchestratai-overview.json";
    assert!(
        read("docker-compose.yml").contains(home) && root().join("dashboards/orchestratai-overview.json").is_file()
    );
}

#[test]
fn nothing_is_published_beyond_this_machine() {
    let mut published = 0;
    for (name, service) in services() {
        for port in texts(&service["ports"]) {
            assert!(port.starts_with("127.0.0.1:"), "{name}: {port}");
            published += 1;
        }
    }
    assert!(published >= 5, "{published}");
}

#[test]
fn a_service_needs_none_that_its_profiles_do_not_start() {
    let services = services();
    let profiles = |name: &str| texts(&services[name]["profiles"]);
    for (name, service) in &services {
        for (needed, how) in service["depends_on"].as_object().into_iter().flatten() {
            let starts = |profile: &String| profiles(needed).contains(profile);
            let is_started =
                profiles(needed).is_empty() || (!profiles(name).is_empty() && profiles(name).iter().all(starts));
            assert!(is_started || how["required"] == false, "{name} needs {needed}");
        }
    }
    let without: Vec<&String> = services.keys().filter(|name| profiles(name).is_empty()).collect();
    assert_eq!(without, ["runtime", "prometheus", "grafana"], "`docker compose up`");
    for needed in ["proxy", "postgres", "redis"] {
        assert!(profiles(needed).contains(&"cluster".to_owned()), "{needed}");
    }
}

#[test]
fn every_node_is_before_the_proxy_and_before_prometheus() {
    let nodes = nodes();
    let port = super::dockerfile("EXPOSE ");
    assert_eq!(
        hosts("one-node/nodes.yml", &port),
        BTreeSet::from(["runtime".to_owned()])
    );
    assert_eq!(hosts("cluster/nodes.yml", &port), nodes);
    let expected: BTreeSet<String> = nodes.iter().map(|node| format!("{node}:{port}")).collect();
    assert_eq!(behind_the_proxy(), expected);
    let proxy = &services()["proxy"];
    let waits_for: BTreeSet<String> = proxy["depends_on"].as_object().unwrap().keys().cloned().collect();
    assert_eq!(waits_for, nodes);

    let observers = read("deploy/proxy/haproxy.cfg");
    let (_, observers) = observers.split_once("frontend observers\n").unwrap();
    let bound = observers.trim_start().strip_prefix("bind :").unwrap();
    let bound = bound.lines().next().unwrap();
    assert_eq!(
        hosts("cluster/proxies.yml", bound),
        BTreeSet::from(["proxy".to_owned()])
    );
    assert!(
        proxy["healthcheck"]["test"]
            .to_string()
            .contains(&format!(":{bound}/health"))
    );
    // Where Prometheus looks is where the folder is mounted.
    let place = services()["prometheus"]["volumes"].to_string();
    assert!(place.contains("./deploy/prometheus/targets/${PROMETHEUS_TARGETS:-one-node}:/etc/orchestratai:ro"));
    for job in items(&document("deploy/prometheus/prometheus.yml")["scrape_configs"]) {
        for file in items(&job["file_sd_configs"]).flat_map(|lookup| texts(&lookup["files"])) {
            let name = file.strip_prefix("/etc/orchestratai/").unwrap();
            assert!(
                root().join("deploy/prometheus/targets/cluster").join(name).is_file(),
                "{file}"
            );
        }
    }
}

#[test]
fn nodes_have_the_same_settings_and_the_time_to_drain() {
    let services = services();
    let drain = seconds(&setting(&check_config(None, &[]), "server.drain"));
    let names = |name: &str| {
        services[name]["environment"]
            .as_object()
            .unwrap()
            .keys()
            .collect::<Vec<_>>()
    };
    for node in nodes() {
        assert_eq!(names(&node), names("runtime"), "{node}");
        assert!(
            seconds(&text(&services[&node]["stop_grace_period"])) > drain + 5,
            "{node}"
        );
        assert_eq!(services[&node]["read_only"], true);
    }
    let configuration = read("deploy/proxy/haproxy.cfg");
    let hard_stop = configuration
        .lines()
        .find_map(|line| line.trim().strip_prefix("hard-stop-after "));
    assert!(seconds(&text(&services["proxy"]["stop_grace_period"])) > seconds(hard_stop.unwrap()));
}

/// The environment of a node with `.env` as it was copied, but for the token.
fn environment(node: &str) -> Vec<(String, String)> {
    let services = services();
    let environment = services[node]["environment"].as_object().unwrap().iter();
    environment
        .map(|(name, value)| match name.as_str() {
            "ORCHESTRATAI__AUTH__TOKEN" => (name.clone(), "a-token_of_43_characters_0123456789abcdefgh".to_owned()),
            _ => (name.clone(), by_default(&text(value))),
        })
        .collect()
}

#[test]
fn the_first_node_is_a_server_of_its_own_by_default_and_the_others_never_are() {
    let alone = check_config(None, &environment("runtime"));
    assert_eq!(setting(&alone, "store.url"), "");
    for node in nodes().iter().filter(|node| *node != "runtime") {
        let refused = check_config(None, &environment(node));
        let said = String::from_utf8_lossy(&refused.stderr);
        assert_eq!(refused.status.code(), Some(2), "{node}: {said}");
        assert!(
            said.contains("DATABASE_URL: store.url") && said.contains("REDIS_URL: redis.url"),
            "{said}"
        );
    }
}

#[test]
fn every_variable_is_explained_where_it_is_set() {
    let (compose, example) = (read("docker-compose.yml"), read(".env.example"));
    let mut names = BTreeSet::new();
    for rest in compose.split("${").skip(1) {
        let end = rest.find([':', '}']).unwrap();
        names.insert(&rest[..end]);
    }
    assert!(names.len() > 8, "{names:?}");
    for name in names {
        let is_set = |line: &str| line.trim_start_matches('#').starts_with(&format!("{name}="));
        assert!(example.lines().any(is_set), ".env.example has no {name}");
    }
}
