//! Follows a session on behalf of an event stream.
//!
//! A small actor takes what the session publishes; the body of the response takes it from there. Credits go back as the body
//! is asked for more, so what waits here is bounded by them.

use std::{sync::Arc, time::Duration};

use actix::{Actor, ActorContext, Context, Handler};
use orchestratai_actors::{CloseReason, Cut, Frame, Gateway, Publish, Refusal, SessionLink, Subscription};
use orchestratai_shared::SessionId;
use tokio::{
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    time::Interval,
};

use crate::{ready::Ready, socket::Connected};

/// How often a stream says that it lives, so that no proxy takes it for dead.
const BEAT_EVERY: Duration = Duration::from_secs(15);

/// How often a session that is gone is looked for in a row, and how long between.
const RESUBSCRIPTIONS_MAX: u32 = 5;
const RESUBSCRIPTION_PAUSE: Duration = Duration::from_millis(100);

/// What a follower tells.
#[derive(Debug)]
pub(super) enum Told {
    /// Frames, in order.
    Frames(Vec<Frame>),
    /// It is time for a sign of life.
    Beat,
    /// The session is over for this client.
    Closed(CloseReason),
    /// The session cannot be followed any more.
    Lost,
}

/// One subscription, renewed where its session has to be started anew. Dropping it leaves the session.
pub(super) struct Follower {
    gateway: Gateway,
    socket: Option<Connected>,
    session_id: SessionId,
    /// The last `seq` that was told.
    after_seq: u64,
    published: UnboundedReceiver<Publish>,
    link: SessionLink,
    /// Bytes that were told and not yet known to be taken.
    owed: usize,
    /// Whether the session waits for a sign of life.
    is_asked: bool,
    awaits_ready: bool,
    resubscriptions: u32,
    beat: Interval,
}

impl Follower {
    /// Subscribes from `after_seq` on; `is_fresh` says that it was just read from the journal.
    pub(super) async fn begin(
        gateway: Gateway,
        socket: Option<Connected>,
        session_id: SessionId,
        after_seq: u64,
        is_fresh: bool,
    ) -> Result<Self, Refusal> {
        let (link, published) = subscribe(&gateway, socket.as_ref(), session_id, after_seq, is_fresh).await?;
        let mut beat = tokio::time::interval(BEAT_EVERY);
        beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        beat.reset();
        Ok(Self {
            gateway,
            socket,
            session_id,
            after_seq,
            published,
            link,
            owed: 0,
            is_asked: false,
            awaits_ready: true,
            resubscriptions: 0,
            beat,
        })
    }

    /// Waits for what is next. Being asked means that what was told before has been taken.
    pub(super) async fn next(&mut self) -> Told {
        if self.owed > 0 {
            self.link.credit(std::mem::take(&mut self.owed));
        }
        if std::mem::take(&mut self.is_asked) {
            self.link.alive();
        }
        loop {
            let publish = tokio::select! {
                publish = self.published.recv() => publish,
                _ = self.beat.tick() => return Told::Beat,
            };
            match publish {
                Some(Publish::Frames(frames)) => {
                    self.note(&frames);
                    return Told::Frames(frames);
                }
                Some(Publish::Ping) => {
                    self.is_asked = true;
                    return Told::Beat;
                }
                Some(Publish::Close(reason)) => return Told::Closed(reason),
                // Who follows by SSE says nothing.
                Some(Publish::Unanswered(_)) => {}
                Some(Publish::Gone) | None => {
                    if self.resubscribe().await.is_err() {
                        return Told::Lost;
                    }
                }
            }
        }
    }

    fn note(&mut self, frames: &[Frame]) {
        self.owed += frames.iter().map(Frame::bytes).sum::<usize>();
        for frame in frames {
            if std::mem::take(&mut self.awaits_ready)
                && let Some(ready) = Ready::read(&frame.text)
                && !ready.recovered
            {
                self.after_seq = ready.last_seq;
            }
            if let Some(seq) = frame.seq {
                self.after_seq = self.after_seq.max(seq);
                self.resubscriptions = 0;
            }
        }
    }

    async fn resubscribe(&mut self) -> Result<(), Refusal> {
        loop {
            self.resubscriptions += 1;
            tokio::time::sleep(RESUBSCRIPTION_PAUSE * (self.resubscriptions - 1)).await;
            // An erasure closes those who follow: what this one has is of the session as it is.
            let (socket, is_fresh) = (self.socket.as_ref(), true);
            match subscribe(&self.gateway, socket, self.session_id, self.after_seq, is_fresh).await {
                Ok((link, published)) => {
                    self.link = link;
                    self.published = published;
                    self.owed = 0;
                    self.awaits_ready = true;
                    return Ok(());
                }
                Err(refusal) if self.resubscriptions >= RESUBSCRIPTIONS_MAX => return Err(refusal),
                Err(refusal) => tracing::debug!(session.id = %self.session_id, %refusal, "could not subscribe anew"),
            }
        }
    }
}

async fn subscribe(
    gateway: &Gateway,
    socket: Option<&Connected>,
    session_id: SessionId,
    after_seq: u64,
    is_fresh: bool,
) -> Result<(SessionLink, UnboundedReceiver<Publish>), Refusal> {
    // Its bound is the subscriber's credits: the session sends no more before they are given back.
    let (relayed, published) = unbounded_channel();
    let link = gateway
        .subscribe(Subscription {
            session_id: Some(session_id),
            after_seq: Some(after_seq),
            epoch: None,
            is_fresh,
            subscriber: Relay { relayed }.start().recipient(),
            cut: socket.cloned().map(|socket| Arc::new(socket) as Arc<dyn Cut>),
        })
        .await?;
    Ok((link, published))
}

/// Takes what the session publishes. It stops with its last address, which is the session's.
struct Relay {
    relayed: UnboundedSender<Publish>,
}

impl Actor for Relay {
    type Context = Context<Self>;
}

impl Handler<Publish> for Relay {
    type Result = ();

    fn handle(&mut self, publish: Publish, context: &mut Self::Context) {
        if self.relayed.send(publish).is_err() {
            context.stop();
        }
    }
}
