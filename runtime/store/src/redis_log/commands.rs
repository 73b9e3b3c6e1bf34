//! What is asked of Redis, and how its answers read. Pure.

use std::{str, time::Duration};

use redis::{Cmd, Value, cmd};
use uuid::Uuid;

use super::{Place, RedisLogSettings};

/// The field that names who has written an entry.
const WRITER: &str = "writer";
/// The field that holds it.
const ENTRY: &str = "entry";
/// Entries that are read at once.
const READ_MAX: usize = 64;

/// The place of an entry in its log: milliseconds of the server's clock, and a number within them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct EntryId(u64, u64);

/// An entry that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LogEntry {
    pub(super) id: EntryId,
    /// None where it does not say, or not as one of ours does.
    pub(super) writer: Option<Uuid>,
    /// Empty where it has no such field.
    pub(super) bytes: Vec<u8>,
}

/// What Redis has answered is no part of a log.
#[derive(Debug, thiserror::Error)]
#[error("what it answers is no part of a log")]
pub(super) struct NotALog;

impl EntryId {
    /// Before the first.
    pub(super) const START: Self = Self(0, 0);

    fn parse(text: &[u8]) -> Option<Self> {
        let (millis, number) = str::from_utf8(text).ok()?.split_once('-')?;
        Some(Self(millis.parse().ok()?, number.parse().ok()?))
    }
}

/// Appends an entry, and drops the oldest where there are too many.
pub(super) fn append(place: &Place, entry: &[u8]) -> Cmd {
    let mut command = cmd("XADD");
    command
        .arg(place.settings.key)
        .arg("MAXLEN")
        .arg("~")
        .arg(place.settings.length)
        .arg("*")
        .arg(WRITER)
        .arg(place.writer.as_bytes())
        .arg(ENTRY)
        .arg(entry);
    command
}

/// Lets the log live for its time from now on.
pub(super) fn keep(settings: &RedisLogSettings) -> Cmd {
    let mut command = cmd("PEXPIRE");
    command
        .arg(settings.key)
        .arg(u64::try_from(settings.ttl.as_millis()).unwrap_or(u64::MAX));
    command
}

/// Asks for the newest entry.
pub(super) fn newest(key: &str) -> Cmd {
    let mut command = cmd("XREVRANGE");
    command.arg(key).arg("+").arg("-").arg("COUNT").arg(1);
    command
}

/// Asks for entries after `after`, and where there are none waits until one comes, for so long at most.
pub(super) fn read(key: &str, EntryId(millis, number): EntryId, wait: Duration) -> Cmd {
    let mut command = cmd("XREAD");
    command
        .arg("COUNT")
        .arg(READ_MAX)
        .arg("BLOCK")
        .arg(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX))
        .arg("STREAMS")
        .arg(key)
        .arg(format!("{millis}-{number}"));
    command
}

/// The entries of an answer to [`read`], in their order; none where none came in time.
///
/// # Errors
/// [`NotALog`] where one has no place in the log. One whose fields are not ours has no bytes.
pub(super) fn entries(answer: Value) -> Result<Vec<LogEntry>, NotALog> {
    if answer == Value::Nil {
        return Ok(Vec::new());
    }
    // By their log, of which one was asked for: with the third version of the protocol as a map, else as pairs.
    let of_log = if let Value::Map(logs) = answer {
        logs.into_iter().next().map(|(_, entries)| entries)
    } else if let Value::Array(logs) = answer
        && let Some(Value::Array(log)) = logs.into_iter().next()
    {
        log.into_iter().nth(1)
    } else {
        None
    };
    of_range(of_log.ok_or(NotALog)?)
}

/// The place of the entry in an answer to [`newest`]; none where the log is empty.
///
/// # Errors
/// [`NotALog`] where it is no answer to that.
pub(super) fn newest_id(answer: Value) -> Result<Option<EntryId>, NotALog> {
    Ok(of_range(answer)?.first().map(|entry| entry.id))
}

fn of_range(answer: Value) -> Result<Vec<LogEntry>, NotALog> {
    let Value::Array(entries) = answer else {
        return Err(NotALog);
    };
    entries.into_iter().map(entry).collect()
}

fn entry(value: Value) -> Result<LogEntry, NotALog> {
    let Value::Array(parts) = value else {
        return Err(NotALog);
    };
    let mut parts = parts.into_iter();
    let Some(Value::BulkString(id)) = parts.next() else {
        return Err(NotALog);
    };
    let mut entry = LogEntry {
        id: EntryId::parse(&id).ok_or(NotALog)?,
        writer: None,
        bytes: Vec::new(),
    };
    let fields = if let Some(Value::Array(fields)) = parts.next() {
        fields
    } else {
        Vec::new()
    };
    let mut fields = fields.into_iter();
    while let (Some(Value::BulkString(name)), Some(Value::BulkString(value))) = (fields.next(), fields.next()) {
        if name == WRITER.as_bytes() {
            entry.writer = Uuid::from_slice(&value).ok();
        } else if name == ENTRY.as_bytes() {
            entry.bytes = value;
        }
    }
    Ok(entry)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(text: &str) -> Value {
        Value::BulkString(text.into())
    }

    fn written(id: &str, fields: &[(&str, &[u8])]) -> Value {
        let fields = fields
            .iter()
            .flat_map(|(name, value)| [text(name), Value::BulkString(value.to_vec())]);
        Value::Array(vec![text(id), Value::Array(fields.collect())])
    }

    fn read_of(entries: Vec<Value>) -> Value {
        Value::Array(vec![Value::Array(vec![text("a:log"), Value::Array(entries)])])
    }

    #[test]
    fn entries_are_read_in_either_version_of_the_protocol() {
        let writer = Uuid::from_u128(7);
        let entries_of = || {
            vec![
                written("5-0", &[("writer", writer.as_bytes()), ("entry", b"one")]),
                written("5-12", &[("entry", b"two"), ("more", b"x")]),
                // Of somebody else.
                written("6-0", &[("what", b"ever")]),
                Value::Array(vec![text("7-1"), Value::Nil]),
            ]
        };
        let expected = [
            (EntryId(5, 0), Some(writer), b"one".to_vec()),
            (EntryId(5, 12), None, b"two".to_vec()),
            (EntryId(6, 0), None, Vec::new()),
            (EntryId(7, 1), None, Vec::new()),
        ]
        .map(|(id, writer, bytes)| LogEntry { id, writer, bytes });
        assert_eq!(entries(read_of(entries_of())).unwrap(), expected);
        let as_map = Value::Map(vec![(text("a:log"), Value::Array(entries_of()))]);
        assert_eq!(entries(as_map).unwrap(), expected);
        assert!(entries(Value::Nil).unwrap().is_empty());
    }

    #[test]
    fn what_has_no_place_in_a_log_is_refused() {
        for answer in [
            Value::Okay,
            Value::Array(vec![]),
            read_of(vec![text("5-0")]),
            read_of(vec![written("five", &[])]),
            read_of(vec![written("5", &[])]),
        ] {
            assert!(entries(answer.clone()).is_err(), "{answer:?}");
        }
    }

    #[test]
    fn the_newest_place_is_known_where_there_is_one() {
        let newest = newest_id(Value::Array(vec![written("9-3", &[("entry", b"x")])])).unwrap();
        assert_eq!(newest, Some(EntryId(9, 3)));
        assert!(newest > Some(EntryId(9, 2)) && newest < Some(EntryId(10, 0)));
        assert_eq!(newest_id(Value::Array(vec![])).unwrap(), None);
        assert!(newest_id(Value::Nil).is_err());
    }

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Nil),
            any::<i64>().prop_map(Value::Int),
            proptest::collection::vec(any::<u8>(), 0..12).prop_map(Value::BulkString),
            "[0-9]{1,4}-[0-9]{1,4}".prop_map(|id| text(&id)),
        ];
        leaf.prop_recursive(5, 40, 4, |inner| {
            proptest::collection::vec(inner, 0..4).prop_map(Value::Array)
        })
    }

    proptest! {
        #[test]
        fn any_answer_is_read_or_refused(answer in value()) {
            let _ = newest_id(answer.clone());
            let _ = entries(answer);
        }
    }
}
