//! Generates the TypeScript types of the wire from the Rust ones, and fails where the generated file is stale.
//!
//! `UPDATE_TYPESCRIPT=1 cargo test -p orchestratai-shared typescript` writes the file anew.

use std::{fmt::Write as _, fs, path::PathBuf};

use ts_rs::{Config, TS};

use crate::{agent, client_tools, command, error, event, id, live, message, retrieval, session, user_message};

macro_rules! declarations {
    ($config:expr, $($ty:ty),+ $(,)?) => {{
        let mut out = String::new();
        $(writeln!(out, "export {}", <$ty as TS>::decl($config)).unwrap();)+
        out
    }};
}

fn generated() -> String {
    let config = Config::default();
    let mut out = String::from(
        "// Generated from the crate `orchestratai-shared`; a test fails where it is stale. Do not edit.\n\
         // To write it anew: UPDATE_TYPESCRIPT=1 cargo test -p orchestratai-shared typescript\n\n\
         /** RFC 3339, UTC, milliseconds. */\nexport type Timestamp = string\n\
         /** 0 to 1, in hundredths. */\nexport type Confidence = number\n",
    );
    for name in [
        "SessionId",
        "TurnId",
        "MessageId",
        "LogId",
        "ClientMessageId",
        "ApprovalId",
    ] {
        writeln!(out, "/** A UUID. */\nexport type {name} = string").unwrap();
    }
    out += &declarations!(
        &config,
        id::AgentId,
        agent::AgentStatus,
        agent::AgentColor,
        agent::Agent,
        message::MessageRole,
        message::Message,
        message::Citation,
        client_tools::ClientTools,
        client_tools::ClientTool,
        client_tools::ClientCall,
        client_tools::AnsweredCall,
        user_message::ContextMessage,
        retrieval::RetrievalStrategy,
        retrieval::Intent,
        retrieval::LogType,
        retrieval::LogStatus,
        retrieval::QueryAnalysis,
        retrieval::DocumentChunk,
        retrieval::VectorSearch,
        retrieval::CacheOutcome,
        retrieval::CacheLookup,
        retrieval::DocumentRead,
        retrieval::DocumentsRead,
        retrieval::RetrievalLog,
        session::ChatSession,
        session::CacheStatus,
        session::ChatMetrics,
        error::ErrorCode,
        error::Failure,
        error::FieldError,
        error::ErrorBody,
        error::ErrorDetail,
        command::Decision,
        event::MessageAccepted,
        event::AgentStatusChanged,
        event::Handoff,
        event::Spent,
        event::ToolCallStatus,
        event::ToolCall,
        event::ApprovalRequested,
        event::ApprovalResolved,
        message::Incomplete,
        event::MessageCompleted,
        event::TurnFailed,
        event::TurnCancelled,
        event::SessionReady,
        event::TurnPhase,
        event::TurnInProgress,
        event::MessageReset,
        event::MessageDelta,
        event::Pong,
        event::Lagging,
        event::ServerDraining,
        event::ErrorSignal,
        event::EventBody,
        event::SignalBody,
        session::SessionState,
        live::PersonInCharge,
        live::PersonWanted,
        live::LiveTurn,
        live::LiveSession,
        live::LiveSessions,
        live::LiveChanges,
    );
    out += "\n/** Numbered, kept in the journal, and published only after its commit. */\n\
            export type DurableEvent = EventBody & { seq: number; sessionId: SessionId; turnId?: TurnId; at: Timestamp }\n\
            /** Has no number and is not kept. */\n\
            export type TransientSignal = SignalBody & { seq?: undefined; sessionId: SessionId; turnId?: TurnId; at: Timestamp }\n\
            /** Every frame that the server sends. */\n\
            export type ServerEvent = DurableEvent | TransientSignal\n\
            /** Every frame that a client sends. */\n\
            export type ClientCommand =\n\
            \x20 | { type: 'send_message'; data: { clientMessageId: ClientMessageId; content: string; fresh?: boolean } }\n\
            \x20 | { type: 'cancel'; data?: { turnId?: TurnId } }\n\
            \x20 | { type: 'resolve_approval'; data: { approvalId: ApprovalId; decision: Decision; reason?: string; arguments?: Record<string, unknown> } }\n\
            \x20 | { type: 'ack'; data: { seq: number } }\n\
            \x20 | { type: 'ping' }\n";
    out
}

#[test]
fn the_typescript_types_are_not_stale() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../console/src/api/generated/wire.ts");
    let expected = generated();
    if std::env::var_os("UPDATE_TYPESCRIPT").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, &expected).unwrap();
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == expected,
        "{} is stale: run with UPDATE_TYPESCRIPT=1",
        path.display()
    );
}
