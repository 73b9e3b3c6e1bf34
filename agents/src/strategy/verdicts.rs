//! The steps that show what guardrails say, and the answer to what an agent does not speak about.

use orchestratai_shared::LogStatus;

use super::{
    direct, evidence,
    specialist::{Specialist, Work},
};
use crate::{
    guardrail::{About, Verdict},
    knowledge::SearchResult,
    turn::{AgentError, Answer, Gone},
};

/// An agent that does not speak about something is sure of that.
const BLOCKED_CONFIDENCE: f64 = 0.95;

impl Specialist {
    /// A step with what a guardrail says: `documents` where it is about sources, `routing` where it is about the turn.
    pub(super) async fn show_verdict(
        &self,
        work: &Work<'_>,
        found: &SearchResult,
        verdict: Verdict,
    ) -> Result<(), Gone> {
        let data = match verdict.about {
            About::Sources(chunks) => evidence::documents(found, &chunks),
            About::Turn(reason) => self.stepped_down(work.request, &reason),
        };
        work.voice.log(verdict.title, verdict.status, data).await
    }

    /// The text that the agent has for a topic that it does not speak about; none where the message is about no such topic.
    pub(super) async fn blocked(&self, work: &mut Work<'_>) -> Result<Option<Answer>, AgentError> {
        // Where the message leans on what was said before, what it stands for counts as well.
        let texts = [work.request.message.as_str(), work.question()];
        let found = (texts.iter()).find_map(|text| self.topics.find(text, &self.embedder));
        let Some(topic) = found else {
            return Ok(None);
        };
        let reason = format!(
            "{} does not speak about {}; no model is asked.",
            self.definition.name, topic.name
        );
        let data = self.stepped_down(work.request, &reason);
        let title = format!("Blocked topic: {}", topic.name);
        work.voice.log(title, LogStatus::Warning, data).await?;
        direct::say(&mut work.voice, &topic.say, BLOCKED_CONFIDENCE)
            .await
            .map(Some)
    }
}
