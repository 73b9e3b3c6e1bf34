//! A server by the official SDK, over streamable HTTP.

use std::process::Stdio;

use orchestratai_agents::tool::{ToolError, ToolSource};
use orchestratai_tools::{McpEndpoint, McpSource, McpSourceError, Secret};
use serde_json::json;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};

use crate::world::{PYTHON, SERVER, call, marks, options, tool, until};

/// The server, for as long as it is not dropped.
struct Served {
    port: u16,
    child: Child,
    folder: tempfile::TempDir,
}

impl Served {
    async fn start(port: u16) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut child = Command::new(PYTHON)
            .args([SERVER, "http", &port.to_string()])
            .env("TOKEN", "open-sesame")
            .env("MARKER", folder.path().join("marker"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let port = lines.next_line().await.unwrap().unwrap().parse().unwrap();
        Self { port, child, folder }
    }

    fn marks(&self) -> Vec<String> {
        marks(&self.folder.path().join("marker"))
    }

    fn source(&self, token: Option<&str>) -> McpSource {
        let endpoint = McpEndpoint::Http {
            url: format!("http://127.0.0.1:{}/mcp", self.port),
            token: token.map(Secret::new),
        };
        McpSource::new(options(endpoint)).unwrap()
    }
}

#[tokio::test]
async fn a_server_is_reached_over_http_with_its_token() {
    let served = Served::start(0).await;
    let source = served.source(Some("open-sesame"));
    let echo = tool(&source, "test_echo").await;
    assert_eq!(
        call(&echo, &json!({ "text": "over http" })).await.unwrap().content,
        "over http"
    );
    let failed = call(&tool(&source, "test_fail").await, &json!({})).await;
    assert_eq!(failed, Err(ToolError::Failed("it did not work".into())));
    let data = call(&tool(&source, "test_data").await, &json!({})).await.unwrap();
    assert_eq!(data.structured, Some(json!({ "answer": 42 })));

    for token in [None, Some("wrong")] {
        match served.source(token).tools().await {
            Err(ToolError::NotMade(what)) => assert_eq!(what, "test cannot be reached"),
            other => panic!("{:?}", other.err()),
        }
    }
}

#[tokio::test]
async fn a_call_over_http_that_nobody_waits_for_is_cancelled_at_the_server() {
    let served = Served::start(0).await;
    let slow = tool(&served.source(Some("open-sesame")), "test_slow").await;
    let running = tokio::spawn(async move { call(&slow, &json!({})).await });
    until("the call has begun", || served.marks().contains(&"begun".into())).await;
    running.abort();
    until("the server knows", || served.marks().contains(&"cancelled".into())).await;
}

#[tokio::test]
async fn a_list_that_changes_is_read_again_over_http() {
    let served = Served::start(0).await;
    let source = served.source(Some("open-sesame"));
    call(&tool(&source, "test_grow").await, &json!({})).await.unwrap();
    let mut has_grown = false;
    for _ in 0..500 {
        let tools = source.tools().await.unwrap();
        has_grown = tools.iter().any(|tool| tool.offer().name == "test_grown");
        if has_grown {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    assert!(has_grown, "it was told of the change on a stream of its own");
}

#[tokio::test]
async fn a_server_that_was_away_is_found_again() {
    let mut served = Served::start(0).await;
    let source = served.source(Some("open-sesame"));
    let echo = tool(&source, "test_echo").await;
    served.child.kill().await.unwrap();
    let arguments = json!({ "text": "back" });
    let away = call(&echo, &arguments).await;
    assert!(
        matches!(&away, Err(ToolError::NotMade(what) | ToolError::InDoubt(what)) if !what.contains("127.0.0.1")),
        "{away:?}"
    );
    let again = Served::start(served.port).await;
    let began = tokio::time::Instant::now();
    let answer = loop {
        match call(&echo, &arguments).await {
            Ok(output) => break output.content,
            Err(error) => assert!(began.elapsed() < crate::world::PATIENCE, "{error:?}"),
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    };
    assert_eq!(answer, "back");
    drop(again);
}

#[tokio::test]
async fn a_server_that_dies_in_a_call_over_http_is_not_asked_for_it_again() {
    let served = Served::start(0).await;
    let source = served.source(Some("open-sesame"));
    let (echo, die) = (tool(&source, "test_echo").await, tool(&source, "test_die").await);
    let died = call(&die, &json!({})).await;
    assert!(matches!(died, Err(ToolError::InDoubt(_))), "{died:?}");
    let deaths = served.marks().into_iter().filter(|mark| mark == "dies").count();
    assert_eq!(deaths, 1);
    // Now that nobody is there no call leaves.
    let began = tokio::time::Instant::now();
    while !matches!(call(&echo, &json!({ "text": "?" })).await, Err(ToolError::NotMade(_))) {
        assert!(began.elapsed() < crate::world::PATIENCE, "a call still seems to leave");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn what_is_no_address_is_refused_and_a_token_is_never_shown() {
    for url in ["", "host", "ftp://host/mcp", "https://me:hidden@host/mcp"] {
        let endpoint = McpEndpoint::Http {
            url: url.into(),
            token: Some(Secret::new("canary")),
        };
        assert!(!format!("{endpoint:?}").contains("canary"));
        assert!(
            matches!(McpSource::new(options(endpoint)), Err(McpSourceError::Address)),
            "{url}"
        );
    }
}
