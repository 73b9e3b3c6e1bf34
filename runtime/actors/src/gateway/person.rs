//! A person in the agents' place: takes a session over, speaks in it, gives it back.

use orchestratai_shared::{
    ApprovalId, ClientMessageId, ErrorCode, MessageContent, PersonInCharge, SessionId, TurnId, command::Decision,
    event::ApprovalResolved,
};

use super::Gateway;
use crate::{
    refusal::Refusal,
    session::{
        core::{Awaited, Said},
        messages::{Command, PersonAnswer, PersonRequest},
    },
};

/// What somebody decides on what an agent wants to do.
#[derive(Debug, Clone)]
pub struct Verdict {
    /// Which request for approval.
    pub approval_id: ApprovalId,
    /// What is decided.
    pub decision: Decision,
    /// What the tool is to be given instead, an object; only where it is approved.
    pub arguments: Option<serde_json::Value>,
    /// Who decides.
    pub by: String,
    /// Why, for people.
    pub reason: Option<String>,
}

impl Gateway {
    /// Gives a session to a person, and says since when they have it; `None` where there is no such session. With `interrupt` an
    /// answer that agents are at is withdrawn and its turn waits for the person, else it is let end.
    ///
    /// # Errors
    /// [`Refusal`] where somebody of another name has it, or the journal cannot be written.
    pub async fn take_over(
        &self,
        id: SessionId,
        name: &str,
        reason: Option<&str>,
        interrupt: bool,
    ) -> Result<Option<PersonInCharge>, Refusal> {
        let request = PersonRequest::TakeOver {
            name: name.to_owned(),
            reason: reason.map(str::to_owned),
            interrupt,
        };
        match self.ask_for_person(id, request).await? {
            None => Ok(None),
            Some(PersonAnswer::InCharge(Some(person))) => Ok(Some(person)),
            Some(
                PersonAnswer::InCharge(None)
                | PersonAnswer::Said(_)
                | PersonAnswer::Decided(_)
                | PersonAnswer::Waits(_),
            ) => Err(unexpected()),
        }
    }

    /// Says something as the person who has the session: to the turn, to the oldest that waits, or, where none does, of their own
    /// accord. `None` where there is no such session.
    ///
    /// # Errors
    /// [`Refusal`] where nobody has the session, the turn does not wait, the key was used for another message, or the journal
    /// cannot be written.
    pub async fn say_as_person(
        &self,
        id: SessionId,
        client_message_id: ClientMessageId,
        content: MessageContent,
        turn_id: Option<TurnId>,
    ) -> Result<Option<Said>, Refusal> {
        let request = PersonRequest::Say {
            client_message_id,
            content,
            turn_id,
        };
        match self.ask_for_person(id, request).await? {
            None => Ok(None),
            Some(PersonAnswer::Said(said)) => Ok(Some(said)),
            Some(PersonAnswer::InCharge(_) | PersonAnswer::Decided(_) | PersonAnswer::Waits(_)) => Err(unexpected()),
        }
    }

    /// Decides on what an agent wants to do; `None` where there is no such session. Deciding the same once more changes nothing.
    ///
    /// # Errors
    /// [`Refusal`] where nothing of that id waits in the session, it was decided otherwise, or the journal cannot be written.
    pub async fn decide(&self, id: SessionId, verdict: Verdict) -> Result<Option<ApprovalResolved>, Refusal> {
        let Verdict {
            approval_id,
            decision,
            arguments,
            by,
            reason,
        } = verdict;
        let request = PersonRequest::Decide {
            approval_id,
            decision,
            arguments,
            by,
            reason,
        };
        match self.ask_for_person(id, request).await? {
            None => Ok(None),
            Some(PersonAnswer::Decided(resolved)) => Ok(Some(resolved)),
            Some(PersonAnswer::InCharge(_) | PersonAnswer::Said(_) | PersonAnswer::Waits(_)) => Err(unexpected()),
        }
    }

    /// Gives a session back to the agents, who answer what waits; `false` where there is no such session. One that nobody has stays
    /// as it is.
    ///
    /// # Errors
    /// [`Refusal`] where the journal cannot be written.
    pub async fn release(&self, id: SessionId, name: Option<&str>, reason: Option<&str>) -> Result<bool, Refusal> {
        let request = PersonRequest::Release {
            name: name.map(str::to_owned),
            reason: reason.map(str::to_owned),
        };
        Ok(self.ask_for_person(id, request).await?.is_some())
    }

    /// The turn of a message and whose word it waits for, if it does.
    pub(super) async fn word_waited_for(
        &self,
        id: SessionId,
        client_message_id: ClientMessageId,
    ) -> Option<(TurnId, Awaited)> {
        let request = PersonRequest::Waits { client_message_id };
        match self.ask_for_person(id, request).await {
            Ok(Some(PersonAnswer::Waits(waits))) => waits,
            // Who cannot be asked just now is asked again.
            Ok(Some(PersonAnswer::InCharge(_) | PersonAnswer::Decided(_) | PersonAnswer::Said(_)) | None) | Err(_) => {
                None
            }
        }
    }

    async fn ask_for_person(&self, id: SessionId, request: PersonRequest) -> Result<Option<PersonAnswer>, Refusal> {
        let answer = self.ask(id, false, |reply| Command::Person {
            request: request.clone(),
            reply,
        });
        answer.await?.transpose()
    }
}

fn unexpected() -> Refusal {
    Refusal::new(
        ErrorCode::InternalError,
        "The session answers something else than it was asked.",
    )
}
