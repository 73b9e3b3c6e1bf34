//! What can go wrong.

use std::{path::PathBuf, sync::Arc};

use orchestratai_shared::{ClientMessageId, SessionId, TurnId};
use sea_orm::DbErr;

/// Why a store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The location is none that this build can open.
    #[error("cannot open a store at `{location}`: {reason}")]
    Location {
        /// As it was given, without a password.
        location: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The folder or file cannot be written.
    #[error("cannot write to {}: check that the folder exists, belongs to this user and is not mounted read-only", path.display())]
    NotWritable {
        /// The folder or file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// The file is damaged, or is no database.
    #[error("{} is damaged or is no database: restore it from a backup, or move it and its -wal, -shm, -log0 and -log1 files away to begin with an empty one", path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What the engine says.
        #[source]
        source: StoreError,
    },
    /// A later version has written the database.
    #[error(
        "{location} was written by a later version (it knows migration `{migration}`): run that version, or restore a backup from before the upgrade"
    )]
    Newer {
        /// The file, or the address without its password.
        location: String,
        /// The migration that this version does not know.
        migration: String,
    },
    /// Another server writes sessions there.
    #[error("{location} is in use by another server: stop it, or give this one a database of its own")]
    Taken {
        /// The address without its password.
        location: String,
    },
    /// Only a database server can be shared.
    #[error("{location} is a file, which several nodes cannot share: give them a PostgreSQL database")]
    NotShared {
        /// The file.
        location: String,
    },
    /// The commit log holds what the database lacks, and cannot be taken up.
    #[error("the commit log beside {} cannot be taken up: {reason}", path.display())]
    CommitLog {
        /// The database file.
        path: PathBuf,
        /// What is wrong, and with which file.
        reason: String,
        /// What the system says, where it was asked.
        #[source]
        source: Option<std::io::Error>,
    },
    /// The database could not be brought to this version, or not be read; for a full disk, a lock that is held or a failing
    /// device see the source.
    #[error("cannot open the database {location}")]
    Database {
        /// The file, or the address without its password.
        location: String,
        /// What the engine says.
        #[source]
        source: StoreError,
    },
}

/// Why the database did not do what it was asked; after any of these it can be asked again.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process held the write lock for too long.
    #[error("the database is busy: another process holds its lock, or all readers are taken")]
    Busy(#[source] DbErr),
    /// No space is left for the database.
    #[error("no space is left for the database: free some, nothing needs to be restarted")]
    DiskFull(#[source] DbErr),
    /// The file is damaged.
    #[error("the database file is damaged: stop the server and restore the file from a backup")]
    Corrupt(#[source] DbErr),
    /// The database server cannot be reached, or takes nobody at present.
    #[error("the database server cannot be reached")]
    Away(#[source] DbErr),
    /// The device or file system failed, or the file may not be written.
    #[error("the database file cannot be read or written")]
    Io(#[source] DbErr),
    /// Rows contradict each other, such as an idempotency key that is there already.
    #[error("the database refused a row that contradicts another")]
    Conflict(#[source] DbErr),
    /// The commit log cannot be written.
    #[error("the commit log cannot be written")]
    CommitLog(#[source] std::io::Error),
    /// This store was opened beside the one that writes sessions.
    #[error("sessions are written by another process: this one only reads them")]
    ReadOnly,
    /// This node's lease is not held at present, or was lost: another node may own its sessions by now.
    #[error("the node's lease is not held: another node may own its sessions by now")]
    LeaseLost,
    /// What was committed cannot be brought into the database at present. It is kept in the commit log.
    #[error("what was committed cannot be brought into the database at present")]
    NotApplied(#[source] Arc<StoreError>),
    /// Anything else.
    #[error("the database failed")]
    Database(#[source] DbErr),
    /// A stored row is not what this version writes.
    #[error("a stored {what} cannot be read")]
    Unreadable {
        /// What kind of row.
        what: &'static str,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The id before which a page should end is none of that session.
    #[error("there is no such entry in this session to page from")]
    UnknownCursor,
}

impl StoreError {
    /// Whether the same call may succeed later without change.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Away(_)
            | Self::Busy(_)
            | Self::DiskFull(_)
            | Self::Io(_)
            | Self::CommitLog(_)
            | Self::LeaseLost
            | Self::Database(_) => true,
            Self::NotApplied(cause) => cause.is_retryable(),
            Self::Corrupt(_) | Self::Conflict(_) | Self::ReadOnly | Self::Unreadable { .. } | Self::UnknownCursor => {
                false
            }
        }
    }
}

/// Why a batch was not written; nothing of it was.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// Events for a session that does not exist.
    #[error("session {session_id} does not exist")]
    UnknownSession {
        /// The session.
        session_id: SessionId,
    },
    /// Events that do not follow the last one of their session: a gap or a repeat.
    #[error("session {session_id} goes on with seq {expected}, not {found}")]
    OutOfOrder {
        /// The session.
        session_id: SessionId,
        /// The `seq` that would have followed.
        expected: u64,
        /// The `seq` that came.
        found: u64,
    },
    /// A terminal event for a turn that does not exist or has ended: a turn ends exactly once.
    #[error("turn {turn_id} cannot end: it does not exist or has ended already")]
    TurnNotOpen {
        /// The turn.
        turn_id: TurnId,
    },
    /// An idempotency key that the session has taken before.
    #[error("session {session_id} has accepted the message {client_message_id} before")]
    KeyTaken {
        /// The session.
        session_id: SessionId,
        /// The key.
        client_message_id: ClientMessageId,
    },
    /// An entry that contradicts itself.
    #[error("seq {seq} of session {session_id} {reason}")]
    Malformed {
        /// The session.
        session_id: SessionId,
        /// The entry's `seq`.
        seq: u64,
        /// What is wrong, after "the entry".
        reason: &'static str,
    },
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl CommitError {
    /// Whether the same batch may succeed later without change.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Store(error) => error.is_retryable(),
            Self::UnknownSession { .. }
            | Self::OutOfOrder { .. }
            | Self::TurnNotOpen { .. }
            | Self::KeyTaken { .. }
            | Self::Malformed { .. } => false,
        }
    }
}
