//! The spans of the session's turns: one tree for each, from the receipt of its message to the commit of its end.

use orchestratai_telemetry::TraceParent;
use tracing::{Span, field::Empty};

use super::*;

/// An append that the journal has not answered yet.
pub(super) struct Appending {
    /// Its last `seq`.
    pub(super) through: u64,
    /// How long it takes is part of the turn that it ends with.
    _span: Span,
}

impl Session {
    /// Begins the span of the turn that takes in a message, if one does.
    pub(super) fn begin_span(&mut self, effects: &[Effect], request_id: &str, trace: Option<&TraceParent>) {
        let accepted = effects.iter().find_map(|effect| {
            let Effect::Append(entries) = effect else { return None };
            let is_accepted = |entry: &&JournalEntry| matches!(entry.event.body, EventBody::MessageAccepted(_));
            entries.iter().find(is_accepted)?.event.turn_id
        });
        let Some(turn_id) = accepted else { return };
        let span = turn_span(self.id(), turn_id);
        span.record("request.id", request_id);
        if let Some(trace) = trace {
            trace.continue_in(&span);
        }
        if let Some(own) = TraceParent::of(&span) {
            span.record("trace.id", own.trace_id());
        }
        self.spans.insert(turn_id, span);
    }

    /// The root of a turn's spans; a turn that was taken up again has a new one, and no request.
    pub(super) fn span_of(&mut self, turn_id: TurnId) -> Span {
        let session_id = self.id();
        let span = self.spans.entry(turn_id);
        span.or_insert_with(|| turn_span(session_id, turn_id)).clone()
    }

    /// Ends the span of a turn, and says in it how the turn ended.
    pub(super) fn end_span(&mut self, turn_id: TurnId, agent: &AgentId, outcome: TurnOutcome, code: Option<ErrorCode>) {
        let Some(span) = self.spans.remove(&turn_id) else {
            return;
        };
        span.record("agent.id", agent.as_str());
        span.record("outcome", outcome.name());
        if let Some(code) = code {
            span.record("error.code", code.name());
        }
    }

    /// An append of these entries, which begins now.
    pub(super) fn begin_append(&self, entries: &[JournalEntry]) -> Option<Appending> {
        let last = &entries.last()?.event;
        let turn = last.turn_id.and_then(|turn_id| self.spans.get(&turn_id));
        let events = i64::try_from(entries.len()).unwrap_or(i64::MAX);
        Some(Appending {
            through: last.seq,
            _span: turn.map_or_else(Span::none, |turn| tracing::debug_span!(parent: turn, "commit", events)),
        })
    }
}

fn turn_span(session_id: SessionId, turn_id: TurnId) -> Span {
    tracing::info_span!(
        "turn",
        session.id = %session_id,
        turn.id = %turn_id,
        request.id = Empty,
        trace.id = Empty,
        agent.id = Empty,
        outcome = Empty,
        error.code = Empty,
    )
}
