//! Snapshots of every shape on the wire, and the round trip of each.

use std::sync::Arc;

use serde_json::json;
use uuid::Uuid;

use crate::{
    agent::{Agent, AgentColor, AgentStatus},
    command::Decision,
    content::Confidence,
    error::{ErrorBody, ErrorCode, ErrorDetail, Failure, Invalid},
    event::*,
    id::*,
    message::{Citation, Message, MessageRole},
    retrieval::*,
    session::{CacheStatus, ChatMetrics, ChatSession},
    time::Timestamp,
};

fn uuid(n: u128) -> Uuid {
    Uuid::from_u128(0x0189_0a5d_ac96_774b_bcce_0000_0000_0000 + n)
}

fn at() -> Timestamp {
    Timestamp::from_millis(1_767_225_600_000)
}

fn user_message() -> Message {
    Message {
        id: MessageId(uuid(3)),
        role: MessageRole::User,
        content: "How do I rotate my API key?".into(),
        agent: None,
        confidence: None,
        timestamp: at(),
        session_id: SessionId(uuid(1)),
    }
}

fn answer() -> Message {
    Message {
        id: MessageId(uuid(4)),
        role: MessageRole::Assistant,
        content: "Open Settings and choose Rotate [1].".into(),
        agent: Some(AgentId::parse("technical").unwrap()),
        confidence: Some(Confidence::new(0.914)),
        ..user_message()
    }
}

fn log(data: LogData) -> EventBody {
    EventBody::RetrievalLog(RetrievalLog {
        id: LogId(uuid(5)),
        data,
        title: "Title".into(),
        timestamp: at(),
        status: LogStatus::Success,
        chunks: None,
        session_id: SessionId(uuid(1)),
        message_id: MessageId(uuid(3)),
        agent: None,
    })
}

#[test]
fn a_step_names_its_agent_where_several_answer_and_survives_a_round_trip() {
    let EventBody::RetrievalLog(mut step) = event_bodies().swap_remove(1) else {
        panic!("it is a step")
    };
    assert!(!serde_json::to_string(&step).unwrap().contains("\"agent\""));
    step.agent = Some(AgentId::parse("billing").unwrap());
    let text = serde_json::to_value(&step).unwrap();
    assert_eq!(text["agent"], "billing");
    assert_eq!(serde_json::from_value::<RetrievalLog>(text).unwrap(), step);
}

#[test]
fn what_a_person_does_keeps_its_shape_and_survives_a_round_trip() {
    let handoff = EventBody::Handoff(Handoff {
        from: AgentId::orchestrator(),
        to: AgentId::person(),
        reason: "The customer asks for a person.".into(),
        by: Some("Kim".into()),
        spent: None,
    });
    let mut message = answer();
    (message.agent, message.confidence) = (Some(AgentId::person()), None);
    let said = EventBody::MessageCompleted(MessageCompleted {
        message,
        metrics: ChatMetrics {
            tokens_used: 0,
            prompt_tokens: None,
            completion_tokens: None,
            cost: 0.0,
            unpriced_tokens: None,
            latency: 0.0,
            cache_status: CacheStatus::None,
        },
        citations: Vec::new(),
        client_message_id: Some(ClientMessageId(uuid(6))),
        calls: Vec::new(),
        incomplete: None,
    });
    let events: Vec<Event> = [(None, handoff), (Some(TurnId(uuid(4))), said)]
        .into_iter()
        .zip(1..)
        .map(|((turn_id, body), seq)| Event {
            seq,
            session_id: SessionId(uuid(1)),
            turn_id,
            at: at(),
            body,
        })
        .collect();
    let text = serde_json::to_string(&events).unwrap();
    assert_eq!(serde_json::from_str::<Vec<Event>>(&text).unwrap(), events);
    insta::assert_json_snapshot!("person_events", serde_json::to_value(&events).unwrap());
}

fn event_bodies() -> Vec<EventBody> {
    let billing = AgentId::parse("billing").unwrap();
    let technical = AgentId::parse("technical").unwrap();
    vec![
        EventBody::MessageAccepted(MessageAccepted {
            message: user_message(),
            client_message_id: ClientMessageId(uuid(6)),
            fresh: false,
            addressee: None,
            context: Arc::default(),
            client_tools: None,
            called: Arc::default(),
        }),
        log(LogData::Routing(QueryAnalysis {
            intent: Intent::DomainQuestion,
            confidence: Confidence::new(0.87),
            target_agent: technical.clone(),
            reasoning: "It asks about an API key.".into(),
            attempt: None,
        })),
        log(LogData::VectorSearch(VectorSearch {
            collection: "technical".into(),
            chunks_retrieved: 1,
            chunks: vec![DocumentChunk {
                id: 0,
                content: "Rotate a key".into(),
                similarity: 0.75,
                source: "api-keys.md".into(),
                metadata: ChunkMetadata::new(&json!({"title": "API keys"})).ok(),
            }],
            latency: 0.31,
        })),
        log(LogData::Cache(CacheLookup {
            status: CacheOutcome::Miss,
            hit_rate: 0.5,
            size: 12,
            reason: Some("nothing near enough".into()),
            similarity: Some(0.61),
        })),
        log(LogData::Documents(DocumentsRead {
            documents: vec![DocumentRead {
                chunk_id: 0,
                source: "api-keys.md".into(),
                heading_path: vec!["API keys".into(), "Rotation".into()],
                similarity: 0.75,
                reason: "holds the sentence that answers".into(),
            }],
            revision: 3,
        })),
        EventBody::AgentStatus(AgentStatusChanged {
            agent: technical.clone(),
            status: AgentStatus::Active,
        }),
        EventBody::Handoff(Handoff {
            from: billing,
            to: technical,
            reason: "It is about the API.".into(),
            by: None,
            spent: None,
        }),
        EventBody::ToolCall(ToolCall {
            call_id: "call-1".into(),
            tool: "invoice.find".into(),
            arguments: json!({"number": 7}),
            status: ToolCallStatus::Succeeded,
            duration_ms: Some(12),
            result: Some(json!("paid")),
            agent: AgentId::parse("billing").ok(),
            round: Some(1),
            place: Some(0),
            within: None,
            signature: None,
        }),
        EventBody::ApprovalRequested(ApprovalRequested {
            approval_id: ApprovalId(uuid(8)),
            tool: "refund".into(),
            arguments: json!({}),
            reason: "Refunds need a person.".into(),
            expires_at: at(),
            otherwise: None,
            call_id: Some("call-2".into()),
            agent: AgentId::parse("billing").ok(),
            round: Some(1),
            place: None,
            signature: None,
            spent: Some(Spent {
                tokens_used: 12,
                prompt_tokens: Some(9),
                cost: 0.000_3,
                unpriced_tokens: Some(4),
            }),
        }),
        EventBody::ApprovalResolved(ApprovalResolved {
            approval_id: ApprovalId(uuid(8)),
            decision: Decision::Approved,
            by: "kim".into(),
            reason: None,
            arguments: Some(json!({"eur": 5})),
        }),
        EventBody::MessageCompleted(MessageCompleted {
            message: answer(),
            metrics: ChatMetrics {
                tokens_used: 12,
                prompt_tokens: Some(9),
                completion_tokens: Some(3),
                cost: 0.0,
                unpriced_tokens: None,
                latency: 1.25,
                cache_status: CacheStatus::Miss,
            },
            citations: vec![Citation {
                index: 1,
                chunk_id: 0,
                source: "api-keys.md".into(),
            }],
            client_message_id: None,
            calls: Vec::new(),
            incomplete: None,
        }),
        EventBody::TurnFailed(TurnFailed {
            error: Failure::new(ErrorCode::UpstreamError, "The model is away."),
        }),
        EventBody::TurnCancelled(TurnCancelled {
            message_id: Some(MessageId(uuid(4))),
            kept: 12,
            upstream_closed_ms: Some(3),
            tokens_billed: 40,
        }),
    ]
}

fn signal_bodies() -> Vec<SignalBody> {
    vec![
        SignalBody::SessionReady(Box::new(SessionReady {
            session: ChatSession {
                id: SessionId(uuid(1)),
                user_id: None,
                start_time: at(),
                last_activity: at(),
                total_tokens: 0,
                total_cost: 0.0,
                message_count: 2,
            },
            agents: vec![Agent {
                id: AgentId::parse("technical").unwrap(),
                name: "Technical".into(),
                status: AgentStatus::Idle,
                model: "embedded-extractive".into(),
                strategy: Some(RetrievalStrategy::PureRag),
                color: AgentColor::Blue,
                tokens_used: 0,
                cost: 0.0,
                cached: None,
            }],
            epoch: "e1".into(),
            last_seq: 9,
            recovered: true,
            turn: Some(TurnInProgress {
                id: TurnId(uuid(2)),
                state: TurnPhase::Running,
                agent: None,
                message_id: None,
                content: String::new(),
            }),
        })),
        SignalBody::MessageReset(MessageReset {
            message_id: MessageId(uuid(4)),
            reason: "fell back".into(),
        }),
        SignalBody::MessageDelta(MessageDelta {
            message_id: MessageId(uuid(4)),
            offset: 5,
            delta: "Settings".into(),
        }),
        SignalBody::Pong(Pong {}),
        SignalBody::Lagging(Lagging { missed: 4 }),
        SignalBody::ServerDraining(ServerDraining {
            reconnect_after_ms: 2_000,
        }),
        SignalBody::Error(ErrorSignal {
            code: ErrorCode::ValidationError,
            message: "type is missing".into(),
            retryable: false,
            client_message_id: None,
        }),
    ]
}

#[test]
fn every_durable_event_keeps_its_shape_and_survives_a_round_trip() {
    let bodies = event_bodies();
    for kind in EventBody::KINDS {
        assert!(bodies.iter().any(|body| body.kind() == *kind), "{kind} has no snapshot");
    }
    let events: Vec<Event> = bodies
        .into_iter()
        .zip(1..)
        .map(|(body, seq)| Event {
            seq,
            session_id: SessionId(uuid(1)),
            turn_id: Some(TurnId(uuid(2))),
            at: at(),
            body,
        })
        .collect();
    let text = serde_json::to_string(&events).unwrap();
    assert_eq!(serde_json::from_str::<Vec<Event>>(&text).unwrap(), events);
    // As a value: metadata is text that only JSON knows how to write.
    insta::assert_json_snapshot!("durable_events", serde_json::to_value(&events).unwrap());
}

#[test]
fn the_data_of_an_event_is_found_in_its_text() {
    for body in event_bodies() {
        let event = Event {
            seq: 12,
            session_id: SessionId(uuid(1)),
            turn_id: Some(TurnId(uuid(2))),
            at: at(),
            body,
        };
        let text = serde_json::to_string(&event).unwrap();
        let whole: serde_json::Value = serde_json::from_str(&text).unwrap();
        let data = data_of(&text).unwrap();
        assert_eq!(serde_json::from_str::<serde_json::Value>(data).unwrap(), whole["data"]);
        assert!(text.ends_with(&format!("{data}}}")));
    }
    assert_eq!(data_of("{}"), None);
}

#[test]
fn metadata_is_an_object_and_nothing_else() {
    let metadata = ChunkMetadata::new(&json!({"b": 1, "a": [0.5, "x"]})).unwrap();
    assert_eq!(metadata.text(), r#"{"b":1,"a":[0.5,"x"]}"#);
    let read = |text: &str| serde_json::from_str::<ChunkMetadata>(text);
    assert_eq!(read(r#" {"b": 1, "a": [0.5, "x"]} "#).unwrap(), metadata);
    assert!(ChunkMetadata::new(&json!([])).is_err() && read("3").is_err());
}

#[test]
fn every_transient_signal_keeps_its_shape_and_survives_a_round_trip() {
    let bodies = signal_bodies();
    for kind in SignalBody::KINDS {
        assert!(bodies.iter().any(|body| body.kind() == *kind), "{kind} has no snapshot");
    }
    let signals: Vec<Signal> = bodies
        .into_iter()
        .map(|body| Signal {
            session_id: SessionId(uuid(1)),
            turn_id: None,
            at: at(),
            body,
        })
        .collect();
    let text = serde_json::to_string(&signals).unwrap();
    assert_eq!(serde_json::from_str::<Vec<Signal>>(&text).unwrap(), signals);
    insta::assert_json_snapshot!("transient_signals", signals);
}

#[test]
fn an_error_keeps_its_shape_and_every_code_its_status() {
    let body = ErrorBody {
        error: ErrorDetail {
            code: ErrorCode::ValidationError,
            message: "The request is not valid.".into(),
            details: Some(vec![Invalid::new("is required").at("message")]),
            timestamp: at(),
            request_id: "r1".into(),
        },
    };
    assert_eq!(
        serde_json::from_str::<ErrorBody>(&serde_json::to_string(&body).unwrap()).unwrap(),
        body
    );
    let codes = [
        ErrorCode::ValidationError,
        ErrorCode::Unauthenticated,
        ErrorCode::Forbidden,
        ErrorCode::NotFound,
        ErrorCode::MethodNotAllowed,
        ErrorCode::Conflict,
        ErrorCode::PayloadTooLarge,
        ErrorCode::UnsupportedMediaType,
        ErrorCode::RateLimited,
        ErrorCode::InternalError,
        ErrorCode::UpstreamError,
        ErrorCode::Overloaded,
        ErrorCode::Timeout,
    ];
    let statuses: Vec<_> = codes
        .iter()
        .map(|code| json!([code, code.http_status(), code.is_retryable()]))
        .collect();
    insta::assert_json_snapshot!("errors", json!({"body": body, "statuses": statuses}));
}
