//! The way from one subscriber to its session.

use std::sync::Arc;

use actix::{Recipient, dev::SendError};
use orchestratai_shared::{ClientMessageId, SessionId, TurnId, UserMessage};
use orchestratai_telemetry::TraceParent;

use crate::{
    admission::Admission,
    publish::Publish,
    refusal::Refusal,
    session::{
        messages::{CancelReply, Claim, Command, Submit, SubmitReply},
        subscriber::ConnectionId,
    },
};

/// The way from one subscriber to its session, over one kept handle, so that a mailbox that is full says so. Nothing here
/// blocks. Dropping it leaves the session.
pub struct SessionLink {
    session_id: SessionId,
    connection: ConnectionId,
    session: Recipient<Command>,
    /// Where the session's words arrive.
    subscriber: Recipient<Publish>,
    admission: Admission,
}

/// Why a link could not pass something on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    /// The session, or the whole process, has too much to do just now.
    #[error(transparent)]
    Refused(Refusal),
    /// The session actor is gone; `Publish::Gone` says so too.
    #[error("the session actor is gone")]
    Gone,
}

impl SessionLink {
    pub(crate) fn new(
        session_id: SessionId,
        connection: ConnectionId,
        session: Recipient<Command>,
        subscriber: Recipient<Publish>,
        admission: Admission,
    ) -> Self {
        Self {
            session_id,
            connection,
            session,
            subscriber,
            admission,
        }
    }

    /// The session.
    #[must_use]
    pub fn session_id(&self) -> SessionId {
        self.session_id
    }

    /// Says something; `request_id` names in the logs what brought it, and the turn continues `trace`. A refusal by the session comes
    /// back as an `error` frame.
    ///
    /// # Errors
    /// [`LinkError`] where it does not even reach the session.
    pub fn send_message(
        &self,
        client_message_id: ClientMessageId,
        said: UserMessage,
        request_id: Arc<str>,
        trace: Option<TraceParent>,
    ) -> Result<(), LinkError> {
        let permit = self.admission.admit().map_err(LinkError::Refused)?;
        let claim = Claim::new(self.connection, client_message_id, self.subscriber.clone());
        let reply = SubmitReply::Subscriber(claim);
        self.pass(Command::Submit(Submit {
            client_message_id,
            said,
            request_id,
            trace,
            permit,
            reply,
            end: None,
        }))
    }

    /// Stops a turn, the running one where none is named. A refusal comes back as an `error` frame.
    ///
    /// # Errors
    /// [`LinkError`] where it does not even reach the session.
    pub fn cancel(&self, turn_id: Option<TurnId>) -> Result<(), LinkError> {
        self.pass(Command::Cancel {
            turn_id,
            reply: CancelReply::Subscriber(self.connection),
        })
    }

    /// Gives back credits: `bytes` of frames have been handed to the socket.
    pub fn credit(&self, bytes: usize) {
        self.tell(Command::Credit(self.connection, bytes));
    }

    /// The client has given a sign of life.
    pub fn alive(&self) {
        self.tell(Command::Alive(self.connection));
    }

    fn pass(&self, command: Command) -> Result<(), LinkError> {
        let (command, error) = match self.session.try_send(command) {
            Ok(()) => return Ok(()),
            Err(SendError::Full(command)) => {
                let words = "The session has more to do than it can take.";
                let refusal = Refusal::overloaded(words, std::time::Duration::from_secs(1));
                (command, LinkError::Refused(refusal))
            }
            Err(SendError::Closed(command)) => (command, LinkError::Gone),
        };
        if let Command::Submit(Submit {
            reply: SubmitReply::Subscriber(claim),
            ..
        }) = command
        {
            // By the error.
            claim.answered();
        }
        Err(error)
    }

    /// For what must not get lost on a full mailbox.
    fn tell(&self, command: Command) {
        #[expect(
            clippy::disallowed_methods,
            reason = "one for each publish that was taken in, and these are bounded by credits"
        )]
        self.session.do_send(command);
    }
}

impl Drop for SessionLink {
    fn drop(&mut self) {
        self.tell(Command::Leave(self.connection));
    }
}
