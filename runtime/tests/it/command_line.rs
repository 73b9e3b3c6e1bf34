//! What can be done without a server: help, configuration, completions, exit codes.

use std::{fs, process::Output};

use crate::server::orchestratai;

fn run(arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    orchestratai()
        .args(arguments)
        .envs(variables.iter().copied())
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn wrong_use_and_wrong_configuration_have_exit_code_2_and_say_why_on_stderr() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("my.toml");
    fs::write(&file, "[server]\nprot = 1\n").unwrap();
    let file = file.to_str().unwrap();
    for (arguments, said) in [
        (vec!["serv"], "serve"),
        (vec!["search"], "<QUERY>"),
        (vec!["chat", "--url", "ftp://x"], "--url"),
        (
            vec!["check-config", "--config", file],
            "my.toml:2: there is no setting server.prot; the nearest is server.port",
        ),
        (vec!["serve", "--config", file], "server.port"),
        (
            vec!["serve", "--port", "70000"],
            "--port: server.port is \"70000\"; allowed is 0 to 65535",
        ),
        (vec!["serve", "--host", "0.0.0.0"], "auth.token is not set"),
    ] {
        let output = run(&arguments, &[]);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", text(&output.stderr));
        assert!(
            text(&output.stderr).contains(said),
            "{arguments:?}: {}",
            text(&output.stderr)
        );
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn check_config_shows_every_value_with_its_place_and_no_secret() {
    let token = "a-token_of_43_characters_0123456789abcdefgh";
    let output = run(
        &["check-config"],
        &[
            ("ORCHESTRATAI__AUTH__TOKEN", token),
            ("ORCHESTRATAI__SERVER__DRAIN", "5s"),
            ("REDIS_URL", "redis://:hidden@x"),
            ("OPENAI_API_KEY", "hidden"),
        ],
    );
    let shown = text(&output.stdout);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(shown.contains("(secret)  (ORCHESTRATAI__AUTH__TOKEN)"), "{shown}");
    assert!(shown.contains("\"5s\"  (ORCHESTRATAI__SERVER__DRAIN)"), "{shown}");
    assert!(shown.contains("= 8000  (default)"), "{shown}");
    assert!(shown.contains("(secret)  (REDIS_URL)"), "{shown}");
    assert!(shown.contains("OPENAI_API_KEY is set and not used"), "{shown}");
    assert!(!shown.contains(token) && !shown.contains("hidden"), "{shown}");
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    use std::{io::Read, process::Stdio};
    let mut child = orchestratai()
        .args(["completions", "bash"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let status = child.wait().unwrap();
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(status.success() && said.is_empty(), "{status:?} {said}");
}

#[test]
fn every_shell_has_its_completions() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let output = run(&["completions", shell], &[]);
        assert!(
            output.status.success() && text(&output.stdout).contains("check-config"),
            "{shell}"
        );
    }
}

#[test]
fn a_health_check_of_nobody_fails() {
    let free = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let output = run(&["healthcheck", "--url", &format!("http://{free}")], &[]);
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn a_talk_without_a_server_says_how_to_start_one() {
    let free = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let output = run(&["chat", "--url", &format!("ws://{free}")], &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text(&output.stderr).contains("orchestratai serve"),
        "{}",
        text(&output.stderr)
    );
}
