//! Ten thousand streams at once, and what one of them takes.

use std::{
    env,
    io::{BufRead, BufReader, Write},
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::StreamExt;
use orchestratai_agents::language::{ChatEvent, LanguageModel};
use orchestratai_providers::{Endpoint, HttpModel, Key, ProviderKind, Timeouts};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    sync::watch,
    task::JoinSet,
};

use crate::{
    halves::{Halves, halves},
    telling::question,
};

const STREAMS: usize = 10_000;
/// Above its text.
const BYTES_MAX: usize = 64 * 1024;
const PEER: &str = "ORCHESTRATAI_TEST_PEER";

#[test]
fn ten_thousand_streams_at_once_are_all_answered_and_each_takes_less_than_64_kib() {
    rlimit::increase_nofile_limit(u64::MAX).unwrap();
    for kind in ProviderKind::ALL {
        let bytes_each = answered_at_once(kind);
        println!("{kind:?}: {bytes_each} bytes each");
        assert!(bytes_each < BYTES_MAX, "{kind:?}: {bytes_each} bytes each");
    }
}

fn answered_at_once(kind: ProviderKind) -> usize {
    // The other side in a process of its own: both would not find room among the files that one may have open.
    let peer = Command::new(env::current_exe().unwrap())
        .args(["--exact", "many::the_other_side", "--nocapture"])
        .env(PEER, format!("{kind:?}"))
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn();
    let mut peer = Peer(peer.unwrap());
    let mut lines = BufReader::new(peer.0.stdout.take().unwrap()).lines();
    let port = lines.find_map(|line| line.unwrap().rsplit_once("port ")?.1.parse::<u16>().ok());
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(all_at_once(kind, port.unwrap()))
}

/// The other side; it ends with the test, however that ends.
struct Peer(Child);

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Holds all streams open at once, then hears them to the end. Gives the memory that each took.
async fn all_at_once(kind: ProviderKind, port: u16) -> usize {
    let endpoint = Endpoint {
        kind,
        base_url: format!("http://127.0.0.1:{port}"),
        model: "m".into(),
        key: Some(Key::new("test-key")),
    };
    let long = Duration::from_secs(120);
    let timeouts = Timeouts {
        connect: long,
        first_token: long,
        idle: long,
    };
    let model = HttpModel::new(endpoint, timeouts).unwrap();
    let request = Arc::new(question());
    let before = resident_bytes();
    let begun = Arc::new(AtomicUsize::new(0));
    let mut streams = JoinSet::new();
    for _ in 0..STREAMS {
        let (mut stream, begun) = (model.chat(Arc::clone(&request)), Arc::clone(&begun));
        streams.spawn(async move {
            let mut text = String::new();
            while let Some(event) = stream.next().await {
                match event.unwrap() {
                    ChatEvent::TextDelta(delta) => {
                        begun.fetch_add(usize::from(text.is_empty()), Ordering::SeqCst);
                        text.push_str(&delta);
                    }
                    ChatEvent::Stopped(_) => return text,
                    ChatEvent::ToolCall(_) | ChatEvent::Usage(_) | ChatEvent::Warned(_) => {}
                }
            }
            panic!("a stream has no end")
        });
    }
    // The other side says the second half only when all have heard the first.
    while begun.load(Ordering::SeqCst) < STREAMS {
        // A stream that has ended already has failed, and says how.
        if let Some(ended) = streams.try_join_next() {
            panic!("a stream ended before all had begun: {ended:?}");
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let each = resident_bytes().saturating_sub(before) / STREAMS;
    TcpStream::connect(("127.0.0.1", port))
        .await
        .unwrap()
        .write_all(b"GO")
        .await
        .unwrap();
    while let Some(text) = streams.join_next().await {
        assert_eq!(text.unwrap(), "Grüße 🦀");
    }
    each
}

fn resident_bytes() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    let kib: usize = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kib * 1024
}

/// Not a test of its own: what the one above starts.
#[test]
fn the_other_side() {
    let Some(kind) = env::var_os(PEER) else { return };
    let kind = ProviderKind::ALL
        .into_iter()
        .find(|known| kind == format!("{known:?}").as_str());
    let kind = kind.expect("a kind of provider");
    rlimit::increase_nofile_limit(u64::MAX).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = socket.listen(4_096).unwrap();
        println!("port {}", listener.local_addr().unwrap().port());
        std::io::stdout().flush().unwrap();
        let (go, heard) = watch::channel(false);
        let go = Arc::new(go);
        loop {
            let (socket, _) = listener.accept().await.unwrap();
            tokio::spawn(other_side_of(kind, socket, Arc::clone(&go), heard.clone()));
        }
    });
}

async fn other_side_of(
    kind: ProviderKind,
    mut socket: TcpStream,
    go: Arc<watch::Sender<bool>>,
    mut heard: watch::Receiver<bool>,
) {
    let mut asked = Vec::new();
    while !asked.windows(4).any(|window| window == b"\r\n\r\n") {
        if socket.read_buf(&mut asked).await.unwrap_or(0) == 0 || asked.starts_with(b"GO") {
            go.send_replace(true);
            return;
        }
    }
    let Halves {
        content_type,
        first,
        rest,
    } = halves(kind);
    let head = format!("HTTP/1.1 200 OK\r\ncontent-type: {content_type}\r\nconnection: close\r\n\r\n");
    // Cut in the middle of a letter.
    let (text, middle) = (format!("{head}{first}"), first.find('ü').unwrap() + 1 + head.len());
    for piece in [&text.as_bytes()[..middle], &text.as_bytes()[middle..]] {
        if socket.write_all(piece).await.is_err() {
            return;
        }
        tokio::task::yield_now().await;
    }
    let _ = heard.wait_for(|go| *go).await;
    let _ = socket.write_all(rest.as_bytes()).await;
    // Closed with something unread, the connection would be reset, and Gemini's answers end with the connection.
    let _ = socket.shutdown().await;
    while socket.read_buf(&mut asked).await.unwrap_or(0) > 0 {
        asked.clear();
    }
}
