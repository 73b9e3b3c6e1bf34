//! What happens to turns: how they begin, how soon they are answered, and how they end.

use super::*;

impl Metrics {
    /// What is counted for one agent. Resolves about ten labels: keep what it gives. `agent` comes from configuration,
    /// never from a client; a turn that ended before anybody had it counts for `none`.
    #[must_use]
    pub fn agent(&self, agent: &str) -> AgentMetrics {
        self.0.agents.resolve(agent)
    }

    /// A turn was accepted; it counts as in flight for as long as the answer is kept.
    pub fn turn_in_flight(&self) -> Live {
        Live::enter(&self.0.turns_in_flight)
    }

    /// `turns` are attempted again after an interruption.
    pub fn turns_resumed(&self, turns: usize) {
        self.0.turns_resumed.inc_by(turns as u64);
    }

    /// `message_accepted` was published, `since_receipt` after the message had come in.
    pub fn first_event(&self, since_receipt: Duration) {
        self.0.time_to_first_event.observe(since_receipt.as_secs_f64());
    }

    /// The answer's first `message_delta` was published, `since_receipt` after the message had come in.
    pub fn first_token(&self, since_receipt: Duration) {
        self.0.time_to_first_token.observe(since_receipt.as_secs_f64());
    }

    /// A message was refused.
    pub fn admission_refused(&self, reason: RefusalReason) {
        self.0.admission_refused.get(reason).inc();
    }

    /// A session has published an event or a signal. `kind` is its `type` on the wire; others are not counted.
    ///
    /// Compares with at most 17 short texts, a few nanoseconds: cheaper than a hash.
    pub fn event_published(&self, kind: &str) {
        if let Some((_, counter)) = self.0.events_published.iter().find(|(known, _)| *known == kind) {
            counter.inc();
        }
    }

    /// Somebody has rated an answer of an agent.
    pub fn rated(&self, agent: &AgentId, rating: Rating) {
        self.0.agents.rated(agent.as_str(), rating);
    }

    /// Tells every count of every agent.
    pub(crate) fn count_agents(&self, visit: impl FnMut(&str, AgentCount<'_>)) {
        self.0.agents.visit(visit);
    }

    /// Tells how long first events took.
    pub(crate) fn first_events(&self, mut tell: impl FnMut(&proto::Histogram)) {
        for family in self.0.time_to_first_event.collect() {
            for metric in family.get_metric() {
                tell(metric.get_histogram());
            }
        }
    }
}
