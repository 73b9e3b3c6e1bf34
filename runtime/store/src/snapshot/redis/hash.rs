//! What is asked of Redis, and how its answers read. Pure.

use std::time::Duration;

use orchestratai_shared::{ChatSession, SessionId};
use redis::{Cmd, Value, cmd};

use crate::snapshot::{
    Snapshot,
    codec::{SnapshotFields, head_of_epoch, parse_time},
    rehydrate::Candidate,
};

const PREFIX: &str = "session:";

/// Writes a hash unless there is a newer one: of a later life of the session, or of the same one with a higher `seq`. One of
/// another journal or another version is replaced. The state begins with what tells the journal and the life apart, so that
/// nothing needs to be parsed. All in one step, and with all fields anew, since one may have gone.
///
/// It is sent whole each time: 800 bytes beside some 5,000 of a state, and no server, new, restarted or promoted, has to be
/// told beforehand.
const WRITE: &str = r"local old = redis.call('HMGET', KEYS[1], 'state', 'start_time', 'last_seq')
local head = ARGV[1]
if old[1] and old[2] and old[3] and string.sub(old[1], 1, #head) == head then
  local life, new_life = tonumber(string.match(old[1], '^%d+', #head + 1)) or 0, tonumber(ARGV[2])
  if life > new_life then return 0 end
  if life == new_life then
    if old[2] > ARGV[3] then return 0 end
    if old[2] == ARGV[3] and (tonumber(old[3]) or 0) > tonumber(ARGV[4]) then return 0 end
  end
end
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], unpack(ARGV, 6))
redis.call('PEXPIRE', KEYS[1], ARGV[5])
return 1";

/// The fields, in the order in which they are asked for; `state` is the last.
const FIELDS: [&str; 9] = [
    "id",
    "user_id",
    "start_time",
    "last_activity",
    "total_tokens",
    "total_cost",
    "message_count",
    "last_seq",
    "state",
];

/// Writes a snapshot; answered with 1 where it is kept, with 0 where there is a newer one.
pub(super) fn write(snapshot: &Snapshot, fields: &SnapshotFields, ttl: Duration) -> Cmd {
    let session = &fields.session;
    let mut command = cmd("EVAL");
    command
        .arg(WRITE)
        .arg(1)
        .arg(key(session.id))
        .arg(head_of_epoch(&snapshot.epoch))
        .arg(snapshot.erased_through)
        .arg(session.start_time.to_string())
        .arg(fields.last_seq)
        .arg(u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX));
    command.arg("id").arg(session.id.to_string());
    if let Some(user_id) = &session.user_id {
        command.arg("user_id").arg(user_id);
    }
    command
        .arg("start_time")
        .arg(session.start_time.to_string())
        .arg("last_activity")
        .arg(session.last_activity.to_string())
        .arg("total_tokens")
        .arg(session.total_tokens)
        .arg("total_cost")
        .arg(session.total_cost.to_string())
        .arg("message_count")
        .arg(session.message_count)
        .arg("last_seq")
        .arg(fields.last_seq)
        .arg("state")
        .arg(&fields.state);
    command
}

/// Asks for a snapshot.
pub(super) fn read(id: SessionId) -> Cmd {
    let mut command = cmd("HMGET");
    command.arg(key(id)).arg(&FIELDS[..]);
    command
}

/// Asks for a snapshot without its state.
pub(super) fn read_without_state(id: SessionId) -> Cmd {
    let mut command = cmd("HMGET");
    command.arg(key(id)).arg(&FIELDS[..FIELDS.len() - 1]);
    command
}

/// Removes a snapshot.
pub(super) fn remove(id: SessionId) -> Cmd {
    let mut command = cmd("UNLINK");
    command.arg(key(id));
    command
}

/// Asks for some keys of snapshots, from where `cursor` says.
pub(super) fn scan(cursor: u64) -> Cmd {
    let mut command = cmd("SCAN");
    command
        .arg(cursor)
        .arg("MATCH")
        .arg("session:*")
        .arg("COUNT")
        .arg(1_000);
    command
}

/// The session of a key.
pub(super) fn session_of(key: &str) -> Option<SessionId> {
    key.strip_prefix(PREFIX)?.parse().ok()
}

fn key(id: SessionId) -> String {
    format!("{PREFIX}{id}")
}

/// The answer to [`read`] or [`read_without_state`].
pub(super) fn candidate(id: SessionId, answer: Value) -> Candidate {
    let Ok(values) = redis::from_redis_value::<Vec<Option<Vec<u8>>>>(answer) else {
        return Candidate::Unreadable("all");
    };
    if values.iter().all(Option::is_none) {
        return Candidate::Absent;
    }
    match fields(id, values) {
        Ok(fields) => Candidate::Given(Box::new(fields)),
        Err(field) => Candidate::Unreadable(field),
    }
}

fn fields(id: SessionId, values: Vec<Option<Vec<u8>>>) -> Result<SnapshotFields, &'static str> {
    let mut texts = FIELDS.into_iter().zip(values).map(|(field, value)| {
        let text = value.map(String::from_utf8).transpose().map_err(|_not_utf8| field)?;
        Ok::<_, &'static str>((field, text))
    });
    let mut next = || texts.next().unwrap_or(Ok(("state", Some(String::new()))));
    let mut required = || next().and_then(|(field, text)| text.map(|text| (field, text)).ok_or(field));
    let (field, its_id) = required()?;
    if its_id != id.to_string() {
        return Err(field);
    }
    let (_, user_id) = next()?;
    let mut required = || next().and_then(|(field, text)| text.map(|text| (field, text)).ok_or(field));
    let mut time = || required().and_then(|(field, text)| parse_time(&text).ok_or(field));
    let (start_time, last_activity) = (time()?, time()?);
    let mut number = || required().and_then(|(field, text)| text.parse::<u64>().map_err(|_no_number| field));
    let total_tokens = number()?;
    let (field, total_cost) = required()?;
    let total_cost = total_cost
        .parse::<f64>()
        .ok()
        .filter(|cost| cost.is_finite())
        .ok_or(field)?;
    let mut number = || required().and_then(|(field, text)| text.parse::<u64>().map_err(|_no_number| field));
    let (message_count, last_seq) = (number()?, number()?);
    let (_, state) = required()?;
    Ok(SnapshotFields {
        session: ChatSession {
            id,
            user_id,
            start_time,
            last_activity,
            total_tokens,
            total_cost,
            message_count,
        },
        last_seq,
        state,
    })
}
