//! Where the data is kept, and how safe.

use std::path::Path;

use crate::NodeSettings;

/// How a store is opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreSettings {
    /// A path to an SQLite file, or a URL: `sqlite:…` names a file. The file and its folder are made where they are missing.
    pub url_or_path: String,
    /// What an acknowledged commit survives.
    pub durability: Durability,
    /// Connections that read, 1 to 64. Each is a thread and up to 2 MiB of page cache.
    pub readers: u32,
    /// What it is opened for.
    pub access: Access,
}

impl StoreSettings {
    /// Readers of a store that is opened without saying how many.
    pub const READERS: u32 = 3;

    /// An SQLite file at `path`, with full durability.
    #[must_use]
    pub fn sqlite(path: &Path) -> Self {
        Self {
            url_or_path: path.to_string_lossy().into_owned(),
            durability: Durability::Full,
            readers: Self::READERS,
            access: Access::Journal,
        }
    }
}

/// What a store is opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Access {
    /// Everything. One process at a time can have this of a database.
    #[default]
    Journal,
    /// Everything, as one of several nodes that share a PostgreSQL database.
    Node(NodeSettings),
    /// Documents, also beside a process that has everything. Sessions can be read, as they were up to a moment ago, and not
    /// be written.
    Documents,
}

/// What an acknowledged commit survives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// Loss of power: every commit is flushed to the device.
    #[default]
    Full,
    /// The end of the process, `kill -9` included, but not of the machine: the device is flushed at checkpoints only.
    Process,
}
