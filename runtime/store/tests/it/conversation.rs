//! A session as the actors would write it: events in order, with frames.

use std::{collections::VecDeque, sync::Arc};

use orchestratai_shared::{
    AgentId, AgentStatus, CacheStatus, ChatMetrics, ChatSession, Citation, ClientMessageId, Confidence, DocumentRead,
    DocumentsRead, ErrorCode, Event, EventBody, Failure, Intent, LogData, LogId, LogStatus, Message, MessageId,
    MessageRole, QueryAnalysis, RetrievalLog, SessionId, Timestamp, TurnId,
    event::{
        AgentStatusChanged, Handoff, MessageAccepted, MessageCompleted, ToolCall, ToolCallStatus, TurnCancelled,
        TurnFailed,
    },
};
use orchestratai_store::{Append, JournalEntry, Write};

/// One session and what was said in it.
#[derive(Clone)]
pub(crate) struct Conversation {
    pub(crate) id: SessionId,
    pub(crate) seq: u64,
    /// Turns that have not ended, oldest first, with the user's message of each.
    pub(crate) open: VecDeque<(TurnId, MessageId)>,
}

impl Conversation {
    pub(crate) fn new() -> Self {
        Self {
            id: SessionId::new(),
            seq: 0,
            open: VecDeque::new(),
        }
    }

    pub(crate) fn session(&self) -> ChatSession {
        let now = Timestamp::now();
        ChatSession {
            id: self.id,
            user_id: None,
            start_time: now,
            last_activity: now,
            total_tokens: 0,
            total_cost: 0.0,
            message_count: 0,
        }
    }

    pub(crate) fn create(&self) -> Write {
        Write::CreateSession {
            session: self.session(),
            organization: "default".into(),
        }
    }

    pub(crate) fn append(&self, entries: Vec<JournalEntry>) -> Write {
        Write::Append(Append {
            session_id: self.id,
            entries,
        })
    }

    /// A user's message.
    pub(crate) fn accept(&mut self, content: &str) -> JournalEntry {
        let turn = TurnId::new();
        let message = self.message(MessageRole::User, content);
        self.open.push_back((turn, message.id));
        let client_message_id = ClientMessageId::new();
        self.entry(
            turn,
            EventBody::MessageAccepted(MessageAccepted {
                message,
                client_message_id,
                fresh: false,
                addressee: None,
                context: Arc::default(),
                client_tools: None,
                called: Arc::default(),
            }),
        )
    }

    /// A step of the oldest open turn.
    pub(crate) fn log(&mut self, title: &str) -> JournalEntry {
        let (turn, message_id) = self.open[0];
        let data = if self.seq.is_multiple_of(2) {
            LogData::Routing(QueryAnalysis {
                intent: Intent::DomainQuestion,
                confidence: Confidence::new(0.75),
                target_agent: AgentId::parse("technical").expect("a valid id"),
                reasoning: "named \"webhooks\"".to_owned(),
                attempt: None,
            })
        } else {
            LogData::Documents(DocumentsRead {
                documents: vec![DocumentRead {
                    chunk_id: 0,
                    source: "api/webhooks.md".to_owned(),
                    heading_path: vec!["Webhooks".to_owned()],
                    similarity: 0.5,
                    reason: "answers best".to_owned(),
                }],
                revision: 1,
            })
        };
        let log = RetrievalLog {
            id: LogId::new(),
            data,
            title: title.to_owned(),
            timestamp: Timestamp::now(),
            status: LogStatus::Success,
            chunks: None,
            session_id: self.id,
            message_id,
            agent: None,
        };
        self.entry(turn, EventBody::RetrievalLog(log))
    }

    /// A change of an agent's status, in the oldest open turn.
    pub(crate) fn status(&mut self, agent: &str, status: AgentStatus) -> JournalEntry {
        let (turn, _) = self.open[0];
        let agent = AgentId::parse(agent).expect("a valid id");
        self.entry(turn, EventBody::AgentStatus(AgentStatusChanged { agent, status }))
    }

    /// The answer to the oldest open turn.
    pub(crate) fn complete(&mut self, content: &str, tokens: u64, cost: f64) -> JournalEntry {
        self.answer(content, "technical", 0.87, tokens, cost)
    }

    /// The answer to the oldest open turn, by whom and how sure it is.
    pub(crate) fn answer(
        &mut self,
        content: &str,
        agent: &str,
        confidence: f64,
        tokens: u64,
        cost: f64,
    ) -> JournalEntry {
        let (turn, _) = self.open.pop_front().expect("an open turn");
        let mut message = self.message(MessageRole::Assistant, content);
        message.agent = Some(AgentId::parse(agent).expect("a valid id"));
        message.confidence = Some(Confidence::new(confidence));
        let metrics = ChatMetrics {
            tokens_used: tokens,
            prompt_tokens: None,
            completion_tokens: None,
            cost,
            unpriced_tokens: None,
            latency: 1.5,
            cache_status: CacheStatus::Miss,
        };
        let citations = vec![Citation {
            index: 1,
            chunk_id: 0,
            source: "api/webhooks.md".to_owned(),
        }];
        self.entry(
            turn,
            EventBody::MessageCompleted(MessageCompleted {
                message,
                metrics,
                citations,
                client_message_id: None,
                calls: Vec::new(),
                incomplete: None,
            }),
        )
    }

    /// The failure of the oldest open turn.
    pub(crate) fn fail(&mut self) -> JournalEntry {
        let (turn, _) = self.open.pop_front().expect("an open turn");
        let error = Failure::new(ErrorCode::UpstreamError, "the model went away");
        self.entry(turn, EventBody::TurnFailed(TurnFailed { error }))
    }

    /// The cancellation of the oldest open turn, with the partial answer that is kept.
    pub(crate) fn cancel(&mut self, kept: Option<&str>) -> JournalEntry {
        let (turn, _) = self.open.pop_front().expect("an open turn");
        let kept = kept.map(|content| self.message(MessageRole::Assistant, content));
        let body = TurnCancelled {
            message_id: kept.as_ref().map(|message| message.id),
            kept: kept.as_ref().map_or(0, |message| message.content.len() as u64),
            upstream_closed_ms: None,
            tokens_billed: 3,
        };
        JournalEntry {
            kept,
            ..self.entry(turn, EventBody::TurnCancelled(body))
        }
    }

    /// A whole turn: its acceptance, and the rest.
    pub(crate) fn turn(&mut self, content: &str) -> [Write; 2] {
        let accepted = self.accept(content);
        let rest = vec![
            self.log("Routed"),
            self.log("Read"),
            self.log("Read more"),
            self.complete(&format!("Answer to {content}"), 10, 0.000_001),
        ];
        [self.append(vec![accepted]), self.append(rest)]
    }

    fn message(&self, role: MessageRole, content: &str) -> Message {
        Message {
            id: MessageId::new(),
            role,
            content: content.to_owned(),
            agent: None,
            confidence: None,
            timestamp: Timestamp::now(),
            session_id: self.id,
        }
    }

    /// An agent asks for a person in the oldest open turn.
    pub(crate) fn escalate(&mut self, agent: &str, reason: &str, status: ToolCallStatus) -> JournalEntry {
        let turn = self.open.front().expect("a turn is open").0;
        let call = ToolCall {
            call_id: format!("call-{}", self.seq),
            tool: "escalate".into(),
            arguments: serde_json::json!({"reason": reason}),
            status,
            duration_ms: None,
            result: None,
            agent: Some(AgentId::parse(agent).expect("it is an id")),
            round: Some(1),
            place: Some(0),
            within: None,
            signature: None,
        };
        self.entry(turn, EventBody::ToolCall(call))
    }

    /// A person takes the session over.
    pub(crate) fn take_over(&mut self, name: &str) -> JournalEntry {
        self.hand_over(AgentId::orchestrator(), AgentId::person(), name)
    }

    /// The person gives it back.
    pub(crate) fn release(&mut self, name: &str) -> JournalEntry {
        self.hand_over(AgentId::person(), AgentId::orchestrator(), name)
    }

    fn hand_over(&mut self, from: AgentId, to: AgentId, name: &str) -> JournalEntry {
        let handoff = Handoff {
            from,
            to,
            reason: "asked for".to_owned(),
            by: Some(name.to_owned()),
            spent: None,
        };
        self.entry_of(None, EventBody::Handoff(handoff))
    }

    /// A person's answer to the oldest open turn, or, with none, what they say of their own accord.
    pub(crate) fn say(&mut self, content: &str) -> JournalEntry {
        self.say_under(ClientMessageId::new(), content)
    }

    /// The same under a key.
    pub(crate) fn say_under(&mut self, client_message_id: ClientMessageId, content: &str) -> JournalEntry {
        let mut message = self.message(MessageRole::Assistant, content);
        message.agent = Some(AgentId::person());
        let turn = self.open.pop_front().map_or(TurnId(message.id.0), |(turn, _)| turn);
        let metrics = ChatMetrics {
            tokens_used: 0,
            prompt_tokens: None,
            completion_tokens: None,
            cost: 0.0,
            unpriced_tokens: None,
            latency: 0.0,
            cache_status: CacheStatus::None,
        };
        self.entry(
            turn,
            EventBody::MessageCompleted(MessageCompleted {
                message,
                metrics,
                citations: Vec::new(),
                client_message_id: Some(client_message_id),
                calls: Vec::new(),
                incomplete: None,
            }),
        )
    }

    fn entry(&mut self, turn: TurnId, body: EventBody) -> JournalEntry {
        self.entry_of(Some(turn), body)
    }

    fn entry_of(&mut self, turn_id: Option<TurnId>, body: EventBody) -> JournalEntry {
        self.seq += 1;
        let event = Event {
            seq: self.seq,
            session_id: self.id,
            turn_id,
            at: Timestamp::now(),
            body,
        };
        let frame = serde_json::to_string(&event).expect("an event is JSON").into();
        JournalEntry {
            event: Arc::new(event),
            frame,
            kept: None,
        }
    }
}
