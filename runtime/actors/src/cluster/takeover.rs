//! Turns whose node is gone: any node takes them up.

use actix::{ActorFutureExt, AsyncContext, Context, WrapFuture};

use super::exchange::Exchange;
use crate::registry::Resume;

/// Sessions that are taken over at once, so that others have their share.
const SESSIONS_AT_ONCE: u32 = 64;

impl Exchange {
    /// Claims sessions that nobody owns and that have open turns, and lets these go on.
    pub(super) fn take_over(&mut self, ctx: &mut Context<Self>) {
        let admission = &self.parts.admission;
        if self.is_taking_over || !self.nodes.is_held || !admission.is_ready() || admission.is_draining() {
            return;
        }
        self.is_taking_over = true;
        let store = self.parts.store.clone();
        let claim = async move { store.claim_interrupted(SESSIONS_AT_ONCE).await };
        ctx.spawn(claim.into_actor(self).map(|claimed, exchange, ctx| {
            exchange.is_taking_over = false;
            let sessions = match claimed {
                Ok(sessions) => sessions,
                Err(error) => {
                    tracing::debug!(%error, "interrupted turns cannot be looked for");
                    return;
                }
            };
            if sessions.is_empty() {
                return;
            }
            tracing::warn!(sessions = sessions.len(), "turns that were cut off are taken up again");
            exchange.parts.metrics.sessions_taken_over(sessions.len());
            for session_id in &sessions {
                #[expect(clippy::disallowed_methods, reason = "so many at once at most")]
                exchange.shard(*session_id).resume.do_send(Resume(*session_id));
            }
            exchange.take_over(ctx);
        }));
    }
}
