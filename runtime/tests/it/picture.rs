//! The picture of the README: a real talk with a real server, as the terminal shows it.
//!
//! `UPDATE_DOCS=1 cargo test -p orchestratai picture` makes it anew.

use std::{
    fs::{self, File},
    io::Write as _,
    path::Path,
    process::Stdio,
};

use crate::server::{Server, orchestratai};

/// What is asked in the picture: two questions for two agents.
const QUESTIONS: [&str; 2] = [
    "How do I rotate my API key without downtime?",
    "Can I get a refund of my annual plan?",
];

/// As wide as a page shows without scrolling.
const COLUMNS: usize = 110;

#[tokio::test]
async fn the_picture_of_the_readme_shows_a_real_talk() {
    let server = Server::start().await;
    let talk = server.folder().path().join("talk.ansi");
    let mut chat = orchestratai();
    chat.args(["chat", "--url", &format!("ws://{}/api/ws", server.address())]);
    chat.env_remove("NO_COLOR")
        .env("CLICOLOR_FORCE", "1")
        .stdin(Stdio::piped());
    let file = File::create(&talk).unwrap();
    chat.stderr(file.try_clone().unwrap()).stdout(file);
    let output = tokio::task::spawn_blocking(move || {
        let mut child = chat.spawn().unwrap();
        let mut input = child.stdin.take().unwrap();
        writeln!(input, "{}", QUESTIONS.join("\n")).unwrap();
        drop(input);
        child.wait().unwrap()
    });
    assert!(output.await.unwrap().success());
    let ansi = fs::read_to_string(talk).unwrap();
    for step in ["routing", "search", "documents", "30 days", "[1]", "confidence"] {
        assert!(ansi.contains(step), "the talk shows no {step}:\n{ansi}");
    }
    let mut shown = String::new();
    let mut answers = ansi.as_str();
    for question in QUESTIONS {
        // A script's input is not echoed; a person sees what they typed.
        let end = answers
            .find("USD")
            .or_else(|| answers.find("$0.0000"))
            .unwrap_or(answers.len() - 1);
        let end = answers[end..].find('\n').map_or(answers.len(), |line| end + line + 1);
        let (answer, rest) = answers.split_at(end);
        shown += &format!("\u{1b}[1m› {question}\u{1b}[0m\n{answer}\n");
        answers = rest;
    }
    let shown: String = shown.lines().map(wrapped).collect();
    let picture = anstyle_svg::Term::new().render_svg(&shown);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/images/chat.svg");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, &picture).unwrap();
    }
    let kept = fs::read_to_string(&path).expect("the picture is there: run with UPDATE_DOCS=1");
    for question in QUESTIONS {
        assert!(
            kept.contains(question),
            "the picture shows another talk: run with UPDATE_DOCS=1"
        );
    }
}

/// A line as a terminal of [`COLUMNS`] columns shows it, broken between words; escape sequences take no room.
fn wrapped(line: &str) -> String {
    let (mut out, mut column) = (String::new(), 0);
    for word in line.split_inclusive(' ') {
        let mut escaped = false;
        let width = word.chars().filter(|c| {
            let counts = !escaped && *c != '\u{1b}';
            escaped = (escaped && *c != 'm') || *c == '\u{1b}';
            counts
        });
        let width = width.count();
        if column > 0 && column + width > COLUMNS {
            out.push('\n');
            column = 0;
        }
        out.push_str(word);
        column += width;
    }
    out.push('\n');
    out
}
