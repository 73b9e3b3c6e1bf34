//! The manifests for Kubernetes: what they name is there, and a node has the time and the place that it needs.

use std::{collections::BTreeSet, fs};

use serde_json::{Value, json};

use super::{
    check_config, dockerfile, read, root, seconds, setting,
    yaml::{document, documents, items, text, texts},
};
use crate::server::orchestratai;

const FOLDER: &str = "deploy/kubernetes";

fn deployment() -> Value {
    document(format!("{FOLDER}/base/deployment.yaml"))
}

/// The pod that a Deployment makes.
fn pod() -> Value {
    deployment()["spec"]["template"].clone()
}

/// Its one container.
fn container() -> Value {
    let containers = pod()["spec"]["containers"].clone();
    assert_eq!(items(&containers).count(), 1);
    containers[0].clone()
}

fn autoscaler() -> Value {
    document(format!("{FOLDER}/autoscaling/autoscaler.yaml"))["spec"].clone()
}

/// The name of a value as the chart's file of the adapter has it, such as `seriesQuery`.
fn adapter(key: &str) -> String {
    let rules = &document(format!("{FOLDER}/autoscaling/prometheus-adapter.yaml"))["rules"]["custom"];
    assert_eq!(items(rules).count(), 1);
    text(&rules[0][key])
}

/// The environment of a node, with such values as a Secret has.
fn environment() -> Vec<(String, String)> {
    items(&container()["env"])
        .map(|variable| {
            let secret = &variable["valueFrom"]["secretKeyRef"];
            assert_eq!(
                secret["name"], "orchestratai",
                "{variable}: a value of a secret stands in no file"
            );
            let value = match text(&secret["key"]).as_str() {
                "token" => "a-token_of_43_characters_0123456789abcdefgh",
                "database-url" => "postgres://orchestratai:password@postgres:5432/orchestratai",
                "redis-url" => "rediss://:password@redis:6379",
                key => panic!("the README says nothing of the key {key}"),
            };
            (text(&variable["name"]), value.to_owned())
        })
        .collect()
}

/// What a node reads from the settings and from its environment.
fn settings() -> std::process::Output {
    let file = root().join(FOLDER).join("base/orchestratai.toml");
    check_config(Some(&file), &environment())
}

/// The paths of the server's own document.
fn paths() -> Value {
    let output = orchestratai().arg("openapi").output().unwrap();
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    document["paths"].clone()
}

#[test]
fn the_settings_are_valid_with_the_environment_and_each_variable_sets_one() {
    let settings = settings();
    let printed = String::from_utf8_lossy(&settings.stdout);
    assert!(
        settings.status.success(),
        "{}",
        String::from_utf8_lossy(&settings.stderr)
    );
    let names: BTreeSet<String> = environment().into_iter().map(|(name, _)| name).collect();
    assert_eq!(
        names,
        ["DATABASE_URL", "ORCHESTRATAI__AUTH__TOKEN", "REDIS_URL"]
            .map(str::to_owned)
            .into()
    );
    for name in names {
        assert!(
            printed.contains(&format!("  ({name})\n")),
            "{name} sets nothing:\n{printed}"
        );
    }
    // The Service brings variables of the server's own prefix, which it would refuse.
    assert_eq!(pod()["spec"]["enableServiceLinks"], false);
}

#[test]
fn the_command_reads_the_settings_where_they_are_mounted() {
    let container = container();
    let arguments = texts(&container["args"]);
    assert_eq!(arguments[..2], ["serve", "--config"]);
    let mounted = |name: &str| {
        let mount = items(&container["volumeMounts"]).find(|mount| mount["name"] == name);
        text(&mount.unwrap_or_else(|| panic!("{name} is mounted"))["mountPath"])
    };
    assert_eq!(arguments[2], mounted("settings") + "/orchestratai.toml");
    let spec = &pod()["spec"];
    let volume = |name: &str| {
        items(&spec["volumes"])
            .find(|volume| volume["name"] == name)
            .unwrap()
            .clone()
    };
    let generators = document(format!("{FOLDER}/base/kustomization.yaml"))["configMapGenerator"].clone();
    assert_eq!(volume("settings")["configMap"]["name"], generators[0]["name"]);
    assert_eq!(texts(&generators[0]["files"]), ["orchestratai.toml"]);

    // All that is written is written to folders that come and go with the node.
    assert_eq!(setting(&settings(), "store.data_dir"), mounted("data"));
    assert_eq!(mounted("tmp"), "/tmp");
    for name in ["data", "tmp"] {
        assert!(volume(name)["emptyDir"].is_object(), "{name}");
    }
}

#[test]
fn probes_ask_for_paths_that_there_are_at_the_port_that_is_listened_on() {
    let (container, paths) = (container(), paths());
    let ports = &container["ports"];
    assert_eq!(ports[0]["name"], "http");
    assert_eq!(
        ports[0]["containerPort"].to_string(),
        setting(&settings(), "server.port")
    );
    assert_eq!(ports[0]["containerPort"].to_string(), dockerfile("EXPOSE "));
    assert_eq!(setting(&settings(), "server.host"), "0.0.0.0");
    for (probe, path) in [
        ("startupProbe", "/api/health/ready"),
        ("livenessProbe", "/api/health/live"),
        ("readinessProbe", "/api/health/ready"),
    ] {
        let asked = &container[probe]["httpGet"];
        assert_eq!(*asked, json!({"path": path, "port": "http"}), "{probe}");
        assert!(paths[path]["get"].is_object(), "{path}");
    }
    let monitor = document(format!("{FOLDER}/monitoring/pod-monitor.yaml"))["spec"].clone();
    let endpoint = &monitor["podMetricsEndpoints"][0];
    assert_eq!(endpoint["port"], "http");
    assert!(paths[text(&endpoint["path"])]["get"].is_object());
    let credentials = &endpoint["authorization"]["credentials"];
    assert_eq!(*credentials, json!({"name": "orchestratai", "key": "token"}));

    let service = document(format!("{FOLDER}/base/service.yaml"));
    assert_eq!(service["spec"]["ports"][0]["targetPort"], "http");
    let ingress = document(format!("{FOLDER}/ingress/ingress.yaml"));
    let check = text(&ingress["metadata"]["annotations"]["haproxy.org/check-http"]);
    assert!(paths[check]["get"].is_object());
    let path = &ingress["spec"]["rules"][0]["http"]["paths"][0];
    let behind = &path["backend"]["service"];
    assert_eq!(behind["name"], service["metadata"]["name"]);
    assert_eq!(behind["port"]["name"], service["spec"]["ports"][0]["name"]);
    let admitted = &document(format!("{FOLDER}/base/network-policy.yaml"))["spec"]["ingress"][0];
    assert_eq!(admitted["ports"], json!([{"port": "http"}]));
}

#[test]
fn a_node_has_more_time_to_stop_than_it_takes_to_drain() {
    let drain = seconds(&setting(&settings(), "server.drain"));
    let stop = texts(&container()["lifecycle"]["preStop"]["exec"]["command"]);
    let [sleep, pause] = &stop[..] else { panic!("{stop:?}") };
    assert_eq!(sleep, "sleep");
    let grace = pod()["spec"]["terminationGracePeriodSeconds"].as_u64().unwrap();
    let rest = grace.checked_sub(pause.parse::<u64>().unwrap() + drain);
    assert!(
        rest.is_some_and(|seconds| seconds >= 10),
        "{grace} s for {pause} s and {drain} s"
    );
}

#[test]
fn a_node_runs_as_the_user_of_its_image_and_may_do_nothing_else() {
    let [user, group] = {
        let image = dockerfile("USER ");
        let (user, group) = image.split_once(':').unwrap();
        [user.parse::<u64>().unwrap(), group.parse().unwrap()]
    };
    let of_pod = pod()["spec"]["securityContext"].clone();
    let expected = json!({
        "runAsNonRoot": true, "runAsUser": user, "runAsGroup": group, "fsGroup": group,
        "seccompProfile": {"type": "RuntimeDefault"},
    });
    assert_eq!(of_pod, expected);
    let expected = json!({
        "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "capabilities": {"drop": ["ALL"]},
    });
    assert_eq!(container()["securityContext"], expected);
    assert_eq!(pod()["spec"]["automountServiceAccountToken"], false);
}

#[test]
fn whoever_selects_nodes_selects_these() {
    let labels = pod()["metadata"]["labels"].as_object().unwrap().clone();
    let budget = document(format!("{FOLDER}/base/pod-disruption-budget.yaml"))["spec"]["selector"].clone();
    let policy = document(format!("{FOLDER}/base/network-policy.yaml"))["spec"]["podSelector"].clone();
    let monitor = document(format!("{FOLDER}/monitoring/pod-monitor.yaml"))["spec"].clone();
    let mut selectors = vec![
        document(format!("{FOLDER}/base/service.yaml"))["spec"]["selector"].clone(),
        deployment()["spec"]["selector"]["matchLabels"].clone(),
        budget["matchLabels"].clone(),
        policy["matchLabels"].clone(),
        monitor["selector"]["matchLabels"].clone(),
    ];
    for constraint in items(&pod()["spec"]["topologySpreadConstraints"]) {
        selectors.push(constraint["labelSelector"]["matchLabels"].clone());
    }
    assert_eq!(selectors.len(), 7);
    for selector in selectors {
        let selector = selector.as_object().unwrap().clone();
        assert!(!selector.is_empty());
        for (name, value) in selector {
            assert_eq!(labels.get(&name), Some(&value), "{name}");
        }
    }
    // Alerts and dashboards ask for this job.
    assert_eq!(labels[&text(&monitor["jobLabel"])], "orchestratai");
}

#[test]
fn nodes_can_be_moved_and_replaced_without_there_being_too_few() {
    let budget = document(format!("{FOLDER}/base/pod-disruption-budget.yaml"))["spec"].clone();
    let may_leave = budget["maxUnavailable"].as_u64().unwrap();
    let fewest = autoscaler()["minReplicas"].as_u64().unwrap();
    let replicas = deployment()["spec"]["replicas"].as_u64().unwrap();
    assert!(may_leave >= 1, "no machine could ever be emptied");
    assert!(
        fewest > may_leave && replicas > may_leave,
        "emptying a machine would leave none"
    );
    let rolling = &deployment()["spec"]["strategy"]["rollingUpdate"];
    assert_eq!(*rolling, json!({"maxUnavailable": 0, "maxSurge": 1}));
}

#[test]
fn the_autoscaler_asks_for_a_metric_that_there_is_and_scales_these_nodes() {
    let autoscaler = autoscaler();
    let target = &autoscaler["scaleTargetRef"];
    let deployment = deployment();
    assert_eq!(target["kind"], deployment["kind"]);
    assert_eq!(target["name"], deployment["metadata"]["name"]);
    assert_eq!(items(&autoscaler["metrics"]).count(), 1);
    let metric = text(&autoscaler["metrics"][0]["pods"]["metric"]["name"]);
    let is_gauge = format!("| `{metric}` | gauge |");
    assert!(
        read("docs/metrics.md").contains(&is_gauge),
        "there is no gauge {metric}"
    );
    let series = adapter("seriesQuery");
    assert_eq!(series.split('{').next(), Some(metric.as_str()));
    for label in ["namespace", "pod"] {
        assert!(series.contains(&format!("{label}!=\"\"")), "{series}");
    }
    let enough = text(&autoscaler["metrics"][0]["pods"]["target"]["averageValue"]);
    let most = setting(&settings(), "limits.turns_in_flight");
    assert!(
        enough.parse::<u64>().unwrap() < most.parse().unwrap(),
        "a node would refuse turns before there is another"
    );
}

#[test]
fn every_manifest_belongs_to_a_kustomization_and_holds_no_secret() {
    let mut manifests = 0;
    for folder in ["base", "ingress", "autoscaling", "monitoring", "example"] {
        let kustomization = document(format!("{FOLDER}/{folder}/kustomization.yaml"));
        let mut named: BTreeSet<String> = texts(&kustomization["resources"]).into_iter().collect();
        for path in texts(&kustomization["components"]).iter().chain(&named) {
            assert!(root().join(FOLDER).join(folder).join(path).exists(), "{folder}: {path}");
        }
        named.retain(|path| !path.starts_with(".."));
        let not_applied = ["kustomization.yaml", "prometheus-adapter.yaml"];
        let there: BTreeSet<String> = fs::read_dir(root().join(FOLDER).join(folder))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.ends_with(".yaml") && !not_applied.contains(&name.as_str()))
            .collect();
        assert_eq!(there, named, "left: files of {folder}; right: its kustomization");
        for name in there {
            for manifest in documents(format!("{FOLDER}/{folder}/{name}")) {
                assert_ne!(manifest["kind"], "Secret", "{folder}/{name}");
                assert!(manifest["apiVersion"].is_string() && manifest["metadata"]["name"].is_string());
                manifests += 1;
            }
        }
    }
    assert_eq!(manifests, 9);
}
