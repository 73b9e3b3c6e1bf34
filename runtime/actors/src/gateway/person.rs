//! A person in the agents' place: takes a session over, speaks in it, gives it back.

use orchestratai_shared::{ClientMessageId, ErrorCode, MessageContent, PersonInCharge, SessionId, TurnId};

use super::Gateway;
use crate::{
    refusal::Refusal,
    session::{
        core::Said,
        messages::{Command, PersonAnswer, PersonRequest},
    },
};

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
            Some(PersonAnswer::InCharge(None) | PersonAnswer::Said(_) | PersonAnswer::Waits(_)) => Err(unexpected()),
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
            Some(PersonAnswer::InCharge(_) | PersonAnswer::Waits(_)) => Err(unexpected()),
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

    /// The turn of a message and the person that it waits for, if it does.
    pub(super) async fn person_waited_for(
        &self,
        id: SessionId,
        client_message_id: ClientMessageId,
    ) -> Option<(TurnId, PersonInCharge)> {
        let request = PersonRequest::Waits { client_message_id };
        match self.ask_for_person(id, request).await {
            Ok(Some(PersonAnswer::Waits(waits))) => waits,
            // Who cannot be asked just now is asked again.
            Ok(Some(PersonAnswer::InCharge(_) | PersonAnswer::Said(_)) | None) | Err(_) => None,
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
