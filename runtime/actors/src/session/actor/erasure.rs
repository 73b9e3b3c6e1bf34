//! How a session is erased: every turn gets its receipt, then everything goes in one commit.

use super::*;

impl Session {
    pub(super) fn begin_erasing(&mut self, reply: oneshot::Sender<Result<(), Refusal>>, ctx: &mut Context<Self>) {
        self.erasing.push(reply);
        let open: Vec<TurnId> = self.core.open_turn_ids().collect();
        for turn_id in open {
            let (ignored, _) = oneshot::channel();
            let reply_to = self.expect_reply(ReplySink::Cancel(CancelReply::Caller(ignored)));
            self.handle_input(
                Input::Cancel {
                    turn_id: Some(turn_id),
                    reply_to,
                },
                ctx,
            );
        }
        self.erase_when_idle(ctx);
    }

    /// Writes the erasure once every turn has its receipt, and ends the session with it.
    pub(super) fn erase_when_idle(&mut self, ctx: &mut Context<Self>) {
        if self.is_over || !self.core.is_idle() || self.appending.is_some() || !self.unsent.is_empty() {
            return;
        }
        if self.erasing.is_empty() {
            return;
        }
        self.is_over = true;
        let (sender, committed) = oneshot::channel();
        let append = Append {
            write: Write::EraseSession { session_id: self.id() },
            reply: AppendReply::caller(sender),
        };
        self.shard.journal.append(append);
        ctx.wait(committed.into_actor(self).map(move |outcome, session, ctx| {
            let outcome = match outcome {
                Ok(Ok(())) => {
                    session.tell_erased();
                    Ok(())
                }
                Ok(Err(_)) | Err(_) => Err(Refusal::overloaded(
                    "The session cannot be erased just now.",
                    Duration::from_secs(1),
                )),
            };
            for (_, subscriber) in session.subscribers.drain() {
                match outcome {
                    Ok(()) => subscriber.close(CloseReason::Erased),
                    Err(_) => subscriber.abandon(),
                }
            }
            for reply in session.erasing.drain(..) {
                let _ = reply.send(outcome.clone());
            }
            ctx.stop();
        }));
    }
}
