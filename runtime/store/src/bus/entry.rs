//! An entry of an inbox: some lines of one sender, with the place that they have in its channel.

use std::time::Duration;

use bytestring::ByteString;
use redis::{Cmd, Value, from_redis_value, streams::StreamId};
use uuid::Uuid;

use crate::NodeId;

/// The one consumer group of an inbox.
const GROUP: &str = "node";
/// Entries that an inbox keeps at most, about: those of a node that does not read any more.
const ENTRIES_MAX: u32 = 20_000;
/// An inbox that nobody reads goes by itself after so long.
const LIVES_FOR: Duration = Duration::from_secs(120);
/// Entries that are read at once.
const READ_AT_ONCE: u32 = 512;

/// Lines of one sender.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) from: NodeId,
    /// Names the sender's channel; a new one after each break.
    pub(super) channel: Uuid,
    /// The place of the first line in the channel, from 0.
    pub(super) first: u64,
    pub(super) lines: ByteString,
}

/// The inbox of a node. The braces are for a cluster, where they say which part of the name its place depends on.
pub(super) fn inbox(node: NodeId) -> String {
    format!("orchestratai:inbox:{{{node}}}")
}

impl Entry {
    /// Appends it to the inbox of a node, if that is there.
    pub(super) fn append(&self, to: NodeId) -> Cmd {
        let mut append = redis::cmd("XADD");
        append
            .arg(inbox(to))
            .arg("NOMKSTREAM")
            .arg("MAXLEN")
            .arg("~")
            .arg(ENTRIES_MAX)
            .arg("*")
            .arg("from")
            .arg(self.from.to_string())
            .arg("channel")
            .arg(self.channel.to_string())
            .arg("first")
            .arg(self.first)
            .arg("lines")
            .arg(&self.lines[..]);
        append
    }

    /// Reads it back; none where it is no entry of ours.
    pub(super) fn read(id: &StreamId) -> Option<Self> {
        let field = |name: &str| from_redis_value::<String>(id.map.get(name)?.clone()).ok();
        Some(Self {
            from: field("from")?.parse().ok()?,
            channel: field("channel")?.parse().ok()?,
            first: field("first")?.parse().ok()?,
            lines: field("lines")?.into(),
        })
    }
}

/// Makes the inbox with its group. One that is there is left as it is, which Redis calls an error.
pub(super) fn make(node: NodeId) -> Cmd {
    let mut make = redis::cmd("XGROUP");
    make.arg("CREATE").arg(inbox(node)).arg(GROUP).arg("0").arg("MKSTREAM");
    make
}

/// Says that the inbox is read still.
pub(super) fn keep(node: NodeId) -> Cmd {
    let mut keep = redis::cmd("EXPIRE");
    keep.arg(inbox(node)).arg(LIVES_FOR.as_secs());
    keep
}

/// Removes the inbox.
pub(super) fn remove(node: NodeId) -> Cmd {
    let mut remove = redis::cmd("DEL");
    remove.arg(inbox(node));
    remove
}

/// Reads what has arrived, and waits for it up to `block`; or again what was read and not acknowledged.
pub(super) fn read(node: NodeId, block: Duration, again: bool) -> Cmd {
    let mut read = redis::cmd("XREADGROUP");
    read.arg("GROUP")
        .arg(GROUP)
        .arg(node.to_string())
        .arg("COUNT")
        .arg(READ_AT_ONCE)
        .arg("BLOCK")
        .arg(u64::try_from(block.as_millis()).unwrap_or(u64::MAX))
        .arg("STREAMS")
        .arg(inbox(node))
        .arg(if again { "0" } else { ">" });
    read
}

/// Acknowledges entries, and removes them.
pub(super) fn done(node: NodeId, ids: &[String]) -> [Cmd; 2] {
    let (mut acknowledge, mut delete) = (redis::cmd("XACK"), redis::cmd("XDEL"));
    acknowledge.arg(inbox(node)).arg(GROUP).arg(ids);
    delete.arg(inbox(node)).arg(ids);
    [acknowledge, delete]
}

/// Whether an answer to `XADD` says that there is no such inbox.
pub(super) fn is_nowhere(answer: &Value) -> bool {
    matches!(answer, Value::Nil)
}
