//! A write as bytes: a line of JSON that says what it is, then the frames of an append, as they were sent.

use std::sync::Arc;

use bytestring::ByteString;
use orchestratai_shared::{ChatSession, Event, Message, SessionId};
use serde::{Deserialize, Serialize};

use crate::{Append, JournalEntry, Write};

/// The line that a write begins with.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Head {
    Create {
        session: ChatSession,
        organization: Arc<str>,
    },
    Append {
        session_id: SessionId,
        /// Length of each frame in bytes. They follow the line, one after the other.
        frames: Vec<usize>,
        /// Partial answers that were kept, by the index of their frame.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        kept: Vec<(usize, Message)>,
    },
    Erase {
        session_id: SessionId,
    },
}

/// Bytes that a write takes up: those of its frames, and about as many as its head has.
pub(super) fn room_for(write: &Write) -> usize {
    const HEAD: usize = 256;
    match write {
        Write::Append(append) => HEAD + append.entries.iter().map(|entry| entry.frame.len() + 6).sum::<usize>(),
        Write::CreateSession { .. } | Write::EraseSession { .. } => HEAD,
    }
}

/// Adds a write to `bytes`.
pub(super) fn encode(write: &Write, bytes: &mut Vec<u8>) {
    let head = match write {
        Write::CreateSession { session, organization } => Head::Create {
            session: session.clone(),
            organization: Arc::clone(organization),
        },
        Write::Append(append) => Head::Append {
            session_id: append.session_id,
            frames: append.entries.iter().map(|entry| entry.frame.len()).collect(),
            kept: (append.entries.iter().enumerate())
                .filter_map(|(index, entry)| Some((index, entry.kept.clone()?)))
                .collect(),
        },
        Write::EraseSession { session_id } => Head::Erase {
            session_id: *session_id,
        },
    };
    // Writing to memory cannot fail, nor can types without maps or foreign implementations.
    let written = serde_json::to_writer(&mut *bytes, &head);
    debug_assert!(written.is_ok(), "{written:?}");
    bytes.push(b'\n');
    if let Write::Append(append) = write {
        for entry in &append.entries {
            bytes.extend_from_slice(entry.frame.as_bytes());
        }
    }
}

/// Reads the writes of a record; none where it is not what [`encode`] has written.
pub(super) fn decode(mut bytes: &[u8]) -> Option<Vec<Write>> {
    let mut writes = Vec::new();
    while !bytes.is_empty() {
        let line = bytes.iter().position(|byte| *byte == b'\n')?;
        let (head, rest) = bytes.split_at(line);
        bytes = &rest[1..];
        let write = match serde_json::from_slice(head).ok()? {
            Head::Create { session, organization } => Write::CreateSession { session, organization },
            Head::Erase { session_id } => Write::EraseSession { session_id },
            Head::Append {
                session_id,
                frames,
                mut kept,
            } => {
                let mut entries = Vec::with_capacity(frames.len());
                for (index, length) in frames.into_iter().enumerate() {
                    let (frame, rest) = bytes.split_at_checked(length)?;
                    bytes = rest;
                    let frame = ByteString::from(std::str::from_utf8(frame).ok()?);
                    let event: Event = serde_json::from_str(&frame).ok()?;
                    let kept = kept
                        .iter()
                        .position(|(of, _)| *of == index)
                        .map(|at| kept.swap_remove(at).1);
                    entries.push(JournalEntry {
                        event: Arc::new(event),
                        frame,
                        kept,
                    });
                }
                Write::Append(Append { session_id, entries })
            }
        };
        writes.push(write);
    }
    Some(writes)
}
