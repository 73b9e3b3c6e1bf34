//! A session over WebSocket.

use std::time::Instant;

use futures_util::{SinkExt, StreamExt};
use serde::Serialize;
use tokio::{
    net::{TcpSocket, TcpStream},
    time::timeout,
};
use tokio_tungstenite::{
    WebSocketStream, client_async_with_config,
    tungstenite::{
        ClientRequestBuilder, Error as WsError, Message, Utf8Bytes, error::ProtocolError, protocol::WebSocketConfig,
    },
};
use uuid::Uuid;

use super::{
    Client, Target, Turn, TurnError,
    frame::{self, Accepted, Refusal, Terminal},
};

const SUBPROTOCOL: &str = "orchestratai.v1";

/// Small, because thousands of idle sockets have one each.
const READ_BUFFER_BYTES: usize = 16 * 1024;

/// One socket on one session.
pub(crate) struct WsClient {
    socket: WebSocketStream<TcpStream>,
    target: Target,
}

#[derive(Serialize)]
#[serde(tag = "type", rename = "send_message", rename_all = "camelCase")]
struct SendMessage<'a> {
    client_message_id: &'a str,
    content: &'a str,
    /// Always true: an answer out of the cache is not what is measured.
    fresh: bool,
}

impl Client for WsClient {
    const PROTOCOL: &'static str = "ws";

    async fn connect(target: &Target, session: Option<Uuid>) -> Result<Self, TurnError> {
        let connecting = async {
            let stream = TcpStream::connect(target.addr).await?;
            let mut client = Self::handshake(target, stream, session).await?;
            match frame::kind(&client.text().await?).as_deref() {
                Some("session_ready") => Ok(client),
                Some(_) | None => Err(TurnError::Protocol("the first frame is not session_ready")),
            }
        };
        timeout(target.patience, connecting)
            .await
            .unwrap_or(Err(TurnError::Timeout))
    }

    async fn turn(&mut self, question: &str) -> Result<Turn, TurnError> {
        let patience = self.target.patience;
        timeout(patience, self.ask(question))
            .await
            .unwrap_or(Err(TurnError::Timeout))
    }

    async fn lost(&mut self) -> TurnError {
        loop {
            if let Err(error) = self.text().await {
                return error;
            }
        }
    }
}

impl WsClient {
    /// Subscribes with a receive buffer of a few KiB, so that the server soon notices that nobody reads.
    pub(crate) async fn connect_to_stall(target: &Target, session: Uuid) -> Result<Self, TurnError> {
        let connecting = async {
            let socket = if target.addr.is_ipv4() {
                TcpSocket::new_v4()
            } else {
                TcpSocket::new_v6()
            }?;
            socket.set_recv_buffer_size(4096)?;
            let stream = socket.connect(target.addr).await?;
            Self::handshake(target, stream, Some(session)).await
        };
        timeout(target.patience, connecting)
            .await
            .unwrap_or(Err(TurnError::Timeout))
    }

    /// The port on this side.
    pub(crate) fn local_port(&self) -> Result<u16, TurnError> {
        Ok(self.socket.get_ref().local_addr()?.port())
    }

    async fn handshake(target: &Target, stream: TcpStream, session: Option<Uuid>) -> Result<Self, TurnError> {
        stream.set_nodelay(true)?;
        let query = session.map(|id| format!("?session_id={id}")).unwrap_or_default();
        let uri = format!("ws://{}/api/ws{query}", target.host);
        let uri = uri
            .parse()
            .map_err(|_| TurnError::Protocol("the host cannot stand in a URI"))?;
        let mut request = ClientRequestBuilder::new(uri).with_sub_protocol(SUBPROTOCOL);
        if let Some(token) = &target.token {
            request = request.with_header("Authorization", format!("Bearer {token}"));
        }
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER_BYTES)
            .write_buffer_size(0);
        let (socket, _) = Box::pin(client_async_with_config(request, stream, Some(config)))
            .await
            .map_err(|error| from_ws(&error))?;
        Ok(Self {
            socket,
            target: target.clone(),
        })
    }

    async fn ask(&mut self, question: &str) -> Result<Turn, TurnError> {
        let mut id = Uuid::encode_buffer();
        let id = &*Uuid::now_v7().hyphenated().encode_lower(&mut id);
        let message = SendMessage {
            client_message_id: id,
            content: question,
            fresh: true,
        };
        let message = serde_json::to_string(&message).expect("strings and a flag are always JSON");
        self.socket
            .send(Message::text(message))
            .await
            .map_err(|error| from_ws(&error))?;

        let (turn_id, first_event) = loop {
            let text = self.text().await?;
            match frame::kind(&text).as_deref() {
                Some("message_accepted") => {
                    let accepted = Accepted::parse(&text).ok_or(TurnError::Protocol("message_accepted"))?;
                    if accepted.is_for(id) {
                        break (accepted.turn_id.into_owned(), Instant::now());
                    }
                }
                Some("error") => refused(&text, id)?,
                Some(_) | None => {} // What is left of the turn before, such as a status.
            }
        };
        let mut first_token = None;
        loop {
            let text = self.text().await?;
            let kind = frame::kind(&text);
            match kind.as_deref() {
                Some("message_delta") => {
                    first_token.get_or_insert_with(Instant::now);
                }
                Some("error") => refused(&text, id)?,
                Some(kind @ ("message_completed" | "turn_failed" | "turn_cancelled")) => {
                    let end = Instant::now();
                    let terminal = Terminal::parse(&text).ok_or(TurnError::Protocol("the end of a turn"))?;
                    if terminal.turn_id != turn_id {
                        continue;
                    }
                    return match kind {
                        "message_completed" => Ok(Turn {
                            first_event: Some(first_event),
                            first_token,
                            end,
                            origin: Some(terminal.origin()),
                        }),
                        "turn_failed" => Err(TurnError::Failed(terminal.error_code())),
                        _ => Err(TurnError::Cancelled),
                    };
                }
                Some(_) | None => {}
            }
        }
    }

    /// The next text frame. Loses nothing when dropped.
    async fn text(&mut self) -> Result<Utf8Bytes, TurnError> {
        loop {
            let message = self
                .socket
                .next()
                .await
                .ok_or(TurnError::Lost)?
                .map_err(|error| from_ws(&error))?;
            match message {
                Message::Text(text) => return Ok(text),
                Message::Close(Some(frame)) => return Err(TurnError::Closed(frame.code.into())),
                Message::Close(None) => return Err(TurnError::Lost),
                Message::Binary(_) => return Err(TurnError::Protocol("a binary frame")),
                Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {} // Pings are answered below us.
            }
        }
    }
}

fn refused(text: &str, client_message_id: &str) -> Result<(), TurnError> {
    let refusal = Refusal::parse(text).ok_or(TurnError::Protocol("error"))?;
    refusal
        .code_for(client_message_id)
        .map_or(Ok(()), |code| Err(TurnError::Refused(code)))
}

fn from_ws(error: &WsError) -> TurnError {
    match error {
        WsError::Io(error) => TurnError::Io(error.kind()),
        WsError::Http(response) => TurnError::Status(response.status().as_u16()),
        WsError::ConnectionClosed
        | WsError::AlreadyClosed
        | WsError::Protocol(ProtocolError::ResetWithoutClosingHandshake) => TurnError::Lost,
        WsError::Protocol(_) => TurnError::Protocol("RFC 6455"),
        WsError::Utf8(_) => TurnError::Protocol("text that is no UTF-8"),
        WsError::Capacity(_) | WsError::WriteBufferFull(_) => TurnError::Protocol("a frame without bound"),
        WsError::AttackAttempt | WsError::Url(_) | WsError::HttpFormat(_) => TurnError::Protocol("the handshake"),
        WsError::Tls(_) => TurnError::Protocol("TLS"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sent_is_the_command_of_the_wire_contract() {
        let content = "How much is the \"Team\" plan?";
        let message = SendMessage {
            client_message_id: "0190b7a4-0000-7000-8000-000000000000",
            content,
            fresh: true,
        };
        assert_eq!(
            serde_json::to_string(&message).unwrap(),
            r#"{"type":"send_message","clientMessageId":"0190b7a4-0000-7000-8000-000000000000","content":"How much is the \"Team\" plan?","fresh":true}"#
        );
    }
}
