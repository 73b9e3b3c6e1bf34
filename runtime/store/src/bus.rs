//! What nodes say to each other, over Redis Streams.
//!
//! Each node reads one stream, its inbox, through a consumer group of its own; whoever has something to say to it appends
//! there. Between two nodes this is a channel as TCP is one: what arrives, arrives in order, once and without a gap, or the
//! channel is broken, and both sides get to know: the sender by an error of Redis, the receiver because numbers do not follow
//! each other. Redis may lose what it has acknowledged, when it is restarted or fails over; then a channel breaks, and nothing
//! worse happens. What was said over it is said anew by those who said it.
//!
//! - `entry`: an entry of a stream;
//! - `inbox`: what arrives, and whether something is missing;
//! - `line`: the connections, and what is sent and read by them.

mod entry;
mod inbox;
mod line;

use std::{io, sync::Arc};

use bytestring::ByteString;
use tokio::sync::{mpsc, watch};

use crate::{NodeId, Nodes, RedisAddress, background::Background};
use line::{Letter, Line};

/// What is on its way to Redis at most, in messages. Those who send are bounded by what they wait for.
const OUTGOING_MAX: usize = 1 << 16;

/// What the bus tells of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BusEvent {
    /// Redis is there: everything can be sent and read from now on. All that was said before may be lost.
    Up,
    /// Redis has gone: nothing can be sent or read.
    Away,
    /// A node has said something.
    Message {
        /// Who.
        from: NodeId,
        /// What: one line.
        body: ByteString,
    },
    /// Something is lost of what was sent between this node and that one.
    Broken(NodeId),
}

/// Why something was not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BusError {
    /// Redis is away.
    #[error("Redis cannot be reached")]
    Away,
    /// Too much is on its way already.
    #[error("too much is on its way to Redis")]
    Full,
}

/// The way to the other nodes. Clones share it.
#[derive(Debug, Clone)]
pub struct Bus {
    outgoing: mpsc::Sender<Letter>,
    state: watch::Receiver<LineState>,
}

/// Whether there is a connection; why not, where there is none.
type LineState = Result<(), Arc<str>>;

impl Bus {
    /// Begins to connect, and goes on by itself for as long as a clone is kept. `tell` is told what happens, in order, on a
    /// thread of the bus; it must not block.
    ///
    /// # Errors
    /// Where the system gives no thread. Redis being away is none.
    pub fn start(
        address: RedisAddress,
        nodes: watch::Receiver<Nodes>,
        tell: impl Fn(BusEvent) + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let thread = Background::start_prompt("bus")?;
        let (outgoing, letters) = mpsc::channel(OUTGOING_MAX);
        let (says, state) = watch::channel(Err("it is being connected to".into()));
        let line = Line::new(address, nodes, letters, says, tell);
        let handle = thread.handle();
        handle.spawn(async move {
            line.keep().await;
            // Not before: the inbox is removed at the end.
            drop(thread);
        });
        Ok(Self { outgoing, state })
    }

    /// Sends a line to a node. What is sent to the same node arrives in the same order.
    ///
    /// # Errors
    /// [`BusError`] where it cannot be sent. Whether it arrives is known only by an answer.
    pub fn send(&self, to: NodeId, body: String) -> Result<(), BusError> {
        if self.state.borrow().is_err() {
            return Err(BusError::Away);
        }
        self.outgoing
            .try_send(Letter { to, body })
            .map_err(|error| match error {
                mpsc::error::TrySendError::Full(_) => BusError::Full,
                mpsc::error::TrySendError::Closed(_) => BusError::Away,
            })
    }

    /// Why nothing can be sent at present, if so.
    #[must_use]
    pub fn trouble(&self) -> Option<Arc<str>> {
        self.state.borrow().as_ref().err().cloned()
    }
}
