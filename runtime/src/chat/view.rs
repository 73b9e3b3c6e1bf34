//! What the client knows of its session, as a pure state: no socket, no clock, no terminal.

use std::{collections::BTreeMap, time::Duration};

use orchestratai_shared::{
    Agent, AgentId, ChatMetrics, Citation, ClientCall, ClientMessageId, Confidence, Event, EventBody, Failure,
    Incomplete, LogData, MessageContent, MessageId, RetrievalLog, SessionId, Signal, SignalBody, TurnId,
    event::{MessageCompleted, MessageDelta, SessionReady, TurnCancelled},
};

/// A frame from the server.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum ServerFrame {
    Event(Box<Event>),
    Signal(Box<Signal>),
}

impl ServerFrame {
    /// Reads a frame; `None` for one that this version does not know, which is no error: servers learn new ones.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        #[derive(serde::Deserialize)]
        struct Numbered {
            seq: Option<u64>,
        }
        let Numbered { seq } = serde_json::from_str(text).ok()?;
        if seq.is_some() {
            serde_json::from_str(text)
                .ok()
                .map(|event| Self::Event(Box::new(event)))
        } else {
            serde_json::from_str(text)
                .ok()
                .map(|signal| Self::Signal(Box::new(signal)))
        }
    }
}

/// Something for the user to see.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Show {
    /// The session that the talk is in, and who is there.
    Session {
        id: SessionId,
        is_new: bool,
        agents: Vec<Agent>,
    },
    /// Somebody else who follows the session has said something.
    Question(String),
    /// A step of the turn, and who took it.
    Step {
        agent: Option<AgentId>,
        log: Box<RetrievalLog>,
    },
    /// The turn went from one agent to another.
    Handoff { from: AgentId, to: AgentId, reason: String },
    /// More of the answer; with `begins` its first words.
    Answer {
        agent: Option<AgentId>,
        text: String,
        begins: bool,
    },
    /// What was shown of the answer is withdrawn; it begins anew.
    Withdrawn(String),
    /// What the `[n]` of the answer stand for.
    Citations(Vec<Citation>),
    /// What the answer took.
    Figures {
        metrics: ChatMetrics,
        confidence: Option<Confidence>,
    },
    /// The turn ended without an answer.
    Failed(Failure),
    /// The turn was stopped.
    Cancelled(Box<TurnCancelled>),
    /// Something worth knowing.
    Notice(String),
    /// Something went wrong.
    Problem(String),
}

/// A message of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) id: ClientMessageId,
    pub(crate) content: MessageContent,
    pub(crate) fresh: bool,
}

/// The answer that is being shown.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Answer {
    id: MessageId,
    /// All of it that has been shown.
    text: String,
}

/// What the client knows of its session.
#[derive(Debug, Clone, Default)]
pub(crate) struct View {
    session_id: Option<SessionId>,
    epoch: Option<String>,
    last_seq: u64,
    agents: Vec<Agent>,
    /// Messages of ours that are not accepted, oldest first. They are sent again after a reconnect, under the same id.
    unaccepted: Vec<Said>,
    /// Turns of ours that have not ended.
    open: BTreeMap<TurnId, Said>,
    answer: Option<Answer>,
    /// An answer that began before we came, as far as it had come.
    before_us: Option<Answer>,
    speaker: Option<AgentId>,
    unanswered: u32,
    reconnect_after: Option<Duration>,
}

impl View {
    /// A session that is known by its id only, or a new one.
    pub(crate) fn new(session_id: Option<SessionId>) -> Self {
        Self {
            session_id,
            ..Self::default()
        }
    }

    /// Which session to ask for.
    pub(crate) fn session_id(&self) -> Option<SessionId> {
        self.session_id
    }

    /// From where to go on, with the lineage that it belongs to; `None` before the first connection.
    pub(crate) fn position(&self) -> Option<(u64, &str)> {
        self.epoch.as_deref().map(|epoch| (self.last_seq, epoch))
    }

    /// Who is there.
    pub(crate) fn agents(&self) -> &[Agent] {
        &self.agents
    }

    /// An agent's name and colour; `None` where it is not known.
    pub(crate) fn agent(&self, id: &AgentId) -> Option<&Agent> {
        self.agents.iter().find(|agent| agent.id == *id)
    }

    /// Whether something of ours has no end yet.
    pub(crate) fn is_waiting(&self) -> bool {
        !self.unaccepted.is_empty() || !self.open.is_empty()
    }

    /// Messages of ours that ended without an answer.
    pub(crate) fn unanswered(&self) -> u32 {
        self.unanswered
    }

    /// How long the server has asked to be left alone, once.
    pub(crate) fn take_reconnect_after(&mut self) -> Option<Duration> {
        self.reconnect_after.take()
    }

    /// What is to be sent as soon as the session is ready.
    pub(crate) fn unaccepted(&self) -> &[Said] {
        &self.unaccepted
    }

    /// Says something: kept until it is accepted.
    pub(crate) fn say(&mut self, content: MessageContent, fresh: bool) -> Said {
        let said = Said {
            id: ClientMessageId::new(),
            content,
            fresh,
        };
        self.unaccepted.push(said.clone());
        said
    }

    /// Takes in a frame; gives what is to be shown, in order. Whatever a reconnect repeats is shown once.
    pub(crate) fn apply(&mut self, frame: ServerFrame) -> Vec<Show> {
        match frame {
            ServerFrame::Event(event) => self.apply_event(*event),
            ServerFrame::Signal(signal) => self.apply_signal(signal.body),
        }
    }

    fn apply_event(&mut self, event: Event) -> Vec<Show> {
        let is_repeated = event.seq <= self.last_seq;
        self.last_seq = self.last_seq.max(event.seq);
        // A message that was sent again is answered with its original events, whose numbers may be behind us.
        let is_ours = if let EventBody::MessageAccepted(accepted) = &event.body {
            self.unaccepted.iter().any(|said| said.id == accepted.client_message_id)
        } else {
            event.body.is_terminal() && event.turn_id.is_some_and(|turn| self.open.contains_key(&turn))
        };
        if is_repeated && !is_ours {
            return Vec::new();
        }
        let mine = event
            .turn_id
            .filter(|_| event.body.is_terminal())
            .and_then(|turn| self.open.remove(&turn))
            .is_some();
        match event.body {
            EventBody::MessageAccepted(accepted) => {
                let ours = self
                    .unaccepted
                    .iter()
                    .position(|said| said.id == accepted.client_message_id);
                match (ours, event.turn_id) {
                    (Some(position), Some(turn)) => {
                        let said = self.unaccepted.remove(position);
                        self.open.insert(turn, said);
                        Vec::new()
                    }
                    (Some(_), None) | (None, _) => vec![Show::Question(accepted.message.content)],
                }
            }
            EventBody::RetrievalLog(log) => {
                let mut shows = Vec::new();
                // Where several agents answer together, what one of them does makes it nobody's turn.
                if let (LogData::Routing(routing), None) = (&log.data, &log.agent) {
                    self.speaker = Some(routing.target_agent.clone());
                    if routing.attempt.is_some() {
                        shows.extend(self.withdraw("the turn was interrupted and is taken up again"));
                    }
                }
                shows.push(Show::Step {
                    agent: log.agent.clone().or(self.speaker.clone()),
                    log: Box::new(log),
                });
                shows
            }
            EventBody::AgentStatus(changed) => {
                if let Some(agent) = self.agents.iter_mut().find(|agent| agent.id == changed.agent) {
                    agent.status = changed.status;
                }
                Vec::new()
            }
            EventBody::Handoff(handoff) => {
                self.speaker = Some(handoff.to.clone());
                vec![Show::Handoff {
                    from: handoff.from,
                    to: handoff.to,
                    reason: handoff.reason,
                }]
            }
            EventBody::ToolCall(call) => vec![Show::Notice(
                format!("tool {} ({:?})", call.tool, call.status).to_lowercase(),
            )],
            EventBody::ApprovalRequested(asked) => {
                vec![Show::Notice(format!(
                    "waits for approval of {}: {}",
                    asked.tool, asked.reason
                ))]
            }
            EventBody::ApprovalResolved(resolved) => {
                vec![Show::Notice(
                    format!("approval {:?} by {}", resolved.decision, resolved.by).to_lowercase(),
                )]
            }
            EventBody::MessageCompleted(completed) => self.complete(completed),
            EventBody::TurnFailed(failed) => {
                self.unanswered += u32::from(mine);
                self.answer = None;
                vec![Show::Failed(failed.error)]
            }
            EventBody::TurnCancelled(cancelled) => {
                self.unanswered += u32::from(mine);
                self.answer = None;
                vec![Show::Cancelled(Box::new(cancelled))]
            }
        }
    }

    fn apply_signal(&mut self, body: SignalBody) -> Vec<Show> {
        match body {
            SignalBody::SessionReady(ready) => self.ready(*ready),
            SignalBody::MessageReset(reset) => self.withdraw(&reset.reason),
            SignalBody::MessageDelta(delta) => self.extend(&delta),
            SignalBody::Pong(_) => Vec::new(),
            SignalBody::Lagging(lagging) => {
                vec![Show::Notice(format!(
                    "behind by {} events; catching up",
                    lagging.missed
                ))]
            }
            SignalBody::ServerDraining(draining) => {
                self.reconnect_after = Some(Duration::from_millis(draining.reconnect_after_ms));
                vec![Show::Notice(
                    "the server is about to stop; reconnecting when it is back".into(),
                )]
            }
            SignalBody::Error(error) => {
                let refused = |said: &Said| Some(said.id) == error.client_message_id;
                if let Some(position) = self.unaccepted.iter().position(refused) {
                    self.unaccepted.remove(position);
                    self.unanswered += 1;
                }
                vec![Show::Problem(error.message)]
            }
        }
    }

    fn ready(&mut self, ready: SessionReady) -> Vec<Show> {
        let mut shows = Vec::new();
        let is_first = self.epoch.is_none();
        if is_first {
            let is_new = ready.session.message_count == 0 && self.session_id.is_none();
            shows.push(Show::Session {
                id: ready.session.id,
                is_new,
                agents: ready.agents.clone(),
            });
            self.last_seq = ready.last_seq;
        } else if ready.recovered {
            shows.push(Show::Notice("connected again".into()));
        } else {
            shows.extend(self.withdraw("the connection was lost"));
            shows.push(Show::Notice(
                "connected again; what was missed is asked for anew".into(),
            ));
            self.last_seq = ready.last_seq;
            // Sent again under its id, each is answered with how it went; nothing is done twice.
            let open = std::mem::take(&mut self.open).into_values();
            self.unaccepted = open.chain(std::mem::take(&mut self.unaccepted)).collect();
        }
        self.session_id = Some(ready.session.id);
        self.epoch = Some(ready.epoch);
        self.agents = ready.agents;
        self.before_us = None;
        if let Some(turn) = ready.turn
            && let Some(id) = turn.message_id
        {
            let so_far = Answer { id, text: turn.content };
            if self.answer.as_ref().is_some_and(|answer| answer.id == id) || self.last_seq >= ready.last_seq {
                self.speaker = turn.agent.or(self.speaker.take());
                shows.extend(self.catch_up(so_far));
            } else {
                self.before_us = Some(so_far); // Events before it are still to come.
            }
        }
        shows
    }

    /// Shows what is missing of an answer whose whole text so far is known.
    fn catch_up(&mut self, so_far: Answer) -> Vec<Show> {
        let shown = match &self.answer {
            Some(answer) if answer.id == so_far.id => answer.text.as_str(),
            Some(_) | None => "",
        };
        if shown.starts_with(&so_far.text) {
            return Vec::new(); // We are ahead; the deltas repeat what we have.
        }
        if let Some(rest) = so_far.text.strip_prefix(shown) {
            let show = Show::Answer {
                agent: self.speaker.clone(),
                text: rest.to_owned(),
                begins: shown.is_empty(),
            };
            self.answer = Some(so_far);
            return vec![show];
        }
        let mut shows = self.withdraw("it was written anew");
        shows.push(Show::Answer {
            agent: self.speaker.clone(),
            text: so_far.text.clone(),
            begins: true,
        });
        self.answer = Some(so_far);
        shows
    }

    fn extend(&mut self, delta: &MessageDelta) -> Vec<Show> {
        let mut shows = Vec::new();
        let offset = usize::try_from(delta.offset).unwrap_or(usize::MAX);
        let shown = |answer: &Option<Answer>| match answer {
            Some(answer) if answer.id == delta.message_id => answer.text.len(),
            Some(_) | None => 0,
        };
        if offset > shown(&self.answer) {
            match self.before_us.take() {
                Some(so_far) if so_far.id == delta.message_id => shows.extend(self.catch_up(so_far)),
                Some(_) | None => {}
            }
        }
        let known = shown(&self.answer);
        // A gap is closed by `message_completed`, which bears the whole; a repeat is cut off.
        let Some(new) = known
            .checked_sub(offset)
            .and_then(|repeated| delta.delta.get(repeated..))
            .filter(|new| !new.is_empty())
        else {
            return shows;
        };
        shows.push(Show::Answer {
            agent: self.speaker.clone(),
            text: new.to_owned(),
            begins: known == 0,
        });
        match &mut self.answer {
            Some(answer) if answer.id == delta.message_id => answer.text.push_str(new),
            Some(_) | None => {
                self.answer = Some(Answer {
                    id: delta.message_id,
                    text: new.to_owned(),
                });
            }
        }
        shows
    }

    fn complete(&mut self, completed: MessageCompleted) -> Vec<Show> {
        let MessageCompleted {
            message,
            metrics,
            citations,
            client_message_id,
            calls,
            incomplete,
        } = completed;
        self.speaker = message.agent.or(self.speaker.take());
        let mut shows = Vec::new();
        let (shown, other): (Option<Answer>, _) = match self.answer.take() {
            Some(answer) if answer.id == message.id => (Some(answer), None),
            other => (None, other),
        };
        let shown = shown.unwrap_or(Answer {
            id: message.id,
            text: String::new(),
        });
        if shown.text != message.content {
            self.answer = Some(shown);
            shows.extend(self.catch_up_whole(Answer {
                id: message.id,
                text: message.content,
            }));
            self.answer = None;
        }
        // A person may speak while an agent is at its answer.
        self.answer = other.filter(|_| client_message_id.is_some());
        if !citations.is_empty() {
            shows.push(Show::Citations(citations));
        }
        let of_client = |call: ClientCall| format!("the client is to call {}: {}", call.tool, call.arguments);
        shows.extend(calls.into_iter().map(of_client).map(Show::Notice));
        let cut_off = |incomplete| match incomplete {
            Incomplete::MaxTokens => "the answer is cut off: its model has written as much as it may".into(),
            Incomplete::Refused => "the answer was broken off by its model".into(),
        };
        shows.extend(incomplete.map(cut_off).map(Show::Notice));
        shows.push(Show::Figures {
            metrics,
            confidence: message.confidence,
        });
        shows
    }

    /// As [`catch_up`](Self::catch_up), for the final text: one that is shorter than what was shown replaces it.
    fn catch_up_whole(&mut self, whole: Answer) -> Vec<Show> {
        let is_ahead = self
            .answer
            .as_ref()
            .is_some_and(|answer| answer.text.len() > whole.text.len());
        let mut shows = if is_ahead {
            self.withdraw("it was written anew")
        } else {
            Vec::new()
        };
        shows.extend(self.catch_up(whole));
        shows
    }

    /// Takes back what was shown of the answer.
    fn withdraw(&mut self, reason: &str) -> Vec<Show> {
        match self.answer.take() {
            Some(answer) if !answer.text.is_empty() => vec![Show::Withdrawn(reason.to_owned())],
            Some(_) | None => Vec::new(),
        }
    }
}
