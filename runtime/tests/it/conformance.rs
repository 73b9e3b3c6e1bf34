//! What others hold us to: the WebSocket protocol's own test cases, and our own OpenAPI document.

use std::{path::Path, process::Command};

use crate::server::Launch;

/// Runs one of the scripts that call a tool of others; gives what it printed.
async fn run(script: &str, argument: String) -> (bool, String) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts").join(script);
    let output = tokio::task::spawn_blocking(move || Command::new(script).arg(argument).output());
    let output = output
        .await
        .unwrap()
        .expect("the script is there; `scripts/bootstrap` installs what it needs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output.status.success(), format!("{text}{}", output.status))
}

#[tokio::test]
async fn the_websocket_stack_passes_all_cases_of_the_protocol() {
    let server = Launch::new()
        .setting("conformance.websocket_echo", "true")
        .start()
        .await;
    let (passed, report) = run("check-websocket", format!("ws://{}/api/ws/echo", server.address())).await;
    assert!(passed, "{report}");
    assert!(report.contains("247 passed, 0 failed"), "{report}");
}

#[tokio::test]
async fn the_openapi_document_is_true() {
    let server = Launch::new().start().await;
    let (passed, report) = run("check-openapi", server.url("")).await;
    assert!(passed, "{report}");
}
