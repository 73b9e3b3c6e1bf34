//! A provider of chat completions to measure with: it speaks OpenAI's protocol over a socket, says a piece of each answer at a time, and
//! remembers when it wrote the first one.

use std::{
    collections::HashMap,
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread,
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    runtime,
    time::{MissedTickBehavior, interval, sleep},
};

use crate::error::BenchError;

/// Stands before the number of a case in a question.
const CASE: &str = "(case ";
/// Stands behind a question that is answered at once.
const BRIEF: &str = "(brief)";
const HEAD: &str =
    "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n";
const REQUEST_BYTES_MAX: usize = 1 << 20;

/// How it answers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Manner {
    /// Between two pieces of an answer.
    pub(crate) piece_every: Duration,
    /// Pieces of an answer.
    pub(crate) pieces: u32,
}

impl Manner {
    /// The shortest time in which it begins to answer.
    pub(crate) const THINKS_AT_LEAST: Duration = Duration::from_millis(200);

    /// How long it thinks before it says anything: spread over a second, so that answers do not begin together.
    fn thinks(case: u64) -> Duration {
        Self::THINKS_AT_LEAST + Duration::from_millis(case.wrapping_mul(7_919) % 1_000)
    }
}

/// A provider on a thread of its own; ends with the process.
#[derive(Debug, Clone)]
pub(crate) struct Provider {
    addr: SocketAddr,
    begun: Arc<Mutex<HashMap<u64, Instant>>>,
}

/// A question that is answered at once, in one piece.
pub(crate) fn brief_question(case: u64) -> String {
    format!("{} {BRIEF}", question(case))
}

/// A question that is told apart from all others by its number.
pub(crate) fn question(case: u64) -> String {
    format!("How do I rotate an API key without downtime? {CASE}{case})")
}

impl Provider {
    /// Starts it on a free port.
    ///
    /// # Errors
    /// Where it cannot listen.
    pub(crate) fn start(manner: Manner) -> Result<Self, BenchError> {
        let begun = Arc::<Mutex<HashMap<u64, Instant>>>::default();
        let (ready, listens) = mpsc::channel::<io::Result<SocketAddr>>();
        let known = Arc::clone(&begun);
        thread::Builder::new()
            .name("provider".to_owned())
            .spawn(move || {
                let runtime = match runtime::Builder::new_current_thread().enable_all().build() {
                    Ok(runtime) => runtime,
                    Err(error) => {
                        ready.send(Err(error)).ok();
                        return;
                    }
                };
                runtime.block_on(accept(manner, known, &ready));
            })
            .map_err(BenchError::io("start a thread"))?;
        let addr = listens
            .recv()
            .map_err(|_| BenchError::Panicked)?
            .map_err(BenchError::io("listen as a provider"))?;
        Ok(Self { addr, begun })
    }

    /// Where it listens.
    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// When it wrote the first piece of the answer to this question; each is told once.
    pub(crate) fn take_begin(&self, case: u64) -> Option<Instant> {
        lock(&self.begun).remove(&case)
    }
}

fn lock(begun: &Mutex<HashMap<u64, Instant>>) -> std::sync::MutexGuard<'_, HashMap<u64, Instant>> {
    // Nothing panics while it is held.
    begun.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn accept(
    manner: Manner,
    begun: Arc<Mutex<HashMap<u64, Instant>>>,
    ready: &mpsc::Sender<io::Result<SocketAddr>>,
) {
    let listener = match TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await {
        Ok(listener) => listener,
        Err(error) => {
            ready.send(Err(error)).ok();
            return;
        }
    };
    ready.send(listener.local_addr()).ok();
    while let Ok((socket, _)) = listener.accept().await {
        let begun = Arc::clone(&begun);
        tokio::spawn(async move {
            // A client that goes in the middle is that client's business.
            let _ = answer(socket, manner, &begun).await;
        });
    }
}

async fn answer(mut socket: TcpStream, manner: Manner, begun: &Mutex<HashMap<u64, Instant>>) -> io::Result<()> {
    socket.set_nodelay(true)?;
    let Some(Asked { case, is_brief }) = read_asked(&mut socket).await? else {
        return Ok(());
    };
    let pieces = if is_brief {
        1
    } else {
        sleep(Manner::thinks(case)).await;
        manner.pieces
    };
    let mut ticks = interval(manner.piece_every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for piece in 0..pieces {
        ticks.tick().await;
        let event = chunk(&format!(
            r#"{{"choices":[{{"delta":{{"content":"Piece {piece} of it. "}}}}]}}"#
        ));
        if piece == 0 {
            let bytes = HEAD.to_owned() + &event;
            lock(begun).insert(case, Instant::now());
            socket.write_all(bytes.as_bytes()).await?;
        } else {
            socket.write_all(event.as_bytes()).await?;
        }
    }
    let stop = chunk(r#"{"choices":[{"delta":{},"finish_reason":"stop"}]}"#);
    let usage = chunk(r#"{"choices":[],"usage":{"prompt_tokens":1000,"completion_tokens":100}}"#);
    let end = stop + &usage + &chunk("[DONE]") + "0\r\n\r\n";
    socket.write_all(end.as_bytes()).await
}

/// One event, as one chunk of HTTP.
fn chunk(data: &str) -> String {
    let event = format!("data: {data}\n\n");
    format!("{:x}\r\n{event}\r\n", event.len())
}

/// What a request asks.
#[derive(Debug, PartialEq, Eq)]
struct Asked {
    /// The number of its last question.
    case: u64,
    is_brief: bool,
}

/// Reads a request.
async fn read_asked(socket: &mut TcpStream) -> io::Result<Option<Asked>> {
    let mut bytes = Vec::new();
    loop {
        if let Some(length) = length(&bytes)
            && bytes.len() >= length
        {
            return Ok(asked_in(&String::from_utf8_lossy(&bytes)));
        }
        if bytes.len() > REQUEST_BYTES_MAX || socket.read_buf(&mut bytes).await? == 0 {
            return Ok(None);
        }
    }
}

/// How long the whole request is, once its head is there.
fn length(bytes: &[u8]) -> Option<usize> {
    let head = bytes.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let text = std::str::from_utf8(&bytes[..head]).ok()?.to_ascii_lowercase();
    let body = text.lines().find_map(|line| line.strip_prefix("content-length:"))?;
    Some(head + body.trim().parse::<usize>().ok()?)
}

fn asked_in(request: &str) -> Option<Asked> {
    let (_, after) = request.rsplit_once(CASE)?;
    let (number, after) = after.split_once(')')?;
    Some(Asked {
        case: number.parse().ok()?,
        is_brief: after.trim_start().starts_with(BRIEF),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_question_of_a_request_counts() {
        let (old, new) = (brief_question(7), question(1234));
        let asked = |case, is_brief| Some(Asked { case, is_brief });
        assert_eq!(asked_in(&format!("{old} and {new}\"}}]}}")), asked(1234, false));
        assert_eq!(asked_in(&format!("{new} and {old}\"}}]}}")), asked(7, true));
        assert_eq!(asked_in("nothing"), None);
    }

    #[test]
    fn a_request_is_as_long_as_its_head_says() {
        let head = b"POST /v1 HTTP/1.1\r\nContent-Length: 5\r\n\r\n";
        assert_eq!(length(head), Some(head.len() + 5));
        assert_eq!(length(b"POST /v1 HTTP/1.1\r\n"), None);
    }
}
