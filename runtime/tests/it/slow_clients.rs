//! Clients that do not read harm nobody: not the others, not the memory; and they are gone after the limit.

use std::{
    fs,
    net::SocketAddr,
    time::{Duration, Instant},
};

use orchestratai_shared::SessionId;
use serde_json::json;
use socket2::{Domain, SockRef, Socket as RawSocket, Type};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::{
    client::Frame,
    server::{Launch, Server},
};

/// Sockets that never read.
const STALLED: usize = 1_000;
/// What they may add to the server's memory.
const ADDED_BYTES_MAX: u64 = 64 << 20;
/// Turns that are measured for one figure.
const TURNS: usize = 60;
/// Sessions that they follow.
const FOLLOWED: usize = 5;
/// Turns of these sessions: some 400 KiB for each socket, more than the kernel's buffers and the server's window hold.
const FLOOD_TURNS: usize = 50 * FOLLOWED;

/// Resident memory of the server, in bytes.
fn resident_bytes(server: &Server) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}
/// WebSocket connections that the server has.
async fn connections(server: &Server) -> u64 {
    metric(server, r#"orchestratai_connections{transport="websocket"}"#).await
}

/// The value of one series of the server's metrics.
async fn metric(server: &Server, series: &str) -> u64 {
    let metrics = server
        .rest()
        .request(reqwest::Method::GET, "/metrics")
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    let line = metrics.lines().find(|line| line.starts_with(series));
    line.and_then(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
        .map_or(0, |value| value as u64)
}

/// A socket with a small buffer that is never read after its handshake.
async fn stall(address: SocketAddr, session_id: SessionId) -> tokio::net::TcpStream {
    let socket = RawSocket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(4_096).unwrap();
    socket.connect(&address.into()).unwrap();
    socket.set_nonblocking(true).unwrap();
    let mut stream = tokio::net::TcpStream::from_std(socket.into()).unwrap();
    let request = format!(
        "GET /api/ws?session_id={session_id} HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 101", "{}", String::from_utf8_lossy(&answer));
    stream
}

/// Median time of a whole turn of a client that reads.
async fn median_turn(server: &Server) -> Duration {
    let mut socket = server.socket("").await;
    socket.ready().await;
    let mut times = Vec::with_capacity(TURNS);
    for _ in 0..TURNS {
        let began = Instant::now();
        let frames = socket.turn("How do I rotate an API key without downtime?").await;
        assert_eq!(frames.last().map(Frame::kind), Some("message_completed"));
        times.push(began.elapsed());
    }
    socket.close().await;
    times.sort();
    times[times.len() / 2]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_stalled_sockets_cost_little_slow_nobody_and_are_gone_after_the_limit() {
    let server = Launch::new()
        .setting("limits.slow_client_after", "20s")
        .setting("limits.heartbeat", "20s")
        .start()
        .await;
    // Only now: the server must see to its own limit of open files.
    rlimit::increase_nofile_limit(u64::MAX).unwrap();
    median_turn(&server).await;
    let before = resident_bytes(&server);

    let sessions: Vec<SessionId> = (0..FOLLOWED).map(|_| SessionId::new()).collect();
    let mut stalled = Vec::with_capacity(STALLED);
    for index in 0..STALLED {
        stalled.push(stall(server.address(), sessions[index % sessions.len()]).await);
    }
    let rest = server.rest();
    for turn in 0..FLOOD_TURNS {
        let session_id = sessions[turn % sessions.len()];
        let body =
            json!({"message": "How do I verify the signature of a webhook?", "session_id": session_id, "fresh": true});
        let answer = rest.post("/api/chat", &body).await;
        assert!(answer.status.is_success(), "{}", answer.body);
    }
    let behind = metric(&server, r#"orchestratai_slow_consumers_total{action="lagging"}"#).await;
    assert!(
        behind >= STALLED as u64,
        "of {STALLED} sockets {behind} have fallen behind"
    );
    let added = resident_bytes(&server).saturating_sub(before);
    assert!(
        added < ADDED_BYTES_MAX,
        "{STALLED} stalled sockets added {} KiB",
        added / 1024
    );
    assert_eq!(
        connections(&server).await,
        STALLED as u64,
        "the memory is that of fewer"
    );

    // The control stands beside it: the same turns on another server of the same kind, interleaved, best of three.
    let control = Launch::new().start().await;
    median_turn(&control).await;
    let mut ratios = Vec::new();
    for _ in 0..3 {
        let (beside, alone) = (median_turn(&server).await, median_turn(&control).await);
        ratios.push(beside.as_secs_f64() / alone.as_secs_f64());
    }
    assert_eq!(
        connections(&server).await,
        STALLED as u64,
        "the turns were beside fewer"
    );
    let best = ratios.iter().copied().fold(f64::INFINITY, f64::min);
    assert!(
        best < 2.0,
        "turns beside {STALLED} stalled sockets take {ratios:?} times as long"
    );

    let began = Instant::now();
    while connections(&server).await > 0 {
        assert!(
            began.elapsed() < Duration::from_secs(75),
            "{} are still there",
            connections(&server).await
        );
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let cut = metric(&server, r#"orchestratai_slow_consumers_total{action="cut"}"#).await;
    assert!(
        cut >= STALLED as u64,
        "of {STALLED} sockets {cut} were cut off by their sessions"
    );
    drop(stalled);
}

#[tokio::test]
async fn a_client_that_reads_late_gets_everything_in_order() {
    let server = Server::start().await;
    let mut socket = server.socket("").await;
    let session_id = socket.ready().await.session_id();
    SockRef::from(socket.transport()).set_recv_buffer_size(4_096).unwrap();
    let rest = server.rest();
    let turns = 30;
    for _ in 0..turns {
        let body = json!({"message": "How do I rotate an API key without downtime?", "session_id": session_id});
        let answer = rest.post("/api/chat", &body).await;
        assert!(answer.status.is_success(), "{}", answer.body);
    }
    let mut ended = 0;
    let mut seqs = Vec::new();
    while ended < turns {
        let frame = socket.next().await;
        seqs.extend(frame.seq());
        ended += usize::from(frame.is_terminal());
    }
    let unbroken: Vec<u64> = (1..=seqs.len() as u64).collect();
    assert_eq!(seqs, unbroken);
}
