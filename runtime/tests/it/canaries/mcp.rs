//! Servers of the Model Context Protocol that tell what is secret wherever they can tell anything: as a process, and over HTTP.

use std::process::Stdio;

use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};

use super::*;

const PYTHON: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/python/bin/python");
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/canaries/mcp_server.py");
const NOTES_KEY: &str = "canary-of-notes-0123456789";

/// A server over HTTP for as long as it is not dropped.
struct Served {
    url: String,
    _child: Child,
}

impl Served {
    async fn start() -> Self {
        let mut child = Command::new(PYTHON)
            .args([SCRIPT, "http"])
            .env("NOTES_KEY", NOTES_KEY)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| panic!("{PYTHON}: {error} (scripts/bootstrap installs it)"));
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let port = lines.next_line().await.unwrap().unwrap();
        Self {
            url: format!("http://127.0.0.1:{port}/mcp"),
            _child: child,
        }
    }
}

/// Agents of which the technical one has the tools of both servers, whose writing a person approves.
fn with_both(launch: Launch, served: &Served, agents: &TempDir) -> Launch {
    launch
        .setting("agents.dir", agents.path().to_str().unwrap())
        .setting("models.answering", "first")
        .setting("tools.papers__kind", "mcp")
        .setting("tools.papers__command", PYTHON)
        .setting("tools.papers__args", &format!("{SCRIPT},stdio"))
        .setting("tools.papers__env", "NOTES_KEY")
        .setting("tools.papers__approval", "papers_write")
        .setting("tools.letters__kind", "mcp")
        .setting("tools.letters__url", &served.url)
        .setting("tools.letters__token_env", "NOTES_KEY")
        .setting("tools.locked__kind", "mcp")
        .setting("tools.locked__url", &served.url)
        .setting("tools.locked__token_env", "WRONG_KEY")
        .variable("NOTES_KEY", NOTES_KEY)
        .variable("WRONG_KEY", "canary-that-is-wrong")
}

/// The results of calls among frames: the tool, how it ended, and what the record has of it.
fn ended(frames: &[Frame]) -> Vec<(String, String, String)> {
    let of_call = frames.iter().filter(|frame| frame.kind() == "tool_call");
    let ended = of_call.filter(|frame| frame.data()["status"] != "started");
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    ended
        .map(|frame| {
            let data = frame.data();
            (text(&data["tool"]), text(&data["status"]), text(&data["result"]))
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_a_tool_server_tells_none_of_it_is_in_logs_traces_or_metrics() {
    let arguments = json!({"text": "a canarybird of ada.canary@example.org"}).to_string();
    let said = || {
        vec![
            Said::Text("The canarykeeper was told. See [1].".into()),
            Said::End { input: 20, output: 7 },
        ]
    };
    let mut scripts = Vec::new();
    for (place, tool) in ["write", "refuse", "raise", "die"].iter().enumerate() {
        scripts.push(calls(&format!("c{place}"), &format!("papers_{tool}"), &arguments));
    }
    // The process is started anew; this time nobody lets it write.
    scripts.push(calls("c4", "papers_write", &arguments));
    scripts.push(said());
    for (place, tool) in ["write", "refuse", "raise", "break", "write"].iter().enumerate() {
        scripts.push(calls(&format!("d{place}"), &format!("letters_{tool}"), &arguments));
    }
    scripts.push(said());
    let provider = Provider::start(scripts).await;
    let (agents, served) = (
        agents("\"papers_*\", \"letters_*\", \"locked_*\""),
        Served::start().await,
    );
    let launch = model(
        with_both(Launch::new(), &served, &agents),
        "first",
        &provider.base_url(),
    );
    let collector = Collector::start();
    let server = start(launch, &collector).await;

    let mut socket = server.socket("").await;
    let is_asked = |frame: &Frame| frame.kind() == "approval_requested";
    let decide = |request: &Frame, data: Value| {
        let mut data = data;
        data["approvalId"] = request.data()["approvalId"].clone();
        json!({"type": "resolve_approval", "data": data})
    };
    socket.ready().await;
    socket.say(QUESTION).await;
    let asked = socket.until(is_asked).await.pop().unwrap();
    assert!(asked.data().to_string().contains("canarybird"), "{}", asked.0);
    let edited = json!({"decision": "approved", "reason": "the canarykeeper says so", "name": "Canary",
        "arguments": {"text": "another canary"}});
    socket.send(&decide(&asked, edited)).await;
    let mut frames = socket.until(is_asked).await;
    let rejected = json!({"decision": "rejected", "reason": "ada.canary@example.org must not", "name": "Canary"});
    socket.send(&decide(frames.last().unwrap(), rejected)).await;
    frames.extend(socket.until(Frame::is_terminal).await);
    assert_eq!(frames.last().unwrap().kind(), "message_completed", "{frames:#?}");
    let of_process = ended(&frames);
    let statuses: Vec<(&str, &str)> = (of_process.iter())
        .map(|(tool, status, _)| (tool.as_str(), status.as_str()))
        .collect();
    let expected = [
        ("papers_write", "succeeded"),
        ("papers_refuse", "failed"),
        ("papers_raise", "failed"),
        ("papers_die", "failed"),
        ("papers_write", "failed"),
    ];
    assert_eq!(statuses, expected, "{of_process:#?}");
    // The server did tell it: the record, which people see, has it whole.
    assert!(
        of_process[0].2.contains("another canary") && of_process[0].2.contains(NOTES_KEY),
        "{of_process:#?}"
    );
    assert!(of_process[1].2.contains("canarybird"), "{of_process:#?}");

    let question = "And once more, how do I rotate an API key without downtime?";
    let frames = socket.turn(question).await;
    assert_eq!(frames.last().unwrap().kind(), "message_completed", "{frames:#?}");
    let over_http = ended(&frames);
    let failed = over_http.iter().filter(|(_, status, _)| status == "failed");
    assert_eq!((over_http.len(), failed.count()), (5, 3), "{over_http:#?}");
    assert!(over_http[0].2.contains("canarybird"), "{over_http:#?}");
    let log = server.log();
    assert!(
        log.contains("a tool is left out"),
        "those that are unfit are told of: {log}"
    );
    check(&server, &collector, 2).await;
}
