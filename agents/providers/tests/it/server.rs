//! A server that says exactly what a script says, and remembers what it was asked and when it was left.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// One thing that the server does.
#[derive(Debug, Clone)]
pub(crate) enum Act {
    /// Sends bytes as they are.
    Raw(Vec<u8>),
    /// Sends bytes as one HTTP chunk.
    Chunk(Vec<u8>),
    /// Ends the answer as HTTP has it.
    End,
    /// Says nothing for a while.
    Wait(Duration),
    /// Says nothing until the client goes.
    Hang,
}

/// A request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) path: String,
    pub(crate) headers: HashMap<String, String>,
    pub(crate) body: Value,
    pub(crate) at: Instant,
}

/// A server for as long as it is not dropped. What it does to each request, in order; the last script goes for all that follow.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Seen>>,
    accepting: JoinHandle<()>,
}

#[derive(Default)]
struct Seen {
    asked: Vec<Asked>,
    /// When clients went while the server hung or spoke.
    left: Vec<Instant>,
}

impl Server {
    pub(crate) async fn start(scripts: Vec<Vec<Act>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Seen::default()));
        let accepting = tokio::spawn(accept(listener, Arc::new(scripts), Arc::clone(&seen)));
        Self {
            address,
            seen,
            accepting,
        }
    }

    pub(crate) fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.seen.lock().unwrap().asked.clone()
    }

    /// Waits until `count` requests have come.
    pub(crate) async fn was_asked(&self, count: usize) {
        while self.seen.lock().unwrap().asked.len() < count {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Waits until `count` clients have gone, and says when the last of them did.
    pub(crate) async fn was_left(&self, count: usize) -> Instant {
        loop {
            if let Some(at) = self.seen.lock().unwrap().left.get(count - 1) {
                return *at;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, scripts: Arc<Vec<Vec<Act>>>, seen: Arc<Mutex<Seen>>) {
    loop {
        let (socket, _) = listener.accept().await.unwrap();
        socket.set_nodelay(true).unwrap();
        tokio::spawn(serve(socket, Arc::clone(&scripts), Arc::clone(&seen)));
    }
}

async fn serve(mut socket: TcpStream, scripts: Arc<Vec<Vec<Act>>>, seen: Arc<Mutex<Seen>>) {
    while let Some(asked) = read_request(&mut socket).await {
        let place = {
            let mut seen = seen.lock().unwrap();
            seen.asked.push(asked);
            (seen.asked.len() - 1).min(scripts.len() - 1)
        };
        if perform(&mut socket, &scripts[place]).await.is_err() {
            seen.lock().unwrap().left.push(Instant::now());
            return;
        }
        // What ends without an end of HTTP ends with the connection.
        if !matches!(scripts[place].last(), Some(Act::End)) {
            return;
        }
    }
}

struct Left;

async fn perform(socket: &mut TcpStream, script: &[Act]) -> Result<(), Left> {
    for act in script {
        match act {
            Act::Raw(bytes) => socket.write_all(bytes).await.map_err(|_| Left)?,
            Act::Chunk(bytes) => {
                let mut chunk = format!("{:x}\r\n", bytes.len()).into_bytes();
                chunk.extend_from_slice(bytes);
                chunk.extend_from_slice(b"\r\n");
                socket.write_all(&chunk).await.map_err(|_| Left)?;
            }
            Act::End => socket.write_all(b"0\r\n\r\n").await.map_err(|_| Left)?,
            Act::Wait(time) => tokio::time::sleep(*time).await,
            Act::Hang => {
                let mut byte = [0];
                match socket.read(&mut byte).await {
                    Ok(0) | Err(_) => return Err(Left),
                    Ok(_) => panic!("a client has sent more than its request"),
                }
            }
        }
    }
    Ok(())
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
    let path = lines.next()?.split(' ').nth(1)?.to_owned();
    let headers: HashMap<String, String> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
        .collect();
    let length: usize = headers["content-length"].parse().unwrap();
    while bytes.len() < head_end + length {
        if socket.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
    Some(Asked {
        path,
        headers,
        body: serde_json::from_slice(&bytes[head_end..]).unwrap(),
        at: Instant::now(),
    })
}

/// The head of an answer that streams.
pub(crate) fn head(content_type: &str) -> Act {
    let head = format!("HTTP/1.1 200 OK\r\ncontent-type: {content_type}\r\ntransfer-encoding: chunked\r\n\r\n");
    Act::Raw(head.into_bytes())
}

/// An answer in one piece.
pub(crate) fn refusal(status: &str, headers: &str, body: &str) -> Vec<Act> {
    let length = body.len();
    let text = format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n{headers}\r\n{body}"
    );
    vec![Act::Raw(text.into_bytes())]
}

/// An answer whose body is cut into chunks of `size` bytes, each sent by itself.
pub(crate) fn cut(content_type: &str, body: &str, size: usize) -> Vec<Act> {
    let mut acts = vec![head(content_type)];
    acts.extend(body.as_bytes().chunks(size).map(|piece| Act::Chunk(piece.to_vec())));
    acts.push(Act::End);
    acts
}
