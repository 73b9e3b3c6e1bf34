//! The words of OrchestratAI: domain types, events, client commands and errors, as they stand on the wire and in the
//! journal.
//!
//! This crate knows no framework, no clock source but [`time::Timestamp::now`], no database and no network. Whoever holds
//! one of its values may trust it: what comes from outside is parsed once, at the door, by the constructors here.
//!
//! In reading order:
//! - [`id`]: a type for each kind of identifier;
//! - [`time`]: the one shape of a point in time;
//! - [`content`], [`user_message`]: what a user may say, and a confidence;
//! - [`agent`], [`message`], [`session`]: the objects people see;
//! - [`feedback`]: what people think of an answer;
//! - [`question`]: questions that found nothing;
//! - [`fact`]: what people have said of themselves;
//! - [`retrieval`]: the steps of a turn, as retrieval logs;
//! - [`live`]: sessions in progress;
//! - [`event`]: what the server tells: durable events and transient signals;
//! - [`command`]: what a client asks over WebSocket;
//! - [`error`]: the codes and the one error shape.

pub mod agent;
pub mod client_tools;
pub mod command;
pub mod content;
pub mod error;
pub mod event;
pub mod fact;
pub mod feedback;
pub mod id;
pub mod levels;
pub mod live;
pub mod message;
pub mod question;
pub mod retrieval;
pub mod session;
pub mod time;
#[cfg(test)]
mod typescript;
pub mod user_message;
#[cfg(test)]
mod wire_shapes;

pub use agent::{Agent, AgentColor, AgentStatus, AgentTurn, TurnOutcome};
pub use client_tools::{AnsweredCall, ClientCall, ClientTool, ClientTools, arguments_as_text};
pub use command::ClientCommand;
pub use content::{Confidence, MessageContent};
pub use error::{ErrorBody, ErrorCode, ErrorDetail, Failure, FieldError, Invalid};
pub use event::{Event, EventBody, Signal, SignalBody};
pub use fact::Fact;
pub use feedback::{Feedback, Rating};
pub use id::{AgentId, ApprovalId, ClientMessageId, FactId, LogId, MessageId, SessionId, TurnId, UserId};
pub use live::{LiveChanges, LiveSession, LiveSessions, LiveTurn, PersonInCharge, PersonWanted};
pub use message::{Citation, Incomplete, Message, MessageRole};
pub use question::{QuestionState, UnansweredQuestion};
pub use retrieval::{
    CacheLookup, CacheOutcome, ChunkMetadata, DocumentChunk, DocumentRead, DocumentsRead, Intent, LogData, LogStatus,
    LogType, QueryAnalysis, RetrievalLog, RetrievalStrategy, VectorSearch,
};
pub use session::{CacheStatus, ChatMetrics, ChatSession, SessionState, SessionSummary, SessionTitle};
pub use time::Timestamp;
pub use user_message::{ContextMessage, UserMessage};

/// Version of the wire contract, as named in the WebSocket subprotocol.
pub const SUBPROTOCOL: &str = "orchestratai.v1";
