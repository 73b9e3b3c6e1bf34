//! What a test talks with: REST and WebSocket, with the wire's own types.

use std::{net::SocketAddr, time::Duration};

use futures_util::{SinkExt, StreamExt};
use orchestratai_shared::{ClientMessageId, Event, SUBPROTOCOL, SessionId, Signal, TurnId};
use reqwest::{Method, RequestBuilder, StatusCode, header};
use serde_json::{Value, json};
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Error, Message, client::IntoClientRequest, http::HeaderValue, protocol::CloseFrame},
};

/// How long a frame or an answer may take: a debug build on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// A client for REST.
#[derive(Debug, Clone)]
pub(crate) struct Rest {
    base: String,
    token: Option<String>,
    client: reqwest::Client,
}

/// An answer: status, headers, and the body as JSON or, where it is none, as text.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: header::HeaderMap,
    pub(crate) body: Value,
}

impl Rest {
    pub(crate) fn new(base: String, token: Option<&str>) -> Self {
        let client = reqwest::Client::builder().timeout(PATIENCE).no_proxy().build().unwrap();
        Self {
            base,
            token: token.map(Into::into),
            client,
        }
    }

    /// A request to be completed by the test.
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.client.request(method, format!("{}{path}", self.base));
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    /// Sends a request.
    pub(crate) async fn send(&self, request: RequestBuilder) -> Answer {
        let answer = request.send().await.unwrap();
        let (status, headers) = (answer.status(), answer.headers().clone());
        let text = answer.text().await.unwrap();
        let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
        Answer { status, headers, body }
    }

    /// `GET`.
    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(self.request(Method::GET, path)).await
    }

    /// `POST` of JSON.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(self.request(Method::POST, path).json(body)).await
    }

    /// `DELETE`.
    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.send(self.request(Method::DELETE, path)).await
    }

    /// Every durable event of a session, as the server keeps them.
    pub(crate) async fn events(&self, session_id: SessionId) -> Vec<Event> {
        self.events_if_any(session_id).await.expect("there is such a session")
    }

    /// The same; none where there is no such session.
    pub(crate) async fn events_if_any(&self, session_id: SessionId) -> Option<Vec<Event>> {
        let mut events: Vec<Event> = Vec::new();
        loop {
            let after = events.last().map_or(0, |event| event.seq);
            let answer = self
                .get(&format!(
                    "/api/session/{session_id}/events?after_seq={after}&limit=1000"
                ))
                .await;
            if answer.status == StatusCode::NOT_FOUND {
                return None;
            }
            assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
            let page: Vec<Event> = serde_json::from_value(answer.body["events"].clone()).unwrap();
            if page.is_empty() {
                return Some(events);
            }
            events.extend(page);
        }
    }

    /// Whether `/api/health` says so.
    pub(crate) async fn is_healthy(&self) -> bool {
        let answer = self.request(Method::GET, "/api/health").send().await;
        answer.is_ok_and(|answer| answer.status() == StatusCode::OK)
    }
}

/// A frame from the server.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Frame(pub(crate) Value);

impl Frame {
    /// Its `type`.
    pub(crate) fn kind(&self) -> &str {
        self.0["type"].as_str().unwrap_or_default()
    }

    /// Its number, where it is durable.
    pub(crate) fn seq(&self) -> Option<u64> {
        self.0["seq"].as_u64()
    }

    /// Its `data`.
    pub(crate) fn data(&self) -> &Value {
        &self.0["data"]
    }

    /// Its turn.
    pub(crate) fn turn_id(&self) -> Option<TurnId> {
        self.0["turnId"].as_str().map(|id| id.parse().unwrap())
    }

    /// Its session.
    pub(crate) fn session_id(&self) -> SessionId {
        self.0["sessionId"].as_str().unwrap().parse().unwrap()
    }

    /// Whether it ends its turn.
    pub(crate) fn is_terminal(&self) -> bool {
        matches!(self.kind(), "message_completed" | "turn_failed" | "turn_cancelled")
    }

    /// As the wire's own type; fails where it is not one.
    pub(crate) fn event(&self) -> Event {
        serde_json::from_value(self.0.clone()).unwrap_or_else(|error| panic!("no event: {error}: {}", self.0))
    }

    /// As the wire's own type; fails where it is not one.
    pub(crate) fn signal(&self) -> Signal {
        serde_json::from_value(self.0.clone()).unwrap_or_else(|error| panic!("no signal: {error}: {}", self.0))
    }
}

/// A WebSocket.
pub(crate) struct Socket {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

impl Socket {
    /// Connects; the handshake's refusal is an error.
    pub(crate) async fn connect(address: SocketAddr, query: &str, token: Option<&str>) -> Result<Self, Error> {
        Self::connect_with(address, query, token, &[]).await
    }

    /// Connects with more headers.
    pub(crate) async fn connect_with(
        address: SocketAddr,
        query: &str,
        token: Option<&str>,
        headers: &[(&'static str, &str)],
    ) -> Result<Self, Error> {
        let mut request = format!("ws://{address}/api/ws{query}").into_client_request()?;
        request
            .headers_mut()
            .insert("sec-websocket-protocol", HeaderValue::from_static(SUBPROTOCOL));
        if let Some(token) = token {
            let value = HeaderValue::from_str(&format!("Bearer {token}")).unwrap();
            request.headers_mut().insert("authorization", value);
        }
        for (name, value) in headers {
            let value = HeaderValue::from_str(value).unwrap();
            request.headers_mut().insert(*name, value);
        }
        let (socket, _) = connect_async(request).await?;
        Ok(Self { socket })
    }

    /// The next text frame.
    ///
    /// # Panics
    /// Where none comes in time, or the connection ends.
    pub(crate) async fn next(&mut self) -> Frame {
        match self.next_or_close().await {
            Ok(frame) => frame,
            Err(close) => panic!("the connection has ended: {close:?}"),
        }
    }

    /// The next text frame; or how the connection has ended.
    pub(crate) async fn next_or_close(&mut self) -> Result<Frame, Option<CloseFrame>> {
        loop {
            let message = timeout(PATIENCE, self.socket.next())
                .await
                .expect("a frame comes in time");
            match message {
                Some(Ok(Message::Text(text))) => {
                    return Ok(Frame(serde_json::from_str(&text).expect("frames are JSON")));
                }
                Some(Ok(Message::Close(frame))) => return Err(frame),
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Binary(_) | Message::Frame(_))) => {}
                Some(Err(_)) | None => return Err(None),
            }
        }
    }

    /// Frames up to and with the first of which `is_last` holds.
    pub(crate) async fn until(&mut self, is_last: impl Fn(&Frame) -> bool) -> Vec<Frame> {
        let mut frames = Vec::new();
        loop {
            frames.push(self.next().await);
            if frames.last().is_some_and(&is_last) {
                return frames;
            }
        }
    }

    /// The first frame, which is always `session_ready`.
    pub(crate) async fn ready(&mut self) -> Frame {
        let frame = self.next().await;
        assert_eq!(frame.kind(), "session_ready", "{}", frame.0);
        frame
    }

    /// Sends a frame.
    pub(crate) async fn send(&mut self, frame: &Value) {
        self.send_raw(Message::text(frame.to_string())).await;
    }

    /// Sends a frame; whether the connection still took it.
    pub(crate) async fn try_send(&mut self, frame: &Value) -> bool {
        self.socket.send(Message::text(frame.to_string())).await.is_ok()
    }

    /// Sends whatever it is.
    pub(crate) async fn send_raw(&mut self, message: Message) {
        self.socket.send(message).await.expect("the connection stands");
    }

    /// Says something, under a new id.
    pub(crate) async fn say(&mut self, content: &str) -> ClientMessageId {
        let id = ClientMessageId::new();
        self.say_as(id, content).await;
        id
    }

    /// Says something under an id.
    pub(crate) async fn say_as(&mut self, id: ClientMessageId, content: &str) {
        self.send(&json!({"type": "send_message", "data": {"clientMessageId": id, "content": content}}))
            .await;
    }

    /// Asks, and gives every frame up to the turn's end.
    pub(crate) async fn turn(&mut self, content: &str) -> Vec<Frame> {
        self.say(content).await;
        self.until(Frame::is_terminal).await
    }

    /// What it goes over.
    pub(crate) fn transport(&self) -> &TcpStream {
        match self.socket.get_ref() {
            MaybeTlsStream::Plain(stream) => stream,
            _ => panic!("tests go without TLS"),
        }
    }

    /// Ends the connection and waits for the other side to do so too.
    pub(crate) async fn close(mut self) {
        let _ = self.socket.close(None).await;
        while let Ok(Some(Ok(_))) = timeout(PATIENCE, self.socket.next()).await {}
    }
}
