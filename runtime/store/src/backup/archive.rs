//! The file of a backup: lines of JSON, compressed by Zstandard, then a seal.
//!
//! ```text
//! {"backup":{"format":1,"version":"0.1.0","schema":"m2026…","epoch":"…","taken_at":"…","knowledge_revision":3}}
//! {"table":{"name":"sessions","columns":["id",…]}}
//! ["01936b…",null,"2026-11-27T16:12:10.123Z",…]
//! …
//! {"end":{"tables":[{"name":"sessions","rows":1,"sha256":"…"},…]}}
//! ```
//!
//! Nothing in it is peculiar to an engine, and `zstd -dc` shows it. It is written and read from front to back, one row at a time. The
//! last line says how many rows of each table there are and their digest; the seal is a digest of the file itself, so that no bit
//! of it can change unnoticed. Both find damage. They are no signature: who can write the file can write another one.

mod reader;
mod seal;
mod writer;

use orchestratai_shared::Timestamp;
use serde::{Deserialize, Serialize};

pub(super) use self::{
    reader::{ArchiveReader, Entry},
    writer::ArchiveWriter,
};
use super::digest::TableDigest;

/// The version of all this.
const FORMAT: u32 = 1;

/// Where a backup comes from: its first line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupOrigin {
    /// The version of the file format.
    pub(super) format: u32,
    /// The version of the program that wrote it.
    pub version: String,
    /// The last migration of the database.
    pub schema: String,
    /// The lineage of its journal.
    pub epoch: String,
    /// The moment whose state it is.
    pub taken_at: Timestamp,
    /// How many changes of documents there had been.
    pub knowledge_revision: u64,
}

impl BackupOrigin {
    pub(super) fn new(version: &str, schema: String, epoch: String, taken_at: Timestamp, revision: u64) -> Self {
        Self {
            format: FORMAT,
            version: version.to_owned(),
            schema,
            epoch,
            taken_at,
            knowledge_revision: revision,
        }
    }
}

/// What a backup holds of a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableContents {
    /// Its name.
    pub name: String,
    /// How many rows.
    pub rows: u64,
    /// The sum of their SHA-256, in whatever order they come.
    pub(super) sha256: TableDigest,
}

/// What a backup holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackupContents {
    /// Where it comes from.
    pub origin: BackupOrigin,
    /// Its tables.
    pub tables: Vec<TableContents>,
    /// Its length in bytes, as a file.
    pub bytes: u64,
}

impl BackupContents {
    /// How many rows of a table there are.
    #[must_use]
    pub fn rows(&self, table: &str) -> u64 {
        let found = self.tables.iter().find(|contents| contents.name == table);
        found.map_or(0, |contents| contents.rows)
    }
}

/// A line that is no row.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    Backup(BackupOrigin),
    Table { name: String, columns: Vec<String> },
    End { tables: Vec<TableContents> },
}

/// Why a backup cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum UnreadableBackup {
    /// It does not begin like one.
    #[error("this is no backup of OrchestratAI, or its beginning is damaged")]
    NotOne,
    /// A later version wrote it.
    #[error("the backup was made by a later version ({0}): restore it with that one")]
    Later(String),
    /// It cannot be unpacked to its end.
    #[error("the backup is damaged, cut off, or cannot be read")]
    Unread(#[source] std::io::Error),
    /// It can be unpacked, and is not what was written.
    #[error("the backup is damaged: {0}")]
    Damaged(&'static str),
}
