//! The files of monitoring hold together: their own tools find nothing wrong, every alert has its runbook and its test, and
//! what documents tell people to type exists.

use std::{
    collections::BTreeSet,
    fs,
    io::Write,
    path::Path,
    process::{Command, Output, Stdio},
};

use orchestratai_testing::Alertmanager;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::{observer::alerts, root};
use crate::{
    client::Rest,
    server::{Server, orchestratai},
};

const SEVERITIES: [(&str, &str); 4] = [
    ("critical", "page"),
    ("high", "chat"),
    ("medium", "mail"),
    ("low", "digest"),
];

fn read(path: impl AsRef<Path>) -> String {
    let path = path.as_ref();
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The files of a folder of the repository with an extension, in order.
fn files(folder: &str, extension: &str) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(root().join(folder))
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = entries
        .filter(|path| path.extension().is_some_and(|found| found == extension))
        .collect();
    files.sort();
    assert!(!files.is_empty(), "{folder} is empty");
    files
}

/// An alert as its file has it.
struct Alert {
    name: String,
    /// All of its rule.
    text: String,
}

impl Alert {
    /// The rest of the one line that begins with a key.
    fn value(&self, key: &str) -> &str {
        let line = self.text.lines().find_map(|line| line.trim().strip_prefix(key));
        line.unwrap_or_else(|| panic!("{}: no {key}", self.name)).trim()
    }

    fn severity(&self) -> &str {
        self.value("labels: { severity:").trim_end_matches('}').trim()
    }
}

fn all_alerts() -> Vec<Alert> {
    let mut alerts = Vec::new();
    for path in files("deploy/prometheus/rules", "yml") {
        for rule in read(path).split("      - alert: ").skip(1) {
            let (name, text) = rule.split_once('\n').unwrap();
            let (name, text) = (name.trim().to_owned(), text.to_owned());
            alerts.push(Alert { name, text });
        }
    }
    assert!(alerts.len() > 20);
    alerts
}

/// Runs a tool; gives what it says where it is content.
fn content(command: &mut Command) -> String {
    let Output { status, stdout, stderr } = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error} (scripts/bootstrap installs it)"));
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&stdout),
        String::from_utf8_lossy(&stderr)
    );
    assert!(status.success(), "{command:?}: {said}");
    said
}

#[test]
fn promtool_and_amtool_find_nothing_wrong_and_every_rule_holds_its_tests() {
    let folder = root().join("deploy/prometheus");
    let mut check = Command::new("promtool");
    // Syntax only: the token's file is where Prometheus runs.
    check
        .args(["check", "config", "--syntax-only"])
        .arg(folder.join("prometheus.yml"));
    content(&mut check);
    content(
        Command::new("promtool")
            .args(["check", "rules"])
            .args(files("deploy/prometheus/rules", "yml")),
    );
    content(
        Command::new("promtool")
            .args(["test", "rules"])
            .args(files("deploy/prometheus/tests", "yml")),
    );
    content(
        Command::new("amtool")
            .arg("check-config")
            .arg(root().join("deploy/alertmanager/alertmanager.yml")),
    );
}

#[test]
fn every_rule_is_tested_where_it_fires_and_where_it_does_not() {
    let tests: String = files("deploy/prometheus/tests", "yml").iter().map(read).collect();
    for Alert { name, .. } in all_alerts() {
        let fires = format!("labels: '{{alertname=\"{name}\"");
        assert!(tests.contains(&fires), "no test lets {name} fire");
        let cases = tests.split("  - name: ").filter(|case| case.contains(&fires));
        // A case says which alerts fire, all of them: an empty list, or one of others, is where this one does not.
        let is_silent = |case: &str| case.contains("exp_samples: []") || case.lines().next().unwrap().contains("not");
        assert!(cases.into_iter().any(is_silent), "no test keeps {name} silent");
    }
    for path in files("deploy/prometheus/rules", "yml") {
        for record in read(path)
            .lines()
            .filter_map(|line| line.trim().strip_prefix("- record: "))
        {
            assert!(tests.contains(record), "no test asks for {record}");
        }
    }
}

#[test]
fn every_alert_has_a_severity_a_runbook_and_says_what_to_do() {
    let index = read(root().join("docs/runbooks/README.md"));
    let mut named = BTreeSet::from(["README".to_owned()]);
    for alert in all_alerts() {
        let name = alert.name.clone();
        let severity = alert.severity();
        assert!(
            SEVERITIES.iter().any(|(known, _)| *known == severity),
            "{name}: {severity}"
        );
        assert!(
            alert.value("summary:").len() > 10 && alert.value("action:").len() > 10,
            "{name}"
        );
        let file = format!("docs/runbooks/{name}.md");
        assert_eq!(alert.value("runbook_url:"), file);
        let runbook = read(root().join(&file));
        assert!(runbook.starts_with(&format!("# {name}\n")), "{file} has another title");
        assert!(
            runbook.contains(&format!("Severity: **{severity}**")),
            "{file} says another severity"
        );
        for part in [
            "What it means",
            "What people notice",
            "Confirm",
            "Do",
            "Prevent",
            "Escalate",
        ] {
            assert!(
                runbook.contains(&format!("\n## {part}\n")),
                "{file} has no part {part:?}"
            );
        }
        assert!(
            index.contains(&format!("[{name}]({name}.md) | {severity} |")),
            "the index of runbooks lacks {name}"
        );
        named.insert(name);
    }
    let there: BTreeSet<String> = files("docs/runbooks", "md")
        .iter()
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    assert_eq!(there, named, "left: files of docs/runbooks; right: alerts");
}

#[test]
fn dashboards_can_be_found_by_their_ids_and_lead_to_each_other() {
    let dashboards = super::dashboards();
    for (name, dashboard) in &dashboards {
        assert_eq!(dashboard["uid"], name.as_str(), "links and bookmarks hold on to it");
        let links = super::items(&dashboard["links"]);
        let by_tag = links.filter(|link| link["type"] == "dashboards" && link["tags"] == json!(["orchestratai"]));
        assert_eq!(by_tag.count(), 1, "{name} leads to the others");
        assert_eq!(dashboard["tags"], json!(["orchestratai"]));
        let mut ids = BTreeSet::new();
        for panel in super::items(&dashboard["panels"]) {
            assert!(
                ids.insert(panel["id"].as_u64().unwrap()),
                "{name}: {} twice",
                panel["id"]
            );
            if panel["type"] == "row" {
                continue;
            }
            let title = &panel["title"];
            let description = panel["description"].as_str().unwrap_or_default();
            assert!(description.len() > 30, "{name}: {title} says too little");
            assert!(
                panel["fieldConfig"]["defaults"]["unit"].is_string(),
                "{name}: {title} has no unit"
            );
            assert_eq!(panel["datasource"]["uid"], "prometheus", "{name}: {title}");
        }
    }
    let provisioned = read(root().join("deploy/grafana/provisioning/dashboards/orchestratai.yml"));
    assert!(
        provisioned.contains("path: /var/lib/orchestratai/dashboards"),
        "{provisioned}"
    );
    let datasource = read(root().join("deploy/grafana/provisioning/datasources/prometheus.yml"));
    assert!(datasource.contains("uid: prometheus"), "{datasource}");
}

/// What becomes of alerts, by the name of each: whether another one silences it.
async fn silenced(alertmanager: &Alertmanager, labels: &[Value]) -> Vec<(String, bool)> {
    let rest = Rest::new(alertmanager.url(), None);
    let sent: Vec<Value> = labels.iter().map(|labels| json!({"labels": labels})).collect();
    let request = rest.request(Method::POST, "/api/v2/alerts").json(&sent);
    assert_eq!(rest.send(request).await.status, StatusCode::OK);
    let found = alerts(alertmanager).await;
    let name = |alert: &Value| alert["labels"]["alertname"].as_str().unwrap().to_owned();
    let is_silenced = |alert: &Value| alert["status"]["inhibitedBy"] != json!([]);
    let mut silenced: Vec<_> = found.iter().map(|alert| (name(alert), is_silenced(alert))).collect();
    silenced.sort();
    silenced
}

#[tokio::test]
async fn alerts_go_where_their_severity_says_and_who_is_down_is_told_of_once() {
    let configuration = root().join("deploy/alertmanager/alertmanager.yml");
    for (severity, receiver) in SEVERITIES {
        let mut route = Command::new("amtool");
        route
            .args(["config", "routes", "test", "--config.file"])
            .arg(&configuration);
        route
            .arg(format!("--verify.receivers={receiver}"))
            .arg(format!("severity={severity}"));
        content(&mut route);
    }
    let alertmanager = tokio::task::spawn_blocking(move || Alertmanager::start(&configuration))
        .await
        .unwrap();
    let alert = |name: &str, instance: &str, severity: &str| json!({"alertname": name, "instance": instance, "job": "orchestratai", "severity": severity});
    let fleet = json!({"alertname": "OrchestrataiTurnBudgetBurns", "job": "orchestratai", "severity": "high"});
    let told = silenced(
        &alertmanager,
        &[
            alert("OrchestrataiDown", "a", "critical"),
            alert("OrchestrataiJournalFails", "a", "critical"),
            alert("OrchestrataiApplyLags", "a", "high"),
            alert("OrchestrataiMemoryHigh", "b", "high"),
            alert("OrchestrataiLeaseNotHeld", "c", "critical"),
            alert("OrchestrataiNodesDisagree", "d", "high"),
            alert("OrchestrataiBusDown", "d", "critical"),
            alert("OrchestrataiSnapshotsLag", "d", "medium"),
            alert("OrchestrataiBusBreaks", "e", "medium"),
            alert("OrchestrataiProxyWithoutNodes", "f", "critical"),
            alert("OrchestrataiProxyMissesNode", "f", "high"),
            alert("OrchestrataiProxyMissesNode", "g", "high"),
            fleet,
        ],
    )
    .await;
    let expected = [
        ("OrchestrataiApplyLags", true),
        ("OrchestrataiBusBreaks", false),
        ("OrchestrataiBusDown", false),
        ("OrchestrataiDown", false),
        ("OrchestrataiJournalFails", true),
        ("OrchestrataiLeaseNotHeld", false),
        ("OrchestrataiMemoryHigh", false),
        ("OrchestrataiNodesDisagree", true),
        ("OrchestrataiProxyMissesNode", false),
        ("OrchestrataiProxyMissesNode", true),
        ("OrchestrataiProxyWithoutNodes", false),
        ("OrchestrataiSnapshotsLag", true),
        ("OrchestrataiTurnBudgetBurns", false),
    ];
    assert_eq!(told, expected.map(|(name, is_silenced)| (name.to_owned(), is_silenced)));
}

#[test]
fn the_commands_that_runbooks_name_exist() {
    let mut commands = BTreeSet::new();
    for (_, block) in blocks("sh") {
        for line in block.lines() {
            if let Some(arguments) = line.strip_prefix("orchestratai ") {
                commands.insert(arguments.split(' ').next().unwrap().to_owned());
            }
        }
    }
    assert!(commands.len() > 2, "{commands:?}");
    for command in commands {
        content(orchestratai().args([command.as_str(), "--help"]));
    }
}

/// What stands between the fences of a language in the documents on monitoring, with the document.
fn blocks(language: &str) -> Vec<(String, String)> {
    let mut documents = files("docs/runbooks", "md");
    documents.push(root().join("docs/monitoring.md"));
    let mut blocks = Vec::new();
    for path in documents {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        for rest in read(&path).split(&format!("```{language}\n")).skip(1) {
            blocks.push((name.clone(), rest.split_once("```").unwrap().0.to_owned()));
        }
    }
    blocks
}

/// Every query that a document tells people to ask, with where it stands: one to a line.
pub(crate) fn documented_queries() -> Vec<(String, String)> {
    let queries: Vec<(String, String)> = blocks("promql")
        .iter()
        .flat_map(|(name, block)| block.lines().map(|line| (name.clone(), line.to_owned())))
        .collect();
    assert!(queries.len() > 20, "{queries:?}");
    queries
}

/// What documents ask the server with curl is there.
pub(crate) async fn check_documented_paths(server: &Server) {
    let mut paths = BTreeSet::new();
    for (_, block) in blocks("sh") {
        for rest in block.split("http://127.0.0.1:8000").skip(1) {
            let end = rest
                .find(|c: char| c.is_whitespace() || c == '\'' || c == '"')
                .unwrap_or(rest.len());
            paths.insert(rest[..end].to_owned());
        }
    }
    paths.retain(|path| !path.is_empty());
    assert!(paths.len() > 2, "{paths:?}");
    for path in paths {
        let status = server.rest().get(&path).await.status;
        assert!(
            status.is_success() || status == StatusCode::METHOD_NOT_ALLOWED,
            "{path} is answered with {status}"
        );
    }
}

/// The lint of Prometheus's own tool over what the server really says.
pub(crate) async fn check_exposition(server: &Server) {
    let metrics = server.rest().get("/metrics").await.body.as_str().unwrap().to_owned();
    let mut tool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    tool.stdin.take().unwrap().write_all(metrics.as_bytes()).unwrap();
    let output = tool.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.is_empty(), "{said}");
}
