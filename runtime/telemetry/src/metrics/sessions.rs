//! Sessions and those who follow them, clients and persons.

use super::*;

impl Metrics {
    /// A client follows a session for as long as the answer is kept.
    pub fn connection(&self, transport: Transport) -> Live {
        Live::enter(self.0.connections.get(transport))
    }

    /// Something was done about a client that could not keep up.
    pub fn slow_consumer(&self, action: SlowConsumerAction) {
        self.0.slow_consumers.get(action).inc();
    }

    /// A session is in memory for as long as the answer is kept.
    pub fn session_live(&self) -> Live {
        Live::enter(&self.0.sessions_live)
    }

    /// A person has a session that is in memory for as long as the answer is kept.
    pub fn session_with_person(&self) -> Live {
        Live::enter(&self.0.sessions_with_person)
    }

    /// A person has taken a session over.
    pub fn person_took_over(&self) {
        self.0.person_takeovers.inc();
    }

    /// An agent has asked for a person.
    pub fn person_requested(&self) {
        self.0.person_requests.inc();
    }

    /// A turn has waited for a person for so long.
    pub fn person_waited(&self, outcome: PersonWaitOutcome, waited: Duration) {
        self.0.person_wait.get(outcome).observe(waited.as_secs_f64());
    }

    /// A request for approval waits for as long as the answer is kept.
    pub fn approval_waits(&self) -> Live {
        Live::enter(&self.0.approvals_waiting)
    }

    /// A request for approval has waited for so long.
    pub fn approval_ended(&self, outcome: ApprovalOutcome, waited: Duration) {
        self.0.approval_wait.get(outcome).observe(waited.as_secs_f64());
    }

    /// A call of a tool has ended; it has a duration where it was made.
    pub fn tool_called(&self, tool: &str, outcome: ToolCallOutcome, took: Option<Duration>) {
        self.0.tools.called(tool, outcome, took);
    }

    /// Something became of so many facts about users.
    pub fn facts(&self, outcome: FactOutcome, count: u64) {
        self.0.facts.get(outcome).inc_by(count);
    }

    /// A turn has ended that a person had last. How long it took says nothing of the agents, and is not observed.
    pub fn turn_ended_by_person(&self, outcome: TurnOutcome) {
        self.0.agents.turn_ended_by_person(outcome);
    }

    /// A session was started from the journal.
    pub fn session_rehydrated(&self) {
        self.0.sessions_rehydrated.inc();
    }

    /// An idle session was taken out of memory.
    pub fn session_passivated(&self) {
        self.0.sessions_passivated.inc();
    }

    /// What there is just now.
    pub(crate) fn gauges(&self) -> Gauges {
        let read = |gauge: &IntGauge| u64::try_from(gauge.get()).unwrap_or(0);
        Gauges {
            sessions: read(&self.0.sessions_live),
            connections: (Transport::ALL.iter())
                .map(|transport| read(self.0.connections.get(*transport)))
                .sum(),
            turns_in_flight: read(&self.0.turns_in_flight),
        }
    }
}
