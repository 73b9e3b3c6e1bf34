//! Lets the system write a file to the device little by little, ahead of the flush that waits for it.
//!
//! A flush of many pages holds up every other flush of the device: with 1,000 pages scattered over a file it takes 10 ms, and
//! a commit beside it 5 ms instead of 0.1. The same pages handed to the device a few at a time delay nobody measurably, and
//! the flush after them takes 0.1 ms. Nothing here makes anything durable; it only makes that flush cheap.

use std::{
    fs::File,
    io,
    mem::ManuallyDrop,
    path::Path,
    time::{Duration, Instant},
};

use tokio::time::sleep;

/// So much of the file is handed over at once, in bytes.
const STRETCH_BYTES: u64 = 1 << 20;
/// And so much time is left to others after a stretch in which there was something to write.
const PAUSE: Duration = Duration::from_millis(2);
/// Handing over a stretch takes longer than this only where there was something to write.
const WROTE_IF_LONGER: Duration = Duration::from_micros(20);

/// A second descriptor of a database file.
#[derive(Debug)]
pub(crate) struct WriteBack {
    /// Never closed: closing any descriptor of a file drops the locks that the whole process has on it (POSIX record
    /// locks), those of SQLite's connections too, and another process would take the database for one that is not in use.
    file: ManuallyDrop<File>,
}

impl WriteBack {
    /// Opens the file. The descriptor stays open as long as the process lives.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let file = ManuallyDrop::new(File::open(path)?);
        Ok(Self { file })
    }

    /// Hands over all of the file that is not written yet. Where the system cannot do that, the flush has more to do.
    pub(crate) async fn run(&self) {
        let length = self.file.metadata().map_or(0, |metadata| metadata.len());
        let mut at = 0;
        while at < length {
            let began = Instant::now();
            if let Err(error) = begin(&self.file, at, STRETCH_BYTES) {
                tracing::debug!(%error, "the database file cannot be written ahead of its flush");
                return;
            }
            if began.elapsed() > WROTE_IF_LONGER {
                sleep(PAUSE).await;
            }
            at += STRETCH_BYTES;
        }
    }
}

/// Begins to write a stretch of the file, and does not wait for the device.
#[cfg(target_os = "linux")]
fn begin(file: &File, at: u64, bytes: u64) -> io::Result<()> {
    use std::os::fd::AsRawFd;

    let offset = |bytes| libc::off64_t::try_from(bytes).map_err(io::Error::other);
    let (at, bytes) = (offset(at)?, offset(bytes)?);
    #[expect(
        unsafe_code,
        reason = "no crate offers this call safely; it touches no memory, and the descriptor is open as long as `file` is borrowed"
    )]
    // SAFETY: see the reason.
    let answer = unsafe { libc::sync_file_range(file.as_raw_fd(), at, bytes, libc::SYNC_FILE_RANGE_WRITE) };
    if answer == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

#[cfg(not(target_os = "linux"))]
fn begin(_: &File, _: u64, _: u64) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}
