//! Turns: how they begin, how one waits for their end, how they are stopped.

use std::{sync::Arc, time::Duration};

use orchestratai_shared::{ErrorCode, Event, SessionId, TurnId, event::TurnCancelled};
use orchestratai_store::TurnRow;
use tokio::sync::oneshot;

use super::{
    Accepted, Conversed, Gateway, RECONNECT_AFTER, RETRY_AFTER, Submission, TRIES_MAX, TurnRecord, unreachable_session,
    unreadable, unwritable,
};
use crate::{
    refusal::{CancelRefusal, Refusal},
    session::{
        core::{Awaited, Recorded},
        messages::{CancelReply, Command, EndWaiter, Submit, SubmitReply},
    },
};

/// Events that are read at once when a turn is read back from the journal.
const TURN_PAGE_EVENTS: usize = 512;
/// How often it is looked again whether a turn that is waited for is a person's by now.
const LOOK_AGAIN_AFTER: Duration = Duration::from_secs(5);
/// Bytes that are read at once when a turn is read back from the journal.
const TURN_PAGE_BYTES: usize = 1 << 20;

impl Gateway {
    /// Takes a message in. Answers after the commit of its `message_accepted`.
    ///
    /// # Errors
    /// [`Refusal`] where there is no room, the key was used for another message, or the journal cannot be written.
    pub async fn submit(&self, submission: Submission) -> Result<Accepted, Refusal> {
        // Refused here already, so that an overload costs no trip to another thread.
        self.has_room()?;
        let answer = self.ask(submission.session_id, true, |reply| {
            self.submit_command(&submission, reply, None)
        });
        answer.await?.unwrap_or_else(|| Err(unreachable_session()))
    }

    /// Takes a message in, waits for the end of its turn, and gives all of it; no events where its session was erased meanwhile.
    /// Of a message that was taken in before, it gives the turn of that time. A turn that waits for a person's word is waited for no longer
    /// than an agent may take: it goes on, and the answer is to be followed.
    ///
    /// # Errors
    /// As [`Self::submit`]. Where the store cannot be read, or the server stops before the turn has ended, the refusal names the
    /// turn: it is taken up again at the next start.
    pub async fn converse(&self, submission: Submission) -> Result<Conversed, Refusal> {
        tokio::select! {
            biased;
            ended = self.converse_to_the_end(&submission) => {
                ended.map(|(accepted, record)| Conversed::Ended(accepted, record))
            }
            (turn_id, awaited) = self.left_to_a_person(&submission) => Ok(Conversed::Waits(turn_id, awaited)),
        }
    }

    /// Returns once the turn of a message has waited for a person for too long for whoever waits for its end.
    async fn left_to_a_person(&self, submission: &Submission) -> (TurnId, Awaited) {
        tokio::time::sleep(self.inner.patience).await;
        loop {
            let waits = self.word_waited_for(submission.session_id, submission.client_message_id);
            if let Some(waits) = waits.await {
                return waits;
            }
            tokio::time::sleep(LOOK_AGAIN_AFTER).await;
        }
    }

    async fn converse_to_the_end(&self, submission: &Submission) -> Result<(Accepted, Option<TurnRecord>), Refusal> {
        self.has_room()?;
        let session_id = submission.session_id;
        for _ in 0..TRIES_MAX {
            let (reply, mut answer) = oneshot::channel();
            let (waiter, end) = oneshot::channel();
            let command = self.submit_command(submission, reply, Some(waiter));
            let unanswered = self.dispatch(session_id, true, command)?;
            // The answer is not waited for: it comes before the end, and would wake this task, on another thread, for nothing.
            let end = tokio::select! {
                biased;
                end = end => end.ok().flatten(),
                () = self.inner.gave_up.cancelled() => return Err(sent_away(answer.await)),
            };
            let answer = match &end {
                Some(_) => answer.try_recv().ok(),
                // It is refused, or a repeat; or the session is started anew.
                None => answer.await.ok(),
            };
            match (answer, end) {
                (Some(Err(refusal)), _) => return Err(refusal),
                (Some(Ok(accepted)), Some(events)) => {
                    let turn_id = accepted.turn_id;
                    let record = TurnRecord {
                        session_id,
                        turn_id,
                        events,
                    };
                    return Ok((accepted, Some(record)));
                }
                (Some(Ok(accepted)), None) => {
                    let record = self.end_of(session_id, accepted.turn_id).await;
                    return record.map(|record| (accepted, record));
                }
                (None, _) => {
                    if !unanswered.may_be_asked_again().await? {
                        return Err(unreachable_session());
                    }
                }
            }
        }
        Err(unreachable_session())
    }

    /// Whether a message may come in: there is a permit, and no commit waits for a database server that is away.
    fn has_room(&self) -> Result<(), Refusal> {
        drop(self.inner.admission.admit()?);
        if self.inner.store.is_waiting() {
            return Err(unwritable());
        }
        Ok(())
    }

    fn submit_command(
        &self,
        submission: &Submission,
        reply: oneshot::Sender<Result<Accepted, Refusal>>,
        end: Option<EndWaiter>,
    ) -> Command {
        let admission = &self.inner.admission;
        Command::Submit(Submit {
            client_message_id: submission.client_message_id,
            said: submission.said.clone(),
            request_id: Arc::clone(&submission.request_id),
            trace: submission.trace.clone(),
            permit: admission.admit().unwrap_or_else(|_| admission.admit_promised()),
            reply: SubmitReply::Caller(reply),
            end,
        })
    }

    /// Waits for the end of a turn whose session it has been heard of, unless the server stops first.
    async fn end_of(&self, session_id: SessionId, turn_id: TurnId) -> Result<Option<TurnRecord>, Refusal> {
        let record = tokio::select! {
            biased;
            record = self.turn_record_in(session_id, turn_id) => record,
            () = self.inner.gave_up.cancelled() => Err(stopping()),
        };
        record.map_err(|refusal| refusal.of_turn(turn_id))
    }

    /// Waits for the end of a turn and gives all of it; at once where it has ended. `None` where there is no such turn.
    ///
    /// # Errors
    /// [`Refusal`] where the store cannot be read.
    pub async fn turn_record(&self, turn_id: TurnId) -> Result<Option<TurnRecord>, Refusal> {
        match self.find_turn(turn_id).await? {
            Some(row) => self.turn_record_in(row.session_id, turn_id).await,
            None => Ok(None),
        }
    }

    /// As [`Self::turn_record`], for those who know the session: it spares a look-up.
    ///
    /// # Errors
    /// [`Refusal`] where the store cannot be read.
    pub async fn turn_record_in(&self, session_id: SessionId, turn_id: TurnId) -> Result<Option<TurnRecord>, Refusal> {
        for _ in 0..TRIES_MAX {
            let ended = self
                .ask(session_id, false, |reply| Command::AwaitTurn { turn_id, reply })
                .await?;
            if let Some(Some(events)) = ended {
                return Ok(Some(TurnRecord {
                    session_id,
                    turn_id,
                    events,
                }));
            }
            match self.find_turn(turn_id).await? {
                Some(row) if row.ended_seq.is_some() => return self.read_turn(row).await.map(Some),
                Some(_) => tokio::time::sleep(RETRY_AFTER).await,
                None => return Ok(None),
            }
        }
        Err(unreachable_session())
    }

    /// What is known of a turn; `None` where there is none.
    ///
    /// # Errors
    /// [`Refusal`] where the store cannot be read.
    pub async fn find_turn(&self, turn_id: TurnId) -> Result<Option<TurnRow>, Refusal> {
        self.inner.store.turn(turn_id).await.map_err(|error| unreadable(&error))
    }

    /// Stops a turn and gives its receipt, after the commit.
    ///
    /// # Errors
    /// [`CancelRefusal`] where there is no such turn, or it has ended.
    pub async fn cancel(&self, turn_id: TurnId) -> Result<TurnCancelled, CancelRefusal> {
        // A turn that is under way is known here, and stopping it waits for nothing.
        let session_id = match self.inner.admission.session_of(turn_id) {
            Some(session_id) => session_id,
            None => {
                let row = self.find_turn(turn_id).await?.ok_or(CancelRefusal::Unknown)?;
                if row.ended_seq.is_some() {
                    return Err(CancelRefusal::Ended);
                }
                row.session_id
            }
        };
        let answer = self.ask(session_id, false, |reply| Command::Cancel {
            turn_id: Some(turn_id),
            reply: CancelReply::Caller(reply),
        });
        match answer.await? {
            // It was open a moment ago: it has ended since.
            Some(Err(CancelRefusal::Unknown)) => Err(CancelRefusal::Ended),
            Some(answer) => answer,
            None => Err(CancelRefusal::Unknown),
        }
    }

    /// A turn that has ended, from the journal.
    async fn read_turn(&self, row: TurnRow) -> Result<TurnRecord, Refusal> {
        let ended_seq = row.ended_seq.unwrap_or(row.accepted_seq);
        let (mut events, mut after_seq) = (Vec::new(), row.accepted_seq - 1);
        while after_seq < ended_seq {
            let page = self
                .inner
                .store
                .events_after(row.session_id, after_seq, TURN_PAGE_EVENTS, TURN_PAGE_BYTES)
                .await;
            let frames = page
                .map_err(|error| unreadable(&error))?
                .map(|page| page.frames)
                .unwrap_or_default();
            let Some(last) = frames.last() else { break };
            after_seq = last.seq;
            for frame in frames.iter().filter(|frame| frame.seq <= ended_seq) {
                let event: Event = serde_json::from_str(&frame.text).map_err(|error| {
                    tracing::error!(session.id = %row.session_id, seq = frame.seq, %error, "a stored event cannot be read");
                    Refusal::new(ErrorCode::InternalError, "A stored event cannot be read.")
                })?;
                if event.turn_id == Some(row.id) {
                    events.push(Recorded {
                        event: Arc::new(event),
                        text: frame.text.clone(),
                    });
                }
            }
        }
        Ok(TurnRecord {
            session_id: row.session_id,
            turn_id: row.id,
            events,
        })
    }
}

/// What somebody is told who waits for the end of a turn when the server stops, whatever became of the message.
fn sent_away(answer: Result<Result<Accepted, Refusal>, oneshot::error::RecvError>) -> Refusal {
    match answer {
        Ok(Ok(accepted)) => stopping().of_turn(accepted.turn_id),
        Ok(Err(refusal)) => refusal,
        Err(_session_is_gone) => unreachable_session(),
    }
}

fn stopping() -> Refusal {
    let words = "The server stops before the turn has ended. It goes on after the next start: \
        GET /api/chat/stream/ with the id in X-Turn-Id follows it.";
    Refusal::overloaded(words, RECONNECT_AFTER)
}
