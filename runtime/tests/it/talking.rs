//! The terminal client in a script, against the real server.

use std::{
    io::{BufRead, BufReader, Write},
    process::{Child, ChildStdin, ChildStdout, Stdio},
    sync::mpsc::{Receiver, channel},
    thread,
    time::Duration,
};

use crate::server::{Launch, Server, orchestratai};

const PATIENCE: Duration = Duration::from_secs(60);
const QUESTION: &str = "Can I get a refund of my annual plan?";

/// A client whose lines the test writes and reads.
struct Talk {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<String>,
}

impl Talk {
    fn with(server: &Server, arguments: &[&str]) -> Self {
        let mut command = orchestratai();
        command
            .args(["chat", "--url", &format!("ws://{}", server.address())])
            .args(arguments);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stdin = child.stdin.take();
        let lines = lines_of(child.stdout.take().unwrap());
        Self { child, stdin, lines }
    }

    fn say(&mut self, line: &str) {
        writeln!(self.stdin.as_mut().unwrap(), "{line}").unwrap();
    }

    /// Lines of the answer up to the citation that ends it.
    fn answer(&self) -> Vec<String> {
        let mut answer = Vec::new();
        loop {
            let line = self.lines.recv_timeout(PATIENCE).expect("an answer comes in time");
            let is_citation = line.starts_with("[1] ");
            answer.push(line);
            if is_citation {
                return answer;
            }
        }
    }

    /// Says that nothing more comes; gives the exit code and what stood on the standard error stream.
    fn end(mut self) -> (Option<i32>, String) {
        drop(self.stdin.take());
        let output = self.child.wait_with_output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    }
}

fn lines_of(stdout: ChildStdout) -> Receiver<String> {
    let (sender, lines) = channel();
    thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    lines
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_gets_the_answer_on_stdout_and_the_steps_on_stderr() {
    let server = Server::start().await;
    let mut talk = Talk::with(&server, &[]);
    talk.say(QUESTION);
    talk.say("");
    talk.say(&format!("/fresh {QUESTION}"));
    assert!(talk.answer().iter().any(|line| line.contains("30 days")));
    talk.answer();
    let (code, steps) = talk.end();
    assert_eq!(code, Some(0), "{steps}");
    for step in [
        "→ routing",
        "⌕ search",
        "▤ documents",
        "Billing",
        "cache miss",
        "confidence",
    ] {
        assert!(steps.contains(step), "no {step} in\n{steps}");
    }
    assert!(!steps.contains('\x1b'), "no colours where it is no terminal");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_talk_goes_on_after_the_server_was_killed() {
    let server = Server::start().await;
    let port = server.address().port();
    let mut talk = Talk::with(&server, &[]);
    talk.say(QUESTION);
    talk.answer();
    let folder = server.kill();
    talk.say("How long do you keep run logs on the Team plan?");
    let _again = Launch::new().in_folder_of(&folder).port(port).start().await;
    assert!(!talk.answer().is_empty());
    let (code, steps) = talk.end();
    assert_eq!(code, Some(0), "{steps}");
    assert_eq!(steps.matches("connected again").count(), 1, "{steps}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_can_be_taken_up_by_its_id() {
    let server = Server::start().await;
    let mut first = Talk::with(&server, &[]);
    first.say(QUESTION);
    first.answer();
    let (_, steps) = first.end();
    let id = steps
        .split_whitespace()
        .find(|word| word.len() == 36)
        .unwrap()
        .to_owned();
    let mut second = Talk::with(&server, &["--session", &id]);
    second.say(QUESTION);
    second.answer();
    let (code, steps) = second.end();
    assert!(
        code == Some(0) && steps.contains(&format!("session {id}")) && !steps.contains("new session"),
        "{steps}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_token_a_server_is_not_talked_with() {
    let token = "a-token_of_43_characters_0123456789abcdefgh";
    let server = Launch::new().setting("auth.token", token).start().await;
    let (code, said) = Talk::with(&server, &[]).end();
    assert!(code == Some(1) && said.contains("--token"), "{code:?} {said}");
    let mut talk = Talk::with(&server, &["--token", token]);
    talk.say(QUESTION);
    talk.answer();
    let (code, said) = talk.end();
    assert!(code == Some(0) && !said.contains(token), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_that_makes_no_sense_ends_a_script_with_code_2() {
    let server = Server::start().await;
    let mut talk = Talk::with(&server, &[]);
    talk.say("/frseh What?");
    let (code, said) = talk.end();
    assert!(code == Some(2) && said.contains("/frseh"), "{code:?} {said}");
}
