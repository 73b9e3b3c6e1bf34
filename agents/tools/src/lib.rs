//! Tools of agents: what [`orchestratai_agents::tool`] asks for, from servers of the Model Context Protocol and from HTTP APIs that an
//! OpenAPI document describes.
//!
//! In reading order:
//! - [`source`]: what is said of every source: its name, its limits, whose calls a person has to approve;
//! - [`glob`], [`name`], [`text`]: patterns of names, names that every model takes, text within a limit;
//! - [`offered`]: a schema of arguments as every provider of models takes it;
//! - [`guarded`]: what stands before every tool, wherever it is from;
//! - [`connection`]: how anything goes out by HTTP;
//! - [`mcp`]: servers of the Model Context Protocol, as child processes and over HTTP;
//! - [`openapi`]: HTTP APIs.
//!
//! What a server says of itself (names, descriptions, schemas, hints) and what it answers is untrusted: it is bounded and checked here, and
//! believed nowhere. What it says in words goes to the model, and to the log at the level `DEBUG` and nowhere else.

mod connection;
mod glob;
mod guarded;
mod mcp;
mod name;
mod offered;
mod openapi;
mod source;
mod text;

pub use self::{
    glob::{Glob, GlobError},
    mcp::{McpEndpoint, McpOptions, McpSource, McpSourceError},
    openapi::{ApiToken, OpenApiError, OpenApiOptions, OpenApiSource},
    source::{Approvals, Limits, Secret, SourceName, SourceNameError},
};
