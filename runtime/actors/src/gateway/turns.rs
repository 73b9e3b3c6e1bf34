//! Turns: how they begin, how one waits for their end, how they are stopped.

use std::{cell::Cell, sync::Arc};

use orchestratai_shared::{ErrorCode, Event, SessionId, TurnId, event::TurnCancelled};
use orchestratai_store::TurnRow;
use tokio::sync::oneshot;

use super::{
    Accepted, Gateway, RECONNECT_AFTER, RETRY_AFTER, Submission, TRIES_MAX, TurnEnd, TurnRecord, unreachable_session,
    unreadable,
};
use crate::{
    refusal::{CancelRefusal, Refusal},
    session::messages::{CancelReply, Command, Submit, SubmitReply},
};

/// Events that are read at once when a turn is read back from the journal.
const TURN_PAGE_EVENTS: usize = 512;
/// Bytes that are read at once when a turn is read back from the journal.
const TURN_PAGE_BYTES: usize = 1 << 20;

impl Gateway {
    /// Takes a message in. Answers after the commit of its `message_accepted`.
    ///
    /// # Errors
    /// [`Refusal`] where there is no room, the key was used for another message, or the journal cannot be written.
    pub async fn submit(&self, submission: Submission) -> Result<Accepted, Refusal> {
        self.converse(submission).await.map(|(accepted, _)| accepted)
    }

    /// As [`Self::submit`], for who then waits for the end of the turn by [`Self::turn_record_at`]: a turn may end before
    /// anybody could ask for it.
    ///
    /// # Errors
    /// As [`Self::submit`].
    pub async fn converse(&self, submission: Submission) -> Result<(Accepted, TurnEnd), Refusal> {
        let Submission {
            session_id,
            client_message_id,
            content,
            fresh,
            request_id,
        } = submission;
        // Refused here already, so that an overload costs no trip to another thread.
        drop(self.inner.admission.admit()?);
        let end = Cell::new(None);
        let answer = self.ask(session_id, true, |reply| {
            let permit = self
                .inner
                .admission
                .admit()
                .unwrap_or_else(|_| self.inner.admission.admit_promised());
            let (content, reply) = (content.clone(), SubmitReply::Caller(reply));
            let (waiter, ended) = oneshot::channel();
            end.set(Some(TurnEnd(ended)));
            Command::Submit(Submit {
                client_message_id,
                content,
                fresh,
                request_id: Arc::clone(&request_id),
                permit,
                reply,
                end: Some(waiter),
            })
        });
        let accepted = answer.await?.unwrap_or_else(|| Err(unreachable_session()))?;
        end.into_inner()
            .map(|end| (accepted, end))
            .ok_or_else(unreachable_session)
    }

    /// Waits for the end of a turn that [`Self::converse`] has begun, and gives all of it. `None` where its session was
    /// erased.
    ///
    /// # Errors
    /// [`Refusal`] where the store cannot be read, or where the server stops before the turn has ended: it is taken up again
    /// at the next start.
    pub async fn turn_record_at(
        &self,
        session_id: SessionId,
        turn_id: TurnId,
        TurnEnd(ended): TurnEnd,
    ) -> Result<Option<TurnRecord>, Refusal> {
        let ended = tokio::select! {
            biased;
            ended = ended => ended,
            () = self.inner.gave_up.cancelled() => {
                let words = "The server stops before the turn has ended. It goes on after the next start: \
                    GET /api/chat/stream/ with the id in X-Turn-Id follows it.";
                return Err(Refusal::overloaded(words, RECONNECT_AFTER).of_turn(turn_id));
            }
        };
        match ended {
            Ok(Some(events)) => Ok(Some(TurnRecord {
                session_id,
                turn_id,
                events,
            })),
            // It had ended before, or its session is started anew.
            Ok(None) | Err(_) => self.turn_record_in(session_id, turn_id).await,
        }
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
                    events.push(Arc::new(event));
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
