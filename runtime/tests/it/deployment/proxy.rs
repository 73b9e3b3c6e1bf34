//! The proxy of `deploy/proxy` with real servers behind it: what passes through, and who is sent to another node.
//!
//! The servers here know nothing of each other. So which of them has a session tells whom the proxy chose.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use orchestratai_shared::SessionId;
use orchestratai_testing::{Haproxy, Postgres, free_port};
use reqwest::{Method, StatusCode, header};
use serde_json::json;
use tokio::time::timeout;

use super::read;
use crate::{
    client::{Rest, Socket},
    server::{Launch, Server},
};

const TOKEN: &str = "a-token_of_43_characters_0123456789abcdefgh";
const QUESTION: &str = "How do I rotate an API key without downtime?";
const PATIENCE: Duration = Duration::from_secs(30);

fn launch() -> Launch {
    Launch::new().setting("auth.token", TOKEN)
}

/// Puts `new` in the place of the one `old`.
fn replaced(text: &str, old: &str, new: &str) -> String {
    assert_eq!(text.matches(old).count(), 1, "{old:?} stands once in the configuration");
    text.replace(old, new)
}

/// The proxy as it is deployed, but for the ports, and for where its nodes are.
pub(crate) struct Proxy {
    haproxy: Haproxy,
    clients: SocketAddr,
    observers: u16,
}

impl Proxy {
    /// Before nodes at these addresses, at most three; the others are away.
    pub(crate) async fn before(nodes: &[SocketAddr]) -> Self {
        let (clients, observers) = (free_port(), free_port());
        let mut text = read("deploy/proxy/haproxy.cfg");
        text = replaced(&text, "bind :8080\n", &format!("bind 127.0.0.1:{clients}\n"));
        text = replaced(&text, "bind :8405\n", &format!("bind 127.0.0.1:{observers}\n"));
        for (place, name) in ["runtime", "node-2", "node-3"].into_iter().enumerate() {
            let away = SocketAddr::from(([127, 0, 0, 1], free_port()));
            let address = nodes.get(place).copied().unwrap_or(away);
            text = replaced(&text, &format!(" {name}:8000\n"), &format!(" {address}\n"));
        }
        let haproxy = tokio::task::spawn_blocking(move || Haproxy::start(&text, clients));
        let proxy = Self {
            haproxy: haproxy.await.unwrap(),
            clients: SocketAddr::from(([127, 0, 0, 1], clients)),
            observers,
        };
        for place in 0..3 {
            proxy
                .until(place, if place < nodes.len() { "UP" } else { "DOWN" })
                .await;
        }
        proxy
    }

    fn rest(&self) -> Rest {
        Rest::new(format!("http://{}", self.clients), Some(TOKEN))
    }

    /// Where it tells Prometheus and health checks how it is.
    pub(crate) fn observers(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.observers))
    }

    /// What it tells them.
    pub(crate) fn observed(&self) -> Rest {
        Rest::new(format!("http://{}", self.observers()), None)
    }

    /// Waits until it has found out about a node.
    async fn until(&self, place: usize, state: &str) {
        let server = format!("server=\"node-{}\"", place + 1);
        let state = format!("state=\"{state}\"");
        let began = Instant::now();
        loop {
            let metrics = self.observed().get("/metrics").await.body;
            let told = metrics.as_str().unwrap().lines().any(|line| {
                line.starts_with("haproxy_server_status{")
                    && [&server, &state].into_iter().all(|label| line.contains(label))
                    && line.ends_with(" 1")
            });
            if told {
                return;
            }
            let log = self.haproxy.log();
            assert!(
                began.elapsed() < PATIENCE,
                "no {server} with {state}:\n{metrics}\n{log}"
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// A session that a new WebSocket begins; and the socket, which must be kept.
    async fn connect(&self) -> (SessionId, Socket) {
        let mut socket = Socket::connect(self.clients, "", Some(TOKEN))
            .await
            .unwrap_or_else(|error| panic!("no WebSocket: {error}\n{}", self.haproxy.log()));
        (socket.ready().await.session_id(), socket)
    }
}

async fn has(server: &Server, session_id: SessionId) -> bool {
    server.rest().get(&format!("/api/session/{session_id}")).await.status == StatusCode::OK
}

#[tokio::test]
async fn sockets_and_streams_pass_as_they_happen_and_nodes_that_are_away_are_passed_over() {
    let server = launch().start().await;
    let proxy = Proxy::before(&[server.address()]).await;
    let (session_id, mut socket) = proxy.connect().await;
    assert!(has(&server, session_id).await);

    // The stream stays open: an event that comes has not waited for its end, nor for a buffer to be full.
    let follow = proxy
        .rest()
        .request(Method::GET, &format!("/api/session/{session_id}/events"));
    let follow = follow.header(header::ACCEPT, "text/event-stream").timeout(PATIENCE * 2);
    let mut stream = follow.send().await.unwrap();
    assert_eq!(stream.headers()[header::CONTENT_TYPE], "text/event-stream");
    socket.say("Hello").await;
    let mut text = String::new();
    while !text.contains("event: message_completed") && !text.contains("\"type\":\"message_completed\"") {
        let chunk = timeout(PATIENCE, stream.chunk())
            .await
            .expect("events come as they happen");
        text += std::str::from_utf8(&chunk.unwrap().expect("the stream stays")).unwrap();
    }
    let frames = socket.until(crate::client::Frame::is_terminal).await;
    assert_eq!(frames.last().unwrap().kind(), "message_completed");
    assert_eq!(proxy.observed().get("/health").await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_request_has_one_id_at_the_proxy_at_the_node_and_at_the_client() {
    let server = launch().start().await;
    let proxy = Proxy::before(&[server.address()]).await;
    let rest = proxy.rest();
    let ask = async |id: &str| {
        let request = rest
            .request(Method::GET, "/api/session/none")
            .header("X-Request-Id", id);
        rest.send(request).await.headers["x-request-id"]
            .to_str()
            .unwrap()
            .to_owned()
    };
    assert_eq!(ask("from.the_client-1").await, "from.the_client-1");
    let made = ask("not an id").await;
    assert!(made.parse::<SessionId>().is_ok(), "{made}");
    for id in ["from.the_client-1", &made] {
        assert!(server.log().contains(id), "{}", server.log());
        let began = Instant::now();
        while !proxy.haproxy.log().contains(id) {
            assert!(began.elapsed() < PATIENCE, "{}", proxy.haproxy.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    assert!(!proxy.haproxy.log().contains(TOKEN));
}

#[tokio::test]
async fn who_finds_no_room_at_one_node_is_served_by_another() {
    let full = launch().setting("limits.connections_max", "1").start().await;
    let free = launch().start().await;
    let mut only = full.socket("").await;
    only.ready().await;
    let proxy = Proxy::before(&[full.address(), free.address()]).await;
    let mut sockets = Vec::new();
    for _ in 0..6 {
        let (session_id, socket) = proxy.connect().await;
        assert!(has(&free, session_id).await);
        sockets.push(socket);
    }
    let refused = full.rest().get("/metrics").await.body;
    let refused = refused.as_str().unwrap().lines().filter(|line| {
        line.starts_with("orchestratai_http_requests_total{") && line.contains("/api/ws") && line.contains("503")
    });
    assert!(
        refused.count() > 0,
        "the full node was never asked, so nothing was shown"
    );
}

/// Turns that are under way when the node is to stop; some may have ended by then.
const TURNS: usize = 20;

#[tokio::test]
async fn while_a_node_drains_nobody_new_comes_to_it_and_nobody_is_turned_away() {
    let mut postgres = tokio::task::spawn_blocking(Postgres::start).await.unwrap();
    let busy = launch()
        .variable("DATABASE_URL", &postgres.database())
        .setting("server.drain", "60s")
        .setting("session.queue_max", &TURNS.to_string())
        .start()
        .await;
    let other = launch().start().await;
    let proxy = Proxy::before(&[busy.address(), other.address()]).await;
    let mut socket = busy.socket("").await;
    socket.ready().await;
    for _ in 0..TURNS {
        socket.say(QUESTION).await;
    }
    let mut accepted = 0;
    while accepted < TURNS {
        match socket.next().await.kind() {
            "message_accepted" => accepted += 1,
            // How much a session takes at once depends on the machine.
            "error" => {
                socket.say(QUESTION).await;
            }
            _ => {}
        }
    }
    // Turns wait for their database to be back, and the drain waits for them.
    postgres.kill();
    busy.terminate();
    let ready = async || busy.rest().get("/api/health/ready").await.status;
    while ready().await == StatusCode::OK {}

    // At once, whether the proxy has noticed or not: a refused handshake goes to the other node.
    let mut sockets = Vec::new();
    for _ in 0..6 {
        let (session_id, socket) = proxy.connect().await;
        assert!(has(&other, session_id).await);
        sockets.push(socket);
    }
    // Once it has noticed, what may be asked only once comes to no node that would refuse it.
    proxy.until(0, "DOWN").await;
    assert_eq!(
        ready().await,
        StatusCode::SERVICE_UNAVAILABLE,
        "it drains no more, so nothing was shown"
    );
    for _ in 0..6 {
        let question = json!({"message": "Hello", "session_id": SessionId::new()});
        let answer = proxy.rest().post("/api/chat", &question).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    }
}

/// A node that is well as far as its health says, and that ends in the middle of everything else. Gives how often it was asked.
fn ends_in_the_middle() -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    thread::spawn(move || {
        for connection in listener.incoming() {
            let (mut connection, mut head) = (connection.unwrap(), [0; 4096]);
            let read = connection.read(&mut head).unwrap_or(0);
            if head[..read].starts_with(b"GET /api/health/ready ") {
                let _ = connection.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            } else if read > 0 {
                count.fetch_add(1, Ordering::SeqCst);
            }
        }
    });
    (address, asked)
}

#[tokio::test]
async fn what_may_not_be_done_twice_is_asked_once() {
    let (first, asked_first) = ends_in_the_middle();
    let (second, asked_second) = ends_in_the_middle();
    let proxy = Proxy::before(&[first, second]).await;
    let asked = || asked_first.swap(0, Ordering::SeqCst) + asked_second.swap(0, Ordering::SeqCst);
    // Over a connection of its own each: one that was used before HAProxy 2.6 ends without a word, and leaves it to the client to
    // ask again.
    let chat = || {
        let request = proxy.rest().request(Method::POST, "/api/chat");
        request.json(&json!({"message": "Hello", "session_id": SessionId::new()}))
    };

    let answer = proxy.rest().send(chat().header("X-Request-Id", "once")).await;
    assert_eq!(answer.status, StatusCode::BAD_GATEWAY, "{}", answer.body);
    assert_eq!(answer.body["error"]["code"], "UPSTREAM_ERROR");
    assert_eq!(answer.body["error"]["requestId"], "once");
    assert_eq!(asked(), 1);
    let with_a_key = chat().header("Idempotency-Key", SessionId::new().to_string());
    assert_eq!(proxy.rest().send(with_a_key).await.status, StatusCode::BAD_GATEWAY);
    assert_eq!(asked(), 3, "once, and twice again");
    assert_eq!(proxy.rest().get("/api/agents").await.status, StatusCode::BAD_GATEWAY);
    assert_eq!(asked(), 3);
}

#[tokio::test]
async fn where_there_is_no_node_the_proxy_says_so_as_a_node_would() {
    let proxy = Proxy::before(&[]).await;
    let request = proxy
        .rest()
        .request(Method::GET, "/api/agents")
        .header("X-Request-Id", "mine");
    let answer = proxy.rest().send(request).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.headers[header::RETRY_AFTER], "2");
    assert_eq!(answer.headers[header::CONTENT_TYPE], "application/json");
    let error = &answer.body["error"];
    assert_eq!(error["code"], "OVERLOADED");
    assert_eq!(error["requestId"], "mine");
    let at = error["timestamp"].as_str().unwrap();
    assert!(
        serde_json::from_value::<orchestratai_shared::Timestamp>(json!(at)).is_ok(),
        "{at}"
    );
    assert_eq!(
        proxy.observed().get("/health").await.status,
        StatusCode::SERVICE_UNAVAILABLE
    );
}
