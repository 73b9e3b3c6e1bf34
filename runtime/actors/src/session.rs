//! A session: one conversation, as a virtual actor. It is started from the journal on first use and ends when idle; a
//! client never sees which.
//!
//! - [`turn`]: the state machine of one turn, pure;
//! - [`core`]: what a session decides, pure;
//! - [`outbox`]: what may not leave before a commit;
//! - `messages`: the vocabulary;
//! - `face`: what the registry sees of it without asking;
//! - `subscriber`: one subscriber, its credits and its pace;
//! - `actor`: performs the core's effects.

pub(crate) mod actor;
pub mod core;
pub(crate) mod face;
pub(crate) mod messages;
pub mod outbox;
pub(crate) mod subscriber;
pub mod turn;

pub(crate) use actor::Session;
