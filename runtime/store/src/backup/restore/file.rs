//! Into a file of SQLite, which gets its name when it is whole.

use std::{
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
};

use sea_orm::TransactionTrait;

use super::{RestoreError, Restored, fill::fill};
use crate::{
    OpenError, StoreError,
    backup::archive::ArchiveReader,
    commit_log::CommitLog,
    dialect::{self, Role},
};

/// What belongs to a database file, by the end of its name. Left from another one, it would be taken for this one's.
const COMPANIONS: [&str; 4] = ["-wal", "-shm", "-log0", "-log1"];

pub(super) async fn restore<R: Read>(path: &Path, archive: ArchiveReader<R>) -> Result<Restored, RestoreError> {
    let at = |path: &Path| {
        let path = path.to_owned();
        move |source| RestoreError::File { path, source }
    };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    fs::create_dir_all(folder).map_err(at(folder))?;
    refuse_if_taken(path)?;
    // No server begins while this goes on: it would wait for the commit log.
    let log = CommitLog::lock(path).map_err(|error| {
        if error.kind() == io::ErrorKind::WouldBlock {
            RestoreError::Open(OpenError::Taken {
                location: path.display().to_string(),
            })
        } else {
            at(path)(error)
        }
    })?;
    let unfinished = beside(path, "-restoring");
    let unfinished = Unfinished::new(unfinished.clone()).map_err(at(&unfinished))?;
    let restored = fill_file(&unfinished.0, archive).await;
    let restored = restored.and_then(|restored| {
        let file = File::open(&unfinished.0).map_err(at(&unfinished.0))?;
        file.sync_all().map_err(at(&unfinished.0))?;
        // An empty one is left by who wanted to open it and could not.
        if fs::metadata(path).is_ok_and(|metadata| metadata.len() == 0) {
            fs::remove_file(path).map_err(at(path))?;
        }
        // Unlike a rename it never takes the place of another file.
        fs::hard_link(&unfinished.0, path).map_err(at(path))?;
        Ok(restored)
    });
    let removed = log.remove();
    let restored = restored?;
    drop(unfinished);
    removed.map_err(at(path))?;
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(at(folder))?;
    Ok(restored)
}

/// Refuses a path at which there is something that was written to.
fn refuse_if_taken(path: &Path) -> Result<(), RestoreError> {
    let companions = COMPANIONS.iter().map(|ending| beside(path, ending));
    for path in std::iter::once(path.to_owned()).chain(companions) {
        if fs::metadata(&path).is_ok_and(|metadata| metadata.len() > 0) {
            return Err(RestoreError::FileExists { path });
        }
    }
    Ok(())
}

async fn fill_file<R: Read>(path: &Path, archive: ArchiveReader<R>) -> Result<Restored, RestoreError> {
    let failed = |source: StoreError| RestoreError::Database {
        location: path.display().to_string(),
        source,
    };
    let connection = dialect::connect(path, Role::Filler, 1).await;
    let connection = connection.map_err(|error| failed(error.into()))?;
    let filled = async {
        let transaction = connection.begin().await.map_err(|error| failed(error.into()))?;
        let restored = fill(&transaction, archive, failed).await?;
        transaction.commit().await.map_err(|error| failed(error.into()))?;
        Ok::<_, RestoreError>(restored)
    };
    let filled = filled.await;
    let closed = connection.close_by_ref().await;
    let restored = filled?;
    closed.map_err(|error| failed(error.into()))?;
    Ok(restored)
}

/// A file that is being filled. It is removed in the end, whatever that is; one that a crash has left is no part of anything.
struct Unfinished(PathBuf);

impl Unfinished {
    fn new(path: PathBuf) -> io::Result<Self> {
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            Ok(()) | Err(_) => Ok(Self(path)),
        }
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        // What stays is removed by the next restore.
        let _ = fs::remove_file(&self.0);
    }
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut path = path.as_os_str().to_owned();
    path.push(ending);
    path.into()
}
