//! Reads what comes.

use std::{ops::ControlFlow, sync::Arc, time::Duration};

use redis::{Cmd, Value};
use tokio::time::timeout;

use super::{
    ANSWER_MAX, CONNECT_MAX, Place,
    commands::{self, EntryId, NotALog},
};
use crate::redis_server::{Backoff, Link};

/// How long a read waits for an entry: as often it is seen that the connection still lives.
const WAIT: Duration = Duration::from_secs(5);
/// How long an answer to a read may take.
const READ_MAX: Duration = WAIT.saturating_add(ANSWER_MAX);

/// Why reading was broken off.
#[derive(Debug, thiserror::Error)]
enum Lost {
    #[error(transparent)]
    Redis(#[from] redis::RedisError),
    #[error(transparent)]
    NotALog(#[from] NotALog),
    #[error("it does not answer in time")]
    TooLate,
}

/// Reads from the start, and goes on until `take` breaks off.
pub(super) async fn follow(place: Arc<Place>, mut take: impl FnMut(&[u8]) -> ControlFlow<()> + Send) {
    let mut reader = Reader {
        place,
        read: EntryId::START,
        backoff: Backoff::new(),
        is_away: false,
    };
    while let Err(why) = reader.read_on(&mut take).await {
        if !reader.is_away {
            tracing::warn!(log = reader.place.settings.key, error = %why, "a log in Redis cannot be read at present");
        }
        reader.is_away = true;
        reader.backoff.wait().await;
    }
}

struct Reader {
    place: Arc<Place>,
    /// The last entry that was read.
    read: EntryId,
    backoff: Backoff,
    is_away: bool,
}

impl Reader {
    /// Connects and reads; ends well where `take` has broken off.
    async fn read_on(&mut self, take: &mut (impl FnMut(&[u8]) -> ControlFlow<()> + Send)) -> Result<(), Lost> {
        let (key, writer) = (self.place.settings.key, self.place.writer);
        // Of its own, since reads wait; and the answer may take longer than the read waits.
        let connecting = Link::connect(&self.place.settings.address, CONNECT_MAX, READ_MAX);
        let mut link = timeout(CONNECT_MAX, connecting)
            .await
            .map_err(|_late| Lost::TooLate)??;
        let newest = commands::newest_id(ask(&mut link, commands::newest(key)).await?)?;
        // A Redis that has lost the log begins it anew, maybe with earlier numbers.
        if newest.is_none_or(|newest| newest < self.read) {
            self.read = EntryId::START;
        }
        loop {
            let answer = ask(&mut link, commands::read(key, self.read, WAIT)).await?;
            let entries = commands::entries(answer)?;
            if self.is_away {
                tracing::info!(log = key, "a log in Redis is read again");
            }
            self.is_away = false;
            self.backoff.reset();
            for entry in entries {
                self.read = entry.id;
                if entry.writer == Some(writer) {
                    continue;
                }
                if take(&entry.bytes).is_break() {
                    return Ok(());
                }
                // Others of this thread come in between.
                tokio::task::yield_now().await;
            }
        }
    }
}

async fn ask(link: &mut Link, command: Cmd) -> Result<Value, Lost> {
    let answers = timeout(READ_MAX, link.ask(vec![command])).await;
    let mut answers = answers.map_err(|_late| Lost::TooLate)??;
    Ok(answers.pop().unwrap_or(Ok(Value::Nil))?)
}
