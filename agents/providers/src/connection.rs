//! Where a model is, and how it is asked: one type for all protocols.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use chrono::Utc;
use futures_util::stream;
use orchestratai_agents::language::{ChatEvent, ChatRequest, ChatStream, LanguageError, LanguageModel};
use reqwest::{
    Client, RequestBuilder, Response, Url,
    header::{CONTENT_TYPE, HeaderMap},
    redirect, retry,
};
use tokio::time::timeout;

use crate::{
    anthropic::Anthropic,
    framing::Frames,
    gemini::Gemini,
    ollama::Ollama,
    openai::OpenAi,
    protocol::{Heard, Protocol, Reader},
    refusal,
};

/// The body of a refusal is read this far.
const REFUSAL_BYTES_MAX: usize = 64 * 1024;
/// How long the body of a refusal is waited for; its status says enough.
const REFUSAL_WAIT: Duration = Duration::from_secs(2);
/// A connection that nobody needs is kept for this long.
const IDLE_CONNECTION_KEPT: Duration = Duration::from_secs(30);
/// The kernel asks a silent peer for a sign of life this often.
const TCP_KEEPALIVE: Duration = Duration::from_secs(15);

/// The kinds of providers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ProviderKind {
    /// Whoever speaks the chat completions of OpenAI.
    OpenAi,
    /// Anthropic's messages.
    Anthropic,
    /// Google's Gemini API.
    Gemini,
    /// Ollama's own API.
    Ollama,
}

impl ProviderKind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::OpenAi, Self::Anthropic, Self::Gemini, Self::Ollama];

    /// Its name in the configuration.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::OpenAi => "openai",
            Self::Anthropic => "anthropic",
            Self::Gemini => "gemini",
            Self::Ollama => "ollama",
        }
    }

    /// Where it is unless something else is said.
    #[must_use]
    pub fn base_url(self) -> &'static str {
        match self {
            Self::OpenAi => "https://api.openai.com/v1",
            Self::Anthropic => "https://api.anthropic.com",
            Self::Gemini => "https://generativelanguage.googleapis.com",
            Self::Ollama => "http://127.0.0.1:11434",
        }
    }

    pub(crate) fn protocol(self) -> Box<dyn Protocol> {
        match self {
            Self::OpenAi => Box::new(OpenAi),
            Self::Anthropic => Box::new(Anthropic),
            Self::Gemini => Box::new(Gemini),
            Self::Ollama => Box::new(Ollama),
        }
    }
}

/// A secret that a provider wants to see. It is never shown, not even by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Key(String);

impl Key {
    /// Takes it in.
    #[must_use]
    pub fn new(secret: impl Into<String>) -> Self {
        Self(secret.into())
    }

    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(…)")
    }
}

/// A model at its provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// How it is spoken with.
    pub kind: ProviderKind,
    /// Where the provider is, `http` or `https`; the path of the request is put behind its path, its query is kept.
    pub base_url: String,
    /// The model, as the provider calls it.
    pub model: String,
    /// What the provider wants to see; a server of one's own may want nothing.
    pub key: Option<Key>,
}

/// How long a provider is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// For the connection, TLS included.
    pub connect: Duration,
    /// From the request to the first piece of the answer. Signs of life do not count.
    pub first_token: Duration,
    /// From then on between two signs of life, be they pieces of the answer or not.
    pub idle: Duration,
}

/// Why a model cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The address is none.
    #[error("the base address must be http://HOST[:PORT][/PATH] or https://HOST[:PORT][/PATH]")]
    Address,
    /// The key has characters that cannot be sent.
    #[error("the key has characters that cannot stand in a header")]
    Key,
    /// TLS cannot be set up.
    #[error("TLS cannot be set up")]
    Tls(#[source] reqwest::Error),
    /// The provider has no models of that kind.
    #[error("{} has no models that make vectors of texts", .0.name())]
    NoEmbeddings(ProviderKind),
}

/// A model that is asked over HTTP. Cheap to clone; clones share their idle connections.
#[derive(Clone)]
pub struct HttpModel(Arc<Inner>);

struct Inner {
    endpoint: Endpoint,
    protocol: Box<dyn Protocol>,
    address: Url,
    headers: HeaderMap,
    client: Client,
    timeouts: Timeouts,
}

impl HttpModel {
    /// Sets a model up. Nothing is sent before it is asked something.
    ///
    /// # Errors
    /// [`ConnectError`] where it could never be asked.
    pub fn new(endpoint: Endpoint, timeouts: Timeouts) -> Result<Self, ConnectError> {
        let protocol = endpoint.kind.protocol();
        let address = address(&endpoint, &protocol.path(&endpoint)).ok_or(ConnectError::Address)?;
        let headers = headers(protocol.as_ref(), &endpoint)?;
        let client = client(&timeouts)?;
        Ok(Self(Arc::new(Inner {
            endpoint,
            protocol,
            address,
            headers,
            client,
            timeouts,
        })))
    }
}

/// What identifies us, never to be shown.
pub(crate) fn headers(protocol: &dyn Protocol, endpoint: &Endpoint) -> Result<HeaderMap, ConnectError> {
    let mut headers = protocol.headers(endpoint).map_err(|_invalid| ConnectError::Key)?;
    for value in headers.values_mut() {
        value.set_sensitive(true);
    }
    Ok(headers)
}

/// What holds connections to one provider.
pub(crate) fn client(timeouts: &Timeouts) -> Result<Client, ConnectError> {
    let client = Client::builder()
        .connect_timeout(timeouts.connect)
        .tcp_keepalive(TCP_KEEPALIVE)
        .tcp_nodelay(true)
        .pool_idle_timeout(IDLE_CONNECTION_KEPT)
        // Who is sent elsewhere would send the prompt, and perhaps the key, to somebody who was not configured.
        .redirect(redirect::Policy::none())
        // When to ask again is decided in one place, which knows what has left already.
        .retry(retry::never())
        .user_agent(concat!("orchestratai/", env!("CARGO_PKG_VERSION")))
        .build();
    client.map_err(ConnectError::Tls)
}

/// Sends a request, and gives the response where it is one.
pub(crate) async fn post(
    client: &Client,
    address: &Url,
    headers: &HeaderMap,
    body: String,
) -> Result<Response, LanguageError> {
    let post: RequestBuilder = client
        .post(address.clone())
        .headers(headers.clone())
        .header(CONTENT_TYPE, "application/json")
        .body(body);
    let mut response = post.send().await.map_err(|error| without_answer(&error))?;
    if response.status().is_success() {
        // They are slices of the buffer that the connection read them into, which could not be used again.
        response.headers_mut().clear();
        return Ok(response);
    }
    let (status, headers) = (response.status(), response.headers().clone());
    let body = timeout(REFUSAL_WAIT, beginning(response)).await.unwrap_or_default();
    Err(refusal::of_status(status, &headers, &body, Utc::now()))
}

/// The address of requests: the path of the base with that of the protocol behind it, and the queries of both.
pub(crate) fn address(endpoint: &Endpoint, path: &str) -> Option<Url> {
    let mut url = Url::parse(&endpoint.base_url).ok()?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return None;
    }
    let (path, query) = path
        .split_once('?')
        .map_or((path, None), |(path, query)| (path, Some(query)));
    let whole = format!("{}{path}", url.path().trim_end_matches('/'));
    url.set_path(&whole);
    let queries: Vec<&str> = [query, url.query()].into_iter().flatten().collect();
    let joined = queries.join("&");
    url.set_query((!joined.is_empty()).then_some(joined.as_str()));
    Some(url)
}

impl LanguageModel for HttpModel {
    fn chat(&self, request: Arc<ChatRequest>) -> ChatStream {
        let call = Call {
            model: Arc::clone(&self.0),
            heard: Heard::default(),
            state: State::Unasked(request),
        };
        Box::pin(stream::unfold(call, |mut call| async move {
            let event = call.next().await?;
            Some((event, call))
        }))
    }
}

/// One request. Dropping it drops the response, which closes the socket.
struct Call {
    model: Arc<Inner>,
    heard: Heard,
    state: State,
}

enum State {
    Unasked(Arc<ChatRequest>),
    Answering(Box<Answering>),
    Ended,
}

struct Answering {
    response: Response,
    frames: Frames,
    reader: Box<dyn Reader>,
    /// Until when the first piece of the answer must be there; none once it is.
    first_token_until: Option<Instant>,
}

impl Call {
    async fn next(&mut self) -> Option<Result<ChatEvent, LanguageError>> {
        loop {
            if let Some(event) = self.heard.pop() {
                if event.is_answer()
                    && let State::Answering(answering) = &mut self.state
                {
                    answering.first_token_until = None;
                }
                if matches!(event, ChatEvent::Stopped(_)) {
                    self.state = State::Ended;
                }
                return Some(Ok(event));
            }
            if let Err(error) = self.advance().await? {
                self.state = State::Ended;
                return Some(Err(error));
            }
        }
    }

    /// Hears a little more; none at the end.
    async fn advance(&mut self) -> Option<Result<(), LanguageError>> {
        match &mut self.state {
            State::Ended => None,
            State::Unasked(request) => {
                let request = Arc::clone(request);
                match self.model.ask(&request).await {
                    Ok(answering) => {
                        self.state = State::Answering(answering);
                        Some(Ok(()))
                    }
                    Err(error) => Some(Err(error)),
                }
            }
            State::Answering(answering) => Some(answering.hear(&mut self.heard, &self.model.timeouts).await),
        }
    }
}

impl Inner {
    async fn ask(&self, request: &ChatRequest) -> Result<Box<Answering>, LanguageError> {
        let limit = self.timeouts.first_token;
        let until = Instant::now() + limit;
        let response = timeout(limit, self.send(request))
            .await
            .map_err(|_elapsed| LanguageError::TimedOut { limit })??;
        Ok(Box::new(Answering {
            response,
            frames: Frames::new(self.protocol.framing()),
            reader: self.protocol.reader(request),
            first_token_until: Some(until),
        }))
    }

    async fn send(&self, request: &ChatRequest) -> Result<Response, LanguageError> {
        let body = self.protocol.body(&self.endpoint, request).to_string();
        post(&self.client, &self.address, &self.headers, body).await
    }
}

impl Answering {
    async fn hear(&mut self, heard: &mut Heard, timeouts: &Timeouts) -> Result<(), LanguageError> {
        if let Some(piece) = self.frames.pop() {
            return self.reader.read(&piece, heard);
        }
        let (limit, wait) = match self.first_token_until {
            None => (timeouts.idle, timeouts.idle),
            Some(until) => (timeouts.first_token, until.saturating_duration_since(Instant::now())),
        };
        let chunk: Option<Bytes> = timeout(wait, self.response.chunk())
            .await
            .map_err(|_elapsed| LanguageError::TimedOut { limit })?
            .map_err(|error| cut_short(&error))?;
        match chunk {
            Some(bytes) => self.frames.push(&bytes),
            None => {
                self.frames.finish()?;
                while let Some(piece) = self.frames.pop() {
                    self.reader.read(&piece, heard)?;
                }
                if heard.has_stopped() {
                    return Ok(());
                }
                self.reader.end(heard)
            }
        }
    }
}

async fn beginning(mut response: Response) -> Vec<u8> {
    let mut body = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        let room = REFUSAL_BYTES_MAX - body.len();
        body.extend_from_slice(&chunk[..chunk.len().min(room)]);
        if body.len() == REFUSAL_BYTES_MAX {
            break;
        }
    }
    body
}

/// Without the address, which reqwest's own message has. Only where there was no connection, TLS included, has nothing left: a connection
/// that broke off later may have carried all of the request, and whoever has it may work on it and bill it.
fn without_answer(error: &reqwest::Error) -> LanguageError {
    if !error.is_connect() && !error.is_builder() {
        return cut_short(error);
    }
    tracing::debug!(
        error = error as &(dyn std::error::Error + 'static),
        "a provider cannot be reached"
    );
    let reason = match error.is_timeout() {
        true => "the connection took too long",
        false => "there is no connection",
    };
    LanguageError::Unreachable { reason: reason.into() }
}

pub(crate) fn cut_short(error: &reqwest::Error) -> LanguageError {
    tracing::debug!(
        error = error as &(dyn std::error::Error + 'static),
        "an answer broke off"
    );
    LanguageError::CutShort
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_keeps_its_path_and_query() {
        for (base_url, expected) in [
            (
                "https://api.openai.com/v1",
                "https://api.openai.com/v1/chat/completions",
            ),
            ("http://127.0.0.1:8080/", "http://127.0.0.1:8080/chat/completions"),
            (
                "https://x.openai.azure.com/openai/deployments/d?api-version=2024-10-21",
                "https://x.openai.azure.com/openai/deployments/d/chat/completions?api-version=2024-10-21",
            ),
        ] {
            let endpoint = Endpoint {
                kind: ProviderKind::OpenAi,
                base_url: base_url.into(),
                model: "m".into(),
                key: None,
            };
            assert_eq!(address(&endpoint, "/chat/completions").unwrap().as_str(), expected);
        }
    }

    #[test]
    fn what_is_no_address_is_refused_and_a_key_is_never_shown() {
        for base_url in ["", "api.openai.com", "ftp://host", "file:///etc/passwd"] {
            let endpoint = Endpoint {
                kind: ProviderKind::Ollama,
                base_url: base_url.into(),
                model: "m".into(),
                key: Some(Key::new("sk-canary")),
            };
            assert!(!format!("{endpoint:?}").contains("canary"));
            assert!(address(&endpoint, "/api/chat").is_none(), "{base_url}");
        }
    }
}
