//! A session over `POST /api/chat`, on one connection that is kept alive.

use std::{
    future::pending,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{
    Request, StatusCode,
    client::conn::http1::{SendRequest, handshake},
    header::{AUTHORIZATION, CONTENT_TYPE, HOST},
};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use tokio::{net::TcpStream, task::spawn_local, time::timeout};
use uuid::Uuid;

use super::{Client, Target, Turn, TurnError, frame::ChatAnswer};

/// Every so many turns the answer is parsed to see where it came from; parsing all would cost the server its share of CPU.
const LOOK_AT_EVERY: u32 = 16;

/// One connection for one session.
pub(crate) struct RestClient {
    sender: SendRequest<Full<Bytes>>,
    session: String,
    target: Target,
    turns: u32,
}

#[derive(Serialize)]
struct Chat<'a> {
    message: &'a str,
    session_id: &'a str,
    fresh: bool,
}

impl Client for RestClient {
    const PROTOCOL: &'static str = "rest";

    async fn connect(target: &Target, session: Option<Uuid>) -> Result<Self, TurnError> {
        let session = session.unwrap_or_else(Uuid::now_v7);
        // Sessions begin at different places, so that in every second some answers are looked at.
        let turns = u32::from(session.as_bytes()[15]);
        let sender = timeout(target.patience, open(target))
            .await
            .unwrap_or(Err(TurnError::Timeout))?;
        Ok(Self {
            sender,
            session: session.to_string(),
            target: target.clone(),
            turns,
        })
    }

    async fn turn(&mut self, question: &str) -> Result<Turn, TurnError> {
        let patience = self.target.patience;
        timeout(patience, self.ask(question))
            .await
            .unwrap_or(Err(TurnError::Timeout))
    }

    async fn lost(&mut self) -> TurnError {
        // A closed connection is noticed, and opened anew, by the next turn: keep-alive may end between two.
        pending().await
    }
}

impl RestClient {
    /// Asks a question; gives what the server says that its searches took.
    ///
    /// # Errors
    /// Where the turn does not end well.
    pub(crate) async fn searches(&mut self, question: &str) -> Result<Vec<Duration>, TurnError> {
        let body = self.answer(question).await?;
        let answer = ChatAnswer::parse(&body).ok_or(TurnError::Protocol("the answer of /api/chat"))?;
        Ok(answer.searches().collect())
    }

    async fn ask(&mut self, question: &str) -> Result<Turn, TurnError> {
        let body = self.answer(question).await?;
        let end = Instant::now();
        let origin = if self.turns.is_multiple_of(LOOK_AT_EVERY) {
            let answer = ChatAnswer::parse(&body).and_then(|answer| answer.origin());
            Some(answer.ok_or(TurnError::Protocol("the answer of /api/chat"))?)
        } else {
            None
        };
        self.turns = self.turns.wrapping_add(1);
        Ok(Turn {
            first_event: None,
            first_token: None,
            end,
            origin,
        })
    }

    /// The body of the answer to a question.
    async fn answer(&mut self, question: &str) -> Result<Bytes, TurnError> {
        if self.sender.is_closed() {
            self.sender = open(&self.target).await?;
        }
        let body = Chat {
            message: question,
            session_id: &self.session,
            fresh: true,
        };
        let body = serde_json::to_vec(&body).expect("strings and a flag are always JSON");
        let mut request = Request::post("/api/chat")
            .header(HOST, &self.target.host)
            .header(CONTENT_TYPE, "application/json");
        if let Some(token) = &self.target.token {
            request = request.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        let request = request
            .body(Full::from(body))
            .map_err(|_| TurnError::Protocol("a header cannot be sent"))?;
        self.sender.ready().await.map_err(|error| from_hyper(&error))?;
        let response = self
            .sender
            .send_request(request)
            .await
            .map_err(|error| from_hyper(&error))?;
        let status = response.status();
        let body = response
            .into_body()
            .collect()
            .await
            .map_err(|error| from_hyper(&error))?
            .to_bytes();
        if status != StatusCode::OK {
            return Err(ChatAnswer::parse(&body)
                .and_then(|answer| answer.error_code())
                .map_or(TurnError::Status(status.as_u16()), TurnError::Refused));
        }
        Ok(body)
    }
}

async fn open(target: &Target) -> Result<SendRequest<Full<Bytes>>, TurnError> {
    let stream = TcpStream::connect(target.addr).await?;
    stream.set_nodelay(true)?;
    let (sender, connection) = handshake(TokioIo::new(stream))
        .await
        .map_err(|error| from_hyper(&error))?;
    // The connection's own error reaches the request that waits on it.
    spawn_local(async move { connection.await.ok() });
    Ok(sender)
}

fn from_hyper(error: &hyper::Error) -> TurnError {
    if error.is_parse() {
        TurnError::Protocol("HTTP/1.1")
    } else {
        TurnError::Lost
    }
}
