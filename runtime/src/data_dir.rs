//! The folder that holds the data, and who has it.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read, Seek, Write},
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use uuid::Uuid;

use crate::failure::CommandFailure;

/// How long a server waits for another command to be done with the folder.
const PATIENCE: Duration = Duration::from_secs(60);
const ASK_EVERY: Duration = Duration::from_millis(50);

/// What holds the folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Holder {
    /// A server, for as long as it runs.
    Server,
    /// Another command, for as long as it makes the index.
    Command,
}

impl Holder {
    fn name(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Command => "command",
        }
    }
}

/// The folder that holds the data.
#[derive(Debug, Clone)]
pub(crate) struct DataDir(PathBuf);

impl DataDir {
    /// Makes the folder where it is missing.
    ///
    /// # Errors
    /// Where it cannot be made.
    pub(crate) fn open(path: &Path) -> Result<Self, CommandFailure> {
        fs::create_dir_all(path).map_err(|error| failed(path, error))?;
        Ok(Self(path.to_owned()))
    }

    /// The folder itself.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Where the search index stands.
    pub(crate) fn index(&self) -> PathBuf {
        self.0.join("index")
    }

    /// Where the search index over a database elsewhere stands, named by that database's epoch.
    pub(crate) fn index_of(&self, epoch: &str) -> PathBuf {
        self.0.join(format!("index-{epoch}"))
    }

    /// There while the demo knowledge base is to be loaded: it outlives a crash in the middle of that.
    pub(crate) fn demo_mark(&self) -> PathBuf {
        self.0.join("demo-is-to-be-loaded")
    }

    /// Names the folder among those of other servers, for as long as it is there. To be called by who has the lock.
    ///
    /// # Errors
    /// Where the name cannot be read, or not be kept.
    pub(crate) fn place(&self) -> Result<Uuid, CommandFailure> {
        let path = self.0.join("node");
        match fs::read_to_string(&path) {
            Ok(text) => {
                if let Ok(place) = text.trim().parse() {
                    return Ok(place);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed(&path, error)),
        }
        let place = Uuid::now_v7();
        fs::write(&path, format!("{place}\n")).map_err(|error| failed(&path, error))?;
        Ok(place)
    }

    /// Takes the folder for a server. Another command is waited for; another server is not.
    ///
    /// # Errors
    /// Where another server has it; who that is stands in the error.
    pub(crate) fn lock_for_server(&self) -> Result<Lock, CommandFailure> {
        let began = Instant::now();
        loop {
            if let Some(lock) = self.try_lock(Holder::Server)? {
                return Ok(lock);
            }
            let holder = self.holder();
            let is_command = holder.starts_with(Holder::Command.name());
            if !is_command || began.elapsed() > PATIENCE {
                let path = self.0.display();
                return Err(CommandFailure::plain(format!(
                    "the data in {path} is in use by another process ({holder}); stop it, or choose another folder with \
                     --data-dir"
                )));
            }
            thread::sleep(ASK_EVERY);
        }
    }

    /// Takes the folder; `None` where somebody else has it.
    ///
    /// # Errors
    /// Where the lock file cannot be written.
    pub(crate) fn try_lock(&self, holder: Holder) -> Result<Option<Lock>, CommandFailure> {
        let path = self.0.join("lock");
        let at_path = |error| failed(&path, error);
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(at_path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(at_path(error)),
        }
        // For people, and for the one who waits. The lock itself is the system's, and ends with the process.
        let write = |file: &mut File| -> io::Result<()> {
            file.set_len(0)?;
            file.rewind()?;
            write!(file, "{} with process id {}", holder.name(), std::process::id())
        };
        write(&mut file).map_err(at_path)?;
        Ok(Some(Lock { _file: file }))
    }

    /// Whether a server has the folder, as far as can be seen without taking it.
    pub(crate) fn is_served(&self) -> bool {
        self.holder().starts_with(Holder::Server.name())
    }

    /// What the one who took the folder last says of itself.
    fn holder(&self) -> String {
        let mut said = String::new();
        let read = File::open(self.0.join("lock")).and_then(|file| file.take(200).read_to_string(&mut said));
        if read.is_err() || said.is_empty() {
            "unknown".into()
        } else {
            said
        }
    }
}

/// The folder is ours for as long as this is kept.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

fn failed(path: &Path, error: io::Error) -> CommandFailure {
    CommandFailure::because(format!("the data cannot be kept in {}", path.display()), error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_has_one_server_and_says_which() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataDir::open(&folder.path().join("deep/data")).unwrap();
        let lock = data.lock_for_server().unwrap();
        let refused = data.lock_for_server().unwrap_err().to_string();
        assert!(
            refused.contains(&format!("server with process id {}", std::process::id())),
            "{refused}"
        );
        assert!(data.is_served() && data.try_lock(Holder::Command).unwrap().is_none());
        drop(lock);
        assert!(data.lock_for_server().is_ok(), "a lock ends with its holder");
    }

    #[test]
    fn a_server_waits_for_a_command() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataDir::open(folder.path()).unwrap();
        let lock = data.try_lock(Holder::Command).unwrap().unwrap();
        let waiting = thread::spawn({
            let data = data.clone();
            move || data.lock_for_server().is_ok()
        });
        thread::sleep(ASK_EVERY * 2);
        assert!(!waiting.is_finished());
        drop(lock);
        assert!(waiting.join().unwrap());
    }

    #[test]
    fn a_folder_keeps_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataDir::open(folder.path()).unwrap();
        let place = data.place().unwrap();
        assert_eq!(data.place().unwrap(), place);
        fs::write(folder.path().join("node"), "cut o").unwrap();
        assert_ne!(data.place().unwrap(), place);
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = DataDir::open(&file.path().join("data")).unwrap_err();
        assert!(error.to_string().contains(file.path().to_str().unwrap()), "{error}");
    }
}
