//! An HTTP server that answers by the path it is asked for, and remembers what it was asked.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// A request as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asked {
    /// Method and path, with the query.
    pub(crate) line: String,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: String,
}

#[derive(Default)]
struct Seen {
    asked: Vec<Asked>,
    left: usize,
}

/// A server for as long as it is not dropped.
pub(crate) struct Api {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Seen>>,
    accepting: JoinHandle<()>,
}

impl Api {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::<Mutex<Seen>>::default();
        let shared = Arc::clone(&seen);
        let accepting = tokio::spawn(async move {
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                tokio::spawn(serve(socket, Arc::clone(&shared)));
            }
        });
        Self {
            address,
            seen,
            accepting,
        }
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.seen.lock().unwrap().asked.clone()
    }

    /// How many clients have gone while they were kept waiting.
    pub(crate) fn left(&self) -> usize {
        self.seen.lock().unwrap().left
    }
}

impl Drop for Api {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn serve(mut socket: TcpStream, seen: Arc<Mutex<Seen>>) {
    let Some(asked) = read_request(&mut socket).await else {
        return;
    };
    let line = asked.line.clone();
    seen.lock().unwrap().asked.push(asked);
    let path = line.split(' ').nth(1).unwrap();
    let json = |status: &str, body: &str| answer(status, "content-type: application/json\r\n", body);
    let told = match path {
        "/v1/hang" => {
            let _ = socket.read(&mut [0]).await;
            seen.lock().unwrap().left += 1;
            return;
        }
        "/v1/drop" => return,
        "/v1/away" => answer("302 Found", "location: http://127.0.0.1:9/stolen\r\n", ""),
        "/v1/missing" => json("404 Not Found", r#"{"error":"there is no such order"}"#),
        "/v1/nothing" => answer("204 No Content", "", ""),
        "/v1/picture" => answer("200 OK", "content-type: image/png\r\n", "\u{1}\u{2}"),
        "/v1/huge" => answer("200 OK", "content-type: text/plain\r\n", &"ä".repeat(1_000_000)),
        _ => json("200 OK", r#"{"fine":true}"#),
    };
    let _ = socket.write_all(told.as_bytes()).await;
}

fn answer(status: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n{body}")
}

async fn read_request(socket: &mut TcpStream) -> Option<Asked> {
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
    let mut lines = head.lines();
    let line = lines.next()?.rsplit_once(' ')?.0.to_owned();
    let headers: BTreeMap<String, String> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
        .collect();
    let length = headers
        .get("content-length")
        .map_or(0, |length| length.parse().unwrap());
    while bytes.len() < head_end + length {
        if socket.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
    Some(Asked {
        line,
        headers,
        body: String::from_utf8(bytes[head_end..].to_vec()).unwrap(),
    })
}
