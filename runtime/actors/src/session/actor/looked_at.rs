//! What the session shows to people who look on.

use orchestratai_shared::{LiveSession, LiveTurn, SessionState};

use super::*;
use crate::session::messages::Look;

impl Session {
    /// Shows the registry how it is now.
    pub(super) fn show_face(&self) {
        self.face.show(
            self.subscribers.len(),
            self.core.open_turns() > 0,
            self.totals.last_activity,
        );
    }

    fn live(&self) -> LiveSession {
        let turn = self.core.head().map(|head| LiveTurn {
            turn_id: head.turn_id,
            state: head.phase,
            agent: head.agent,
            started_at: head.message.timestamp,
            question: LiveTurn::beginning(&head.message.content),
        });
        let person = self.core.person().cloned();
        let state = match (&person, &turn) {
            (Some(_), _) => SessionState::Person,
            (None, Some(_)) => SessionState::Running,
            (None, None) => SessionState::Idle,
        };
        LiveSession {
            session: self.totals.clone(),
            state,
            turn,
            open_turns: self.core.open_turn_ids().count(),
            clients: self.subscribers.len(),
            person,
            // The store knows: one is wanted although nobody has the session in memory.
            person_wanted: None,
            node: self.node.map(|node| node.to_string()),
        }
    }
}

impl Handler<Look> for Session {
    type Result = ();

    fn handle(&mut self, Look(reply): Look, _: &mut Self::Context) {
        let _ = reply.send(self.live());
    }
}
