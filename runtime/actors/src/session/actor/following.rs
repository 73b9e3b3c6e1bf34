//! How subscribers follow the session: from `session_ready` over what they missed to what happens now.

use super::*;

impl Session {
    pub(super) fn subscribe(&mut self, subscribe: Subscribe, ctx: &mut Context<Self>) {
        let committed = self.core.committed_seq();
        let knows_epoch = subscribe
            .epoch
            .as_deref()
            .is_none_or(|epoch| epoch == self.shard.store.epoch());
        let recovered = match subscribe.after_seq {
            None => true,
            Some(0) => knows_epoch,
            // A number from before the session was erased would fit the new one by chance only.
            Some(after_seq) => {
                let may_be_erased = !subscribe.is_fresh && after_seq <= self.erased_through;
                knows_epoch && after_seq <= committed && !may_be_erased
            }
        };
        let sent_seq = match subscribe.after_seq {
            Some(after_seq) if recovered => after_seq,
            Some(_) | None => committed,
        };
        let ready = SessionReady {
            session: self.totals.clone(),
            agents: self.shard.agents(),
            epoch: self.shard.store.epoch().to_owned(),
            last_seq: committed,
            recovered,
            turn: self.core.turn_in_progress(),
        };
        let answer = self.core.answer_in_progress().map(|answer| answer.mark);
        let limits = self.shard.settings.subscriber_limits();
        let mut subscriber = Subscriber::new(subscribe.subscriber, subscribe.cut, limits, sent_seq, answer)
            .relayed(subscribe.is_relayed);
        subscriber.tell(vec![signal(self.id(), SignalBody::SessionReady(Box::new(ready)))]);
        self.last_used = Instant::now();
        self.subscribers.insert(subscribe.connection, subscriber);
        if subscribe.reply.send(ctx.address().recipient()).is_err() {
            self.subscribers.remove(&subscribe.connection);
            return;
        }
        self.show_face();
        self.catch_up(subscribe.connection, ctx);
    }

    pub(super) fn publish(&mut self, outgoing: &[Outgoing], ctx: &mut Context<Self>) {
        for item in outgoing {
            let kind = match item.kind {
                OutgoingKind::Event(kind) => kind,
                OutgoingKind::Delta(_) => {
                    self.spoke(item.turn_id);
                    "message_delta"
                }
                OutgoingKind::Reset(_) => "message_reset",
            };
            self.shard.metrics.event_published(kind);
        }
        let mut fell_behind = Vec::new();
        for (id, subscriber) in &mut self.subscribers {
            if subscriber.publish(outgoing) {
                fell_behind.push(*id);
            }
        }
        for id in fell_behind {
            self.shard.metrics.slow_consumer(SlowConsumerAction::Lagging);
            self.catch_up(id, ctx);
        }
    }

    /// Lets a subscriber that is behind read on, or go live if it is behind no more.
    pub(super) fn catch_up(&mut self, id: ConnectionId, ctx: &mut Context<Self>) {
        let (session_id, committed) = (self.id(), self.core.committed_seq());
        let Some(subscriber) = self.subscribers.get_mut(&id) else {
            return;
        };
        if !subscriber.wants_page() {
            return;
        }
        let after_seq = subscriber.sent_seq();
        let missed = committed.saturating_sub(after_seq);
        subscriber.tell_lagging(|| signal(session_id, SignalBody::Lagging(Lagging { missed })));
        if after_seq >= committed {
            subscriber.go_live(session_id, self.core.answer_in_progress(), Timestamp::now());
            return;
        }
        let (store, bytes_max) = (self.shard.store.clone(), self.shard.settings.subscriber_window_bytes);
        let read = async move {
            store
                .events_after(session_id, after_seq, PAGE_EVENTS_MAX, bytes_max)
                .await
        };
        ctx.spawn(read.into_actor(self).map(move |page, session, ctx| {
            let committed = session.core.committed_seq();
            let Some(subscriber) = session.subscribers.get_mut(&id) else { return };
            match page {
                Ok(page) => {
                    // The store may be ahead of what this session knows to be durable; that is published in its turn.
                    let frames = page.map(|page| page.frames).unwrap_or_default();
                    let known = frames.into_iter().filter(|frame| frame.seq <= committed);
                    let page = known.map(|frame| Frame { seq: Some(frame.seq), text: frame.text }).collect();
                    // Where it takes nothing in, it is read to again when it has, or at the next sweep.
                    if subscriber.catch_up(page) {
                        session.catch_up(id, ctx);
                    }
                }
                Err(error) => {
                    tracing::error!(session.id = %session_id, error = %error, "events could not be read; tried again soon");
                    subscriber.reading_ended();
                }
            }
        }));
    }

    pub(super) fn spoke(&mut self, turn_id: Option<TurnId>) {
        if let Some(clock) = turn_id.and_then(|turn_id| self.clocks.get_mut(&turn_id))
            && !std::mem::replace(&mut clock.has_spoken, true)
        {
            self.shard.metrics.first_token(clock.received.elapsed());
        }
    }
}
