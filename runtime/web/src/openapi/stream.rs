//! Events of the streams, for the document.

use utoipa::ToSchema;

/// One event of the stream of a turn.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what `sse` writes")]
pub(crate) struct ChatStreamEvent {
    /// For `Last-Event-ID`: where the client stands behind this event.
    id: String,
    /// What happened.
    event: ChatStreamEventKind,
    /// The JSON of it: `agent_status {agent, status}`, `retrieval_log` (a step), `message_chunk {content}`, `message_reset
    /// {messageId, reason}`, `done {message, logs, metadata}`, `stream_error {code, message, retryable}`.
    #[schema(example = r#"{"content":"Open Settings. "}"#)]
    data: String,
}

/// What an event of the stream of a turn says.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[expect(dead_code, reason = "describes what `sse` writes")]
pub(crate) enum ChatStreamEventKind {
    /// An agent's status changed.
    AgentStatus,
    /// A step of the turn.
    RetrievalLog,
    /// More of the answer.
    MessageChunk,
    /// What came of the answer is withdrawn.
    MessageReset,
    /// The turn has ended with this answer.
    Done,
    /// The turn has ended without an answer, or the stream before the turn.
    StreamError,
}

/// One event of the stream of a session.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what `sse` writes")]
pub(crate) struct SessionStreamEvent {
    /// The `seq` of a durable event; transient ones have none.
    id: Option<String>,
    /// The JSON of the frame, as over WebSocket.
    #[schema(
        example = r#"{"type":"pong","sessionId":"01890a5d-ac96-774b-bcce-b302099a8057","at":"2026-01-31T08:00:00.000Z","data":{}}"#
    )]
    data: String,
}

/// One event of the stream of sessions in progress.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what `sse` writes")]
pub(crate) struct LiveStreamEvent {
    /// What the event says.
    event: LiveStreamEventKind,
    /// The JSON of it: `LiveSessions` for `sessions`, `LiveChanges` for `changes`.
    data: String,
}

/// What an event of the stream of sessions in progress says.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[expect(dead_code, reason = "describes what `sse` writes")]
pub(crate) enum LiveStreamEventKind {
    /// All sessions in progress.
    Sessions,
    /// What has changed since.
    Changes,
}
