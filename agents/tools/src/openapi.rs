//! An HTTP API as a source of tools, one for each operation that its OpenAPI document describes and the configuration lists.
//!
//! In reading order:
//! - [`document`]: a document, and where its references lead;
//! - [`schema`]: a schema of a document as one that stands by itself;
//! - [`operation`]: what a call of an operation is made of;
//! - [`request`]: an operation and arguments, put together;
//! - [`exchange`]: how a request is sent, and what its answer is to a model.
//!
//! The document is read once, from a file. Requests go to the address of the configuration and nowhere else, whatever the document says of
//! servers and whatever stands in arguments.

mod document;
mod exchange;
mod operation;
mod request;
mod schema;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use async_trait::async_trait;
use orchestratai_agents::{
    language::ToolOffer,
    tool::{Effect, Invocation, Tool, ToolError, ToolOutput, ToolSource},
};
use reqwest::Url;

pub use self::exchange::ApiToken;
use self::{
    document::{Document, DocumentError},
    exchange::Exchange,
    operation::{Method, Operation as Described},
};
use crate::{
    glob::Glob,
    guarded::{Gate, Guarded, Operation},
    name::tool_names,
    source::{Approvals, Limits, SourceName},
};

/// Bytes that a document may have.
const DOCUMENT_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// Operations of one document that are taken.
const TOOLS_MAX: usize = 256;

/// What is said of an API.
#[derive(Debug, Clone)]
pub struct OpenApiOptions {
    /// Its name in the configuration.
    pub name: SourceName,
    /// Its document, OpenAPI 3.0 or 3.1 as JSON.
    pub document: PathBuf,
    /// Where requests go, `http` or `https`; the paths of the document are put behind its path.
    pub base_url: String,
    /// What the API wants to see.
    pub token: Option<ApiToken>,
    /// Which operations are tools: patterns of operation ids, or of `METHOD /path`.
    pub operations: Vec<Glob>,
    /// Whether the API does what bears one `Idempotency-Key` once, however often it comes.
    pub idempotency_key: bool,
    /// What its calls may take.
    pub limits: Limits,
    /// Whose calls a person has to approve.
    pub approvals: Approvals,
}

/// Why an API cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum OpenApiError {
    /// The document cannot be read.
    #[error("{} cannot be read", .0.display())]
    Read(PathBuf, #[source] std::io::Error),
    /// The document is too large.
    #[error("{} has more than 16 MiB", .0.display())]
    Large(PathBuf),
    /// The document is none.
    #[error("{} is no OpenAPI document", .0.display())]
    Document(PathBuf, #[source] DocumentError),
    /// No operation is left.
    #[error("{} has no operation that `operations` lists and that can be a tool", .0.display())]
    Empty(PathBuf),
    /// The address is none.
    #[error(
        "the base address must be http://HOST[:PORT][/PATH] or https://HOST[:PORT][/PATH], without user, password, query and fragment"
    )]
    Address,
    /// The token or its header cannot be sent.
    #[error("the token, or the name of its header, cannot stand in a header")]
    Token,
    /// TLS cannot be set up.
    #[error("TLS cannot be set up")]
    Tls(#[source] reqwest::Error),
}

/// An HTTP API.
pub struct OpenApiSource {
    name: SourceName,
    tools: Vec<Arc<dyn Tool>>,
}

impl OpenApiSource {
    /// Reads the document and makes its tools. Nothing is sent before one is called.
    ///
    /// # Errors
    /// [`OpenApiError`] where there would be no tools.
    pub fn new(options: &OpenApiOptions) -> Result<Self, OpenApiError> {
        let base = base_address(&options.base_url).ok_or(OpenApiError::Address)?;
        let exchange = Arc::new(Exchange::new(base, options.token.as_ref(), options.limits)?);
        let path = &options.document;
        let document = Document::parse(&read(path)?).map_err(|error| OpenApiError::Document(path.clone(), error))?;
        let tools = tools(options, &document, &exchange);
        if tools.is_empty() {
            return Err(OpenApiError::Empty(path.clone()));
        }
        Ok(Self {
            name: options.name.clone(),
            tools,
        })
    }
}

#[async_trait]
impl ToolSource for OpenApiSource {
    fn name(&self) -> &str {
        self.name.as_str()
    }

    async fn tools(&self) -> Result<Vec<Arc<dyn Tool>>, ToolError> {
        Ok(self.tools.clone())
    }
}

fn read(path: &Path) -> Result<Vec<u8>, OpenApiError> {
    let failed = |error| OpenApiError::Read(path.to_owned(), error);
    if std::fs::metadata(path).map_err(failed)?.len() > DOCUMENT_BYTES_MAX {
        return Err(OpenApiError::Large(path.to_owned()));
    }
    std::fs::read(path).map_err(failed)
}

fn base_address(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let is_http = matches!(url.scheme(), "http" | "https") && url.host_str().is_some();
    let is_bare = url.username().is_empty() && url.password().is_none() && url.query().is_none();
    (is_http && is_bare && url.fragment().is_none()).then_some(url)
}

fn tools(options: &OpenApiOptions, document: &Document, exchange: &Arc<Exchange>) -> Vec<Arc<dyn Tool>> {
    let gate = Arc::new(Gate::new(options.limits, options.approvals.clone()));
    let is_listed = |operation: &Described| {
        let place = operation.place();
        let fits = |pattern: &Glob| pattern.matches(&operation.id) || pattern.matches(&place);
        options.operations.iter().any(fits)
    };
    let token_header = options.token.as_ref().map(ApiToken::header);
    let (mut listed, problems) = operation::read_all(document, is_listed, token_header);
    for (place, problem) in problems {
        leave_out(options, &place, &problem);
    }
    if listed.len() > TOOLS_MAX {
        leave_out(
            options,
            &listed[TOOLS_MAX].place(),
            "and all after it: there are more than are taken",
        );
        listed.truncate(TOOLS_MAX);
    }
    let given: Vec<String> = listed.iter().map(|operation| operation.id.clone()).collect();
    let given: Vec<&str> = given.iter().map(String::as_str).collect();
    let names = tool_names(&options.name, &given);
    let mut tools: Vec<Arc<dyn Tool>> = Vec::with_capacity(listed.len());
    for (operation, name) in listed.into_iter().zip(names) {
        let place = operation.place();
        let Some(name) = name else {
            leave_out(options, &place, "there is another one of its name");
            continue;
        };
        let offer = ToolOffer {
            name,
            description: operation.description.clone(),
            parameters: operation.parameters.clone(),
        };
        let effect = effect(operation.method, options.idempotency_key);
        let call = Call {
            exchange: Arc::clone(exchange),
            operation,
        };
        match Guarded::new(offer, effect, &gate, call) {
            Ok(tool) => tools.push(Arc::new(tool)),
            Err(unfit) => {
                // The document is the operator's own, and is where they look for it.
                let detail = unfit.detail().map_or_else(String::new, |detail| format!(": {detail}"));
                leave_out(options, &place, &format!("{unfit}{detail}"));
            }
        }
    }
    tools
}

fn leave_out(options: &OpenApiOptions, operation: &str, reason: &str) {
    let source = options.name.as_str();
    tracing::warn!(tools.source = source, operation, reason, "an operation is left out");
}

/// By the meaning of methods in HTTP (RFC 9110, section 9.2), and by what the configuration promises for the others.
fn effect(method: Method, idempotency_key: bool) -> Effect {
    match method {
        Method::Get | Method::Head => Effect::None,
        Method::Put | Method::Delete => Effect::Idempotent,
        Method::Post | Method::Patch if idempotency_key => Effect::Idempotent,
        Method::Post | Method::Patch => Effect::Every,
    }
}

/// An operation of the API.
struct Call {
    exchange: Arc<Exchange>,
    operation: Described,
}

#[async_trait]
impl Operation for Call {
    async fn run(&self, call: &Invocation<'_>) -> Result<ToolOutput, ToolError> {
        self.exchange.send(&self.operation, call).await
    }
}
