//! An HTTP server that answers by the path it is asked for, and remembers what it was asked.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use orchestratai_testing::http_server::{HttpConnection, HttpServer, answer};

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
    _server: HttpServer,
}

impl Api {
    pub(crate) async fn start() -> Self {
        let seen = Arc::<Mutex<Seen>>::default();
        let known = Arc::clone(&seen);
        let server = HttpServer::start(move |connection| serve(connection, Arc::clone(&known))).await;
        Self {
            address: server.address(),
            seen,
            _server: server,
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

/// One connection, one request.
async fn serve(mut connection: HttpConnection, seen: Arc<Mutex<Seen>>) {
    let Some(request) = connection.request().await else {
        return;
    };
    let path = request.path.clone();
    seen.lock().unwrap().asked.push(Asked {
        line: format!("{} {path}", request.method),
        headers: request.headers,
        body: request.body,
    });
    let last =
        |status: &str, headers: &str, body: &str| answer(status, &format!("connection: close\r\n{headers}"), body);
    let json = |status: &str, body: &str| last(status, "content-type: application/json\r\n", body);
    let told = match path.as_str() {
        "/v1/hang" => {
            connection.hang().await;
            seen.lock().unwrap().left += 1;
            return;
        }
        "/v1/drop" => return,
        "/v1/half" => {
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{\"begun\":".into()
        }
        "/v1/away" => last("302 Found", "location: http://127.0.0.1:9/stolen\r\n", ""),
        "/v1/slow" => json("504 Gateway Timeout", r#"{"error":"no answer"}"#),
        "/v1/missing" => json("404 Not Found", r#"{"error":"there is no such order"}"#),
        "/v1/nothing" => last("204 No Content", "", ""),
        "/v1/picture" => last("200 OK", "content-type: image/png\r\n", "\u{1}\u{2}"),
        "/v1/huge" => last("200 OK", "content-type: text/plain\r\n", &"ä".repeat(1_000_000)),
        _ => json("200 OK", r#"{"fine":true}"#),
    };
    let _ = connection.send(told).await;
}
