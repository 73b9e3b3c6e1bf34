//! A small server that speaks just enough of the wire contract to be measured, and misbehaves where a test wants it to.
//! Its answers say nothing about the real server's speed: they are there so that the generator's own figures can be checked.

use std::{
    env,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    runtime, task,
    time::{sleep, sleep_until, timeout},
};
use tokio_tungstenite::{
    WebSocketStream, accept_hdr_async,
    tungstenite::{
        Message,
        handshake::server::{Request, Response},
        protocol::{CloseFrame, frame::coding::CloseCode},
    },
};
use uuid::Uuid;

use crate::clients::Target;

/// How it behaves. Turns are counted over all sessions, from 1.
#[derive(Debug, Clone, Default)]
pub(crate) struct Behaviour {
    /// How long a turn takes.
    pub(crate) turn_takes: Duration,
    /// From when, after its start, and how long it answers nobody.
    pub(crate) pause: Option<(Duration, Duration)>,
    /// Every so many turns it answers OVERLOADED.
    pub(crate) overloaded_every: Option<u64>,
    /// Every so many turns it ends the turn with `turn_failed`.
    pub(crate) failed_every: Option<u64>,
    /// Every so many turns it closes with this code in the middle of the turn.
    pub(crate) closed_every: Option<(u64, u16)>,
    /// Every turn is answered from the cache.
    pub(crate) from_cache: bool,
    /// The first frame is not the one it should be.
    pub(crate) no_session_ready: bool,
    /// It cuts off who says nothing for so long.
    pub(crate) cuts_off_after: Option<Duration>,
}

/// A server on a thread of its own; ends with the test process.
pub(crate) fn start(behaviour: Behaviour) -> Target {
    let (ready, addr) = std::sync::mpsc::channel();
    thread::spawn(move || {
        serve("127.0.0.1:0".parse().unwrap(), behaviour, move |addr| {
            ready.send(addr).unwrap();
        });
    });
    Target::at(addr.recv().unwrap())
}

/// Serves for ever.
fn serve(addr: SocketAddr, behaviour: Behaviour, ready: impl FnOnce(SocketAddr)) {
    let runtime = runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(task::LocalSet::new().run_until(async move {
        let listener = TcpListener::bind(addr).await.unwrap();
        ready(listener.local_addr().unwrap());
        let state = Arc::new(State {
            behaviour,
            started: Instant::now(),
            turns: AtomicU64::new(0),
        });
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            stream.set_nodelay(true).unwrap();
            task::spawn_local(Arc::clone(&state).connection(stream));
        }
    }));
}

/// Not a test: other tests run this binary with it, as the process that [`crate::server`] starts.
#[test]
#[ignore = "other tests run it as a process"]
fn serve_as_a_process() {
    let Some(port) = env::var("STANDIN_PORT").ok() else {
        return;
    };
    let addr = format!("127.0.0.1:{port}").parse().unwrap();
    let cuts_off_after = Some(Duration::from_millis(700));
    serve(
        addr,
        Behaviour {
            turn_takes: Duration::from_millis(2),
            cuts_off_after,
            ..Behaviour::default()
        },
        |_| (),
    );
}

struct State {
    behaviour: Behaviour,
    started: Instant,
    turns: AtomicU64,
}

enum Ending {
    Answer,
    Overloaded,
    Failed,
    Closed(u16),
}

impl State {
    async fn connection(self: Arc<Self>, stream: TcpStream) {
        let mut start = [0; 11];
        while stream.peek(&mut start).await.unwrap_or(11) < start.len() {
            sleep(Duration::from_millis(1)).await;
        }
        // Clients come and go as tests end: a connection that is lost is none of ours.
        if start == *b"GET /api/ws" {
            self.web_socket(stream).await.ok();
        } else {
            self.http(stream).await.ok();
        }
    }

    async fn next_turn(&self) -> (u64, Ending) {
        let turn = self.turns.fetch_add(1, Ordering::Relaxed) + 1;
        if let Some((after, length)) = self.behaviour.pause {
            let (from, to) = (self.started + after, self.started + after + length);
            if (from..to).contains(&Instant::now()) {
                sleep_until(to.into()).await;
            }
        }
        let falls = |every: Option<u64>| every.is_some_and(|every| turn.is_multiple_of(every));
        let ending = if falls(self.behaviour.overloaded_every) {
            Ending::Overloaded
        } else if falls(self.behaviour.failed_every) {
            Ending::Failed
        } else if let Some((every, code)) = self.behaviour.closed_every
            && falls(Some(every))
        {
            Ending::Closed(code)
        } else {
            Ending::Answer
        };
        (turn, ending)
    }

    fn cache_status(&self) -> &'static str {
        if self.behaviour.from_cache { "hit" } else { "miss" }
    }

    async fn web_socket(&self, stream: TcpStream) -> Result<(), tokio_tungstenite::tungstenite::Error> {
        #[expect(clippy::result_large_err, reason = "the shape that tungstenite asks for")]
        let agree = |request: &Request, mut response: Response| {
            let name = "sec-websocket-protocol";
            assert_eq!(request.headers()[name], "orchestratai.v1");
            response.headers_mut().insert(name, "orchestratai.v1".parse().unwrap());
            Ok(response)
        };
        let mut socket = accept_hdr_async(stream, agree).await?;
        let first = if self.behaviour.no_session_ready {
            "pong"
        } else {
            "session_ready"
        };
        send(&mut socket, json!({ "type": first, "sessionId": "s", "data": {} })).await?;
        let silence = self.behaviour.cuts_off_after.unwrap_or(Duration::from_secs(3600));
        while let Ok(Some(message)) = timeout(silence, socket.next()).await {
            let Message::Text(text) = message? else { continue };
            let command: Value = serde_json::from_str(&text).unwrap();
            assert_eq!(
                (&command["type"], &command["fresh"]),
                (&json!("send_message"), &json!(true))
            );
            self.turn(&mut socket, &command["clientMessageId"]).await?;
        }
        Ok(())
    }

    async fn turn(
        &self,
        socket: &mut WebSocketStream<TcpStream>,
        id: &Value,
    ) -> Result<(), tokio_tungstenite::tungstenite::Error> {
        let (turn, ending) = self.next_turn().await;
        let turn = format!("turn-{turn}");
        if let Ending::Overloaded = ending {
            let data = json!({ "code": "OVERLOADED", "message": "m", "retryable": true, "clientMessageId": id });
            return send(socket, json!({ "type": "error", "sessionId": "s", "data": data })).await;
        }
        let event = |kind: &str, turn: &str, data: Value| json!({ "type": kind, "turnId": turn, "data": data });
        let other = json!({ "clientMessageId": Uuid::now_v7() });
        send(socket, event("message_accepted", "another turn", other)).await?;
        send(
            socket,
            event("message_accepted", &turn, json!({ "clientMessageId": id })),
        )
        .await?;
        sleep(self.behaviour.turn_takes).await;
        if let Ending::Closed(code) = ending {
            let frame = CloseFrame {
                code: CloseCode::from(code),
                reason: "".into(),
            };
            return socket.close(Some(frame)).await;
        }
        if let Ending::Failed = ending {
            let data = json!({ "error": { "code": "UPSTREAM_ERROR", "message": "m", "retryable": true } });
            return send(socket, event("turn_failed", &turn, data)).await;
        }
        send(
            socket,
            event(
                "message_delta",
                &turn,
                json!({ "messageId": "m", "offset": 0, "delta": "a" }),
            ),
        )
        .await?;
        let completed = json!({
            "metrics": { "cache_status": self.cache_status() },
            "citations": if self.behaviour.from_cache { json!([]) } else { json!([{ "index": 1 }]) },
        });
        send(socket, event("message_completed", "another turn", completed.clone())).await?;
        send(socket, event("message_completed", &turn, completed)).await?;
        send(
            socket,
            event("agent_status", &turn, json!({ "agent": "billing", "status": "idle" })),
        )
        .await
    }

    async fn http(&self, mut stream: TcpStream) -> std::io::Result<()> {
        let mut received = Vec::new();
        loop {
            let Some(request) = take_request(&mut received) else {
                if stream.read_buf(&mut received).await? == 0 {
                    return Ok(());
                }
                continue;
            };
            let (status, body) = if request.starts_with("GET /api/health ") {
                ("200 OK", json!({ "status": "healthy" }))
            } else {
                assert!(request.starts_with("POST /api/chat HTTP/1.1\r\n"), "{request}");
                let (_, ending) = self.next_turn().await;
                sleep(self.behaviour.turn_takes).await;
                let error = |code: &str| json!({ "error": { "code": code, "message": "m" } });
                match ending {
                    Ending::Answer => ("200 OK", self.chat_answer()),
                    Ending::Overloaded => ("503 Service Unavailable", error("OVERLOADED")),
                    Ending::Failed => ("502 Bad Gateway", error("UPSTREAM_ERROR")),
                    Ending::Closed(_) => return Ok(()),
                }
            };
            let body = body.to_string();
            let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n", body.len());
            stream.write_all(format!("{head}{body}").as_bytes()).await?;
            if request.contains("Connection: close") {
                return Ok(());
            }
        }
    }

    fn chat_answer(&self) -> Value {
        let logs = if self.behaviour.from_cache {
            json!([{ "type": "cache" }])
        } else {
            json!([{ "type": "documents" }])
        };
        json!({ "message": "m", "agent": "billing", "logs": logs, "metrics": { "cache_status": self.cache_status() } })
    }
}

async fn send(
    socket: &mut WebSocketStream<TcpStream>,
    frame: Value,
) -> Result<(), tokio_tungstenite::tungstenite::Error> {
    socket.send(Message::text(frame.to_string())).await
}

/// One whole request with its body out of what was received, or none while it is not whole.
fn take_request(received: &mut Vec<u8>) -> Option<String> {
    let text = str::from_utf8(received).unwrap();
    let head = text.find("\r\n\r\n")? + 4;
    let length = text[..head]
        .lines()
        .find_map(|line| {
            line.to_ascii_lowercase()
                .strip_prefix("content-length:")?
                .trim()
                .parse::<usize>()
                .ok()
        })
        .unwrap_or(0);
    (received.len() >= head + length).then(|| String::from_utf8(received.drain(..head + length).collect()).unwrap())
}
