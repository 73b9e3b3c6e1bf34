//! HTTP, WebSocket and server-sent events: authentication, validation, and the mapping to the actors' messages.
//!
//! What this crate must never know: how a turn is answered, what a session keeps, where anything is stored. It holds no
//! business rule; what it refuses, it refuses for its form.
//!
//! In reading order: what it is told ([`settings`]), the server and its routes ([`server`]), the outermost layer of every
//! request (`edge`), the trace that it belongs to (`trace`), how things go wrong (`error`), what comes in (`body`, `fields`, `accept`), the REST endpoints (`rest`), event
//! streams (`sse`), WebSocket (`websocket`), the way in for clients of the OpenAI API (`openai`), the web console (`console`), and the document that describes it all ([`openapi`]).

mod accept;
mod body;
mod console;
mod edge;
mod error;
mod fields;
mod openai;
pub mod openapi;
mod ready;
mod request_id;
mod rest;
pub mod server;
pub mod settings;
mod site;
mod socket;
mod sse;
mod trace;
mod websocket;

pub use console::{ConsoleFile, ConsoleFiles, ConsoleSettings};
pub use server::server;
pub use settings::{Secret, WebSettings};
