//! A log in Redis: what one process appends, all others read, in the same order and from its start.
//!
//! It is one stream, kept short: the oldest entries go first. An entry is bytes, and nothing is known of them here. The log is
//! for what may be lost: entries that are sent while Redis is away wait, up to a bound, and a Redis that comes back empty
//! has an empty log. An entry may be sent twice where an answer was lost; readers see no order between writers but that of
//! the stream.
//!
//! - `commands`: what is asked of Redis, and how its answers read;
//! - `append`: sends what waits;
//! - `follow`: reads what comes.

mod append;
mod commands;
mod follow;

use std::{io, ops::ControlFlow, sync::Arc, time::Duration};

use tokio::sync::mpsc;
use uuid::Uuid;

use crate::{
    background::{Background, BackgroundHandle},
    redis_server::RedisAddress,
};

/// Entries that wait to be sent; one more is not taken.
const WAITING_MAX: usize = 256;
/// How long connecting may take.
const CONNECT_MAX: Duration = Duration::from_secs(2);
/// How long an answer to what needs no waiting may take.
const ANSWER_MAX: Duration = Duration::from_secs(1);

/// Which log.
#[derive(Debug, Clone)]
pub struct RedisLogSettings {
    /// Where Redis is.
    pub address: RedisAddress,
    /// The key of the stream.
    pub key: &'static str,
    /// Entries that are kept, or up to a hundred more: Redis drops them in such lots.
    pub length: usize,
    /// How long the log lives after its last entry was written.
    pub ttl: Duration,
}

/// What became of entries that were to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogEvent {
    /// So many are in the log.
    Sent(usize),
    /// Redis has not taken so many, and would not take them another time.
    Refused(usize),
}

/// Too many entries wait to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{WAITING_MAX} entries wait to be sent already")]
pub struct LogFull;

/// A log in Redis. Clones share the connections.
#[derive(Debug, Clone)]
pub struct RedisLog(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    place: Arc<Place>,
    waiting: mpsc::Sender<Vec<u8>>,
    thread: BackgroundHandle,
    _background: Background,
}

/// What those who send and those who read have in common.
#[derive(Debug)]
struct Place {
    settings: RedisLogSettings,
    /// Names this process among those who write.
    writer: Uuid,
}

impl RedisLog {
    /// Begins to send what is appended, and goes on by itself for as long as a clone is kept, whether Redis is there or not.
    /// `observe` is told what becomes of it.
    ///
    /// # Errors
    /// Where the system gives no thread. Redis being away is none.
    pub fn start(settings: RedisLogSettings, observe: impl Fn(LogEvent) + Send + 'static) -> io::Result<Self> {
        let background = Background::start()?;
        let thread = background.handle();
        let place = Arc::new(Place {
            settings,
            writer: Uuid::new_v4(),
        });
        let (waiting, entries) = mpsc::channel(WAITING_MAX);
        thread.spawn(append::send(Arc::clone(&place), entries, observe));
        Ok(Self(Arc::new(Inner {
            place,
            waiting,
            thread,
            _background: background,
        })))
    }

    /// Puts an entry behind those that wait to be sent. Does not wait for anything.
    ///
    /// # Errors
    /// [`LogFull`] where too many wait, as they do when Redis is away.
    pub fn append(&self, entry: Vec<u8>) -> Result<(), LogFull> {
        self.0.waiting.try_send(entry).map_err(|_full_or_closed| LogFull)
    }

    /// Reads what others have appended, from the start of the log, and goes on with what comes until `take` breaks off or no
    /// clone of this is kept. `take` is called on a thread of low priority, for one entry after the other; one that is no entry
    /// of a log is given as no bytes. What comes twice, as where Redis was away, is given twice.
    pub fn follow(&self, take: impl FnMut(&[u8]) -> ControlFlow<()> + Send + 'static) {
        self.0.thread.spawn(follow::follow(Arc::clone(&self.0.place), take));
    }
}
