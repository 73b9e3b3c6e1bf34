//! A file of the commit log: a header, then records one after the other, each from the beginning of a sector.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io,
    os::unix::fs::{FileExt, MetadataExt},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use tokio::{sync::watch, time::sleep};
use uuid::Uuid;

use super::LogError;

/// What is written at once begins at a multiple of this, the largest unit of common devices and the system's page: a write
/// that is torn never reaches the record before it.
pub(super) const SECTOR: usize = 4_096;
/// Checksum, length of the body, position: little-endian.
pub(super) const RECORD_HEADER: usize = 16;
const MAGIC: &[u8; 16] = b"commit log 1.0\r\n";
/// Zeros are written so many at a time.
static ZEROS: [u8; 1 << 16] = [0; 1 << 16];

/// One of the two files.
#[derive(Debug)]
pub(super) struct Segment {
    file: Arc<File>,
    path: PathBuf,
    /// Length of the file, filled.
    length: u64,
    /// Where the next record goes.
    end: u64,
    /// Position of the last record; 0 where there is none.
    last: u64,
    /// Up to where something else than zeros may stand.
    soiled: u64,
    /// Whether a record that is not part of the log may stand at the end.
    is_void_after: bool,
    /// While it is being overwritten beside commits: whether that has been done.
    wiping: Option<watch::Receiver<bool>>,
}

/// A file that is being overwritten beside commits. Dropped before that is done, it stays as it is.
#[derive(Debug)]
pub(crate) struct Retired {
    file: Arc<File>,
    last: u64,
    soiled: u64,
    done: watch::Sender<bool>,
}

/// So much of a file is overwritten at once, and so much time is left to others in between.
const WIPE_BYTES: u64 = 1 << 20;
const WIPE_PAUSE: Duration = Duration::from_millis(2);

impl Retired {
    /// Position of its last record: the database must have it first.
    pub(crate) fn last_position(&self) -> u64 {
        self.last
    }

    /// Overwrites its records with zeros.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) async fn wipe(self) -> io::Result<()> {
        let mut at = SECTOR as u64;
        while at < self.soiled {
            let end = Ord::min(at + WIPE_BYTES, self.soiled);
            fill(&self.file, at, end)?;
            self.file.sync_data()?;
            at = end;
            sleep(WIPE_PAUSE).await;
        }
        self.done.send_replace(true);
        Ok(())
    }
}

/// A file that this process alone has, and that has not been read yet.
#[derive(Debug)]
pub(super) struct LockedFile {
    file: File,
    path: PathBuf,
}

/// What a file was found to hold: records with consecutive positions.
#[derive(Debug, Default)]
pub(super) struct Run {
    /// Position of the first.
    pub(super) first: u64,
    /// Their bodies.
    pub(super) bodies: Vec<Vec<u8>>,
    /// Whether each of them was flushed before it was acknowledged. Otherwise a loss of power may leave holes.
    pub(super) is_flushed: bool,
}

/// What a log belongs to and how it is kept, as its files say in their headers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Nature {
    /// The database.
    pub(super) lineage: Uuid,
    /// Whether records are flushed.
    pub(super) is_flushed: bool,
}

impl LockedFile {
    /// Opens the file, makes it where it is missing, and locks it.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] where another process has it, or has removed it in this moment.
    pub(super) fn open(path: PathBuf) -> io::Result<Self> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)?;
        file.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => io::ErrorKind::WouldBlock.into(),
            TryLockError::Error(error) => error,
        })?;
        // Who had it may have removed it between the two: then the lock is on a file that has no name any more.
        let (ours, named) = (file.metadata()?, std::fs::metadata(&path));
        match named {
            Ok(named) if (named.dev(), named.ino()) == (ours.dev(), ours.ino()) => Ok(Self { file, path }),
            Ok(_) => Err(io::ErrorKind::WouldBlock.into()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(io::ErrorKind::WouldBlock.into()),
            Err(error) => Err(error),
        }
    }

    /// Removes the file.
    pub(super) fn remove(&self) -> io::Result<()> {
        std::fs::remove_file(&self.path)
    }

    /// Whether there is anything in the file.
    pub(super) fn is_used(&self) -> io::Result<bool> {
        Ok(self.file.metadata()?.len() > 0)
    }

    /// Reads what is in the file, and fills it where it is new. `applied` is the position up to which the database has been
    /// written: what is damaged before it does not matter.
    pub(super) fn read(self, nature: Nature, applied: u64, length: u64) -> Result<(Segment, Run), LogError> {
        let Self { file, path } = self;
        let mut bytes = vec![0; usize::try_from(file.metadata()?.len()).map_err(io::Error::other)?];
        file.read_exact_at(&mut bytes, 0)?;
        let run = read(&bytes, nature, applied, &path)?;
        let mut segment = Segment {
            file: Arc::new(file),
            path,
            length: bytes.len() as u64,
            end: SECTOR as u64,
            last: 0,
            soiled: bytes.len() as u64,
            is_void_after: false,
            wiping: None,
        };
        if bytes.iter().take(SECTOR).all(|byte| *byte == 0) {
            segment.make(nature, length)?;
        }
        Ok((segment, run))
    }
}

impl Segment {
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Position of its last record; 0 where there is none.
    pub(super) fn last_position(&self) -> u64 {
        self.last
    }

    /// Whether a record of `bytes` may go to its end. One that is longer than a whole file makes an empty one longer.
    pub(super) fn has_room(&self, bytes: usize) -> bool {
        self.end == SECTOR as u64 || self.end + bytes as u64 <= self.length
    }

    /// Takes it out of use until it is overwritten.
    pub(super) fn retire(&mut self) -> Retired {
        let (done, wiping) = watch::channel(false);
        self.wiping = Some(wiping);
        Retired {
            file: Arc::clone(&self.file),
            last: self.last,
            soiled: self.soiled,
            done,
        }
    }

    /// Waits until it is no longer being overwritten.
    pub(super) async fn wiped(&mut self) {
        if let Some(wiping) = &mut self.wiping {
            // An error says that it was given up.
            let _ = wiping.wait_for(|is_done| *is_done).await;
        }
    }

    /// Begins anew. What stands in it is told from what will be by its positions, which are lower.
    pub(super) fn rewind(&mut self) {
        if self.wiping.take().is_some_and(|wiping| *wiping.borrow()) {
            self.soiled = SECTOR as u64;
        }
        self.end = SECTOR as u64;
        self.last = 0;
    }

    /// Writes a record; the first [`RECORD_HEADER`] of `bytes` are room for its header.
    ///
    /// # Errors
    /// What the system says. [`Segment::mend`] must succeed before anything else is written to the log.
    pub(super) fn append(&mut self, position: u64, bytes: &mut Vec<u8>, is_flushed: bool) -> io::Result<()> {
        let body = u32::try_from(bytes.len() - RECORD_HEADER).map_err(io::Error::other)?;
        bytes[4..8].copy_from_slice(&body.to_le_bytes());
        bytes[8..16].copy_from_slice(&position.to_le_bytes());
        let checksum = crc32fast::hash(&bytes[4..]);
        bytes[..4].copy_from_slice(&checksum.to_le_bytes());
        bytes.resize(bytes.len().next_multiple_of(SECTOR), 0);
        self.soiled = self.soiled.max(self.end + bytes.len() as u64);
        self.is_void_after = true;
        self.file.write_all_at(bytes, self.end)?;
        if is_flushed {
            self.file.sync_data()?;
        }
        self.is_void_after = false;
        self.end += bytes.len() as u64;
        self.length = self.length.max(self.end);
        self.last = position;
        Ok(())
    }

    /// Sees to it that no record stands at the end that was refused: its position will be another one's.
    ///
    /// # Errors
    /// What the system says.
    pub(super) fn mend(&mut self, is_flushed: bool) -> io::Result<()> {
        if self.is_void_after {
            self.file.write_all_at(&[0; SECTOR], self.end)?;
            if is_flushed {
                self.file.sync_data()?;
            }
            self.is_void_after = false;
        }
        Ok(())
    }

    /// Overwrites its records with zeros.
    pub(super) fn wipe(&mut self, nature: Nature) -> io::Result<()> {
        self.make(nature, self.length)
    }

    /// Removes the file.
    pub(super) fn remove(&self) -> io::Result<()> {
        std::fs::remove_file(&self.path)
    }

    /// Makes an empty log file of it.
    pub(super) fn make(&mut self, nature: Nature, length: u64) -> io::Result<()> {
        let Nature { lineage, is_flushed } = nature;
        let length = length.max(self.soiled);
        fill(&self.file, 0, length)?;
        let mut header = [0; SECTOR];
        header[..16].copy_from_slice(MAGIC);
        header[16..32].copy_from_slice(lineage.as_bytes());
        header[32] = u8::from(is_flushed);
        if is_flushed {
            // The header goes last: a file that has it is whole.
            self.file.sync_all()?;
        }
        self.file.write_all_at(&header, 0)?;
        if is_flushed {
            self.file.sync_all()?;
            let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty());
            File::open(folder.unwrap_or(Path::new(".")))?.sync_all()?;
        }
        self.rewind();
        self.length = length;
        self.soiled = SECTOR as u64;
        Ok(())
    }
}

fn fill(file: &File, from: u64, to: u64) -> io::Result<()> {
    let mut at = from;
    while at < to {
        let length = usize::try_from(to - at).unwrap_or(ZEROS.len()).min(ZEROS.len());
        file.write_all_at(&ZEROS[..length], at)?;
        at += length as u64;
    }
    Ok(())
}

/// The whole record with the highest position in a file that another process may be writing, and the database it is of.
pub(super) fn last_record(path: &Path) -> io::Result<Option<(Uuid, u64)>> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let lineage = bytes.get(..SECTOR).filter(|header| header.starts_with(MAGIC));
    let Some(lineage) = lineage.and_then(|header| Uuid::from_slice(&header[16..32]).ok()) else {
        return Ok(None);
    };
    // Not from record to record: one that was being written when it was read would hide those after it.
    let positions = (SECTOR..bytes.len())
        .step_by(SECTOR)
        .filter_map(|at| record_at(&bytes, at))
        .map(|(position, _)| position);
    Ok(positions.max().map(|position| (lineage, position)))
}

/// Reads the records of a file up to the first that was not written whole.
fn read(bytes: &[u8], nature: Nature, applied: u64, path: &Path) -> Result<Run, LogError> {
    let damaged = |reason| {
        Err(LogError::Damaged {
            path: path.to_owned(),
            reason,
        })
    };
    let mut run = Run {
        is_flushed: nature.is_flushed,
        ..Run::default()
    };
    if bytes.iter().take(SECTOR).all(|byte| *byte == 0) {
        // A crash came before it was made.
        return Ok(run);
    }
    let Some(header) = bytes.get(..SECTOR).filter(|header| header.starts_with(MAGIC)) else {
        return damaged("this is no commit log of this version");
    };
    run.is_flushed = header[32] != 0;
    if header[16..32] != *nature.lineage.as_bytes() {
        if run.is_flushed {
            return damaged("the commit log belongs to another database");
        }
        // Nothing was flushed, and a loss of power took the database, but not this.
        return Ok(run);
    }
    let mut at = SECTOR;
    let mut next = None;
    while let Some((position, body)) = record_at(bytes, at).filter(|(found, _)| next.is_none_or(|next| next == *found))
    {
        if next.is_none() {
            run.first = position;
        }
        at += (RECORD_HEADER + body.len()).next_multiple_of(SECTOR);
        run.bodies.push(body.to_vec());
        next = Some(position + 1);
    }
    // A write that a crash has cut off is the last one. Where one that came later is whole, this one was whole, too. What
    // is left of the file's use before has lower positions, which the database has.
    let cut_off = next.unwrap_or(0);
    let is_damaged = (at..bytes.len())
        .step_by(SECTOR)
        .filter_map(|at| record_at(bytes, at))
        .any(|(position, _)| position > applied.max(cut_off));
    if is_damaged && run.is_flushed {
        return damaged("a record of the commit log is damaged");
    }
    Ok(run)
}

/// The record that begins at `at`, if it is whole.
fn record_at(bytes: &[u8], at: usize) -> Option<(u64, &[u8])> {
    let record = bytes.get(at..)?;
    let word = |range: std::ops::Range<usize>| Some(u32::from_le_bytes(record.get(range)?.try_into().ok()?));
    let length = usize::try_from(word(4..8)?).ok()?;
    let position = u64::from_le_bytes(record.get(8..16)?.try_into().ok()?);
    let whole = record.get(4..RECORD_HEADER.checked_add(length)?)?;
    (position > 0 && crc32fast::hash(whole) == word(0..4)?).then(|| (position, &whole[RECORD_HEADER - 4..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_whose_write_has_failed_is_not_found_after_the_next() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let nature = Nature {
            lineage: Uuid::now_v7(),
            is_flushed: true,
        };
        let open = || {
            let file = LockedFile::open(path.clone()).unwrap();
            file.read(nature, 0, 64 << 10).unwrap()
        };
        let record = |filling| [vec![0; RECORD_HEADER], vec![filling; 9]].concat();
        let (mut segment, _) = open();
        segment.append(1, &mut record(1), true).unwrap();
        // As a flush that fails leaves it: the record may be there, and is not acknowledged.
        let (end, last) = (segment.end, segment.last);
        segment.append(2, &mut record(2), true).unwrap();
        (segment.end, segment.last, segment.is_void_after) = (end, last, true);
        segment.mend(true).unwrap();
        drop(segment);
        let (_, run) = open();
        assert_eq!((run.first, run.bodies), (1, vec![vec![1; 9]]));
    }
}
