//! A provider of chat completions that says what its script says, over a real socket.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// One thing that it says or does.
#[derive(Debug, Clone)]
pub(crate) enum Said {
    /// The next piece of the answer.
    Text(String),
    /// An event with these data.
    Event(String),
    /// The end, with what it took.
    End { input: u64, output: u64 },
    /// Nothing, until the client goes.
    Hang,
    /// The connection breaks off.
    Die,
    /// A refusal with a status and headers, in place of an answer.
    Refuse(&'static str, &'static str),
    /// A refusal with a status and a body.
    RefuseWith(&'static str, String),
    /// A refusal with a status that repeats all that was sent, the key among it, wherever an error has room for words.
    Echo(&'static str),
    /// These bytes, whatever they are.
    Bytes(String),
}

/// A request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) authorization: String,
    pub(crate) body: Value,
}

impl Asked {
    /// An error that repeats all of it.
    fn echoed(&self) -> String {
        let key = self.authorization.trim_start_matches("Bearer ");
        let body = self.body.to_string();
        let last = self.body["messages"].as_array().and_then(|messages| messages.last());
        let last = last.map_or(&Value::Null, |message| &message["content"]);
        let error = json!({"message": body, "code": key, "type": last, "status": key, "param": body});
        json!({"error": error, "message": body, "detail": last}).to_string()
    }
}

#[derive(Default)]
struct Seen {
    asked: Vec<Asked>,
    left: Vec<Instant>,
}

/// A provider for as long as it is not dropped. Each request gets the next script, and all that follow the last one.
pub(crate) struct Provider {
    address: SocketAddr,
    seen: Arc<Mutex<Seen>>,
    accepting: JoinHandle<()>,
}

impl Provider {
    pub(crate) async fn start(scripts: Vec<Vec<Said>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, seen) = (listener.local_addr().unwrap(), Arc::<Mutex<Seen>>::default());
        let (scripts, known) = (Arc::new(scripts), Arc::clone(&seen));
        let accepting = tokio::spawn(async move {
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                tokio::spawn(serve(socket, Arc::clone(&scripts), Arc::clone(&known)));
            }
        });
        Self {
            address,
            seen,
            accepting,
        }
    }

    pub(crate) fn base_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.seen.lock().unwrap().asked.clone()
    }

    /// Waits until `count` clients have gone while it hung, and says when the last of them did.
    pub(crate) async fn was_left(&self, count: usize) -> Instant {
        let waiting = async {
            loop {
                if let Some(at) = self.seen.lock().unwrap().left.get(count - 1) {
                    return *at;
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), waiting)
            .await
            .expect("the client goes")
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// One connection, one request.
async fn serve(mut socket: TcpStream, scripts: Arc<Vec<Vec<Said>>>, seen: Arc<Mutex<Seen>>) {
    socket.set_nodelay(true).unwrap();
    let Some(asked) = read_request(&mut socket).await else {
        return;
    };
    let echo = asked.echoed();
    let place = {
        let mut seen = seen.lock().unwrap();
        seen.asked.push(asked);
        (seen.asked.len() - 1).min(scripts.len() - 1)
    };
    let mut has_begun = false;
    for said in &scripts[place] {
        let answers = matches!(said, Said::Text(_) | Said::Event(_) | Said::End { .. });
        if answers && !std::mem::replace(&mut has_begun, true) {
            let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n";
            if socket.write_all(head.as_bytes()).await.is_err() {
                return;
            }
        }
        let bytes = match said {
            Said::Text(text) => event(&json!({"choices": [{"delta": {"content": text}}]}).to_string()),
            Said::Event(data) => event(data),
            Said::End { input, output } => {
                let stop = json!({"choices": [{"delta": {}, "finish_reason": "stop"}]}).to_string();
                let usage = json!({"choices": [], "usage": {"prompt_tokens": input, "completion_tokens": output}});
                event(&stop) + &event(&usage.to_string()) + &event("[DONE]") + "0\r\n\r\n"
            }
            Said::Hang => {
                if is_left(&mut socket).await {
                    seen.lock().unwrap().left.push(Instant::now());
                }
                return;
            }
            Said::Die => return,
            Said::Refuse(status, headers) => refusal(status, headers, "{}"),
            Said::RefuseWith(status, body) => refusal(status, "", body),
            Said::Echo(status) => refusal(status, "", &echo),
            Said::Bytes(bytes) => bytes.clone(),
        };
        if socket.write_all(bytes.as_bytes()).await.is_err() {
            return;
        }
        // So that each is a piece of its own on the way.
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn event(data: &str) -> String {
    let event = format!("data: {data}\n\n");
    format!("{:x}\r\n{event}\r\n", event.len())
}

fn refusal(status: &str, headers: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n{headers}\r\n{body}",
        body.len()
    )
}

/// Waits until the client says something or goes, and says whether it has gone.
pub(super) async fn is_left(socket: &mut TcpStream) -> bool {
    let mut byte = [0];
    matches!(socket.read(&mut byte).await, Ok(0) | Err(_))
}

pub(super) async fn read_request(socket: &mut TcpStream) -> Option<Asked> {
    let mut bytes = Vec::new();
    let head_end = loop {
        if let Some(at) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break at + 4;
        }
        if socket.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8(bytes[..head_end].to_vec()).unwrap();
    let header = |wanted: &str| {
        let mut lines = head.lines().filter_map(|line| line.split_once(": "));
        lines
            .find(|(name, _)| name.eq_ignore_ascii_case(wanted))
            .map(|(_, value)| value.to_owned())
    };
    let length: usize = header("content-length")?.parse().unwrap();
    while bytes.len() < head_end + length {
        if socket.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
    Some(Asked {
        authorization: header("authorization").unwrap_or_default(),
        body: serde_json::from_slice(&bytes[head_end..]).unwrap(),
    })
}
