//! How a server is reached, and what is known of it while it is.

use std::{
    future::{Future, ready},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use orchestratai_agents::tool::ToolError;
use reqwest::{Client, Url};
use rmcp::{
    ClientHandler, RoleClient,
    model::{ClientCapabilities, ClientConfig, Implementation, PaginatedRequestParams, Tool},
    service::{NotificationContext, Peer, RunningService, serve_client},
    transport::{
        StreamableHttpClientTransport, async_rw::AsyncRwTransport,
        streamable_http_client::StreamableHttpClientTransportConfig,
    },
};
use tokio::{
    task::JoinSet,
    time::{Instant, timeout, timeout_at},
};

use super::{
    answer::not_listed,
    child::{Child, Command},
};
use crate::{
    connection::http_client,
    source::{Limits, Secret, SourceName},
};

/// Bytes that one message of a server may have. What a tool answers is cut to its own limit later; this bounds what is held for it.
const MESSAGE_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Bytes that are read of an answer that is an error of HTTP.
const REFUSAL_BYTES_MAX: usize = 16 * 1024;
/// Tools of one server that are taken.
const TOOLS_MAX: usize = 256;

/// Where a server is.
#[derive(Debug, Clone)]
pub enum McpEndpoint {
    /// A process that is started, and speaks over its standard input and output.
    Process {
        /// The program: a path, or a name that is looked up in `PATH`.
        command: String,
        /// Its arguments.
        arguments: Vec<String>,
        /// Variables of its environment, beside the few that every program needs (`PATH`, `HOME` and the like). It sees no other ones.
        environment: Vec<(String, Secret)>,
    },
    /// A server that is there, over streamable HTTP.
    Http {
        /// Its address, `http` or `https`.
        url: String,
        /// What it wants to see as `Authorization: Bearer`.
        token: Option<Secret>,
    },
}

/// Why a server cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum McpSourceError {
    /// The address is none.
    #[error("the address must be http://HOST[:PORT][/PATH] or https://HOST[:PORT][/PATH], without user and password")]
    Address,
    /// The program is none.
    #[error("the command is empty")]
    Command,
    /// The token has characters that cannot be sent.
    #[error("the token has characters that cannot stand in a header")]
    Token,
    /// TLS cannot be set up.
    #[error("TLS cannot be set up")]
    Tls(#[source] reqwest::Error),
}

/// Makes connections to one server.
pub(super) struct Connector {
    source: String,
    way: Way,
    connect: Duration,
}

enum Way {
    Process(Command),
    Http(Box<(Client, StreamableHttpClientTransportConfig)>),
}

impl Connector {
    pub(super) fn new(name: &SourceName, endpoint: McpEndpoint, limits: Limits) -> Result<Self, McpSourceError> {
        let way = match endpoint {
            McpEndpoint::Process { command, .. } if command.trim().is_empty() => return Err(McpSourceError::Command),
            McpEndpoint::Process {
                command,
                arguments,
                environment,
            } => Way::Process(Command {
                source: name.as_str().to_owned(),
                program: command,
                arguments,
                environment,
            }),
            McpEndpoint::Http { url, token } => Way::Http(Box::new(http(&url, token.as_ref(), limits)?)),
        };
        Ok(Self {
            source: name.as_str().to_owned(),
            way,
            connect: limits.connect,
        })
    }

    /// Reaches the server and greets it, within the time limit.
    pub(super) async fn connect(self: &Arc<Self>) -> Result<Connection, ToolError> {
        // A task of its own has no span: the tasks that serve a connection keep the one that they are started in, and that of the turn which
        // happened to ask first would end with the server. Dropping the set ends the task.
        let mut greeting = JoinSet::new();
        let connector = Arc::clone(self);
        greeting.spawn(async move { connector.greet().await });
        match timeout(self.connect, greeting.join_next()).await {
            Ok(Some(Ok(outcome))) => outcome,
            Ok(None | Some(Err(_))) => Err(ToolError::NotMade(format!("{} cannot be reached", self.source))),
            Err(_elapsed) => {
                let (source, seconds) = (&self.source, self.connect.as_secs_f32());
                Err(ToolError::NotMade(format!("{source} did not greet within {seconds} s")))
            }
        }
    }

    async fn greet(&self) -> Result<Connection, ToolError> {
        let changes = Arc::new(AtomicU64::new(0));
        let watch = Watch {
            changes: Arc::clone(&changes),
        };
        let (greeting, child) = match &self.way {
            Way::Process(command) => {
                let (child, output, input) = command.start().map_err(|error| {
                    let error: &(dyn std::error::Error + 'static) = &error;
                    tracing::debug!(tools.source = self.source, error, "a tool server cannot be started");
                    ToolError::NotMade(format!("{} cannot be started", self.source))
                })?;
                let transport = AsyncRwTransport::new_client(output, input).with_max_line_length(MESSAGE_BYTES_MAX);
                (serve_client(watch, transport).await, Some(child))
            }
            Way::Http(way) => {
                let (client, config) = &**way;
                let transport = StreamableHttpClientTransport::with_client(client.clone(), config.clone());
                (serve_client(watch, transport).await, None)
            }
        };
        let service = greeting.map_err(|error| {
            let error: &(dyn std::error::Error + 'static) = &error;
            tracing::debug!(tools.source = self.source, error, "a tool server does not greet");
            ToolError::NotMade(format!("{} cannot be reached", self.source))
        })?;
        Ok(Connection {
            source: self.source.clone(),
            service,
            changes,
            _child: child,
        })
    }
}

fn http(
    url: &str,
    token: Option<&Secret>,
    limits: Limits,
) -> Result<(Client, StreamableHttpClientTransportConfig), McpSourceError> {
    let address = Url::parse(url).map_err(|_invalid| McpSourceError::Address)?;
    let is_http = matches!(address.scheme(), "http" | "https") && address.host_str().is_some();
    if !is_http || !address.username().is_empty() || address.password().is_some() {
        return Err(McpSourceError::Address);
    }
    let client = http_client(limits.connect).map_err(McpSourceError::Tls)?;
    let mut config = StreamableHttpClientTransportConfig::with_uri(url)
        .max_concurrent_requests(limits.concurrency + 1)
        .max_sse_event_size(MESSAGE_BYTES_MAX)
        .max_json_response_size(MESSAGE_BYTES_MAX)
        .max_error_response_size(REFUSAL_BYTES_MAX);
    if let Some(token) = token {
        let is_sendable = token.reveal().bytes().all(|byte| (0x20..0x7f).contains(&byte));
        if !is_sendable {
            return Err(McpSourceError::Token);
        }
        config = config.auth_header(token.reveal());
    }
    Ok((client, config))
}

/// A server that was reached.
pub(super) struct Connection {
    source: String,
    service: RunningService<RoleClient, Watch>,
    changes: Arc<AtomicU64>,
    /// After the service, so that a server sees the end of its input before it is ended.
    _child: Option<Child>,
}

impl Connection {
    pub(super) fn is_open(&self) -> bool {
        !self.service.is_closed() && !self.service.peer().is_transport_closed()
    }

    pub(super) fn peer(&self) -> &Peer<RoleClient> {
        self.service.peer()
    }

    /// Another number after each change of the list of tools that the server has told of.
    pub(super) fn list_state(&self) -> u64 {
        self.changes.load(Ordering::Acquire)
    }

    /// All tools of the server, as many as are taken, within the time limit.
    pub(super) async fn list(&self, limit: Duration) -> Result<Vec<Tool>, ToolError> {
        let until = Instant::now() + limit;
        let mut tools = Vec::new();
        let mut cursor: Option<String> = None;
        loop {
            let mut params = PaginatedRequestParams::default();
            params.cursor = cursor.take();
            let page = timeout_at(until, self.peer().list_tools(Some(params)))
                .await
                .map_err(|_elapsed| {
                    let (source, seconds) = (&self.source, limit.as_secs_f32());
                    ToolError::NotMade(format!("{source} did not list its tools within {seconds} s"))
                })?
                .map_err(|error| not_listed(&self.source, &error))?;
            tools.extend(page.tools);
            cursor = page.next_cursor.map(|cursor| cursor.to_string());
            if tools.len() > TOOLS_MAX {
                tracing::warn!(
                    tools.source = self.source,
                    tools_max = TOOLS_MAX,
                    "a tool server has more tools than are taken"
                );
                tools.truncate(TOOLS_MAX);
                break;
            }
            if cursor.is_none() {
                break;
            }
        }
        Ok(tools)
    }
}

/// What a server may say unasked. Only a changed list of tools is heard; it is offered nothing of ours.
#[derive(Debug)]
struct Watch {
    changes: Arc<AtomicU64>,
}

impl ClientHandler for Watch {
    fn on_tool_list_changed(&self, _: NotificationContext<RoleClient>) -> impl Future<Output = ()> + Send + '_ {
        self.changes.fetch_add(1, Ordering::AcqRel);
        ready(())
    }

    fn get_info(&self) -> ClientConfig {
        let us = Implementation::new("orchestratai", env!("CARGO_PKG_VERSION"));
        ClientConfig::new(ClientCapabilities::default(), us)
    }
}
