//! One subscriber as its session sees it: how far it is, how many bytes it still owes, whether it keeps up.
//!
//! A subscriber is either live, and gets what is published when it is published, or it is catching up, and is read what
//! it missed from the store whenever it has taken in what it was sent. It never has more than its window in flight.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use actix::{Recipient, dev::SendError};
use orchestratai_shared::{SessionId, Timestamp};

use super::outbox::{AnswerMark, Outgoing, OutgoingKind, PublishedAnswer, delta_frame, reset_frame};
use crate::publish::{CloseReason, Cut, Frame, Publish};

/// Names a subscriber; unique in the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct ConnectionId(pub(crate) u64);

/// How much a subscriber may have in flight, and how long it may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SubscriberLimits {
    /// Bytes that may be on their way to a subscriber.
    pub(crate) window_bytes: usize,
    /// How long a subscriber may take in nothing of what was sent.
    pub(crate) slow_after: Duration,
    /// How long a subscriber may be silent before it is asked for a sign of life; after twice that it is cut.
    pub(crate) heartbeat: Duration,
}

/// How a subscriber gets what is published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// When it is published.
    Live,
    /// From the store, when it has room.
    CatchingUp {
        /// A page is being read for it.
        reading: bool,
        /// It fell behind, and has not been told yet.
        to_be_told: bool,
    },
    /// Not any more: it was told to close, and is cut off if it still stands at that time.
    Closing {
        /// When.
        cut_at: Instant,
    },
}

/// How long a subscriber that is too slow has to take in why it is closed before it is cut off.
const FAREWELL: Duration = Duration::from_secs(1);

/// What became of a subscriber.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Health {
    /// It goes on.
    Well,
    /// It takes nothing in, and has just been told to close.
    TooSlow,
    /// It is gone, or was cut: forget it.
    Gone,
}

/// One subscriber.
pub(super) struct Subscriber {
    recipient: Recipient<Publish>,
    cut: Option<Arc<dyn Cut>>,
    /// Whether it is a client of another node.
    is_relayed: bool,
    limits: SubscriberLimits,
    mode: Mode,
    in_flight_bytes: usize,
    /// Since when something has been in flight without any of it being taken in.
    owing_since: Option<Instant>,
    last_alive: Instant,
    pinged: bool,
    /// The last durable event that was sent.
    sent_seq: u64,
    /// How far it is with the answer in progress.
    answer: Option<AnswerMark>,
}

impl Subscriber {
    /// A subscriber that has everything up to `sent_seq`, and the answer in progress up to `answer`.
    pub(super) fn new(
        recipient: Recipient<Publish>,
        cut: Option<Arc<dyn Cut>>,
        limits: SubscriberLimits,
        sent_seq: u64,
        answer: Option<AnswerMark>,
    ) -> Self {
        Self {
            recipient,
            cut,
            is_relayed: false,
            limits,
            mode: Mode::CatchingUp {
                reading: false,
                to_be_told: false,
            },
            in_flight_bytes: 0,
            owing_since: None,
            last_alive: Instant::now(),
            pinged: false,
            sent_seq,
            answer,
        }
    }

    /// The same for a client of another node, where it is one.
    pub(super) fn relayed(mut self, is_relayed: bool) -> Self {
        self.is_relayed = is_relayed;
        self
    }

    /// Whether it is a client of another node, which stays where this one stops.
    pub(super) fn is_relayed(&self) -> bool {
        self.is_relayed
    }

    /// The last durable event that was sent.
    pub(super) fn sent_seq(&self) -> u64 {
        self.sent_seq
    }

    /// Sends what is published now, as far as there is room; what does not fit is caught up with later. Gives whether it
    /// fell behind by this.
    pub(super) fn publish(&mut self, outgoing: &[Outgoing]) -> bool {
        if self.mode != Mode::Live {
            return false;
        }
        let mut frames = Vec::with_capacity(outgoing.len());
        let mut bytes = 0;
        for item in outgoing {
            let length = item.frame.bytes();
            let is_first = self.in_flight_bytes == 0 && bytes == 0;
            if !is_first && self.in_flight_bytes + bytes + length > self.limits.window_bytes {
                break;
            }
            bytes += length;
            frames.push(item.frame.clone());
        }
        let sent = frames.len();
        if sent > 0 && !self.send(frames, bytes) {
            self.fall_behind();
            return true;
        }
        for item in &outgoing[..sent] {
            match item.kind {
                OutgoingKind::Event(_) => self.sent_seq = item.frame.seq.unwrap_or(self.sent_seq),
                OutgoingKind::Delta(mark) | OutgoingKind::Reset(mark) => self.answer = Some(mark),
            }
        }
        if sent < outgoing.len() {
            self.fall_behind();
            return true;
        }
        false
    }

    /// Sends frames that only this subscriber gets: its `session_ready`, refusals, repeats. They may go beyond the
    /// window once; whoever then still takes in nothing is sent no more of them.
    pub(super) fn tell(&mut self, frames: Vec<Frame>) -> bool {
        if matches!(self.mode, Mode::Closing { .. }) {
            return false;
        }
        let bytes = frames.iter().map(Frame::bytes).sum();
        self.in_flight_bytes <= 2 * self.limits.window_bytes && self.send(frames, bytes)
    }

    /// Whether a page should be read for it now, and if so marks it as being read.
    pub(super) fn wants_page(&mut self) -> bool {
        match self.mode {
            Mode::CatchingUp {
                reading: false,
                to_be_told,
            } if self.in_flight_bytes <= self.limits.window_bytes / 2 => {
                self.mode = Mode::CatchingUp {
                    reading: true,
                    to_be_told,
                };
                true
            }
            Mode::Live | Mode::CatchingUp { .. } | Mode::Closing { .. } => false,
        }
    }

    /// Tells it that it fell behind and by how many events, unless it has been told.
    pub(super) fn tell_lagging(&mut self, lagging: impl FnOnce() -> Frame) {
        if matches!(self.mode, Mode::CatchingUp { to_be_told: true, .. })
            && self.tell(vec![lagging()])
            && let Mode::CatchingUp { to_be_told, .. } = &mut self.mode
        {
            *to_be_told = false;
        }
    }

    /// Sends a page from the store, as far as there is room. Whether it took in some of it, and may be read more at once.
    pub(super) fn catch_up(&mut self, page: Vec<Frame>) -> bool {
        let (mut frames, mut bytes, mut last) = (Vec::with_capacity(page.len()), 0, self.sent_seq);
        for frame in page {
            if frame.seq.is_some_and(|seq| seq <= self.sent_seq) {
                continue;
            }
            if bytes > 0 && bytes + frame.bytes() > self.limits.window_bytes {
                break;
            }
            bytes += frame.bytes();
            last = frame.seq.unwrap_or(last);
            frames.push(frame);
        }
        let is_sent = !frames.is_empty() && self.send(frames, bytes);
        if is_sent {
            self.sent_seq = last;
        }
        self.reading_ended();
        is_sent
    }

    /// The page could not be read; it is asked for again later.
    pub(super) fn reading_ended(&mut self) {
        if let Mode::CatchingUp { reading, .. } = &mut self.mode {
            *reading = false;
        }
    }

    /// Goes live: it has every durable event; what it lacks of the answer in progress is sent with it.
    pub(super) fn go_live(&mut self, session_id: SessionId, answer: Option<&PublishedAnswer>, now: Timestamp) {
        if !matches!(self.mode, Mode::CatchingUp { .. }) {
            return;
        }
        self.mode = Mode::Live;
        let Some(current) = answer else { return };
        let (turn_id, message_id) = (current.turn_id, current.mark.message_id);
        let mut frames = Vec::new();
        let from = match self.answer {
            Some(has) if has.message_id != message_id => 0,
            Some(has) if has.withdrawn == current.mark.withdrawn => has.bytes,
            Some(has) if has.bytes > 0 => {
                frames.push(reset_frame(
                    session_id,
                    turn_id,
                    message_id,
                    "The answer was begun anew.".into(),
                    now,
                ));
                0
            }
            Some(_) | None => 0,
        };
        if let Some(missing) = current.text.get(from..).filter(|missing| !missing.is_empty()) {
            frames.push(delta_frame(
                session_id,
                turn_id,
                message_id,
                from,
                missing.to_owned(),
                now,
            ));
        }
        if frames.is_empty() {
            return;
        }
        let bytes = frames.iter().map(Frame::bytes).sum();
        if self.send(frames, bytes) {
            self.answer = Some(current.mark);
        } else {
            self.fall_behind();
        }
    }

    /// Takes note of bytes that have been handed to the socket.
    pub(super) fn credit(&mut self, bytes: usize, now: Instant) {
        self.in_flight_bytes = self.in_flight_bytes.saturating_sub(bytes);
        self.owing_since = (self.in_flight_bytes > 0).then_some(now);
    }

    /// Takes note of a sign of life.
    pub(super) fn alive(&mut self, now: Instant) {
        self.last_alive = now;
        self.pinged = false;
    }

    /// Looks whether it keeps up and is still there; cuts it if not.
    pub(super) fn check(&mut self, now: Instant) -> Health {
        if !self.recipient.connected() {
            return Health::Gone;
        }
        let stands_still = self
            .owing_since
            .is_some_and(|since| now - since >= self.limits.slow_after);
        let silent = now - self.last_alive;
        if let Mode::Closing { cut_at } = self.mode {
            if now < cut_at {
                return Health::Well;
            }
            if let Some(cut) = &self.cut {
                cut.cut();
            }
            return Health::Gone;
        }
        if stands_still || silent >= 2 * self.limits.heartbeat {
            // One that still reads learns why; one that is frozen learns nothing, and is cut off all the same.
            self.give_up(now);
            return Health::TooSlow;
        }
        if silent >= self.limits.heartbeat && !self.pinged {
            self.pinged = self.recipient.try_send(Publish::Ping).is_ok();
        }
        Health::Well
    }

    /// Tells it that it is too slow, and leaves it to be cut off if it does not go.
    pub(super) fn give_up(&mut self, now: Instant) {
        if !matches!(self.mode, Mode::Closing { .. }) {
            self.close(CloseReason::TooSlow);
            self.mode = Mode::Closing { cut_at: now + FAREWELL };
        }
    }

    /// Tells it to close, also where its mailbox is full: nobody would tell it again.
    pub(super) fn close(&self, reason: CloseReason) {
        #[expect(clippy::disallowed_methods, reason = "once or twice in a subscriber's life")]
        self.recipient.do_send(Publish::Close(reason));
    }

    /// Tells it that the session actor is gone, as surely.
    pub(super) fn abandon(&self) {
        #[expect(clippy::disallowed_methods, reason = "once in a subscriber's life")]
        self.recipient.do_send(Publish::Gone);
    }

    fn fall_behind(&mut self) {
        if matches!(self.mode, Mode::Closing { .. }) {
            return;
        }
        self.mode = Mode::CatchingUp {
            reading: false,
            to_be_told: true,
        };
    }

    fn send(&mut self, frames: Vec<Frame>, bytes: usize) -> bool {
        match self.recipient.try_send(Publish::Frames(frames)) {
            Ok(()) => {
                self.in_flight_bytes += bytes;
                self.owing_since.get_or_insert_with(Instant::now);
                true
            }
            // Its mailbox is full, or it is gone: the sweep tells which.
            Err(SendError::Full(_) | SendError::Closed(_)) => false,
        }
    }
}

#[cfg(test)]
mod tests;
