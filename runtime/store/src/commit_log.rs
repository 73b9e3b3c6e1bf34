//! The commit log: where a batch becomes durable, ahead of the database.
//!
//! A transaction of SQLite costs some ten times what its flush costs, and a commit on which a client waits should cost one
//! flush. So a batch is first one record at the end of this log, flushed; then its events may be published. The
//! [`applier`](crate::apply) brings what has gathered into the database, many batches in one transaction, and after a crash
//! the log is read again from where the database ends. (The scheme is the redo log of Mohan et al., "ARIES", 1992, without
//! its undo part, since nothing reaches the log that is not to happen.)
//!
//! The log is two files of fixed length, written in turn: one may be written anew once the database has all of it. They
//! are filled with zeros when they are made, so that a flush writes data and no file system metadata: on ext4 that takes
//! 0.17 ms instead of 0.24 ms, and at p99.9 0.35 ms instead of 1 to 4 ms.
//!
//! Records bear consecutive numbers, their positions. The database holds the position up to which it has been written, in
//! the transaction that wrote it, so each record is applied once. A record that a crash has cut off at the end was never
//! acknowledged and is dropped; one that is damaged before the end is an error, never passed over. Only where commits are not
//! flushed, which a loss of power may leave holes of, the records up to the first hole are taken up and the rest is lost.

mod record;
mod segment;

use std::{
    io,
    path::{Path, PathBuf},
};

use uuid::Uuid;

pub(crate) use self::segment::Retired;
use self::segment::{LockedFile, Nature, Run, Segment};
use crate::Write;

/// Why the log of an earlier run cannot be taken up.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LogError {
    /// A file cannot be read or written.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// What it holds is not what was written, or belongs elsewhere.
    #[error("{reason}: {}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: &'static str,
    },
}

/// The log. There is one for a database, and one process has it.
#[derive(Debug)]
pub(crate) struct CommitLog {
    segments: [Segment; 2],
    active: usize,
    /// Position of the next record.
    next: u64,
    nature: Nature,
}

/// The files of a log that this process has, not read yet.
#[derive(Debug)]
pub(crate) struct LockedLog([LockedFile; 2]);

/// A record of an earlier run.
#[derive(Debug)]
pub(crate) struct Record {
    /// Its position.
    pub(crate) position: u64,
    /// What it says.
    pub(crate) writes: Vec<Write>,
}

/// A batch as the bytes of a record.
pub(crate) struct Encoded(Vec<u8>);

impl Encoded {
    pub(crate) fn new(writes: &[Write]) -> Self {
        let room = writes.iter().map(record::room_for).sum::<usize>();
        let mut bytes = Vec::with_capacity(segment::RECORD_HEADER + room);
        bytes.resize(segment::RECORD_HEADER, 0);
        for write in writes {
            record::encode(write, &mut bytes);
        }
        Self(bytes)
    }

    /// Its length in bytes.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

/// What an earlier run has left.
#[derive(Debug)]
pub(crate) struct Left {
    /// What the database does not have, in order.
    pub(crate) records: Vec<Record>,
    /// Whether that run was cut off: it removes its log at its end.
    pub(crate) was_cut_off: bool,
}

impl LockedLog {
    /// Reads the log of the database that is called `lineage` and has been written up to `applied`; makes it where there is
    /// none. What was left is to be applied before anything else, and the log to be made anew then by [`CommitLog::wipe`].
    ///
    /// # Errors
    /// Where files cannot be read or made, and where the log is damaged or of another database.
    pub(crate) fn read(
        self,
        lineage: Uuid,
        applied: u64,
        is_flushed: bool,
        segment_bytes: u64,
    ) -> Result<(CommitLog, Left), LogError> {
        let nature = Nature { lineage, is_flushed };
        let [first, second] = self.0;
        let was_cut_off = first.is_used()? || second.is_used()?;
        let (first, first_run) = first.read(nature, applied, segment_bytes)?;
        let (second, second_run) = second.read(nature, applied, segment_bytes)?;
        let segments = [first, second];
        let records = join(&segments, [first_run, second_run], applied)?;
        let log = CommitLog {
            segments,
            active: 0,
            next: records.last().map_or(applied, |record| record.position) + 1,
            nature,
        };
        Ok((log, Left { records, was_cut_off }))
    }
}

impl LockedLog {
    /// Removes the files, of which nothing is needed.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn remove(self) -> io::Result<()> {
        // The first one is the lock.
        self.0.iter().rev().try_for_each(LockedFile::remove)
    }
}

impl CommitLog {
    /// Bytes of a file of the log, unless a test wants less. What has not been applied is bounded by two of them, and so is
    /// the memory that it takes.
    pub(crate) const SEGMENT_BYTES: u64 = 8 << 20;

    /// Takes the log beside the database at `database` for this process. What is asked of the database from now on, such as
    /// the position up to which it has been written, no other process changes by its own log.
    ///
    /// # Errors
    /// Where files cannot be made, and where another process has the log ([`io::ErrorKind::WouldBlock`]).
    pub(crate) fn lock(database: &Path) -> io::Result<LockedLog> {
        // The first one is removed last: who has it has both.
        let open = |index| LockedFile::open(segment_path(database, index));
        Ok(LockedLog([open(0)?, open(1)?]))
    }

    /// Up to where the database must have been written before a record of `bytes` can be appended: 0 where there is room.
    pub(crate) fn room_after(&self, bytes: usize) -> u64 {
        if self.segments[self.active].has_room(bytes) {
            0
        } else {
            self.segments[1 - self.active].last_position()
        }
    }

    /// Appends a record and flushes it, on the calling thread. Gives its position.
    ///
    /// # Errors
    /// What the system says. The record is not part of the log then; only if the process ends before the next one is
    /// appended, it may be found there.
    pub(crate) fn append(&mut self, Encoded(mut bytes): Encoded) -> io::Result<u64> {
        self.segments[self.active].mend(self.nature.is_flushed)?;
        if !self.segments[self.active].has_room(bytes.len()) {
            self.active = 1 - self.active;
            self.segments[self.active].rewind();
        }
        let position = self.next;
        self.segments[self.active].append(position, &mut bytes, self.nature.is_flushed)?;
        self.next += 1;
        Ok(position)
    }

    /// Waits until the file that a record of `bytes` will go to is free, if it is being overwritten at present.
    pub(crate) async fn make_room(&mut self, bytes: usize) {
        if !self.segments[self.active].has_room(bytes) {
            self.segments[1 - self.active].wiped().await;
        }
    }

    /// Which of the two files is not written to.
    pub(crate) fn at_rest(&self) -> usize {
        1 - self.active
    }

    /// Takes a file out of use, so that it can be overwritten beside commits, which go on in the other one. `applied` is the
    /// position up to which the database has been written.
    ///
    /// # Errors
    /// Up to where the database must have been written first, where the other file is still needed.
    pub(crate) fn retire(&mut self, file: usize, applied: u64) -> Result<Retired, u64> {
        let other = 1 - file;
        if file == self.active {
            let needed = self.segments[other].last_position();
            if needed > applied {
                return Err(needed);
            }
            self.active = other;
            self.segments[other].rewind();
        }
        Ok(self.segments[file].retire())
    }

    /// Overwrites all that it holds with zeros. Everything must have been applied.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn wipe(&mut self) -> io::Result<()> {
        self.active = 0;
        let nature = self.nature;
        self.segments.iter_mut().try_for_each(|segment| segment.wipe(nature))
    }

    /// Removes the files. Everything must have been applied.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn remove(&mut self) -> io::Result<()> {
        // The first one is the lock.
        self.segments.iter().rev().try_for_each(Segment::remove)
    }
}

/// A write as it stands in a record.
pub(crate) fn text_of(write: &Write) -> Vec<u8> {
    let mut bytes = Vec::new();
    record::encode(write, &mut bytes);
    bytes
}

/// Whether there is a log beside the database at `database`: it is removed at a clean end.
pub(crate) fn exists(database: &Path) -> bool {
    (0..2).any(|index| segment_path(database, index).exists())
}

/// The last whole record of a log that another process has and goes on writing: what the log belongs to, and the record's position.
/// Whatever that process had acknowledged before is at or before it.
///
/// # Errors
/// What the system says.
pub(crate) fn last_record(database: &Path) -> io::Result<Option<(Uuid, u64)>> {
    let first = segment::last_record(&segment_path(database, 0))?;
    let second = segment::last_record(&segment_path(database, 1))?;
    Ok(first.into_iter().chain(second).max_by_key(|(_, position)| *position))
}

fn segment_path(database: &Path, index: usize) -> PathBuf {
    let mut path = database.as_os_str().to_owned();
    path.push(format!("-log{index}"));
    path.into()
}

/// Puts the records of both files in order, those after `applied`.
fn join(segments: &[Segment; 2], runs: [Run; 2], applied: u64) -> Result<Vec<Record>, LogError> {
    let is_flushed = runs.iter().all(|run| run.is_flushed);
    let mut found: Vec<(usize, u64, Vec<u8>)> = Vec::new();
    for (index, run) in runs.into_iter().enumerate() {
        let bodies = (run.first..).zip(run.bodies);
        found.extend(bodies.map(|(position, body)| (index, position, body)));
    }
    found.retain(|(_, position, _)| *position > applied);
    found.sort_by_key(|(_, position, _)| *position);
    let mut records = Vec::with_capacity(found.len());
    for ((index, position, body), expected) in found.into_iter().zip(applied + 1..) {
        let damaged = |reason| LogError::Damaged {
            path: segments[index].path().to_owned(),
            reason,
        };
        if position != expected {
            if is_flushed {
                return Err(damaged(
                    "records that the database does not have are missing before those in the commit log",
                ));
            }
            tracing::warn!(
                position = expected,
                "commits of the last run are lost: with store.durability = \"process\" they do not survive a loss of power"
            );
            break;
        }
        let writes = record::decode(&body).ok_or_else(|| damaged("a record of the commit log cannot be read"))?;
        records.push(Record { position, writes });
    }
    Ok(records)
}

#[cfg(test)]
mod tests;
