//! As Markdown, for people: what was said, by whom, and from which sources.

use std::{collections::HashMap, fmt::Write as _};

use orchestratai_shared::{
    Citation, Event, EventBody, Feedback, Message, MessageId,
    event::{MessageCompleted, TurnFailed},
};

use super::{Progress, SessionExport};
use crate::{StoreError, feedback, page};

/// What comes next.
#[derive(Debug)]
pub(super) enum Part {
    Head,
    /// What was said after this `seq`.
    Turns(u64),
}

impl SessionExport {
    pub(super) async fn markdown(&self, part: Part) -> Result<(String, Progress), StoreError> {
        let after = match part {
            Part::Head => return Ok((self.head(), Progress::Markdown(Part::Turns(0)))),
            Part::Turns(after) => after,
        };
        let frames = self.events(after).await?;
        let Some(last) = frames.last() else {
            return Ok((String::new(), Progress::Done));
        };
        let events: Vec<Event> = frames.iter().map(crate::StoredFrame::event).collect::<Result<_, _>>()?;
        let cancelled: Vec<u64> = (events.iter())
            .filter(|event| matches!(event.body, EventBody::TurnCancelled(_)))
            .map(|event| event.seq)
            .collect();
        let kept = page::messages_at(self.store.readers(), self.id(), &cancelled).await?;
        let answers: Vec<MessageId> = events
            .iter()
            .filter_map(|event| answer_of(event, &kept))
            .map(|answer| answer.id)
            .collect();
        let rated = feedback::feedback_on(self.store.readers(), &answers).await?;
        let mut piece = String::new();
        for event in &events {
            say(&mut piece, event, &kept);
            if let Some(feedback) = answer_of(event, &kept).and_then(|answer| rated.get(&answer.id)) {
                rate(&mut piece, feedback);
            }
        }
        Ok((piece, Progress::Markdown(Part::Turns(last.seq))))
    }

    fn head(&self) -> String {
        let session = &self.summary.session;
        let title = match &self.summary.title {
            Some(title) => title.as_str().to_owned(),
            None => format!("Session {}", session.id),
        };
        format!(
            "# {title}\n\n- Session: {}\n- Began: {}\n- Last activity: {}\n- Messages: {}\n- Tokens: {}\n- Cost: {} USD\n",
            session.id,
            session.start_time,
            session.last_activity,
            session.message_count,
            session.total_tokens,
            session.total_cost
        )
    }
}

/// The answer that an event has brought.
fn answer_of<'e>(event: &'e Event, kept: &'e HashMap<u64, Message>) -> Option<&'e Message> {
    match &event.body {
        EventBody::MessageCompleted(completed) => Some(&completed.message),
        EventBody::TurnCancelled(_) => kept.get(&event.seq),
        EventBody::MessageAccepted(_)
        | EventBody::TurnFailed(_)
        | EventBody::RetrievalLog(_)
        | EventBody::AgentStatus(_)
        | EventBody::Handoff(_)
        | EventBody::ToolCall(_)
        | EventBody::ApprovalRequested(_)
        | EventBody::ApprovalResolved(_) => None,
    }
}

/// Adds what people want to know of an event.
fn say(piece: &mut String, event: &Event, kept: &HashMap<u64, Message>) {
    match &event.body {
        EventBody::MessageAccepted(accepted) => {
            heading(piece, "User", &accepted.message);
            quote(piece, &accepted.message.content);
        }
        EventBody::MessageCompleted(MessageCompleted {
            message,
            citations,
            calls,
            incomplete,
            ..
        }) => {
            answer(piece, message);
            if incomplete.is_some() {
                let _ = writeln!(piece, "\n*The answer is not whole.*");
            }
            sources(piece, citations);
            for call in calls {
                let _ = writeln!(piece, "\n*Calls {} of the client: {}*", call.tool, call.arguments);
            }
        }
        EventBody::TurnFailed(TurnFailed { error }) => {
            let _ = writeln!(piece, "\n*Failed: {} ({})*", error.message, error.code.name());
        }
        EventBody::TurnCancelled(_) => {
            if let Some(message) = kept.get(&event.seq) {
                answer(piece, message);
            }
            *piece += "\n*Cancelled*\n";
        }
        EventBody::Handoff(handoff) => {
            let by = handoff.by.as_ref().map(|name| format!(" ({name})")).unwrap_or_default();
            let _ = writeln!(
                piece,
                "\n*{} hands over to {}{by}: {}*",
                handoff.from, handoff.to, handoff.reason
            );
        }
        EventBody::RetrievalLog(_)
        | EventBody::AgentStatus(_)
        | EventBody::ToolCall(_)
        | EventBody::ApprovalRequested(_)
        | EventBody::ApprovalResolved(_) => {}
    }
}

fn answer(piece: &mut String, message: &Message) {
    let agent = message.agent.as_ref().map_or("Assistant", |agent| agent.as_str());
    heading(piece, agent, message);
    let _ = writeln!(piece, "{}", message.content.trim_end());
}

fn heading(piece: &mut String, who: &str, message: &Message) {
    let _ = write!(piece, "\n## {who} · {}", message.timestamp);
    if let Some(confidence) = message.confidence {
        let _ = write!(piece, " · confidence {:.2}", confidence.get());
    }
    *piece += "\n\n";
}

fn sources(piece: &mut String, citations: &[Citation]) {
    if !citations.is_empty() {
        *piece += "\nSources:\n\n";
    }
    for citation in citations {
        let _ = writeln!(piece, "- [{}] `{}`", citation.index, citation.source);
    }
}

fn rate(piece: &mut String, feedback: &Feedback) {
    let _ = writeln!(piece, "\n*Rated {}*", feedback.rating.as_str());
    if let Some(reason) = &feedback.reason {
        *piece += "\n";
        quote(piece, reason);
    }
}

/// What somebody has written is no Markdown of ours: a quote keeps its headings out of the document's.
fn quote(piece: &mut String, text: &str) {
    for line in text.lines() {
        let _ = writeln!(piece, "> {line}");
    }
}
