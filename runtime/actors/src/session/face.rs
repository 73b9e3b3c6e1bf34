//! What the registry sees of a live session without asking it: enough to tell whether it is in progress, and how lately it was
//! active. Both live on one arbiter, so it is plain memory, written whenever the session has handled something.

use std::{cell::Cell, rc::Rc};

use orchestratai_shared::Timestamp;

/// The outside of a live session.
#[derive(Debug, Clone)]
pub(crate) struct Face(Rc<Outside>);

#[derive(Debug)]
struct Outside {
    clients: Cell<usize>,
    has_turn: Cell<bool>,
    last_activity: Cell<Timestamp>,
}

impl Face {
    /// Of a session that nobody follows yet.
    pub(crate) fn new(has_turn: bool, last_activity: Timestamp) -> Self {
        Self(Rc::new(Outside {
            clients: Cell::new(0),
            has_turn: Cell::new(has_turn),
            last_activity: Cell::new(last_activity),
        }))
    }

    /// Shows how it is now.
    pub(crate) fn show(&self, clients: usize, has_turn: bool, last_activity: Timestamp) {
        self.0.clients.set(clients);
        self.0.has_turn.set(has_turn);
        self.0.last_activity.set(last_activity);
    }

    /// Whether somebody follows it, or a turn of it has not ended.
    pub(crate) fn is_in_progress(&self) -> bool {
        self.0.clients.get() > 0 || self.0.has_turn.get()
    }

    /// When it was last used.
    pub(crate) fn last_activity(&self) -> Timestamp {
        self.0.last_activity.get()
    }
}
