//! A turn that has not ended, as its session keeps it.

use super::*;

/// A turn that has not ended, or whose end is not durable yet.
#[derive(Debug)]
pub(super) struct Turn {
    pub(super) id: TurnId,
    pub(super) message: Message,
    pub(super) said: UserMessage,
    pub(super) client_message_id: ClientMessageId,
    pub(super) state: TurnState,
    pub(super) attempt: u32,
    pub(super) leg: u32,
    pub(super) intent: Intent,
    /// Where several agents answer it together: whose concerns are what, as they are told.
    pub(super) concerns: Vec<Concern>,
    /// It begins once this `seq` is durable: its acceptance, or the record of its new attempt.
    pub(super) begins_after: u64,
    /// When the state last changed to one that waits for somebody else.
    pub(super) waiting_since: Timestamp,
    pub(super) answer: PartialAnswer,
    pub(super) events: Vec<Recorded>,
    pub(super) ended_seq: Option<u64>,
    pub(super) cancels: Vec<ReplyTo>,
    /// What is to be decided, while it waits for that, oldest first.
    pub(super) approvals: Vec<ApprovalRequested>,
    /// What the runs have used that ended without an answer while the turn went on.
    pub(super) used: Usage,
    /// Whether a language model was asked in vain who answers.
    pub(super) lacks_advice: bool,
    /// Who was given it by another agent.
    pub(super) handed_to: Option<AgentId>,
}

/// What an agent has said so far.
#[derive(Debug, Default)]
pub(super) struct PartialAnswer {
    pub(super) message_id: Option<MessageId>,
    pub(super) text: String,
}

impl Turn {
    /// An open turn from its durable events; `None` where they do not begin with its acceptance, which no commit allows.
    /// Where a person has the session, it may wait for them.
    pub(super) fn recover(events: Vec<Event>, is_persons: bool, now: Timestamp) -> Option<Self> {
        let first = events.first()?;
        let EventBody::MessageAccepted(accepted) = &first.body else {
            return None;
        };
        let mut turn = Self {
            id: first.turn_id?,
            message: accepted.message.clone(),
            said: UserMessage {
                content: MessageContent::parse(accepted.message.content.as_str()).ok()?,
                fresh: accepted.fresh,
                addressee: accepted.addressee.clone(),
                context: Arc::clone(&accepted.context),
                client_tools: accepted.client_tools.clone(),
                called: Arc::clone(&accepted.called),
            },
            client_message_id: accepted.client_message_id,
            state: match is_persons && Self::is_with_person(&events) {
                true => TurnState::WithPerson,
                false => TurnState::Accepted,
            },
            attempt: 1,
            leg: 0,
            intent: Intent::DomainQuestion,
            concerns: Vec::new(),
            begins_after: first.seq,
            waiting_since: now,
            answer: PartialAnswer::default(),
            events: Vec::new(),
            ended_seq: None,
            cancels: Vec::new(),
            approvals: Vec::new(),
            used: Usage::default(),
            lacks_advice: false,
            handed_to: None,
        };
        for event in &events {
            if let EventBody::RetrievalLog(RetrievalLog {
                data: LogData::Routing(analysis),
                ..
            }) = &event.body
            {
                turn.attempt = turn.attempt.max(analysis.attempt.unwrap_or(1));
                turn.intent = analysis.intent;
            }
        }
        turn.events = events.into_iter().map(Recorded::from).collect();
        turn.recover_waiting();
        Some(turn)
    }

    pub(super) fn run(&self) -> Run {
        Run {
            turn_id: self.id,
            attempt: self.attempt,
            leg: self.leg,
        }
    }

    pub(super) fn request(&self) -> RunRequest {
        RunRequest {
            run: self.run(),
            said: UserMessage {
                addressee: self.handed_to.clone().or_else(|| self.said.addressee.clone()),
                ..self.said.clone()
            },
            intent: self.intent,
            concerns: self.concerns.clone(),
            past: self.past(),
        }
    }

    /// The agent of a part of the message, where several answer it together.
    pub(super) fn agent_of_part(&self, part: usize) -> Option<&AgentId> {
        self.concerns.get(part).map(|concern| &concern.agent)
    }

    /// The agent that last became active; of several that did so together, the first, whose turn it is.
    pub(super) fn last_agent(&self) -> Option<AgentId> {
        let became_active = |recorded: &Recorded| match &recorded.event.body {
            EventBody::AgentStatus(changed) if changed.status == AgentStatus::Active => Some(changed.agent.clone()),
            EventBody::AgentStatus(_)
            | EventBody::MessageAccepted(_)
            | EventBody::RetrievalLog(_)
            | EventBody::Handoff(_)
            | EventBody::ToolCall(_)
            | EventBody::ApprovalRequested(_)
            | EventBody::ApprovalResolved(_)
            | EventBody::MessageCompleted(_)
            | EventBody::TurnFailed(_)
            | EventBody::TurnCancelled(_) => None,
        };
        let events = self.events.iter().rev();
        events
            .skip_while(|event| became_active(event).is_none())
            .map_while(became_active)
            .last()
    }
}
