//! The way to the server: one WebSocket, and what can go wrong with it.

use futures_util::{SinkExt, StreamExt};
use orchestratai_shared::{SUBPROTOCOL, TurnId};
use reqwest::Url;
use serde_json::json;
use tokio::net::TcpStream;
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream,
    tungstenite::{
        Error, Message,
        client::IntoClientRequest,
        http::{HeaderValue, StatusCode, header},
    },
};

use super::view::{Said, ServerFrame, View};
use crate::settings::Secret;

/// Where the server is, and what lets us in.
#[derive(Debug, Clone)]
pub(super) struct Target {
    url: Url,
    token: Option<Secret>,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConnectError {
    /// The server does not let us in; another attempt will not help.
    #[error("{0}")]
    Refused(String),
    /// It cannot be reached just now.
    #[error("the server cannot be reached")]
    Unreachable(#[source] Box<Error>),
}

/// What came from the server.
#[derive(Debug)]
pub(super) enum Received {
    /// A frame.
    Frame(ServerFrame),
    /// A sign of life, or a frame that this version does not know.
    Life,
    /// The connection has ended; with the close code, where one was given.
    Closed(Option<u16>),
}

impl Target {
    /// Reads `ws://HOST:PORT` or `http://HOST:PORT`, with or without a path.
    ///
    /// # Errors
    /// What is wrong with it, for people.
    pub(super) fn parse(url: &str, token: Option<&str>) -> Result<Self, String> {
        let mut parsed = Url::parse(url).map_err(|error| format!("--url {url:?} is not a URL: {error}"))?;
        match parsed.scheme() {
            "ws" => {}
            "http" => parsed.set_scheme("ws").expect("both schemes are of the same kind"),
            "wss" | "https" => {
                return Err(
                    "this client speaks no TLS; reach the server by ws:// on its own machine or through a tunnel"
                        .into(),
                );
            }
            other => return Err(format!("--url begins with {other}:, and must begin with ws: or http:")),
        }
        if parsed.path() == "/" {
            parsed.set_path("/api/ws");
        }
        parsed.set_query(None);
        let token = token.filter(|token| !token.is_empty()).map(Secret::new);
        if token
            .as_ref()
            .is_some_and(|token| HeaderValue::from_str(token.expose()).is_err())
        {
            return Err("the token holds characters that no token has".into());
        }
        Ok(Self { url: parsed, token })
    }

    /// For people.
    pub(super) fn url(&self) -> &str {
        self.url.as_str()
    }

    /// Connects so that the session goes on where `view` stands.
    pub(super) async fn connect(&self, view: &View) -> Result<Connection, ConnectError> {
        let mut url = self.url.clone();
        if let Some(session_id) = view.session_id() {
            url.query_pairs_mut().append_pair("session_id", &session_id.to_string());
            if let Some((after_seq, epoch)) = view.position() {
                url.query_pairs_mut()
                    .append_pair("after_seq", &after_seq.to_string())
                    .append_pair("epoch", epoch);
            }
        }
        let mut request = url
            .as_str()
            .into_client_request()
            .map_err(|error| ConnectError::Refused(format!("{} cannot be called: {error}", self.url)))?;
        let headers = request.headers_mut();
        headers.insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SUBPROTOCOL));
        if let Some(token) = &self.token {
            let value =
                HeaderValue::from_str(&format!("Bearer {}", token.expose())).expect("checked when it was parsed");
            headers.insert(header::AUTHORIZATION, value);
        }
        match tokio_tungstenite::connect_async(request).await {
            Ok((socket, _)) => Ok(Connection { socket }),
            Err(Error::Http(answer)) => Err(refused_by(answer.status()).map_or_else(
                || ConnectError::Unreachable(Box::new(Error::Http(answer))),
                |why| ConnectError::Refused(why.to_owned()),
            )),
            Err(error) => Err(ConnectError::Unreachable(Box::new(error))),
        }
    }
}

/// What a status of the handshake says that no other attempt will change.
fn refused_by(status: StatusCode) -> Option<&'static str> {
    match status {
        StatusCode::UNAUTHORIZED => Some("the server wants its token: --token, or ORCHESTRATAI__AUTH__TOKEN"),
        StatusCode::FORBIDDEN => Some("the server does not let this client in"),
        StatusCode::NOT_FOUND => Some("there is no OrchestratAI at this address"),
        StatusCode::BAD_REQUEST => Some("the server does not understand this client"),
        _ => None,
    }
}

/// What a close code says that no other attempt will change.
pub(super) fn refused_by_close(code: u16) -> Option<&'static str> {
    match code {
        4001 => Some("the server wants its token: --token, or ORCHESTRATAI__AUTH__TOKEN"),
        4003 => Some("the server does not let this client in"),
        _ => None,
    }
}

/// One WebSocket.
pub(super) struct Connection {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

impl Connection {
    /// The next thing from the server. Loses nothing where it is dropped before it is there.
    pub(super) async fn next(&mut self) -> Received {
        match self.socket.next().await {
            Some(Ok(Message::Text(text))) => ServerFrame::parse(&text).map_or(Received::Life, Received::Frame),
            Some(Ok(Message::Close(frame))) => Received::Closed(frame.map(|frame| frame.code.into())),
            Some(Ok(Message::Binary(_) | Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => Received::Life,
            Some(Err(_)) | None => Received::Closed(None),
        }
    }

    /// Says something.
    pub(super) async fn send(&mut self, said: &Said) -> Result<(), Error> {
        let mut data = json!({"clientMessageId": said.id, "content": said.content});
        if said.fresh {
            data["fresh"] = true.into();
        }
        self.text(&json!({"type": "send_message", "data": data})).await
    }

    /// Stops a turn: the running one where none is named.
    pub(super) async fn cancel(&mut self, turn_id: Option<TurnId>) -> Result<(), Error> {
        let data = turn_id.map_or_else(|| json!({}), |turn_id| json!({"turnId": turn_id}));
        self.text(&json!({"type": "cancel", "data": data})).await
    }

    /// Asks for a sign of life.
    pub(super) async fn ping(&mut self) -> Result<(), Error> {
        self.socket.send(Message::Ping(Vec::new().into())).await
    }

    /// Says good-bye.
    pub(super) async fn close(mut self) {
        let _ = self.socket.close(None).await; // It is over either way.
    }

    async fn text(&mut self, frame: &serde_json::Value) -> Result<(), Error> {
        self.socket.send(Message::text(frame.to_string())).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_a_websocket_url_and_keeps_its_token_to_itself() {
        let url = |text: &str| Target::parse(text, None).map(|target| target.url().to_owned());
        assert_eq!(url("ws://127.0.0.1:8000").unwrap(), "ws://127.0.0.1:8000/api/ws");
        assert_eq!(url("http://box:9000/").unwrap(), "ws://box:9000/api/ws");
        assert_eq!(url("ws://box/behind/proxy/ws?x=1").unwrap(), "ws://box/behind/proxy/ws");
        for wrong in ["", "box:8000", "ftp://box", "wss://box", "https://box"] {
            assert!(url(wrong).is_err(), "{wrong}");
        }
        let target = Target::parse("ws://box", Some("very-secret")).unwrap();
        assert!(!format!("{target:?}").contains("very-secret"));
        assert!(Target::parse("ws://box", Some("a\nb")).is_err());
    }
}
