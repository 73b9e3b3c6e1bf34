//! A server that says exactly what a script says, and remembers what it was asked and when it was left.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use orchestratai_testing::http_server::{self, ClientLeft, HttpConnection, HttpServer, chunk};
use serde_json::Value;

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
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Value,
    pub(crate) at: Instant,
}

/// A server for as long as it is not dropped. What it does to each request, in order; the last script goes for all that follow.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Seen>>,
    _server: HttpServer,
}

#[derive(Default)]
struct Seen {
    asked: Vec<Asked>,
    /// When clients went while the server hung or spoke.
    left: Vec<Instant>,
}

impl Server {
    pub(crate) async fn start(scripts: Vec<Vec<Act>>) -> Self {
        let (scripts, seen) = (Arc::new(scripts), Arc::<Mutex<Seen>>::default());
        let known = Arc::clone(&seen);
        let server =
            HttpServer::start(move |connection| serve(connection, Arc::clone(&scripts), Arc::clone(&known))).await;
        Self {
            address: server.address(),
            seen,
            _server: server,
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

async fn serve(mut connection: HttpConnection, scripts: Arc<Vec<Vec<Act>>>, seen: Arc<Mutex<Seen>>) {
    while let Some(request) = connection.request().await {
        let asked = Asked {
            path: request.path,
            headers: request.headers,
            body: serde_json::from_str(&request.body).unwrap(),
            at: Instant::now(),
        };
        let place = {
            let mut seen = seen.lock().unwrap();
            seen.asked.push(asked);
            (seen.asked.len() - 1).min(scripts.len() - 1)
        };
        if perform(&mut connection, &scripts[place]).await.is_err() {
            seen.lock().unwrap().left.push(Instant::now());
            return;
        }
        // What ends without an end of HTTP ends with the connection.
        if !matches!(scripts[place].last(), Some(Act::End)) {
            return;
        }
    }
}

async fn perform(connection: &mut HttpConnection, script: &[Act]) -> Result<(), ClientLeft> {
    for act in script {
        match act {
            Act::Raw(bytes) => connection.send(bytes).await?,
            Act::Chunk(bytes) => connection.send(chunk(bytes)).await?,
            Act::End => connection.send(http_server::LAST_CHUNK).await?,
            Act::Wait(time) => tokio::time::sleep(*time).await,
            Act::Hang => return Err(connection.hang().await),
        }
    }
    Ok(())
}

/// The head of an answer that streams.
pub(crate) fn head(content_type: &str) -> Act {
    Act::Raw(http_server::streamed(&format!("content-type: {content_type}\r\n")).into_bytes())
}

/// An answer in one piece.
pub(crate) fn refusal(status: &str, headers: &str, body: &str) -> Vec<Act> {
    let headers = format!("content-type: application/json\r\n{headers}");
    let text = http_server::answer(status, &headers, body);
    vec![Act::Raw(text.into_bytes())]
}

/// An answer whose body is cut into chunks of `size` bytes, each sent by itself.
pub(crate) fn cut(content_type: &str, body: &str, size: usize) -> Vec<Act> {
    let mut acts = vec![head(content_type)];
    acts.extend(body.as_bytes().chunks(size).map(|piece| Act::Chunk(piece.to_vec())));
    acts.push(Act::End);
    acts
}
