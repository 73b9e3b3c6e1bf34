//! An HTTP server that does to each request exactly what a test says, over a real socket: providers, APIs and whoever else a test has to play.
//!
//! What a test scripts is its own; here is what all of them share: connections, requests as they came, and answers byte by byte, so that an
//! answer may also be none, break off, or come in pieces.

use std::{collections::BTreeMap, future::Future, net::SocketAddr};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// A request as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpRequest {
    /// In capitals.
    pub method: String,
    /// With the query.
    pub path: String,
    /// By their names in lower case.
    pub headers: BTreeMap<String, String>,
    /// As text; what is none is marked in it.
    pub body: String,
}

impl HttpRequest {
    /// The value of a header by its name in lower case; empty where there is none.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

/// A server on a free port of the loopback, for as long as it is not dropped.
#[derive(Debug)]
pub struct HttpServer {
    address: SocketAddr,
    accepting: JoinHandle<()>,
}

impl HttpServer {
    /// Starts one that does with each connection what `serve` does.
    ///
    /// # Panics
    /// Where the system has no port left.
    pub async fn start<S, F>(serve: S) -> Self
    where
        S: Fn(HttpConnection) -> F + Send + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let address = listener.local_addr().expect("its address");
        let accepting = tokio::spawn(async move {
            // A connection that is gone before it is taken is nobody's.
            loop {
                if let Ok((socket, _)) = listener.accept().await {
                    let _ = socket.set_nodelay(true);
                    tokio::spawn(serve(HttpConnection { socket }));
                }
            }
        });
        Self { address, accepting }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its address without a path.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for HttpServer {
    /// Takes no more connections; those that there are end as their tests say.
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// A connection, which is closed where it is dropped.
#[derive(Debug)]
pub struct HttpConnection {
    socket: TcpStream,
}

/// The client has gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientLeft;

impl HttpConnection {
    /// The next request; none where the client goes before all of it is there.
    ///
    /// # Panics
    /// Where it is none of HTTP, or has a body without a length.
    pub async fn request(&mut self) -> Option<HttpRequest> {
        let mut bytes = Vec::new();
        let head_end = loop {
            if let Some(at) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
                break at + 4;
            }
            if self.socket.read_buf(&mut bytes).await.ok()? == 0 {
                return None;
            }
        };
        let head = std::str::from_utf8(&bytes[..head_end]).expect("a head of HTTP is text");
        let mut lines = head.lines();
        let mut line = lines.next()?.split(' ');
        let (method, path) = (line.next()?.to_owned(), line.next()?.to_owned());
        let headers: BTreeMap<String, String> = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_lowercase(), value.trim().to_owned()))
            .collect();
        assert!(
            !headers.contains_key("transfer-encoding"),
            "a request in chunks is not read"
        );
        let length = headers
            .get("content-length")
            .map_or(0, |length| length.parse().expect("a length is a number"));
        while bytes.len() < head_end + length {
            if self.socket.read_buf(&mut bytes).await.ok()? == 0 {
                return None;
            }
        }
        Some(HttpRequest {
            method,
            path,
            headers,
            body: String::from_utf8_lossy(&bytes[head_end..head_end + length]).into_owned(),
        })
    }

    /// Sends bytes as they are.
    ///
    /// # Errors
    /// Where the client has gone.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]> + Send) -> Result<(), ClientLeft> {
        self.socket.write_all(bytes.as_ref()).await.map_err(|_gone| ClientLeft)
    }

    /// Says nothing until the client goes.
    ///
    /// # Panics
    /// Where it sends more instead.
    pub async fn hang(&mut self) -> ClientLeft {
        match self.socket.read(&mut [0]).await {
            Ok(0) | Err(_) => ClientLeft,
            Ok(_) => panic!("a client has sent more than its request"),
        }
    }
}

/// The head of an answer that comes in chunks, such as a stream of events; [`chunk`] makes them and [`LAST_CHUNK`] ends it. `headers` are
/// whole lines.
#[must_use]
pub fn streamed(headers: &str) -> String {
    format!("HTTP/1.1 200 OK\r\n{headers}transfer-encoding: chunked\r\n\r\n")
}

/// One chunk of an answer.
#[must_use]
pub fn chunk(bytes: &[u8]) -> Vec<u8> {
    let mut chunk = format!("{:x}\r\n", bytes.len()).into_bytes();
    chunk.extend_from_slice(bytes);
    chunk.extend_from_slice(b"\r\n");
    chunk
}

/// The end of an answer in chunks.
pub const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// A server-sent event with these data.
#[must_use]
pub fn event(data: &str) -> String {
    format!("data: {data}\n\n")
}

/// An answer in one piece; `headers` are whole lines.
#[must_use]
pub fn answer(status: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\n{headers}\r\n{body}")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a client gets for these bytes, until the server closes.
    async fn told(server: &HttpServer, bytes: &str) -> String {
        let mut socket = TcpStream::connect(server.address()).await.unwrap();
        socket.write_all(bytes.as_bytes()).await.unwrap();
        socket.shutdown().await.unwrap();
        let mut told = String::new();
        socket.read_to_string(&mut told).await.unwrap();
        told
    }

    #[tokio::test]
    async fn each_request_of_a_connection_is_read_as_it_came() {
        let server = HttpServer::start(|mut connection| async move {
            while let Some(request) = connection.request().await {
                let body = format!(
                    "{} {} {} {}",
                    request.method,
                    request.path,
                    request.header("x-a"),
                    request.body
                );
                connection.send(answer("200 OK", "", &body)).await.unwrap();
            }
        })
        .await;
        let first = "POST /a?b HTTP/1.1\r\nX-A:  one \r\nContent-Length: 3\r\n\r\nabc";
        let ok = |body: &str| answer("200 OK", "", body);
        assert_eq!(told(&server, first).await, ok("POST /a?b one abc"));
        assert_eq!(told(&server, "GET / HTTP/1.1\r\n\r\n").await, ok("GET /  "));
        assert_eq!(told(&server, &first[..first.len() - 1]).await, "", "it was not whole");
    }

    #[tokio::test]
    async fn an_answer_may_break_off_and_a_client_that_goes_is_noticed() {
        let (gone, mut seen) = tokio::sync::mpsc::channel(1);
        let server = HttpServer::start(move |mut connection| {
            let gone = gone.clone();
            async move {
                let path = connection.request().await.unwrap().path;
                connection.send(streamed("content-type: text/plain\r\n")).await.unwrap();
                connection.send(chunk(b"half")).await.unwrap();
                if path == "/hang" {
                    gone.send(connection.hang().await).await.unwrap();
                }
            }
        })
        .await;
        assert!(told(&server, "GET / HTTP/1.1\r\n\r\n").await.ends_with("4\r\nhalf\r\n"));
        told(&server, "GET /hang HTTP/1.1\r\n\r\n").await;
        assert_eq!(seen.recv().await, Some(ClientLeft));
    }
}
