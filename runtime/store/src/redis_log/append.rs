//! Sends what waits. While Redis is away, what was to be sent waits; what was sent without an answer is sent again.

use std::sync::Arc;

use redis::{RedisError, RedisResult, Value};
use tokio::{sync::mpsc, time::timeout};

use super::{ANSWER_MAX, CONNECT_MAX, LogEvent, Place, commands};
use crate::redis_server::{Backoff, Link, is_of_no_use};

/// Entries that are sent at once.
const BATCH_MAX: usize = 64;

/// Sends entries until there can be no more.
pub(super) async fn send(place: Arc<Place>, mut entries: mpsc::Receiver<Vec<u8>>, observe: impl Fn(LogEvent)) {
    let (mut batch, mut link, mut backoff, mut is_away) = (Vec::new(), None, Backoff::new(), false);
    loop {
        if batch.is_empty() && entries.recv_many(&mut batch, BATCH_MAX).await == 0 {
            return;
        }
        match send_batch(&place, &mut link, &batch).await {
            Ok(refused) => {
                if let Some(error) = &refused.why {
                    tracing::warn!(log = place.settings.key, %error, "Redis does not take some entries of a log");
                }
                for (event, count) in [
                    (LogEvent::Sent as fn(usize) -> LogEvent, batch.len() - refused.count),
                    (LogEvent::Refused, refused.count),
                ] {
                    if count > 0 {
                        observe(event(count));
                    }
                }
                batch.clear();
                backoff.reset();
                is_away = false;
            }
            Err(why) => {
                if !is_away {
                    tracing::warn!(log = place.settings.key, error = %why, "entries of a log wait for Redis");
                }
                (is_away, link) = (true, None);
                backoff.wait().await;
            }
        }
    }
}

/// Entries that Redis has not taken, with one reason.
#[derive(Default)]
struct NotTaken {
    count: usize,
    why: Option<RedisError>,
}

/// Sends a batch, over the connection that there is, or a new one.
async fn send_batch(place: &Place, link: &mut Option<Link>, batch: &[Vec<u8>]) -> Result<NotTaken, String> {
    let settings = &place.settings;
    let link = match link {
        Some(link) => link,
        None => {
            let connecting = Link::connect(&settings.address, CONNECT_MAX, ANSWER_MAX);
            link.insert(in_time(timeout(CONNECT_MAX, connecting).await)?)
        }
    };
    let mut asked: Vec<_> = batch.iter().map(|entry| commands::append(place, entry)).collect();
    asked.push(commands::keep(settings));
    let mut answers = in_time(timeout(ANSWER_MAX, link.ask(asked)).await)?;
    answers.truncate(batch.len());
    not_taken(answers)
}

fn not_taken(answers: Vec<RedisResult<Value>>) -> Result<NotTaken, String> {
    let mut not_taken = NotTaken::default();
    for error in answers.into_iter().filter_map(Result::err) {
        // Another server, or another time, may take them.
        if is_of_no_use(&error) || error.is_io_error() || error.is_timeout() {
            return Err(error.to_string());
        }
        not_taken.count += 1;
        not_taken.why = Some(error);
    }
    Ok(not_taken)
}

fn in_time<T>(done: Result<RedisResult<T>, tokio::time::error::Elapsed>) -> Result<T, String> {
    match done {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_too_late) => Err("it does not answer in time".to_owned()),
    }
}
