//! A turn's stream in the events of the chat.

use std::ops::ControlFlow;

use orchestratai_shared::{AgentId, ChatMetrics, Confidence};
use serde::Serialize;
use serde_json::value::RawValue;

use super::{
    event,
    feed::{Completed, Reset, Teller},
    position::Position,
};
use crate::error::ApiError;

/// Writes `agent_status`, `retrieval_log`, `message_chunk`, `message_reset`, and `done` or `stream_error`, each with its position as
/// `id`.
#[derive(Debug)]
pub(super) struct ChatEvents;

#[derive(Serialize)]
struct Chunk<'a> {
    content: &'a str,
}

#[derive(Serialize)]
struct Done<'a> {
    message: &'a str,
    logs: &'a [Box<RawValue>],
    metadata: Metadata,
}

#[derive(Serialize)]
struct Metadata {
    #[serde(flatten)]
    metrics: ChatMetrics,
    #[serde(skip_serializing_if = "Option::is_none")]
    agent: Option<AgentId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    confidence: Option<Confidence>,
}

impl Teller for ChatEvents {
    fn begin(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(event::RETRY.as_bytes());
    }

    fn step(&mut self, at: &Position, kind: &str, data: &RawValue, out: &mut Vec<u8>) {
        event::write(out, Some(at), Some(kind), &data);
    }

    fn chunk(&mut self, at: &Position, content: &str, out: &mut Vec<u8>) {
        event::write(out, Some(at), Some("message_chunk"), &Chunk { content });
    }

    fn withdrawn(&mut self, at: &Position, reset: Reset, out: &mut Vec<u8>) -> ControlFlow<()> {
        event::write(out, Some(at), Some("message_reset"), &reset);
        ControlFlow::Continue(())
    }

    fn completed(&mut self, at: &Position, completed: Completed, logs: &[Box<RawValue>], out: &mut Vec<u8>) {
        let Completed { message, metrics, .. } = completed;
        let done = Done {
            message: &message.content,
            logs,
            metadata: Metadata {
                metrics,
                agent: message.agent,
                confidence: message.confidence,
            },
        };
        event::write(out, Some(at), Some("done"), &done);
    }

    fn failed(&mut self, at: &Position, error: &ApiError, out: &mut Vec<u8>) {
        event::write(out, Some(at), Some("stream_error"), &error.failure);
    }
}
