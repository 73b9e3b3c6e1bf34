//! Prometheus as the repository configures it, for servers of a test's own; and what it is asked.

use std::{fs, net::SocketAddr, path::PathBuf};

use orchestratai_testing::{Alertmanager, Prometheus};
use reqwest::Method;
use serde_json::Value;
use tempfile::TempDir;

use super::root;
use crate::client::Rest;

/// A Prometheus that scrapes, and the Alertmanager that it tells.
pub(crate) struct Observer {
    prometheus: Prometheus,
    alertmanager: Alertmanager,
    _folder: TempDir,
}

/// A rule as Prometheus has read it.
#[derive(Debug, Clone)]
pub(crate) struct Rule {
    pub(crate) name: String,
    pub(crate) expression: String,
    pub(crate) is_alert: bool,
    /// Why its last evaluation failed; empty where it did not.
    pub(crate) trouble: String,
}

/// Puts `new` in the place of the one `old`.
fn replaced(text: &str, old: &str, new: &str) -> String {
    assert_eq!(text.matches(old).count(), 1, "{old:?} stands once in the configuration");
    text.replace(old, new)
}

/// What a query gives: its series' values, as text.
pub(crate) type Values = Result<Vec<String>, String>;

impl Observer {
    /// Starts both, for servers and for the proxies before them. Of the configuration only what the place decides is another: targets,
    /// token, Alertmanager, and how often.
    pub(crate) fn start(servers: &[SocketAddr], proxies: &[SocketAddr], token: &str) -> Self {
        let alertmanager = Alertmanager::start(&root().join("deploy/alertmanager/alertmanager.yml"));
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("rules")).unwrap();
        for rules in fs::read_dir(root().join("deploy/prometheus/rules")).unwrap() {
            let path = rules.unwrap().path();
            let text = fs::read_to_string(&path).unwrap().replace("    interval: 1m\n", "");
            fs::write(folder.path().join("rules").join(path.file_name().unwrap()), text).unwrap();
        }
        let token_file = folder.path().join("token");
        fs::write(&token_file, token).unwrap();
        let text = fs::read_to_string(root().join("deploy/prometheus/prometheus.yml")).unwrap();
        let text = replaced(&text, "scrape_interval: 10s", "scrape_interval: 500ms");
        let text = replaced(&text, "evaluation_interval: 10s", "evaluation_interval: 500ms");
        let text = replaced(
            &text,
            "/run/secrets/orchestratai_token",
            &token_file.display().to_string(),
        );
        let mut text = text;
        for (name, targets) in [("nodes.yml", servers), ("proxies.yml", proxies)] {
            let list = folder.path().join(name);
            let targets: Vec<String> = targets.iter().map(|target| format!("'{target}'")).collect();
            fs::write(&list, format!("- targets: [{}]\n", targets.join(", "))).unwrap();
            text = replaced(&text, &format!("/etc/orchestratai/{name}"), &list.display().to_string());
        }
        let lookup = "dns_sd_configs:\n        - names: [alertmanager]\n          type: A\n          port: 9093\n";
        let address = alertmanager.url().replace("http://", "");
        let text = replaced(
            &text,
            lookup,
            &format!("static_configs: [{{ targets: ['{address}'] }}]\n"),
        );
        let configuration: PathBuf = folder.path().join("prometheus.yml");
        fs::write(&configuration, text).unwrap();
        Self {
            prometheus: Prometheus::start(&configuration),
            alertmanager,
            _folder: folder,
        }
    }

    /// What an expression gives now; or why it cannot be computed.
    pub(crate) async fn query(&self, expression: &str) -> Values {
        let answer = self.get(&format!("/api/v1/query?query={}", encoded(expression))).await;
        if answer["status"] != "success" {
            return Err(format!("{}: {}", answer["errorType"], answer["error"]));
        }
        let result = &answer["data"]["result"];
        let text = |value: &Value| value[1].as_str().unwrap_or_default().to_owned();
        if answer["data"]["resultType"] == "scalar" {
            return Ok(vec![text(result)]);
        }
        let series = result.as_array().into_iter().flatten();
        Ok(series.map(|series| text(&series["value"])).collect())
    }

    /// The values of a label among the series of a selector.
    pub(crate) async fn label_values(&self, selector: &str, label: &str) -> Vec<String> {
        let answer = self
            .get(&format!("/api/v1/label/{label}/values?match[]={}", encoded(selector)))
            .await;
        let values = answer["data"].as_array().into_iter().flatten();
        values.map(|value| value.as_str().unwrap().to_owned()).collect()
    }

    /// Every rule that it has read.
    pub(crate) async fn rules(&self) -> Vec<Rule> {
        let answer = self.get("/api/v1/rules").await;
        let groups = answer["data"]["groups"].as_array().unwrap();
        let rules = groups.iter().flat_map(|group| group["rules"].as_array().unwrap());
        let rule = |rule: &Value| Rule {
            name: rule["name"].as_str().unwrap().to_owned(),
            expression: rule["query"].as_str().unwrap().to_owned(),
            is_alert: rule["type"] == "alerting",
            trouble: rule["lastError"].as_str().unwrap_or_default().to_owned(),
        };
        rules.map(rule).collect()
    }

    /// The alerts that Alertmanager has, and the receivers of each.
    pub(crate) async fn told(&self) -> Vec<(String, String)> {
        alerts(&self.alertmanager)
            .await
            .iter()
            .map(|alert| {
                let text = |value: &Value| value.as_str().unwrap().to_owned();
                (
                    text(&alert["labels"]["alertname"]),
                    text(&alert["receivers"][0]["name"]),
                )
            })
            .collect()
    }

    /// What Prometheus has logged.
    pub(crate) fn log(&self) -> String {
        self.prometheus.log()
    }

    async fn get(&self, path: &str) -> Value {
        let rest = Rest::new(self.prometheus.url(), None);
        rest.send(rest.request(Method::GET, path)).await.body
    }
}

/// The alerts that an Alertmanager has.
pub(crate) async fn alerts(alertmanager: &Alertmanager) -> Vec<Value> {
    let answer = Rest::new(alertmanager.url(), None).get("/api/v2/alerts").await;
    answer.body.as_array().unwrap().clone()
}

/// As part of a URL's query.
fn encoded(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(byte).collect()
}
