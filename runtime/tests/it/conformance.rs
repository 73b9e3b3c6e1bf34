//! What others hold us to: the WebSocket protocol's own test cases, and our own OpenAPI document.

use std::{path::Path, process::Command};

use crate::server::{Launch, Server};

/// Runs one of the scripts that call a tool of others; gives what it printed.
async fn run(script: &str, argument: String, variables: &[(&str, &str)]) -> (bool, String) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts").join(script);
    let mut command = Command::new(script);
    command.arg(argument).envs(variables.iter().copied());
    let output = tokio::task::spawn_blocking(move || command.output());
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
    let (passed, report) = run("check-websocket", format!("ws://{}/api/ws/echo", server.address()), &[]).await;
    assert!(passed, "{report}");
    assert!(report.contains("247 passed, 0 failed"), "{report}");
}

/// A run over fewer operations than the server has, or without its last phase, would pass with less shown.
fn check_reach(report: &str, operations: usize) {
    for line in [
        format!("Selected: {operations}/{operations}"),
        format!("Tested: {operations}"),
    ] {
        assert!(
            report.lines().any(|found| found.trim() == line),
            "no {line} in\n{report}"
        );
    }
    let phases = report.split("Test Phases:").nth(1).expect("it tells its phases");
    for phase in ["Examples", "Coverage", "Fuzzing", "Stateful"] {
        assert!(phases.contains(&format!("✅ {phase}")), "no {phase} in\n{report}");
    }
    let scenarios = report.lines().find_map(|line| line.trim().strip_prefix("Scenarios:"));
    let scenarios: usize = scenarios.expect("it tells its scenarios").trim().parse().unwrap();
    assert!(scenarios > 0, "no sequence of calls was tried:\n{report}");
}

/// The operations of the document that a server gives out. The tool counts one less where it has the document from the
/// server, and as many where it has it from a file.
async fn operations(server: &Server) -> usize {
    let document = server.rest().get("/api/openapi.json").await.body;
    let paths = document["paths"].as_object().expect("it has paths").values();
    let methods = ["get", "put", "post", "delete", "options", "head", "patch", "trace"];
    paths
        .map(|path| methods.iter().filter(|method| path.get(method).is_some()).count())
        .sum()
}

/// A server on which no message waits long for a person: calls at random take sessions over, and nobody answers.
fn launch() -> Launch {
    Launch::new().setting("session.person_max", "1s")
}

#[tokio::test]
async fn the_openapi_document_is_true() {
    let server = launch().start().await;
    let (passed, report) = run("check-openapi", server.url(""), &[]).await;
    assert!(passed, "{report}");
    check_reach(&report, operations(&server).await - 1);
}

#[tokio::test]
async fn the_openapi_document_is_true_of_a_server_with_a_token() {
    let token = "a-token_of_43_characters_0123456789abcdefgh";
    let server = launch().setting("auth.token", token).start().await;
    let variables = [("ORCHESTRATAI__AUTH__TOKEN", token), ("OPENAPI_CASES", "4")];
    let (passed, report) = run("check-openapi", server.url(""), &variables).await;
    assert!(passed, "{report}");
    check_reach(&report, operations(&server).await - 1);
}
