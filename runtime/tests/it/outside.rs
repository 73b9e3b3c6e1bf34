//! Not one packet to the outside: the server lives in a network namespace that has only loopback, where the kernel counts
//! every attempt to reach anything else.

use std::process::{Command, Stdio};

use serde_json::Value;

use crate::server::orchestratai;

/// What happens in the namespace. A process cannot enter one with its threads, so the test's own clients cannot go there.
const LIFE: &str = include_str!("outside.py");

/// How to start a process in a namespace of its own of this kind, such as `--net`; none where the machine forbids that.
///
/// # Panics
/// On CI, where a machine that forbids it must be noticed rather than a test be passed over.
pub(crate) fn unshare(kind: &'static str) -> Option<Vec<&'static str>> {
    for words in [
        vec!["unshare", kind],
        vec!["unshare", "--user", "--map-root-user", kind],
    ] {
        let trial = Command::new(words[0])
            .args(&words[1..])
            .arg("true")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        if trial.is_ok_and(|status| status.success()) {
            return Some(words);
        }
    }
    let is_ci = std::env::var_os("CI").is_some_and(|value| value == "true");
    assert!(
        !is_ci,
        "CI must allow `unshare {kind}`, as root or with --user --map-root-user"
    );
    eprintln!("SKIPPED: this machine allows no `unshare {kind}`: what needs it has NOT been tested");
    None
}

#[test]
fn not_one_packet_wants_to_leave_the_machine() {
    let Some(words) = unshare("--net") else { return };
    let folder = tempfile::tempdir().unwrap();
    let binary = orchestratai();
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).args(["python3", "-c", LIFE]);
    command.arg(binary.get_program()).arg(folder.path());
    for (name, value) in binary.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    let output = command.stdin(Stdio::null()).output().unwrap();
    let log = std::fs::read_to_string(folder.path().join("server.log")).unwrap_or_default();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}\n{log}");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();

    let every_agent = serde_json::json!(["billing", "orchestrator", "policy", "technical"]);
    assert_eq!(report["agents"], every_agent, "an agent was not asked: {report}");
    assert_eq!(report["code"], 0, "the server did not end well: {report}\n{log}");
    for (counter, before) in report["before"].as_object().unwrap() {
        let (after, control) = (&report["after"][counter], &report["control"][counter]);
        assert_eq!(after, before, "something wanted out ({counter}): {report}\n{log}");
        assert!(
            control.as_u64() > after.as_u64(),
            "attempts to get out are not counted by {counter}, so this test shows nothing: {report}"
        );
    }
}
