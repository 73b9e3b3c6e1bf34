//! A provider of chat completions that says what its script says, over a real socket.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use orchestratai_testing::http_server::{self, HttpConnection, HttpRequest, HttpServer, LAST_CHUNK, answer, chunk};
use serde_json::{Value, json};

/// One thing that it says or does.
#[derive(Debug, Clone)]
pub(crate) enum Said {
    /// The next piece of the answer.
    Text(String),
    /// An event with these data.
    Event(String),
    /// The end, with what it took.
    End { input: u64, output: u64 },
    /// Nothing, until the client goes.
    Hang,
    /// The connection breaks off.
    Die,
    /// A refusal with a status and headers, in place of an answer.
    Refuse(&'static str, &'static str),
    /// A refusal with a status and a body.
    RefuseWith(&'static str, String),
    /// A refusal with a status that repeats all that was sent, the key among it, wherever an error has room for words.
    Echo(&'static str),
    /// These bytes, whatever they are.
    Bytes(String),
}

/// A request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) authorization: String,
    pub(crate) body: Value,
}

impl Asked {
    pub(super) fn of(request: &HttpRequest) -> Self {
        Self {
            authorization: request.header("authorization").to_owned(),
            body: serde_json::from_str(&request.body).unwrap(),
        }
    }

    /// An error that repeats all of it.
    pub(super) fn echoed(&self) -> String {
        let key = self.authorization.trim_start_matches("Bearer ");
        let body = self.body.to_string();
        let last = self.body["messages"].as_array().and_then(|messages| messages.last());
        let last = last.map_or(&Value::Null, |message| &message["content"]);
        let error = json!({"message": body, "code": key, "type": last, "status": key, "param": body});
        json!({"error": error, "message": body, "detail": last}).to_string()
    }
}

#[derive(Default)]
struct Seen {
    asked: Vec<Asked>,
    left: Vec<Instant>,
}

/// A provider for as long as it is not dropped. Each request gets the next script, and all that follow the last one.
pub(crate) struct Provider {
    seen: Arc<Mutex<Seen>>,
    server: HttpServer,
}

impl Provider {
    pub(crate) async fn start(scripts: Vec<Vec<Said>>) -> Self {
        let (scripts, seen) = (Arc::new(scripts), Arc::<Mutex<Seen>>::default());
        let known = Arc::clone(&seen);
        let server =
            HttpServer::start(move |connection| serve(connection, Arc::clone(&scripts), Arc::clone(&known))).await;
        Self { seen, server }
    }

    pub(crate) fn base_url(&self) -> String {
        format!("{}/v1", self.server.url())
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.seen.lock().unwrap().asked.clone()
    }

    /// Waits until `count` clients have gone while it hung, and says when the last of them did.
    pub(crate) async fn was_left(&self, count: usize) -> Instant {
        let waiting = async {
            loop {
                if let Some(at) = self.seen.lock().unwrap().left.get(count - 1) {
                    return *at;
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), waiting)
            .await
            .expect("the client goes")
    }
}

/// One connection, one request.
async fn serve(mut connection: HttpConnection, scripts: Arc<Vec<Vec<Said>>>, seen: Arc<Mutex<Seen>>) {
    let Some(request) = connection.request().await else {
        return;
    };
    let asked = Asked::of(&request);
    let echo = asked.echoed();
    let place = {
        let mut seen = seen.lock().unwrap();
        seen.asked.push(asked);
        (seen.asked.len() - 1).min(scripts.len() - 1)
    };
    let mut has_begun = false;
    for said in &scripts[place] {
        let answers = matches!(said, Said::Text(_) | Said::Event(_) | Said::End { .. });
        if answers && !std::mem::replace(&mut has_begun, true) {
            let head = http_server::streamed("content-type: text/event-stream\r\nconnection: close\r\n");
            if connection.send(head).await.is_err() {
                return;
            }
        }
        let bytes = match said {
            Said::Text(text) => event(&json!({"choices": [{"delta": {"content": text}}]}).to_string()),
            Said::Event(data) => event(data),
            Said::End { input, output } => {
                let stop = json!({"choices": [{"delta": {}, "finish_reason": "stop"}]}).to_string();
                let usage = json!({"choices": [], "usage": {"prompt_tokens": input, "completion_tokens": output}});
                let events = [event(&stop), event(&usage.to_string()), event("[DONE]")].concat();
                [events.as_slice(), LAST_CHUNK].concat()
            }
            Said::Hang => {
                connection.hang().await;
                seen.lock().unwrap().left.push(Instant::now());
                return;
            }
            Said::Die => return,
            Said::Refuse(status, headers) => refusal(status, headers, "{}"),
            Said::RefuseWith(status, body) => refusal(status, "", body),
            Said::Echo(status) => refusal(status, "", &echo),
            Said::Bytes(bytes) => bytes.clone().into_bytes(),
        };
        if connection.send(bytes).await.is_err() {
            return;
        }
        // So that each is a piece of its own on the way.
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn event(data: &str) -> Vec<u8> {
    chunk(http_server::event(data).as_bytes())
}

fn refusal(status: &str, headers: &str, body: &str) -> Vec<u8> {
    let headers = format!("content-type: application/json\r\nconnection: close\r\n{headers}");
    answer(status, &headers, body).into_bytes()
}
