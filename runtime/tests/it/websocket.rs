//! WebSocket as clients meet it, byte by byte where that matters.

use std::{net::SocketAddr, time::Duration};

use orchestratai_shared::{ClientMessageId, ErrorCode, SessionId};
use reqwest::{Method, StatusCode};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use tokio_tungstenite::tungstenite::Message;

use crate::{
    bad_input::check,
    client::Frame,
    server::{Launch, Server},
};

const PATIENCE: Duration = Duration::from_secs(30);
const TEXT: u8 = 0x81;
const TEXT_BEGINS: u8 = 0x01;
const CONTINUES: u8 = 0x00;
const CONTINUED: u8 = 0x80;
const BINARY: u8 = 0x82;
const CLOSE: u8 = 0x88;
const PING: u8 = 0x89;
const PONG: u8 = 0x8A;

/// A WebSocket client that sends whatever bytes it is told to.
struct Raw {
    stream: TcpStream,
}

impl Raw {
    async fn connect(address: SocketAddr) -> Self {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let head = format!(
            "GET /api/ws HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            answer.push(stream.read_u8().await.unwrap());
        }
        let answer = String::from_utf8(answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 101"), "{answer}");
        assert!(
            answer
                .to_lowercase()
                .contains("sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo="),
            "{answer}"
        );
        let mut raw = Self { stream };
        assert_eq!(raw.text().await.kind(), "session_ready");
        raw
    }

    /// A frame with a mask of zeros, which changes nothing.
    fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let mut bytes = Self::header(first, payload.len());
        bytes.extend(payload);
        bytes
    }

    fn header(first: u8, length: usize) -> Vec<u8> {
        let mut bytes = vec![first];
        match length {
            0..126 => bytes.push(0x80 | u8::try_from(length).unwrap()),
            126..65_536 => {
                bytes.push(0x80 | 126);
                bytes.extend(u16::try_from(length).unwrap().to_be_bytes());
            }
            _ => {
                bytes.push(0x80 | 127);
                bytes.extend((length as u64).to_be_bytes());
            }
        }
        bytes.extend([0; 4]);
        bytes
    }

    async fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    /// The next frame: its first byte, and its payload; `None` where the connection has ended.
    async fn next(&mut self) -> Option<(u8, Vec<u8>)> {
        let read = async {
            let first = self.stream.read_u8().await.ok()?;
            let length = match self.stream.read_u8().await.ok()? {
                126 => u64::from(self.stream.read_u16().await.ok()?),
                127 => self.stream.read_u64().await.ok()?,
                short => u64::from(short),
            };
            let mut payload = vec![0; usize::try_from(length).unwrap()];
            self.stream.read_exact(&mut payload).await.ok()?;
            Some((first, payload))
        };
        timeout(PATIENCE, read).await.expect("a frame comes in time")
    }

    async fn text(&mut self) -> Frame {
        let (first, payload) = self.next().await.expect("the connection stands");
        assert_eq!(first, TEXT, "{}", String::from_utf8_lossy(&payload));
        Frame(serde_json::from_slice(&payload).unwrap())
    }

    /// The close code, with which everything must end, TCP too, without our doing anything more.
    async fn close_code(mut self) -> u16 {
        let code = loop {
            let frame = self.next().await.expect("a close frame comes before the end");
            if let (CLOSE, payload) = frame {
                break u16::from_be_bytes([payload[0], payload[1]]);
            }
        };
        let end = timeout(Duration::from_millis(1_500), self.stream.read_u8()).await;
        assert!(
            end.expect("the server ends TCP at once").is_err(),
            "something follows the close"
        );
        code
    }
}

#[tokio::test]
async fn a_violation_closes_with_the_code_that_the_protocol_names_and_ends_tcp() {
    let server = Launch::new().argument("--no-demo").start().await;
    let mut unmasked = Raw::frame(TEXT, b"{}");
    unmasked[1] &= 0x7F;
    let cases: Vec<(&str, Vec<u8>, u16)> = vec![
        ("binary", Raw::frame(BINARY, b"x"), 1003),
        ("reserved bit", Raw::frame(0xC1, b"x"), 1002),
        ("reserved opcode", Raw::frame(0x83, b"x"), 1002),
        ("unmasked", unmasked, 1002),
        ("fragmented ping", Raw::frame(0x09, b"x"), 1002),
        ("long ping", Raw::frame(PING, &[0; 126]), 1002),
        ("nothing to continue", Raw::frame(CONTINUED, b"x"), 1002),
        (
            "never continued",
            [Raw::frame(TEXT_BEGINS, b"x"), Raw::frame(TEXT, b"y")].concat(),
            1002,
        ),
        ("invalid UTF-8", Raw::frame(TEXT, b"\xff"), 1007),
        (
            "invalid UTF-8 before its end",
            [Raw::header(TEXT, 100), b"{\xc0".to_vec()].concat(),
            1007,
        ),
        ("declared too long", Raw::header(TEXT, 1024 * 1024 + 1), 1009),
        ("declared far too long", Raw::header(TEXT, usize::MAX >> 1), 1009),
        (
            "assembled too long",
            [
                Raw::frame(TEXT_BEGINS, &vec![b' '; 1024 * 1024]),
                Raw::header(CONTINUED, 1),
            ]
            .concat(),
            1009,
        ),
        (
            "close code that must not be used",
            Raw::frame(CLOSE, &1005_u16.to_be_bytes()),
            1002,
        ),
        ("close with half a code", Raw::frame(CLOSE, b"\x03"), 1002),
        ("close", Raw::frame(CLOSE, &4321_u16.to_be_bytes()), 4321),
    ];
    for (name, bytes, code) in cases {
        let mut raw = Raw::connect(server.address()).await;
        raw.send(&bytes).await;
        assert_eq!(raw.close_code().await, code, "{name}");
    }
}

#[tokio::test]
async fn fragments_are_joined_with_control_frames_between_them() {
    let server = Launch::new().argument("--no-demo").start().await;
    let mut raw = Raw::connect(server.address()).await;
    let id = ClientMessageId::new();
    let message = json!({"type": "send_message", "data": {"clientMessageId": id, "content": "Grüße"}}).to_string();
    let middle = message.find('ü').unwrap() + 1; // Within a character.
    let (one, two) = message.as_bytes().split_at(middle);
    let bytes = [
        Raw::frame(TEXT_BEGINS, one),
        Raw::frame(PING, b"between"),
        Raw::frame(CONTINUES, b""),
        Raw::frame(PONG, b""),
        Raw::frame(CONTINUED, two),
    ]
    .concat();
    for byte in bytes {
        raw.send(&[byte]).await;
    }
    assert_eq!(raw.next().await, Some((PONG, b"between".to_vec())));
    let accepted = raw.text().await;
    assert_eq!(accepted.kind(), "message_accepted");
    assert_eq!(accepted.data()["message"]["content"], "Grüße");
    assert_eq!(accepted.data()["clientMessageId"], json!(id));
}

#[tokio::test]
async fn what_is_no_command_is_refused_and_the_connection_stays() {
    let server = Launch::new().argument("--no-demo").start().await;
    let mut socket = server.socket("").await;
    let session_id = socket.ready().await.session_id();
    let id = ClientMessageId::new();
    let send = |content: serde_json::Value| json!({"type": "send_message", "data": {"clientMessageId": id, "content": content}});
    let cases = [
        ("not json".to_owned(), ErrorCode::ValidationError, false),
        ("[]".into(), ErrorCode::ValidationError, false),
        ("".into(), ErrorCode::ValidationError, false),
        (json!({"type": "dance"}).to_string(), ErrorCode::ValidationError, false),
        (
            json!({"type": "send_message"}).to_string(),
            ErrorCode::ValidationError,
            false,
        ),
        (
            json!({"type": "cancel", "data": {"turnId": "x"}}).to_string(),
            ErrorCode::ValidationError,
            false,
        ),
        (json!({"type": "ack"}).to_string(), ErrorCode::ValidationError, false),
        (send(json!("")).to_string(), ErrorCode::ValidationError, true),
        (
            send(json!("x".repeat(2_001))).to_string(),
            ErrorCode::ValidationError,
            true,
        ),
        (
            json!({"type": "resolve_approval", "data": {"approvalId": id, "decision": "approved"}}).to_string(),
            ErrorCode::NotFound,
            false,
        ),
        ("[".repeat(60_000), ErrorCode::ValidationError, false),
        ("x".repeat(64 * 1024 + 1), ErrorCode::PayloadTooLarge, false),
        ("x".repeat(1024 * 1024), ErrorCode::PayloadTooLarge, false),
    ];
    for (text, code, names_message) in cases {
        let shown = text.chars().take(60).collect::<String>();
        socket.send_raw(Message::text(text)).await;
        let error = socket.next().await;
        assert_eq!(error.kind(), "error", "{shown}: {}", error.0);
        assert_eq!(error.data()["code"], json!(code), "{shown}: {}", error.0);
        assert_eq!(
            error.data().get("clientMessageId").is_some(),
            names_message,
            "{shown}: {}",
            error.0
        );
        assert_eq!(error.session_id(), session_id);
        assert_eq!(error.seq(), None);
    }
    socket.send(&json!({"type": "ping"})).await;
    assert_eq!(socket.next().await.kind(), "pong");
    socket.send(&json!({"type": "ack", "data": {"seq": 1}})).await;
    socket.turn("Hello").await;
    socket.close().await;
}

#[tokio::test]
async fn a_repeat_is_answered_from_the_journal_and_other_words_under_its_id_are_a_conflict() {
    let server = Server::start().await;
    let mut socket = server.socket("").await;
    socket.ready().await;
    let id = ClientMessageId::new();
    socket.say_as(id, "How do I rotate an API key?").await;
    let turn = socket.until(Frame::is_terminal).await;
    socket.say_as(id, "How do I rotate an API key?").await;
    let repeat = socket.until(Frame::is_terminal).await;
    assert_eq!(repeat.len(), 2, "{repeat:?}");
    assert_eq!(repeat[0], turn[0]);
    assert_eq!(repeat[1], *turn.last().unwrap());
    socket.say_as(id, "Something else").await;
    let error = socket.next().await;
    assert_eq!(error.data()["code"], "CONFLICT", "{}", error.0);
    assert_eq!(error.data()["clientMessageId"], json!(id));
}

#[tokio::test]
async fn who_comes_back_has_exactly_what_was_missed() {
    let server = Server::start().await;
    let mut socket = server.socket("").await;
    let ready = socket.ready().await;
    let (session_id, epoch) = (ready.session_id(), ready.data()["epoch"].as_str().unwrap().to_owned());
    let turn = socket.turn("How do I rotate an API key?").await;
    socket.close().await;
    let durable: Vec<Frame> = turn.into_iter().filter(|frame| frame.seq().is_some()).collect();
    let last = durable.last().unwrap().seq().unwrap();
    for after in 0..=last {
        let mut socket = server
            .socket(&format!("?session_id={session_id}&after_seq={after}&epoch={epoch}"))
            .await;
        let ready = socket.ready().await;
        assert_eq!(ready.data()["recovered"], true);
        assert_eq!(ready.data()["lastSeq"], last);
        for frame in &durable[usize::try_from(after).unwrap()..] {
            assert_eq!(&socket.next().await, frame);
        }
        socket.send(&json!({"type": "ping"})).await;
        assert_eq!(socket.next().await.kind(), "pong", "nothing more was missed");
    }
    for lost in [
        format!("after_seq={}", last + 1),
        format!("after_seq={last}&epoch=another"),
    ] {
        let mut socket = server.socket(&format!("?session_id={session_id}&{lost}")).await;
        assert_eq!(socket.ready().await.data()["recovered"], false, "{lost}");
    }
}

#[tokio::test]
async fn a_bad_handshake_gets_an_error_in_the_one_shape() {
    let server = Launch::new().argument("--no-demo").start().await;
    let rest = server.rest();
    let handshake = |path: &str| {
        rest.request(Method::GET, path)
            .header("Connection", "Upgrade")
            .header("Upgrade", "websocket")
            .header("Sec-WebSocket-Version", "13")
            .header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
    };
    check(&rest.get("/api/ws").await, ErrorCode::ValidationError, None);
    for (path, field) in [
        ("/api/ws?session_id=x", "session_id"),
        ("/api/ws?after_seq=1", "after_seq"),
        (
            "/api/ws?session_id=01890a5d-ac96-774b-bcce-b302099a8057&after_seq=x",
            "after_seq",
        ),
    ] {
        check(
            &rest.send(handshake(path)).await,
            ErrorCode::ValidationError,
            Some(field),
        );
    }
    let foreign = handshake("/api/ws").header("Origin", "http://evil.example");
    check(&rest.send(foreign).await, ErrorCode::Forbidden, None);
    let old = rest
        .request(Method::GET, "/api/ws")
        .header("Connection", "Upgrade")
        .header("Upgrade", "websocket");
    let answer = rest
        .send(
            old.header("Sec-WebSocket-Version", "8")
                .header("Sec-WebSocket-Key", "x"),
        )
        .await;
    check(&answer, ErrorCode::ValidationError, None);
    assert_eq!(answer.headers["sec-websocket-version"], "13");
    check(&rest.send(handshake("/api/ws/echo")).await, ErrorCode::NotFound, None);
}

#[tokio::test]
async fn a_client_that_sends_too_fast_is_closed_with_4029() {
    let server = Launch::new()
        .argument("--no-demo")
        .setting("limits.frames_per_second", "5")
        .setting("limits.frames_burst", "20")
        .start()
        .await;
    let mut raw = Raw::connect(server.address()).await;
    raw.send(&Raw::frame(TEXT, br#"{"type":"ping"}"#).repeat(50)).await;
    let mut pongs = 0;
    let code = loop {
        match raw.next().await.expect("a close frame comes before the end") {
            (CLOSE, payload) => break u16::from_be_bytes([payload[0], payload[1]]),
            (_, _) => pongs += 1,
        }
    };
    assert_eq!((code, pongs), (4029, 20));
    raw.send(&Raw::frame(CLOSE, &4029_u16.to_be_bytes())).await;
    assert_eq!(raw.next().await, None);
}

#[tokio::test]
async fn a_client_that_reads_but_gives_no_sign_of_life_is_told_so_with_4008() {
    let heartbeat = Duration::from_secs(1);
    let server = Launch::new()
        .argument("--no-demo")
        .setting("limits.heartbeat", "1s")
        .start()
        .await;
    // Beside it one that answers its pings, as every WebSocket library does.
    let mut answering = server.socket("").await;
    answering.ready().await;
    let answering = tokio::spawn(async move { answering.next_or_close().await });
    let began = std::time::Instant::now();
    let mut raw = Raw::connect(server.address()).await;
    let mut pings = 0;
    let code = loop {
        match raw.next().await.expect("a close frame comes before the end") {
            (PING, _) => pings += 1,
            (CLOSE, payload) => break u16::from_be_bytes([payload[0], payload[1]]),
            (first, payload) => panic!("{first:#x} {}", String::from_utf8_lossy(&payload)),
        }
    };
    assert_eq!((code, pings), (4008, 1));
    assert!(
        began.elapsed() >= 2 * heartbeat,
        "it was closed after {:?}",
        began.elapsed()
    );
    // Whoever answers the close has an orderly end, and whoever answers pings stays.
    raw.send(&Raw::frame(CLOSE, &4008_u16.to_be_bytes())).await;
    assert_eq!(raw.next().await, None);
    tokio::time::sleep(2 * heartbeat).await;
    assert!(!answering.is_finished(), "{:?}", answering.await);
}

#[tokio::test]
async fn one_connection_too_many_is_refused_at_the_handshake() {
    let server = Launch::new()
        .argument("--no-demo")
        .setting("limits.connections_max", "2")
        .start()
        .await;
    let (first, _second) = (server.socket("").await, server.socket("").await);
    let rest = server.rest();
    let handshake = || {
        rest.request(Method::GET, "/api/ws")
            .header("Connection", "Upgrade")
            .header("Upgrade", "websocket")
            .header("Sec-WebSocket-Version", "13")
            .header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
    };
    let refused = rest.send(handshake()).await;
    check(&refused, ErrorCode::Overloaded, None);
    first.close().await;
    let began = std::time::Instant::now();
    while handshake().send().await.unwrap().status() != StatusCode::SWITCHING_PROTOCOLS {
        assert!(began.elapsed() < PATIENCE, "the place is not given back");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn an_erased_session_closes_its_sockets() {
    let server = Launch::new().argument("--no-demo").start().await;
    let mut socket = server.socket("").await;
    let session_id: SessionId = socket.ready().await.session_id();
    socket.turn("Hello").await;
    assert_eq!(
        server.rest().delete(&format!("/api/session/{session_id}")).await.status,
        StatusCode::NO_CONTENT
    );
    let close = socket.next_or_close().await.unwrap_err().expect("a close frame comes");
    assert_eq!(u16::from(close.code), 1000);
    let mut again = server.socket(&format!("?session_id={session_id}&after_seq=1")).await;
    assert_eq!(again.ready().await.data()["recovered"], false);
}

#[tokio::test]
async fn a_client_that_vanishes_without_a_word_is_counted_as_that() {
    let server = Launch::new().argument("--no-demo").start().await;
    let mut socket = server.socket("").await;
    socket.ready().await;
    drop(socket);
    let counted = r#"orchestratai_websocket_closes_total{code="1006"} 1"#;
    let until = std::time::Instant::now() + std::time::Duration::from_secs(20);
    loop {
        let metrics = reqwest::get(server.url("/metrics"))
            .await
            .unwrap()
            .text()
            .await
            .unwrap();
        if metrics.contains(counted) {
            break;
        }
        assert!(std::time::Instant::now() < until, "{metrics}");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}
