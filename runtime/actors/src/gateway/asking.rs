//! How a session is asked, wherever it is.

use std::time::Duration;

use actix::dev::SendError;
use orchestratai_shared::SessionId;
use tokio::sync::oneshot;

use super::{Gateway, RETRY_AFTER, ShardHandle, TRIES_MAX, unreachable_session};
use crate::{
    admission,
    refusal::Refusal,
    registry::{Creation, Declined, Dispatch, Origin},
    session::messages::Command,
    shard::shard_of,
};

impl Gateway {
    pub(super) fn shard(&self, session_id: SessionId) -> &ShardHandle {
        &self.inner.shards[shard_of(session_id, self.inner.shards.len())]
    }

    /// Asks a session, wherever it is; `None` where there is no such session. A session that ends before it answers is
    /// asked again: every command may be repeated.
    pub(super) async fn ask<T>(
        &self,
        session_id: SessionId,
        create: impl Into<Creation>,
        command: impl Fn(oneshot::Sender<T>) -> Command,
    ) -> Result<Option<T>, Refusal> {
        let create = create.into();
        for _ in 0..TRIES_MAX {
            let (reply, answer) = oneshot::channel();
            let unanswered = self.dispatch(session_id, create.clone(), command(reply))?;
            if let Ok(answer) = answer.await {
                return Ok(Some(answer));
            }
            if !unanswered.may_be_asked_again().await? {
                return Ok(None);
            }
        }
        Err(unreachable_session())
    }

    /// Hands a command to the session's shard. What is given tells why the command is dropped without an answer, if it is.
    pub(super) fn dispatch(
        &self,
        session_id: SessionId,
        create: impl Into<Creation>,
        command: Command,
    ) -> Result<Unanswered, Refusal> {
        if !self.is_ready() {
            return Err(admission::starting());
        }
        let (declined, why) = oneshot::channel();
        let dispatch = Dispatch {
            session_id,
            create: create.into(),
            command,
            declined,
            origin: Origin::Here,
        };
        match self.shard(session_id).dispatch.try_send(dispatch) {
            Ok(()) => Ok(Unanswered(why)),
            Err(SendError::Full(_)) => Err(Refusal::overloaded(
                "The server has more to do than it can take.",
                Duration::from_secs(1),
            )),
            Err(SendError::Closed(_)) => Err(unreachable_session()),
        }
    }
}

/// Why a command was dropped without an answer.
pub(super) struct Unanswered(oneshot::Receiver<Declined>);

impl Unanswered {
    /// Whether the session ended before it answered or is another node's, and may answer where it is now: then this returns after a
    /// moment. Otherwise there is no such session.
    pub(super) async fn may_be_asked_again(mut self) -> Result<bool, Refusal> {
        match self.0.try_recv() {
            Ok(Declined::Refused(refusal)) => Err(refusal),
            Ok(Declined::Unknown) => Ok(false),
            Ok(Declined::Elsewhere) | Err(_) => {
                tokio::time::sleep(RETRY_AFTER).await;
                Ok(true)
            }
        }
    }
}
