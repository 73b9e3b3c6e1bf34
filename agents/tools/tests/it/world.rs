//! What all tests need: sources with limits that a test can wait for, calls, and patience.

use std::{fs, path::Path, sync::Arc, time::Duration};

use orchestratai_agents::tool::{Invocation, Tool, ToolError, ToolOutput, ToolSource};
use orchestratai_shared::{SessionId, TurnId};
use orchestratai_tools::{Approvals, Limits, McpEndpoint, McpOptions, McpSource, Secret, SourceName};
use serde_json::Value;
use tokio::time::{Instant, sleep};

pub(crate) const PYTHON: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/python/bin/python");
pub(crate) const SERVER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/mcp_server.py");
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Limits that only a server that hangs reaches.
pub(crate) fn limits() -> Limits {
    Limits {
        connect: PATIENCE,
        list: PATIENCE,
        call: PATIENCE,
        result_bytes_max: 4096,
        concurrency: 4,
    }
}

pub(crate) fn options(endpoint: McpEndpoint) -> McpOptions {
    McpOptions {
        name: SourceName::new("test").unwrap(),
        endpoint,
        limits: limits(),
        approvals: Approvals::default(),
        trust_annotations: false,
    }
}

/// A Python program on standard input and output, which writes what happens to it to `marker`.
pub(crate) fn process(program: &str, argument: &str, marker: &Path) -> McpEndpoint {
    McpEndpoint::Process {
        command: PYTHON.into(),
        arguments: vec![program.into(), argument.into()],
        environment: vec![("MARKER".into(), Secret::new(marker.to_str().unwrap()))],
    }
}

/// What a tool answers to a call by the name of `test`.
pub(crate) async fn call(tool: &Arc<dyn Tool>, arguments: &Value) -> Result<ToolOutput, ToolError> {
    let call = Invocation {
        call_id: "call 1/№",
        arguments,
        session_id: SessionId::new(),
        turn_id: TurnId::new(),
        organization: "default",
    };
    tool.call(&call).await
}

pub(crate) async fn tool(source: &impl ToolSource, name: &str) -> Arc<dyn Tool> {
    let tools = source.tools().await.unwrap();
    let found = tools.into_iter().find(|tool| tool.offer().name == name);
    found.unwrap_or_else(|| panic!("there is no {name}"))
}

pub(crate) async fn names(source: &McpSource) -> Vec<String> {
    let tools = source.tools().await.unwrap();
    tools.iter().map(|tool| tool.offer().name.clone()).collect()
}

/// Waits until something is so.
pub(crate) async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < PATIENCE, "it never came to this: {what}");
        sleep(Duration::from_millis(5)).await;
    }
}

/// The lines that a server has written so far.
pub(crate) fn marks(marker: &Path) -> Vec<String> {
    let text = fs::read_to_string(marker).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// Whether a process is there and runs; what only waits to be asked for its end does not.
pub(crate) fn is_alive(id: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    let state = stat.rsplit(')').next().unwrap_or_default().trim_start().chars().next();
    state.is_some_and(|state| state != 'Z' && state != 'X')
}
