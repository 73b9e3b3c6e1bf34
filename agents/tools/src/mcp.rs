//! A server of the Model Context Protocol as a source of tools.
//!
//! In reading order:
//! - [`connection`]: how a server is reached, and what is known of it while it is;
//! - [`child`]: a server that is a process of ours;
//! - [`answer`]: what a server's result is to a model.
//!
//! A server is reached when its tools are first asked for, and again after it was lost, with a wait that doubles from one failure to the
//! next. Its list of tools is kept until the server says that it has changed.

mod answer;
mod child;
mod connection;

use std::{
    sync::{Arc, Weak},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use orchestratai_agents::{
    language::ToolOffer,
    tool::{Effect, Invocation, Tool, ToolError, ToolOutput, ToolSource},
};
use rmcp::{
    model::{self, CallToolRequestParams},
    service::ServiceError,
};
use serde_json::Value;
use tokio::sync::Mutex;

pub use self::connection::{McpEndpoint, McpSourceError};
use self::{
    answer::{told, without_result},
    connection::{Connection, Connector},
};
use crate::{
    guarded::{Gate, Guarded, Operation},
    name::tool_names,
    source::{Approvals, Limits, SourceName},
};

/// The wait before a server is tried again after its first failure; it doubles with each further one.
const WAIT: Duration = Duration::from_millis(500);
/// No wait is longer.
const WAIT_MAX: Duration = Duration::from_secs(60);

/// What is said of a server.
#[derive(Debug, Clone)]
pub struct McpOptions {
    /// Its name in the configuration.
    pub name: SourceName,
    /// Where it is.
    pub endpoint: McpEndpoint,
    /// What its calls may take.
    pub limits: Limits,
    /// Whose calls a person has to approve.
    pub approvals: Approvals,
    /// Whether its hints are believed: that a tool only reads, that a call may be made again.
    pub trust_annotations: bool,
}

/// A server of the Model Context Protocol. Dropping it ends the connection, and the process where the server is one of ours.
pub struct McpSource {
    server: Arc<Server>,
    /// Beside the server, not in it: its tools hold it.
    listed: Mutex<Option<Listed>>,
}

/// The tools of a server.
struct Listed {
    /// The connection over which they were read.
    over: Weak<Connection>,
    /// Which state of the list it is.
    state: u64,
    tools: Vec<Arc<dyn Tool>>,
}

struct Server {
    name: SourceName,
    connector: Arc<Connector>,
    gate: Arc<Gate>,
    trust_annotations: bool,
    link: Mutex<Link>,
}

/// What there is to a server now.
enum Link {
    /// It was not reached, so many times in a row.
    Away { failures: u32, not_before: Instant },
    /// It is there, as far as anybody knows.
    Up(Arc<Connection>),
}

impl McpSource {
    /// Sets a server up. Nothing is started and nothing is sent before its tools are asked for.
    ///
    /// # Errors
    /// [`McpSourceError`] where it could never be reached.
    pub fn new(options: McpOptions) -> Result<Self, McpSourceError> {
        let server = Server {
            connector: Arc::new(Connector::new(&options.name, options.endpoint, options.limits)?),
            name: options.name,
            gate: Arc::new(Gate::new(options.limits, options.approvals)),
            trust_annotations: options.trust_annotations,
            link: Mutex::new(Link::Away {
                failures: 0,
                not_before: Instant::now(),
            }),
        };
        Ok(Self {
            server: Arc::new(server),
            listed: Mutex::default(),
        })
    }
}

#[async_trait]
impl ToolSource for McpSource {
    fn name(&self) -> &str {
        self.server.name.as_str()
    }

    async fn tools(&self) -> Result<Vec<Arc<dyn Tool>>, ToolError> {
        // Whoever asks meanwhile waits for the same connection and the same list.
        let mut listed = self.listed.lock().await;
        let connection = self.server.connection().await?;
        // Read before the list is asked for: a change in between is one more list, and never one that is missed.
        let state = connection.list_state();
        let is_known =
            |known: &&Listed| known.state == state && std::ptr::eq(known.over.as_ptr(), Arc::as_ptr(&connection));
        if let Some(known) = listed.as_ref().filter(is_known) {
            return Ok(known.tools.clone());
        }
        let offered = match connection.list(self.server.gate.limits().list).await {
            Ok(offered) => offered,
            Err(error) => {
                self.server.lose(&mut *self.server.link.lock().await);
                return Err(error);
            }
        };
        let tools = self.server.tools(offered);
        *listed = Some(Listed {
            over: Arc::downgrade(&connection),
            state,
            tools: tools.clone(),
        });
        Ok(tools)
    }
}

impl Server {
    /// The connection that there is, or a new one where its time has come.
    async fn connection(&self) -> Result<Arc<Connection>, ToolError> {
        let mut link = self.link.lock().await;
        self.reach(&mut link).await
    }

    async fn reach(&self, link: &mut Link) -> Result<Arc<Connection>, ToolError> {
        if let Link::Up(connection) = link {
            if connection.is_open() {
                return Ok(Arc::clone(connection));
            }
            tracing::warn!(tools.source = self.name.as_str(), "a tool server is gone");
            // The first try is at once: a server that restarts is there again.
            *link = Link::Away {
                failures: 0,
                not_before: Instant::now(),
            };
        }
        if let Link::Away { not_before, .. } = link {
            let left = not_before.saturating_duration_since(Instant::now());
            if !left.is_zero() {
                let left = left.as_secs() + 1;
                let what = format!("{} is away and is not tried for another {left} s", self.name.as_str());
                return Err(ToolError::NotMade(what));
            }
        }
        match self.connector.connect().await {
            Ok(connection) => {
                let connection = Arc::new(connection);
                *link = Link::Up(Arc::clone(&connection));
                Ok(connection)
            }
            Err(error) => {
                self.lose(link);
                Err(error)
            }
        }
    }

    /// Notes that the server was not reached, or did not say what tools it has.
    fn lose(&self, link: &mut Link) {
        let failures = match link {
            Link::Away { failures, .. } => *failures,
            Link::Up(_) => 0,
        };
        let wait = WAIT.saturating_mul(1 << failures.min(10)).min(WAIT_MAX);
        tracing::warn!(
            tools.source = self.name.as_str(),
            failures = failures + 1,
            wait_seconds = wait.as_secs_f32(),
            "a tool server cannot be used"
        );
        *link = Link::Away {
            failures: failures + 1,
            not_before: Instant::now() + wait,
        };
    }

    /// Makes whoever comes next greet the server anew: one that was started again knows nothing of the session that there was.
    async fn forget(&self, connection: &Arc<Connection>) {
        let mut link = self.link.lock().await;
        if matches!(&*link, Link::Up(known) if Arc::ptr_eq(known, connection)) {
            *link = Link::Away {
                failures: 0,
                not_before: Instant::now(),
            };
        }
    }

    fn tools(self: &Arc<Self>, offered: Vec<model::Tool>) -> Vec<Arc<dyn Tool>> {
        let given: Vec<&str> = offered.iter().map(|tool| tool.name.as_ref()).collect();
        let names = tool_names(&self.name, &given);
        let mut tools: Vec<Arc<dyn Tool>> = Vec::with_capacity(offered.len());
        for (tool, name) in offered.iter().zip(names) {
            let Some(name) = name else {
                self.leave_out(tool, "there is another one of its name");
                continue;
            };
            let offer = ToolOffer {
                name,
                description: tool.description.as_deref().unwrap_or_default().to_owned(),
                parameters: Value::Object(tool.input_schema.as_ref().clone()),
            };
            let operation = Call {
                server: Arc::clone(self),
                tool: tool.name.to_string(),
            };
            match Guarded::new(offer, self.effect(tool), &self.gate, operation) {
                Ok(tool) => tools.push(Arc::new(tool)),
                Err(unfit) => {
                    if let Some(detail) = unfit.detail() {
                        let (source, name) = (self.name.as_str(), tool.name.as_ref());
                        tracing::debug!(tools.source = source, tool = name, detail, "a schema cannot be used");
                    }
                    self.leave_out(tool, &unfit.to_string());
                }
            }
        }
        tools
    }

    fn leave_out(&self, tool: &model::Tool, reason: &str) {
        let (name, source) = (tool.name.escape_debug().to_string(), self.name.as_str());
        let name = crate::text::beginning(&name, 128);
        tracing::warn!(tools.source = source, tool = name, reason, "a tool is left out");
    }

    /// Hints are a stranger's word: without trust every call counts as one that leaves something behind.
    fn effect(&self, tool: &model::Tool) -> Effect {
        let Some(hints) = tool.annotations.as_ref().filter(|_| self.trust_annotations) else {
            return Effect::Every;
        };
        match (hints.read_only_hint, hints.idempotent_hint) {
            (Some(true), _) => Effect::None,
            (_, Some(true)) => Effect::Idempotent,
            _ => Effect::Every,
        }
    }
}

/// A tool of a server.
struct Call {
    server: Arc<Server>,
    /// As the server calls it.
    tool: String,
}

#[async_trait]
impl Operation for Call {
    async fn prepare(&self) -> Result<(), ToolError> {
        self.server.connection().await.map(drop)
    }

    async fn run(&self, call: &Invocation<'_>) -> Result<ToolOutput, ToolError> {
        let connection = self.server.connection().await?;
        match self.over(&connection, call).await {
            // The connection was of before, and whoever is there now does not know it: it is made over another one. What may have been
            // done is never made again here.
            Err(ToolError::NotMade(_)) => {
                let connection = self.server.connection().await?;
                self.over(&connection, call).await
            }
            outcome => outcome,
        }
    }
}

impl Call {
    async fn over(&self, connection: &Arc<Connection>, call: &Invocation<'_>) -> Result<ToolOutput, ToolError> {
        let mut params = CallToolRequestParams::new(self.tool.clone());
        params.arguments = call.arguments.as_object().cloned();
        // Where this is dropped, or takes too long, the server is told that nobody waits any more.
        match connection.peer().call_tool(params).await {
            Ok(result) => told(result),
            Err(error) => {
                if matches!(error, ServiceError::TransportSend(_)) {
                    self.server.forget(connection).await;
                }
                Err(without_result(self.server.name.as_str(), &error))
            }
        }
    }
}
